"""Answers of a whole set to a score: shares with intervals, in all and by desk, and paired comparison.

What counts as correct is decided one answer at a time, in `verdict`. Limits: intervals speak of other questions of the same
kind, not of other kinds.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from course_utils.records import Answer, Question, Vote, read_rows
from course_utils.settings import CourseError, shown
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
    from course_utils.records import sha256
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
        low: Lower end of the interval of the difference.
        high: Upper end.
        n: Questions that both answered.
        verdict: "better", "worse" or "cannot tell", about B. It is "cannot tell" exactly where the interval holds 0.
        needed: Questions with which four of five such comparisons would tell, if the difference is as seen; None when it can be
            told, or is nil.
        level: How sure the interval is.
    """

    difference: float
    low: float
    high: float
    n: int
    verdict: Literal["better", "worse", "cannot tell"]
    needed: int | None = None
    level: float = 0.95

    def sentence(self, a: str, b: str) -> str:
        """The verdict in plain words."""
        points = f"{100 * self.difference:+.1f} points"
        span = f"between {100 * self.low:.0f} and {100 * self.high:.0f} points ({100 * self.level:.3g}% interval)"
        if self.verdict != "cannot tell":
            more = "more" if self.verdict == "better" else "less"
            return (
                f"{b} is right {more} often than {a}: {points} on {self.n} questions; "
                f"with other questions of this kind, expect a change {span}."
            )
        needed = ""
        if self.needed:
            about = round(self.needed, 2 - len(str(self.needed)))  # two digits
            needed = f" About {about:,} would be needed, if the difference is as seen."
        return f"Cannot tell with {self.n} questions whether {b} differs from {a}: {points}, a change {span}.{needed}"


def compare(a: Mapping, b: Mapping, level: float = 0.95) -> Comparison:
    """Compare two scores of the same questions, question by question.

    The interval is Agresti and Min's for paired shares ("Simple improved confidence intervals for comparing matched
    proportions", Statistics in Medicine, 2005): half an answer is added to each cell of the two-by-two table.

    Args:
        a: A score, as `score` returns it.
        b: Another one, of the same questions.
        level: How sure the interval is to be; between 0 and 1.

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
    low, high = paired_interval(gained, lost, n, level)
    verdict = "better" if low > 0 else "worse" if high < 0 else "cannot tell"
    needed = questions_needed(gained / n, lost / n, n, level) if verdict == "cannot tell" and gained != lost else None
    return Comparison((gained - lost) / n, low, high, n, verdict, needed, level)


def compare_all(scores: Mapping[str, Mapping], against: str) -> dict[str, Comparison]:
    """Compare several scores with one of them, so that all verdicts together are as sure as one would be.

    Who looks at many differences finds one by chance. So each interval is widened to the level 1 - 0.05 / comparisons
    (C. E. Bonferroni's inequality; O. J. Dunn, "Multiple comparisons among means", Journal of the American Statistical
    Association, 1961): where nothing differs, at most one set of comparisons in twenty says otherwise. An interval and its
    verdict still agree with each other; Holm's tests, made one after the other, find a little more but give no plain interval.

    Args:
        scores: Scores of the same questions by name, as `score` returns them.
        against: The name of the one that the others are compared with.

    Returns:
        A comparison for each of the others: is it better or worse than `against`?

    Raises:
        CourseError: If `against` is not among the names, there is nothing else, or two scores share no question.
    """
    others = [name for name in scores if name != against]
    if against not in scores or not others:
        raise CourseError(
            f"There is nothing to compare with {against!r}.",
            f"The scores are: {', '.join(scores) or 'none'}.",
            "Give at least two scores, and name one of them.",
        )
    return {name: compare(scores[against], scores[name], 1 - 0.05 / len(others)) for name in others}


def paired_interval(gained: int, lost: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Agresti and Min's interval of a difference between paired shares.

    Args:
        gained: Questions that only the second one got right.
        lost: Questions that only the first one got right.
        n: All questions.
        level: How sure the interval is to be.

    Returns:
        Its two ends, between -1 and 1.
    """
    up, down, total = gained + 0.5, lost + 0.5, n + 2
    centre = (up - down) / total
    spread = _sigmas(level) * math.sqrt(up + down - (up - down) ** 2 / total) / total
    return max(-1.0, centre - spread), min(1.0, centre + spread)


def power(gained: float, lost: float, n: int, level: float = 0.95) -> float:
    """How often a comparison on n questions would tell a difference, and in the right direction.

    Computed exactly: how many questions set the two apart is binomial, and so is how many of these the better one got right.

    Args:
        gained: Share of all questions that only the better one gets right.
        lost: Share that only the worse one gets right.
        n: Questions of the comparison.
        level: How sure its interval is to be.
    """
    import numpy as np
    from scipy.stats import binom

    apart = gained + lost
    few, many = binom.ppf([1e-9, 1 - 1e-9], n, apart)
    m = np.arange(few, many + 1)
    sigmas = _sigmas(level)
    # the interval lies above 0 where gained - lost is more than this
    margin = sigmas * np.sqrt((m + 1) / (1 + sigmas**2 / (n + 2)))
    return float(np.sum(binom.pmf(m, n, apart) * binom.sf(np.floor((m + margin) / 2), m, gained / apart)))


