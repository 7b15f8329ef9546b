"""Pictures with a title, labelled axes, safe colours, a second cue, alt text and one sentence that says what they show.

Limits: static pictures; nothing here computes a score.
"""

import base64
import html
import io
import textwrap
from collections.abc import Mapping, Sequence

from IPython.display import display

from course_utils.records import read_json
from course_utils.settings import REFERENCE

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_HATCHES = ("", "//", "..", "xx")


def _show(figure, sentence: str) -> str:
    """Display a figure as an image with the sentence as alt text, print the sentence, and return it."""
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    data = base64.b64encode(buffer.getvalue()).decode()
    image = f'<img alt="{html.escape(sentence, quote=True)}" src="data:image/png;base64,{data}" style="max-width:100%">'
    display({"text/html": image, "text/plain": sentence}, raw=True)
    print(textwrap.fill(sentence, 110))
    return sentence


def plot_shares(
    title: str,
    rows: Mapping[str, Mapping[str, Sequence[float]]],
    unit: str = "share of questions answered correctly (%)",
    groups: str = "kind of question",
) -> str:
    """Bars with 95% intervals: one group for each row, one bar for each speaker.

    Args:
        title: Title of the picture.
        rows: Group -> speaker -> (right, n, low, high); low and high are shares between 0 and 1.
        unit: Label of the axis.
        groups: What the groups are.

    Returns:
        The sentence that was printed.
    """
    import matplotlib.pyplot as plt

    speakers = list(dict.fromkeys(name for row in rows.values() for name in row))
    tall = 1.1 + 0.42 * len(rows) * len(speakers)
    figure, axes = plt.subplots(figsize=(8, tall))
    height = 0.8 / len(speakers)
    for k, speaker in enumerate(speakers):
        for g, row in enumerate(rows.values()):
            if speaker not in row:
                continue
            right, n, low, high = row[speaker]
            share, place = 100 * right / n, g + k * height
            axes.barh(
                place,
                share,
                height * 0.9,
                color=_COLOURS[k],
                hatch=_HATCHES[k],
                edgecolor="white",
                label=speaker if g == 0 else None,
            )
            axes.plot([100 * low, 100 * high], [place, place], color="black", linewidth=1.2, marker="|")
            axes.text(101.5, place, f"{share:.0f}% of {n}", va="center", fontsize=9)
    axes.set_yticks([g + height * (len(speakers) - 1) / 2 for g in range(len(rows))], list(rows))
    axes.set_xlim(0, 100)
    axes.invert_yaxis()
    axes.set_xlabel(f"{unit}; black lines: 95% interval")
    axes.set_ylabel(groups)
    axes.set_title(title, loc="left")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.6 / (0.77 * tall)), ncols=len(speakers), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    parts = [
        f"{group}: " + ", ".join(f"{who} {100 * v[0] / v[1]:.0f}%" for who, v in row.items()) for group, row in rows.items()
    ]
    return _show(figure, f"{title}. " + "; ".join(parts) + ".")


