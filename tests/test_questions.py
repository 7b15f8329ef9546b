"""The frozen sets: sizes, hashes, right references, and no test question in any training wording."""

import hashlib
from collections import Counter

import pytest

from course_utils.prepare import too_near
from course_utils.records import Question, read_rows, sha256
from course_utils.settings import DATA, QUESTIONS
from course_utils.sources import read_facts, read_near_misses, read_papers, read_wordings, source_of
from course_utils.verdict import holds, judge, words

SEED_QUESTIONS = (
    "What's our parental leave policy?",
    "How should I position our premium package?",
    "My subscription isn't working",
    "How should we handle customer complaints?",
)


def rows(name: str) -> list[Question]:
    return read_rows(QUESTIONS / f"{name}.jsonl", Question)


def test_facts_are_many_and_varied():
    facts, papers = read_facts(), read_papers()
    tags = Counter(tag for fact in facts for tag in fact.tags)
    assert len(facts) >= 150
    assert sum(len(sections) for sections in papers.values()) >= 60
    assert tags["multi"] >= 0.4 * len(facts)
    assert tags["steps"] >= 20
    assert tags["exception"] >= 15
    assert tags["twin"] >= 10
    assert max(len(s.text.split()) for sections in papers.values() for s in sections) <= 120


def test_every_fact_stands_in_its_section():
    source = source_of()
    for fact in read_facts():
        for wanted in fact.must_include:
            assert holds(wanted, fact.statement) >= 0, (fact.id, wanted)
            bare = wanted.split(" ~ ")[0] if isinstance(wanted, str) else [w.split(" ~ ")[0] for w in wanted]
            assert holds(bare, source[fact.id]) >= 0, (fact.id, wanted)


@pytest.mark.parametrize(
    ("name", "at_least"),
    [
        ("company_test", 240),
        ("company_dev", 160),
        ("general_test", 300),
        ("unknown_test", 120),
        ("document_patterns_test", 200),
        ("document_natural_test", 60),
        ("skills_test", 240),
    ],
)
def test_sizes(name, at_least):
    assert len(rows(name)) >= at_least


def test_the_company_test_covers_the_fixed_facts_and_the_four_questions():
    fixed = {fact.id for fact in read_facts() if "fixed" in fact.tags}
    asked = rows("company_test")
    assert sum(q.topic in fixed for q in asked) >= 60
    assert set(SEED_QUESTIONS) <= {q.text for q in asked}


@pytest.mark.parametrize("name", ["document_patterns_test", "document_natural_test"])
def test_document_sets_hold_one_and_three_sections_and_a_third_without_answer(name):
    asked = rows(name)
    counts = Counter(len(q.documents) for q in asked)
    assert counts[1] >= 0.4 * len(asked)
    assert counts[3] >= 0.4 * len(asked)
    assert 0.3 <= sum(not q.must_include for q in asked) / len(asked) <= 0.37


def test_skills_have_thirty_questions_each():
    counts = Counter(q.topic for q in rows("skills_test"))
    assert set(counts) == {"instruction", "examples", "turns", "steps", "stray instruction", "writing"}
    assert min(counts.values()) >= 30


def test_references_are_scored_as_right():
    known = source_of()
    sets = ("company_test", "company_dev", "general_test", "document_patterns_test", "document_natural_test", "skills_test")
    for name in sets:
        for q in rows(name):
            assert judge(q, q.reference, known.get(q.topic, "")).outcome == "correct", q.id


def test_frozen_sets_have_not_changed():
    lines = (QUESTIONS / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    listed = dict(reversed(line.split("  ")) for line in lines)
    tests = {path.name for path in QUESTIONS.glob("*_test.jsonl")}
    assert tests == set(listed)
    for name, digest in listed.items():
        assert sha256(QUESTIONS / name) == digest, f"{name} is frozen and has changed"


def test_no_test_question_stands_in_a_training_wording():
    from course_utils.tiny_base import corpus

    texts = corpus.material()
    tests = [q.text for name in ("company_test", "general_test", "unknown_test") for q in rows(name)]
    schooling = [q for facet in texts.facets for q in facet.questions] + list(texts.unknown["questions"])
    wordings = [q for wording in read_wordings().values() for q in wording.questions]
    wordings += [miss.question for miss in read_near_misses()]
    assert too_near(tests, schooling) == []
    assert too_near(tests, wordings) == []
    assert len(too_near(list(SEED_QUESTIONS), ["what is our parental leave policy, what's it?"])) == 1  # the detector detects


def test_no_building_question_is_a_training_wording():
    taught = {tuple(words(text)) for wording in read_wordings().values() for text in wording.questions}
    assert [q.id for q in rows("company_dev") if tuple(words(q.text)) in taught] == []


def test_no_document_question_stands_in_a_house_paper():
    from course_utils.tiny_base import corpus

    tests = [q.question for name in ("document_natural_test", "document_patterns_test") for q in rows(name)]
    papers = corpus.material().documents
    asked = [q for p in papers for q in [*p["absent"], *(q for fact in p["facts"] for q in fact["questions"])]]
    assert too_near(tests, asked) == []


def test_held_out_patterns_are_not_trained_on():
    from course_utils.tiny_base import corpus

    texts = corpus.material()
    trained = {s for p in texts.patterns for s in p["sentences"]} | {p["title"] for p in texts.patterns}
    assert len(texts.held_out) >= 30
    for pattern in texts.held_out:
        assert not trained & ({pattern["title"]} | set(pattern["sentences"]))


def test_wordings_answer_their_fact():
    facts, wordings = {f.id: f for f in read_facts()}, read_wordings()
    assert set(wordings) == set(facts)
    for wording in wordings.values():
        for answer in wording.answers:
            for wanted in facts[wording.id].must_include:
                assert holds(wanted, answer) >= 0, (wording.id, wanted, answer)


def test_training_examples_of_the_reference_do_not_hold_a_test_question():
    from course_utils.prepare import training_questions

    trained = training_questions(DATA / "reference" / "prepared" / "train.jsonl")
    tests = [q.text for name in ("company_test", "unknown_test") for q in rows(name)]
    digests = {hashlib.sha256(t.lower().strip("?.! ").encode()).hexdigest() for t in trained}
    assert not [t for t in tests if hashlib.sha256(t.lower().strip("?.! ").encode()).hexdigest() in digests]
