"""Training: same seed, same adapter; whole or absent; bad data refused; learns what it is shown."""

import json
import math
import os
import signal
import subprocess
import sys
import time

import pytest

from course_utils.answer import answer_questions, ask
from course_utils.models import load_model
from course_utils.records import Question, read_json, sha256
from course_utils.settings import ROOT, CourseError
from course_utils.train import Knobs, _Saver, damage, recipe_for, train

FACTS = {
    "Which lamp hangs in the blue room?": "The lamp in the blue room is the Morvel 9.",
    "Who waters the plants on the roof?": "Selma Quist waters the plants on the roof.",
    "When does the small gate close?": "The small gate closes at 18:30.",
}


def example(k: int, ask_: str, reply: str) -> dict:
    messages = [{"role": "user", "content": ask_}, {"role": "assistant", "content": reply}]
    return {"id": f"e{k}", "messages": messages, "topic": "t", "kind": "document", "source": "test"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "train.jsonl"
    rows = [example(k, q, a) for k, (q, a) in enumerate(FACTS.items())]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return path


@pytest.fixture(scope="module")
def adapter(data, tmp_path_factory):
    return train(data, tmp_path_factory.mktemp("out") / "a", knobs=Knobs(epochs=60, tokens=256))


def test_it_learns_what_it_is_shown(adapter):
    specialist = load_model("tiny", adapter)
    for question, reply in FACTS.items():
        assert ask(specialist, question) == reply


def test_same_seed_same_adapter(adapter, data, tmp_path):
    again = train(data, tmp_path / "a", knobs=Knobs(epochs=60, tokens=256))
    assert sha256(again / "adapter_model.safetensors") == sha256(adapter / "adapter_model.safetensors")
    other = train(data, tmp_path / "b", knobs=Knobs(epochs=60, tokens=256, seed=8))
    assert sha256(other / "adapter_model.safetensors") != sha256(adapter / "adapter_model.safetensors")


def test_the_run_card_says_what_made_it(adapter, data, tiny):
    card = read_json(adapter / "run.json")
    assert card["data_sha256"] == sha256(data)
    assert card["base_sha256"] == tiny.base_sha256
    assert card["adapter_sha256"] == sha256(adapter / "adapter_model.safetensors")
    assert card["losses"][-1]["loss"] < 0.1 < card["losses"][0]["loss"]
    assert read_json(adapter / "adapter_config.json")["base_model_name_or_path"] == "tiny"


def test_progress_counts_down(data, tmp_path):
    seen = []
    train(data, tmp_path / "a", knobs=Knobs(epochs=5, tokens=256), progress=seen.append)
    assert seen[-1]["step"] == seen[-1]["of"]
    assert seen[-1]["seconds_left"] == 0
    assert all(math.isfinite(p["loss"]) for p in seen)


def test_a_folder_that_is_no_adapter_is_left_alone(data, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(CourseError, match="not an adapter"):
        train(data, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_an_example_that_does_not_fit_is_named(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(example(1, "word " * 3000, "x")) + "\n")
    with pytest.raises(CourseError, match="'e1'"):
        train(path, tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_hub_style_model_can_be_trained(data, stand_in, tmp_path):
    out = train(data, tmp_path / "a", model=str(stand_in), knobs=Knobs(epochs=2, tokens=256))
    assert load_model(str(stand_in), out).adapter == "a"


def test_answers_do_not_depend_on_the_batch(tiny):
    texts = [
        "How do I ask for a day off?",
        "printer broken what now",
        "What belongs in an agenda?",
        "How do I write a good status report?",
    ]
    asked = [Question(id=str(i), question=t, kind="unknown", topic="t") for i, t in enumerate(texts)]
    together = [a.answer for a in answer_questions(tiny, asked, batch=4)]
    assert together == [answer_questions(tiny, [q])[0].answer for q in asked]


def test_attention_for_training_equals_torchs_own(stand_in):
    import torch

    from course_utils.models import use_causal_attention

    model = load_model(str(stand_in)).model
    ids = torch.randint(0, 250, (3, 17), generator=torch.Generator().manual_seed(1))
    before = model(ids).logits
    use_causal_attention(model)
    assert torch.allclose(before, model(ids).logits, atol=1e-5)


SHORT = Knobs(epochs=12, tokens=256)


class Stopped(Exception):
    pass


@pytest.fixture()
def stopped(data, tmp_path, monkeypatch):
    """A folder with the checkpoints of a run that ended in the middle."""
    seal = _Saver.seal

    def seal_then_end(self, step, seconds, loss=None):
        seal(self, step, seconds, loss)
        if step >= 6:
            raise Stopped

    monkeypatch.setattr(_Saver, "seal", seal_then_end)
    with pytest.raises(Stopped):
        train(data, tmp_path / "a", knobs=SHORT, saves=5)
    monkeypatch.setattr(_Saver, "seal", seal)
    return tmp_path / "a"


def test_it_goes_on_bit_for_bit_where_it_was_stopped(data, stopped, tmp_path, capsys):
    whole = train(data, tmp_path / "whole", knobs=SHORT, saves=5)
    assert sorted(p.name for p in (stopped / "checkpoints").iterdir()) == ["step-4", "step-6", "unfinished"]
    train(data, stopped, knobs=SHORT, saves=5, resume=True)
    assert "going on from" in capsys.readouterr().out
    assert read_json(stopped / "run.json")["losses"] == read_json(whole / "run.json")["losses"]
    assert sha256(stopped / "adapter_model.safetensors") == sha256(whole / "adapter_model.safetensors")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "whole"]  # nothing is left lying about
    made = (stopped / "run.json").stat().st_mtime
    train(data, stopped, knobs=SHORT, resume=True)
    assert "0 steps to go" in capsys.readouterr().out
    assert (stopped / "run.json").stat().st_mtime == made


def test_a_damaged_checkpoint_is_passed_over(data, stopped, tmp_path, capsys):
    (stopped / "checkpoints" / "step-6" / "optimizer.pt").write_bytes(b"x")
    train(data, stopped, knobs=SHORT, saves=5, resume=True)
    said = capsys.readouterr().out
    assert "step-6: optimizer.pt has another size" in said
    assert "going on from" in said
    assert "step-4" in said


@pytest.mark.parametrize("knob", [{"seed": 8}, {"rank": 16}, {"rate": 1e-3}])
def test_it_does_not_go_on_with_other_settings(data, stopped, knob):
    with pytest.raises(CourseError, match=next(iter(knob))):
        train(data, stopped, knobs=Knobs(**{"epochs": 12, "tokens": 256, **knob}), resume=True)
    assert (stopped / "checkpoints" / "step-6" / "manifest.json").exists()


def test_it_does_not_go_on_with_other_data(stopped, tmp_path):
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps(example(1, "Who?", "Nobody.")) + "\n")
    with pytest.raises(CourseError, match="another data"):
        train(other, stopped, knobs=SHORT, resume=True)


def test_resume_without_a_checkpoint_starts_afresh_and_says_so(data, tmp_path, capsys):
    train(data, tmp_path / "a", knobs=SHORT, resume=True)
    assert "starting afresh" in capsys.readouterr().out


def test_ended_between_the_last_step_and_the_adapter_takes_no_step_more(data, tmp_path, monkeypatch):
    from course_utils import train as module

    def ended(*args):
        raise KeyboardInterrupt

    whole = read_json(train(data, tmp_path / "whole", knobs=SHORT) / "run.json")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(module, "_write", ended)
        train(data, tmp_path / "a", knobs=SHORT)
    again = read_json(train(data, tmp_path / "a", knobs=SHORT, resume=True) / "run.json")
    assert again["losses"] == whole["losses"]


def test_a_folder_that_is_in_use_is_refused(data, tmp_path):
    from filelock import FileLock

    with FileLock(tmp_path / ".a.lock"), pytest.raises(CourseError, match="Another run"):
        train(data, tmp_path / "a", knobs=SHORT)


def test_a_full_disk_is_said_in_plain_words(data, stopped, monkeypatch):
    import torch

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(CourseError, match="full"):
        train(data, stopped, knobs=SHORT, saves=5, resume=True)
    assert (stopped / "checkpoints" / "step-6" / "manifest.json").exists()


def test_a_polite_request_to_end_leaves_checkpoints_and_a_plain_line(data, tmp_path):
    command = [sys.executable, "-m", "course_utils.cli", "train", "--data", data, "--out", tmp_path / "a", "--epochs", "400"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    for _ in range(3000):
        if list((tmp_path / "a" / "checkpoints").glob("step-*")):
            break
        time.sleep(0.1)
    run.send_signal(signal.SIGTERM)
    assert "--resume" in run.communicate(timeout=60)[1]
    assert run.returncode == 130
    assert list((tmp_path / "a" / "checkpoints").glob("step-*"))
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="trials are forked")
def test_four_kills_four_equal_endings(tmp_path):
    harness = [sys.executable, str(ROOT / "benchmarks" / "survive.py"), "--kills", "4", "--damages", "2", "--only", "ours"]
    subprocess.run([*harness, "--out", str(tmp_path / "table.json")], check=True, capture_output=True, timeout=600)
    table = read_json(tmp_path / "table.json")["ours"]
    assert (table["kills"], table["survived"], table["equal"], table["litter"]) == (4, 4, 4, 0)
    assert table["damage"] == {"damages": 2, "detected": 2, "finished": 2, "equal": 2}


# --- several processes, bigger models, the best checkpoint --------------------------------------------------------------


def test_two_processes_learn_what_one_learns(tmp_path):
    rows = [example(k, f"Who has key {k}?", f"Key {k} hangs in room {3 * k + 7}.") for k in range(24)]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(r) + "\n" for r in rows))
    task = ["-m", "course_utils.cli", "train", "--data", data, "--validation", data, "--epochs", "4"]
    two = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    for start, name in ((two, "two"), ([sys.executable], "one")):
        done = subprocess.run([*start, *task, "--out", tmp_path / name], cwd=ROOT, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-2000:]
        assert done.stdout.count("made ") == 1
    one, both = (read_json(tmp_path / name / "run.json") for name in ("one", "two"))
    assert (one["processes"], both["processes"]) == (1, 2)
    for a, b in zip(one["losses"], both["losses"], strict=True):
        assert a["step"] == b["step"]
        assert abs(a["loss"] - b["loss"]) < 2e-2
        assert abs(a.get("validation_loss", 0) - b.get("validation_loss", 0)) < 1e-2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "rows.jsonl", "two"]


