"""One training run, side by side: `course train`, TRL's SFTTrainer, transformers' Trainer, and a bare loop as the floor.

    python benchmarks/train.py                       writes benchmarks/train.json and prints it as a table
    python benchmarks/train.py --profile             where the time goes, in our run and in the bare loop; writes nothing
    python benchmarks/train.py --examples 64 --rounds 1 --out /tmp/train.json        a quick look

*The same in every row*: the embedded base, LoRA (rank, alpha, layers), the examples, the tokens that are learned (compared row by
row), highest learning rate, cosine with warm-up, clipping, and how often each example is seen. *What differs*: how it is done.

    ours         `course train` as a learner calls it, checkpoints included
    sft          SFTTrainer with its defaults: 8 rows a step; it switches 16 bits and gradient checkpointing on by itself
    sft_same     the same with as many rows a step as ours has on average
    sft_packed   SFTTrainer tuned: no checkpointing, fused AdamW, examples packed, as many tokens a step as ours; 16 bits
                 where they are quick, else 32
    sft_grouped  SFTTrainer tuned in the same way, but like lengths together and as many rows a step as ours
    sft_16bit    sft_packed as recipes have it, in 16 bits even where they are slow (left out where it is the same as sft_packed)
    trainer      Trainer with its defaults: 32 bits, padded to the longest, attention mask; as many rows a step as ours
    bare         a loop in plain PyTorch, our batches and attention, 16 bits, fused AdamW, no mask, no checkpoints: the floor
    bare32       the same in 32 bits: the floor where 16 bits are not quick (`bare` is then left out, with the reason)

*How it is measured*: every run has a process of its own, so that peak memory is its own; runs are interleaved, and a ratio is
taken between runs of one round. Tokens are those of examples, without padding and without rows repeated to fill a batch. Seconds
are those inside the training loop (`Trainer.train`, its saves included), without imports, tokenizing and loading. The validation
loss is looked at in one further run of each, outside the timed ones: the share of its steps after which a run passes the given
loss, times its seconds. The given loss is the highest of their lowest ones, so that all reach it, or `--target`. The share of the
peak counts 4 operations a token for each number of the base that is multiplied and 6 for each of the adapter (a frozen number
needs no gradient of its own), without attention scores; the peak is the best of several large matrix products in the same process
and number format.

The SFTTrainer rows need TRL, which is no part of the course: python -m pip install -c constraints.txt trl
On a machine with a graphics card there are rows for both, processor and card. Nothing else should run meanwhile.
"""

import argparse
import hashlib
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path

from course_utils.chat import encode
from course_utils.models import KNOWN, load_model
from course_utils.records import Example, read_rows, write_json, write_rows
from course_utils.settings import REFERENCE, ROOT, SEED, Machine, machine, peak_memory_gb, set_seed
from course_utils.train import TARGETS, WIDTHS, Knobs, _Rows, adapt, train, validation_loss

KNOBS = Knobs()
BASE = KNOWN["tiny"].place
LOOKS = 12  # times that the validation loss is looked at
WAY = "python -m pip install -c constraints.txt trl"
# What is promised: (what, peers, at least (speed) or at most (memory), what we aim at).
BARS = (
    ("tokens_per_second", ("sft", "sft_same"), 3.0, 5.0),
    ("tokens_per_second", ("sft_packed", "sft_grouped", "sft_16bit"), 2.0, 3.0),
    ("tokens_per_second", ("bare", "bare32"), 0.75, 0.9),
    ("peak_memory_gb", ("sft", "sft_same"), 1.0, 1.0),
)


# --- in the child: one run ------------------------------------------------------------------------------------------


@dataclass
class Job:
    """What a child process is to do.

    Attributes:
        arm: Which run, a key of `ARMS`.
        mode: "speed" times it, "curve" looks at its validation loss on the way, "profile" at its operators.
        data: Training examples.
        held: Held-out examples.
        scratch: An empty folder.
    """

    arm: str
    mode: str
    data: str
    held: str
    scratch: str


@dataclass
class Run:
    """What an arm leaves behind; what takes memory to find out is asked for later."""

    model: object
    steps: int
    bf16: bool
    tokens: Callable[[], int]  # of examples, without padding
    learned: Callable[[], list]  # pairs of ids and labels


