"""How quick is answering? The same questions, model and greedy decoding in three ways, side by side in one run.

    python benchmarks/answer.py        writes benchmarks/answer.json; about a quarter of an hour on two cores

*Pipeline* is the text-generation pipeline of transformers, called question by question. *Batches* is its `generate` for 32
prompts at a time, sorted by length and padded on the left. *Ours* is `answer_questions`. The ways take turns; times are medians
over the rounds, without loading and after a warm-up. Ours dresses the questions for their arm within its time, the others get
them ready made. With an adapter, there is a fourth way: the pipeline on a model into which the adapter was merged for good.
"""

import argparse
import copy
import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from course_utils.answer import LONGEST_ANSWER, answer_questions, dress
from course_utils.chat import encode_prompt, messages_for
from course_utils.models import Loaded, load_model
from course_utils.records import Question, read_rows, write_json
from course_utils.settings import QUESTIONS, REFERENCE, machine

ARMS = ("plain", "few-shot", "retrieval")


def pipeline_of(model, tokenizer) -> Callable[[Sequence[list[dict]]], list[str]]:
    """The pipeline as its documentation shows it, called once for each conversation."""
    from transformers import GenerationConfig, pipeline

    write = pipeline("text-generation", model=model, tokenizer=tokenizer)
    end = model.generation_config.eos_token_id
    settings = GenerationConfig(
        max_new_tokens=LONGEST_ANSWER, do_sample=False, eos_token_id=end, pad_token_id=tokenizer.pad_token_id
    )

    def go(talks: Sequence[list[dict]]) -> list[str]:
        made = [write(talk, generation_config=settings, return_full_text=False) for talk in talks]
        return [m[0]["generated_text"].strip() for m in made]

    return go


def batches_of(loaded: Loaded, size: int = 32) -> Callable[[Sequence[list[dict]]], list[str]]:
    """`generate` for batches of prompts of like length, padded on the left."""
    import torch

    tokenizer, model = loaded.tokenizer, loaded.model
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id

    def go(talks: Sequence[list[dict]]) -> list[str]:
        prompts = [encode_prompt(tokenizer, talk, loaded.context - LONGEST_ANSWER) for talk in talks]
        order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
        texts: dict[int, str] = {}
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            width = max(len(prompts[i]) for i in chosen)
            ids = torch.tensor([[pad] * (width - len(prompts[i])) + prompts[i] for i in chosen], device=model.device)
            seen = torch.tensor([[0] * (width - len(prompts[i])) + [1] * len(prompts[i]) for i in chosen], device=model.device)
            with torch.inference_mode():
                out = model.generate(
                    input_ids=ids, attention_mask=seen, max_new_tokens=LONGEST_ANSWER, do_sample=False, pad_token_id=pad
                )
            for i, row in zip(chosen, out[:, width:].tolist(), strict=True):
                texts[i] = tokenizer.decode(row, skip_special_tokens=True).strip()
        return [texts[i] for i in range(len(talks))]

    return go


def ways_for(name: str, adapter: Path | None, questions: Sequence[Question], arm: str) -> dict[str, Callable[[int], list[str]]]:
    """Each way of answering the first so many questions, on weights of its own."""
    loaded, stock = load_model(name, adapter), load_model(name, adapter)
    put = dress(arm)
    talks = [messages_for(put(q)[0]) for q in questions]
    one_by_one, side_by_side = pipeline_of(stock.model, stock.tokenizer), batches_of(stock)
    ways = {
        "pipeline": lambda n: one_by_one(talks[:n]),
        "batches": lambda n: side_by_side(talks[:n]),
        "ours": lambda n: [a.answer for a in answer_questions(loaded, questions[:n], arm)],
    }
    if adapter:
        merged = pipeline_of(copy.deepcopy(stock.model).merge_and_unload().eval(), stock.tokenizer)
        ways["pipeline_merged"] = lambda n: merged(talks[:n])
    return ways


def row_for(ways: dict[str, Callable[[int], list[str]]], n: int, rounds: int, rng: random.Random) -> dict:
    """Seconds of each way over the rounds, ratios to ours, and how many answers are equal to ours."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    texts: dict[str, list[str]] = {}
    same_again = True
    for way in ways.values():
        way(2)
    for _ in range(rounds):
        for way in rng.sample(sorted(ways), len(ways)):
            began = time.perf_counter()
            made = ways[way](n)
            seconds[way].append(time.perf_counter() - began)
            same_again = same_again and made == texts.setdefault(way, made)
    ours = median(seconds["ours"])
    others = [way for way in ways if way != "ours"]
    return {
        "times_as_fast": {way: round(median(seconds[way]) / ours, 2) for way in others},
        "lowest_of_rounds": {way: round(min(seconds[way]) / max(seconds["ours"]), 2) for way in others},
        "equal": {way: round(sum(a == b for a, b in zip(texts[way], texts["ours"], strict=True)) / n, 4) for way in others},
        "same_in_every_round": same_again,
        "seconds": {way: [round(s, 3) for s in taken] for way, taken in seconds.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--adapter", type=Path, default=REFERENCE / "adapters" / "company")
    parser.add_argument("--questions", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    import peft
    import torch
    import transformers

    rng = random.Random(5)
    asked = rng.sample(read_rows(QUESTIONS / "company_dev.jsonl", Question), args.questions)
    rows = []
    for adapter in (None, args.adapter):
        for arm in args.arms:
            made = row_for(ways_for(args.model, adapter, asked, arm), len(asked), args.rounds, rng)
            rows.append({"adapter": adapter.name if adapter else None, "arm": arm, **made})
            print(json.dumps(rows[-1]), flush=True)
    table = {
        "rows": rows,
        "model": args.model,
        "questions": args.questions,
        "rounds": args.rounds,
        "machine": machine().system,
        "cores": machine().cores,
        "threads": torch.get_num_threads(),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__},
    }
    write_json(args.out, table)


if __name__ == "__main__":
    main()