def plot_sizes(models: Mapping[str, float], ours: str) -> str:
    """Sizes of models on a scale where each step is ten times the one before.

    Args:
        models: Parameters by name.
        ours: The model that the course trains.

    Returns:
        The sentence that was printed.
    """
    import matplotlib.pyplot as plt

    names = sorted(models, key=models.get)
    figure, axes = plt.subplots(figsize=(8, 0.9 + 0.42 * len(names)))
    for place, name in enumerate(names):
        chosen = name == ours
        axes.barh(place, models[name], color=_COLOURS[1 if chosen else 0], hatch="//" if chosen else "", edgecolor="white")
        axes.text(models[name] * 1.2, place, _amount(models[name]), va="center", fontsize=9)
    axes.set_yticks(range(len(names)), names)
    axes.set_xscale("log")
    axes.set_xlim(1e5, max(models.values()) * 30)
    axes.set_xlabel("parameters (numbers inside the model); each mark is ten times the one before")
    axes.set_ylabel("model")
    axes.set_title("How small is our graduate?", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    largest = names[-1]
    times = round(models[largest] / models[ours], -3)  # nobody needs the last digits
    return _show(
        figure,
        f"{ours} has {_amount(models[ours])} parameters; {largest} has {_amount(models[largest])}, about {times:,.0f} times as many.",
    )


def plot_counts(title: str, rows: Mapping[str, float], unit: str, groups: str) -> str:
    """One bar for each group, in the order given.

    Args:
        title: Title of the picture.
        rows: Number by group.
        unit: Label of the axis.
        groups: What the groups are.

    Returns:
        The sentence that was printed.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 0.9 + 0.36 * max(len(rows), 1)))
    for place, count in enumerate(rows.values()):
        axes.barh(place, count, color=_COLOURS[0], edgecolor="white")
        axes.text(count, place, f" {count:,.0f}", va="center", fontsize=9)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * max([*rows.values(), 1]))
    axes.set_xlabel(unit)
    axes.set_ylabel(groups)
    axes.set_title(title, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    return _show(figure, f"{title}. " + ", ".join(f"{name}: {count:,.0f}" for name, count in rows.items()) + ".")


def plot_means(
    title: str,
    rows: Mapping[str, Mapping[str, Sequence[float]]],
    unit: str,
    groups: str,
    mark: tuple[float, str],
) -> str:
    """Points with 95% intervals: one group for each row, one point for each arm, and a line where chance lies.

    Args:
        title: Title of the picture.
        rows: Group -> arm -> (mean, low, high).
        unit: Label of the axis.
        groups: What the groups are.
        mark: Where to draw the line, and what it says.

    Returns:
        The sentence that was printed.
    """
    import matplotlib.pyplot as plt

    arms = list(dict.fromkeys(name for row in rows.values() for name in row))
    tall = 1.3 + 0.32 * len(rows) * len(arms)
    figure, axes = plt.subplots(figsize=(8, tall))
    step = 0.6 / len(arms)
    for k, arm in enumerate(arms):
        means = [row[arm] for row in rows.values()]
        places = [g + k * step for g in range(len(rows))]
        middle = [m[0] for m in means]
        reach = [[m[0] - m[1] for m in means], [m[2] - m[0] for m in means]]
        axes.errorbar(middle, places, xerr=reach, fmt="os^D"[k], color=_COLOURS[k], capsize=3, label=arm)
        for m, place in zip(means, places, strict=True):
            axes.text(m[2], place, f"  {m[0]:.1f}", va="center", fontsize=9)
    axes.axvline(mark[0], color="black", linestyle=":", linewidth=1)
    axes.text(mark[0], -0.55, f" {mark[1]}", fontsize=9)
    axes.set_yticks([g + step * (len(arms) - 1) / 2 for g in range(len(rows))], list(rows))
    axes.set_ylim(len(rows) - 0.3, -0.8)
    axes.set_xlim(left=0)
    axes.set_xlabel(f"{unit}; lines: 95% interval")
    axes.set_ylabel(groups)
    axes.set_title(title, loc="left")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.6 / (0.77 * tall)), ncols=len(arms), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    parts = [f"{group}: " + ", ".join(f"{arm} {v[0]:.1f}" for arm, v in row.items()) for group, row in rows.items()]
    return _show(figure, f"{title}. " + "; ".join(parts) + f" ({mark[1]}: {mark[0]:.1f}).")


def show_leak() -> None:
    """The precomputed experiment with a leaked test: picture, and what the leak seemed to be worth."""
    arms = read_json(REFERENCE / "leak.json")["arms"]
    halves = list(arms["clean"])
    rows = {
        f"half that was {half}": {arm: (r[half]["right"], r[half]["n"], *r[half]["interval"]) for arm, r in arms.items()}
        for half in halves
    }
    plot_shares("The same test, with and without a leak", rows, "share of questions answered correctly (%)", "test questions")
    share = {(arm, half): r[half]["right"] / r[half]["n"] for arm, r in arms.items() for half in halves}
    seemed, really = (100 * (share["with a leak", half] - share["clean", half]) for half in halves)
    print(
        f"On the questions that leaked, the second model seems {seemed:+.0f} points better; on those that did not, it is {really:+.0f} points."
    )


def show_memory() -> None:
    """The precomputed memory experiment: how well adapters know secrets of their training data, raw and scrubbed."""
    result = read_json(REFERENCE / "memory.json")
    names = {"raw": "trained on raw tickets", "scrubbed": "trained on scrubbed tickets", "untrained": "not trained"}
    by_times: dict[str, dict] = {}
    for arm, name in names.items():
        for row in result["arms"][arm]:
            group = "once" if row["times"] == 1 else f"{row['times']} times"
            by_times.setdefault(group, {})[name] = (row["exposure"], *row["interval"])
    plot_means(
        "How well the model knows a secret number",
        by_times,
        "mean exposure (bits)",
        "how often the number stood there",
        (result["chance"], "guessing"),
    )
    for arm in ("raw", "scrubbed"):
        said = sum(row["verbatim"] for row in result["arms"][arm])
        print(f"Word for word, {names[arm]}: {said} of {sum(row['of'] for row in result['arms'][arm])} secrets.")


def _amount(n: float) -> str:
    return f"{n / 1e9:,.3g} billion" if n >= 1e9 else f"{n / 1e6:,.3g} million"
