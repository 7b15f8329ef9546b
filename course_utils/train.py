"""Examples to an adapter: transformers' Trainer with peft's LoRA, set up for short conversations on a CPU.

What makes it quick: rows are grouped by length into a few fixed shapes, padding goes to the right where causal attention
never looks, and 16-bit arithmetic is used where the processor has it. The finished adapter appears whole or not at all.
On the way it saves checkpoints, each sealed by a manifest that is written last, so that a run that was killed at any moment
goes on from the newest one that holds. Under `torchrun` several processes share each batch. Limits: one machine; a checkpoint
survives a kill, not a power cut.
"""

import errno
import hashlib
import json
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from itertools import count, islice
from pathlib import Path
from typing import Literal

from course_utils.chat import Encoded, encode
from course_utils.models import Loaded, load_model, use_causal_attention
from course_utils.records import Example, read_json, read_rows, sha256, write_json
from course_utils.settings import SEED, CourseError, machine, peak_memory_gb, set_seed, shown

WIDTHS = (48, 64, 80, 96, 128, 192, 256, 384, 512, 1024)  # tokens a row


@dataclass(frozen=True)
class Knobs:
    """What can be set about a run, with the values that worked for `tiny`.

    Attributes:
        rank: Width of the LoRA matrices; more can hold more, and forgets more. 0 trains every number of the base instead
            (full fine-tuning): the result is then a whole model, not an adapter.
        alpha: How loudly the adapter speaks: what it adds is multiplied by alpha / rank.
        rate: Highest learning rate.
        epochs: How often each example is seen.
        tokens: Padded tokens in a batch.
        seed: Seed of the adapter's first values and of the order of examples.
    """

    rank: int = 32
    alpha: int = 64
    rate: float = 3e-3
    epochs: float = 1.2
    tokens: int = 2048
    seed: int = SEED


@dataclass(frozen=True)
class Recipe:
    """Knobs to begin with for a model, and where they come from."""

    knobs: Knobs
    source: str


_TRL = "the LoRA example for a model of half a billion parameters in TRL's trl/scripts/sft.py (rank 32, alpha 16, rate 2e-4)"
RECIPES = {
    "tiny": Recipe(Knobs(), "runs of this course (data/reference/runs.py)"),
    "small": Recipe(
        Knobs(rank=32, alpha=16, rate=2e-4, epochs=2.0, tokens=4096),
        f"{_TRL}; 2 epochs as in the alignment handbook's recipes/smollm2/sft/config_smol.yaml; not run by us",
    ),
    "medium": Recipe(Knobs(rank=32, alpha=16, rate=2e-4, epochs=1.0, tokens=4096), f"{_TRL}; not run by us"),
}


def recipe_for(model: str) -> Recipe:
    """The recipe for a model; for one that the course does not know, that of `medium`."""
    return RECIPES.get(model, RECIPES["medium"])


