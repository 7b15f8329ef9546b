"""From a pile to a training file: duplicates, contradictions, splits and leaks, scored on what was planted."""

import json
import random
import re
from collections import defaultdict

import pytest

from course_utils.prepare import (
    audit,
    check_file,
    clean_pile,
    duplicates,
    frozen_questions,
    keeping_examples,
    prepare,
    split,
    tidy,
    too_near,
)
from course_utils.privacy import Scrubber
from course_utils.records import Example, Thread, Turn, read_rows
from course_utils.settings import CourseError
from course_utils.sources import RAW, read_papers, read_pile, read_roster, read_secrets


@pytest.fixture(scope="module")
def planted():
    """Rows of the ledger that are no single text, by kind and record."""
    rows: dict[str, dict[str, dict]] = defaultdict(dict)
    for line in (RAW / "ledger.jsonl").read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        if "value" not in item:
            rows[item["type"]][item["record"]] = item
    return rows


@pytest.fixture(scope="module")
def cleaned():
    scrubber = Scrubber(read_roster(), read_secrets())
    return clean_pile(read_pile(), scrubber, read_papers())


def test_duplicates_are_found_and_little_else(cleaned, planted):
    twins = {**planted["exact_duplicate"], **planted["near_duplicate"]}
    before = {a.field for a in cleaned.aside if not a.reason.startswith("repeats")}
    reached = [record for record in twins if record in cleaned.duplicates or record not in before]
    assert len(reached) > 80
    assert sum(record in cleaned.duplicates for record in reached) >= 0.97 * len(reached)
    false = [record for record in cleaned.duplicates if record not in twins]
    assert len(false) <= 0.01 * cleaned.counts["whole"]


def test_what_cannot_be_learned_from_is_set_aside_with_its_reason(cleaned, planted):
    kept = {e.id for e in cleaned.examples}
    for kind in ("spam", "other_language", "off_topic", "truncated", "empty", "broken_row"):
        assert planted[kind]
        assert not kept & set(planted[kind]), kind
    rows = sum(1 for _ in read_pile())
    assert len(cleaned.examples) + len(cleaned.aside) == rows
    assert all(a.reason and a.fix for a in cleaned.aside)


def test_answers_that_the_papers_contradict_are_taken_out(cleaned, planted):
    wrong = {**planted["outdated"], **planted["contradicting"]}
    caught = {a.field for a in cleaned.aside if a.reason.startswith("says")}
    assert len(caught & set(wrong)) >= 0.5 * len(wrong)  # only figures and codes can be compared
    assert len(caught - set(wrong)) <= 0.01 * cleaned.counts["whole"]


def test_public_prices_stay(cleaned):
    answers = " ".join(m.content for e in cleaned.examples for m in e.messages if m.role == "assistant")
    assert "420 euros" in answers
    assert answers.count("[email-") < 40


def test_no_customer_stands_on_both_sides(cleaned):
    train, held = split(cleaned.examples, cleaned.groups)
    sides = [{cleaned.groups[e.id] for e in part} for part in (train, held)]
    assert not sides[0] & sides[1]
    assert 0.05 < len(held) / len(cleaned.examples) < 0.2
    assert len(train) + len(held) == len(cleaned.examples)


def test_no_example_stands_near_a_frozen_question(cleaned):
    frozen = frozen_questions()
    kept, _ = audit(cleaned.examples, frozen)
    asked = [[m.content for m in e.messages if m.role == "user"][-1] for e in kept]
    assert too_near(frozen, asked) == []
    planted_leak = cleaned.examples[0].model_copy(deep=True)
    planted_leak.messages[0].content = frozen[0]
    assert audit([planted_leak], frozen)[0] == []


