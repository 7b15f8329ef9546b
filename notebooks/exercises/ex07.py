"""Exercises of notebook 07."""

from collections.abc import Mapping, Sequence

from course_utils.lesson import Exercise
from course_utils.records import read_json
from course_utils.score import interval
from course_utils.settings import REFERENCE


def _width(items: Sequence[Mapping]) -> float:
    low, high = interval(sum(item["outcome"] == "correct" for item in items), len(items))
    return 100 * (high - low)


def _widths(with_40: float, with_all: float, some: Sequence[Mapping], items: Sequence[Mapping]) -> str | None:
    for width in (with_40, with_all):
        if isinstance(width, bool) or not isinstance(width, int | float):
            return "two numbers are expected, in points."
    few, whole = _width(some), _width(items)
    if abs(with_40 - few) <= 0.6 and abs(with_all - whole) <= 0.6:
        return None
    if abs(100 * with_40 - few) <= 0.6:
        return "those are shares between 0 and 1; points are a hundred times as much."
    if abs(with_40 - few / 2) <= 0.6:
        return "that is half of the interval. Count from its lower to its upper end."
    if abs(with_40 - whole) <= 0.6:
        return "they are the wrong way round, or both from all questions: the first is from `some`."
    return "count the correct ones in `some`, and give `interval` the count and 40."


def _line(line: Mapping, answers_needed: int) -> str | None:
    if not isinstance(line, Mapping) or len(line) != 1:
        return 'a dictionary with one line is expected: {"name": {"at_most": share}}.'
    rule = next(iter(line.values()))
    if not isinstance(rule, Mapping) or set(rule) != {"at_most"}:
        return 'something unwanted has an upper threshold: {"at_most": share}.'
    most = rule["at_most"]
    if not isinstance(most, int | float) or not 0 < most < 1:
        return "the threshold is a share between 0 and 1. (Nothing can be shown to be exactly 0.)"
    if isinstance(answers_needed, bool) or not isinstance(answers_needed, int) or answers_needed < 1:
        return "the second answer is a whole number of answers."
    if interval(0, answers_needed)[1] > most:
        return "with so few answers the upper end of interval(0, n) is still above your threshold."
    if answers_needed > 1 and interval(0, answers_needed // 2)[1] <= most:
        return "half as many would do. Find the smallest number that suffices, or near it."
    return None


def _way(way: str) -> str | None:
    arms = read_json(REFERENCE / "policy.json")["arms"]
    usable = {name: row["after"]["new"] for name, row in arms.items() if name != "oracle" and not row["trained"]}
    given, best = str(way).strip().lower(), max(usable.values())
    if usable.get(given) == best:
        return None
    if given in usable:
        return f"it said the new number {usable[given]} times; another way that needed no training did so {best} times."
    if given == "oracle":
        return "nobody knows the right section before the question is asked."
    if given in arms:
        return "that one had to be trained again."
    return "answer with a name from the table of show_policy()."


EXERCISES = [
    Exercise(
        "07.1",
        _widths,
        ['right = sum(i["outcome"] == "correct" for i in some)', "low, high = interval(right, 40)"],
        "def width(items):\n"
        '    low, high = interval(sum(i["outcome"] == "correct" for i in items), len(items))\n'
        "    return 100 * (high - low)\n"
        'with_40, with_all = width(some), width(result["items"])',
    ),
    Exercise(
        "07.2",
        _line,
        [
            "interval(0, n)[1] is the upper end when n answers held nothing unwanted.",
            "Try n = 100, 1000, 4000 with your threshold.",
        ],
        'line = {"personal data in answers": {"at_most": 0.01}}\n'
        "answers_needed = next(n for n in range(1, 100_000) if interval(0, n)[1] <= 0.01)",
    ),
    Exercise(
        "07.3",
        _way,
        ["Leave out the rows that were trained, and the oracle.", "Then look at the column that says the new number."],
        'arms = read_json(REFERENCE / "policy.json")["arms"]\n'
        'usable = {name: row for name, row in arms.items() if name != "oracle" and not row["trained"]}\n'
        'way = max(usable, key=lambda name: usable[name]["after"]["new"])',
    ),
]
