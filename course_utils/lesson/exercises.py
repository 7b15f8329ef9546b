"""Exercises that answer back and quizzes that explain, with progress in a file on this machine.

An exercise has three states: not attempted (never an error), not yet right (the likely mistake is named) and right.
The exercises of notebook NN stand in notebooks/exercises/exNN.py, its quiz in notebooks/exercises/quizNN.json.
Limits: progress is for the learner alone; nothing leaves the machine.
"""

import html
import importlib.util
import json
from collections.abc import Callable
from types import SimpleNamespace

import ipywidgets

from course_utils.lesson.view import Panel
from course_utils.records import read_json, write_json
from course_utils.settings import OUTPUTS, ROOT, CourseError

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
