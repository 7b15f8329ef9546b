"""Files in and out: a bad row names file, line, field and fix; a file is whole or absent."""

import pytest

from course_utils.records import Example, Question, read_rows, sha256, write_rows, write_text
from course_utils.settings import CourseError

GOOD = {"id": "a", "question": "How long?", "kind": "company", "topic": "t", "must_include": ["16 weeks"]}


def test_rows_survive_the_round_trip(write, tmp_path):
    rows = read_rows(write("q.jsonl", [GOOD]), Question)
    assert read_rows(write_rows(tmp_path / "again.jsonl", rows), Question) == rows


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ('{"id": "b", "question": ', ["line 2", "not valid JSON"]),
        ({**GOOD, "id": "b", "must_inclde": ["x"]}, ["line 2", "must_inclde"]),
        ({**GOOD, "id": "b", "kind": "compny"}, ["line 2", "'kind'"]),
        ({**GOOD, "id": "b", "question": None}, ["line 2", "either 'question' or 'messages'"]),
        ({**GOOD, "id": "b", "must_include": []}, ["line 2", "'must_include' is empty"]),
        ({**GOOD, "id": "b", "kind": "general"}, ["line 2", "at least two"]),
        (GOOD, ["line 2", "'a' stands in line 1"]),
        ("[1, 2]", ["line 2"]),
    ],
)
def test_a_bad_row_is_named(write, bad, says):
    with pytest.raises(CourseError) as caught:
        read_rows(write("q.jsonl", [GOOD, bad]), Question)
    text = str(caught.value)
    assert "q.jsonl" in text
    assert len(caught.value.lines) <= 3
    for part in says:
        assert part in text


def test_missing_empty_and_foreign_encodings_are_named(tmp_path):
    for name, data, says in (
        ("no.jsonl", None, "does not exist"),
        ("e.jsonl", b"\n\n", "is empty"),
        ("l.jsonl", b'{"id": "\xfc"}', "UTF-8"),
    ):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(CourseError, match=says):
            read_rows(tmp_path / name, Question)


def test_a_training_example_ends_with_the_assistant(write):
    row = {"id": "a", "messages": [{"role": "user", "content": "x"}] * 2, "topic": "t", "kind": "general", "source": "s"}
    with pytest.raises(CourseError, match="assistant"):
        read_rows(write("e.jsonl", [row]), Example)


def test_a_failed_write_leaves_the_old_file_whole(tmp_path):
    path = write_text(tmp_path / "x.txt", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


def test_hash_is_the_same_with_windows_line_ends(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"1\n2\n")
    (tmp_path / "b.jsonl").write_bytes(b"1\r\n2\r\n")
    assert sha256(tmp_path / "a.jsonl") == sha256(tmp_path / "b.jsonl")
