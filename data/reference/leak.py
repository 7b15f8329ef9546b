"""What leakage does: the same desk trained with and without half of its test questions in the training file.

    python data/reference/leak.py       writes data/reference/leak.json, where the minutes stand

The leaked half makes the test look better than the model is; the other half, asked of the same model, shows what it really can.
"""

import argparse
import random
import tempfile
import time
from pathlib import Path

from course_utils.answer import answer_questions
from course_utils.models import load_model
from course_utils.prepare import prepare
from course_utils.records import Example, Message, Question, read_rows, write_json, write_rows
from course_utils.score import interval, score
from course_utils.settings import QUESTIONS, REFERENCE
from course_utils.sources import read_wordings, source_of
from course_utils.train import Knobs, train

TIMES = 3  # how often a leaked question stands in the file, as copies of one ticket do


def make(out: Path, desk: str = "hr", seed: int = 7) -> None:
    """Run the experiment and write its result."""
    began, rng, wordings = time.monotonic(), random.Random(seed), read_wordings()
    asked = [q for q in read_rows(QUESTIONS / "company_test.jsonl", Question) if q.desk == desk and q.topic in wordings]
    rng.shuffle(asked)
    halves = {"leaked": asked[: len(asked) // 2], "kept apart": asked[len(asked) // 2 :]}
    result: dict = {"desk": desk, "seed": seed, "times": TIMES, "arms": {}}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        prepare(folder / "clean", desk=desk, seed=seed)
        examples = read_rows(folder / "clean" / "train.jsonl", Example)
        leaks = [
            Example(
                id=f"leak-{k}-{q.id}",
                messages=[Message(role="user", content=q.text), Message(role="assistant", content=wordings[q.topic].reply(k))],
                topic=q.topic,
                kind="document",
                source="the test set, by mistake",
            )
            for q in halves["leaked"]
            for k in range(TIMES)
        ]
        both = examples + leaks
        rng.shuffle(both)
        for name, rows in {"clean": examples, "with a leak": both}.items():
            data = write_rows(folder / f"{len(rows)}.jsonl", rows)
            loaded = load_model("tiny", train(data, folder / f"adapter-{len(rows)}", knobs=Knobs(seed=seed)))
            result["base_sha256"] = loaded.base_sha256
            result["arms"][name] = {}
            for half, questions in halves.items():
                items = score(questions, answer_questions(loaded, questions), source_of())["items"]
                right = sum(item["outcome"] == "correct" for item in items)
                result["arms"][name][half] = {"right": right, "n": len(items), "interval": interval(right, len(items))}
                print(f"{name}: {right} of {len(items)} right on the half that was {half}")
    result["minutes"] = round((time.monotonic() - began) / 60, 1)
    write_json(out, result)
    print(f"made {out.name} in {result['minutes']} minutes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--desk", default="hr")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=REFERENCE / "leak.json")
    args = parser.parse_args()
    make(args.out, args.desk, args.seed)


if __name__ == "__main__":
    main()
