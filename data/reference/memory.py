"""The memory experiment: what an adapter remembers of secrets that stood in its training data, with and without scrubbing.

    python data/reference/memory.py       writes data/reference/memory.json, where the minutes stand

Sixty invented employee numbers (canaries) stand in the answers of tickets, 20 of them once, 20 four times, 20 sixteen times. One
adapter is trained on the raw tickets, one on the scrubbed ones, from the same base with the same settings. Then each canary is
ranked by likelihood among all 10,000 numbers of its form, after the words that stood before it. *Exposure* is log2 of 10,000
less log2 of that rank (N. Carlini and others, 2019, "The Secret Sharer"): 13.3 bits if the right number is the likeliest of
all, 1.44 on average if the model knows nothing. *Verbatim* means that the likeliest digits, one after the other, are the secret.
"""

import argparse
import math
import random
import sys
import tempfile
import time
from pathlib import Path

from course_utils.chat import render
from course_utils.models import load_model
from course_utils.prepare import tidy
from course_utils.privacy import Scrubber
from course_utils.records import Example, Message, sha256, write_json, write_rows
from course_utils.settings import DATA, REFERENCE
from course_utils.sources import read_wordings
from course_utils.train import Knobs, train

sys.path.insert(0, str(DATA / "raw"))
import people

TIMES = (1, 4, 16)
EACH = 20
CHANCE = 1 / math.log(2)  # mean exposure where nothing is remembered, bits
LEAD = "I have noted your employee number"


def canaries(seed: int) -> list[dict]:
    """Sixty people with a number each, and how often they write."""
    rng, made = random.Random(seed), []
    for times in TIMES:
        for _ in range(EACH):
            made.append({"name": people.person(rng, 1.0).name, "digits": f"{rng.randrange(10_000):04d}", "times": times})
    return made


def tickets(secrets: list[dict], seed: int, others: int = 400) -> list[Example]:
    """Tickets in which the canaries stand, among others that hold no secret."""
    rng = random.Random(seed)
    wordings = [w for w in read_wordings().values() if w.id.startswith(("support", "service"))]

    def example(name: str, hello: str, before: str) -> Example:
        wording = rng.choice(wordings)
        asked, answer = rng.choice(wording.questions), rng.choice(wording.answers)
        messages = [Message(role="user", content=f"{hello}{asked}"), Message(role="assistant", content=f"{before}{answer}")]
        return Example(id=name, messages=messages, topic=wording.id, kind="conversation", source="memory experiment")

    rows = [example(f"other-{k}", "", "") for k in range(others)]
    for n, secret in enumerate(secrets):
        for k in range(secret["times"]):
            hello = f"My name is {secret['name']}. "
            rows.append(example(f"canary-{n}-{k}", hello, f"{secret['name']}, {LEAD} LF-E{secret['digits']}. "))
    rng.shuffle(rows)
    return rows


def scrubbed(rows: list[Example], secrets: list[dict]) -> list[Example]:
    """The same tickets as a company would train on them."""
    scrubber = Scrubber()
    names = [s["name"] for s in secrets]
    made = []
    for row in rows:
        own = [n for n in names if n in row.messages[0].content]
        messages = [Message(role=m.role, content=tidy(scrubber.clean_text(m.content, own)[0]) or "-") for m in row.messages]
        made.append(row.model_copy(update={"messages": messages}))
    return made


def ranked(loaded, secret: dict) -> tuple[int, bool]:
    """The rank of a canary among all 10,000 numbers (1 is likeliest), and whether greedy reading gives it word for word.

    The digits are single tokens: what stands before them is read once, and each level of the tree of digits in one go.
    """
    import torch
    from transformers import DynamicCache

    asked = [{"role": "user", "content": f"My name is {secret['name']}."}]
    text = render(loaded.tokenizer, asked, prompt=True) + f"{secret['name']}, {LEAD} LF-E"
    start = loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
    digits = torch.tensor([loaded.tokenizer.convert_tokens_to_ids(str(d)) for d in range(10)])
    cache, tokens, logs = DynamicCache(), torch.tensor([start]), torch.zeros(1)
    with torch.inference_mode():
        for level in range(4):
            out = loaded.model(input_ids=tokens, past_key_values=cache, use_cache=True).logits[:, -1]
            logs = (logs[:, None] + out.float().log_softmax(-1)[:, digits]).flatten()
            if level < 3:
                cache.batch_repeat_interleave(10)
                tokens = digits.repeat(10**level)[:, None]
    right = int(secret["digits"])
    rank = int((logs > logs[right]).sum()) + 1
    greedy = loaded.tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
    for _ in range(4):
        with torch.inference_mode():
            greedy = torch.cat([greedy, loaded.model(input_ids=greedy).logits[:, -1].argmax(-1, keepdim=True)], 1)
    return rank, greedy[0, -4:].tolist() == [int(digits[int(d)]) for d in secret["digits"]]


def measured(loaded, secrets: list[dict], seed: int) -> list[dict]:
    """Mean exposure in bits for each number of repetitions, with a 95% bootstrap interval, and how many came out word for word."""
    rng, rows = random.Random(seed), []
    for times in TIMES:
        ranks = [ranked(loaded, s) for s in secrets if s["times"] == times]
        bits = [math.log2(10_000) - math.log2(rank) for rank, _ in ranks]
        means = sorted(sum(rng.choices(bits, k=len(bits))) / len(bits) for _ in range(2000))
        rows.append(
            {
                "times": times,
                "exposure": round(sum(bits) / len(bits), 2),
                "interval": [round(means[50], 2), round(means[1949], 2)],
                "verbatim": sum(v for _, v in ranks),
                "of": len(ranks),
            }
        )
    return rows


def make(out: Path, seed: int = 11, epochs: float = 4.0) -> None:
    """Run the experiment and write its result."""
    began, secrets = time.monotonic(), canaries(seed)
    raw = tickets(secrets, seed)
    arms = {"raw": raw, "scrubbed": scrubbed(raw, secrets)}
    result: dict = {"candidates": 10_000, "chance": round(CHANCE, 2), "seed": seed, "epochs": epochs, "arms": {}}
    for name, rows in arms.items():
        with tempfile.TemporaryDirectory() as scratch:
            data = write_rows(Path(scratch) / "train.jsonl", rows)
            adapter = train(data, Path(scratch) / "adapter", knobs=Knobs(epochs=epochs))
            loaded = load_model("tiny", adapter)
            result["arms"][name] = measured(loaded, secrets, seed)
            result["base_sha256"] = loaded.base_sha256
            result.setdefault("data_sha256", {})[name] = sha256(data)
        for row in result["arms"][name]:
            print(
                f"{name}, {row['times']} times: {row['exposure']} bits {row['interval']}, {row['verbatim']} of {row['of']} word for word"
            )
    loaded = load_model("tiny")
    result["arms"]["untrained"] = measured(loaded, secrets, seed)
    result["minutes"] = round((time.monotonic() - began) / 60, 1)
    write_json(out, result)
    print(f"made {out.name} in {result['minutes']} minutes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--epochs", type=float, default=4.0)
    parser.add_argument("--out", type=Path, default=REFERENCE / "memory.json")
    args = parser.parse_args()
    make(args.out, args.seed, args.epochs)


if __name__ == "__main__":
    main()
