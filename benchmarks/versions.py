"""Does the course hold at both ends of what pyproject.toml allows? Oldest and newest libraries, each in a fresh environment.

    python benchmarks/versions.py --plan        prints which versions it would take, installs nothing
    python benchmarks/versions.py               writes benchmarks/versions.json; exit code 1 if a test failed

For each end it copies the working tree into a temporary folder, makes a virtual environment there, installs the copy with its
test extra and with transformers, peft and accelerate held at that end (all else as pip chooses), and runs the tests that lean on
these libraries. torch is always named with a version: the one at that end if it can be had without graphics-card libraries
(gigabytes), else the tested one of constraints.txt; the result says which and why. Needs the package index, about 2 GB of disk at
a time and some minutes.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import xml.etree.ElementTree as xml
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from course_utils.records import write_json
from course_utils.settings import ROOT, machine

ENDS = ("oldest", "newest")
VARIED = ("transformers", "peft", "accelerate")
TESTS = ("tests/test_train.py", "tests/test_models.py", "tests/test_chat.py", "tests/test_answer.py")
SHOWN = ("torch", *VARIED, "tokenizers", "safetensors", "huggingface-hub", "numpy", "pydantic", "pytest")
CARD_LIBRARIES = re.compile(r"^(nvidia|cuda|triton)\b")


@dataclass(frozen=True)
class Pins:
    """What one environment holds fast.

    Attributes:
        versions: Package and version.
        torch_note: Why torch is this version.
    """

    versions: dict[str, str]
    torch_note: str

    @property
    def requirements(self) -> list[str]:
        """As pip wants to read them."""
        return [f"{name}=={number}" for name, number in self.versions.items()]


def ranges() -> dict[str, Requirement]:
    """What pyproject.toml allows, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {made.name: made for made in map(Requirement, project["dependencies"])}


