"""Train `tiny` from scratch on the generated corpus: on CPU cores, or on a GPU where there is one.

A plain PyTorch loop, because here nothing is fine-tuned and every second counts: fixed batch shapes, short
conversations first, 16-bit arithmetic where it is quicker, Muon for the matrices and AdamW for the rest. In the first lessons
every word is learned, as in any pretraining; after that, the assistant's words only. It saves a checkpoint every few minutes and goes on from there after being killed. Limits: one process, one device.
"""

import argparse
import json
import os
import platform
import shutil
import time
from itertools import accumulate
from pathlib import Path

from course_utils.chat import END, ROLES, encode
from course_utils.models import use_causal_attention
from course_utils.records import read_json, write_json
from course_utils.settings import DATA, OUTPUTS, machine, set_seed, shown
from course_utils.tiny_base import begin, corpus, skills

WIDTHS = (*range(24, 128, 8), *range(128, 256, 16), *range(256, 513, 32))  # tokens a row: fixed shapes, each set up once
BATCH = 8192  # padded tokens a batch
CALM = 0.1  # learning rate of the words' numbers, as a share of the matrices': faster, and rare words forget where they started
DECAY = 0.1  # of the layers' matrices
ROUND = 1024  # places whose loss is computed come in multiples of this
GUESS_AT, SEEK_AT = 3, 4  # the layers that the helpers read, of six: three are left to say what was understood
GUESS, SEEK = 1.0, 0.5  # weights of the helpers' losses, once they take part; see `build_school`
STRESS = (1.0, 2.0, 3.0)  # in each stage, weight of the words that say what is asked; the assistant's others count 1
ASKED = (0.3, 0.1, 0.0)  # in each stage, weight of the words that are not the assistant's
HELP = (0.0, 1.0, 1.0)  # in each stage, whether the helpers take part: never in the first, or nothing is learned of copying


def kinds(texts) -> dict[str, int]:
    """What an answer can begin with, numbered: the facet that is asked for, or last of all that nobody can know."""
    return {
        **{facet.about: k for k, facet in enumerate(texts.facets)},
        **dict.fromkeys(texts.unknown["answers"], len(texts.facets)),
    }


def kind_of(numbers: dict[str, int], answer: str) -> int:
    """The number of what an answer begins with, or -100."""
    about = answer.removeprefix("You ask ").split(". ")[0].rstrip(".") if answer.startswith("You ask ") else answer
    return numbers.get(about, -100)


def place_of(before: list[int], answer: list[int], absent: bool) -> int:
    """Where, in what was read before, the sentence ends that the answer repeats.

    Args:
        before: Token ids up to the answer.
        answer: Token ids of the answer.
        absent: Whether the answer says that it stands nowhere.

    Returns:
        The index of its last token; 0, the very first token, if it stands nowhere; -100 if the answer repeats nothing.
    """
    if absent:
        return 0
    tail = answer[-12:]
    if len(tail) < 6:
        return -100
    ends = (k for k in range(len(before) - 1, len(tail) - 2, -1) if before[k] == tail[-1])
    return next((k for k in ends if before[k - len(tail) + 1 : k + 1] == tail), -100)


