"""Can this machine run the course, and how long will things take here?

It trains for three seconds to find out, with the embedded model and the training code of the course. Limits: the
estimates scale one measured speed; a machine that is busy with something else will be slower.
"""

import shutil
import sys
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from course_utils.records import read_json
from course_utils.settings import REFERENCE, ROOT, CourseError, machine, peak_memory_gb

NEEDED = ("torch", "transformers", "peft", "accelerate", "ipywidgets", "matplotlib", "numpy", "scipy", "pydantic")


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
        lines: What to print, one finding a line.
        ok: Whether the course can run here.
        tokens_per_second: Training speed of `tiny` here, or None.
    """

    lines: tuple[str, ...]
    ok: bool
    tokens_per_second: float | None = None


def examine(seconds: float = 3.0) -> Report:
    """Check this machine.

    Args:
        seconds: How long to train for the measurement.
    """
    lines, ok = [], True

    def note(good: bool, text: str) -> None:
        nonlocal ok
        ok = ok and good
        lines.append(f"{'yes' if good else 'NO '}  {text}")

    python = ".".join(map(str, sys.version_info[:3]))
    note(sys.version_info >= (3, 11), f"Python {python} (3.11 or newer is needed)")
    missing = [name for name in NEEDED if not _version(name)]
    found = ", ".join(f"{name} {_version(name)}" for name in NEEDED[:4] if _version(name))
    note(
        not missing,
        f"libraries: {found}" if not missing else f"libraries missing: {', '.join(missing)}; run python3 start.py lab",
    )
    if missing:
        return Report(tuple(lines), False)
    here = machine()
    note(here.memory_gb >= 3.5, f"memory: {here.memory_gb:.0f} GB (4 are needed)")
    free = shutil.disk_usage(ROOT).free / 2**30
    note(free >= 1, f"free disk space: {free:.0f} GB (1 is needed for your own results)")
    lines += [f"     {reason}" for reason in here.reasons]
    try:
        speed = training_speed(seconds)
    except CourseError as error:
        note(False, str(error).replace("\n", " "))
        return Report(tuple(lines), False)
    note(True, f"training `tiny` here: {speed:,.0f} tokens a second, {peak_memory_gb():.1f} GB of memory at most")
    lines += [f"     {line}" for line in estimates(speed)]
    return Report(tuple(lines), ok, speed)


def training_speed(seconds: float) -> float:
    """Tokens a second of a real training step, forward, backward and update, measured for a while."""
    import torch

    from course_utils.models import load_model
    from course_utils.train import Knobs, adapt

    here = machine()
    torch.set_num_threads(here.threads)
    model = adapt(load_model("tiny"), Knobs())
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4, fused=True)
    ids = torch.randint(10, 4000, (32, 64), generator=torch.Generator().manual_seed(1)).to(model.device)
    steps, began = -2, time.monotonic()
    while time.monotonic() - began < seconds or steps < 1:
        if steps == 0:  # the first two steps set things up
            began = time.monotonic()
        with torch.autocast(here.device, dtype=torch.bfloat16, enabled=here.bf16):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        steps += 1
    return steps * ids.numel() / (time.monotonic() - began)


def estimates(tokens_per_second: float) -> list[str]:
    """How long things that were timed for the course will take at this speed."""
    card = read_json(REFERENCE / "adapters" / "company" / "run.json")
    padded = card["losses"][-1]["step"] * card["knobs"]["tokens"]  # padding takes time too, here as in the measurement
    return [f"training on all of Larkfield's facts will take about {_span(padded / tokens_per_second)} here (notebook 06)"]


def _span(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