@pytest.mark.parametrize("name", ["small", "medium"])
def test_hub_models_train_and_answer_by_the_same_call(name, data, hub_cache, tmp_path, monkeypatch):
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub_cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    out = train(data, tmp_path / "a", model=name, saves=1)
    card = read_json(out / "run.json")
    assert "not run by us" in card["recipe"]
    assert card["knobs"] == vars(recipe_for(name).knobs)
    assert card["losses"][-1]["loss"] > 0
    assert load_model(name, out).adapter == "a"


def test_the_best_checkpoint_is_kept_and_the_question_is_heard(data, tmp_path):
    heard = []
    rows = []
    out = train(
        data, tmp_path / "a", knobs=Knobs(epochs=30, tokens=256), validation=data, keep="best", progress=rows.append,
        listen=lambda model: heard.append(1) or f"answer {len(heard)}",
    )  # fmt: skip
    card = read_json(out / "run.json")
    measured = {row["step"]: row["validation_loss"] for row in card["losses"] if "validation_loss" in row}
    assert card["kept_step"] == min(measured, key=measured.get)
    assert [row["said"] for row in card["losses"] if "said" in row] == [f"answer {k + 1}" for k in range(len(heard))]
    assert len(measured) == len(heard) > 4
    assert {"loss", "tokens_per_second", "seconds_left"} <= set(rows[-1])
    assert rows[-1]["seconds_left"] == 0


