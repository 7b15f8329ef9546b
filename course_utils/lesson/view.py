"""Side-by-side answers, the notebook's header, facts ticked off.

Everything that comes from data is escaped before it reaches HTML, and every widget has a static face, so that it shows
something sensible on GitHub or in the static book. Limits: no logic; the outcome of an answer is decided in `score`.
"""

import html
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import ipywidgets
from IPython import get_ipython
from IPython.display import display

from course_utils.answer import ask
from course_utils.models import Loaded, load_model
from course_utils.prepare import training_questions
from course_utils.records import Answer, Fact, Question, read_json, read_rows
from course_utils.retrieve import Index
from course_utils.score import by_desk
from course_utils.settings import OUTPUTS, QUESTIONS, REFERENCE, CourseError, load_ipython_extension, made_or_reference, shown
from course_utils.sources import read_facts, source_of
from course_utils.verdict import MISSES, holds, judge, kind_of_miss

_T = TypeVar("_T")
_CARD = (
    "flex:1;min-width:16em;border:1px solid #767676;border-top:6px {line} {colour};border-radius:4px;padding:.6em .9em;margin:.3em;"
    "background:#fff;color:#1a1a1a"
)
_LOOKS = (("solid", "#0072B2"), ("double", "#D55E00"), ("dashed", "#009E73"))  # colour-blind safe, and a second cue


class Panel(ipywidgets.VBox):
    """A widget box that shows plain HTML wherever widgets cannot run.

    Args:
        children: The widgets.
        static: HTML to show instead; already escaped.
        text: The same as plain text.
    """

    def __init__(self, children, static: str, text: str):
        super().__init__(children)
        self._static, self._text = static, text

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        data, *rest = bundle if isinstance(bundle, tuple) else (bundle,)
        data = {**data, "text/html": self._static, "text/plain": self._text}
        return (data, *rest) if rest else data


def header(number: str) -> None:
    """Print what this notebook takes, as measured, and which files it starts from.

    Args:
        number: The notebook's number, such as "00".
    """
    if get_ipython():
        load_ipython_extension(get_ipython())
    file = REFERENCE / "timings.json"
    timings = read_json(file)["notebooks"] if file.exists() else {}
    if number in timings:
        row = timings[number]
        print(
            f"Notebook {number}: all its cells ran in {row['seconds']:.0f} seconds with {row['memory_gb']:.1f} GB of memory "
            f"on {row['machine']}. Plan {row['minutes']} minutes to read and try things."
        )
    yours = any((OUTPUTS / name).exists() for name in ("prepared", "adapters", "answers", "scores"))
    where = (
        f"your own results in {shown(OUTPUTS)}/"
        if yours
        else "precomputed results in data/reference/ (you have made none of your own yet)"
    )
    print(f"It starts from {where}.")


def meet(name: str = "tiny", adapter: str | None = None) -> Loaded:
    """Load a model and say how long it took and where it came from.

    Args:
        name: The base.
        adapter: Name of an adapter of the course ("company"), or None for the base alone.
    """
    began = time.monotonic()
    print("loading the libraries and the model ...", end=" ", flush=True)
    folder, whose = made_or_reference("adapters", adapter) if adapter else (None, "")
    loaded = load_model(name, folder)
    size = sum(p.numel() for p in loaded.model.parameters()) / 1e6
    with_adapter = f" with the adapter {adapter!r} ({whose}: {shown(folder)})" if adapter else ""
    print(f"{name}{with_adapter}: {size:.1f} million numbers, ready after {time.monotonic() - began:.1f} s")
    return loaded


def show_text(text: str) -> None:
    """Show prose, wrapped at words; it is escaped, since it may come from data."""
    static = f'<blockquote style="white-space:pre-wrap;max-width:46em">{html.escape(text)}</blockquote>'
    display({"text/html": static, "text/plain": text}, raw=True)


def show_table(rows: Sequence[Mapping[str, object]]) -> None:
    """Show rows as a table; every cell is escaped, since it may come from data.

    Args:
        rows: Cells by column name; the columns are those of the first row.
    """
    if not rows:
        print("(nothing to show)")
        return
    head = list(rows[0])
    cells = [[str(row.get(name, "")) for name in head] for row in rows]
    columns = "".join(f'<th scope="col" style="text-align:left">{html.escape(name)}</th>' for name in head)
    lines = "".join(
        "<tr>" + "".join(f'<td style="text-align:left">{html.escape(c)}</td>' for c in row) + "</tr>" for row in cells
    )
    static = f"<table><thead><tr>{columns}</tr></thead><tbody>{lines}</tbody></table>"
    display({"text/html": static, "text/plain": "\n".join(" | ".join(row) for row in [head, *cells])}, raw=True)


