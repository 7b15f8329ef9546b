"""A policy changes: 16 weeks of parental leave become 18. What does each way to company answers need to follow, and who still says 16?

    python data/reference/policy.py       writes data/reference/policy.json, where the minutes stand

The new rule goes into a copy of the company's papers, facts and wordings. Then each arm is asked every question about parental leave
that names the weeks, of both sets (which is a look at the test: note it), before and after its update. An arm's *update* is the work that a machine does; that of people is not counted.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from course_utils.answer import answer_questions
from course_utils.models import load_model
from course_utils.prepare import prepare
from course_utils.records import Question, read_rows, sha256, write_json
from course_utils.retrieve import Library
from course_utils.settings import QUESTIONS, REFERENCE
from course_utils.sources import COMPANY, RAW, read_papers
from course_utils.train import train
from course_utils.verdict import holds

OLD, NEW = "16 weeks", "18 weeks"
FACTS = ("hr-020", "hr-021", "hr-022")  # those whose answers name the weeks


def changed(out: Path) -> Path:
    """A copy of the company in which the new rule holds.

    Args:
        out: Folder to write.

    Raises:
        ValueError: If the old rule stands nowhere.
    """
    shutil.copytree(COMPANY, out)
    touched = 0
    for path in (out / "employee_handbook.md", out / "facts.jsonl", out / "wordings" / "hr.jsonl"):
        lines = path.read_text(encoding="utf-8").split("\n")
        new = [
            line.replace(OLD, NEW) if path.suffix == ".md" or any(f'"{f}"' in line for f in FACTS) else line for line in lines
        ]
        touched += new != lines
        path.write_text("\n".join(new), encoding="utf-8")
    if touched != 3:
        raise ValueError(f"{OLD} stands in {touched} of 3 files")
    return out


def asked() -> list[Question]:
    """The questions about parental leave that name or want the weeks."""
    return [
        q
        for name in ("company_dev", "company_test")
        for q in read_rows(QUESTIONS / f"{name}.jsonl", Question)
        if q.topic in FACTS and OLD in str(q.must_include)
    ]


def said(answers) -> dict:
    """Which weeks the answers name."""
    both = [(holds(OLD, a.answer) >= 0, holds(NEW, a.answer) >= 0) for a in answers]
    return {
        "n": len(both),
        "new": sum(new and not old for old, new in both),
        "old": sum(old and not new for old, new in both),
        "both": sum(old and new for old, new in both),
        "neither": sum(not old and not new for old, new in both),
    }


def make(out: Path) -> None:
    """Update every arm, ask before and after, and write the result."""
    began, questions, arms = time.monotonic(), asked(), {}
    old_adapter = REFERENCE / "adapters" / "company"
    graduate, specialist = load_model("tiny"), load_model("tiny", old_adapter)
    with tempfile.TemporaryDirectory() as scratch:
        company = changed(Path(scratch) / "company")
        start = time.monotonic()
        Library(read_papers(company))
        indexed = time.monotonic() - start
        start = time.monotonic()
        prepare(Path(scratch) / "prepared", company, raw=RAW)
        new = train(Path(scratch) / "prepared" / "train.jsonl", Path(scratch) / "adapter")
        trained = time.monotonic() - start
        retrained = load_model("tiny", new)
        plan = {
            "retrieval": (graduate, graduate, "retrieval", indexed),
            "oracle": (graduate, graduate, "oracle", indexed),
            "assistant": (graduate, graduate, "assistant", indexed),
            "faq": (graduate, graduate, "faq", indexed),
            "adapter": (specialist, retrained, "plain", trained),
            "old adapter + retrieval": (specialist, specialist, "retrieval", indexed),
            "new adapter + retrieval": (specialist, retrained, "retrieval", trained + indexed),
        }
        for name, (before, after, arm, seconds) in plan.items():
            arms[name] = {
                "update_seconds": round(seconds, 2),
                "trained": after is retrained,
                "before": said(answer_questions(before, questions, arm)),
                "after": said(answer_questions(after, questions, arm, company=company)),
            }
            print(name, arms[name], flush=True)
    result = {
        "old": OLD,
        "new": NEW,
        "base_sha256": graduate.base_sha256,
        "adapter_sha256": sha256(old_adapter / "adapter_model.safetensors"),
        "arms": arms,
        "minutes": round((time.monotonic() - began) / 60, 1),
    }
    write_json(out, result)
    print(f"made {out.name} in {result['minutes']} minutes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=REFERENCE / "policy.json")
    make(parser.parse_args().out)


if __name__ == "__main__":
    main()
