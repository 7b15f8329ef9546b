"""Examples to an adapter: transformers' Trainer with peft's LoRA, set up for short conversations on a CPU.

What makes it quick: rows are grouped by length into a few fixed shapes, padding goes to the right where causal attention
never looks, and 16-bit arithmetic is used where the processor has it. The finished adapter appears whole or not at all.
On the way it saves checkpoints, each sealed by a manifest that is written last, so that a run that was killed at any moment
goes on from the newest one that holds. Limits: one process; a checkpoint survives a kill, not a power cut.
"""

import errno
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from course_utils.chat import Encoded, encode
from course_utils.models import Loaded, load_model, use_causal_attention
from course_utils.records import Example, read_json, read_rows, sha256, write_json
from course_utils.settings import SEED, CourseError, machine, peak_memory_gb, set_seed, shown

WIDTHS = (48, 64, 80, 96, 128, 192, 256, 384, 512, 1024)  # tokens a row


@dataclass(frozen=True)
class Knobs:
    """What can be set about a run, with the values that worked for `tiny`.

    Attributes:
        rank: Width of the LoRA matrices; more can hold more, and forgets more.
        alpha: How loudly the adapter speaks, as a multiple of its rank.
        rate: Highest learning rate.
        epochs: How often each example is seen.
        tokens: Padded tokens in a batch.
        seed: Seed of the adapter's first values and of the order of examples.
    """

    rank: int = 32
    alpha: int = 64
    rate: float = 4e-3
    epochs: float = 1.6
    tokens: int = 2048
    seed: int = SEED


TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class _Rows:
    """Encoded examples in batches of fixed shapes; the sampler hands out whole batches."""

    def __init__(self, encoded: Sequence[Encoded], knobs: Knobs):
        self.encoded, self.knobs = encoded, knobs
        self.width = [next(w for w in WIDTHS if len(e.ids) <= w) for e in encoded]

    def batches(self, epoch: int) -> list[list[int]]:
        """Indices of the examples, batch by batch, in this epoch's order."""
        rng = random.Random(self.knobs.seed * 1000 + epoch)
        by_width: dict[int, list[int]] = {}
        for i in rng.sample(range(len(self.encoded)), len(self.encoded)):
            by_width.setdefault(self.width[i], []).append(i)
        batches = []
        for width, rows in sorted(by_width.items()):
            size = max(1, self.knobs.tokens // width)
            rows += rows[: (-len(rows)) % size]  # fill the last batch up: a new shape would cost more than a repeated row
            rows = (rows * size)[: max(size, len(rows))]
            batches += [rows[k : k + size] for k in range(0, len(rows), size)]
        rng.shuffle(batches)
        return batches

    def tensors(self, chosen: list[int]) -> dict:
        import torch

        width = self.width[chosen[0]]
        ids = torch.zeros(len(chosen), width, dtype=torch.long)
        labels = torch.full((len(chosen), width), -100, dtype=torch.long)
        for row, i in enumerate(chosen):
            n = len(self.encoded[i].ids)
            ids[row, :n] = torch.tensor(self.encoded[i].ids)
            mask = torch.tensor(self.encoded[i].mask) == 0
            labels[row, :n] = ids[row, :n].masked_fill(mask, -100)
        return {"input_ids": ids, "labels": labels}


def train(
    data: str | Path,
    out: str | Path,
    model: str = "tiny",
    knobs: Knobs | None = None,
    validation: str | Path | None = None,
    progress: Callable[[dict], None] | None = None,
    resume: bool = False,
    saves: int = 8,
) -> Path:
    """Train a LoRA adapter.

    Args:
        data: Training examples (JSON Lines).
        out: Folder for the adapter; it must not exist yet, or hold an adapter that this run may replace at its end.
        model: The base, as `load_model` takes it.
        knobs: Settings; the defaults are those of the course.
        validation: Examples whose loss is measured at the end.
        progress: Called at each logged step with step, of, loss and seconds left.
        resume: Go on from the newest checkpoint in `out` that holds; where there is none, start afresh and say so. A finished
            run with the same data and settings is left as it is.
        saves: Checkpoints on the way, about; 0 for none. The last two are kept until the run is finished.

    Returns:
        The folder, with adapter_model.safetensors, adapter_config.json and run.json (the run card).

    Raises:
        CourseError: If the data is broken, an example does not fit, the folder holds something else or is in use, the disk is
            full, or data, base or settings are others than those of the run that is to be resumed.
    """
    knobs, out = knobs or Knobs(), Path(out)
    examples = read_rows(data, Example)
    held = read_rows(validation, Example) if validation else []
    here = machine()
    with _alone(out):
        _repair(out)
        _check_out(out)
        set_seed(knobs.seed)
        loaded = load_model(model, dtype="bfloat16" if here.bf16 else "float32")  # the base is not trained: 16 bits hold it
        plan = {"model": model, "base_sha256": loaded.base_sha256, "data_sha256": sha256(data), "knobs": asdict(knobs)}
        if resume and _finished(out, plan):
            print(f"{shown(out)} is finished already: 0 steps to go")
            return out
        start = _start_of(out, plan, resume)
        rows = _Rows(_encode_all(loaded, examples), knobs)
        held_rows = _Rows(_encode_all(loaded, held), knobs) if held else None
        adapted = adapt(loaded, knobs)
        with _plain_stops(out):
            history, seconds = _run(adapted, rows, held_rows, knobs, here, progress, _Saver(out, plan, saves, start))
        real = sum(len(e.ids) for e in rows.encoded) * knobs.epochs
        card = {
            **plan,
            "data": shown(data),
            "examples": len(examples),
            "losses": history,
            "seconds": round(seconds, 1),
            "tokens_per_second": round(real / seconds),
            "peak_memory_gb": round(peak_memory_gb(), 2),
            "bf16": here.bf16,
            "threads": here.threads,
            "versions": _versions(),
        }
        return _write(adapted, out, card)


# --- surviving ------------------------------------------------------------------------------------------------------


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Only one run at a time may write a folder; the system lets go of the lock when a process is killed."""
    from filelock import FileLock, Timeout

    out.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out.with_name(f".{out.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise CourseError(
            f"Another run is writing {shown(out)}.",
            "Two runs would spoil each other.",
            "Wait for it, or choose another folder.",
        ) from None
    try:
        yield
    finally:
        with suppress(OSError):  # Windows keeps a file that is in use
            Path(lock.lock_file).unlink()
        lock.release()


@contextmanager
def _plain_stops(out: Path) -> Iterator[None]:
    """A polite request to end stops the run as Ctrl-C does; a full disk is said in plain words."""
    asked = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler) if asked else None
    try:
        yield
    except (OSError, RuntimeError) as error:
        if getattr(error, "errno", None) != errno.ENOSPC and shutil.disk_usage(_standing(out)).free > 1 << 20:
            raise
        raise CourseError(
            f"The disk that holds {shown(out)} is full.",
            "The checkpoints that were finished before are whole.",
            "Free some space, then go on with --resume.",
        ) from None
    finally:
        if asked:
            signal.signal(signal.SIGTERM, before)


def _standing(path: Path) -> Path:
    return next(p for p in (path, *path.absolute().parents) if p.exists())


def _repair(out: Path) -> None:
    """Clear away what a killed run left half done; a finished adapter that was just being replaced comes back."""
    old = out.with_name(f".{out.name}.old")
    if old.exists() and not out.exists():
        os.replace(old, out)
    for litter in (old, out.with_name(f".{out.name}.tmp"), out / "checkpoints" / "unfinished"):
        shutil.rmtree(litter, ignore_errors=True)
    for folder in (out / "checkpoints", out):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _finished(out: Path, plan: dict) -> bool:
    """Whether the folder holds the whole adapter of exactly this run."""
    card, weights = out / "run.json", out / "adapter_model.safetensors"
    if not (card.exists() and weights.exists()):
        return False
    said = read_json(card)
    return all(said.get(k) == v for k, v in plan.items()) and said.get("adapter_sha256") == sha256(weights)


def _start_of(out: Path, plan: dict, resume: bool) -> Path | None:
    """The checkpoint to go on from; without `resume`, old ones are thrown away."""
    folder = out / "checkpoints"
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
        return None
    for path in sorted(folder.glob("step-*"), key=lambda p: int(p.name.split("-")[1]), reverse=True):
        fault = damage(path)
        if fault:
            print(f"skipped {shown(path)}: {fault}")
            continue
        made = read_json(path / "manifest.json")["plan"]
        changed = [k for k in plan if k != "knobs" and made[k] != plan[k]]
        changed += [k for k, v in plan["knobs"].items() if made["knobs"].get(k) != v]
        if changed:
            raise CourseError(
                f"{shown(path)} was made with another {', '.join(changed)}.".replace("_sha256", ""),
                "Going on would mix two runs.",
                "Go back to what it was, or train without --resume to start afresh.",
            )
        print(f"going on from {shown(path)}")
        return path
    print("there is no checkpoint to go on from: starting afresh")
    return None


def damage(path: str | Path) -> str | None:
    """What is wrong with a checkpoint, or None if it holds.

    Args:
        path: Its folder, with manifest.json, which names every file with its size and SHA-256.
    """
    path = Path(path)
    try:
        files = read_json(path / "manifest.json")["files"]
    except (CourseError, OSError, ValueError, KeyError, TypeError):
        return "its manifest is missing or broken"
    there = {p.name for p in path.iterdir()} - {"manifest.json"}
    if there != set(files):
        return f"{min(there ^ set(files))} is {'missing' if set(files) - there else 'not in its manifest'}"
    for name, said in files.items():
        if (path / name).stat().st_size != said["bytes"]:
            return f"{name} has another size than its manifest says"
        if sha256(path / name) != said["sha256"]:
            return f"{name} has other contents than its manifest says"
    return None


@dataclass
class _Saver:
    """Where checkpoints go, and from which one a run goes on."""

    out: Path
    plan: dict
    saves: int
    start: Path | None

    def __post_init__(self) -> None:
        self.spent = read_json(self.start / "manifest.json")["seconds"] if self.start else 0.0
        self.work = self.out / "checkpoints" / "unfinished"

    def seal(self, step: int, seconds: float) -> None:
        """Put the manifest into the checkpoint that was just written, give it its name, and let go of the third last."""
        made = self.work / f"checkpoint-{step}"
        files = {p.name: {"bytes": p.stat().st_size, "sha256": sha256(p)} for p in sorted(made.iterdir())}
        about = {"step": step, "seconds": round(self.spent + seconds, 1), "plan": self.plan, "versions": _versions()}
        write_json(made / "manifest.json", {**about, "files": files})
        place = self.work.parent / f"step-{step}"
        shutil.rmtree(place, ignore_errors=True)  # one that did not hold
        os.replace(made, place)
        whole = sorted(self.work.parent.glob("step-*"), key=lambda p: int(p.name.split("-")[1]))
        for old in whole[:-2]:
            shutil.rmtree(old)


# --- one run --------------------------------------------------------------------------------------------------------


def _check_out(out: Path) -> None:
    ours = ("run.json", "checkpoints")
    if out.exists() and not (out.is_dir() and (any((out / name).exists() for name in ours) or not any(out.iterdir()))):
        raise CourseError(
            f"{shown(out)} exists and is not an adapter of this course.",
            "It is left as it is.",
            "Choose another folder with --out.",
        )


def _encode_all(loaded: Loaded, examples: Sequence[Example]) -> list[Encoded]:
    encoded = []
    for example in examples:
        try:
            encoded.append(encode(loaded.tokenizer, example.messages, min(loaded.context, WIDTHS[-1])))
        except CourseError as error:
            raise CourseError(f"Example {example.id!r}: {error.lines[0]}", *error.lines[1:]) from None
    return encoded


def adapt(loaded: Loaded, knobs: Knobs):
    """Put fresh LoRA matrices on a base, ready to be trained; the base's own numbers stay as they are."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=knobs.rank, lora_alpha=knobs.alpha, lora_dropout=0.0, target_modules=TARGETS, bias="none", task_type="CAUSAL_LM"
    )
    use_causal_attention(loaded.model)
    return get_peft_model(loaded.model.train(), config)


