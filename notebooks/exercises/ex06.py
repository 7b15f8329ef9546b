"""Exercises of notebook 06."""

from collections.abc import Mapping, Sequence

from course_utils.doctor import LADDER
from course_utils.lesson import Exercise


def _lowest(card: Mapping) -> float:
    return min(row["validation_loss"] for row in card["losses"] if "validation_loss" in row)


def _choice(first: Mapping, mine: Mapping, keep: str) -> str | None:
    if not isinstance(mine, Mapping) or "knobs" not in mine:
        return 'a run card is expected: read_json(folder / "run.json").'
    if not any("validation_loss" in row for row in mine["losses"]):
        return "your run was not measured on held-out examples. Give `validation` as the first run did."
    if mine["data_sha256"] != first["data_sha256"]:
        return "your run learned from another file, so the two cannot be compared."
    turned = [knob for knob, value in mine["knobs"].items() if first["knobs"].get(knob) != value]
    if len(turned) != 1:
        return f"exactly one knob is to be turned; here {len(turned)} differ" + (f" ({', '.join(turned)})." if turned else ".")
    given = str(keep).strip().lower()
    if given not in ("first", "mine"):
        return 'the second answer is "first" or "mine".'
    better = "first" if _lowest(first) < _lowest(mine) else "mine"
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
        "wrong labels": "its answers were read aloud and are correct.",
        "template mismatch": "such a run learns its file well: its loss falls. The score is low because questions look different.",
        "mask on the wrong words": "every mask is right, it says.",
        "a bad ruler": "the ruler is used after training. Look at the loss.",
    }.get(given, f"the answer is one of: {', '.join(LADDER)}.")


EXERCISES = [
    Exercise(
        "06.1",
        _choice,
        [
            "The same knobs with another rate: replace(knobs, rate=1e-3).",
            'The rows of `card["losses"]` that hold a `validation_loss` are what you look for.',
        ],
        'other = train(desk / "train.jsonl", OUTPUTS / "adapters" / "mine", model=MODEL,\n'
        '              knobs=replace(knobs, rate=knobs.rate / 10), validation=desk / "validation.jsonl")\n'
        'mine = read_json(other / "run.json")\n'
        'lowest = lambda card: min(r["validation_loss"] for r in card["losses"] if "validation_loss" in r)\n'
        'keep = "first" if lowest(card) < lowest(mine) else "mine"',
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