def questions_needed(gained: float, lost: float, least: int, level: float = 0.95) -> int:
    """Questions with which a difference would be told four times of five (a power of 0.8).

    Where few questions set the two apart this is searched for with `power`; where many do, the bell curve says the same.

    Args:
        gained: Share of all questions that only one of the two gets right.
        lost: Share that only the other one gets right; not the same as `gained`.
        least: A number that is too small.
        level: How sure the interval is to be.
    """
    apart, difference = gained + lost, abs(gained - lost)
    sigmas = _sigmas(level) + _sigmas(0.6)  # 0.8 of a bell curve lie below the upper end of its middle 0.6
    many = math.ceil(sigmas**2 * (apart - difference**2) / difference**2)
    if many * apart > 1000:
        return many
    shares, few, many = (max(gained, lost), min(gained, lost)), least, max(many, least + 1)
    while power(*shares, many, level) < 0.8:
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if power(*shares, middle, level) >= 0.8 else (middle, many)
    return many


@cache
def _sigmas(level: float) -> float:
    """Standard errors on either side of an interval that is this sure."""
    from scipy.stats import norm

    return float(norm.ppf((1 + level) / 2))


# --- people and gates -------------------------------------------------------------------------------------------------


def read_votes(folder: str | Path) -> list[Vote]:
    """The votes of all raters, one file each.

    Raises:
        CourseError: If there is no file, a file is broken, or two files are of one rater.
    """
    files = sorted(Path(folder).glob("*.jsonl"))
    if not files:
        raise CourseError(f"{shown(folder)} holds no votes (.jsonl).", None, "Save some: vote.save(folder, your name).")
    votes = [vote for file in files if file.stat().st_size for vote in read_rows(file, Vote)]  # nobody need have voted
    if len({(v.rater, v.item) for v in votes}) < len(votes):
        raise CourseError(
            f"In {shown(folder)} somebody has voted twice on one item.", None, "Give every rater a name of their own."
        )
    return votes


def agreement(votes: Sequence[Vote]) -> str:
    """What several people chose, and how far they agree, in a sentence.

    Agreement is Krippendorff's alpha for votes without an order (K. Krippendorff, "Content Analysis", 2004), through the library
    krippendorff: 1 is perfect, 0 what chance would give.

    Args:
        votes: Votes of all raters.
    """
    raters, items = sorted({v.rater for v in votes}), sorted({v.item for v in votes})
    counts = Counter(v.vote for v in votes).most_common()
    said = ", ".join(f"{vote} {n}" for vote, n in counts)
    if not votes:
        return "No votes yet."
    if len(raters) < 2:
        return f"{said}. One rater ({raters[0]}): whether people agree cannot be said."
    if len(counts) < 2:
        return f"{said}. {len(raters)} raters chose the same every time; alpha needs at least two different votes."
    import krippendorff
    import numpy as np

    names = {vote: float(k) for k, (vote, _) in enumerate(counts)}
    table = np.full((len(raters), len(items)), np.nan)
    for v in votes:
        table[raters.index(v.rater), items.index(v.item)] = names[v.vote]
    alpha = krippendorff.alpha(reliability_data=table, level_of_measurement="nominal")
    return f"{said}. {len(raters)} raters, {len(items)} items, alpha {alpha:.2f}."


def gate(thresholds: Mapping[str, Mapping[str, float]], measured: Mapping[str, Sequence[float]]) -> list[str]:
    """A release gate: each threshold passes only if the whole interval is on its right side.

    Args:
        thresholds: Name -> {"at_least": share} or {"at_most": share}.
        measured: Name -> (count, n, low, high).

    Returns:
        A line for each threshold with its reason, and the verdict.

    Raises:
        CourseError: If a threshold is not of this form.
    """
    lines, passed = [], 0
    for name, rule in thresholds.items():
        if not isinstance(rule, Mapping) or len(rule) != 1 or next(iter(rule)) not in ("at_least", "at_most"):
            raise CourseError(
                f"The threshold for {name!r} is {rule!r}.", "It is {at_least: share} or {at_most: share}.", "Mend it."
            )
        (side, bar), least = next(iter(rule.items())), "at_least" in rule
        said = f"{name} (wanted {side.replace('_', ' ')} {bar:.0%})"
        if name not in measured:
            lines.append(f"FAIL  {said}: not measured")
            continue
        count, n, low, high = measured[name]
        good, bad = (low >= bar, high < bar) if least else (high <= bar, low > bar)
        word = "pass" if good else "FAIL" if bad else "FAIL, cannot tell"
        passed += good
        lines.append(f"{word}  {said}: {count / n:.0%} [{low:.0%}, {high:.0%}] of {n}")
    released = passed == len(thresholds)
    return [*lines, f"{'RELEASE' if released else 'NO RELEASE'}: {passed} of {len(thresholds)} thresholds passed."]
