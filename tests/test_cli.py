"""From the terminal: each verb ends with one line; a mistake is at most three lines, exit code 2, nothing overwritten."""

import pytest

from course_utils.cli import main

QUESTION = {
    "id": "q1",
    "question": "What is a good way to start a meeting?",
    "kind": "general",
    "topic": "t",
    "must_include": ["goal", "time"],
}
EXAMPLE = {
    "id": "e1",
    "messages": [{"role": "user", "content": "Where is the key?"}, {"role": "assistant", "content": "In the blue box."}],
    "topic": "t",
    "kind": "document",
    "source": "test",
}


def run(capsys, *argv) -> tuple[int, list[str], list[str]]:
    code = main([str(a) for a in argv])
    out, err = capsys.readouterr()
    return code, out.strip().splitlines(), err.strip().splitlines()


def test_answer_score_compare(capsys, write, tmp_path):
    questions, answers, scores = write("q.jsonl", [QUESTION]), tmp_path / "a.jsonl", tmp_path / "s.json"
    code, out, _ = run(capsys, "answer", "--questions", questions, "--out", answers)
    assert code == 0
    assert "1 answers" in out[-1]
    code, out, _ = run(capsys, "score", "--questions", questions, "--answers", answers, "--out", scores)
    assert code == 0
    assert out[-1].startswith("correct ")
    assert out[-1].endswith("of 1")
    code, out, _ = run(capsys, "compare", scores, scores)
    assert code == 0
    assert "Cannot tell" in out[-1]


def test_train_ends_with_one_line(capsys, write, tmp_path):
    data = write("t.jsonl", [EXAMPLE])
    code, out, _ = run(capsys, "train", "--data", data, "--out", tmp_path / "adapter", "--epochs", 3)
    assert code == 0
    assert len(out) == 1
    assert "1 examples" in out[0]


def test_prepare_one_desk(capsys, tmp_path):
    code, out, _ = run(capsys, "prepare", "--desk", "hr", "--out", tmp_path / "p")
    assert code == 0
    assert "of 44 facts" in out[-1]
    assert sorted(p.name for p in (tmp_path / "p").iterdir()) == ["counts.json", "train.jsonl", "validation.jsonl"]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["answer", "--questions", "BROKEN", "--out", "OUT"], "line 2"),
        (["answer", "--questions", "none.jsonl", "--out", "OUT"], "does not exist"),
        (["answer", "--questions", "GOOD", "--model", "tinny", "--out", "OUT"], "neither a known name nor a folder"),
        (["answer", "--questions", "GOOD", "--adapter", "nowhere", "--out", "OUT"], "no adapter folder"),
        (["answer", "--questions", "GOOD", "--arm", "magic", "--out", "OUT"], "no arm"),
        (["train", "--data", "BROKEN", "--out", "OUT"], "line 1"),
        (["prepare", "--desk", "legal", "--out", "OUT"], "no desk"),
        (["score", "--questions", "GOOD", "--answers", "none.jsonl", "--out", "OUT"], "does not exist"),
    ],
)
def test_mistakes(capsys, write, tmp_path, argv, says):
    out = tmp_path / "out"
    out.write_text("mine")
    names = {"GOOD": write("good.jsonl", [QUESTION]), "BROKEN": write("broken.jsonl", [QUESTION, '{"id": "q2"']), "OUT": out}
    code, printed, err = run(capsys, *[names.get(a, a) for a in argv])
    assert code == 2
    assert printed == []
    assert 1 <= len(err) <= 3
    assert says in "\n".join(err)
    assert out.read_text() == "mine"


def test_doctor(capsys):
    code, out, _ = run(capsys, "doctor")
    assert code == 0
    assert out[-1] == "this machine can run the course"
    assert any("tokens a second" in line for line in out)


def damaged(tmp_path, damage: str):
    """The embedded model or the company adapter with something wrong; returns the arguments that name it."""
    import json
    import shutil

    from course_utils.models import KNOWN
    from course_utils.settings import REFERENCE

    model, adapter = tmp_path / "model", tmp_path / "adapter"
    shutil.copytree(KNOWN["tiny"].place, model)
    shutil.copytree(REFERENCE / "adapters" / "company", adapter)
    weights = model / "model.safetensors"
    if damage == "missing":
        weights.unlink()
    elif damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:1_000_000])
    elif damage == "other base":
        run = json.loads((adapter / "run.json").read_text())
        (adapter / "run.json").write_text(json.dumps({**run, "base_sha256": "0" * 64}))
        return ["--adapter", adapter]
    return ["--model", model]


@pytest.mark.parametrize(
    ("damage", "says"),
    [("missing", "has no weights"), ("truncated", "damaged or cut short"), ("other base", "made for another base")],
)
def test_what_cannot_be_loaded(capsys, write, tmp_path, damage, says):
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    code, printed, err = run(
        capsys, "answer", "--questions", write("q.jsonl", [QUESTION]), "--out", out, *damaged(tmp_path, damage)
    )
    assert code == 2
    assert printed == []
    assert 1 <= len(err) <= 3
    assert says in err[0]
    assert out.read_text() == "mine"