def _run(model, rows: _Rows, held: _Rows | None, knobs: Knobs, here, progress, saver: _Saver) -> tuple[list[dict], float]:
    """One Trainer run; returns the loss at each logged step, and the seconds it took, those before an interruption included."""
    import torch
    from transformers import Trainer, TrainerCallback, TrainingArguments
    from transformers.trainer_callback import PrinterCallback

    steps = max(1, round(len(rows.batches(0)) * knobs.epochs))
    log = max(1, steps // 40)
    save = max(1, round(steps / log / (saver.saves + 1))) * log if saver.saves else steps + 1  # where a loss is logged, too
    began = time.monotonic()

    class Batched(torch.utils.data.IterableDataset):
        def __iter__(self):
            epoch = 0
            while True:
                for chosen in rows.batches(epoch):
                    yield rows.tensors(chosen)
                epoch += 1

    class Watch(TrainerCallback):
        def on_train_begin(self, args, state, control, **kwargs):
            self.first = state.global_step

        def on_log(self, args, state, control, logs=None, **kwargs):
            if progress and state.log_history and "loss" in state.log_history[-1]:
                done = max(state.global_step - self.first, 1)
                left = (time.monotonic() - began) / done * (steps - state.global_step)
                progress({"step": state.global_step, "of": steps, "loss": state.log_history[-1]["loss"], "seconds_left": left})

        def on_save(self, args, state, control, **kwargs):
            saver.seal(state.global_step, time.monotonic() - began)

    class Ours(Trainer):
        def _save(self, output_dir=None, state_dict=None):
            self.model.save_pretrained(output_dir, save_embedding_layers=False)  # else peft asks the network about the base

    torch.set_num_threads(here.threads)
    args = TrainingArguments(
        output_dir=str(saver.work),
        max_steps=steps,
        per_device_train_batch_size=1,
        learning_rate=knobs.rate,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, steps // 20),
        weight_decay=0.0,
        max_grad_norm=1.0,
        optim="adamw_torch_fused",
        bf16=here.bf16,
        use_cpu=here.gpu is None,
        logging_steps=log,
        save_strategy="steps" if saver.saves else "no",
        save_steps=save,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        seed=knobs.seed,
    )
    trainer = Ours(model=model, args=args, train_dataset=Batched(), data_collator=lambda rows: rows[0], callbacks=[Watch()])
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=str(saver.start) if saver.start else None)
    history = [{"step": r["step"], "loss": round(r["loss"], 4)} for r in trainer.state.log_history if "loss" in r]
    if held:
        history.append({"step": steps, "validation_loss": round(validation_loss(model, held, here), 4)})
    return history, saver.spent + time.monotonic() - began


