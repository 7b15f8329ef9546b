"""Exercises of notebook 06."""

from collections.abc import Mapping, Sequence

from course_utils.doctor import LADDER
from course_utils.lesson import Exercise


def _choice(first: float, mine: float, keep: str) -> str | None:
    for loss in (first, mine):
        if isinstance(loss, bool) or not isinstance(loss, int | float):
            return "two numbers are expected: the last validation loss of each run."
        if not 0 < loss < 12:
            return "a validation loss lies between 0 and about 9 here. Did you take a step or a share?"
    if first == mine:
        return "both runs end with the very same loss. Was the knob really turned, and is it another folder?"
    given = str(keep).strip().lower()
    if given not in ("first", "mine"):
        return 'the third answer is "first" or "mine".'
    better = "first" if first < mine else "mine"
    return None if given == better else "on held-out examples the other run was less wrong: a lower validation loss is better."


def _stop(step: int, rows: Sequence[Mapping]) -> str | None:
    held = [(row["validation_loss"], row["step"]) for row in rows if "validation_loss" in row]
    if isinstance(step, bool) or not isinstance(step, int):
        return "a whole number is expected: a step."
    best, last = min(held)[1], rows[-1]["step"]
    learned = min((row["loss"], row["step"]) for row in rows if "loss" in row)[1]
    if step == best:
        return None
    if step == last:
        return "that is the last step. By then it had been learning its examples by heart for long."
    if step == learned:
        return "there the *training* loss was lowest. It says how well the examples are known by heart."
    return "look for the row with the lowest validation_loss; only some rows hold one."


def _rung(rung: str) -> str | None:
    given = str(rung).strip().lower()
    if given == "rate too high":
        return None
    return {
        "too little data": "thirty wordings of each fact are plenty.",
        "wrong labels": "wrong labels keep the loss from falling far, but do not blow it up.",
        "template mismatch": "such a run learns its file well: its loss falls. The score is low because questions look different.",
        "mask on the wrong words": "such a run learns to write questions, and its loss falls as it does.",
        "a bad ruler": "the ruler is used after training. Look at the loss.",
    }.get(given, f"the answer is one of: {', '.join(LADDER)}.")


EXERCISES = [
    Exercise(
        "06.1",
        _choice,
        [
            '`card["losses"]` holds the rows; the last one with a `validation_loss` is what you look for.',
            "recipe_for(MODEL).knobs with another rate: dataclasses.replace(recipe.knobs, rate=1e-3).",
        ],
        "from dataclasses import replace\n"
        "knobs = replace(recipe.knobs, rate=recipe.knobs.rate / 10)\n"
        'other = train(desk / "train.jsonl", OUTPUTS / "adapters" / "mine", model=MODEL, knobs=knobs,\n'
        '              validation=desk / "validation.jsonl")\n'
        'last = lambda card: [r["validation_loss"] for r in card["losses"] if "validation_loss" in r][-1]\n'
        'first, mine = last(card), last(read_json(other / "run.json"))\n'
        'keep = "first" if first < mine else "mine"',
    ),
    Exercise(
        "06.2",
        _stop,
        [
            "Only the rows of checkpoints hold a validation_loss.",
            'min(rows_with_it, key=lambda row: row["validation_loss"])',
        ],
        'step = min((r for r in rows if "validation_loss" in r), key=lambda r: r["validation_loss"])["step"]',
    ),
    Exercise(
        "06.3",
        _rung,
        ["Does the loss fall to the end?", "What happens when each step jumps too far?"],
        '"rate too high": the loss does not fall to the end; it stays high, or rises again.',
    ),
]
