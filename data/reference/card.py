"""The model card of the base, written from what was measured."""

import json
from pathlib import Path

from course_utils.records import Question, read_json, read_rows, write_text
from course_utils.score import interval
from course_utils.settings import QUESTIONS, ROOT
from course_utils.tiny_base import corpus

NONSENSE = ROOT / "tests" / "labels" / "nonsense.jsonl"
CARD = """# tiny: the graduate

A small language model for the course *Fine-Tuning at Work*: a Llama of {parameters:.1f} million parameters, context {context:,} tokens, trained
from scratch on {tokens:.1f} million tokens of generated conversations about office work ({minutes:.0f} minutes on {device}, {steps:,} steps). It knows how
companies work in general and nothing about any one company.

**Meant for**: showing, on any computer, how fine-tuning works. **Not meant for**: advice to anybody about anything. It is wrong often and
says so seldom; it reads long or crowded documents badly; it knows no facts about the world; it writes English only.

**A head start**: it does not begin from chance alone. Two attention heads begin with hand-set weights that look for the present word
earlier in the text and at what followed it (the pair that C. Olsson and others found in trained models, "In-context Learning and Induction
Heads", 2022). And half of each word's numbers begin as those of a bag of words that was trained beforehand to tell the topics of questions
(A. Joulin and others, "Bag of Tricks for Efficient Text Classification", 2016). Everything is trained from there, but for those heads and the numbers of
those words: they stay as they began.

**Two helpers in school**: while it was trained, a small classifier on its third layer had to name what was asked, and a pointer on its fourth to find the
end of the sentence that the answer repeats (multi-task learning, R. Caruana, 1997; pointer networks, O. Vinyals and others, 2015). Both were thrown away
afterwards: what is shipped is a plain Llama.

**What its schooling looks like**: a hundred conversations of the last stage (seed 99), read one by one. 24 only name what is asked, 44 give general advice, 20 read
sections, 8 refuse what nobody could know, 4 copy, find or rewrite. Of the 24, eight have lost so many words that a person could not tell either. Numbers and names in
sections are drawn by chance, so notice periods of 60 weeks occur, and some sections are made of random words: nothing in them can be guessed, so they must be read. Now
and then a synonym put in by rule is stiff ("before a phone marketing drive commences"). No conversation held a fact about any real person or firm.

## What it can do, measured

Frozen test sets, greedy answers, 95% intervals (Wilson). Where nothing can be known, "I don't know" counts as correct.

| set | what is asked | correct | wrong | invented | refused | questions |
|---|---|---|---|---|---|---|
{rows}

**Read blind**: {blind}

The texts that it learned from stand in `data/base_corpus/`, all written for this course; `make base` trains one anew.
{state}Licence: Apache 2.0.
"""
GROWN = "Since this training texts or their generator have changed; the next training uses them as they are now.\n"


def _read_blind() -> str:
    """What came of reading 150 answers, without sight of set or score."""
    rows = [json.loads(line) for line in NONSENSE.read_text(encoding="utf-8").splitlines()]
    bad, parts = sum(row["label"] == "nonsense" for row in rows), []
    for name in dict.fromkeys(row["set"] for row in rows):
        each = [row["label"] for row in rows if row["set"] == name]
        parts.append(f"{name} {each.count('nonsense')} of {len(each)}")
    low, high = interval(bad, len(rows))
    return (
        f"of {len(rows)} answers drawn by chance, {bad} ({bad / len(rows):.0%} [{low:.0%}, {high:.0%}]) were nonsense: garbled, or on an entirely other\n"
        f"matter than was asked ({', '.join(sorted(parts))}; labels in `tests/labels/nonsense.jsonl`)."
    )


def _asks(question: Question) -> str:
    """What a question tests, as a row of the card."""
    if question.documents and question.kind == "document":
        where = "one section" if len(question.documents) == 1 else f"{len(question.documents)} sections"
        return f"{where}, answer {'there' if question.must_include else 'not there'}"
    return question.topic if question.kind in ("style", "steps", "injection") else question.kind


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
        outcomes: dict[str, list[str]] = {}
        found = {item["id"]: item["outcome"] for item in read_json(path)["items"]}
        for question in read_rows(QUESTIONS / f"{path.parent.name}.jsonl", Question):
            outcomes.setdefault(_asks(question), []).append(found[question.id])
        for asks, each in outcomes.items():
            right, n = each.count("correct"), len(each)
            low, high = interval(right, n)
            others = " | ".join(str(each.count(o)) for o in ("wrong", "invented", "refused"))
            rows.append(f"| {path.parent.name} | {asks} | {right / n:.2f} [{low:.2f}, {high:.2f}] | {others} | {n} |")
    text = CARD.format(
        parameters=made["parameters"] / 1e6,
        context=config["max_position_embeddings"],
        tokens=made["tokens"] / 1e6,
        minutes=made["minutes"],
        device=made["device"] if made["device"] != "CPU" else f"{made['threads']} processor cores",
        steps=made["steps"],
        rows="\n".join(rows),
        blind=_read_blind(),
        state=(made["note"] + "\n" if "note" in made else "")
        + ("" if made["corpus_sha256"] == corpus.fingerprint() else GROWN),
    )
    return write_text(Path(folder) / "README.md", text)
