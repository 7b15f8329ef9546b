"""Where things lie, what this machine can do, and how a mistake is told.

Limits: nothing here loads a library that takes seconds; torch is imported only when the machine is asked about.
"""

import ast
import json
import os
import platform
import random
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data"
REFERENCE = DATA / "reference"
QUESTIONS = DATA / "questions"
OUTPUTS = Path(os.environ.get("COURSE_OUTPUTS", ROOT / "outputs"))
SEED = 7


class CourseError(Exception):
    """What a person reads when something is wrong: at most three lines (what and where, what was expected, what to do).

    Args:
        what: What was wrong and where (file, line, field).
        expected: What was expected, or None.
        fix: What to do next.
    """

    def __init__(self, what: str, expected: str | None = None, fix: str | None = None):
        self.lines = [" ".join(line.split()) for line in (what, expected, fix) if line]
        super().__init__("\n".join(self.lines))

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows instead of a traceback."""
        return self.lines


def shown(path: str | Path) -> str:
    """A path as a person would write it: from the course folder where it lies inside, otherwise as given."""
    path = Path(path)
    try:
        return path.resolve().relative_to(ROOT).as_posix()
    except ValueError:
        return str(path)


def made_or_reference(*parts: str) -> tuple[Path, str]:
    """The file or folder this learner made under `outputs/`, or else the precomputed one under `data/reference/`.

    Args:
        *parts: Path below both folders, for example `("adapters", "company")`.

    Returns:
        The path and a word for where it comes from: "yours" or "precomputed".

    Raises:
        CourseError: If neither exists.
    """
    for root, word in ((OUTPUTS, "yours"), (REFERENCE, "precomputed")):
        if root.joinpath(*parts).exists():
            return root.joinpath(*parts), word
    raise CourseError(
        f"{'/'.join(parts)} is neither in outputs/ nor in data/reference/.",
        "The course ships a precomputed copy of it.",
        "Fetch the course again (git checkout data/reference), or make it with: make reference",
    )


@dataclass(frozen=True)
class Machine:
    """What this computer offers, and why a choice was made.

    Attributes:
        system: Operating system and processor architecture.
        cores: Cores this process may use.
        memory_gb: Memory in GiB, all of it.
        gpu: Name of the graphics card, or None.
        bf16: Whether 16-bit arithmetic is fast here.
        threads: Threads that PyTorch will use.
        reasons: One sentence per choice.
    """

    system: str
    cores: int
    memory_gb: float
    gpu: str | None
    bf16: bool
    threads: int
    reasons: tuple[str, ...] = field(default=())

    @property
    def device(self) -> str:
        return "cuda" if self.gpu else "cpu"


def machine() -> Machine:
    """Look at this computer. Takes a second the first time, because it imports torch."""
    import psutil
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = int(os.environ.get("OMP_NUM_THREADS") or min(cores, 8))
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    if gpu:
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        why = f"16-bit training {'on' if bf16 else 'off'}: the card {'has' if bf16 else 'lacks'} it"
    else:
        bf16 = _quick_bf16(torch.cpu)
        why = f"16-bit training {'on' if bf16 else 'off'}: {'quicker' if bf16 else 'no quicker'} than 32-bit on this processor"
    reasons = (
        f"device {'GPU' if gpu else 'CPU'}: {gpu or 'no NVIDIA card was found; tiny needs none'}",
        why,
        f"{threads} threads: "
        + ("set by OMP_NUM_THREADS" if os.environ.get("OMP_NUM_THREADS") else "one for each core, at most 8"),
    )
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        cores=cores,
        memory_gb=psutil.virtual_memory().total / 2**30,
        gpu=gpu,
        bf16=bf16,
        threads=threads,
        reasons=reasons,
    )


def _quick_bf16(cpu) -> bool:
    """Whether bfloat16 beats float32 here: with AMX, or with AVX512-BF16 on AMD.

    Intel processors whose AMX is hidden (as virtual machines do) have AVX512-BF16 too, at half the speed of float32.
    """
    if getattr(cpu, "_is_amx_tile_supported", lambda: False)():
        return True
    maker = platform.processor()
    if Path("/proc/cpuinfo").exists():
        maker += Path("/proc/cpuinfo").read_text(errors="replace")[:400]
    return "AuthenticAMD" in maker and getattr(cpu, "_is_avx512_bf16_supported", lambda: False)()


def set_seed(seed: int) -> None:
    """Fix every source of chance that the course uses. Same seed, same machine: same result."""
    import numpy
    import torch

    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)


def peak_memory_gb() -> float:
    """Peak memory of this process so far, in GiB (on Windows: the memory in use now)."""
    try:
        import resource
    except ImportError:
        import psutil

        return psutil.Process().memory_info().rss / 2**30
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if platform.system() == "Darwin" else 2**20)


def home_of(name: str) -> str | None:
    """The heading of the notebook cell that makes a variable, or None.

    Args:
        name: The variable.
    """
    session = Path(os.environ.get("JPY_SESSION_NAME", "")).name
    paths = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"), key=lambda p: (p.name != session, p.name))
    for path in paths:
        heading = path.stem
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            text = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                heading = ([line.lstrip("# ") for line in text.splitlines() if line.startswith("#")] or [heading])[-1]
            elif name in _names_made(text):
                return heading
    return None


def _names_made(text: str) -> set[str]:
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except SyntaxError:
        return set()
    made = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    made |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    imports = [alias for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names]
    return made | {alias.asname or alias.name.split(".")[0] for alias in imports}


def load_ipython_extension(shell) -> None:
    """Let a notebook answer a cell that was run too early with one plain line instead of a traceback."""

    def too_early(self, kind, error, trace, tb_offset=None):
        heading = home_of(error.name) if error.name else None
        if heading is None:
            return self.showtraceback((kind, error, trace), tb_offset=tb_offset)
        print(f"{error.name!r} is not there yet: run the cell under {heading!r} first.")

    shell.set_custom_exc((NameError,), too_early)