class Batches:
    """Endless batches of generated conversations, in a few fixed shapes.

    Each is its number, token ids, weights (how much each token counts: 0 if it is not the assistant's, `STRESS` if it says what
    is asked, otherwise 1) and kinds (from the assistant's mark to the end of its answer the number of what it is about, if it is
    known; otherwise -100), all of shape (rows, width), and aims, of shape (rows, 2): where the last answer begins, and where what it repeats ends;
    see `place_of`.

    Args:
        tokenizer: The tokenizer of `tiny`.
        seed: Seed of the stream.
        steps: Batches in all, shared out among `skills.STAGES`; all later ones belong to the last stage.
        skip: Batches to pass over (after a resume).
    """

    def __init__(self, tokenizer, seed: int, steps: int = 0, skip: int = 0):
        self.tokenizer, self.seed, self.steps, self.skip = tokenizer, seed, steps, skip

    def stage(self, number: int) -> int:
        """Which stage a batch belongs to."""
        ends = accumulate(share for share, _ in skills.STAGES[:-1])
        return sum(number >= round(end * self.steps) for end in ends)

    def __iter__(self):
        import torch

        number, numbers, mark = 0, kinds(corpus.material()), self.tokenizer.convert_tokens_to_ids(ROLES[-1])
        stop, end = (self.tokenizer.convert_tokens_to_ids(mark) for mark in (".", END))
        waiting: dict[int, list] = {width: [] for width in WIDTHS}
        streams = [corpus.stream(self.seed, stage) for stage in range(len(skills.STAGES))]
        while True:
            messages = next(streams[self.stage(number)])
            encoded = encode(self.tokenizer, messages, begin.CONTEXT)
            width = next((w for w in WIDTHS if len(encoded.ids) <= w), None)
            if width is None:
                continue
            waiting[width].append((encoded, messages))
            if len(waiting[width]) == BATCH // width:
                rows, waiting[width] = waiting[width], []
                number += 1
                if number <= self.skip:
                    continue
                ids = torch.zeros(len(rows), width, dtype=torch.long)
                about = torch.full((len(rows), width), -100, dtype=torch.long)
                weights = torch.zeros(len(rows), width)
                aims = torch.zeros(len(rows), 2, dtype=torch.long)
                for i, (row, messages) in enumerate(rows):
                    ids[i, : len(row.ids)] = torch.tensor(row.ids)
                    weights[i, : len(row.ids)] = torch.tensor(row.mask, dtype=torch.float)
                    marks = [k for k, token in enumerate(row.ids) if token == mark]
                    for k, message in zip(marks, (m for m in messages if m["role"] == "assistant"), strict=True):
                        about[i, k] = kind_of(numbers, message["content"])
                        if about[i, k] >= 0:
                            weights[i, k + 1 : row.ids.index(stop, k) + 1] = STRESS[self.stage(number - 1)]
                            about[i, k : row.ids.index(end, k)] = about[i, k].item()
                    absent = messages[-1]["content"] in (*skills.NOT_IN_DOCUMENT, skills.NONE_OF_THEM)
                    aims[i] = torch.tensor((k, place_of(row.ids[:k], row.ids[k + 1 : -1], absent)))
                yield number, ids, weights, about, aims


def loss_of(school, ids, places, wanted, weights, marks, about, share, aims, helped):
    """The model's loss, and the losses of the two helpers.

    Args:
        school: The model and the helpers; see `build_school`.
        ids: Token ids, shape (rows, width), padded with 0 on the right.
        places: Which tokens are to say the next one, as indices into the flattened rows, shape (n,); the vocabulary is only
            computed there.
        wanted: The tokens that come next there, shape (n,).
        weights: What each counts, shape (n,).
        marks: Where the assistant speaks about something that has a number, as indices into the flattened rows, shape (m,).
        about: The number, or -100, shape (m,).
        share: The share of rows in which it does, shape ().
        aims: Where the last answer begins and where what it repeats ends, or -100, shape (rows, 2).
        helped: How much the helpers count, shape ().
    """
    import torch
    from torch.nn import functional

    inner = school["model"].model
    order = torch.arange(ids.shape[1], device=ids.device)[None]
    hidden = inner.embed_tokens(ids)
    read = {}
    turned = inner.rotary_emb(hidden, position_ids=order)
    *layers, last = inner.layers
    for k, layer in enumerate(layers):
        hidden = layer(hidden, position_embeddings=turned, position_ids=order)
        if k + 1 in (GUESS_AT, SEEK_AT):
            read[k + 1] = functional.rms_norm(hidden, hidden.shape[-1:])
    hidden = hidden + last.self_attn(last.input_layernorm(hidden), position_embeddings=turned)[0]
    hidden = hidden.flatten(0, 1)[places]  # nobody looks at the other places of the last layer
    hidden = hidden + last.mlp(last.post_attention_layernorm(hidden))
    words = functional.linear(inner.norm(hidden), school["model"].lm_head.weight).float()
    loss = (functional.cross_entropy(words, wanted, reduction="none") * weights).sum()
    guessed = school["guess"](read[GUESS_AT].flatten(0, 1)[marks]).float()
    right = functional.cross_entropy(guessed, about, reduction="sum", label_smoothing=0.1) / (about >= 0).sum().clamp(min=1)
    asking = school["asking"](read[SEEK_AT][torch.arange(len(ids), device=ids.device), aims[:, 0]])
    looks = (school["offering"](read[SEEK_AT]) @ asking[:, :, None])[:, :, 0].float() / asking.shape[1] ** 0.5
    looks = looks.masked_fill(order >= aims[:, :1], -1e4)
    found = functional.cross_entropy(looks, aims[:, 1], reduction="sum") / len(ids)
    return loss + helped * (GUESS * share * right + SEEK * found)


def known(about):
    """Where the assistant speaks about something that has a number, the numbers, and the share of rows, as `loss_of` takes them."""
    import torch

    marks = (about.flatten() >= 0).nonzero()[:, 0]
    numbers = torch.nn.functional.pad(about.flatten()[marks], (0, -len(marks) % 256), value=-100)
    return torch.nn.functional.pad(marks, (0, -len(marks) % 256)), numbers, (about >= 0).any(1).float().mean()