def show_tokens(pieces: Sequence[str], mask: Sequence[int] | None = None) -> None:
    """Show tokens as boxes; those that are trained are dark and underlined, so that colour is not the only sign.

    Args:
        pieces: The text of each token.
        mask: For each token, 1 if it is trained on; without it all look alike.
    """
    boxes, plain = [], []
    for k, piece in enumerate(pieces):
        trained = bool(mask is not None and mask[k])
        look = "background:#0072B2;color:#fff;text-decoration:underline" if trained else "background:#fff;color:#1a1a1a"
        text = html.escape(piece.replace("\n", "\u21b5"))
        boxes.append(
            f'<span style="{look};border:1px solid #767676;border-radius:3px;padding:0 .15em;margin:.1em;'
            f'display:inline-block;white-space:pre;font-family:monospace">{text}</span>'
        )
        plain.append(f"[{piece}]" if trained else piece)
    note = "" if mask is None else '<p style="margin:.3em">dark and underlined: trained; white: only read</p>'
    display({"text/html": f"<div>{''.join(boxes)}</div>{note}", "text/plain": "|".join(plain)}, raw=True)


def show_privacy(result: Mapping) -> None:
    """Show what a finder found and missed, by kind, and say in one sentence how much still leaks.

    Args:
        result: From `privacy.score_privacy`.
    """
    show_table(
        [
            {
                "kind": kind,
                "planted": row["planted"],
                "missed": row["planted"] - row["found"],
                "found": f"{100 * row['recall']:.1f}%",
                "95% interval": "{:.0f}% to {:.0f}%".format(*(100 * x for x in row["interval"])),
            }
            for kind, row in result["by_type"].items()
        ]
    )
    false = Counter(item["type"] for item in result["invented"])
    low, high = result["leaking_interval"]
    print(
        f"Found (recall): {100 * result['recall']:.1f}% of what was planted. "
        f"Right, of all that was marked (precision): {100 * result['precision']:.1f}%.\n"
        f"Threads that still leak something: {result['leaking']} of {result['documents']:,}, "
        f"so {100 * low:.1f}% to {100 * high:.1f}% of such threads."
    )
    if false:
        print("Marked for nothing: " + ", ".join(f"{n} {kind}" for kind, n in false.most_common()) + ".")


def waiting(rows: Sequence[_T], what: str) -> Iterator[_T]:
    """The rows one after the other, with a line that says how many seconds are left."""
    began, shown = time.monotonic(), 0.0
    for done, row in enumerate(rows):
        passed = time.monotonic() - began
        if passed - shown >= 1:
            shown = passed
            print(
                f"\r{what}: {done:,} of {len(rows):,}, {passed / done * (len(rows) - done):.0f} s left   ", end="", flush=True
            )
        yield row
    print(f"\r{what}: {len(rows):,} done in {time.monotonic() - began:.0f} s" + " " * 20)


def side_by_side(question: str, answers: Mapping[str, str]) -> None:
    """Show one question and several answers next to each other.

    Args:
        question: What was asked.
        answers: Answer by speaker.
    """
    text = "\n".join([f"Question: {question}", *(f"{who}: {answer}" for who, answer in answers.items())])
    display({"text/html": cards(question, answers), "text/plain": text}, raw=True)


def cards(question: str, answers: Mapping[str, str]) -> str:
    cards = "".join(
        f'<div style="{_CARD.format(line=line, colour=colour)}"><strong>{html.escape(who)}</strong>'
        f'<p style="margin:.4em 0 0;white-space:pre-wrap">{html.escape(answer)}</p></div>'
        for (who, answer), (line, colour) in zip(answers.items(), _LOOKS * 3, strict=False)
    )
    return (
        f'<p style="margin:.3em"><em>{html.escape(question)}</em></p>'
        f'<div style="display:flex;flex-wrap:wrap;align-items:stretch">{cards}</div>'
    )


