"""What a learner sees: exercises that answer back, quizzes that explain, views that escape what comes from data."""

import json

import pytest

from course_utils import lesson
from course_utils.lesson import exercises, view
from course_utils.settings import ROOT

NUMBERS = sorted(p.stem.removeprefix("ex") for p in (ROOT / "notebooks" / "exercises").glob("ex*.py"))
FULL = "Primary caregivers get 16 weeks, secondary caregivers 8 weeks; hand in Form HR-205 at least 30 days before."
# For each exercise: what a solution gives, and the commonest misconceptions with a word of the message that must catch them.
CASES = {
    "00.1": {
        "solution": (FULL, True),
        "also": [("Most companies offer 6 to 12 weeks.", False)],
        "mistakes": [
            (("You get 16 weeks with Form HR-205.", True), "Sounding right"),
            ((FULL, False), "Read it once more".lower()),
        ],
    },
    "00.2": {
        "solution": (["HR-250", "45 days"],),
        "also": [(["Form HR-250", "forty-five days"],)],
        "mistakes": [
            ((["HR-205", "45 days"],), "parental leave"),
            ((["Hand in the form at least 45 days before the first day"],), "sentence"),
        ],
    },
    "00.3": {"solution": (2,), "also": [], "mistakes": [((1,), "fluent"), ((3,), "sure")]},
}


@pytest.fixture(autouse=True)
def own_outputs(tmp_path, monkeypatch):
    monkeypatch.setattr(exercises, "OUTPUTS", tmp_path)
    return tmp_path


def each_exercise():
    for number in NUMBERS:
        yield from vars(lesson.load_exercises(number)).values()


def test_every_exercise_has_its_cases():
    assert {e.name for e in each_exercise()} == set(CASES)


def test_exercises(capsys):
    for exercise in each_exercise():
        case = CASES[exercise.name]
        blank = tuple(... for _ in case["solution"])
        assert exercise.check(*blank) == "not attempted"
        for made, says in case["mistakes"]:
            capsys.readouterr()
            assert exercise.check(*made) == "not yet"
            assert says in capsys.readouterr().out
        assert exercise.check(*[object() for _ in case["solution"]]) == "not yet"
        for made in [case["solution"], *case["also"]]:
            assert exercise.check(*made) == "right"
        exercise.hint()
        exercise.solution()
        assert "One solution" in capsys.readouterr().out


def test_progress_is_kept_and_a_broken_file_never_stops_a_lesson(own_outputs, capsys):
    exercise = lesson.load_exercises("00").ex3
    exercise.check(1)
    assert json.loads((own_outputs / "progress.json").read_text()) == {"00.3": "not yet"}
    exercise.check(2)
    exercise.check(1)
    assert json.loads((own_outputs / "progress.json").read_text()) == {"00.3": "right"}
    (own_outputs / "progress.json").write_text("{broken")
    assert exercise.check(2) == "right"


def test_quiz_explains_every_choice(capsys):
    for number in NUMBERS:
        quiz = lesson.load_quiz(number)
        for i, question in enumerate(quiz.questions, start=1):
            assert sum(c["right"] for c in question["choices"]) == 1
            assert max(len(c["text"]) for c in question["choices"]) <= 100, "a longer choice runs into the next one"
            for letter, choice in zip("abcdef", question["choices"], strict=False):
                assert quiz.answer(i, letter) is choice["right"]
                assert choice["why"] in capsys.readouterr().out


def test_quiz_widget_answers_a_click():
    panel = lesson.load_quiz("00").show()
    title, choice, why = panel.children[0].children
    choice.value = choice.options[1]
    assert "Right:" in why.value
    assert "<li>" in panel._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><svg onload=alert(1)>'])
def test_text_from_data_is_escaped(evil):
    html = view._cards(evil, {evil: evil})
    assert "<script" not in html
    assert "<img" not in html
    assert "<svg" not in html


def test_ask_box_answers_and_says_what_is_wrong(tiny):
    panel = lesson.ask_box({"the graduate": tiny}, first="How do I ask for a day off?", note=lambda q: "<b>near</b>")
    row, out = panel.children
    row.children[1].click()
    assert "the graduate" in out.value
    assert "&lt;b&gt;near" in out.value
    row.children[0].value = "  "
    row.children[1].click()
    assert "question is empty" in out.value


def test_plots_have_alt_text_and_a_sentence(capsys, monkeypatch):
    from course_utils.lesson import plots

    seen = []
    monkeypatch.setattr(plots, "display", lambda data, raw: seen.append(data))
    sentence = lesson.plot_shares("Title", {"company": {"a <b>": (1, 10, 0.02, 0.4), "b": (9, 10, 0.6, 0.98)}})
    assert 'alt="Title. company: a &lt;b&gt; 10%, b 90%."' in seen[0]["text/html"]
    assert seen[0]["text/plain"] == sentence
    assert sentence in " ".join(capsys.readouterr().out.split())


def test_the_home_of_a_name_is_found():
    from course_utils.settings import home_of

    assert home_of("graduate") == "Meet the graduate"
    assert home_of("no_such_name") is None