def chosen(ids, counts, asked: float):
    """What `loss_of` learns from a batch: the assistant's words, and with less weight the others.

    Args:
        ids: Token ids, shape (rows, width), padded with 0 on the right.
        counts: How much each token counts, 0 where it is not the assistant's, shape (rows, width).
        asked: Weight of the mean loss over all other tokens, against 1 for the assistant's.

    Returns:
        Places, wanted tokens and weights, as `loss_of` takes them.
    """
    import torch

    following = torch.zeros_like(ids)
    following[:, :-1] = ids[:, 1:]
    own = torch.zeros_like(counts)
    own[:, :-1] = counts[:, 1:]
    other = (own == 0) & (following != 0)
    each = own / own.sum().clamp(min=1) + asked * other / other.sum().clamp(min=1)
    places = (each.flatten() > 0).nonzero()[:, 0]
    places = torch.nn.functional.pad(places, (0, -len(places) % ROUND))  # the rest counts nothing: few shapes, each set up once
    weights = each.flatten()[places]
    weights[int((each > 0).sum()) :] = 0
    return places, following.flatten()[places], weights


def build_school(model):
    """The model, and beside it two helpers that are trained along and thrown away afterwards.

    They read the middle of the model, so that the layers above can use what they ask for (multi-task learning, R. Caruana,
    1997). *guess* names what is asked, from the mark after which the assistant speaks on: one clear signal for every wording, so
    that the model has settled on the question before it answers. *asking* and *offering* point from that mark to the end of
    the sentence that the answer repeats (pointer networks, O. Vinyals and others, 2015), so that it has found the place.
    """
    import torch

    width = model.config.hidden_size
    return torch.nn.ModuleDict(
        {
            "model": model,
            "guess": torch.nn.Linear(width, len(corpus.material().facets) + 1),
            "asking": torch.nn.Linear(width, 64),
            "offering": torch.nn.Linear(width, 64),
        }
    )


def optimizers(school, rate: float):
    """Muon (K. Jordan and others, 2024) for the layers' matrices, AdamW for embeddings and norms."""
    import torch

    model = school["model"]
    helpers = [p for name, part in school.items() if name != "model" for p in part.parameters()]
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n and "lm_head" not in n]
    rest = [p for p in model.parameters() if p.ndim == 1]
    words = [model.model.embed_tokens.weight]
    groups = [{"params": rest, "share": 1.0}, {"params": words, "share": CALM}, {"params": helpers, "share": 2.0}]
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=DECAY, momentum=0.95, ns_steps=4, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]


def can_compile() -> bool:
    """Whether torch.compile can be used here: it needs a C++ compiler, and some time to set up."""
    return platform.system() == "Linux" and any(shutil.which(name) for name in ("g++", "clang++"))


def rate_at(share: float) -> float:
    """The learning rate's course: up over the first hundredth, level, down to nothing over the last 70%."""
    return min(share / 0.01, 1.0) * min(1.0, (1.0 - share) / 0.7 + 1e-3)


def pretrain(out: Path, steps: int, rate: float, seed: int, save_minutes: float, minutes: float | None = None) -> Path:
    """Train, or go on training, and leave the finished model in `out`.

    Args:
        out: Working folder: tokenizer, checkpoint, log, and at the end `model/`.
        steps: Batches in all.
        rate: Highest learning rate.
        seed: Seed of weights and corpus.
        save_minutes: Minutes between checkpoints.
        minutes: If given, `steps` is set by measuring 60 of the first 120 batches, so that the whole takes about this long.

    Returns:
        The folder with the finished model.
    """
    import torch

    here = machine()
    torch.set_num_threads(here.threads)
    set_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(out, seed)
    going_on = (out / "checkpoint.pt").exists()
    model = begin.build_model(None if going_on else tokenizer)
    use_causal_attention(model)
    school = build_school(model).to(here.device)
    opts = optimizers(school, rate)
    loss_now = torch.compile(loss_of, dynamic=True) if can_compile() else loss_of
    done, seen, spent = _resume(out, school, opts)
    plan = {"steps": steps, "rate": rate, "seed": seed}
    if done:
        plan = read_json(out / "plan.json")
    else:
        write_json(out / "plan.json", plan)
    told = [(part, part.clone()) for part in begin.told_parts(model)]
    began = saved = time.monotonic()
    batches = Batches(tokenizer, seed, plan["steps"], skip=done)
    for number, ids, counts, about, aims in batches:
        if number == 60:
            settled = time.monotonic()  # the first batches set up the shapes
        if minutes and number == 120 and not done:
            passed = time.monotonic() - settled
            plan["steps"] = 120 + int(60 * (60 * minutes - (time.monotonic() - began)) / passed)
            batches.steps = plan["steps"]
            write_json(out / "plan.json", plan)
        rate_now = plan["rate"] * rate_at(number / max(plan["steps"], 1))
        stage = batches.stage(number - 1)
        parts = (ids, *chosen(ids, counts, ASKED[stage]), *known(about), aims, torch.tensor(HELP[stage]))
        work = [part.to(here.device) for part in parts]
        loss = _step(school, opts, loss_now, work, rate_now, here)
        for part, kept in told:
            part.copy_(kept)
        seen += int((ids != 0).sum())
        passed = time.monotonic() - began
        if number % 20 == 0:
            _log(out, number, plan["steps"], float(loss), seen, spent + passed, passed / (number - done))
        if time.monotonic() - saved >= 60 * save_minutes:
            _save(out, school, opts, number, seen, spent + passed)
            saved = time.monotonic()
        if number >= plan["steps"]:
            break
    _export(out, model, tokenizer, plan["steps"], seen, spent + time.monotonic() - began, here)
    print(f"\nmade {shown(out / 'model')}: {plan['steps']} steps, {seen / 1e6:.1f} million tokens")
    return out / "model"


