"""Train `tiny` from scratch on the generated corpus: on CPU cores, or on a GPU where there is one.

A plain PyTorch loop, because here nothing is fine-tuned and every second counts: fixed batch shapes, short
conversations first, 16-bit arithmetic where it is quicker, Muon for the matrices and AdamW for the rest. In the first lessons
every word is learned, as in any pretraining; after that, the assistant's words only. It saves a checkpoint every few minutes and goes on from there after being killed. Limits: one process, one device.
"""

import argparse
import json
import math
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from course_utils.chat import BOS, END, PAD, ROLES, TEMPLATE, encode
from course_utils.models import use_causal_attention
from course_utils.records import read_json, write_json
from course_utils.settings import DATA, OUTPUTS, machine, set_seed, shown
from course_utils.tiny_base import corpus

VOCABULARY = 4096
CONTEXT = 1024
WIDTHS = (32, 48, 64, 80, 96, 128, 160, 192, 256, 320, 384, 512)  # tokens a row: fixed shapes, each set up once
BATCH = 4096  # padded tokens a batch
FIRST = 0.3  # share of the steps that the first lessons take
ASKED = 0.3  # weight of the words that are not the assistant's, in the first lessons


def train_tokenizer(texts: Iterable[str], folder: str | Path, context: int):
    """Train the vocabulary of `tiny`, byte-level BPE with digits one by one, and save it.

    Args:
        texts: Plain texts of the corpus.
        folder: Where tokenizer.json and its companions go.
        context: Tokens that fit into the model.

    Returns:
        The tokenizer, as transformers loads it.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d| ?\p{L}+| ?[^\s\p{L}\d]+|\s+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, BOS, END, *ROLES],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=list(ROLES),
        model_max_length=context,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    return fast


def build_model(tokenizer=None):
    """The architecture: a Llama of six layers, 256 wide, about 5.9 million parameters.

    Args:
        tokenizer: If given, words start out knowing the company they keep; see `word_topics`.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=CONTEXT,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = LlamaForCausalLM(config)
    prepare_weights(model, None if tokenizer is None else word_topics(tokenizer))
    return model


def word_topics(tokenizer, size: int = 127):
    """Where each token stands in the corpus, as coordinates in which tokens of one topic lie close together.

    Latent semantic analysis (S. Deerwester and others, 1990): the singular vectors of "how much more often than others does
    this token stand in texts about this facet". Words that stand everywhere come out near zero.

    Args:
        tokenizer: The tokenizer of `tiny`.
        size: How many coordinates.

    Returns:
        A tensor of shape (vocabulary, size), on average of length 1 for the tokens that say most.
    """
    import torch

    facets = corpus.material().facets
    counts = torch.zeros(VOCABULARY, len(facets))
    for k, facet in enumerate(facets):
        texts = (*facet.questions, *facet.statements, facet.title, facet.about)
        for row in tokenizer([v for t in texts for v in (t, " " + t)], add_special_tokens=False)["input_ids"]:
            counts[:, k] += torch.bincount(torch.tensor(row), minlength=VOCABULARY)
    share = counts.sum(0) / counts.sum()
    lift = (counts + 4 * share) / (counts.sum(1, keepdim=True) + 4) - share  # four more sightings, spread like all words
    left, strength, _ = torch.linalg.svd(lift, full_matrices=False)
    places = left[:, :size] * strength[:size]
    return places / places.norm(dim=1).quantile(0.9)


