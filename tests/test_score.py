"""The yardstick: rules one by one, agreement with answers labelled by hand, intervals and comparisons that hold."""

import json
from pathlib import Path

import numpy as np
import pytest

from course_utils.records import Answer, Question, Vote, read_rows
from course_utils.score import (
    agreement,
    compare,
    compare_all,
    gate,
    interval,
    paired_interval,
    power,
    questions_needed,
    read_votes,
    score,
)
from course_utils.settings import DATA, QUESTIONS, CourseError
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


def labels_kept(name: str) -> tuple[float, list, int]:
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
    share, off, n = labels_kept("answers.jsonl")
    assert n >= 150
    assert share >= 0.97, off


def test_scorer_mostly_agrees_on_answers_written_to_trick_it():
    """Paraphrased figures, denials, swaps, salad, near-twins. What it still misses: right answers in unforeseen words."""
    share, off, n = labels_kept("written.jsonl")
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
    said = found.sentence("A", "B")
    assert said.startswith("Cannot tell with 40 questions whether B differs from A")
    assert f"About {round(found.needed, -1)} would be needed" in said
    assert found.needed < 1000  # two digits of three
    assert compare(outcomes(np.zeros(40, bool)), outcomes(np.ones(40, bool))).verdict == "better"
    with pytest.raises(CourseError):
        compare({"items": []}, outcomes(a))


def test_paired_interval_against_the_published_formula():
    low, high = paired_interval(20, 10, 100)  # 10/102 -+ 1.959964 * sqrt(31 - 100/102) / 102, worked out by hand
    assert (round(low, 4), round(high, 4)) == (-0.0072, 0.2033)
    assert paired_interval(10, 20, 100) == (-high, -low)
    assert paired_interval(3, 0, 3)[1] == 1.0


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_verdict_and_interval_agree_at_any_level(level):
    rng = np.random.default_rng(3)
    for _ in range(60):
        p = rng.uniform(0.1, 0.9)
        a, b = rng.random(60) < p, rng.random(60) < min(1.0, p + rng.uniform(0, 0.4))
        found = compare(outcomes(a), outcomes(b), level)
        assert (found.verdict == "cannot tell") == (found.low <= 0 <= found.high)
        assert (found.verdict == "better") == (found.low > 0)
        narrow = compare(outcomes(a), outcomes(b), level - 0.1)
        assert found.low <= narrow.low and narrow.high <= found.high
        assert f"({100 * level:.0f}% interval)" in found.sentence("A", "B")


@pytest.mark.parametrize(("gained", "lost"), [(0.03, 0.0), (0.14, 0.10), (0.02, 0.12), (0.40, 0.28)])
def test_needed_gives_the_power_that_it_promises(gained, lost):
    n = questions_needed(gained, lost, 20)
    rng = np.random.default_rng(11)
    drawn = rng.multinomial(n, [gained, lost, 1 - gained - lost], size=1500)
    ends = [paired_interval(x, y, n) for x, y, _ in drawn]
    told = np.mean([low > 0 if gained > lost else high < 0 for low, high in ends])
    assert told == pytest.approx(0.8, abs=0.04)  # four standard errors
    more, less = max(gained, lost), min(gained, lost)
    assert power(more, less, n) == pytest.approx(told, abs=0.04)
    assert power(more, less, n // 2) < 0.7


def test_many_comparisons_seldom_find_what_is_not_there():
    rng = np.random.default_rng(7)
    alone, together = [], []
    for _ in range(120):
        answers = {name: outcomes(rng.random(120) < 0.6) for name in "abcdef"}
        alone.append(any(compare(answers["a"], answers[k]).verdict != "cannot tell" for k in "bcdef"))
        together.append(any(c.verdict != "cannot tell" for c in compare_all(answers, "a").values()))
    assert np.mean(together) <= 0.09  # 0.05 and two standard errors
    assert np.mean(alone) > np.mean(together)


def test_compare_all_finds_what_is_there_and_refuses_nonsense():
    rng = np.random.default_rng(2)
    a = rng.random(200) < 0.4
    found = compare_all({"base": outcomes(a), "same": outcomes(a), "good": outcomes(a | (rng.random(200) < 0.5))}, "base")
    assert {name: c.verdict for name, c in found.items()} == {"same": "cannot tell", "good": "better"}
    assert found["good"].level == pytest.approx(0.975)
    assert found["same"].needed is None
    for scores in ({"base": outcomes(a)}, {"good": outcomes(a), "same": outcomes(a)}):
        with pytest.raises(CourseError, match="nothing to compare"):
            compare_all(scores, "base")


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


# --- people and gates -------------------------------------------------------------------------------------------------


def test_a_gate_passes_only_where_the_whole_interval_does():
    rules = {"a": {"at_least": 0.8}, "b": {"at_most": 0.05}, "c": {"at_least": 0.5}, "d": {"at_most": 0.1}}
    lines = gate(rules, {"a": (90, 100, 0.83, 0.95), "b": (10, 100, 0.06, 0.17), "c": (50, 100, 0.4, 0.6)})
    assert [line.split("  ")[0] for line in lines[:-1]] == ["pass", "FAIL", "FAIL, cannot tell", "FAIL"]
    assert "not measured" in lines[3]
    assert lines[-1].startswith("NO RELEASE: 1 of 4")
    assert gate({"a": {"at_least": 0.8}}, {"a": (90, 100, 0.83, 0.95)})[-1].startswith("RELEASE")
    for broken in (0.8, {"at_least": 0.8, "at_most": 0.9}, {"above": 0.8}):
        with pytest.raises(CourseError, match="threshold"):
            gate({"a": broken}, {})


def votes(*rows: str) -> list[Vote]:
    return [Vote(rater=f"r{k}", item=str(i), vote=v) for k, row in enumerate(rows) for i, v in enumerate(row)]


def test_agreement_is_one_for_twins_and_low_for_strangers():
    assert "alpha 1.00" in agreement(votes("AABBAB", "AABBAB"))
    assert "alpha -" in agreement(votes("ABABAB", "BABABA"))
    assert "cannot be said" in agreement(votes("ABAB"))
    assert "at least two different" in agreement(votes("AAAA", "AAAA"))
    assert agreement([]) == "No votes yet."


def test_votes_are_read_from_the_files_of_several_raters(tmp_path):
    with pytest.raises(CourseError, match="no votes"):
        read_votes(tmp_path)
    for name, rater in {"a": "Kim", "b": "Lou"}.items():
        (tmp_path / f"{name}.jsonl").write_text(f'{{"rater": "{rater}", "item": "q", "vote": "A"}}\n')
    assert {v.rater for v in read_votes(tmp_path)} == {"Kim", "Lou"}
    (tmp_path / "c.jsonl").write_text('{"rater": "Kim", "item": "q", "vote": "B"}\n')
    with pytest.raises(CourseError, match="twice"):
        read_votes(tmp_path)
    assert "alpha" in agreement(read_votes(DATA / "votes"))
