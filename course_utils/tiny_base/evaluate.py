"""What the graduate can and cannot do, measured: the table of the model card.

Limits: skills that have no frozen set of their own are not in the table.
"""

import random
from pathlib import Path

from course_utils.records import Question, Section, write_rows
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
