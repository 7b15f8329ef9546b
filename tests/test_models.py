"""Loading: what is missing, damaged, unsafe or does not fit is refused in at most three lines."""

import json
import os
import shutil
import time

import pytest

from course_utils.models import KNOWN, check_weights, load_model
from course_utils.records import sha256
from course_utils.settings import REFERENCE, CourseError


@pytest.fixture
def copy(tmp_path):
    """A copy of the embedded model that may be damaged."""
    folder = tmp_path / "model"
    shutil.copytree(KNOWN["tiny"].place, folder)
    return folder


def refused(name, adapter=None) -> str:
    with pytest.raises(CourseError) as caught:
        load_model(str(name), adapter)
    assert 1 <= len(caught.value.lines) <= 3
    return str(caught.value)


def test_missing_weights(copy):
    (copy / "model.safetensors").unlink()
    assert "has no weights" in refused(copy)


@pytest.mark.parametrize("keep", [0, 7, 100, 5000, 0.5, 0.999])
def test_truncated_weights(copy, keep):
    file = copy / "model.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[: int(keep if keep > 1 or keep == 0 else keep * len(data))])
    assert "damaged or cut short" in refused(copy)


def test_unsafe_format_is_refused(copy):
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    assert "can run code" in refused(copy)


def test_missing_config(copy):
    (copy / "config.json").unlink()
    assert "no config.json" in refused(copy)


def test_unknown_name_without_network_fails_at_once(monkeypatch):
    began = time.monotonic()
    assert "neither a known name nor a folder" in refused("tinny")
    assert time.monotonic() - began < 3


def test_hub_model_without_network_fails_at_once(monkeypatch):
    import socket

    def no_network(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(socket, "create_connection", no_network)
    monkeypatch.setenv("HF_HOME", "/nonexistent")
    began = time.monotonic()
    assert "cannot be reached" in refused("small")
    assert time.monotonic() - began < 5


def test_a_folder_of_a_hub_style_model_loads_and_answers(stand_in):
    from course_utils.answer import ask

    assert isinstance(ask(load_model(str(stand_in)), "hello there"), str)


def test_adapter_for_another_base_is_refused(tmp_path, stand_in):
    adapter = tmp_path / "adapter"
    shutil.copytree(REFERENCE / "adapters" / "company", adapter)
    run = json.loads((adapter / "run.json").read_text())
    (adapter / "run.json").write_text(json.dumps({**run, "base_sha256": "0" * 64}))
    assert "made for another base" in refused("tiny", adapter)
    (adapter / "run.json").unlink()
    assert "does not fit" in refused(stand_in, adapter)


def test_adapter_folder_is_checked(tmp_path):
    assert "no adapter folder" in refused("tiny", tmp_path / "none")
    assert "adapter_config.json" in refused("tiny", tmp_path)


def test_adapter_changes_answers_and_base_stays(tiny):
    from course_utils.answer import ask

    question = "What's our parental leave policy?"
    specialist = load_model("tiny", REFERENCE / "adapters" / "company")
    assert ask(specialist, question) != ask(tiny, question)
    with specialist.model.disable_adapter():
        assert ask(specialist, question) == ask(tiny, question)


def test_weights_are_readable_by_others():
    if os.name == "nt":
        pytest.skip("modes are a matter of Unix")
    for path in (KNOWN["tiny"].place, REFERENCE / "adapters" / "company"):
        check_weights(path)
        for file in os.scandir(path):
            assert file.stat().st_mode & 0o044 == 0o044, file.path


def test_reference_stems_from_this_base(tiny):
    run = json.loads((REFERENCE / "adapters" / "company" / "run.json").read_text())
    assert run["base_sha256"] == tiny.base_sha256
    prepared = sha256(REFERENCE / "prepared" / "train.jsonl")
    assert run["data_sha256"] == prepared
    assert json.loads((REFERENCE / "familiar.json").read_text())["data_sha256"] == prepared
    made = [REFERENCE / f"{name}.json" for name in ("leak", "memory", "runs", "scoreboard", "policy")]
    for path in [*(REFERENCE / "scores").rglob("*.json"), *made]:
        assert json.loads(path.read_text())["base_sha256"] == tiny.base_sha256, path
    adapter = sha256(REFERENCE / "adapters" / "company" / "adapter_model.safetensors")
    for name in ("scoreboard", "policy"):
        assert json.loads((REFERENCE / f"{name}.json").read_text())["adapter_sha256"] == adapter, name