def prepare_weights(model, topics=None, seen: int = 48) -> None:
    """Start the model with two simple circuits in place, so that its short schooling goes into everything else.

    *Look it up*: find where the last word stood before, and look at what followed it. Trained models all grow this pair of
    heads, and all copying and reading stands on it (C. Olsson and others, 2022, "In-context Learning and Induction Heads");
    from random weights a small model needs most of its training for it. So the first head of the first layer starts out
    looking one token back, and the first head of the second layer looks for the present token among those.
    *What is it about*: if `topics` is given, half of each word's numbers say which topics it belongs to, and the second head
    of the first layer starts out averaging them over the text so far.
    Everything is trained further. Besides, words start out louder than the layers' noise.

    Args:
        model: The model as transformers made it; its weights are changed in place.
        topics: Coordinates by token, shape (vocabulary, at most half of the model's width), or None.
        seen: Directions in which the two heads compare words, at most three quarters of a head's width.
    """
    import torch

    width = model.config.hidden_size
    head = width // model.config.num_attention_heads
    back, match = (layer.self_attn for layer in model.model.layers[:2])
    told = 0 if topics is None else topics.shape[1]  # numbers of a word that say what it is about: 1 to told
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.mul_(0.1)
            layer.mlp.down_proj.weight.mul_(0.1)
        words = model.model.embed_tokens.weight.mul_(2.0)
        loud = words.std().item()
        words[:, 0] = 4 * loud  # the same for every word: it tells nothing, and lets a head look by distance alone
        if told:
            words[:, 1 : 1 + told] = topics * loud * told**0.5
        turned = torch.zeros(width, 2 * seen)
        turned[1 + told :] = torch.linalg.qr(torch.randn(width - 1 - told, 2 * seen))[0]
        this, last = turned[:, :seen].T.clone(), turned[:, seen:].T.clone()
        for attention in (back, match):
            for part in (attention.q_proj, attention.k_proj, attention.v_proj):
                part.weight[:head] = 0
            attention.o_proj.weight[:, :head] = 0
            attention.v_proj.weight[:seen] = this
        for i in range(10):  # rotary pairs that turn fast enough to tell neighbours apart
            angle = model.config.rope_parameters["rope_theta"] ** (-2 * i / head)
            back.q_proj.weight[i, 0] = 0.75
            back.k_proj.weight[i, 0] = 0.75 * math.cos(angle)
            back.k_proj.weight[i + head // 2, 0] = 0.75 * math.sin(angle)
        back.o_proj.weight[:, :seen] = last.T * loud
        slow = [i for i in range(head) if i % (head // 2) >= head // 2 - seen // 2]  # pairs that hardly turn
        match.q_proj.weight[slow], match.k_proj.weight[slow] = 1.5 * this, 1.5 * last
        match.o_proj.weight[:, :seen] = this.T * 2 * loud
        if told:
            told = min(told, head)
            for part in (back.q_proj, back.k_proj, back.v_proj):
                part.weight[head : 2 * head] = 0  # no preference: all words so far count alike
            back.o_proj.weight[:, head : 2 * head] = 0
            for i in range(told):
                back.v_proj.weight[head + i, 1 + i] = 1
                back.o_proj.weight[1 + i, head + i] = 2 * loud


class Batches:
    """Endless batches of generated conversations, in a few fixed shapes.

    Args:
        tokenizer: The tokenizer of `tiny`.
        seed: Seed of the stream.
        first: Batches of first lessons that come before all others.
        skip: Batches to pass over (after a resume).
    """

    def __init__(self, tokenizer, seed: int, first: int = 0, skip: int = 0):
        self.tokenizer, self.seed, self.first, self.skip = tokenizer, seed, first, skip

    def __iter__(self):
        import torch

        number = 0
        waiting: dict[int, list] = {width: [] for width in WIDTHS}
        early, late = corpus.stream(self.seed, first=True), corpus.stream(self.seed)
        while True:
            messages = next(early if number < self.first else late)
            encoded = encode(self.tokenizer, messages, CONTEXT)
            width = next((w for w in WIDTHS if len(encoded.ids) <= w), None)
            if width is None:
                continue
            waiting[width].append(encoded)
            if len(waiting[width]) == BATCH // width:
                rows, waiting[width] = waiting[width], []
                number += 1
                if number <= self.skip:
                    continue
                ids = torch.zeros(len(rows), width, dtype=torch.long)
                labels = torch.full((len(rows), width), -100, dtype=torch.long)
                for i, row in enumerate(rows):
                    ids[i, : len(row.ids)] = torch.tensor(row.ids)
                    kept = torch.tensor(row.ids).masked_fill(torch.tensor(row.mask) == 0, -100)
                    labels[i, : len(row.ids)] = kept
                yield number, ids, labels


def loss_of(model, ids, labels, asked: float = 0.0):
    """Mean loss over the trained tokens; the vocabulary is only computed where it is needed.

    Args:
        model: The model.
        ids: Token ids, shape (rows, width), padded with 0 on the right.
        labels: The same where a token is the assistant's, otherwise -100.
        asked: Weight of the mean loss over all other tokens.
    """
    import torch

    hidden = model.model(input_ids=ids).last_hidden_state[:, :-1]
    wanted, following = labels[:, 1:], ids[:, 1:]
    loss = torch.zeros(())
    for weight, chosen in ((1.0, wanted != -100), (asked, (wanted == -100) & (following != 0))):
        if weight:
            words = model.lm_head(hidden[chosen]).float()
            loss = loss + weight * torch.nn.functional.cross_entropy(words, following[chosen])
    return loss


def optimizers(model, rate: float):
    """Muon (K. Jordan and others, 2024) for the layers' matrices, AdamW for embeddings and norms."""
    import torch

    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n and "lm_head" not in n]
    chosen = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.01, momentum=0.95, ns_steps=4, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]


def rate_at(share: float) -> float:
    """The learning rate's course: up over the first hundredth, level, down to nothing over the last 40%."""
    return min(share / 0.01, 1.0) * min(1.0, (1.0 - share) / 0.4 + 1e-3)


def pretrain(out: Path, steps: int, rate: float, seed: int, save_minutes: float, minutes: float | None = None) -> Path:
    """Train, or go on training, and leave the finished model in `out`.

    Args:
        out: Working folder: tokenizer, checkpoint, log, and at the end `model/`.
        steps: Batches in all.
        rate: Highest learning rate.
        seed: Seed of weights and corpus.
        save_minutes: Minutes between checkpoints.
        minutes: If given, `steps` is set by measuring the first 20 batches, so that the whole fits into this time.

    Returns:
        The folder with the finished model.
    """
    import torch

    here = machine()
    torch.set_num_threads(here.threads)
    set_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(out, seed)
    model = build_model(tokenizer).to(here.device)
    use_causal_attention(model)
    opts = optimizers(model, rate)
    done, seen, spent = _resume(out, model, opts)
    plan = {"steps": steps, "rate": rate, "seed": seed}
    if done:
        plan = read_json(out / "plan.json")
    else:
        write_json(out / "plan.json", plan)
    began = saved = time.monotonic()
    batches = Batches(tokenizer, seed, first=round(FIRST * plan["steps"]), skip=done)
    for number, ids, labels in batches:
        if minutes and number == 21 and not done:
            plan["steps"] = int(20 * minutes * 60 / (time.monotonic() - began))
            batches.first = round(FIRST * plan["steps"])
            write_json(out / "plan.json", plan)
        rate_now = plan["rate"] * rate_at(number / max(plan["steps"], 1))
        asked = ASKED if number <= batches.first else 0.0
        loss = _step(model, opts, ids.to(here.device), labels.to(here.device), rate_now, asked, here)
        seen += int((ids != 0).sum())
        passed = time.monotonic() - began
        if number % 20 == 0:
            _log(out, number, plan["steps"], float(loss), seen, spent + passed, passed / (number - done))
        if time.monotonic() - saved >= 60 * save_minutes:
            _save(out, model, opts, number, seen, spent + passed)
            saved = time.monotonic()
        if number >= plan["steps"]:
            break
    _export(out, model, tokenizer, plan["steps"], seen, spent + time.monotonic() - began, here)
    print(f"\nmade {shown(out / 'model')}: {plan['steps']} steps, {seen / 1e6:.1f} million tokens")
    return out / "model"


def _step(model, opts, ids, labels, rate: float, asked: float, here):
    """One update of the weights; returns the loss."""
    import torch

    for opt in opts:
        for group in opt.param_groups:
            group["lr"] = rate
    with torch.autocast(here.device, dtype=torch.bfloat16, enabled=here.bf16):
        loss = loss_of(model, ids, labels, asked)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
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
    return train_tokenizer(texts, out / "tokenizer", CONTEXT)


def _save(out: Path, model, opts, number: int, seen: int, spent: float) -> None:
    """Write the checkpoint to a temporary name, then rename it: a kill leaves the old one whole."""
    import torch

    state = {"model": model.state_dict(), "opts": [o.state_dict() for o in opts], "at": (number, seen, spent)}
    torch.save(state, out / "checkpoint.tmp")
    os.replace(out / "checkpoint.tmp", out / "checkpoint.pt")


def _resume(out: Path, model, opts) -> tuple[int, int, float]:
    import torch

    if not (out / "checkpoint.pt").exists():
        return 0, 0, 0.0
    state = torch.load(out / "checkpoint.pt", weights_only=True, map_location=model.device)
    model.load_state_dict(state["model"])
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
    parser.add_argument("--steps", type=int, default=2650)
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