def validation_loss(model, held: _Rows, here) -> float:
    """Mean loss over the trained tokens of held-out examples."""
    import torch

    total = count = 0.0
    model.eval()
    for chosen in held.batches(0):
        batch = {k: v.to(model.device) for k, v in held.tensors(chosen).items()}
        with torch.inference_mode(), torch.autocast(here.device, dtype=torch.bfloat16, enabled=here.bf16):
            loss = model(**batch).loss
        n = int((batch["labels"][:, 1:] != -100).sum())
        total, count = total + float(loss) * n, count + n
    return total / count


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "transformers", "peft")}


def _write(model, out: Path, card: dict) -> Path:
    """Write the adapter to a temporary folder beside its place, then change names: at no moment is there none."""
    temporary, old = (out.with_name(f".{out.name}.{end}") for end in ("tmp", "old"))
    try:
        model.peft_config["default"].base_model_name_or_path = card["model"]
        model.save_pretrained(temporary, save_embedding_layers=False)
        (temporary / "README.md").unlink(missing_ok=True)
        write_json(temporary / "run.json", {**card, "adapter_sha256": sha256(temporary / "adapter_model.safetensors")})
        for file in temporary.iterdir():
            file.chmod(0o644)
        if out.exists():
            os.replace(out, old)
        os.replace(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return out
