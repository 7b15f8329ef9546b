"""Shared by all tests: one thread for each worker, set before torch is imported, and no way to the network for libraries."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def tiny():
    """The embedded base model."""
    from course_utils.models import load_model

    return load_model("tiny")


def _hub_style(folder: Path, kind: str) -> Path:
    """A model folder with the layout and the kind of chat template (ChatML) of a Hub model, random weights."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["the office opens at nine", "hello there"] * 20, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|im_end|>", bos_token="<|im_start|>"
    )
    fast.chat_template = (
        "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    fast.save_pretrained(folder)
    config = AutoConfig.for_model(
        kind,
        vocab_size=len(fast),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=512,
        tie_word_embeddings=True,
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory) -> Path:
    """A Hub-style folder of the Llama architecture."""
    return _hub_style(tmp_path_factory.mktemp("stand_in"), "llama")


@pytest.fixture(scope="session")
def hub_cache(tmp_path_factory) -> Path:
    """A Hub cache as a download leaves it, with stand-ins of `small` and `medium` in their own architectures."""
    from course_utils.models import KNOWN

    cache = tmp_path_factory.mktemp("hub")
    for name, kind in {"small": "llama", "medium": "qwen2"}.items():
        known = KNOWN[name]
        _hub_style(cache / f"models--{known.place.replace('/', '--')}" / "snapshots" / known.revision, kind)
    return cache


@pytest.fixture
def write(tmp_path):
    """Write rows as JSON Lines and return the path."""

    def go(name: str, rows: list[dict | str]) -> Path:
        path = tmp_path / name
        path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows) + "\n", encoding="utf-8")
        return path

    return go
