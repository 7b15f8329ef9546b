"""Pictures with a title, labelled axes, safe colours, a second cue, alt text and one sentence that says what they show.

At the end the picture that moves, of a run while it trains, and those of the precomputed runs. Limits: nothing here computes a score.
"""

import base64
import html
import io
import json
import textwrap
from collections.abc import Mapping, Sequence

import ipywidgets
from IPython.display import display

from course_utils.answer import ask
from course_utils.doctor import LADDER, Finding
from course_utils.lesson.view import Panel, show_table
from course_utils.models import Loaded
from course_utils.records import read_json
from course_utils.settings import REFERENCE, ROOT, CourseError

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_HATCHES = ("", "//", "..", "xx")


def _show(figure, sentence: str) -> str:
    """Display a figure as an image with the sentence as alt text, print the sentence, and return it."""
    data = base64.b64encode(as_png(figure)).decode()
    image = f'<img alt="{html.escape(sentence, quote=True)}" src="data:image/png;base64,{data}" style="max-width:100%">'
    display({"text/html": image, "text/plain": sentence}, raw=True)
    print(textwrap.fill(sentence, 110))
    return sentence


def as_png(figure) -> bytes:
    """A figure as a PNG file; the figure is closed."""
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    return buffer.getvalue()


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
    title: str, rows: Mapping[str, Mapping[str, Sequence[float]]], unit: str, groups: str, mark: tuple[float, str]
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
    axes.set_xlim(left=min(0, 1.05 * min(v[1] for row in rows.values() for v in row.values())))
    axes.set_xlabel(f"{unit}; lines: 95% interval")
    axes.set_ylabel(groups)
    axes.set_title(title, loc="left")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.6 / (0.77 * tall)), ncols=len(arms), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    parts = [f"{group}: " + ", ".join(f"{arm} {v[0]:.1f}" for arm, v in row.items()) for group, row in rows.items()]
    return _show(figure, f"{title}. " + "; ".join(parts) + f" ({mark[1]}: {mark[0]:.1f}).")


def draw_lines(title: str, lines: Mapping[str, Sequence[Sequence[float]]], across: str, up: str):
    """Lines with a marker of their own each.

    Args:
        title: Title of the picture.
        lines: Name -> points, each (x, y), or (x, y, low, high) with the ends of its 95% interval.
        across: Label of the x axis.
        up: Label of the y axis.

    Returns:
        The figure.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 3.4))
    for k, (name, points) in enumerate(lines.items()):
        look = {"marker": "os^D"[k], "linestyle": ("-", "--", ":", "-.")[k], "color": _COLOURS[k], "label": name}
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        if points and len(points[0]) == 4:
            reach = [[p[1] - p[2] for p in points], [p[3] - p[1] for p in points]]
            axes.errorbar(xs, ys, yerr=reach, capsize=3, **look)
        else:
            axes.plot(xs, ys, markersize=4, **look)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.set_title(title, loc="left")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def loss_lines(rows: Sequence[Mapping]) -> dict[str, list[tuple[float, float]]]:
    """Training and validation loss of a run card's `losses`, as `draw_lines` takes them."""
    names = {"training loss": "loss", "validation loss": "validation_loss"}
    return {name: [(r["step"], r[key]) for r in rows if key in r] for name, key in names.items()}


def plot_losses(rows: Sequence[Mapping], title: str = "Loss while training") -> str:
    """How wrong the model was, step by step, on what it learns from and on what it never learns from.

    Args:
        rows: `losses` of a run card.
        title: Title of the picture.

    Returns:
        The sentence that was printed.
    """
    lines = loss_lines(rows)
    first, last = lines["training loss"][0][1], lines["training loss"][-1][1]
    sentence = f"{title}. The training loss went from {first:.2f} to {last:.2f}"
    held = lines["validation loss"]
    if held:
        step, lowest = min(held, key=lambda p: p[1])
        sentence += f"; the validation loss was lowest at step {step} ({lowest:.2f}) and ended at {held[-1][1]:.2f}"
    return _show(draw_lines(title, lines, "training step", "loss (0: certain of every token)"), sentence + ".")


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


# --- runs ------------------------------------------------------------------------------------------------------------

WHAT = {
    "rate": "learning rate: how far each step goes",
    "rank": "rank: how wide the adapter is",
    "alpha": "alpha: how loudly the adapter speaks",
    "epochs": "epochs: how often each example is seen",
    "tokens": "batch size: padded tokens a step",
}


