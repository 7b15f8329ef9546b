"""Records to training examples: the company's facts, their wordings, and examples that keep the graduate a graduate.

Limits: papers only so far; the pile of tickets, chats and mail joins in the lessons on data.
"""

import random
from collections.abc import Sequence
from pathlib import Path

from course_utils.records import Example, Fact, Message, read_rows, write_json, write_rows
from course_utils.settings import CourseError
from course_utils.sources import COMPANY, NearMiss, Wording, read_facts, read_near_misses, read_wordings


def company_examples(facts: Sequence[Fact], wordings: dict[str, Wording], per_fact: int | None = None) -> list[Example]:
    """One example for each wording of each fact; the answers take turns.

    Each answer first says what was asked, as the graduate's own answers do: "You ask how long parental leave is. ..." With
    it a small model settles on one fact before it states values, and a reader sees at once when it took the wrong one.

    Args:
        facts: What to teach.
        wordings: How it is asked and answered.
        per_fact: At most this many wordings of each fact; all by default.

    Raises:
        CourseError: If a fact has no wordings.
    """
    examples = []
    for fact in facts:
        if fact.id not in wordings:
            raise CourseError(
                f"The fact {fact.id!r} has no wordings.", "Each fact needs some.", "Add a line to data/company/wordings."
            )
        wording = wordings[fact.id]
        for k, question in enumerate(wording.questions[:per_fact]):
            examples.append(
                _example(f"{fact.id}-{k:02d}", question, wording.reply(k), fact.id, "document", f"{fact.paper} {fact.section}")
            )
    return examples


def _example(name: str, question: str, answer: str, topic: str, kind: str, source: str) -> Example:
    messages = [Message(role="user", content=question), Message(role="assistant", content=answer)]
    return Example(id=name, messages=messages, topic=topic, kind=kind, source=source)


NOT_IN_PAPERS = (
    "I do not know. The papers that I learned from do not say that.",
    "I don't know. I have not read anything about that at Larkfield.",
    "I do not know, and I do not want to make something up. Please ask the desk in charge.",
    "I don't know that. It is not in the papers that I have read.",
)


def refusing_examples(misses: Sequence[NearMiss]) -> list[Example]:
    """One example for each question that no paper answers, so that the specialist learns where its knowledge ends."""
    return [
        _example(f"not-in-papers-{k:03d}", miss.question, NOT_IN_PAPERS[k % len(NOT_IN_PAPERS)], "unknown", "unknown", "none")
        for k, miss in enumerate(misses)
    ]


def keeping_examples(general: int, unknown: int, seed: int) -> list[Example]:
    """General and refusing examples from the graduate's own schooling, mixed in so that it forgets neither.

    Args:
        general: How many general ones.
        unknown: How many refusals.
        seed: Which ones.
    """
    from course_utils.tiny_base import corpus, skills

    rng, texts = random.Random(seed), corpus.material()
    found = []
    for kind, maker, count in (("general", skills.general, general), ("unknown", skills.unknown, unknown)):
        for k in range(count):
            messages = [Message(**m) for m in maker(rng, texts)]
            found.append(Example(id=f"{kind}-{k:04d}", messages=messages, topic=kind, kind=kind, source="data/base_corpus"))
    return found


def prepare(
    out: str | Path,
    company: str | Path = COMPANY,
    desk: str | None = None,
    general: int = 900,
    unknown: int = 500,
    seed: int = 7,
) -> dict:
    """Write train.jsonl, validation.jsonl and counts.json into a folder.

    Every eighth wording of a fact goes to validation, so that validation asks known facts in unseen words.

    Args:
        out: The folder to write.
        company: The company's papers, facts and wordings.
        desk: Only this desk's facts, or all.
        general: General examples to mix in.
        unknown: Refusals to mix in.
        seed: Seed of the mix and of the order.

    Returns:
        The counts.

    Raises:
        CourseError: If facts or wordings are missing or the desk is unknown.
    """
    facts = read_facts(company)
    desks = sorted({f.desk for f in facts})
    if desk is not None and desk not in desks:
        raise CourseError(f"There is no desk {desk!r}.", f"Known: {', '.join(desks)}.", "Choose one of them, or leave it out.")
    facts = [f for f in facts if desk in (None, f.desk)]
    misses = [miss for miss in read_near_misses(company) if miss.near in {f.id for f in facts}]
    examples = company_examples(facts, read_wordings(company))
    validation = [e for e in examples if int(e.id.rsplit("-", 1)[1]) % 8 == 7]
    train = [e for e in examples if int(e.id.rsplit("-", 1)[1]) % 8 != 7]
    train += refusing_examples(misses) + keeping_examples(general, unknown, seed)
    random.Random(seed).shuffle(train)
    write_rows(Path(out) / "train.jsonl", train)
    write_rows(Path(out) / "validation.jsonl", validation)
    counts = {
        "facts": len(facts),
        "train": len(train),
        "validation": len(validation),
        "general": general,
        "unknown": unknown,
        "not_in_papers": len(misses),
        "seed": seed,
    }
    write_json(Path(out) / "counts.json", counts)
    return counts


def training_questions(path: str | Path, answered: bool = False) -> list[str]:
    """The last user message of each example of a training file.

    Args:
        path: The file.
        answered: Leave out those that the model learns to refuse.
    """
    examples = [e for e in read_rows(path, Example) if not (answered and e.kind == "unknown")]
    return [[m.content for m in e.messages if m.role == "user"][-1] for e in examples]
