"""Can this machine run the course, and what is wrong with a training run?

*Machine*: it trains for three seconds to find out how long things will take, with the embedded model and the training code of the
course. *Run*: a ladder of six checks, the quickest first, each on what the run left behind: its file, its card and
the ruler that it was scored with. Limits: the estimates scale one measured speed; the ladder knows these six faults and no others, and
its lines were drawn on runs of one desk.
"""

import shutil
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from course_utils.records import Example, Question, read_json
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


# --- a run ----------------------------------------------------------------------------------------------------------

LADDER = {
    "mask on the wrong words": 'Put questions under "user" and answers under "assistant": only the assistant\'s words are trained.',
    "template mismatch": "Take the marks out of the file: the chat template writes the right ones by itself.",
    "too little data": "Write more wordings of each fact; `tiny` wants sixteen or more.",
    "wrong labels": "Read the odd answers aloud beside their questions; put the right ones back.",
    "rate too high": "Divide the rate by ten and train again.",
    "a bad ruler": "Score by the facts that an answer must hold; ask at least 25 questions, better 100, before you compare.",
}


@dataclass(frozen=True)
class Finding:
    """One rung of the ladder.

    Attributes:
        rung: The fault that was looked for, a key of `LADDER`.
        fault: Whether it is there.
        saw: What was measured.
    """

    rung: str
    fault: bool
    saw: str

    @property
    def fix(self) -> str:
        """What to do about it."""
        return LADDER[self.rung]

    @property
    def line(self) -> str:
        """The finding as one line of text."""
        return f"{'FAULT' if self.fault else 'fine '}  {self.rung}: {self.saw}"


def diagnose(
    run: Mapping,
    examples: Sequence[Example],
    ruler: Callable[[Question, str], bool] | None = None,
    known_right: Sequence[tuple[Question, str]] = (),
    asked: int | None = None,
) -> list[Finding]:
    """Climb the ladder: what may be wrong with a run whose scores disappoint?

    Args:
        run: Its run card, as `train` wrote it.
        examples: Its training examples.
        ruler: What decided whether an answer is right; the last rung is left out without it.
        known_right: Questions with answers that are known to be right, for testing the ruler.
        asked: How many questions it was scored on.

    Returns:
        One finding for each rung: first what the file shows, then the run, then the ruler.
    """
    taught = [e for e in examples if e.kind == "document"]
    asks = [next((m.content for m in e.messages if m.role == "user"), "") for e in taught]
    says = [next((m.content for m in e.messages[::-1] if m.role == "assistant"), "") for e in taught]
    found = [_mask(asks, says), _template(asks), _amount(taught), _labels(taught), _rate(run["losses"])]
    return [*found, _ruler(ruler, known_right, asked)] if ruler or asked else found


def _template(asks: Sequence[str]) -> Finding:
    words, n = Counter(), max(len(asks), 1)
    for text in asks:
        split = text.split()
        words.update({("begin", *split[:2]), ("end", *split[-2:])} if len(split) > 4 else [])
    (place, *pair), count = words.most_common(1)[0] if words else (("begin", ""), 0)
    return Finding("template mismatch", count / n > 0.5, f"{count / n:.0%} of the questions {place} with {' '.join(pair)!r}")


def _mask(asks: Sequence[str], says: Sequence[str]) -> Finding:
    share = sum(text.rstrip().endswith("?") or "?\n" in text for text in says) / max(len(says), 1)
    empty = sum(not text.strip() for text in asks) / max(len(asks), 1)
    saw = f"{share:.0%} of the trained texts hold the question, {empty:.0%} of the examples ask nothing"
    return Finding("mask on the wrong words", max(share, empty) > 0.2, saw)


def _rate(rows: Sequence[Mapping]) -> Finding:
    losses = [row["loss"] for row in rows if "loss" in row]
    # one step alone says little: means over a fifth of them
    means = [statistics.mean(losses[max(k + 1 - max(3, len(losses) // 5), 0) : k + 1]) for k in range(len(losses))]
    end, low = means[-1], min(means)
    fault = end > 1.3 * low + 0.1 or end > 0.7 * losses[0]
    return Finding("rate too high", fault, f"the training loss went from {losses[0]:.2f} to {end:.2f}, lowest {low:.2f}")


def _amount(taught: Sequence[Example]) -> Finding:
    each = list(Counter(e.topic for e in taught).values())
    median = statistics.median(each) if each else 0
    return Finding(
        "too little data", median < 12, f"{median:g} wordings of a fact in the middle, {len(taught)} examples of facts in all"
    )


def _labels(taught: Sequence[Example]) -> Finding:
    odd = odd_answers(taught)
    share = len(odd) / max(len(taught), 1)
    return Finding("wrong labels", share > 0.1, f"{share:.0%} of the answers look like those to another question")


def _ruler(ruler, known_right: Sequence[tuple[Question, str]], asked: int | None) -> Finding:
    right = sum(bool(ruler(question, answer)) for question, answer in known_right) if ruler else 0
    share = right / len(known_right) if ruler and known_right else 1.0
    reach = 1.96 * (0.25 / asked) ** 0.5 if asked else 0.0
    parts = [f"the ruler accepts {share:.0%} of {len(known_right)} answers that are right"] if ruler and known_right else []
    parts += [f"with {asked} questions a score may be off by {100 * reach:.0f} points either way"] if asked else []
    saw = "; ".join(parts)
    return Finding("a bad ruler", share < 0.9 or reach > 0.2, saw)


def odd_answers(taught: Sequence[Example], near: int = 9) -> list[int]:
    """Examples whose answer looks like the answers to another topic, as indices.

    An answer is odd if fewer than a third of the answers that are most like it belong to its own topic (the nearest
    neighbours rule, E. Fix and J. Hodges, 1951).

    Args:
        taught: Examples of several topics.
        near: How many neighbours decide.
    """
    from rapidfuzz import fuzz, process

    by_text: dict[str, Counter] = {}
    for example in taught:
        by_text.setdefault(example.messages[-1].content, Counter())[example.topic] += 1
    texts, sizes = list(by_text), Counter(e.topic for e in taught)
    alike = process.cdist(texts, texts, scorer=fuzz.token_set_ratio)
    share: dict[tuple[str, str], float] = {}
    for row, text in zip(alike, texts, strict=True):
        order = [texts[k] for k in row.argsort()[::-1]]
        for topic in by_text[text]:
            seen = own = 0
            for other in order:
                there = by_text[other] - Counter({topic: 1}) if other == text else by_text[other]
                seen, own = seen + there.total(), own + there[topic] * min(1, (near - seen) / max(there.total(), 1))
                if seen >= near:
                    break
            share[text, topic] = own / min(near, sizes[topic] - 1) if sizes[topic] > 1 else 1.0
    return [k for k, e in enumerate(taught) if share[e.messages[-1].content, e.topic] < 1 / 3]
