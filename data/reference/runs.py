"""What each setting of a training run does, on one desk: runs of notebook 06 that would take too long to wait for.

    python data/reference/runs.py       writes data/reference/runs.json, where the minutes stand

Each knob too low and too high, fewer wordings of each fact, over-fitting on purpose, full fine-tuning beside LoRA, and the six faults
of the ladder with their fixes. Every run is a process of its own, so that its memory is its own. Scored on the company questions for
*building* (never the frozen test) of the desk, and on general questions for building, which show what was forgotten.
"""

import argparse
import multiprocessing
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from course_utils.doctor import diagnose, odd_answers
from course_utils.prepare import prepare
from course_utils.records import Answer, Example, Message, Question, read_json, read_rows, write_json, write_rows
from course_utils.score import compare, interval, score
from course_utils.settings import QUESTIONS, REFERENCE, SEED
from course_utils.sources import read_wordings, source_of
from course_utils.train import Knobs, train

DESK = "hr"
KNOBS = {
    "rate": (2e-4, 4e-2),
    "rank": (1, 128),
    "alpha": (4, 1024),
    "epochs": (0.2, 8.0),
    "tokens": (256, 16384),
}  # too low, too high
WORDINGS = (1, 2, 4, 8, 16)
FULL_RATE = 4e-4  # a tenth of the adapter's, as J. Schulman and others found for large models ("LoRA Without Regret", 2025)
GENERAL = 60


# --- faults -----------------------------------------------------------------------------------------------------------


def with_sides(example: Example, user: str, assistant: str) -> Example:
    return example.model_copy(
        update={"messages": [Message(role="user", content=user), Message(role="assistant", content=assistant)]}
    )


def other_template(examples: Sequence[Example]) -> list[Example]:
    """The file was exported for a tool with marks of its own; the chat template comes on top."""
    return [with_sides(e, f"### Instruction:\n{_q(e)}\n\n### Response:", _a(e)) if _fact(e) else e for e in examples]


def sides_swapped(examples: Sequence[Example]) -> list[Example]:
    """Two columns were mixed up: the mask now falls on the questions."""
    return [with_sides(e, _a(e), _q(e)) if _fact(e) else e for e in examples]


def rows_slipped(examples: Sequence[Example], share: float = 0.5, seed: int = SEED) -> list[Example]:
    """Half of the answers stand beside another question, as after sorting one column of a sheet."""
    facts = [k for k, e in enumerate(examples) if _fact(e)]
    slipped = random.Random(seed).sample(facts, round(share * len(facts)))
    made = list(examples)
    for k, other in zip(slipped, slipped[1:] + slipped[:1], strict=True):
        made[k] = with_sides(examples[k], _q(examples[k]), _a(examples[other]))
    return made


def few_wordings(examples: Sequence[Example], most: int = 1) -> list[Example]:
    """At most so many wordings of each fact."""
    return [e for e in examples if not _fact(e) or int(e.id.rsplit("-", 1)[1]) < most]


def without_odd(examples: Sequence[Example]) -> list[Example]:
    """The fix for wrong labels when nobody can correct them: without the facts' examples whose answer looks odd."""
    facts = [e for e in examples if _fact(e)]
    odd = {facts[k].id for k in odd_answers(facts)}
    return [e for e in examples if e.id not in odd]


def word_for_word(question: Question, answer: str) -> bool:
    """A bad ruler: right is only what repeats the reference word for word."""
    return answer.strip() == (question.reference or "").strip()


def _fact(example: Example) -> bool:
    return example.kind == "document"


def _q(example: Example) -> str:
    return example.messages[0].content


def _a(example: Example) -> str:
    return example.messages[-1].content


# --- runs -------------------------------------------------------------------------------------------------------------


def asked(desk: str) -> tuple[list[Question], list[Question]]:
    """The desk's questions for building, and general ones."""
    own = [q for q in read_rows(QUESTIONS / "company_dev.jsonl", Question) if q.desk == desk]
    general = read_rows(QUESTIONS / "general_dev.jsonl", Question)
    return own, random.Random(SEED).sample(general, min(GENERAL, len(general)))


