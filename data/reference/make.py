"""Remake everything under data/reference on a CPU: prepared data, the company adapter, answers of every
arm, scores, the curve of score against wordings per fact, the experiments with leaks and memory, the runs of notebook 06, the
scoreboard and the policy change.

    make reference        (or: python data/reference/make.py; with --quick, only data, adapter, answers and scores)

Each stage reads files and writes files, as a learner's own run does under outputs/. The time is printed at the end.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from course_utils.answer import answer_questions
from course_utils.models import load_model
from course_utils.prepare import prepare, training_questions
from course_utils.records import Example, Question, read_rows, sha256, write_json, write_rows
from course_utils.retrieve import Index
from course_utils.score import compare, score_files
from course_utils.settings import DATA, QUESTIONS, REFERENCE
from course_utils.sources import RAW
from course_utils.train import Knobs, train

sys.path.insert(0, str(Path(__file__).resolve().parent))
import leak
import memory
import policy
import runs
import scoreboard
from card import write_card

SETS = (
    "company_test",
    "general_test",
    "unknown_test",
    "document_natural_test",
    "document_patterns_test",
    "skills_test",
)
ARMS = (("none", "prompt"), ("none", "few-shot"), ("none", "retrieval"), ("none", "oracle"), ("company", "retrieval"))
PER_FACT = (1, 2, 4, 8)  # wordings of each fact that the adapters of the curve see; the last point is the company adapter


def main(quick: bool) -> None:
    began = time.monotonic()
    prepared, adapter = REFERENCE / "prepared", REFERENCE / "adapters" / "company"
    print(prepare(prepared, raw=RAW))
    shutil.rmtree(adapter, ignore_errors=True)
    train(prepared / "train.jsonl", adapter, validation=prepared / "validation.jsonl", progress=show)
    models = {"none": load_model("tiny"), "company": load_model("tiny", adapter)}
    for name, loaded in models.items():
        for questions in SETS:
            answer_and_score(loaded, questions, name)
    for name, arm in ARMS:
        answer_and_score(models[name], "company_test", name, arm)
    for questions in SETS:
        scores = [score(questions, name) for name in models]
        print(questions, compare(*scores).sentence("the graduate", "the specialist"))
    write_card(DATA / "models" / "tiny-base", REFERENCE / "scores")
    write_json(REFERENCE / "familiar.json", familiar_line(prepared / "train.jsonl"))
    if quick:
        (REFERENCE / "wordings_curve.json").unlink(missing_ok=True)  # it would belong to another base
    else:
        write_json(REFERENCE / "wordings_curve.json", curve(prepared, models["none"].base_sha256))
        leak.make(REFERENCE / "leak.json")
        memory.make(REFERENCE / "memory.json")
        runs.make(REFERENCE / "runs.json", runs.DESK)
        scoreboard.make(REFERENCE / "scoreboard.json")
        policy.make(REFERENCE / "policy.json")
    print(f"made {REFERENCE.name}/ in {(time.monotonic() - began) / 60:.1f} minutes")


def curve(prepared: Path, base: str) -> dict:
    """The share of company questions right against the wordings per fact, at the same number of training steps."""
    rows = []
    whole = read_rows(prepared / "train.jsonl", Example)
    for wordings in PER_FACT:
        with tempfile.TemporaryDirectory() as scratch:
            few = [e for e in whole if e.kind != "document" or int(e.id.rsplit("-", 1)[1]) < wordings]
            write_rows(Path(scratch) / "train.jsonl", few)
            knobs = Knobs(epochs=Knobs().epochs * len(whole) / len(few))
            train(Path(scratch) / "train.jsonl", Path(scratch) / "adapter", knobs=knobs, progress=show)
            asked = read_rows(QUESTIONS / "company_test.jsonl", Question)
            answers = answer_questions(load_model("tiny", Path(scratch) / "adapter"), asked)
            write_rows(Path(scratch) / "answers.jsonl", answers)
            right, n, low, high = score_files(QUESTIONS / "company_test.jsonl", Path(scratch) / "answers.jsonl")["all"]
        taught = sum(e.kind == "document" for e in few)
        rows.append({"wordings": wordings, "examples": taught, "right": right, "n": n, "interval": [low, high]})
        print(f"\n{wordings} wordings a fact: {right} of {n}")
    right, n, low, high = score("company_test", "company")["all"]
    taught = sum(e.kind == "document" for e in whole)
    facts = len({e.topic for e in whole if e.kind == "document"})
    rows.append({"wordings": round(taught / facts, 1), "examples": taught, "right": right, "n": n, "interval": [low, high]})
    return {"base_sha256": base, "data_sha256": sha256(prepared / "train.jsonl"), "points": rows}


def show(p: dict) -> None:
    print(
        f"\rtraining: step {p['step']} of {p['of']}, loss {p['loss']:.3f}, {p['seconds_left']:.0f} s left   ",
        end="",
        flush=True,
    )


def paths(questions: str, adapter: str, arm: str = "plain") -> tuple[Path, Path]:
    name = f"tiny+{adapter}+{arm}"
    return REFERENCE / "answers" / questions / f"{name}.jsonl", REFERENCE / "scores" / questions / f"{name}.json"


def answer_and_score(loaded, questions: str, adapter: str, arm: str = "plain") -> None:
    answers, scores = paths(questions, adapter, arm)
    rows = answer_questions(loaded, read_rows(QUESTIONS / f"{questions}.jsonl", Question), arm)
    write_rows(answers, rows)
    result = score_files(QUESTIONS / f"{questions}.jsonl", answers)
    write_json(scores, {**result, "base_sha256": loaded.base_sha256})
    print(f"\n{questions} {adapter} {arm}: {result['by_kind']}")


def score(questions: str, adapter: str) -> dict:
    return score_files(QUESTIONS / f"{questions}.jsonl", paths(questions, adapter)[0])


def familiar_line(train_file: Path) -> dict:
    """Where to call a question far from training: so that 5% of the company questions for building fall below."""
    index = Index(training_questions(train_file, own=True))

    def likeness(name: str, topic: str | None = None) -> list[float]:
        rows = read_rows(QUESTIONS / f"{name}.jsonl", Question)
        return sorted(index.nearest(q.text).likeness for q in rows if topic in (None, q.topic))

    inside, outside = likeness("company_dev"), likeness("unknown_dev", "outside")
    line = inside[len(inside) // 20]
    flagged = sum(x < line for x in outside) / len(outside)
    return {
        "line": round(line, 3),
        "company_dev_flagged": sum(x < line for x in inside) / len(inside),
        "outside_dev_flagged": flagged,
        "data_sha256": sha256(train_file),
    }


if __name__ == "__main__":
    main(quick="--quick" in sys.argv[1:])
