"""Exercises of notebook 05."""

from collections.abc import Sequence

from course_utils.lesson import Exercise


def _share(share: float, masks: Sequence[Sequence[int]]) -> str | None:
    if isinstance(share, bool) or not isinstance(share, int | float):
        return "a number is expected: per cent of all tokens."
    total, own = sum(len(m) for m in masks), sum(sum(m) for m in masks)
    right = 100 * (total - own) / total
    if abs(share - right) <= 0.06:  # rounded to one place
        return None
    slips = (
        (100 * own / total, "that is the assistant's share, which is trained rightly. The rest is what the vendor adds."),
        (right / 100, "that is a share between 0 and 1; per cent is a hundred times as much."),
        (
            100 * sum(1 - sum(m) / len(m) for m in masks) / len(masks),
            "that is the mean of the examples' shares. Long examples hold more tokens: count tokens.",
        ),
    )
    slip = next((text for value, text in slips if abs(share - value) <= (0.006 if value < 1 else 0.06)), None)
    if slip is None and abs(share - right) <= 0.5:
        return None  # a whole number
    return slip or "count the zeros in all masks, and divide by the number of all tokens."


def _numbers(numbers: int) -> str | None:
    if isinstance(numbers, bool) or not isinstance(numbers, int):
        return "a whole number is expected."
    slips = {
        256 * 704: "that is the large matrix itself, which stays frozen.",
        256 * 16: "that is *down* alone. *Up* is trained as well.",
        704 * 16: "that is *up* alone. *Down* is trained as well.",
        256 * 704 * 16: "the rank does not multiply the large matrix. There are two narrow matrices beside it.",
    }
    if numbers == 16 * (256 + 704):
        return None
    return slips.get(numbers, "down has rank times inputs numbers, up has outputs times rank. Add the two.")


def _fault(fault: str) -> str | None:
    given = str(fault).strip().lower()
    if given == "never stops":
        return None
    return {
        "asks": "it would, if the user's tokens counted. They do not: look which single token is missing.",
        "says nothing": "nearly all of the answer is still trained. Look which single token is missing.",
        "fine": "one token is missing, and it is the one that says when the answer is over.",
    }.get(given, 'the answer is one of "asks", "never stops", "says nothing" and "fine".')


EXERCISES = [
    Exercise(
        "05.1",
        _share,
        [
            "A mask holds a 1 for each token of the assistant and a 0 for each other one.",
            "sum(len(m) for m in masks) counts all tokens.",
        ],
        "total = sum(len(m) for m in masks)\nshare = 100 * (total - sum(sum(m) for m in masks)) / total",
    ),
    Exercise(
        "05.2",
        _numbers,
        [
            "There are two matrices: one goes from the inputs to the rank, one from the rank to the outputs.",
            "256 times 16, and 16 times 704.",
        ],
        "numbers = 16 * (256 + 704), which is 15,360; the large matrix has 180,224.",
    ),
    Exercise(
        "05.3",
        _fault,
        [
            "Compare it with encoded.mask: in how many places do they differ, and in which?",
            "What does the end mark tell the reader?",
        ],
        '"never stops": the end mark is not trained, so the model does not learn when an answer is over, and talks on.',
    ),
]