def tested(name: str) -> str:
    """The version in constraints.txt."""
    return re.search(rf"^{name}==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M)[1]


def offered(name: str, extra: Sequence[str]) -> list[Version]:
    """Released versions of a package for this Python, ascending."""
    command = [sys.executable, "-m", "pip", "index", "versions", name, *extra]
    done = subprocess.run(command, capture_output=True, text=True)
    line = re.search(r"^Available versions: (.+)$", done.stdout, re.M)
    if not line:
        sys.exit(f"pip could not list the versions of {name}:\n{done.stderr.strip()}")
    found = {Version(text.strip()) for text in line[1].split(",")}
    return sorted(v for v in found if not v.is_prerelease)


def at_end(end: str, requirement: Requirement, extra: Sequence[str]) -> str:
    """The version of a package at one end of its range."""
    allowed = [v for v in offered(requirement.name, extra) if v in requirement.specifier]
    if not allowed:
        sys.exit(f"no version of {requirement} can be had for Python {platform.python_version()}")
    return str(allowed[0] if end == "oldest" else allowed[-1])


def card_libraries(number: str, extra: Sequence[str]) -> list[str] | None:
    """What a version of torch would pull in for graphics cards on this machine; None if pip cannot get that version.

    pip is asked for its plan only; with an index that serves metadata, nothing large is fetched.
    """
    plan = ["--dry-run", "--ignore-installed", "--no-deps", "--quiet", "--report", "-"]
    command = [sys.executable, "-m", "pip", "install", *plan, *extra, f"torch=={number}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return None
    needed = json.loads(done.stdout)["install"][0]["metadata"].get("requires_dist", [])
    made = [r for r in map(Requirement, needed) if r.marker is None or r.marker.evaluate({"extra": ""})]
    return sorted(r.name for r in made if CARD_LIBRARIES.match(r.name))


def torch_for(end: str, requirement: Requirement, extra: Sequence[str]) -> tuple[str, str]:
    """A version of torch for one end, and why it is this one."""
    wanted, kept = at_end(end, requirement, extra).split("+")[0], tested("torch")
    if wanted == kept:
        return kept, f"{kept} is the {end} that is allowed and the tested one"
    pulled = card_libraries(wanted, extra)
    if pulled is None:
        return kept, f"{wanted}, the {end} that is allowed, cannot be installed here; {kept}, the tested one, was taken instead"
    if pulled:
        return kept, (
            f"{wanted}, the {end} that is allowed, would bring {len(pulled)} graphics-card packages along here; "
            f"{kept}, the tested one, was taken instead"
        )
    return wanted, f"the {end} that is allowed; it installs here without graphics-card packages"


def pins(end: str, extra: Sequence[str]) -> Pins:
    """The versions to hold fast at one end."""
    allowed = ranges()
    number, note = torch_for(end, allowed["torch"], extra)
    return Pins({"torch": number, **{name: at_end(end, allowed[name], extra) for name in VARIED}}, note)


def copy_tree(to: Path) -> Path:
    """A copy of the working tree, without what git ignores: later edits and the tests' litter stay apart."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to


def environment() -> dict[str, str]:
    """For the tests: one thread for each worker, no way to a hub, nothing of the surrounding environment's Python."""
    quiet = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONUTF8": "1"}
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV", "COURSE_OUTPUTS")} | quiet


def check(end: str, folder: Path, args: argparse.Namespace) -> dict:
    """Make one environment, run the tests in it, and say what came out."""
    held = pins(end, args.pip)
    print(f"{end}: {', '.join(held.requirements)} ({held.torch_note})", flush=True)
    result = {"asked": held.versions, "torch": held.torch_note}
    if args.plan:
        return result
    tree, python = copy_tree(folder / "tree"), folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    command = [str(python), "-m", "pip", "install", "--quiet", *args.pip, *held.requirements, "-e", f"{tree}[test]"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tree)
    result["install_seconds"] = round(time.monotonic() - began, 1)
    if done.returncode != 0:
        result["failed_to_install"] = done.stderr.strip().splitlines()[-12:]
        print("\n".join(result["failed_to_install"]), flush=True)
        return result
    listed = subprocess.run([str(python), "-m", "pip", "list", "--format=json"], capture_output=True, text=True, check=True)
    installed = {re.sub(r"[-_.]+", "-", p["name"]).lower(): p["version"] for p in json.loads(listed.stdout)}
    result["installed"] = {name: installed.get(name) for name in SHOWN}
    return {**result, **tests(python, tree, folder / "tests.xml", args)}


def tests(python: Path, tree: Path, report: Path, args: argparse.Namespace) -> dict:
    """Run the tests in an environment; returns counts, seconds and what failed."""
    chosen = [*args.tests, "-m", "not full", "-n", str(args.workers), f"--junitxml={report}", "-p", "no:cacheprovider"]
    began = time.monotonic()
    done = subprocess.run([str(python), "-m", "pytest", *chosen], cwd=tree, env=environment(), capture_output=True, text=True)
    seconds = round(time.monotonic() - began, 1)
    if not report.exists():
        return {"seconds": seconds, "passed": 0, "failed": 0, "broke": (done.stdout + done.stderr).strip().splitlines()[-12:]}
    cases = list(xml.parse(report).iter("testcase"))
    bad = [(case, fault) for case in cases for fault in case if fault.tag in ("failure", "error")]
    skipped = sum(case.find("skipped") is not None for case in cases)
    told = [f"{case.get('classname')}::{case.get('name')}: {(fault.get('message') or '')[:300]}" for case, fault in bad]
    failed = len({id(case) for case, _ in bad})
    counts = {"passed": len(cases) - skipped - failed, "failed": failed, "skipped": skipped, "seconds": seconds}
    print("\n".join([*told, f"{counts}"]), flush=True)
    return {**counts, "failures": told}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", choices=ENDS, help="only this end; the other's last result stays in the file")
    parser.add_argument("--plan", action="store_true", help="print the versions and stop")
    parser.add_argument("--workers", type=int, default=2, help="tests at the same time")
    parser.add_argument("--tests", nargs="+", default=TESTS)
    parser.add_argument(
        "--extra-index-url", action="append", default=[], help="for pip: where torch without card libraries lies"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    args.pip = [word for url in args.extra_index_url for word in ("--extra-index-url", url)]
    told = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    dirty = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    about = {"date": time.strftime("%Y-%m-%d"), "commit": told.stdout.strip() or None, "uncommitted_changes": bool(dirty)}
    about |= {"python": platform.python_version(), "system": machine().system, "tests": list(args.tests)}
    ends = {}
    for end in [args.only] if args.only else ENDS:
        with tempfile.TemporaryDirectory() as folder:
            ends[end] = {**about, **check(end, Path(folder), args)}
    if args.plan:
        return 0
    before = json.loads(args.out.read_text(encoding="utf-8")) if args.out.exists() else {}
    write_json(args.out, {end: ends.get(end) or before.get(end) for end in ENDS})
    return int(any(made.get("failed") or not made.get("passed") for made in ends.values()))


if __name__ == "__main__":
    sys.exit(main())