def check_facts(answer: str, fact_id: str) -> dict[str, bool]:
    """Tick off which values of a company fact an answer holds, and print the verdict.

    Args:
        answer: What a model said.
        fact_id: The fact, as in data/company/facts.jsonl.

    Returns:
        For each value, whether it is there.

    Raises:
        CourseError: If there is no such fact.
    """
    fact = _fact(fact_id)
    found = {f"section {w}" if w == fact.section else _wanted(w): holds(w, answer) >= 0 for w in fact.must_include}
    for value, there in found.items():
        print(f"  {'[x] there  ' if there else '[ ] missing'}  {value}")
    question = Question(
        id="q", question="asked", kind="company", topic=fact.id, must_include=fact.must_include, reference=fact.statement
    )
    verdict = judge(question, answer, source_of()[fact.id])
    paper = f"section {fact.section} of {fact.paper.replace('_', ' ')}"
    sentences = {
        "correct": f"All {len(found)} values of {paper} are there.",
        "refused": "The model says that it does not know.",
        "invented": f"Not right, and it states what {paper} does not hold: {', '.join(verdict.forbidden)}.",
        "wrong": f"{sum(found.values())} of {len(found)} values of {paper} are there.",
    }
    print(sentences[verdict.outcome])
    return found


def ask_all(models: Mapping[str, Loaded], question: str, fact_id: str) -> dict[str, str]:
    """Ask several models one question, show their answers next to each other and check each against a fact.

    Args:
        models: Model by name.
        question: What to ask.
        fact_id: The fact that a right answer holds.

    Returns:
        Answer by name.

    Raises:
        CourseError: If there is no such fact or the question cannot be asked.
    """
    answers = {who: ask(model, question) for who, model in models.items()}
    side_by_side(question, answers)
    for who, answer in answers.items():
        print(f"{who}:")
        check_facts(answer, fact_id)
    return answers


def _fact(fact_id: str) -> Fact:
    facts = {fact.id: fact for fact in read_facts()}
    if fact_id not in facts:
        raise CourseError(
            f"There is no fact {fact_id!r}.", "The facts stand in data/company/facts.jsonl.", "Choose an id from there."
        )
    return facts[fact_id]


def _wanted(wanted: str | list[str]) -> str:
    first = wanted if isinstance(wanted, str) else wanted[0]  # the others are other ways to say it
    return first.replace(" ~ ", " for ")


def reference_shares(speakers: Mapping[str, str], arm: str = "plain") -> dict[str, dict[str, tuple[int, int, float, float]]]:
    """Right answers by kind of question from the precomputed scores, ready for `plot_shares`.

    Args:
        speakers: Name to show -> adapter ("none" for the base alone).
        arm: How the answers were made.
    """
    rows: dict[str, dict] = {}
    for speaker, adapter in speakers.items():
        for path in sorted((REFERENCE / "scores").glob(f"*/tiny+{adapter}+{arm}.json")):
            for kind, row in read_json(path)["by_kind"].items():
                label = kind if kind != "document" else f"document ({path.parent.name.split('_')[1]})"
                rows.setdefault(label, {})[speaker] = (row["correct"], row["n"], *row["interval"])
    return rows


