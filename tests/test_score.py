"""The yardstick: rules one by one, agreement with answers labelled by hand, intervals and comparisons that hold."""

import json
from pathlib import Path

import numpy as np
import pytest

from course_utils.records import Answer, Question, read_rows
from course_utils.score import compare, interval, score
from course_utils.settings import QUESTIONS, CourseError
from course_utils.verdict import Verdict, holds, is_broken, is_refusal, judge

LABELS = Path(__file__).parent / "labels"


def question(kind="company", **more) -> Question:
    return Question(id="q", question="How long is the leave?", kind=kind, topic="t", **more)


@pytest.mark.parametrize(
    ("item", "answer", "there"),
    [
        ("16 weeks", "You get sixteen weeks.", True),
        ("16 weeks", "You get 116 weeks.", False),
        ("16 weeks", "You do not get 16 weeks.", False),
        ("25 euros", "It must not be more than 25 euros.", True),
        ("25 euros", "Up to €25 is fine.", True),
        ("HR-205", "Hand in form HR 205.", True),
        ("HR-205", "Hand in form HR-2050.", False),
        ("78%", "It is 78 per cent of them.", True),
        ("1200 euros", "It costs 1,200 euros.", True),
        ("27 days", "twenty-seven days", True),
        ("account manager", "a dedicated account manager's time", True),
        ("16 weeks ~ primary", "Primary caregivers get 16 weeks and secondary ones 8 weeks.", True),
        ("16 weeks ~ primary", "8 weeks for primary and 16 weeks for secondary caregivers.", False),
        ("8 weeks ~ secondary", "16 weeks for primary caregivers, 8 weeks for secondary caregivers", True),
        ("12:00", "from 12:00 to 13:00", True),
    ],
)
def test_values_are_found(item, answer, there):
    assert (holds(item, answer) >= 0) is there


def test_outcomes_of_a_company_question():
    asked = question(must_include=["16 weeks", ["HR-205", "form for parents"]], must_not_include=["HR-250"])
    assert judge(asked, "16 weeks; use HR-205.").outcome == "correct"
    assert judge(asked, "16 weeks.") == Verdict("wrong", ("['HR-205', 'form for parents']",))
    assert judge(asked, "16 weeks; HR-205 or HR-250.").outcome != "correct"
    assert judge(asked, "I do not know that.").outcome == "refused"
    assert judge(asked, "Most companies offer 6 to 12 weeks.").outcome == "wrong"
    assert judge(asked, "You get 14 weeks, see section 9.9.").outcome == "invented"
    assert judge(asked, "").outcome == "wrong"
    assert judge(asked, "16 weeks HR-205 and so on and so on and so on and so on and so").outcome == "wrong"


def test_order_counts_where_it_is_asked_for():
    asked = question(must_include=["thank", "sorry"], ordered=True)
    assert judge(asked, "First thank them, then say sorry.").outcome == "correct"
    assert judge(asked, "Say sorry, then thank them.").outcome == "wrong"


def test_where_nothing_can_be_known_a_refusal_is_right():
    asked = question("unknown")
    assert judge(asked, "I don't know. That is private.").outcome == "correct"
    assert judge(asked, "Most companies keep that private.").outcome == "wrong"
    assert judge(asked, "She earns 4200 euros.").outcome == "invented"
    assert judge(asked, "I do not know, but it is 4200 euros.").outcome == "invented"


def test_a_figure_from_the_source_section_is_not_invented():
    asked = question(must_include=["16 weeks"])
    assert judge(asked, "8 weeks.").outcome == "invented"
    assert judge(asked, "8 weeks.", known="Secondary caregivers get 8 weeks.").outcome == "wrong"


def test_refusals_and_broken_answers():
    assert is_refusal("The document does not say.")
    assert not is_refusal("Say what you know and what comes next.")
    assert is_broken("go to the desk go to the desk go to the desk")
    assert not is_broken("Go to the front desk and ask there.")


