"""How `course prepare` grows with the pile: seconds and memory for piles 1, 5 and 20 times as large.

    python benchmarks/prepare.py        writes benchmarks/prepare.json, where the seconds stand

Each pile comes from the same generator (`data/raw/make.py --times N`) and is prepared in a process of its own. Memory is the peak of
that process above what it held once everything was imported and the scrubber stood ready.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from course_utils.records import write_json
from course_utils.settings import DATA, ROOT, machine

TIMES = (1, 5, 20)
CHILD = """
import json, sys, time
from course_utils.prepare import prepare
from course_utils.privacy import Scrubber
from course_utils.settings import peak_memory_gb
Scrubber().clean_text("A. Person, LF-E00001")
held, began = peak_memory_gb(), time.monotonic()
counts = prepare(sys.argv[2], raw=sys.argv[1])
print(json.dumps({"seconds": round(time.monotonic() - began, 1), "mb": round(1000 * (peak_memory_gb() - held)), **counts}))
"""


def main() -> None:
    rows = []
    for times in TIMES:
        with tempfile.TemporaryDirectory() as scratch:
            pile = Path(scratch) / "raw"
            make = [sys.executable, str(DATA / "raw" / "make.py"), "--out", str(pile), "--times", str(times)]
            subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
            child = [sys.executable, "-c", CHILD, str(pile), str(Path(scratch) / "prepared")]
            done = subprocess.run(child, check=True, capture_output=True, text=True, cwd=ROOT)
            size = sum(p.stat().st_size for p in pile.iterdir() if p.is_file() and p.suffix != ".py") / 1e6
        rows.append({"times": times, "pile_mb": round(size, 1), **json.loads(done.stdout.splitlines()[-1])})
        print(rows[-1], flush=True)
    write_json(Path(__file__).with_suffix(".json"), {"machine": machine().system, "cores": machine().cores, "rows": rows})


if __name__ == "__main__":
    main()