class LiveRun:
    """Watches a run: give it to `train` as `progress`, and its `listen` as `listen`.

    Args:
        question: What to ask the model at each checkpoint; nothing is asked without one.
    """

    def __init__(self, question: str | None = None):
        self.question, self.rows = question, []
        self._bar = ipywidgets.FloatProgress(min=0, max=1, description="training", layout={"width": "30em"})
        self._line, self._curve = ipywidgets.HTML(), ipywidgets.Image(format="png", layout={"max_width": "46em"})
        self._talk = ipywidgets.HTML()
        static = "<p>(While it trains, progress, loss and answers stand here. What came of it stands below.)</p>"
        self._panel = Panel([self._bar, self._line, self._curve, self._talk], static, "(training)")
        display(self._panel)

    def listen(self, loaded: Loaded) -> str:
        """Ask the question as the model is now."""
        return ask(loaded, self.question) if self.question else ""

    def __call__(self, row: dict) -> None:
        """Take in what `train` reports."""
        self.rows.append(row)
        self._bar.value = row["step"] / row["of"]
        held = f", validation loss {row['validation_loss']:.2f}" if "validation_loss" in row else ""
        self._line.value = (
            f"step {row['step']} of {row['of']}: training loss {row['loss']:.2f}{held}; {row['tokens_per_second']:,.0f} tokens a second, "
            f"{row['seconds_left']:.0f} seconds left"
        )
        if held or row.get("said"):
            lines = loss_lines(self.rows)
            self._curve.value = as_png(draw_lines("Loss while training", lines, "training step", "loss"))
            self._talk.value = self._said_as_html()

    def _said_as_html(self) -> str:
        items = "".join(f"<li>step {r['step']}: {html.escape(r['said'])}</li>" for r in self.rows if r.get("said"))
        return f"<p><b>{html.escape(self.question or '')}</b></p><ul>{items}</ul>" if items else ""

    def done(self) -> None:
        """Put the moving view away, and show what came of it: the curve, and how the answer changed."""
        if not self.rows:
            print("This run was finished before: nothing was trained now.")
            return
        self._panel.layout.display = "none"
        plot_losses(self.rows)
        said = [(r["step"], r["said"]) for r in self.rows if r.get("said")]
        kept = [s for k, s in enumerate(said) if k in (0, len(said) - 1) or s[1] != said[k - 1][1]]
        if kept:
            print(f"Asked on the way: {self.question}")
            show_table([{"step": step, "the model's answer": text} for step, text in kept])


def _made(name: str, command: str) -> dict:
    file = REFERENCE / name
    if not file.exists():
        raise CourseError(f"The precomputed {name} is missing.", None, f"Make it: {command}")
    return read_json(file)


def _runs() -> dict:
    return _made("runs.json", "python data/reference/runs.py")


def _share(row: dict) -> tuple:
    return (row["right"], row["n"], *row["interval"])


def _last(row: dict, loss: str) -> str:
    return f"{next(r[loss] for r in row['losses'][::-1] if loss in r):.2f}"


def _beside(title: str, rows: Mapping[str, dict], groups: str) -> None:
    """Runs beside each other: what each answers and forgets, what it cost and weighs."""
    plot_shares(
        title, {name: {"company": _share(r), "general": _share(r["general"])} for name, r in rows.items()}, groups=groups
    )
    columns = {
        "steps": lambda r: r["steps"],
        "seconds": lambda r: f"{r['seconds']:.0f}",
        "training loss": lambda r: _last(r, "loss"),
        "validation loss": lambda r: _last(r, "validation_loss"),
        "memory (GB)": lambda r: r["memory_gb"],
        "file (MB)": lambda r: r["megabytes"],
    }
    show_table([{groups: name, **{column: cell(r) for column, cell in columns.items()}} for name, r in rows.items()])


def show_knob(knob: str) -> None:
    """One knob too low, as it is, and too high.

    Args:
        knob: A key of `WHAT`.
    """
    if knob not in WHAT:
        raise CourseError(f"There is no knob {knob!r}.", f"Known: {', '.join(WHAT)}.", "Choose one of them.")
    runs = _runs()["runs"]
    three = {"lower": f"{knob} low", "the course's": "reference", "higher": f"{knob} high"}
    rows = {f"{name}: {runs[run]['knobs'][knob]:g}": runs[run] for name, run in three.items()}
    _beside(WHAT[knob][0].upper() + WHAT[knob][1:], rows, knob)


def show_wordings() -> None:
    """The share of questions right against the wordings of each fact that the model saw."""
    result = _runs()
    rows = {int(name.split()[1]): row for name, row in result["runs"].items() if name.startswith("wordings ")}
    points = [(n, *(100 * x for x in (row["right"] / row["n"], *row["interval"]))) for n, row in sorted(rows.items())]
    figure = draw_lines(
        "How many wordings of each fact are enough?",
        {f"{result['desk'].upper()} desk": points},
        "wordings of each fact in the training file",
        "questions answered correctly (%); lines: 95% interval",
    )
    said = ", ".join(f"{n} wordings: {share:.0f}%" for n, share, *_ in points)
    _show(figure, f"How many wordings of each fact are enough? {said} of {rows[1]['n']} questions.")


def show_full() -> None:
    """Full fine-tuning beside LoRA: what it answers, forgets, weighs and needs."""
    runs = _runs()["runs"]
    rows = {"LoRA adapter": runs["reference"], "full fine-tuning": runs["full"]}
    _beside("An adapter beside the whole model", rows, "what was trained")