WATCHED = 128  # held-out examples at most whose loss is measured on the way
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
        """Token ids and labels (-100 where nothing is learned), each of shape (rows, width)."""
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
    keep: Literal["last", "best"] = "last",
    listen: Callable[[Loaded], str] | None = None,
) -> Path:
    """Train a LoRA adapter, or with rank 0 the whole model.

    Args:
        data: Training examples (JSON Lines).
        out: Folder for the adapter; it must not exist yet, or hold an adapter that this run may replace at its end.
        model: The base, as `load_model` takes it.
        knobs: Settings; those of `recipe_for` the model if left out.
        validation: Examples whose loss is measured at each checkpoint and at the end (128 of them at most).
        progress: Called at each logged step with step, of, loss, tokens_per_second (without padding) and seconds_left; where it
            was measured also with validation_loss, and with what `listen` said.
        resume: Go on from the newest checkpoint in `out` that holds; where there is none, start afresh and say so. A finished
            run with the same data and settings is left as it is.
        saves: Checkpoints on the way, about; 0 for none. The last two are kept until the run is finished.
        keep: "last" ends with the weights of the last step; "best" with those of the checkpoint, the last step included, whose
            validation loss was lowest.
        listen: Asked at each checkpoint and at the end, with the model as it is then; what it returns is shown and recorded.

    Returns:
        The folder, with adapter_model.safetensors, adapter_config.json and run.json (the run card); with rank 0 a model folder.

    Raises:
        CourseError: If the data is broken, an example does not fit, the folder holds something else or is in use, the disk is
            full, `keep` is "best" without validation examples or checkpoints, or data, base or settings are others than those
            of the run that is to be resumed.
    """
    from accelerate import PartialState

    recipe = recipe_for(model)
    knobs, out = knobs or recipe.knobs, Path(out)
    if keep == "best" and not (validation and saves):
        raise CourseError('keep="best" needs validation examples and checkpoints.', None, "Give validation=..., saves=8.")
    examples = read_rows(data, Example)
    held = read_rows(validation, Example) if validation else []
    held = random.Random(SEED).sample(held, min(WATCHED, len(held)))
    here = machine()
    crew = PartialState(cpu=here.gpu is None)  # one process, or those that torchrun started
    with _alone(out) if crew.is_main_process else nullcontext():
        set_seed(knobs.seed)
        loaded = load_model(model, dtype="bfloat16" if here.bf16 and knobs.rank else "float32")  # 16 bits hold a base at rest
        plan = {"model": model, "base_sha256": loaded.base_sha256, "data_sha256": sha256(data), "knobs": asdict(knobs)}
        with crew.main_process_first():
            if crew.is_main_process:
                _repair(out)
                _check_out(out)
            if resume and _finished(out, plan):
                print(f"{shown(out)} is finished already: 0 steps to go")
                return out
            start = _start_of(out, plan, resume)
        rows = _Rows(_encode_all(loaded, examples), knobs)
        if min(len(batch) for batch in rows.batches(0)) < crew.num_processes:
            raise CourseError(
                "A batch has fewer rows than there are processes.", None, "Start fewer, or give more tokens a batch."
            )
        held_rows = _Rows(_encode_all(loaded, held), knobs) if held else None
        loaded = replace(loaded, model=adapt(loaded, knobs))
        saver = _Saver(out, plan, saves, start)
        with _plain_stops(out):
            history, seconds = _run(loaded, rows, held_rows, knobs, here, progress, saver, listen)
            kept = _keep_best(loaded.model, history, saver) if keep == "best" else history[-1]["step"]
        real = sum(len(e.ids) for e in rows.encoded) * knobs.epochs
        card = {
            **plan,
            "data": shown(data),
            "examples": len(examples),
            "recipe": recipe.source if knobs == recipe.knobs else "your own settings",
            "losses": history,
            "kept_step": kept,
            "seconds": round(seconds, 1),
            "tokens_per_second": round(real / seconds),
            "peak_memory_gb": round(peak_memory_gb(), 2),
            "processes": crew.num_processes,
            "bf16": here.bf16,
            "threads": here.threads,
            "versions": _versions(),
        }
        if crew.is_main_process:
            _write(loaded, out, card)
        crew.wait_for_everyone()
        return out


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
    card, weights = out / "run.json", out / _weights(plan["knobs"]["rank"])
    if not (card.exists() and weights.exists()):
        return False
    said = read_json(card)
    return all(said.get(k) == v for k, v in plan.items()) and said.get("adapter_sha256") == sha256(weights)


def _weights(rank: int) -> str:
    return "adapter_model.safetensors" if rank else "model.safetensors"


def _start_of(out: Path, plan: dict, resume: bool) -> Path | None:
    """The checkpoint to go on from; without `resume`, old ones are thrown away."""
    folder = out / "checkpoints"
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
        return None
    for path in reversed(_checkpoints(folder)):
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


def _checkpoints(folder: Path) -> list[Path]:
    """Finished checkpoints, whether they hold or not, the oldest first."""
    return sorted(folder.glob("step-*"), key=lambda p: int(p.name.removeprefix("step-")))


def damage(path: str | Path) -> str | None:
    """What is wrong with a checkpoint, or None if it holds.

    Args:
        path: Its folder, with manifest.json, which names every file with its size and SHA-256.
    """
    path = Path(path)
    try:
        manifest = read_json(path / "manifest.json")
        files = manifest["files"]
        if manifest.pop("seal") != _seal_of(manifest):
            return "its manifest has been changed"
    except (CourseError, OSError, ValueError, KeyError, TypeError, AttributeError):
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


def _seal_of(manifest: dict) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