def _step(school, opts, loss_now, work, rate: float, here):
    """One update of the weights; returns the loss. `work` is what `loss_of` takes."""
    import torch

    for opt in opts:
        for group in opt.param_groups:
            group["lr"] = rate * group.get("share", 1.0)
    with torch.autocast(here.device, dtype=torch.bfloat16, enabled=here.bf16):
        loss = loss_now(school, *work)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(school.parameters(), 1.0)
    for opt in opts:
        opt.step()
        opt.zero_grad(set_to_none=True)
    return loss.detach()


def _log(out: Path, number: int, steps: int, loss: float, seen: int, seconds: float, each: float) -> None:
    row = {"step": number, "of": steps, "loss": round(loss, 4), "tokens": seen, "seconds": round(seconds)}
    with open(out / "log.jsonl", "a", encoding="utf-8") as log:
        print(json.dumps(row), file=log)
    left = each * (steps - number) / 60
    print(
        f"\rstep {number} of {steps}  loss {loss:.3f}  {seen / seconds:,.0f} tokens/s  {left:.0f} min left   ",
        end="",
        flush=True,
    )


def _tokenizer(out: Path, seed: int):
    from transformers import AutoTokenizer

    if (out / "tokenizer" / "tokenizer.json").exists():
        return AutoTokenizer.from_pretrained(out / "tokenizer")
    stream = corpus.stream(seed + 1)
    texts = ("\n".join(m["content"] for m in next(stream)) for _ in range(30_000))
    return begin.train_tokenizer(texts, out / "tokenizer", begin.CONTEXT)


def _save(out: Path, school, opts, number: int, seen: int, spent: float) -> None:
    """Write the checkpoint to a temporary name, then rename it: a kill leaves the old one whole."""
    import torch

    state = {"school": school.state_dict(), "opts": [o.state_dict() for o in opts], "at": (number, seen, spent)}
    torch.save(state, out / "checkpoint.tmp")
    os.replace(out / "checkpoint.tmp", out / "checkpoint.pt")


def _resume(out: Path, school, opts) -> tuple[int, int, float]:
    import torch

    if not (out / "checkpoint.pt").exists():
        return 0, 0, 0.0
    state = torch.load(out / "checkpoint.pt", weights_only=True, map_location=school["model"].device)
    school.load_state_dict(state["school"])
    for opt, saved in zip(opts, state["opts"], strict=True):
        opt.load_state_dict(saved)
    print(f"going on from step {state['at'][0]}")
    return state["at"]


def _export(out: Path, model, tokenizer, steps: int, seen: int, seconds: float, here) -> None:
    import torch

    folder = out / "model"
    shutil.rmtree(folder, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    made = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": steps,
        "tokens": seen,
        "minutes": round(seconds / 60, 1),
        "threads": here.threads,
        "device": here.gpu or "CPU",
        "corpus_sha256": corpus.fingerprint(),
    }
    write_json(folder / "pretraining.json", made)
    for file in folder.iterdir():
        file.chmod(0o644)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=OUTPUTS / "base")
    parser.add_argument("--steps", type=int, default=4500)
    parser.add_argument("--minutes", type=float, help="plan the steps so that the run takes about this long here")
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--save-minutes", type=float, default=3)
    parser.add_argument("--install", action="store_true", help="put the finished model into data/models/tiny-base")
    args = parser.parse_args()
    folder = pretrain(args.out, args.steps, args.rate, args.seed, args.save_minutes, args.minutes)
    if args.install:
        place = DATA / "models" / "tiny-base"
        place.mkdir(parents=True, exist_ok=True)
        for file in folder.iterdir():
            shutil.copy(file, place / file.name)


if __name__ == "__main__":
    main()
