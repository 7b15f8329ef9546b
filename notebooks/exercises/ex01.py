"""Exercises of notebook 01."""

from course_utils.lesson import Exercise
from course_utils.records import Question, read_json, read_rows
from course_utils.score import by_desk
from course_utils.settings import QUESTIONS, made_or_reference
from course_utils.sources import read_facts, source_of
from course_utils.verdict import MISSES, judge, kind_of_miss

_REASONS = (2, 3, 1, 4)  # the insurer, the bakery, the tax adviser, the clinic


def _gain(desk: str, points: float) -> str | None:
    if not isinstance(desk, str) or isinstance(points, bool) or not isinstance(points, int | float):
        return "two values are expected: the desk as a text, and the gain in points as a number."
    asked = read_rows(QUESTIONS / "company_test.jsonl", Question)
    files = [made_or_reference("scores", "company_test", f"tiny+{name}+plain.json")[0] for name in ("none", "company")]
    before, after = ({d: part["all"][:2] for d, part in by_desk(asked, read_json(file)).items()} for file in files)
    desk = desk.lower()
    if desk not in after:
        return f"there is no desk {desk!r}; the desks are {', '.join(after)}."
    gains = {d: 100 * (right - before[d][0]) / n for d, (right, n) in after.items()}
    if abs(points - gains[desk]) > 1:
        if abs(100 * points - gains[desk]) <= 1:
            return "that is a share between 0 and 1. In points, a step from 0.10 to 0.30 is 20."
        if points == after[desk][0] - before[desk][0]:
            return "you counted answers. The desks have different numbers of questions, so compare shares: right answers by questions."
        if abs(points - 100 * after[desk][0] / after[desk][1]) <= 1:
            return "that is the specialist's share. The gain is what is left after the graduate's share is taken away."
        return "for this desk, subtract the graduate's share from the specialist's, both in per cent."
    if gains[desk] < max(gains.values()) - 0.5:
        return "the gain of this desk is right, but another desk gained more. Work it out for all five."
    return None


def _own_verdict(fact_id: str, answer: str, verdict: str) -> str | None:
    facts = read_facts()
    fact = next((f for f in facts if f.id == fact_id), None)
    if fact is None:
        return f"there is no fact {fact_id!r}; the ids stand in data/company/facts.jsonl."
    if not isinstance(answer, str) or len(answer.split()) < 3:
        return "the second value should be the answer that the specialist gave: ask(specialist, your question)."
    if verdict not in ("right", *MISSES):
        return f"the verdict should be one of: right, {', '.join(MISSES)}."
    asked = Question(
        id="q", question="asked", kind="company", topic=fact.id, must_include=fact.must_include, reference=fact.statement
    )
    found = judge(asked, answer, source_of()[fact.id])
    kind = "right" if found.outcome == "correct" else kind_of_miss(asked, answer, found.outcome, facts)
    if verdict == kind:
        return None
    if verdict == "right":
        reason = {
            "another fact's answer": "every value of a different fact is in it: true perhaps, and the answer to another question",
            "an invented value": f"its source does not hold {', '.join(found.forbidden)}",
            "a refusal": "it says that it does not know",
        }.get(kind, f"it lacks {', '.join(found.missing)}")
        return f"it may sound right, but {reason}."
    if kind == "right":
        return "read it once more beside the paper: every value of this fact is there, and nothing else is claimed."
    if {verdict, kind} == {"another fact's answer", "an invented value"}:
        return "does one other fact stand in it, with all its values? That is its answer. Pieces of several, or figures from nowhere, are invented."
    return "go through the four kinds in order: says it does not know? another fact complete? a value its source lacks? a part missing?"


def _reasons(numbers: list[int]) -> str | None:
    if not isinstance(numbers, list | tuple) or len(numbers) != 4:
        return "a list of four numbers is expected, such as [1, 1, 1, 1]."
    if any(n not in (1, 2, 3, 4) for n in numbers):
        return "the reasons are numbered 1 to 4."
    insurer, bakery, adviser, clinic = numbers
    if bakery == 1:
        return "the bakery does not ask what is true about ovens, it asks what to do with its own, step by step. That is a process."
    if adviser == 2:
        return "templates look like style, but the tax adviser asks for the cases and papers that the firm knows. Style is how it sounds."
    if clinic != 4:
        return "the clinic's need is where the text goes, whatever the model knows. Which reason speaks of that?"
    wrong = [name for name, n, right in zip(("a", "b", "c", "d"), numbers, _REASONS, strict=True) if n != right]
    return f"look again at case {wrong[0]}." if wrong else None


EXERCISES = [
    Exercise(
        "01.1",
        _gain,
        [
            "desks['HR']['the specialist']['all'] begins with the right answers and the number of questions.",
            "The gain is 100 * (right answers of the specialist - right answers of the graduate) / questions, for each desk.",
        ],
        "gains = {}\n"
        "for desk, row in desks.items():\n"
        "    (before, n, *_), (after, *_) = (part['all'] for part in row.values())\n"
        "    gains[desk] = 100 * (after - before) / n\n"
        "best_desk = max(gains, key=gains.get)\n"
        "points = gains[best_desk]",
    ),
    Exercise(
        "01.2",
        _own_verdict,
        [
            "Choose a line of data/company/facts.jsonl, ask for it in your own words, then read the answer beside the section.",
            "check_facts(answer, fact_id) ticks off the values. If some are missing, look for those that it gives in the other papers.",
        ],
        "fact_id = 'hr-018'  # any id of data/company/facts.jsonl\n"
        "its_answer = ask(specialist, 'your question about that fact')\n"
        "check_facts(its_answer, fact_id)\n"
        "my_verdict = '...'  # then one of: right, " + ", ".join(MISSES),
    ),
    Exercise(
        "01.3",
        _reasons,
        [
            "Ask of each case: is it what the model knows, how it sounds, what to do in which order, or where the text goes?",
            "No number comes twice.",
        ],
        "[2, 3, 1, 4]: a is language and style, b a process, c knowledge of the field, d security and privacy.",
    ),
]
