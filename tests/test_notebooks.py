"""Every notebook keeps the contract and runs from top to bottom, also with cells run twice, without network."""

import json
import re
from pathlib import Path

import nbformat
import papermill
import pytest

from course_utils.settings import ROOT
from course_utils.sources import RAW

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
LONGEST = 1900  # words of prose


def source(cell) -> str:
    return "".join(cell["source"])


@pytest.fixture(params=NOTEBOOKS, ids=lambda p: p.stem)
def notebook(request):
    return request.param, json.loads(request.param.read_text(encoding="utf-8"))


def code(nb) -> list[str]:
    return [source(c) for c in nb["cells"] if c["cell_type"] == "code"]


def prose(nb) -> str:
    return "\n".join(source(c) for c in nb["cells"] if c["cell_type"] == "markdown")


def test_committed_without_outputs_and_widget_state(notebook):
    _, nb = notebook
    assert "widgets" not in nb["metadata"]
    assert nb["metadata"]["kernelspec"]["name"] == "python3"
    for cell in nb["cells"]:
        assert cell["id"]
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


def test_every_code_cell_is_introduced(notebook):
    _, nb = notebook
    before = None
    for cell in nb["cells"]:
        if cell["cell_type"] == "code":
            assert before == "markdown", source(cell)
        before = cell["cell_type"]


def test_cells_are_short(notebook):
    _, nb = notebook
    lines = [sum(1 for line in text.splitlines() if line.strip()) for text in code(nb)]
    assert max(lines) <= 15
    assert sum(n <= 10 for n in lines) >= 0.9 * len(lines)
    assert sum(n <= 6 for n in lines) >= 0.6 * len(lines)
    assert max(len(line) for text in code(nb) for line in text.splitlines()) <= 100, "a longer line runs out of the cell"


def test_opens_and_closes_by_contract(notebook):
    path, nb = notebook
    number = path.name[:2]
    first, last, text = source(nb["cells"][0]), source(nb["cells"][-1]), prose(nb)
    assert first.startswith(f"# {number} ")
    assert "Open in Colab" in first
    assert len(re.findall(r"^- ", first, re.M)) == 3
    assert "What it needs" in first
    assert "What to skip" in first
    assert len(re.findall(r"^- ", last, re.M)) == 3
    assert "What comes next" in last
    assert "Stop here for today" in text
    assert "## Exercises" in text
    assert "## Check yourself" in text
    assert f'header("{number}")' in "\n".join(code(nb))
    assert len(text.split()) <= LONGEST


def test_one_cell_of_parameters_and_a_boot_cell_before_it(notebook):
    _, nb = notebook
    cells = [c for c in nb["cells"] if c["cell_type"] == "code"]
    tagged = [c for c in cells if "parameters" in c["metadata"].get("tags", [])]
    assert tagged == [cells[1]]
    assert "MODEL" in source(tagged[0])
    assert "SEED" in source(tagged[0])
    assert "google.colab" in source(cells[0])


def test_images_have_alt_text_and_headings_do_not_jump(notebook):
    _, nb = notebook
    text = prose(nb)
    assert not re.search(r"!\[\s*\]\(|<img(?![^>]*alt=)", text)
    levels = [len(m) for m in re.findall(r"^(#+) ", text, re.M)]
    assert all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))


def test_between_two_and_four_exercises(notebook):
    _, nb = notebook
    assert 2 <= len(re.findall(r"ex\.ex\d\.check", "\n".join(code(nb)))) <= 4