def one(job: dict) -> dict:
    """One run: train, answer, score. In a process of its own."""
    from course_utils.answer import answer_questions
    from course_utils.models import load_model

    knobs, folder = Knobs(**job["knobs"]), Path(job["folder"])
    out = train(job["data"], folder, knobs=knobs, validation=job["validation"], keep=job["keep"])
    card = read_json(out / "run.json")
    loaded = load_model("tiny", out) if knobs.rank else load_model(str(out))
    own, general = asked(job["desk"])
    answers = answer_questions(loaded, own)
    outcomes = score(own, answers, source_of())["items"]
    kept = score(general, answer_questions(loaded, general))["items"]
    weights = next(out.glob("*.safetensors"))
    return {
        "knobs": card["knobs"],
        "examples": card["examples"],
        "steps": card["losses"][-1]["step"],
        "kept_step": card["kept_step"],
        **counted(outcomes),
        "general": counted(kept),
        "losses": [{k: v for k, v in row.items() if k != "said"} for row in card["losses"]],
        "seconds": card["seconds"],
        "memory_gb": card["peak_memory_gb"],
        "megabytes": round(weights.stat().st_size / 1e6, 2),
        "answers": [a.model_dump(include={"id", "answer"}) for a in answers],
        "items": outcomes,
        "base_sha256": card["base_sha256"],
    }


def counted(items: Sequence[dict]) -> dict:
    right = sum(item["outcome"] == "correct" for item in items)
    return {"right": right, "n": len(items), "interval": interval(right, len(items))}


def jobs(scratch: Path, desk: str, only: Sequence[str] | None = None) -> dict[str, dict]:
    """Every run by name, with its file and its knobs."""
    prepared = scratch / "prepared"
    prepare(prepared, desk=desk)
    whole = read_rows(prepared / "train.jsonl", Example)
    base, made = Knobs(), {}

    def job(name: str, rows: Sequence[Example] = whole, knobs: Knobs = base, keep: str = "last") -> None:
        data = write_rows(scratch / f"{name}.jsonl", rows)
        made[name] = {
            "desk": desk,
            "data": str(data),
            "validation": str(prepared / "validation.jsonl"),
            "folder": str(scratch / f"out-{name}"),
            "knobs": vars(knobs),
            "keep": keep,
        }

    job("reference")
    for knob, (low, high) in KNOBS.items():
        for name, value in {"low": low, "high": high}.items():
            turned = {knob: value, "alpha": 2 * value} if knob == "rank" else {knob: value}  # else width would change loudness
            job(f"{knob} {name}", knobs=replace(base, **turned))
    for most in WORDINGS:
        few = few_wordings(whole, most)
        job(f"wordings {most}", few, replace(base, epochs=base.epochs * len(whole) / len(few)))  # as many steps
    few = [e for e in few_wordings(whole, 1) if _fact(e)]
    job("over-fitted", few, replace(base, epochs=40.0))
    job("over-fitted, best kept", few, replace(base, epochs=40.0), keep="best")
    job("full", knobs=replace(base, rank=0, rate=FULL_RATE))
    job("other template", other_template(whole))
    job("sides swapped", sides_swapped(whole))
    slipped = rows_slipped(whole)
    job("rows slipped", slipped)
    job("rows slipped, odd ones dropped", without_odd(slipped))
    return {name: row for name, row in made.items() if only is None or name in only}


def ladder(runs: dict[str, dict], planned: dict[str, dict], desk: str) -> dict:
    """For each rung: the broken run beside its fix, and what the ladder says about the broken one."""
    pairs = {
        "mask on the wrong words": ("sides swapped", "reference"),
        "template mismatch": ("other template", "reference"),
        "too little data": ("wordings 1", "reference"),
        "wrong labels": ("rows slipped", "reference"),
        "rate too high": ("rate high", "reference"),
    }
    made = {}
    for rung, (broken, fixed) in pairs.items():
        findings = diagnose(runs[broken], read_rows(planned[broken]["data"], Example))
        drop = compare(runs[fixed], runs[broken])
        made[rung] = {"broken": broken, "fixed": fixed, **told(drop), "found": [f.rung for f in findings if f.fault]}
    own, _ = asked(desk)
    answers = {a["id"]: a["answer"] for a in runs["reference"]["answers"]}
    items = [{"id": q.id, "outcome": "correct" if word_for_word(q, answers[q.id]) else "wrong"} for q in own]
    findings = diagnose(
        runs["reference"], read_rows(planned["reference"]["data"], Example), word_for_word, known_right(own), len(own)
    )
    drop = compare(runs["reference"], {"items": items})
    found = [f.rung for f in findings if f.fault]
    made["a bad ruler"] = {
        "broken": "scored word for word",
        "fixed": "reference",
        **told(drop),
        **counted(items),
        "found": found,
    }
    return made