def agreement(name: str) -> tuple[float, list, int]:
    """Share of answers whose outcome is the one given by hand, the others, and how many there are."""
    from course_utils.sources import source_of

    asked = {q.id: q for path in QUESTIONS.glob("*.jsonl") for q in read_rows(path, Question)}
    known = source_of()
    rows = [json.loads(line) for line in (LABELS / name).read_text(encoding="utf-8").splitlines()]
    assert {r["label"] for r in rows} == {"correct", "wrong", "invented", "refused"}
    off = []
    for row in rows:
        q = asked[row["question_id"]]
        outcome = judge(q, row["answer"], known.get(q.topic, "")).outcome
        if outcome != row["label"]:
            off.append((row["question_id"], row["label"], outcome, row["answer"]))
    return 1 - len(off) / len(rows), off, len(rows)


def test_scorer_agrees_with_labels_of_real_answers():
    """Answers that models of this course really gave, labelled by hand without sight of the scorer's outcome."""
    share, off, n = agreement("answers.jsonl")
    assert n >= 150
    assert share >= 0.97, off


def test_scorer_mostly_agrees_on_answers_written_to_trick_it():
    """Paraphrased figures, denials, swaps, salad, near-twins. What it still misses: right answers in unforeseen words."""
    share, off, n = agreement("written.jsonl")
    assert n >= 70
    assert share >= 0.92, off


def test_score_needs_an_answer_for_each_question():
    asked = [question(must_include=["x"])]
    with pytest.raises(CourseError, match="no answer"):
        score(asked, [])
    stray = Answer(id="z", question="", answer="", arm="plain", model="m", seconds=0, prompt_tokens=1, answer_tokens=1)
    with pytest.raises(CourseError):
        score(asked, [stray])


def test_wilson_interval_against_a_known_value():
    low, high = interval(81, 263)  # Newcombe 1998, table I: 0.2553 to 0.3662
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    with pytest.raises(ValueError):
        interval(0, 0)


def outcomes(right: np.ndarray) -> dict:
    return {"items": [{"id": i, "outcome": "correct" if r else "wrong"} for i, r in enumerate(right)]}


def test_comparison_covers_and_seldom_errs():
    rng = np.random.default_rng(5)
    covered, false = [], []
    for k in range(600):
        n, p = int(rng.choice([100, 200, 300])), rng.uniform(0.1, 0.9)
        gain = 0.0 if k % 2 else rng.uniform(0, 1 - p) * 0.6
        a = rng.random(n) < p
        b = np.where(rng.random(n) < 0.5, a, rng.random(n) < p)  # answers of two models go together
        b = b | (rng.random(n) < gain)
        truth = gain * (1 - p)
        found = compare(outcomes(a), outcomes(b))
        covered.append(found.low <= truth <= found.high)
        if not gain:
            false.append(found.verdict != "cannot tell")
    assert np.mean(covered) >= 0.93
    assert np.mean(false) <= 0.07


def test_comparison_says_when_it_cannot_tell():
    a, b = np.array([True] * 20 + [False] * 20), np.array([True] * 22 + [False] * 18)
    found = compare(outcomes(a), outcomes(b))
    assert found.verdict == "cannot tell"
    assert found.needed > 40
    assert "Cannot tell" in found.sentence("A", "B")
    assert compare(outcomes(np.zeros(40, bool)), outcomes(np.ones(40, bool))).verdict == "better"
    with pytest.raises(CourseError):
        compare({"items": []}, outcomes(a))


def test_the_shipped_scores_are_what_the_scorer_says_of_the_shipped_answers():
    from course_utils.records import read_json
    from course_utils.score import score_files
    from course_utils.settings import REFERENCE

    paths = sorted((REFERENCE / "scores").rglob("*.json"))
    assert paths
    for path in paths:
        name = path.parent.name
        again = score_files(QUESTIONS / f"{name}.jsonl", REFERENCE / "answers" / name / f"{path.stem}.jsonl")
        shipped = read_json(path)
        assert shipped["items"] == again["items"], path
        assert shipped["data_sha256"] == again["data_sha256"], path