def show_misses(questions: str, adapter: str, count: int = 3, arm: str = "plain") -> None:
    """Print the first answers that were not right, with what was missing.

    Args:
        questions: A set, such as "company_test".
        adapter: The adapter that answered.
        count: How many.
        arm: How the answers were made.
    """
    name = f"tiny+{adapter}+{arm}"
    answers = {a.id: a for a in read_rows(REFERENCE / "answers" / questions / f"{name}.jsonl", Answer)}
    references = {q.id: q.reference for q in read_rows(QUESTIONS / f"{questions}.jsonl", Question)}
    missed = [
        item for item in read_json(REFERENCE / "scores" / questions / f"{name}.json")["items"] if item["outcome"] != "correct"
    ]
    apart = max(1, len(missed) // count)  # spread over the set, so that several desks are heard
    for item in missed[::apart][:count]:
        read_out(answers[item["id"]], references[item["id"]])
        print(f"Outcome:   {item['outcome']}\n")
    print(f"{len(missed)} of these {len(answers)} questions were not answered right; {len(answers) - len(missed)} were.")


def read_out(answer: Answer, right: str) -> None:
    for label, text in {"Asked": answer.question, "It said": answer.answer, "Right is": right}.items():
        print(textwrap.fill(text, 100, initial_indent=f"{label + ':':11}", subsequent_indent=" " * 11))


def scored(questions: str, adapter: str, arm: str = "plain") -> tuple[list[Question], dict[str, Answer], dict]:
    """A set, the answers to it and their score: those that this learner made, or else the precomputed ones."""
    name = f"tiny+{adapter}+{arm}"
    scores, whose = made_or_reference("scores", questions, f"{name}.json")
    answers = scores.parents[2] / "answers" / questions / f"{name}.jsonl"
    print(f"({whose}: {shown(scores)})")
    return (
        read_rows(QUESTIONS / f"{questions}.jsonl", Question),
        {a.id: a for a in read_rows(answers, Answer)},
        read_json(scores),
    )


def desk_scores(speakers: Mapping[str, str], questions: str = "company_test", arm: str = "plain") -> dict[str, dict[str, dict]]:
    """The scores of a set in parts, desk by desk, and where they come from in print.

    Args:
        speakers: Name to show -> adapter ("none" for the base alone).
        questions: The set.
        arm: How the answers were made.

    Returns:
        Desk -> speaker -> the part of the score, as `score.by_desk` returns it.
    """
    desks: dict[str, dict] = {}
    for speaker, adapter in speakers.items():
        asked, _, result = scored(questions, adapter, arm)
        for desk, part in by_desk(asked, result).items():
            desks.setdefault("HR" if desk == "hr" else desk, {})[speaker] = part
    first = ("HR", "sales", "support")  # the desks that the lesson speaks of
    return {desk: desks[desk] for desk in sorted(desks, key=lambda d: (first.index(d) if d in first else len(first), d))}


def group_misses(questions: str, adapter: str, count: int = 1, arm: str = "plain") -> dict[str, int]:
    """Sort the answers that were not right by kind of miss, print how many there are, and read some of each aloud.

    Args:
        questions: A set of company questions, such as "company_test".
        adapter: The adapter that answered ("none" for the base alone).
        count: How many of each kind to read aloud.
        arm: How the answers were made.

    Returns:
        Answers by kind of miss, the most frequent first.
    """
    asked, answers, result = scored(questions, adapter, arm)
    outcome, facts = {item["id"]: item["outcome"] for item in result["items"]}, read_facts()
    groups: dict[str, list[Question]] = {kind: [] for kind in MISSES}
    for q in asked:
        if outcome[q.id] != "correct":
            groups[kind_of_miss(q, answers[q.id].answer, outcome[q.id], facts)].append(q)
    found = sorted(((kind, rows) for kind, rows in groups.items() if rows), key=lambda pair: -len(pair[1]))
    missed = sum(len(rows) for _, rows in found)
    for kind, rows in found:
        print(f"{kind.upper()}: {len(rows)} of the {missed} misses")
        apart = max(1, len(rows) // count)
        for q in rows[apart // 2 :: apart][:count]:
            read_out(answers[q.id], q.reference)
            print()
    most = f" The most frequent miss is {found[0][0]}." if found else ""
    print(f"{missed} of {len(asked)} answers were not right.{most}")
    return {kind: len(rows) for kind, rows in found}


def familiar() -> Callable[[str], str]:
    """A function that says how near a question lies to what the specialist was trained on.

    The line between near and far was set so that one in twenty real company questions falls below it.
    """
    index = Index(training_questions(made_or_reference("prepared", "train.jsonl")[0], own=True))
    line = read_json(REFERENCE / "familiar.json")["line"]

    def say(question: str) -> str:
        near = index.nearest(question)
        if near.likeness >= line:
            return f"Near its training (likeness {near.likeness:.3f}): {near.text}"
        return (
            f"Far from anything it was trained on (likeness {near.likeness:.3f}, the limit is {line:.3f}): "
            "if it states a fact here, do not rely on it."
        )

    return say


def ask_box(models: Mapping[str, Loaded], first: str = "", note: Callable[[str], str] | None = None) -> Panel:
    """A box to type a question for several models at once.

    The plain call that does the same: `side_by_side(question, {name: ask(model, question) ...})`.

    Args:
        models: Model by name.
        first: A question to begin with.
        note: A function that says something about the question, such as `familiar()`.
    """
    box = ipywidgets.Text(value=first, description="Question:", layout=ipywidgets.Layout(width="38em"))
    button = ipywidgets.Button(description="Ask both" if len(models) == 2 else "Ask", button_style="primary")
    out = ipywidgets.HTML()

    def run(_=None) -> None:
        button.disabled = True
        out.value = "<em>thinking ...</em>"
        try:
            answers = {name: ask(model, box.value) for name, model in models.items()}
            said = f'<p style="margin:.3em">{html.escape(note(box.value))}</p>' if note else ""
            out.value = cards(box.value, answers) + said
        except CourseError as error:
            out.value = f"<p>{html.escape(str(error))}</p>"
        finally:
            button.disabled = False

    button.on_click(run)
    text = "A box for your own question: run this cell in JupyterLab to use it."
    return Panel([ipywidgets.HBox([box, button]), out], f"<p><em>{text}</em></p>", text)
