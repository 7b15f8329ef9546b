"""The house itself: imports run one way, the lists agree, nothing heavy or foreign is committed."""

import ast
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# What a module may import: anything with a lower number. `verdict` stands below `retrieve`, which uses its words.
LEVEL = {
    "settings": 0,
    "records": 1,
    "chat": 2,
    "sources": 2,
    "verdict": 2,
    "score": 3,
    "models": 3,
    "retrieve": 4,
    "tiny_base": 4,
    "privacy": 5,
    "prepare": 6,
    "train": 5,
    "answer": 5,
    "doctor": 6,
    "lesson": 7,
    "cli": 8,
}


def tracked() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / line for line in done.stdout.splitlines() if (ROOT / line).is_file()]


def module_of(name: str) -> str | None:
    parts = name.split(".")
    return parts[1] if parts[0] == "course_utils" and len(parts) > 1 else None


def test_imports_run_one_way():
    for path in sorted((ROOT / "course_utils").rglob("*.py")):
        own = path.relative_to(ROOT / "course_utils").parts[0].removesuffix(".py")
        if own == "__init__":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            names += [a.name for a in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                other = module_of(name)
                if other and other != own:
                    assert LEVEL[other] < LEVEL[own], f"{path.name} imports {name}, which stands above it"


def lines_of_code(path: Path) -> int:
    """Lines that do something: without blank ones, comments and docstrings."""
    text = path.read_text(encoding="utf-8")
    told: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        holders = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        if isinstance(node, holders) and ast.get_docstring(node, clean=False) is not None:
            told |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = enumerate(text.splitlines(), start=1)
    return sum(bool(line.strip()) and not line.strip().startswith("#") and k not in told for k, line in lines)


def test_the_package_stays_small():
    package = ROOT / "course_utils"
    assert len([p for p in package.glob("*.py") if p.name != "__init__.py"]) <= 16
    assert len(list((package / "lesson").glob("*.py"))) <= 4
    assert len(list((package / "tiny_base").glob("*.py"))) <= 5
    assert sum(lines_of_code(p) for p in package.rglob("*.py")) <= 5000


def test_one_list_of_dependencies_and_the_constraints_cover_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line and not line.startswith("#")
    }
    wanted = project["dependencies"] + [d for extra in project["optional-dependencies"].values() for d in extra]
    for dependency in wanted:
        assert re.match(r"[\w-]+", dependency)[0].lower() in pinned, f"{dependency} has no tested version in constraints.txt"
    assert "+cpu" not in (ROOT / "constraints.txt").read_text(encoding="utf-8")


def test_no_file_is_too_heavy_and_no_weights_but_safetensors():
    files = tracked()
    assert sum(f.stat().st_size for f in files) < 100e6
    assert not [f for f in files if f.suffix in (".bin", ".pt", ".pth", ".pkl", ".ckpt")]
    base = ROOT / "data/models/tiny-base/model.safetensors"
    assert base.stat().st_size <= 16e6


def test_readme_names_every_top_level_thing():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    tops = {f.relative_to(ROOT).parts[0] for f in tracked()} - {".gitignore"}
    assert not [t for t in tops if t not in readme]


def test_the_address_stands_in_one_place():
    url = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        text = path.read_text(encoding="utf-8")
        assert f'REPOSITORY = \\"{url}\\"' in text
        assert f"/github/{url.removeprefix('https://github.com/')}/blob/main/notebooks/{path.name}" in text


def test_the_base_knows_nothing_of_the_company():
    facts = [json.loads(line) for line in (ROOT / "data/company/facts.jsonl").read_text(encoding="utf-8").splitlines()]
    codes = {c for f in facts for c in re.findall(r"\b[A-Z]{2}-\d{2,3}\b", f["statement"])}
    assert "HR-205" in codes
    for path in (ROOT / "data/base_corpus").rglob("*.json*"):
        text = path.read_text(encoding="utf-8")
        assert "larkfield" not in text.lower(), path
        assert not [c for c in codes if c in text], path
