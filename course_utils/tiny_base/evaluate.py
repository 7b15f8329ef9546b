"""What the graduate can and cannot do, measured: the table of the model card.

Limits: skills that have no frozen set of their own are not in the table.
"""

import random
from pathlib import Path

from course_utils.records import Question, Section, read_json, write_rows, write_text
from course_utils.settings import QUESTIONS
from course_utils.tiny_base import corpus


def pattern_questions(count: int, seed: int) -> list[Question]:
    """Reading questions from the held-out patterns, which training never sees: half with one section, half with three.

    A third has no answer in its sections.

    Args:
        count: How many.
        seed: Seed of patterns and values.
    """
    rng, texts = random.Random(seed), corpus.material()
    made = []
    for k in range(count):
        sections = 1 if k % 2 == 0 else 3
        patterns = rng.sample(texts.held_out, 2 * sections)
        values = [corpus.slots(rng) for _ in patterns]
        sentences = [corpus.fill(rng.choice(p["sentences"]), v) for p, v in zip(patterns, values, strict=True)]
        documents = [
            Section(
                section=f"{rng.randint(1, 9)}.{i + 1}",
                title=patterns[2 * i]["title"],
                text=" ".join(rng.sample(sentences[2 * i : 2 * i + 2], 2)),
            )
            for i in range(sections)
        ]
        chosen = rng.randrange(len(patterns))
        pattern, filled = patterns[chosen], values[chosen]
        answerable = k % 3 != 2
        question = corpus.fill(rng.choice(pattern["questions" if answerable else "absent"]), filled)
        reference = corpus.fill(rng.choice(pattern["answers"]), filled) if answerable else "The document does not say."
        made.append(
            Question(
                id=f"document-patterns-{k + 1:03d}",
                question=question,
                kind="document",
                topic="one-section" if sections == 1 else "three-sections",
                documents=documents,
                must_include=[corpus.fill(slot, filled) for slot in pattern["must"]] if answerable else [],
                reference=reference,
            )
        )
    return made


def write_pattern_set(
    path: str | Path = QUESTIONS / "document_patterns_test.jsonl", count: int = 240, seed: int = 2026
) -> Path:
    """Write the frozen set of reading questions from held-out patterns."""
    return write_rows(path, pattern_questions(count, seed))


CARD = """# tiny: the graduate

A small language model for the course *Fine-Tuning at Work*: a Llama of {parameters:.1f} million parameters, context {context:,} tokens, trained
from scratch on {tokens:.1f} million tokens of generated conversations about office work ({minutes:.0f} minutes on {device}, {steps:,} steps). It knows how
companies work in general and nothing about any one company.

**Meant for**: showing, on any computer, how fine-tuning works. **Not meant for**: advice to anybody about anything. It is wrong often and
says so seldom; it reads long or crowded documents badly; it knows no facts about the world; it writes English only.

**State**: a first training, short on purpose. It will be replaced by a longer one; the numbers below are those of the weights beside this page.

## What it can do, measured

Frozen test sets, greedy answers, 95% intervals (Wilson). Where nothing can be known, "I don't know" counts as correct.

| set | kind | correct | wrong | invented | refused | questions |
|---|---|---|---|---|---|---|
{rows}

The texts that it learned from stand in `data/base_corpus/`, all written for this course; `make base` trains one of the same length (not bit for bit: this one was stopped and resumed once). Licence: Apache 2.0.
"""


def write_card(folder: str | Path, scores: Path, adapter: str = "none") -> Path:
    """Write the model card of the base from what was measured.

    Args:
        folder: The model's folder, with pretraining.json and config.json.
        scores: Folder of scores, one folder a set.
        adapter: Whose scores; the base's own by default.
    """
    made, config = read_json(Path(folder) / "pretraining.json"), read_json(Path(folder) / "config.json")
    rows = []
    for path in sorted(scores.glob(f"*/tiny+{adapter}+plain.json")):
        for kind, row in read_json(path)["by_kind"].items():
            low, high = row["interval"]
            share = f"{row['correct'] / row['n']:.2f} [{low:.2f}, {high:.2f}]"
            rows.append(
                f"| {path.parent.name} | {kind} | {share} | {row['wrong']} | {row['invented']} | {row['refused']} | {row['n']} |"
            )
    text = CARD.format(
        parameters=made["parameters"] / 1e6,
        context=config["max_position_embeddings"],
        tokens=made["tokens"] / 1e6,
        minutes=made["minutes"],
        device=made["device"] if made["device"] != "CPU" else f"{made['threads']} processor cores",
        steps=made["steps"],
        rows="\n".join(rows),
    )
    return write_text(Path(folder) / "README.md", text)