@dataclass
class _Saver:
    """Where checkpoints go, and from which one a run goes on."""

    out: Path
    plan: dict
    saves: int
    start: Path | None

    def __post_init__(self) -> None:
        before = read_json(self.start / "manifest.json") if self.start else {"step": 0, "seconds": 0.0}
        self.done, self.spent = before["step"], before["seconds"]
        self.work = self.out / "checkpoints" / "unfinished"

    def seal(self, step: int, seconds: float, validation_loss: float | None = None) -> None:
        """Put the manifest into the checkpoint that was just written, and give it its name; the last two and the best stay."""
        made = self.work / f"checkpoint-{step}"
        files = {p.name: {"bytes": p.stat().st_size, "sha256": sha256(p)} for p in sorted(made.iterdir())}
        about = {"step": step, "seconds": round(self.spent + seconds, 1), "validation_loss": validation_loss}
        manifest = {**about, "plan": self.plan, "versions": _versions(), "files": files}
        write_json(made / "manifest.json", {**manifest, "seal": _seal_of(manifest)})
        place = self.work.parent / f"step-{step}"
        shutil.rmtree(place, ignore_errors=True)  # one that did not hold
        os.replace(made, place)
        whole = _checkpoints(self.work.parent)
        losses = {p: read_json(p / "manifest.json")["validation_loss"] for p in whole if damage(p) is None}
        best = min((p for p, loss in losses.items() if loss is not None), key=losses.get, default=None)
        for old in whole[:-2]:
            if old != best:
                shutil.rmtree(old)


def _keep_best(model, history: list[dict], saver: _Saver) -> int:
    """Give the model the weights of the checkpoint with the lowest validation loss; returns its step."""
    from safetensors.torch import load_file

    measured = {row["step"]: row["validation_loss"] for row in history if "validation_loss" in row}
    best = min(measured, key=measured.get)
    if best != max(measured):
        rank = saver.plan["knobs"]["rank"]
        weights = load_file(saver.work.parent / f"step-{best}" / _weights(rank))
        if rank:
            from peft import set_peft_model_state_dict

            set_peft_model_state_dict(model, weights)
        else:
            model.load_state_dict(weights, strict=False)  # what is tied stands there once
    return best


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
    """Put fresh LoRA matrices on a base, ready to be trained; the base's own numbers stay as they are, unless the rank is 0."""
    from peft import LoraConfig, get_peft_model

    if not knobs.rank:
        use_causal_attention(loaded.model)
        return loaded.model.train()
    config = LoraConfig(
        r=knobs.rank, lora_alpha=knobs.alpha, lora_dropout=0.0, target_modules=TARGETS, bias="none", task_type="CAUSAL_LM"
    )
    use_causal_attention(loaded.model)
    return get_peft_model(loaded.model.train(), config)


def _run(
    loaded: Loaded, rows: _Rows, held: _Rows | None, knobs: Knobs, here, progress, saver, listen
) -> tuple[list[dict], float]:
    """One Trainer run; returns what was measured, step by step, and the seconds it took, those before an interruption included."""
    import torch
    from accelerate import PartialState
    from peft.helpers import disable_input_dtype_casting
    from transformers import Trainer, TrainingArguments
    from transformers.trainer_callback import PrinterCallback

    steps = max(1, round(len(rows.batches(0)) * knobs.epochs))
    log = max(1, steps // 40)
    save = max(1, round(steps / log / ((saver.saves or 8) + 1))) * log  # where a loss is logged, too
    crew, model = PartialState(), loaded.model

    class Batched(torch.utils.data.IterableDataset):
        """Every batch of the run from the first one that is still to be learned; each process takes its share of the rows."""

        def __iter__(self):
            order = (chosen for epoch in count() for chosen in rows.batches(epoch))
            for chosen in islice(order, saver.done, steps):  # nothing if only the last words were missing
                yield rows.tensors(chosen[crew.process_index :: crew.num_processes])

    class Ours(Trainer):
        def get_train_dataloader(self):
            return torch.utils.data.DataLoader(Batched(), batch_size=None)

        def compute_loss(self, model, inputs, **kwargs):
            with _only_learned(loaded.model, inputs) as batch:
                return super().compute_loss(model, batch, **kwargs)

        def _save(self, output_dir=None, state_dict=None):
            extra = {"save_embedding_layers": False} if knobs.rank else {}  # else peft asks the network about the base
            self.model.save_pretrained(output_dir, **extra)

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
        ddp_find_unused_parameters=False,
        ignore_data_skip=True,  # Batched does it
        logging_steps=log,
        save_strategy="steps" if saver.saves else "no",
        save_steps=save,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        seed=knobs.seed,
    )
    real = sum(len(e.ids) for e in rows.encoded) / len(rows.batches(0))  # tokens in a batch, without padding
    watch = _watch(loaded, held, here, progress, saver, listen, every=save, tokens=real)
    trainer = Ours(model=model, args=args, train_dataset=Batched(), callbacks=[watch])
    trainer.remove_callback(PrinterCallback)
    with disable_input_dtype_casting(model):  # autocast chooses the number format, so the casts to and fro are idle
        trainer.train(resume_from_checkpoint=str(saver.start) if saver.start else None)
    kept = ("step", "loss", "validation_loss", "said")
    history = [{k: row[k] for k in kept if k in row} for row in trainer.state.log_history if "loss" in row]
    return history, saver.spent + time.monotonic() - watch.began


