"""Answers of a whole set to a score: shares with intervals, in all and by desk, and paired comparison.

What counts as correct is decided one answer at a time, in `verdict`. Limits: intervals speak of other questions of the same
kind, not of other kinds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from course_utils.records import Answer, Question
from course_utils.settings import CourseError
from course_utils.verdict import OUTCOMES, judge


def interval(successes: int, n: int) -> tuple[float, float]:
    """95% interval of a share, by Wilson's method (E. B. Wilson, 1927), through scipy.

    Raises:
        ValueError: If n is 0.
    """
    from scipy.stats import binomtest

    if n == 0:
        raise ValueError("no answers to score")
    found = binomtest(successes, n).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def score(questions: Sequence[Question], answers: Sequence[Answer], known: Mapping[str, str] | None = None) -> dict:
    """Score answers to a set of questions.

    Args:
        questions: The set.
        answers: One answer for each question.
        known: Source text by topic, for telling invented figures from true ones.

    Returns:
        `by_kind` (counts, and the interval of the share that is correct) and `items` (each outcome with its reasons).

    Raises:
        CourseError: If a question has no answer, or an answer no question.
    """
    given = {a.id: a for a in answers}
    asked = {q.id for q in questions}
    lost, stray = [q.id for q in questions if q.id not in given], [i for i in given if i not in asked]
    if lost or stray:
        what = (
            f"{len(lost)} questions have no answer (first: {lost[0]})"
            if lost
            else f"{len(stray)} answers belong to no question"
        )
        raise CourseError(f"{what}.", "Answers and questions must be of the same set.", "Answer this set: course answer --help")
    by_kind: dict[str, dict] = {}
    items = []
    for question in questions:
        verdict = judge(question, given[question.id].answer, (known or {}).get(question.topic, ""))
        row = by_kind.setdefault(question.kind, {"n": 0, **dict.fromkeys(OUTCOMES, 0)})
        row["n"] += 1
        row[verdict.outcome] += 1
        items.append(
            {
                "id": question.id,
                "outcome": verdict.outcome,
                "missing": list(verdict.missing),
                "forbidden": list(verdict.forbidden),
            }
        )
    for row in by_kind.values():
        row["interval"] = interval(row["correct"], row["n"])
    return {"by_kind": by_kind, "items": items}


def score_files(questions: str | Path, answers: str | Path) -> dict:
    """Score a file of answers against its set; the result carries what made it.

    Raises:
        CourseError: If a file is broken, or the two do not belong together.
    """
    from course_utils.records import read_rows, sha256
    from course_utils.sources import source_of

    asked, given = read_rows(questions, Question), read_rows(answers, Answer)
    known = source_of() if any(q.kind == "company" for q in asked) else {}
    result = score(asked, given, known)
    n = len(asked)
    right = sum(row["correct"] for row in result["by_kind"].values())
    return {
        "set": Path(questions).stem,
        "model": given[0].model,
        "adapter": given[0].adapter,
        "arm": given[0].arm,
        "data_sha256": sha256(questions),
        "answers_sha256": sha256(answers),
        "all": [right, n, *interval(right, n)],
        **result,
    }


def by_desk(questions: Sequence[Question], scored: Mapping) -> dict[str, dict]:
    """A score in parts, one for each desk; each part can be compared like a whole.

    Args:
        questions: The set.
        scored: Its score, as `score` returns it.

    Returns:
        For each desk its `items`, and `all`: right answers, answers, and the interval of the share.
    """
    desk = {q.id: q.desk or "no desk" for q in questions}
    parts: dict[str, list] = {}
    for item in scored["items"]:
        parts.setdefault(desk[item["id"]], []).append(item)
    right = {name: sum(item["outcome"] == "correct" for item in items) for name, items in parts.items()}
    return {
        name: {"items": items, "all": [right[name], len(items), *interval(right[name], len(items))]}
        for name, items in parts.items()
    }


def by_coin(right: int, n: int) -> float:
    """How often somebody who tosses a coin for each of n choices gets at least this many right."""
    return sum(math.comb(n, k) for k in range(right, n + 1)) / 2**n


@dataclass(frozen=True)
class Comparison:
    """A against B on the same questions.

    Attributes:
        difference: Share correct of B minus share correct of A.
        low: Lower end of the 95% interval of the difference.
        high: Upper end.
        n: Questions that both answered.
        verdict: "better", "worse" or "cannot tell", about B.
        needed: Questions that would be needed to tell, if the difference is as seen; None when it can be told, or is nil.
    """

    difference: float
    low: float
    high: float
    n: int
    verdict: Literal["better", "worse", "cannot tell"]
    needed: int | None = None

    def sentence(self, a: str, b: str) -> str:
        """The verdict in plain words."""
        points = f"{100 * self.difference:+.1f} points on {self.n} questions"
        span = f"between {100 * self.low:.0f} and {100 * self.high:.0f} points (95% interval)"
        if self.verdict != "cannot tell":
            more = "more" if self.verdict == "better" else "less"
            return f"{b} is right {more} often than {a}: {points}; with other questions of this kind, expect a change {span}."
        needed = f" About {self.needed} questions would be needed." if self.needed else ""
        return f"Cannot tell whether {b} differs from {a}: {points}, a change {span}.{needed}"


def compare(a: Mapping, b: Mapping) -> Comparison:
    """Compare two scores of the same questions, question by question.

    The interval is Agresti and Min's for paired shares ("Simple improved confidence intervals for comparing matched
    proportions", Statistics in Medicine, 2005): half an answer is added to each cell of the two-by-two table.

    Args:
        a: A score, as `score` returns it.
        b: Another one, of the same questions.

    Raises:
        CourseError: If they share no question.
    """
    right_a = {item["id"]: item["outcome"] == "correct" for item in a["items"]}
    pairs = [(right_a[i["id"]], i["outcome"] == "correct") for i in b["items"] if i["id"] in right_a]
    if not pairs:
        raise CourseError(
            "The two scores share no question.", "A paired comparison needs the same set.", "Score both on one set."
        )
    n = len(pairs)
    gained, lost = sum(y and not x for x, y in pairs), sum(x and not y for x, y in pairs)
    up, down, total = gained + 0.5, lost + 0.5, n + 2
    centre = (up - down) / total
    spread = 1.96 * math.sqrt(up + down - (up - down) ** 2 / total) / total
    low, high = max(-1.0, centre - spread), min(1.0, centre + spread)
    verdict = "better" if low > 0 else "worse" if high < 0 else "cannot tell"
    difference = (gained - lost) / n
    needed = None
    if verdict == "cannot tell" and difference:
        needed = math.ceil((1.96 + 0.84) ** 2 * ((gained + lost) / n - difference**2) / difference**2)
    return Comparison(difference, low, high, n, verdict, needed)
