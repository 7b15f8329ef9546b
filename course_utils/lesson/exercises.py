"""Exercises that answer back, quizzes that explain and blind votes, with progress in a file on this machine.

An exercise has three states: not attempted (never an error), not yet right (the likely mistake is named) and right.
The exercises of notebook NN stand in notebooks/exercises/exNN.py, its quiz in notebooks/exercises/quizNN.json.
Limits: progress is for the learner alone; nothing leaves the machine.
"""

import html
import importlib.util
import json
import random
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import ipywidgets

from course_utils.lesson.view import Panel, cards, scored
from course_utils.records import Question, read_json, read_rows, write_json, write_text
from course_utils.score import by_coin
from course_utils.settings import OUTPUTS, QUESTIONS, ROOT, CourseError, shown

FOLDER = ROOT / "notebooks" / "exercises"


def _remember(name: str, state: str) -> None:
    """Note a state in outputs/progress.json; a file that cannot be read or written never stops a lesson."""
    path = OUTPUTS / "progress.json"
    try:
        progress = read_json(path) if path.exists() else {}
        if progress.get(name) != "right":
            write_json(path, {**progress, name: state})
    except (CourseError, OSError):
        print("(your progress could not be noted)")


class Exercise:
    """One task with `check`, `hint` and `solution`.

    Args:
        name: Such as "00.1".
        judge: Takes what the learner made; returns None when it is right, otherwise a sentence that names the likely mistake.
        hints: From gentle to plain.
        answer: The solution, as text to read and type.
    """

    def __init__(self, name: str, judge: Callable[..., str | None], hints: list[str], answer: str):
        self.name, self._judge, self._hints, self._answer = name, judge, hints, answer
        self._next_hint = 0

    def check(self, *made) -> str:
        """Check what was made; `...` in any place means not attempted yet.

        Returns:
            "not attempted", "not yet" or "right".
        """
        if any(m is ... for m in made):
            return self._say("not attempted", "put your answer in place of the three dots, then run this cell again.")
        try:
            mistake = self._judge(*made)
        except CourseError as error:
            mistake = str(error)
        except (TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
            mistake = f"your answer has another form than expected ({error})."
        if mistake:
            return self._say("not yet", mistake)
        return self._say("right", "well done.")

    def _say(self, state: str, text: str) -> str:
        print(f"Exercise {self.name}, {state}: {text}")
        _remember(self.name, state)
        return state

    def hint(self) -> None:
        """Print the next hint; after the last one it starts again."""
        print(f"Hint {self._next_hint + 1} of {len(self._hints)}: {self._hints[self._next_hint]}")
        self._next_hint = (self._next_hint + 1) % len(self._hints)

    def solution(self) -> None:
        """Print a solution."""
        print(f"One solution:\n{self._answer}")


def load_exercises(number: str) -> SimpleNamespace:
    """The exercises of a notebook, as ex1, ex2 and so on.

    Raises:
        CourseError: If the notebook has none.
    """
    path = FOLDER / f"ex{number}.py"
    if not path.exists():
        raise CourseError(
            f"There are no exercises for notebook {number!r}.", None, "Use the notebook's own number, such as '00'."
        )
    spec = importlib.util.spec_from_file_location(f"ex{number}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return SimpleNamespace(**{f"ex{i}": exercise for i, exercise in enumerate(module.EXERCISES, start=1)})


class Quiz:
    """Questions with choices; each choice is explained when it is taken.

    Args:
        number: The notebook's number.
        questions: [{"question", "choices": [{"text", "right", "why"}]}].
    """

    def __init__(self, number: str, questions: list[dict]):
        self.number, self.questions = number, questions

    def answer(self, question: int, choice: str) -> bool:
        """Answer from code: `answer(1, "b")` prints the explanation and returns whether it is right."""
        try:
            taken = self.questions[question - 1]["choices"]["abcdef".index(choice)]
        except (IndexError, ValueError):
            raise CourseError(f"There is no question {question} with choice {choice!r}.", None, 'Try answer(1, "a").') from None
        _remember(f"{self.number}.quiz{question}", "right" if taken["right"] else "not yet")
        print(f"{'Right' if taken['right'] else 'Not quite'}: {taken['why']}")
        return taken["right"]

    def show(self) -> Panel:
        """The quiz as a widget."""
        rows, static, text = [], [], []
        for i, question in enumerate(self.questions, start=1):
            options = [f"{'abcdef'[k]}) {c['text']}" for k, c in enumerate(question["choices"])]
            rows.append(self._row(i, question, options))
            static.append(f"<li>{html.escape(question['question'])}<br>{'<br>'.join(map(html.escape, options))}</li>")
            text.append("\n   ".join([f"{i}. {question['question']}", *options]))
        call = 'Without widgets: quiz.answer(1, "a")'
        return Panel(rows, f"<ol>{''.join(static)}</ol><p>{html.escape(call)}</p>", "\n".join([*text, call]))

    def _row(self, i: int, question: dict, options: list[str]) -> ipywidgets.Widget:
        title = ipywidgets.HTML(f"<strong>{i}. {html.escape(question['question'])}</strong>")
        choice = ipywidgets.RadioButtons(options=options, value=None, layout=ipywidgets.Layout(width="auto"))
        why = ipywidgets.HTML()

        def taken(change) -> None:
            if change["new"] is None:
                return
            chosen = question["choices"][options.index(change["new"])]
            mark = "&#10003; Right:" if chosen["right"] else "&#9675; Not quite:"
            why.value = f'<p style="margin:0 0 1em">{mark} {html.escape(chosen["why"])}</p>'
            _remember(f"{self.number}.quiz{i}", "right" if chosen["right"] else "not yet")

        choice.observe(taken, names="value")
        return ipywidgets.VBox([title, choice, why])


def load_quiz(number: str) -> Quiz:
    """The quiz of a notebook.

    Raises:
        CourseError: If the notebook has none.
    """
    path = FOLDER / f"quiz{number}.json"
    if not path.exists():
        raise CourseError(f"There is no quiz for notebook {number!r}.", None, "Use the notebook's own number, such as '00'.")
    return Quiz(number, json.loads(path.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Round:
    """One question of a blind vote; the dictionaries run over the letters A and B."""

    question: str
    answers: dict[str, str]
    speakers: dict[str, str]
    right: dict[str, bool]


@dataclass
class BlindVote:
    """Two answers to each question in an order of chance: which is the specialist's, and which would you send?

    Attributes:
        rounds: The questions with their answers.
        specialist: The speaker to recognise.
        votes: The choices made so far, by number of the round; a vote counts once both are made.
    """

    rounds: list[Round]
    specialist: str
    votes: dict[int, dict[str, str]] = field(default_factory=dict)

    CHOICES = {"specialist": ("A", "B"), "send": ("A", "B", "neither")}

    def cast(self, number: int, **choices: str) -> None:
        """Vote from code, such as `cast(1, specialist="A", send="neither")`.

        Raises:
            CourseError: If there is no such round or choice.
        """
        known = all(choice in self.CHOICES.get(what, ()) for what, choice in choices.items())
        if not known or number not in range(1, len(self.rounds) + 1):
            raise CourseError(
                f"Round {number!r} cannot be voted like this: {choices}.",
                f'Rounds are 1 to {len(self.rounds)}; specialist is "A" or "B"; send is "A", "B" or "neither".',
                'Try vote.cast(1, specialist="A", send="neither").',
            )
        self.votes.setdefault(number, {}).update(choices)

    def tally(self) -> dict[str, int]:
        """Open the envelopes: print who was who, and what the votes come to.

        Returns:
            Counts: `voted`, `found` (the specialist recognised), `sent` and `right` (sent, and right by the papers).
        """
        counts = dict.fromkeys(("voted", "found", "sent", "right"), 0)
        for number, vote in sorted(self.votes.items()):
            if len(vote) < len(self.CHOICES):
                continue
            this, send = self.rounds[number - 1], vote["send"]
            taken, right = this.speakers[vote["specialist"]], this.right.get(send, False)
            counts["voted"] += 1
            counts["found"] += taken == self.specialist
            counts["sent"] += send != "neither"
            counts["right"] += right
            who = f"found {self.specialist}" if taken == self.specialist else f"took {taken} for {self.specialist}"
            what = send if send == "neither" else f"{this.speakers[send]}'s, {'right' if right else 'not right'} by the papers"
            print(f"Round {number}: you {who}; you would send {what}.")
        if not counts["voted"]:
            print("You have not voted yet: make both choices in at least one round, then run this cell again.")
        else:
            coin = 100 * by_coin(counts["found"], counts["voted"])
            found = f"You found {self.specialist} in {counts['found']} of {counts['voted']} rounds."
            luck = f"Somebody who tosses a coin does that well or better in {coin:.0f}% of such votes."
            print(textwrap.fill(f"{found} {luck}", 95))
            print(f"Answers that you would send: {counts['sent']}; right by the papers: {counts['right']}.")
        return counts

    def save(self, folder: str | Path, rater: str) -> Path:
        """Write the votes that were made, for pooling with those of others.

        Args:
            folder: Where the files of all raters lie.
            rater: Who voted; one file each.

        Returns:
            The file.
        """
        rows = [
            {"rater": rater, "item": self.rounds[number - 1].question, "vote": this.speakers.get(vote["send"], "neither")}
            for number, vote in sorted(self.votes.items())
            if "send" in vote
            for this in [self.rounds[number - 1]]
        ]
        path = Path(folder) / f"{re.sub(r'[^a-z0-9]+', '-', rater.lower()).strip('-') or 'rater'}.jsonl"
        write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        print(f"{len(rows)} votes saved in {shown(path)}" if rows else "You have not voted yet; an empty sheet was saved.")
        return path

    def show(self) -> Panel:
        """The vote as a widget."""
        rows, static, text = [], [], []
        for number, this in enumerate(self.rounds, start=1):
            both = cards(f"Round {number}. {this.question}", {f"Answer {k}": said for k, said in this.answers.items()})
            rows.append(ipywidgets.VBox([ipywidgets.HTML(both), ipywidgets.HBox(self._buttons(number))]))
            static.append(both)
            text += [f"Round {number}. {this.question}", *(f"   {k}: {said}" for k, said in this.answers.items())]
        call = 'Without widgets: vote.cast(1, specialist="A", send="neither")'
        return Panel(rows, f"{''.join(static)}<p>{html.escape(call)}</p>", "\n".join([*text, call]))

    def _buttons(self, number: int) -> list[ipywidgets.Widget]:
        buttons = []
        for what, options in self.CHOICES.items():
            label = f"{self.specialist} is" if what == "specialist" else "I would send"
            box = ipywidgets.RadioButtons(options=options, value=None, description=label)
            box.style.description_width = "initial"
            box.observe(lambda change, what=what: self.cast(number, **{what: change["new"]}), names="value")
            buttons.append(box)
        return buttons


def blind_vote(questions: str, speakers: Mapping[str, str], seed: int, arm: str = "plain") -> BlindVote:
    """A blind vote: one question for each desk, drawn by chance from those that the speakers answered differently.

    Args:
        questions: A set with desks, such as "company_test".
        speakers: Name to show -> adapter ("none" for the base alone); two of them, the one to recognise last.
        seed: Of the draw and of the order of the answers.
        arm: How the answers were made.
    """
    rng, desks = random.Random(seed), {}
    results = {who: scored(questions, adapter, arm) for who, adapter in speakers.items()}
    right = {who: {i["id"] for i in result["items"] if i["outcome"] == "correct"} for who, (_, _, result) in results.items()}
    for q in read_rows(QUESTIONS / f"{questions}.jsonl", Question):
        answers = {who: given[q.id].answer for who, (_, given, _) in results.items()}
        if len(set(answers.values())) == 2:
            desks.setdefault(q.desk, []).append((q, answers))
    rounds = []
    for rows in desks.values():
        q, answers = rng.choice(rows)
        seats = dict(zip("AB", rng.sample(list(speakers), 2), strict=True))
        said = {letter: answers[who] for letter, who in seats.items()}
        rounds.append(Round(q.text, said, seats, {letter: q.id in right[who] for letter, who in seats.items()}))
    return BlindVote(rounds, list(speakers)[-1])
