"""Does a training run survive being killed? `course train` and the stock Trainer through the same harness.

    python benchmarks/survive.py --kills 300 --damages 100        writes benchmarks/survive.json

Each trial starts a small run, kills it with SIGKILL, starts it again and lets it finish. Half of the kills come at a random moment.
The other half come right before or after a file operation: one in three from the run's first operation on, two in three from its
last one back, so that they hold every boundary of the first save, of the last one and of the end. A trial *survived* if the second
start finishes by itself, and is *equal* if all losses and the adapter are bit for bit those of a run that nobody killed. *Damage*
flips a bit, cuts a file short or deletes one in the newest checkpoint before the second start. Linux and macOS only: trials are
forked from one process that has imported everything.
"""

import argparse
import builtins
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from course_utils.records import Example, Message, read_json, sha256, write_json, write_rows
from course_utils.settings import machine, set_seed
from course_utils.train import Knobs, damage, train

KNOBS = Knobs(rank=8, alpha=16, epochs=6.0, tokens=256)
SAVES = 6
STOCK_STEPS = 24


def data(folder: Path) -> Path:
    rows = [
        Example(
            id=f"e{k}",
            messages=[
                Message(role="user", content=f"Who has key {k}?"),
                Message(role="assistant", content=f"Key {k} hangs in room {3 * k + 7}."),
            ],
            topic="t",
            kind="document",
            source="harness",
        )
        for k in range(20)
    ]
    return write_rows(folder / "train.jsonl", rows)


def ours(folder: Path, again: bool) -> None:
    def note(p: dict) -> None:
        with open(folder / "steps.txt", "a", encoding="utf-8") as file:
            file.write(f"{p['step']}\n")

    train(folder / "train.jsonl", folder / "out" / "adapter", knobs=KNOBS, progress=note, resume=again, saves=SAVES)


def stock(folder: Path, again: bool) -> None:
    """The Trainer as its documentation shows it: save every few steps, resume from the last checkpoint."""
    import torch
    from transformers import Trainer, TrainingArguments
    from transformers.trainer_utils import get_last_checkpoint

    from course_utils.models import load_model
    from course_utils.records import read_rows
    from course_utils.train import _encode_all, _Rows, adapt

    set_seed(KNOBS.seed)
    loaded = load_model("tiny")
    rows = _Rows(_encode_all(loaded, read_rows(folder / "train.jsonl", Example)), KNOBS)

    class Batched(torch.utils.data.IterableDataset):
        def __iter__(self):
            for epoch in range(1000):
                for chosen in rows.batches(epoch):
                    yield rows.tensors(chosen)

    out = folder / "out" / "adapter"
    args = TrainingArguments(
        output_dir=str(out), max_steps=STOCK_STEPS, per_device_train_batch_size=1, learning_rate=4e-3, logging_steps=1, save_steps=6,
        save_total_limit=2, report_to="none", disable_tqdm=True, use_cpu=True, seed=KNOBS.seed, dataloader_pin_memory=False,
    )  # fmt: skip
    trainer = Trainer(model=adapt(loaded, KNOBS), args=args, train_dataset=Batched(), data_collator=lambda rows: rows[0])
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(out)) if again and out.exists() else None)
    trainer.save_model(str(out))
    losses = [r["loss"] for r in trainer.state.log_history if "loss" in r]
    (out / "losses.json").write_text(json.dumps(losses))


def started(run, folder: Path, again: bool, boundary: int | None = None) -> int:
    """Fork a process that runs; at this boundary of a file operation it kills itself. Returns its process id."""
    child = os.fork()
    if child:
        return child
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        seen = _watch_files(boundary)
        run(folder, again)
        (folder / "operations.txt").write_text(str(seen[0]))
        code = 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    os._exit(code)


def _watch_files(boundary: int | None) -> list[int]:
    """Count this process's file operations; it kills itself before (even boundaries) or after (odd ones) number `boundary // 2`."""
    seen = [0]

    def wrapped(call):
        def counted(*args, **kwargs):
            writes = call is not builtins_open or (len(args) > 1 and any(c in str(args[1]) for c in "wax"))
            if writes and seen[0] * 2 == boundary:
                os.kill(os.getpid(), signal.SIGKILL)
            made = call(*args, **kwargs)
            if writes:
                if seen[0] * 2 + 1 == boundary:
                    os.kill(os.getpid(), signal.SIGKILL)
                seen[0] += 1
            return made

        return counted

    import torch

    builtins_open = builtins.open
    os.replace, os.unlink, os.mkdir = wrapped(os.replace), wrapped(os.unlink), wrapped(os.mkdir)
    torch.save = wrapped(torch.save)
    builtins.open = wrapped(builtins_open)
    return seen


def result(run, folder: Path) -> tuple | None:
    """What a finished run made: all losses and the hash of the adapter; None if it is not finished."""
    out = folder / "out" / "adapter"
    try:
        losses = read_json(out / "run.json")["losses"] if run is ours else json.loads((out / "losses.json").read_text())
        return losses, sha256(out / "adapter_model.safetensors")
    except Exception:
        return None