def test_planted_leaks_are_found_and_little_else(cleaned):
    """A frozen question as it creeps in: greeted, in small letters, with a slip, with other numbers, inside a longer message."""
    rng, frozen = random.Random(5), frozen_questions()
    changes = (
        lambda q: q,
        lambda q: f"Hi there, {q[0].lower()}{q[1:]} Thanks a lot!",
        lambda q: q.lower().rstrip("?.!"),
        lambda q: re.sub(r"\d", lambda _: str(rng.randrange(10)), q),
        lambda q: (lambda k: q[:k] + q[k + 1 :])(rng.randrange(len(q) // 2, len(q))),
        lambda q: f"{rng.choice(cleaned.examples).messages[0].content} {q}",
    )
    leaks = []
    for k, question in enumerate(rng.sample(frozen, 300)):
        leak = cleaned.examples[k].model_copy(deep=True, update={"id": f"leak-{k}"})
        leak.messages[-2].content = changes[k % len(changes)](question)
        leaks.append(leak)
    kept, _ = audit(leaks, frozen)
    assert len(kept) <= 0.03 * len(leaks), [e.messages[-2].content for e in kept]
    clean, _ = audit(cleaned.examples, frozen)
    assert len(cleaned.examples) - len(clean) <= 0.01 * len(cleaned.examples)


def thread(name: str, text: str, customer: str = "1") -> Thread:
    return Thread(id=name, source="tickets", topic="t", customer=customer, turns=[Turn(speaker="customer", text=text)])


def test_the_same_words_of_another_customer_are_no_duplicate():
    text = "The import of our price list stops after half of the rows and shows no message."
    assert duplicates([thread("a", text), thread("b", text + " Please."), thread("c", text, "2")]) == {"b": "a"}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Dear [name-3f2a],\n\nThe export stops.\n\nKind regards,\n[name-11aa]\n[phone-22bb]", "The export stops."),
        ("hi [name-3f2a]\nwhat now\nthanks", "what now"),
        ("On 3 March 2025, [name-3f2a] wrote:\nIt fails.", "It fails."),
        ("No greeting at all, and no end", "No greeting at all, and no end"),
    ],
)
def test_greeting_and_signature_go_and_the_matter_stays(text, left):
    assert tidy(text) == left


def test_rehearsal_holds_every_kind_of_skill():
    topics = {e.topic for e in keeping_examples(300, 1)}
    assert {"general", "unknown", "house_paper", "styled", "turns", "few_shot", "steps"} <= topics


def test_the_share_to_keep_is_kept(tmp_path):
    counts = prepare(tmp_path, desk="hr", keep=0.2)
    assert counts["kept"] == pytest.approx(0.2 * counts["train"], abs=1)
    examples = read_rows(tmp_path / "train.jsonl", Example)
    assert sum(e.id.startswith("kept-") for e in examples) == counts["kept"]
    with pytest.raises(CourseError):
        prepare(tmp_path, keep=1.0)


def test_check_says_whether_a_file_would_be_accepted(write):
    def row(k: int, text: str) -> dict:
        messages = [{"role": "user", "content": f"{text} {k}"}, {"role": "assistant", "content": "Yes."}]
        return {"id": str(k), "messages": messages, "topic": "t", "kind": "conversation", "source": "s"}

    good = check_file(write("good.jsonl", [row(k, "May I?") for k in range(12)]))
    assert all(line.startswith("yes") for line in good)
    few = check_file(write("few.jsonl", [row(k, "May I?") for k in range(3)]))
    assert sum(line.startswith("NO") for line in few) == 1
    leaky = check_file(write("leaky.jsonl", [row(k, "Write to a.person@mail.example.com") for k in range(12)]))
    assert "12 email" in " ".join(line for line in leaky if line.startswith("NO"))


def test_the_same_pile_gives_the_same_file(tmp_path):
    for name in ("a", "b"):
        prepare(tmp_path / name, raw=RAW, desk="support")
    for file in ("train.jsonl", "validation.jsonl", "set_aside.jsonl", "card.md"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_no_planted_identifier_is_left_in_any_file_that_is_written(tmp_path):
    """Byte search over everything that `course prepare` writes; the same search finds them in the pile itself."""
    kinds = ("email", "phone", "iban", "card", "tax_id", "employee_id", "password", "api_key", "customer_url")
    rows = [json.loads(line) for line in (RAW / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
    wanted = {row["value"] for row in rows if row["type"] in kinds}
    counts = prepare(tmp_path, raw=RAW, desk="support")
    assert counts["from_the_pile"] > 1000
    written = "\n".join(path.read_text(encoding="utf-8") for path in tmp_path.rglob("*") if path.is_file())
    assert [value for value in wanted if value in written] == []
    pile = "\n".join((RAW / name).read_text(encoding="utf-8", errors="replace") for name in ("tickets.jsonl", "chats.csv"))
    assert sum(value in pile for value in wanted) > 0.6 * len(wanted)
