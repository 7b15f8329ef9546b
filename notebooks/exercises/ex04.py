"""Exercises of notebook 04."""

import re
from collections.abc import Mapping, Sequence

from course_utils.lesson import Exercise
from course_utils.prepare import frozen_questions, masked, too_near
from course_utils.privacy import Span, score_privacy
from course_utils.records import Example, Thread


def _pattern(pattern: str, threads: Sequence[Thread], phones: Sequence[dict]) -> str | None:
    if not isinstance(pattern, str):
        return 'a regular expression is expected, as text: r"...".'
    try:
        rule = re.compile(pattern)
    except re.error as error:
        return f"that is no regular expression: {error}."
    if rule.match(""):
        return "this pattern also fits no text at all, so it marks everything. Begin with something that must be there."
    result = score_privacy(threads, phones, lambda text, people: [Span(*m.span(), "phone") for m in rule.finditer(text)])
    found = f"recall {100 * result['recall']:.0f}%, precision {100 * result['precision']:.0f}%"
    if result["recall"] < 0.97:
        form = re.sub(r"\d", "9", result["missed"][0]["value"])
        return f"{found}: too narrow. It misses numbers of the form {form}."
    if result["precision"] < 0.9:
        form = re.sub(r"[A-Za-z]", "a", re.sub(r"\d", "9", result["invented"][0]["value"]))
        return f"{found}: too wide. It also marks {form}, which is no phone number. What may stand right before or after one?"
    return None


def _wordings(wordings: list[str]) -> str | None:
    if not isinstance(wordings, list | tuple) or len(wordings) != 3 or not all(isinstance(w, str) for w in wordings):
        return "a list of three texts is expected."
    if any(len(w.split()) < 3 for w in wordings):
        return "one of them is too short to tell what is asked."
    near = too_near(frozen_questions(), list(wordings))
    if near:
        return (
            f'"{near[0][1]}" comes too near the test question "{near[0][0]}". Trained on it, the test would no longer be one.'
        )
    words = [set(masked(w).split()) for w in wordings]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        if len(words[a] & words[b]) > 0.6 * min(len(words[a]), len(words[b])):
            return f"the texts {a + 1} and {b + 1} share most of their words. To a small model that is one wording."
    if not any(
        re.search(r"(?i)leave|parent|baby|child|born|birth|father|mother|mum|dad|adopt|maternity|paternity", w)
        for w in wordings
    ):
        return "none of them asks about parental leave."
    return None


def _share(share: float, sides: tuple[Sequence[Example], Sequence[Example]], groups: Mapping[str, str]) -> str | None:
    if isinstance(share, bool) or not isinstance(share, int | float):
        return "a number is expected: per cent of the held-out examples."
    first, second = ({groups[e.id] for e in side} for side in sides)
    right = 100 * sum(groups[e.id] in first for e in sides[1]) / len(sides[1])
    slips = (
        (
            100 * len(first & second) / len(second),
            "that is the share of customers. Count examples: some customers have several.",
        ),
        (
            100 * sum(groups[e.id] in second for e in sides[0]) / len(sides[0]),
            "you looked at the training part. Ask it of the held-out part.",
        ),
        (right / 100, "that is a share between 0 and 1; per cent is a hundred times as much."),
    )
    if abs(share - right) <= 0.06:  # rounded to one place
        return None
    slip = next((text for value, text in slips if abs(share - value) < 0.006), None)
    return (
        slip
        or "count the held-out examples whose customer is among the training part's customers, and divide by all held-out ones."
    )


EXERCISES = [
    Exercise(
        "04.1",
        _pattern,
        [
            "All numbers begin with + and a digit, with a bracket and three digits, or with 0 and two digits. Say that first, then the rest.",
            r"(?<!...) before and (?!\w) after forbid what may not stand there, such as another digit of an account number.",
        ],
        r'r"(?<![\w.+-])(?:\+\d|\(\d{3}\)|0[27]\d)[\d ().-]{6,}\d(?!\w)"',
    ),
    Exercise(
        "04.2",
        _wordings,
        [
            "Change who asks: an expectant mother, a father in a hurry, a manager who plans the team.",
            "Change the form: a whole story, three words without a verb, a question about a colleague.",
        ],
        '["My wife is due in March and I want to plan: for how many weeks would my pay go on?", "weeks paid after birth", "A member of my team adopts. '
        'When is she back at her desk?"]',
    ),
    Exercise(
        "04.3",
        _share,
        [
            "First make the set of customers of the training part: {cleaned.groups[e.id] for e in by_chance[0]}.",
            "Then count the examples e of by_chance[1] whose cleaned.groups[e.id] is in that set.",
        ],
        "known = {cleaned.groups[e.id] for e in by_chance[0]}\n"
        "share = 100 * sum(cleaned.groups[e.id] in known for e in by_chance[1]) / len(by_chance[1])",
    ),
]