def execute(path: Path, out: Path, monkeypatch, **parameters) -> nbformat.NotebookNode:
    monkeypatch.setenv("COURSE_OUTPUTS", str(out.parent / "outputs"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    known = set(papermill.inspect_notebook(path))
    assert set(parameters) <= known, f"unknown parameters: {set(parameters) - known}"
    papermill.execute_notebook(
        path,
        out,
        parameters=parameters,
        cwd=ROOT / "notebooks",
        kernel_name="python3",
        execution_timeout=300,
        progress_bar=False,
        log_output=False,
    )
    return nbformat.read(out, as_version=4)


def shows_raw(cell) -> bool:
    return "shows-raw" in cell["metadata"].get("tags", [])


def planted() -> set[str]:
    """Every identifier that stands in the pile of the course."""
    kinds = ("email", "phone", "iban", "card", "tax_id", "employee_id", "password", "api_key", "customer_url", "address")
    rows = [json.loads(line) for line in (RAW / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
    return {row["value"] for row in rows if row["type"] in kinds}


def printed(nb) -> str:
    outputs = [o for c in nb.cells if c.cell_type == "code" for o in c.outputs]
    texts = [o.get("text") or "".join(o.get("data", {}).get("text/plain", "")) for o in outputs]
    return "\n".join(texts)


def test_runs_from_top_to_bottom(notebook, tmp_path, monkeypatch):
    path, _ = notebook
    done = execute(path, tmp_path / path.name, monkeypatch)
    text = printed(done)
    assert "not attempted" in text
    assert "Traceback" not in text
    assert not [o for c in done.cells if c.cell_type == "code" for o in c.outputs if o.get("name") == "stderr"]
    shown = json.dumps([c.outputs for c in done.cells if c.cell_type == "code" and not shows_raw(c)], ensure_ascii=False)
    written = [p.read_text(encoding="utf-8", errors="replace") for p in (tmp_path / "outputs").rglob("*") if p.is_file()]
    assert [value for value in planted() if any(value in text for text in (shown, *written))] == []
    raw = json.dumps([c.outputs for c in done.cells if c.cell_type == "code" and shows_raw(c)], ensure_ascii=False)
    assert bool(re.search("|".join(map(re.escape, planted())), raw)) == any(map(shows_raw, done.cells))  # the search does find


def test_every_cell_may_run_twice(notebook, tmp_path, monkeypatch):
    path, _ = notebook
    doubled = nbformat.read(path, as_version=4)
    cells = []
    for cell in doubled.cells:
        cells.append(cell)
        if cell.cell_type == "code":
            again = nbformat.v4.new_code_cell(cell.source)
            cells.append(again)
    doubled.cells = cells
    nbformat.write(doubled, tmp_path / "twice.ipynb")
    assert "Traceback" not in printed(execute(tmp_path / "twice.ipynb", tmp_path / "out.ipynb", monkeypatch))


def test_a_cell_run_too_early_says_which_cell_comes_first(notebook, tmp_path, monkeypatch):
    """Each cell alone in a fresh namespace: it works, or it names the cell to run first in one plain line."""
    path, _ = notebook
    nb = nbformat.read(path, as_version=4)
    codes = [c.source for c in nb.cells if c.cell_type == "code"]
    probe = f"""
import json
from IPython import get_ipython
from IPython.utils.capture import capture_output
shell = get_ipython()
shell.run_line_magic("load_ext", "course_utils.settings")
cells = json.loads({json.dumps(json.dumps(codes))})
kept = {{*shell.user_ns, "kept", "early", "source", "seen", "result", "text"}}
early = []
for source in cells[2:]:
    for made in [n for n in shell.user_ns if n not in kept and not n.startswith("_") and n != "made"]:
        del shell.user_ns[made]
    with capture_output() as seen:
        result = shell.run_cell(source)
    text = seen.stdout + seen.stderr
    if not result.success and ("run the cell under" not in text or "Traceback" in text):
        early.append((source[:80], text[-300:]))
print("BAD", early)
"""
    fresh = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(probe)], metadata=nb.metadata)
    nbformat.write(fresh, tmp_path / "early.ipynb")
    text = printed(execute(tmp_path / "early.ipynb", tmp_path / "out.ipynb", monkeypatch))
    assert "BAD []" in text, text[-1500:]


def test_unknown_parameters_are_errors():
    for path in NOTEBOOKS:
        names = set(papermill.inspect_notebook(path))
        assert {"MODEL", "SEED"} <= names
