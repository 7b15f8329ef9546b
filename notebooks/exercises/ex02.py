"""Exercises of notebook 02."""

from collections.abc import Mapping, Sequence

from course_utils.lesson import Exercise
from course_utils.score import compare
from course_utils.sources import read_facts


def _prompt(prompt: str, claim: str, bare: Mapping, mine: Mapping) -> str | None:
    if not isinstance(prompt, str) or len(prompt.split()) < 4:
        return "write an instruction of a sentence or two, such as whose assistant it is and how to answer."
    if not isinstance(mine, Mapping) or "items" not in mine:
        return "score it first: mine = right_with(prompt)."
    given, found = str(claim).strip().lower(), compare(bare, mine).verdict
    if given not in ("better", "worse", "cannot tell"):
        return 'the claim is one of "better", "worse" and "cannot tell".'
    if given == found:
        return None
    if found == "cannot tell":
        return (
            "the interval of the difference holds 0: a difference of this size may be luck. Print compare(...).sentence(...)."
        )
    return "the interval of the difference does not hold 0. Print compare(...).sentence(...)."


def _missed(query: str, fact_id: str, found: Sequence[tuple[str, str]], places: Mapping[str, tuple[str, str]]) -> str | None:
    if not isinstance(query, str) or len(query.split()) < 3:
        return "a question of at least three words is expected."
    if str(fact_id) not in places:
        return 'the second answer is the number of a fact, such as "hr-023"; they stand in data/company/facts.jsonl.'
    if not isinstance(found, list | tuple):
        return "let `find` answer first."
    if tuple(places[fact_id]) in {tuple(place) for place in found}:
        return "the search finds this one. Ask with words that do not stand in the section: as a tired colleague would."
    statement = next(fact.statement for fact in read_facts() if fact.id == fact_id)
    print(f"The fact: {statement} Does it answer your question? If not, choose another.")
    return None


def _needed(needed: int) -> str | None:
    if isinstance(needed, bool) or not isinstance(needed, int):
        return "a whole number is expected."
    items = [(True, True)] * 14 + [(True, False)] * 3 + [(False, True)] * 6 + [(False, False)] * 17
    first, second = (
        {"items": [{"id": str(k), "outcome": "correct" if pair[side] else "wrong"} for k, pair in enumerate(items)]}
        for side in (0, 1)
    )
    right = compare(first, second).needed
    if abs(needed - right) <= 0.1 * right:
        return None
    if needed <= 40:
        return "with 40 the two cannot be told apart; more are needed."
    return "9 differ: 3 one way and 6 the other, since 20 - 17 = 3. Build the two lists of outcomes from that."


EXERCISES = [
    Exercise(
        "02.1",
        _prompt,
        ["Say whose assistant it is, who asks, how long the answer may be.", "from course_utils.score import compare"],
        'prompt = "You are the assistant of Larkfield\'s HR desk. Answer in one sentence and name the section."\n'
        "mine = right_with(prompt)\n"
        'claim = compare(scores["question alone"], mine).verdict',
    ),
    Exercise(
        "02.2",
        _missed,
        [
            "The search sees words, not meaning. What would a colleague say instead of the section's own words?",
            'Try "my gran passed away" for bereavement leave.',
        ],
        'query, fact_id = "My gran passed away, can I stay at home?", "hr-023"',
    ),
    Exercise(
        "02.3",
        _needed,
        [
            "Of the 9, x were right only the first way and y only the second: x + y = 9 and y - x = 3.",
            "compare(first, second).needed, with items such as {'id': '1', 'outcome': 'correct'}.",
        ],
        "pairs = [(1, 1)] * 14 + [(1, 0)] * 3 + [(0, 1)] * 6 + [(0, 0)] * 17\n"
        'sides = [{"items": [{"id": str(k), "outcome": "correct" if p[s] else "wrong"} for k, p in enumerate(pairs)]} for s in (0, 1)]\n'
        "needed = compare(*sides).needed",
    ),
]
