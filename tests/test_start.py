"""start.py, the Colab cell and the static book."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from course_utils.settings import ROOT


def start(*arguments, cwd=ROOT) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, str(cwd / "start.py"), *arguments], capture_output=True, text=True, timeout=120)


def test_help_and_wrong_words():
    assert "python3 start.py lab" in start().stdout
    assert start("fly").returncode == 2
    done = start("address", "example")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 2


def test_it_needs_the_standard_library_only():
    text = (ROOT / "start.py").read_text(encoding="utf-8")
    names = set(re.findall(r"^(?:import|from) (\w+)", text, re.M))
    assert names <= set(sys.stdlib_module_names)


def test_address_is_written_everywhere(tmp_path):
    for name in ("start.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    assert start("address", "https://github.com/somebody/course", cwd=tmp_path).returncode == 0
    for path in [tmp_path / "pyproject.toml", *(tmp_path / "notebooks").glob("*.ipynb")]:
        text = path.read_text(encoding="utf-8")
        assert "OWNER" not in text
        assert "https://github.com/somebody/course" in text
    notebook = json.loads((tmp_path / "notebooks" / "00_start_here.ipynb").read_text(encoding="utf-8"))
    assert "/github/somebody/course/blob/main/notebooks/00_start_here.ipynb" in "".join(notebook["cells"][0]["source"])


def test_a_python_without_venv_is_named_in_one_line(tmp_path):
    """Debian without python3-venv: `python3 -m venv` fails and says ensurepip."""
    shutil.copy(ROOT / "start.py", tmp_path / "start.py")
    fake = tmp_path / "venv.py"  # shadows the standard module for `-m venv` run in this folder
    fake.write_text(
        "import sys; print('The virtual environment was not created because ensurepip is not available'); sys.exit(1)\n"
    )
    done = subprocess.run([sys.executable, "start.py", "lab"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "-venv" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_the_colab_cell_fetches_and_installs(tmp_path):
    """The boot cell in a process that looks like Colab, with git and pip replaced by recorders: what would be run, in order."""
    notebook = json.loads((ROOT / "notebooks" / "00_start_here.ipynb").read_text(encoding="utf-8"))
    cell = next("".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code")
    program = (
        "import subprocess, sys, types\n"
        "sys.modules['google.colab'] = types.ModuleType('google.colab')\nran = []\n"
        "subprocess.run = lambda command, **kw: ran.append(command[:2])\n"
        f"{cell}\nassert ran[0][:2] == ['git', 'clone'], ran\nassert ran[1][1] == 'course/start.py', ran\n"
        "assert sys.path[0] == 'course'\nprint('ok')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.strip() == "ok", done.stderr


def test_a_page_of_the_book_asks_nobody_outside(tmp_path):
    import nbformat

    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        from notebooks import page
    finally:
        sys.path.pop(0)
    notebook = nbformat.read(ROOT / "notebooks" / "00_start_here.ipynb", as_version=4)
    quiz = next(c for c in notebook.cells if c.cell_type == "code" and "quiz.show()" in c.source)
    face = {
        "application/vnd.jupyter.widget-view+json": {"model_id": "x"},
        "text/html": "<p>static face</p>",
        "text/plain": "face",
    }
    quiz.outputs = [nbformat.v4.new_output("display_data", data=face)]
    nbformat.write(notebook, tmp_path / "00_start_here.ipynb")
    text = Path(page(tmp_path / "00_start_here.ipynb", tmp_path / "book")).read_text(encoding="utf-8")
    assert "the graduate and the specialist" in text
    assert "<p>static face</p>" in text
    assert not re.findall(
        r"""(?:src|href)=["']https?://(?!colab\.research\.google\.com|github\.com)[^"']+\.(?:js|css|woff2?)""", text
    )
    assert not re.findall(r"@import\s+url\(.?https?:", text)
    for image in re.findall(r'<img[^>]+src="([^":]+)"', text):
        assert (tmp_path / "book" / image).exists(), image