def _watch(loaded: Loaded, held: _Rows | None, here, progress, saver, listen, every: int, tokens: float):
    """What looks on while the Trainer works: measures every so many steps, reports, and seals checkpoints."""
    from accelerate import PartialState
    from transformers import TrainerCallback

    class Watch(TrainerCallback):
        began = time.monotonic()

        def on_train_begin(self, args, state, control, **kwargs):
            self.first, self.began = state.global_step, time.monotonic()

        def on_step_end(self, args, state, control, **kwargs):
            control.should_log |= state.global_step >= state.max_steps

        def on_log(self, args, state, control, logs=None, **kwargs):
            row, step = state.log_history[-1], state.global_step
            if "loss" not in row or not PartialState().is_main_process:
                return
            row["loss"] = round(row["loss"], 4)
            if step % every == 0 or step >= state.max_steps:
                if held:
                    row["validation_loss"] = round(validation_loss(loaded.model, held, here), 4)
                if listen:
                    row["said"] = _heard(loaded, listen, here)
            if progress:
                passed, done = time.monotonic() - self.began, max(step - self.first, 1)
                pace = {"tokens_per_second": tokens * done / passed, "seconds_left": passed / done * (state.max_steps - step)}
                seen = {k: row[k] for k in ("loss", "validation_loss", "said") if k in row}
                progress({"step": step, "of": state.max_steps, **seen, **pace})

        def on_save(self, args, state, control, **kwargs):
            crew = PartialState()
            crew.wait_for_everyone()
            if crew.is_main_process:
                loss = next((r.get("validation_loss") for r in state.log_history[::-1] if r["step"] == state.global_step), None)
                saver.seal(state.global_step, time.monotonic() - self.began, loss)
            crew.wait_for_everyone()

    return Watch()


@contextmanager
def _only_learned(model, batch: dict) -> Iterator[dict]:
    """Within, the output layer works only at places whose next token is learned: likelihoods elsewhere are not asked for.

    They are filled up to a multiple of 128 with places that count nothing, so that few shapes occur.
    """
    from torch.nn.functional import pad

    following = pad(batch["labels"], (0, 1), value=-100)[:, 1:].flatten()
    count = int((following != -100).sum())
    places = (following == -100).argsort(stable=True)[: -(-count // 128) * 128]  # those that are learned come first
    hook = model.get_output_embeddings().register_forward_pre_hook(lambda _, given: given[0].flatten(0, 1)[places])
    try:
        yield {**batch, "shift_labels": following[places]}
    finally:
        hook.remove()


def validation_loss(model, held: _Rows, here) -> float:
    """Mean loss over the trained tokens of held-out examples."""
    import torch

    total = count = 0.0
    model.eval()
    for chosen in held.batches(0):
        batch = {k: v.to(model.device) for k, v in held.tensors(chosen).items()}
        sixteen = torch.autocast(here.device, dtype=torch.bfloat16, enabled=here.bf16)
        with torch.inference_mode(), sixteen, _only_learned(model, batch) as asked:
            loss = model(**asked, use_cache=False).loss
        n = int((batch["labels"][:, 1:] != -100).sum())
        total, count = total + float(loss) * n, count + n
    model.train()
    return total / count


def _heard(loaded: Loaded, listen: Callable[[Loaded], str], here) -> str:
    """What `listen` says about the model in the middle of training; answering needs torch's own attention."""
    import torch

    model = loaded.model
    model.eval()
    model.set_attn_implementation("sdpa")
    with torch.autocast(here.device, dtype=torch.bfloat16, enabled=here.bf16):
        said = listen(loaded)
    model.set_attn_implementation("course_causal")
    model.train()
    return said


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "transformers", "peft")}


def _write(loaded: Loaded, out: Path, card: dict) -> None:
    """Write the result to a temporary folder beside its place, then change names: at no moment is there none."""
    temporary, old = (out.with_name(f".{out.name}.{end}") for end in ("tmp", "old"))
    model, rank = loaded.model, card["knobs"]["rank"]
    try:
        if rank:
            model.peft_config["default"].base_model_name_or_path = card["model"]
            model.save_pretrained(temporary, save_embedding_layers=False)
        else:
            model.save_pretrained(temporary)
            loaded.tokenizer.save_pretrained(temporary)
        (temporary / "README.md").unlink(missing_ok=True)
        write_json(temporary / "run.json", {**card, "adapter_sha256": sha256(temporary / _weights(rank))})
        for file in temporary.iterdir():
            file.chmod(0o644)
        if out.exists():
            os.replace(out, old)
        os.replace(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
