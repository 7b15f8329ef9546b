"""Examples to an adapter: transformers' Trainer with peft's LoRA, set up for short conversations on a CPU.

What makes it quick: rows are grouped by length into a few fixed shapes, padding goes to the right where causal attention
never looks, and 16-bit arithmetic is used where the processor has it. The finished adapter appears whole or not at all.
Limits: no checkpoints on the way yet, so an interrupted run starts afresh.
"""

import os
import random
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from course_utils.chat import Encoded, encode
from course_utils.models import Loaded, load_model, use_causal_attention
from course_utils.records import Example, read_rows, sha256, write_json
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
) -> Path:
    """Train a LoRA adapter.

    Args:
        data: Training examples (JSON Lines).
        out: Folder for the adapter; it must not exist yet, or hold an adapter that this run may replace at its end.
        model: The base, as `load_model` takes it.
        knobs: Settings; the defaults are those of the course.
        validation: Examples whose loss is measured after each epoch.
        progress: Called at each step with step, of, loss and seconds left.

    Returns:
        The folder, with adapter_model.safetensors, adapter_config.json and run.json (the run card).

    Raises:
        CourseError: If the data is broken, an example does not fit, or the folder holds something else.
    """
    knobs, out = knobs or Knobs(), Path(out)
    examples = read_rows(data, Example)
    _check_out(out)
    held = read_rows(validation, Example) if validation else []
    here = machine()
    set_seed(knobs.seed)
    loaded = load_model(model, dtype="bfloat16" if here.bf16 else "float32")  # the base is not trained: 16 bits hold it
    rows = _Rows(_encode_all(loaded, examples), knobs)
    held_rows = _Rows(_encode_all(loaded, held), knobs) if held else None
    adapted = adapt(loaded, knobs)
    began = time.monotonic()
    history = _run(adapted, rows, held_rows, knobs, here, progress)
    seconds = time.monotonic() - began
    real = sum(len(e.ids) for e in rows.encoded) * knobs.epochs
    card = {
        "model": model,
        "base_sha256": loaded.base_sha256,
        "data": shown(data),
        "data_sha256": sha256(data),
        "examples": len(examples),
        "knobs": asdict(knobs),
        "losses": history,
        "seconds": round(seconds, 1),
        "tokens_per_second": round(real / seconds),
        "peak_memory_gb": round(peak_memory_gb(), 2),
        "bf16": here.bf16,
        "threads": here.threads,
        "versions": _versions(),
    }
    return _write(adapted, out, card)


def _check_out(out: Path) -> None:
    if out.exists() and not (out.is_dir() and ((out / "run.json").exists() or not any(out.iterdir()))):
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


def _run(model, rows: _Rows, held: _Rows | None, knobs: Knobs, here, progress) -> list[dict]:
    """One Trainer run; returns the loss at each logged step."""
    import tempfile

    import torch
    from transformers import Trainer, TrainerCallback, TrainingArguments

    steps_an_epoch = len(rows.batches(0))
    steps = max(1, round(steps_an_epoch * knobs.epochs))

    class Batched(torch.utils.data.IterableDataset):
        def __iter__(self):
            epoch = 0
            while True:
                for chosen in rows.batches(epoch):
                    yield rows.tensors(chosen)
                epoch += 1

    class Watch(TrainerCallback):
        def __init__(self):
            self.began = time.monotonic()

        def on_log(self, args, state, control, logs=None, **kwargs):
            if progress and state.log_history and "loss" in state.log_history[-1]:
                passed = time.monotonic() - self.began
                left = passed / max(state.global_step, 1) * (steps - state.global_step)
                progress({"step": state.global_step, "of": steps, "loss": state.log_history[-1]["loss"], "seconds_left": left})

    torch.set_num_threads(here.threads)
    with tempfile.TemporaryDirectory() as scratch:
        args = TrainingArguments(
            output_dir=scratch,
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
            logging_steps=max(1, steps // 40),
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
            seed=knobs.seed,
        )
        trainer = Trainer(
            model=model, args=args, train_dataset=Batched(), data_collator=lambda rows: rows[0], callbacks=[Watch()]
        )
        from transformers.trainer_callback import PrinterCallback

        trainer.remove_callback(PrinterCallback)
        trainer.train()
    history = [{"step": r["step"], "loss": round(r["loss"], 4)} for r in trainer.state.log_history if "loss" in r]
    if held:
        history.append({"step": steps, "validation_loss": round(validation_loss(model, held, here), 4)})
    return history


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
    """Write the adapter to a temporary folder beside its place, then rename."""
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        model.peft_config["default"].base_model_name_or_path = card["model"]
        model.save_pretrained(temporary, save_embedding_layers=False)  # else peft asks the network about the base
        (temporary / "README.md").unlink(missing_ok=True)
        write_json(temporary / "run.json", {**card, "adapter_sha256": sha256(temporary / "adapter_model.safetensors")})
        for file in temporary.iterdir():
            file.chmod(0o644)
        if out.exists():
            shutil.rmtree(out)
        os.replace(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return out
