"""Pictures with a title, labelled axes, safe colours, a second cue, alt text and one sentence that says what they show.

Limits: static pictures; nothing here computes a score.
"""

import base64
import html
import io
import textwrap
from collections.abc import Mapping, Sequence

from IPython.display import display

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


def _amount(n: float) -> str:
    return f"{n / 1e9:,.3g} billion" if n >= 1e9 else f"{n / 1e6:,.3g} million"