@dataclass
class Clock:
    """Times a training loop, and looks into it where the job says so."""

    mode: str
    here: Machine
    held: _Rows | None = None
    seconds: float = 0.0
    curve: list = field(default_factory=list)
    operators: dict = field(default_factory=dict)
    trainer: object = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Around the loop."""
        from torch.profiler import ProfilerActivity, profile

        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if self.here.gpu else [])]
        with profile(activities=activities) if self.mode == "profile" else nullcontext() as found:
            _wait(self.here)
            began = time.perf_counter()
            yield
            _wait(self.here)
            self.seconds += time.perf_counter() - began
        for event in found.key_averages() if found else ():
            spent = event.self_cpu_time_total + (event.self_device_time_total if self.here.gpu else 0)
            self.operators[event.key] = [spent / 1000, event.count]

    def look(self, step: int, of: int, model) -> None:
        """After each step (and before the first, as step 0)."""
        if self.held and (step % max(1, of // LOOKS) == 0 or step == of):
            self.curve.append([step, round(validation_loss(model, self.held, self.here), 4)])
            model.train()

    @contextmanager
    def in_trainer(self) -> Iterator[None]:
        """Measure whatever calls `Trainer.train`, our own package as well as TRL, from the same place."""
        from transformers import Trainer, TrainerCallback

        clock, original = self, Trainer.train

        class Look(TrainerCallback):
            def on_train_begin(self, args, state, control, model=None, **kwargs):
                clock.look(0, state.max_steps, model)

            def on_step_end(self, args, state, control, model=None, **kwargs):
                clock.look(state.global_step, state.max_steps, model)

        def timed(trainer, *args, **kwargs):
            clock.trainer = trainer
            if clock.held:
                trainer.add_callback(Look())
            with clock.running():
                return original(trainer, *args, **kwargs)

        Trainer.train = timed
        try:
            yield
        finally:
            Trainer.train = original


def _wait(here: Machine) -> None:
    """A graphics card works on after the call has returned."""
    if here.gpu:
        import torch

        torch.cuda.synchronize()


def _rows(path: str, tokenizer=None) -> _Rows:
    from transformers import AutoTokenizer

    tokenizer = tokenizer or AutoTokenizer.from_pretrained(BASE)
    return _Rows([encode(tokenizer, e.messages, WIDTHS[-1]) for e in read_rows(path, Example)], KNOBS)


def _pairs(rows: _Rows) -> list[tuple[list[int], list[int]]]:
    return [(e.ids, [t if m else -100 for t, m in zip(e.ids, e.mask, strict=True)]) for e in rows.encoded]


def _tokens_in(rows: _Rows, steps: int) -> int:
    """Tokens of the examples in our first batches; an example that fills up a batch counts once in each epoch."""
    total = 0
    for epoch in count():
        batches = rows.batches(epoch)[:steps]
        total += sum(len(rows.encoded[i].ids) for i in {i for chosen in batches for i in chosen})
        steps -= len(batches)
        if not steps:
            return total


def _ours(job: Job, clock: Clock, here: Machine) -> Run:
    seen = {}
    with clock.in_trainer():
        train(job.data, Path(job.scratch) / "adapter", knobs=KNOBS, progress=seen.update)
    rows = partial(_rows, job.data)
    return Run(clock.trainer.model, seen["of"], here.bf16, lambda: _tokens_in(rows(), seen["of"]), lambda: _pairs(rows()))


def _bare(job: Job, clock: Clock, here: Machine, bf16: bool) -> Run:
    import torch
    from transformers import get_cosine_schedule_with_warmup

    rows = _rows(job.data)
    model = adapt(load_model("tiny", dtype="bfloat16" if bf16 else "float32"), KNOBS)
    learned = [p for p in model.parameters() if p.requires_grad]
    steps = max(1, round(len(rows.batches(0)) * KNOBS.epochs))
    order = (chosen for epoch in count() for chosen in rows.batches(epoch))
    optimizer = torch.optim.AdamW(learned, lr=KNOBS.rate, weight_decay=0.0, fused=True)
    schedule = get_cosine_schedule_with_warmup(optimizer, max(1, steps // 20), steps)
    clock.look(0, steps, model)
    with clock.running():
        for step, chosen in zip(range(1, steps + 1), order, strict=False):
            batch = {k: v.to(model.device) for k, v in rows.tensors(chosen).items()}
            with torch.autocast(here.device, dtype=torch.bfloat16, enabled=bf16):
                loss = model(**batch, use_cache=False).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learned, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            clock.look(step, steps, model)
    return Run(model, steps, bf16, lambda: _tokens_in(rows, steps), lambda: _pairs(rows))


def _shared(job: Job, here: Machine) -> dict:
    """What is the same in every row, in the words of a Trainer; the rest is its default."""
    return {
        "output_dir": str(Path(job.scratch) / "peer"),
        "learning_rate": KNOBS.rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.05,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "num_train_epochs": KNOBS.epochs,
        "seed": KNOBS.seed,
        "use_cpu": here.gpu is None,
        "report_to": "none",
        "disable_tqdm": True,
    }


def _lora():
    from peft import LoraConfig

    return LoraConfig(
        r=KNOBS.rank, lora_alpha=KNOBS.alpha, lora_dropout=0.0, target_modules=TARGETS, bias="none", task_type="CAUSAL_LM"
    )


def _rows_a_step(rows: _Rows) -> int:
    return max(1, round(len(rows.encoded) / len(rows.batches(0))))


def _train_peer(trainer, clock: Clock, learned: Callable[[], list]) -> Run:
    """Train with a Trainer of somebody else, noting the tokens of each batch (the last one it fetches is not always used)."""
    counts, collate = [], trainer.data_collator

    def noted(rows: Sequence[Mapping]) -> dict:
        counts.append(sum(len(row["input_ids"]) for row in rows))
        return collate(rows)

    trainer.data_collator = noted
    with clock.in_trainer():
        trainer.train()
    steps = trainer.state.global_step
    return Run(trainer.model, steps, trainer.args.bf16, lambda: sum(counts[:steps]), learned)


def _trainer(job: Job, clock: Clock, here: Machine) -> Run:
    import torch
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq, Trainer, TrainingArguments

    tokenizer = AutoTokenizer.from_pretrained(BASE, padding_side="right")
    rows = _rows(job.data, tokenizer)
    data = [{"input_ids": ids, "attention_mask": [1] * len(ids), "labels": labels} for ids, labels in _pairs(rows)]
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32), _lora())
    args = TrainingArguments(**_shared(job, here), per_device_train_batch_size=_rows_a_step(rows))
    trainer = Trainer(model=model, args=args, train_dataset=data, data_collator=DataCollatorForSeq2Seq(tokenizer))
    return _train_peer(trainer, clock, lambda: _pairs(rows))


def _sft(job: Job, clock: Clock, here: Machine, same: bool = False, quick: bool = False, **tuned) -> Run:
    """SFTTrainer; `tuned` are its settings that are not left at their defaults, `quick` adds those for speed."""
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    tokenizer = AutoTokenizer.from_pretrained(BASE)
    if quick:
        tuned = {"bf16": here.bf16, **tuned, "gradient_checkpointing": False, "optim": "adamw_torch_fused"}
    if same:
        tuned = {**tuned, "per_device_train_batch_size": _rows_a_step(_rows(job.data, tokenizer))}
    data = Dataset.from_list([{"messages": [m.model_dump() for m in e.messages]} for e in read_rows(job.data, Example)])
    args = SFTConfig(**_shared(job, here), assistant_only_loss=True, **tuned)
    trainer = SFTTrainer(model=BASE, args=args, train_dataset=data, processing_class=tokenizer, peft_config=_lora())
    return _train_peer(trainer, clock, lambda: _unpacked(trainer.train_dataset))


def _unpacked(data: Sequence[Mapping]) -> list[tuple[list[int], list[int]]]:
    """The examples as SFTTrainer learns them, cut apart again where it has packed them."""
    pairs = []
    for row in data:
        at = 0
        for n in row.get("seq_lengths") or [len(row["input_ids"])]:
            pairs.append((list(row["input_ids"][at : at + n]), list(row["labels"][at : at + n])))
            at += n
    return pairs


PACKED = {"packing": True, "max_length": WIDTHS[-1], "per_device_train_batch_size": max(1, KNOBS.tokens // WIDTHS[-1])}
ARMS = {
    "ours": _ours,
    "sft": _sft,
    "sft_same": partial(_sft, same=True),
    "sft_packed": partial(_sft, quick=True, **PACKED, pad_to_multiple_of=64),
    "sft_grouped": partial(_sft, same=True, quick=True, train_sampling_strategy="group_by_length", pad_to_multiple_of=16),
    "sft_16bit": partial(_sft, quick=True, bf16=True, **PACKED, pad_to_multiple_of=64),
    "trainer": _trainer,
    "bare": partial(_bare, bf16=True),
    "bare32": partial(_bare, bf16=False),
}


def child(job: Job) -> dict:
    """One run in this process; returns what was measured."""
    import torch

    here = machine()
    torch.set_num_threads(here.threads)
    set_seed(KNOBS.seed)
    clock = Clock(job.mode, here, _rows(job.held) if job.mode == "curve" else None)
    began = time.perf_counter()
    run = ARMS[job.arm](job, clock, here)
    whole = time.perf_counter() - began
    memory = torch.cuda.max_memory_allocated() / 2**30 if here.gpu else peak_memory_gb()
    if job.mode == "curve":
        return {"steps": run.steps, "curve": clock.curve}
    if job.mode == "profile":
        return {"steps": run.steps, "seconds": clock.seconds, "operators": clock.operators}
    tokens, each = run.tokens(), operations(run.model)
    peak = {"bf16" if bf16 else "fp32": round(matmul_peak(here, bf16), 1) for bf16 in {False, here.bf16, run.bf16}}
    number = "bf16" if run.bf16 else "fp32"
    return {
        "tokens_per_second": round(tokens / clock.seconds, 1),
        "seconds": round(clock.seconds, 3),
        "whole_seconds": round(whole, 2),
        "tokens": tokens,
        "steps": run.steps,
        "peak_memory_gb": round(memory, 3),
        "format": number,
        "operations_per_token": each,
        "peak_gflops": peak,
        "share_of_peak": round(tokens / clock.seconds * each / (peak[number] * 1e9), 4),
        "rows_sha256": hashlib.sha256(json.dumps(sorted(run.learned())).encode()).hexdigest(),
        "threads": torch.get_num_threads(),
    }


def operations(model) -> int:
    """Multiplications and additions a token in training: see the head of this file."""
    flat = {name: p.numel() for name, p in model.named_parameters() if p.dim() == 2}
    lora = sum(n for name, n in flat.items() if "lora_" in name)
    looked_up = 0 if model.config.tie_word_embeddings else model.get_input_embeddings().weight.numel()
    return 4 * (sum(flat.values()) - lora - looked_up) + 6 * lora


def matmul_peak(here: Machine, bf16: bool) -> float:
    """Billions of operations a second in a large matrix product, the best of six."""
    import torch

    size = 8192 if here.gpu else 2048
    left, right = (
        torch.randn(size, size, device=here.device, dtype=torch.bfloat16 if bf16 else torch.float32) for _ in range(2)
    )
    best = float("inf")
    for _ in range(6):
        _wait(here)
        began = time.perf_counter()
        left @ right
        _wait(here)
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best / 1e9


# --- in the parent: all runs ----------------------------------------------------------------------------------------


def start(job: Job, device: str) -> dict:
    """Run a job in a fresh process; returns what it measured, or {"failed": its last words}."""
    quiet = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
    with tempfile.TemporaryDirectory(dir=job.scratch) as own:
        env = {**os.environ, **quiet, "HF_DATASETS_CACHE": own}
        if device == "cpu":
            env["CUDA_VISIBLE_DEVICES"] = ""
        command = [sys.executable, __file__, "--child", json.dumps({**asdict(job), "scratch": own})]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env)
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()
        return {"failed": words[-1] if words else f"ended with code {done.returncode}"}
    return json.loads(done.stdout.splitlines()[-1])


def choose(asked: Sequence[str] | None, bf16: bool, why: str) -> tuple[list[str], dict[str, str]]:
    """The runs to make, and those left out with the reason; `why` says why 16 bits are on or off."""
    out = {}
    try:
        version("trl")
    except PackageNotFoundError:
        out |= {arm: f"TRL is not installed; to have these rows: {WAY}" for arm in ARMS if arm.startswith("sft")}
    if bf16:
        out |= {"bare32": "not asked for", "sft_16bit": "the same as sft_packed here"}
    else:
        out["bare"] = why
    if asked:
        out.pop("bare32", None)
        out |= {arm: "not asked for" for arm in ARMS if arm not in asked}
    return [arm for arm in ARMS if arm not in out], out


def middle(values: Sequence[float], digits: int = 3) -> dict:
    """Median and range."""
    return {
        "median": round(statistics.median(values), digits),
        "range": [round(min(values), digits), round(max(values), digits)],
        "n": len(values),
    }


def passes(curve: Sequence[Sequence[float]], target: float) -> float | None:
    """The step at which a run first passes a loss, on straight lines between the looks."""
    for (a, high), (b, low) in zip(curve, curve[1:], strict=False):
        if low <= target:
            return b if high <= low else a + (b - a) * min(1.0, max(0.0, (high - target) / (high - low)))
    return None


def compare(runs: Mapping[str, list[dict]], curves: Mapping[str, list], target: float | None) -> dict:
    """Ratios first, then whether the bars hold, then one row for each run.

    Args:
        runs: For each arm what its timed runs measured, in order of the rounds.
        curves: For each arm pairs of step and validation loss.
        target: The loss to reach; None takes the highest of the arms' lowest ones.
    """
    if target is None and curves:
        target = max(min(loss for _, loss in curve) for curve in curves.values())
    reference = runs.get("ours") or next(iter(runs.values()))
    rows = {}
    for arm, made in runs.items():
        at = passes(curves[arm], target) if arm in curves else None
        for run in made:
            run["seconds_to_loss"] = None if at is None else round(at / run["steps"] * run["seconds"], 2)
        kept = ("tokens_per_second", "seconds", "whole_seconds", "peak_memory_gb", "share_of_peak")
        rows[arm] = {
            "same_rows_and_mask": all(run["rows_sha256"] == reference[0]["rows_sha256"] for run in made),
            **{k: middle([run[k] for run in made]) for k in kept},
            "seconds_to_loss": None if at is None else middle([run["seconds_to_loss"] for run in made]),
            **{k: made[-1][k] for k in ("steps", "tokens", "format", "operations_per_token", "peak_gflops", "threads")},
            "curve": curves.get(arm, []),
        }
    ratios = {}
    for what in ("tokens_per_second", "seconds_to_loss", "peak_memory_gb") if "ours" in runs else ():
        for arm in runs:
            pairs = [(a[what], b[what]) for a, b in zip(runs["ours"], runs[arm], strict=False) if a[what] and b[what]]
            if arm != "ours" and pairs:
                ratios.setdefault(what, {})[arm] = middle([a / b for a, b in pairs])
    return {"ratios": ratios, "bars": judged(ratios), "given_loss": target, "rows": rows}


def judged(ratios: Mapping) -> list[dict]:
    """Each bar with the peers that were measured."""
    found = []
    for what, peers, bar, aim in BARS:
        for peer in peers:
            if ratio := ratios.get(what, {}).get(peer):
                value, memory = ratio["median"], what == "peak_memory_gb"
                held = {
                    name: value <= line if memory else value >= line for name, line in (("holds", bar), ("aim_reached", aim))
                }
                found.append({"what": what, "peer": peer, "ratio": value, "bar": bar, "aim": aim, **held})
    return found


def table(result: Mapping, device: str) -> str:
    """The result as lines of text."""

    def shown(entry: Mapping | None, digits: int) -> str:
        if entry is None:
            return "-"
        low, high = entry["range"]
        return f"{entry['median']:,.{digits}f} [{low:,.{digits}f}, {high:,.{digits}f}]"

    loss = result["given_loss"]
    columns = ("", "tokens a second", f"seconds to loss {loss:.3f}" if loss else "seconds to loss", "peak GB")
    lines = [f"{device}: median [lowest, highest]", "{:12}{:>26}{:>26}{:>22}".format(*columns) + "  of peak  steps"]
    for arm, row in result["rows"].items():
        cells = shown(row["tokens_per_second"], 0), shown(row["seconds_to_loss"], 1), shown(row["peak_memory_gb"], 2)
        note = "" if row["same_rows_and_mask"] else "   LEARNS OTHER TOKENS THAN OURS"
        share = row["share_of_peak"]["median"]
        lines.append("{:12}{:>26}{:>26}{:>22}".format(arm, *cells) + f"{share:9.1%}{row['steps']:7}  {row['format']}{note}")
    for what, peers in result["ratios"].items():
        told = ", ".join(f"{peer} {shown(ratio, 2)}" for peer, ratio in peers.items())
        lines.append(f"ours / peer, {what.replace('_', ' ')}: {told}")
    for bar in result["bars"]:
        sign = "<=" if bar["what"] == "peak_memory_gb" else ">="
        verdict = "holds" if bar["holds"] else "MISSED"
        aim = (
            "" if bar["aim"] == bar["bar"] else f"; the aim of {bar['aim']:g} is {'' if bar['aim_reached'] else 'not '}reached"
        )
        what = f"{bar['what'].replace('_', ' ')}, ours / {bar['peer']}"
        lines.append(f"bar: {what} {sign} {bar['bar']:g}: {bar['ratio']:.2f}, {verdict}{aim}")
    return "\n".join(lines)


def processor() -> dict:
    """Name of the processor, and those of its abilities that matter for matrix products."""
    name, flags = platform.processor() or platform.machine(), []
    if Path("/proc/cpuinfo").exists():
        text = Path("/proc/cpuinfo").read_text(errors="replace")
        name = (re.findall(r"^model name\s*:\s*(.+)$", text, re.M) or [name])[0]
        words = (re.findall(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.M) or [""])[0].split()
        flags = sorted(w for w in words if re.match(r"avx|amx|fma|f16c|asimd|sve|bf16|i8mm", w))
    return {"name": name, "flags": flags}


def conditions(args: argparse.Namespace) -> dict:
    """Everything that one must know to read the numbers."""
    here, versions = machine(), {"python": platform.python_version()}
    for name in ("torch", "transformers", "peft", "accelerate", "trl", "datasets"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    told = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "commit": told.stdout.strip() or None,
        "system": here.system,
        "processor": processor(),
        "cores": here.cores,
        "threads": here.threads,
        "gpu": here.gpu,
        "bf16": here.bf16,
        "load_at_start": [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "versions": versions,
        "examples": args.examples,
        "held_out": args.held,
        "rounds": args.rounds,
        "seed": args.seed,
        "knobs": asdict(KNOBS),
    }


def sample(name: str, n: int, seed: int, out: Path) -> str:
    """A fixed choice of prepared examples, as a file."""
    rows = read_rows(REFERENCE / "prepared" / f"{name}.jsonl", Example)
    return str(write_rows(out / f"{name}.jsonl", random.Random(seed).sample(rows, min(n, len(rows)))))


def sixteen_bits(device: str) -> tuple[bool, str]:
    """Whether 16 bits are quick on a device, and why; asked in a fresh process, because a card must be hidden from the start."""
    env = {**os.environ, **({"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {})}
    code = "import json; from course_utils.settings import machine as m; print(json.dumps([m().bf16, m().reasons]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=env)
    bf16, reasons = json.loads(done.stdout.splitlines()[-1])
    return bf16, next((reason for reason in reasons if "16-bit" in reason), "")


def measure(args: argparse.Namespace, device: str, job: Callable[..., Job]) -> tuple[dict, dict]:
    """All rounds and the curves on one device; returns the comparison, and what was left out with the reason."""
    arms, skipped = choose(args.arms, *sixteen_bits(device))
    for why in dict.fromkeys(w for w in skipped.values() if w != "not asked for"):
        print(f"{device}: without {', '.join(a for a, w in skipped.items() if w == why)}: {why}", flush=True)
    runs, curves = {arm: [] for arm in arms}, {}
    for turn in range(args.rounds + 1):
        curve = turn == args.rounds
        for arm in arms[turn % len(arms) :] + arms[: turn % len(arms)]:  # nobody is always first
            if arm in skipped:
                continue
            made = start(job(arm=arm, mode="curve" if curve else "speed"), device)
            if "failed" in made:
                skipped[arm] = made["failed"]
                said = f"failed: {made['failed']}"
            elif curve:
                curves[arm] = made["curve"]
                said = f"validation loss {made['curve'][0][1]:.3f} to {made['curve'][-1][1]:.3f}"
            else:
                runs[arm].append(made)
                said = f"{made['tokens_per_second']:,.0f} tokens a second, {made['peak_memory_gb']:.2f} GB"
            print(f"{device} {'curve' if curve else f'round {turn + 1} of {args.rounds}'}, {arm}: {said}", flush=True)
    whole = {arm: made for arm, made in runs.items() if arm not in skipped}
    return compare(whole, {a: c for a, c in curves.items() if a in whole}, args.target) if whole else {}, skipped


def explain(device: str, job: Callable[..., Job], bf16: bool, top: int = 25) -> None:
    """Print where our run and the bare loop spend their time: milliseconds and calls a step."""
    floor = "bare" if bf16 else "bare32"
    made = {arm: start(job(arm=arm, mode="profile"), device) for arm in ("ours", floor)}
    for arm, found in made.items():
        if "failed" in found:
            print(f"{arm} failed: {found['failed']}")
            return
    each = {arm: {k: (ms / m["steps"], n / m["steps"]) for k, (ms, n) in m["operators"].items()} for arm, m in made.items()}
    wall = {arm: 1000 * m["seconds"] / m["steps"] for arm, m in made.items()}
    each["ours"]["outside all operators"] = (wall["ours"] - sum(ms for ms, _ in each["ours"].values()), 0)
    each[floor]["outside all operators"] = (wall[floor] - sum(ms for ms, _ in each[floor].values()), 0)
    print(f"{device}, milliseconds and calls a step (the profiler slows both down)")
    print(f"{'':50}{'ours':>18}{floor:>18}{'difference':>12}")
    print(f"{'all':50}{wall['ours']:>18.2f}{wall[floor]:>18.2f}{wall['ours'] - wall[floor]:>12.2f}")
    names = sorted({*each["ours"], *each[floor]}, key=lambda k: -max(each[arm].get(k, (0, 0))[0] for arm in each))
    for name in names[:top]:
        (a, m), (b, n) = (each[arm].get(name, (0.0, 0.0)) for arm in ("ours", floor))
        print(f"{name[:49]:50}{a:10.2f} {m:6.1f}x{b:10.2f} {n:6.1f}x{a - b:12.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--examples", type=int, default=800)
    parser.add_argument("--held", type=int, default=256, help="held-out examples behind each validation loss")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=SEED, help="seed of the choice of examples")
    parser.add_argument("--target", type=float, help="validation loss to reach (the highest of the lowest if left out)")
    parser.add_argument("--arms", nargs="+", choices=ARMS, help="only these runs")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="only this one")
    parser.add_argument("--profile", action="store_true", help="print the top operators of our run and of the bare loop")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--child", type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print("\n" + json.dumps(child(Job(**args.child))))
        return
    about = conditions(args)
    devices = [args.device] if args.device else ["cpu", *(["cuda"] if about["gpu"] else [])]
    if "cuda" in devices and not about["gpu"]:
        parser.error("there is no graphics card here")
    with tempfile.TemporaryDirectory() as scratch:
        files = {
            name: sample(name, n, args.seed, Path(scratch)) for name, n in (("train", args.examples), ("validation", args.held))
        }
        job = partial(Job, data=files["train"], held=files["validation"], scratch=scratch)
        if args.profile:
            for device in devices:
                explain(device, job, sixteen_bits(device)[0])
            return
        found, skipped = {}, {}
        for device in devices:
            found[device], skipped[device] = measure(args, device, job)
    found = {device: made for device, made in found.items() if made}
    parts = {part: {device: made[part] for device, made in found.items()} for part in ("ratios", "bars", "given_loss", "rows")}
    write_json(args.out, {**parts, "left_out": skipped, "conditions": about})
    print("\n".join(table(made, device) for device, made in found.items()))


if __name__ == "__main__":
    main()
