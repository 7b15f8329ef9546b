"""Near and far: a question in the words of a text is near it, one about something else is far."""

import pytest

from course_utils.lesson import familiar
from course_utils.records import Question, Section, read_json, read_rows
from course_utils.retrieve import Index, Library
from course_utils.settings import QUESTIONS, REFERENCE


def test_the_same_words_are_nearest():
    index = Index(["When is the canteen open?", "Who waters the plants?", "How long is parental leave?"])
    near = index.nearest("how long is the parental leave")
    assert near.text == "How long is parental leave?"
    assert near.likeness > 0.6
    assert index.nearest("zebra quantum").likeness == 0
    with pytest.raises(ValueError):
        Index([])


def test_a_library_finds_the_section_that_shares_the_rarest_words():
    leave = Section(section="3.4", title="Parental leave", text="The leave is paid for 16 weeks.")
    canteen = Section(section="7.1", title="Canteen", text="The canteen is open at noon and the food is paid by card.")
    library = Library({"handbook": [canteen, leave]})
    assert library.find("How long is the parental leave?", 1) == [("handbook", leave)]
    assert library.find("is the canteen open", 5) == [("handbook", canteen), ("handbook", leave)]
    with pytest.raises(ValueError):
        Library({})


def test_the_line_flags_few_company_questions_and_most_outside_ones():
    say = familiar()
    company = [say(q.text) for q in read_rows(QUESTIONS / "company_dev.jsonl", Question)]
    outside = [say(q.text) for q in read_rows(QUESTIONS / "unknown_dev.jsonl", Question) if q.topic == "outside"]
    assert sum(s.startswith("Far") for s in company) / len(company) <= 0.06
    assert sum(s.startswith("Far") for s in outside) / len(outside) >= 0.8
    assert 0 < read_json(REFERENCE / "familiar.json")["line"] < 1