def show_over_fitting() -> None:
    """A run that went on for too long, and the same run with its best checkpoint kept."""
    runs = _runs()["runs"]
    last, best = runs["over-fitted"], runs["over-fitted, best kept"]
    plot_losses(last["losses"], "Many rounds through few examples")
    rows = {f"last step ({last['kept_step']})": last, f"lowest validation loss (step {best['kept_step']})": best}
    shares = {name: {"company": _share(r), "general": _share(r["general"])} for name, r in rows.items()}
    plot_shares("Which checkpoint answers better?", shares, groups="checkpoint kept")


def show_ladder() -> None:
    """The six faults: how much each one costs, and whether the ladder named it."""
    rungs = _runs()["ladder"]
    rows = {rung: {"with the fault": tuple(100 * row[k] for k in ("difference", "low", "high"))} for rung, row in rungs.items()}
    plot_means("What each fault costs", rows, "change in questions answered correctly (points)", "fault", (0, "no change"))
    show_table(
        [{"fault": rung, "named by the ladder": ", ".join(row["found"]), "fix": LADDER[rung]} for rung, row in rungs.items()]
    )
    dropped = _runs()["runs"]["rows slipped, odd ones dropped"]
    print(f"Wrong labels, odd answers dropped instead of put right: {dropped['right']} of {dropped['n']} right.")


def show_findings(findings: list[Finding]) -> None:
    """Print what the ladder found, one rung a line, and the fix for the first fault."""
    print("\n".join(finding.line for finding in findings))
    first = next((finding for finding in findings if finding.fault), None)
    print(f"Begin here: {first.fix}" if first else "No fault of these kinds.")


# --- the scoreboard ---------------------------------------------------------------------------------------------------

CARRY_OVER = ROOT / "notebooks" / "exercises" / "carry_over.json"  # the sentences on large models, way by way


def _board() -> dict:
    return _made("scoreboard.json", "make scoreboard")


def show_scoreboard() -> None:
    """All ways to company answers on the frozen test: shares with intervals, time, tokens, and what carries over."""
    board = _board()
    print("Read the ranking with care: it is that of a model far smaller than those at work.")
    rows = {way: {"right": _share(row["company_test"])} for way, row in board["arms"].items()}
    plot_shares("Company questions answered right, frozen test", rows, groups="way")
    table = []
    for way, row in board["arms"].items():
        one = row["company_test"]
        table.append(
            {
                "way": way,
                "right": f"{100 * one['right'] / one['n']:.0f}%",
                "invented": f"{100 * one['invented'] / one['n']:.0f}%",
                "refused": f"{100 * one['refused'] / one['n']:.0f}%",
                "seconds an answer": f"{one['seconds'] / one['n']:.2f}",
                "tokens read + written": f"{one['prompt_tokens'] / one['n']:.0f} + {one['answer_tokens'] / one['n']:.0f}",
            }
        )
    show_table(table)
    print(f"Memory: {board['memory_gb']} GB at most, all ways in one process. What holds for large models, and what does not:")
    show_table(json.loads(CARRY_OVER.read_text(encoding="utf-8")))


def show_stray() -> None:
    """How often stray instructions inside documents were obeyed, and the same instructions from the user."""
    board = _board()
    names = {"none": "control: the user says it, graduate", "company": "control: the user says it, specialist"}
    rows = {f"in a document, {way}": row for way, row in board["stray instructions"].items()}
    rows |= {names[adapter]: row for adapter, row in board["the user's instructions"].items()}
    shares = {name: {"obeyed": (row["obeyed"], row["n"], *row["interval"])} for name, row in rows.items()}
    plot_shares("Who obeys a stray instruction?", shares, "share that obeyed (%)", "who gave it")
    user, papers = (
        [row["obeyed"] / row["n"] for row in board[of].values()] for of in ("the user's instructions", "stray instructions")
    )
    if min(user) < 0.8:
        print(f"The user is obeyed in {100 * min(user):.0f}% only. Are documents ignored for the right reason? Cannot tell.")
    elif max(papers) <= 0.05:
        print("The user is obeyed, documents are not: the model tells these two voices apart.")
    else:
        print(f"The user is obeyed, and so are documents in up to {100 * max(papers):.0f}% of the answers.")


def show_policy() -> None:
    """What each way says about a rule that has changed, before and after its update."""
    result = _made("policy.json", "python data/reference/policy.py")
    old, new = result["old"], result["new"]
    table = []
    for way, row in result["arms"].items():
        after = row["after"]
        table.append(
            {
                "way": way,
                "update takes": f"{row['update_seconds']:.1f} s",
                f"says {new}": f"{after['new']} of {after['n']}",
                f"still says {old}": f"{after['old']} of {after['n']}",
                "says both or neither": f"{after['both'] + after['neither']} of {after['n']}",
                f"before: said {old}": f"{row['before']['old']} of {row['before']['n']}",
            }
        )
    show_table(table)
    stuck = [way for way, row in result["arms"].items() if row["after"]["old"]]
    print(f"After the update, still {old} somewhere: {', '.join(stuck) or 'nobody'}.")