def litter(folder: Path) -> list[str]:
    expected = {"adapter", "adapter/run.json", "adapter/adapter_model.safetensors", "adapter/adapter_config.json"}
    return sorted({str(p.relative_to(folder / "out")) for p in (folder / "out").rglob("*")} - expected)


def fresh(base: Path, name: str) -> Path:
    folder = base / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    data(folder)
    return folder


def finish(run, folder: Path, again: bool) -> bool:
    return os.waitpid(started(run, folder, again), 0)[1] == 0


def harness(run, base: Path, kills: int, damages: int, seed: int) -> dict:
    rng, whole = random.Random(seed), fresh(base, "whole")
    began = time.monotonic()
    assert finish(run, whole, False), (whole / "log.txt").read_text()
    length, wanted = time.monotonic() - began, result(run, whole)
    boundaries = 2 * int((whole / "operations.txt").read_text())
    table = {"kills": 0, "survived": 0, "equal": 0, "litter": 0, "worst_steps_lost": 0}
    for k in range(kills):
        boundary, killed = _boundary(k // 2, boundaries) if k % 2 else None, False
        while not killed:  # a run that ended before its killer came does not count
            folder = fresh(base, "trial")
            child = started(run, folder, False, boundary)
            if boundary is None:
                time.sleep(rng.random() * length)
                os.kill(child, signal.SIGKILL)
            killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
            boundary = boundary and rng.randrange(boundary)  # this time it had fewer file operations than that
        before = _steps(folder)
        table["kills"] += 1
        ended = finish(run, folder, True)
        table["survived"] += ended
        table["equal"] += ended and result(run, folder) == wanted
        if run is ours:
            table["litter"] += len(litter(folder))
            table["worst_steps_lost"] = max(table["worst_steps_lost"], _lost(folder, before))
        print(f"\r{run.__name__}: {table}", end="", flush=True)
    print()
    found = {"damages": 0, "detected": 0, "finished": 0, "equal": 0}
    for _ in range(damages):
        folder = fresh(base, "trial")
        child = started(run, folder, False)
        checkpoints = folder / "out" / "adapter" / ("checkpoints" if run is ours else "")
        while len(_whole(checkpoints, run)) < 2:
            assert os.waitpid(child, os.WNOHANG) == (0, 0), f"{run.__name__} ended before it had two checkpoints"
            time.sleep(0.01)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        newest = max(_whole(checkpoints, run), key=lambda p: int(p.name.split("-")[1]))
        _spoil(rng, newest)
        found["damages"] += 1
        found["detected"] += run is ours and damage(newest) is not None
        ended = finish(run, folder, True)
        found["finished"] += ended
        found["equal"] += ended and result(run, folder) == wanted
        print(f"\r{run.__name__}: {found}", end="", flush=True)
    print()
    return {"seconds_uninterrupted": round(length, 1), "file_operations": boundaries // 2, **table, "damage": found}


def _boundary(number: int, boundaries: int) -> int:
    """The boundary at which a trial kills: every third from the run's start on, the others from its end back."""
    ahead, back = number // 3, number - number // 3
    return (ahead if number % 3 == 0 else boundaries - back) % boundaries


def _steps(folder: Path) -> list[int]:
    path = folder / "steps.txt"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def _lost(folder: Path, before: list[int]) -> int:
    """Steps that had been done (and logged) and were done again."""
    after = _steps(folder)[len(before) :]
    return max(0, before[-1] - after[0] + 1) if before and after else 0


def _whole(checkpoints: Path, run) -> list[Path]:
    """Checkpoints that were written to their end."""
    pattern, last = ("step-*", "manifest.json") if run is ours else ("checkpoint-*", "trainer_state.json")
    return [p for p in checkpoints.glob(pattern) if (p / last).exists()]


def _spoil(rng: random.Random, checkpoint: Path) -> None:
    path = rng.choice(sorted(p for p in checkpoint.iterdir() if p.is_file() and p.stat().st_size))
    kind = rng.choice(("flip", "cut", "delete"))
    if kind == "delete":
        path.unlink()
    elif kind == "cut":
        os.truncate(path, rng.randrange(path.stat().st_size))
    else:
        raw = bytearray(path.read_bytes())
        at = rng.randrange(len(raw))
        raw[at] ^= 1 << rng.randrange(8)
        path.write_bytes(raw)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--damages", type=int, default=100)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--only", choices=("ours", "stock"))
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    import peft
    import transformers

    table = {"machine": machine().system, "versions": [transformers.__version__, peft.__version__]}
    with tempfile.TemporaryDirectory() as scratch:
        for run in (ours, stock):
            if args.only in (None, run.__name__):
                table[run.__name__] = harness(run, Path(scratch), args.kills, args.damages, args.seed)
    write_json(args.out, table)
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