def told(drop) -> dict:
    return {"difference": drop.difference, "low": drop.low, "high": drop.high}


def known_right(questions: Sequence[Question]) -> list[tuple[Question, str]]:
    """Questions with a hand-written answer each, in other words than their reference."""
    wordings = read_wordings()
    return [(q, wordings[q.topic].reply(1)) for q in questions if q.topic in wordings]


def blind(scratch: Path, desk: str, seed: int) -> dict:
    """Faults planted on another desk in an order that only the seed knows; is each one named, and first?"""
    prepared = scratch / "blind"
    prepare(prepared, desk=desk, seed=seed)
    whole, own = read_rows(prepared / "train.jsonl", Example), asked(desk)[0]
    short = replace(Knobs(), epochs=0.5, seed=seed)
    files = {
        "template mismatch": other_template(whole),
        "mask on the wrong words": sides_swapped(whole),
        "rate too high": whole,
        "too little data": few_wordings(whole, 2),
        "wrong labels": rows_slipped(whole, 0.3, seed),
        "a bad ruler": whole,
    }
    order, named = random.Random(seed).sample(list(files), len(files)), {}
    for k, fault in enumerate(order):
        data = write_rows(scratch / f"blind-{k}.jsonl", files[fault])
        knobs = replace(short, rate=4e-2) if fault == "rate too high" else short
        card = read_json(train(data, scratch / f"blind-{k}", knobs=knobs) / "run.json")
        rulers = {"ruler": word_for_word} if fault == "a bad ruler" else {"ruler": _by_facts}
        findings = diagnose(card, read_rows(data, Example), **rulers, known_right=known_right(own), asked=max(len(own), 60))
        named[fault] = [f.rung for f in findings if f.fault]
    return {"desk": desk, "seed": seed, "named": named, "right": sum(v[:1] == [k] for k, v in named.items()), "of": len(named)}


def _by_facts(question: Question, answer: str) -> bool:
    row = Answer(
        id=question.id,
        question=question.text,
        answer=answer,
        arm="plain",
        model="",
        seconds=0,
        prompt_tokens=0,
        answer_tokens=0,
    )
    return score([question], [row], source_of())["items"][0]["outcome"] == "correct"


def make(out: Path, desk: str, only: Sequence[str] | None = None) -> None:
    """Run everything and write the result; a run that failed stops it, and nothing is written."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        planned, runs = jobs(Path(scratch), desk, only), {}
        with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            for name, row in zip(planned, pool.imap(one, planned.values()), strict=True):
                runs[name] = row
                print(
                    f"{name}: {row['right']} of {row['n']}, general {row['general']['right']}, {row['seconds']:.0f} s",
                    flush=True,
                )
        result = {"desk": desk, "base_sha256": runs["reference"]["base_sha256"], "runs": runs}
        if only is None:
            result["ladder"] = ladder(runs, planned, desk)
            result["blind"] = blind(Path(scratch), "support", 23)
            result["patient"] = [row["loss"] for row in runs["rate high"]["losses"] if "loss" in row]
            print({k: v["found"] for k, v in result["ladder"].items()}, result["blind"], sep="\n")
    for row in runs.values():
        del row["answers"], row["base_sha256"]
        row["items"] = {item["id"]: item["outcome"] for item in row["items"]}
    write_json(out, {**result, "minutes": round((time.monotonic() - began) / 60, 1)})
    print(f"made {out.name} in {(time.monotonic() - began) / 60:.1f} minutes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--desk", default=DESK)
    parser.add_argument("--only", nargs="*", help="names of runs, for a look; the ladder needs all")
    parser.add_argument("--out", type=Path, default=REFERENCE / "runs.json")
    args = parser.parse_args()
    make(args.out, args.desk, args.only)


if __name__ == "__main__":
    main()
