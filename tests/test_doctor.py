"""The ladder names each fault that is planted in a file, a card or a ruler, first and alone; a clean run has none."""

import sys

import pytest

from course_utils.cli import main
from course_utils.doctor import LADDER, diagnose, odd_answers
from course_utils.prepare import prepare
from course_utils.records import Example, read_rows, write_json, write_rows
from course_utils.settings import REFERENCE

sys.path.insert(0, str(REFERENCE))
import runs

FALLING = [{"step": k, "loss": loss} for k, loss in enumerate((5.0, 3.0, 2.0, 1.4, 1.0, 0.8, 0.7))]
BLOWN_UP = [{"step": k, "loss": loss} for k, loss in enumerate((5.0, 4.0, 4.5, 5.1, 5.0, 4.9, 5.0))]


@pytest.fixture(scope="module", params=["sales", "operations"])
def desk(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    prepare(folder, desk=request.param)
    return request.param, read_rows(folder / "train.jsonl", Example)


FAULTS = {
    "template mismatch": runs.other_template,
    "mask on the wrong words": runs.sides_swapped,
    "too little data": lambda rows: runs.few_wordings(rows, 2),
    "wrong labels": lambda rows: runs.rows_slipped(rows, 0.3),
}


def faults(losses, rows, **ruler) -> list[str]:
    return [f.rung for f in diagnose({"losses": losses}, rows, **ruler) if f.fault]


def test_a_clean_run_has_no_fault(desk):
    name, rows = desk
    own = runs.asked(name)[0]
    assert faults(FALLING, rows, ruler=runs._by_facts, known_right=runs.known_right(own), asked=60) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named_first(desk, fault):
    assert faults(FALLING, FAULTS[fault](desk[1]))[:1] == [fault]


def test_a_rate_that_is_too_high_is_named(desk):
    assert faults(BLOWN_UP, desk[1]) == ["rate too high"]


def test_a_bad_ruler_is_named(desk):
    name, rows = desk
    own = runs.asked(name)[0]
    assert faults(FALLING, rows, ruler=runs.word_for_word, known_right=runs.known_right(own), asked=60) == ["a bad ruler"]
    assert faults(FALLING, rows, asked=10) == ["a bad ruler"]


def test_odd_answers_are_those_that_slipped(desk):
    facts = [e for e in desk[1] if e.kind == "document"]
    slipped = runs.rows_slipped(facts, 0.3)
    moved = {k for k, (a, b) in enumerate(zip(facts, slipped, strict=True)) if a.messages[-1] != b.messages[-1]}
    odd = set(odd_answers(slipped))
    assert len(odd & moved) >= 0.9 * len(moved)
    assert len(odd - moved) <= 0.1 * len(moved)


def test_from_a_terminal(desk, tmp_path, capsys):
    data = write_rows(tmp_path / "rows.jsonl", runs.sides_swapped(desk[1]))
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    for file in (REFERENCE / "adapters" / "company").iterdir():
        (adapter / file.name).write_bytes(file.read_bytes())
    write_json(adapter / "run.json", {"losses": FALLING, "data": str(data)})
    assert main(["doctor", "--adapter", str(adapter), "--data", str(data)]) == 0
    out = capsys.readouterr().out
    assert "FAULT  mask on the wrong words" in out
    assert LADDER["mask on the wrong words"] in out