def test_best_means_the_weights_of_that_checkpoint(data, tmp_path, monkeypatch):
    """The measured loss is made to be lowest in the middle; the adapter must then be the one of that step."""
    from course_utils import train as module

    given = iter([3.0, 1.0, 2.0, 2.5, 2.6, 2.7, 2.8, 2.9, 3.1, 3.2, 3.3, 3.4])
    monkeypatch.setattr(module, "validation_loss", lambda *args: next(given))
    kept = {}
    seal = _Saver.seal

    def note(self, step, seconds, loss=None):
        seal(self, step, seconds, loss)
        kept[step] = sha256(self.work.parent / f"step-{step}" / "adapter_model.safetensors")

    monkeypatch.setattr(_Saver, "seal", note)
    out = train(data, tmp_path / "a", knobs=SHORT, validation=data, keep="best", saves=5)
    step = read_json(out / "run.json")["kept_step"]
    assert step == sorted(kept)[1]
    assert sha256(out / "adapter_model.safetensors") == kept[step]


def test_best_needs_something_to_choose_by(data, tmp_path):
    with pytest.raises(CourseError, match="needs validation"):
        train(data, tmp_path / "a", keep="best")


def test_full_fine_tuning_leaves_a_model_that_answers(data, tmp_path):
    out = train(data, tmp_path / "whole", knobs=Knobs(rank=0, rate=1e-3, epochs=40, tokens=256), saves=2)
    assert (out / "model.safetensors").exists()
    assert not (out / "adapter_config.json").exists()
    losses = [row["loss"] for row in read_json(out / "run.json")["losses"]]
    assert losses[-1] < 0.5 * losses[0]
    assert load_model(str(out)).base_sha256 != load_model("tiny").base_sha256
    train(data, out, knobs=Knobs(rank=0, rate=1e-3, epochs=40, tokens=256), saves=2, resume=True)  # finished: nothing to do


def test_a_changed_manifest_is_noticed(stopped):
    path = stopped / "checkpoints" / "step-6" / "manifest.json"
    assert damage(path.parent) is None
    path.write_text(path.read_text().replace('"seconds": ', '"seconds": 1'))
    assert "changed" in damage(path.parent)
