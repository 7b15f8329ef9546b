"""Run every notebook from top to bottom, measure time and memory, and make the static book from what was run.

make run     python benchmarks/notebooks.py           results under outputs/executed, a table on the screen
make book    python benchmarks/notebooks.py --book    the same, then pages under book/
python benchmarks/notebooks.py --record               also write the figures that each notebook prints at its top
"""

import argparse
import re
import shutil
import tempfile
import time
from pathlib import Path

import papermill

from course_utils.records import read_json, write_json
from course_utils.settings import OUTPUTS, REFERENCE, ROOT, machine

# minutes for a person; the seconds for the machine are measured
MINUTES = {"00": 30, "01": 40, "02": 45, "03": 35, "04": 45, "05": 35, "06": 45, "07": 45}
_MEMORY = "import json\nfrom course_utils.settings import peak_memory_gb\nprint('PEAK', json.dumps(peak_memory_gb()))"


def run(path: Path, out: Path) -> tuple[float, float]:
    """Execute one notebook in a fresh kernel.

    Args:
        path: The notebook.
        out: Where the executed copy goes.

    Returns:
        Seconds for all its cells and peak memory of its kernel in GiB.
    """
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(_MEMORY))
    with tempfile.TemporaryDirectory() as scratch:
        measured = Path(scratch) / path.name
        nbformat.write(notebook, measured)
        began = time.monotonic()
        papermill.execute_notebook(
            measured,
            out,
            cwd=ROOT / "notebooks",
            kernel_name="python3",
            execution_timeout=600,
            progress_bar=False,
            log_output=False,
        )
        seconds = time.monotonic() - began
    done = nbformat.read(out, as_version=4)
    memory = float(re.search(r"PEAK ([\d.]+)", done.cells[-1].outputs[0].text)[1])
    done.cells.pop()
    nbformat.write(done, out)
    return seconds, memory


def page(executed: Path, folder: Path) -> Path:
    """One static page without any outside request."""
    import nbformat
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(
        require_js_url="", mathjax_url="", embed_images=True, exclude_input_prompt=True, exclude_output_prompt=True
    )
    notebook = nbformat.read(executed, as_version=4)
    notebook.metadata.pop("widgets", None)
    for output in (o for cell in notebook.cells for o in cell.get("outputs", [])):
        if "text/html" in output.get("data", {}):  # widgets cannot run here: show their static face
            output["data"].pop("application/vnd.jupyter.widget-view+json", None)
    resources = {"metadata": {"path": str(ROOT / "notebooks"), "name": executed.stem}}
    body, _ = exporter.from_notebook_node(notebook, resources=resources)
    body = re.sub(r'<script[^>]*src="(?:https?://[^"]*)?"[^>]*>\s*</script>', "", body)
    shutil.copytree(ROOT / "notebooks" / "images", folder / "images", dirs_exist_ok=True)
    target = folder / f"{executed.stem}.html"
    target.write_text(body, encoding="utf-8")
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--book", action="store_true")
    parser.add_argument("--record", action="store_true")
    args = parser.parse_args()
    (OUTPUTS / "executed").mkdir(parents=True, exist_ok=True)
    here, rows, pages = machine(), {}, []
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        seconds, memory = run(path, OUTPUTS / "executed" / path.name)
        number = path.name[:2]
        rows[number] = {
            "seconds": round(seconds),
            "memory_gb": round(memory, 1),
            "minutes": MINUTES[number],
            "machine": here.gpu or f"{here.threads} processor cores",
        }
        print(f"{path.name}: {seconds:.0f} s, {memory:.1f} GB")
        if args.book:
            pages.append(page(OUTPUTS / "executed" / path.name, ROOT / "book"))
    if args.record:
        file = REFERENCE / "timings.json"
        old = read_json(file)["notebooks"] if file.exists() else {}
        write_json(file, {"notebooks": {**old, **rows}})
    print(f"ran {len(rows)} notebooks" + (f"; made {len(pages)} pages under book/" if args.book else ""))


if __name__ == "__main__":
    main()
