"""Near and far: a question in the words of a text is near it, one about something else is far."""

import pytest

from course_utils.lesson import familiar
from course_utils.records import Question, read_json, read_rows
from course_utils.retrieve import Index
from course_utils.settings import QUESTIONS, REFERENCE


def test_the_same_words_are_nearest():
    index = Index(["When is the canteen open?", "Who waters the plants?", "How long is parental leave?"])
    near = index.nearest("how long is the parental leave")
    assert near.text == "How long is parental leave?"
    assert near.likeness > 0.6
    assert index.nearest("zebra quantum").likeness == 0
    with pytest.raises(ValueError):
        Index([])


def test_the_line_flags_few_company_questions_and_most_outside_ones():
    say = familiar()
    company = [say(q.text) for q in read_rows(QUESTIONS / "company_dev.jsonl", Question)]
    outside = [say(q.text) for q in read_rows(QUESTIONS / "unknown_dev.jsonl", Question) if q.topic == "outside"]
    assert sum(s.startswith("Far") for s in company) / len(company) <= 0.06
    assert sum(s.startswith("Far") for s in outside) / len(outside) >= 0.8
    assert 0 < read_json(REFERENCE / "familiar.json")["line"] < 1
