"""Load a base model or an adapter; refuse what is unsafe or does not fit.

One loader for the embedded `tiny`, for named Hub models and for any folder. Safetensors only, never code from a model
folder, Hub revisions pinned. Limits: causal language models with a chat template.
"""

import hashlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from course_utils.records import read_json
from course_utils.settings import DATA, CourseError, machine, shown


@dataclass(frozen=True)
class Known:
    """A model that the course knows by a short name."""

    place: str  # folder, or Hub id
    revision: str | None = None


KNOWN = {
    "tiny": Known(str(DATA / "models" / "tiny-base")),
    "small": Known("HuggingFaceTB/SmolLM2-135M-Instruct", "12fd25f77366fa6b3b4b768ec3050bf629380bac"),
    "medium": Known("Qwen/Qwen2.5-0.5B-Instruct", "7ae557604adf67be50417f59c2c2f167def9a775"),
}


@dataclass
class Loaded:
    """A model ready to answer or to be trained.

    Attributes:
        model: The transformers (or peft) model, in evaluation mode.
        tokenizer: Its tokenizer.
        name: As the learner named it.
        base_sha256: Hash over the base's weights and vocabulary.
        adapter: Name of the adapter's folder, or None.
    """

    model: object
    tokenizer: object
    name: str
    base_sha256: str
    adapter: str | None = None

    @property
    def context(self) -> int:
        """Tokens that fit into one conversation."""
        return self.model.config.max_position_embeddings


def load_model(name: str = "tiny", adapter: str | Path | None = None, dtype: str = "float32") -> Loaded:
    """Load a model, with an adapter on top if one is named.

    Args:
        name: "tiny", "small", "medium", a folder, or a Hub id.
        adapter: Folder of a LoRA adapter that was trained on this base.
        dtype: Number format of the weights in memory.

    Returns:
        The model, in evaluation mode, on the GPU if there is one.

    Raises:
        CourseError: If weights are missing, damaged or unsafe, if the adapter belongs to another base, or if a Hub model
            is asked for without internet.
    """
    _quiet()
    if adapter is not None:
        check_adapter_files(adapter)
    known = KNOWN.get(name, Known(name))
    folder = Path(known.place)
    if folder.is_dir() or name == "tiny":
        check_weights(folder)
        place, revision, local = str(folder), None, True
    else:
        _check_hub(name, known)
        place, revision, local = known.place, known.revision, False
    model, tokenizer = _load(place, revision, local, dtype, name)
    fingerprint = fingerprint_of(folder) if local else f"{known.place}@{revision or model.config._commit_hash}"
    if adapter is not None:
        model = _with_adapter(model, Path(adapter), fingerprint, name)
    model = model.to(machine().device).eval()
    return Loaded(model, tokenizer, name, fingerprint, Path(adapter).name if adapter else None)


def fingerprint_of(folder: str | Path) -> str:
    """SHA-256 over the weights, the vocabulary and the chat template of a model folder."""
    digest = hashlib.sha256()
    for file in sorted(Path(folder).iterdir()):
        if file.suffix == ".safetensors" or file.name in ("tokenizer.json", "chat_template.jinja"):
            digest.update(file.name.encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def check_weights(folder: str | Path) -> None:
    """Refuse a folder whose weights are missing, cut short or in an unsafe format.

    Raises:
        CourseError: Naming the file and what to do.
    """
    folder = Path(folder)
    files = sorted(folder.glob("*.safetensors"))
    again = "Fetch it again (for the course's own files: git checkout data)."
    if not files:
        unsafe = [f.name for f in folder.glob("*.bin")] + [f.name for f in folder.glob("*.pt")]
        if unsafe:
            raise CourseError(
                f"{shown(folder)} holds {unsafe[0]}, a format that can run code when it is loaded.",
                "The course reads .safetensors only.",
                "Ask for the model in that format, or convert it on a machine that you can lose.",
            )
        raise CourseError(f"{shown(folder)} has no weights (a .safetensors file).", None, again)
    for file in files:
        _check_safetensors(file, again)
    for needed in ("config.json", "tokenizer.json"):
        if not (folder / needed).exists() and not (folder / "adapter_config.json").exists():
            raise CourseError(f"{shown(folder)} has no {needed}.", "A model folder holds weights, config and tokenizer.", again)


def _check_safetensors(file: Path, again: str) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            list(opened.keys())
    except (SafetensorError, OSError) as error:
        size = file.stat().st_size
        raise CourseError(
            f"{shown(file)} is damaged or cut short ({size:,} bytes: {str(error)[:80]}).", "Nothing was loaded from it.", again
        ) from None


def check_adapter_files(folder: str | Path) -> None:
    """Refuse a folder that is not a LoRA adapter.

    Raises:
        CourseError: Naming what is missing.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CourseError(
            f"There is no adapter folder {shown(folder)}.", None, "Check the path, or train one: course train --help"
        )
    if not (folder / "adapter_config.json").exists():
        raise CourseError(
            f"{shown(folder)} has no adapter_config.json.",
            "An adapter folder holds adapter_config.json and adapter_model.safetensors.",
            "Name the folder that `course train` wrote.",
        )
    check_weights(folder)


def _with_adapter(model, folder: Path, fingerprint: str, name: str):
    from peft import PeftModel

    run = read_json(folder / "run.json") if (folder / "run.json").exists() else {}
    made_for = run.get("base_sha256")
    if made_for and made_for != fingerprint:
        raise CourseError(
            f"The adapter {shown(folder)} was made for another base ({run.get('model')}, {made_for[:12]}) "
            f"than the one loaded ({name}, {fingerprint[:12]}).",
            "On another base it would answer nonsense, so it is refused.",
            "Load the base that it was made for, or train the adapter again.",
        )
    try:
        return PeftModel.from_pretrained(model, str(folder))
    except (RuntimeError, ValueError) as error:
        raise CourseError(
            f"The adapter {shown(folder)} does not fit the model {name!r} ({str(error).splitlines()[0][:100]}).",
            "An adapter fits only the base that it was trained on.",
            "Load that base, or train the adapter again.",
        ) from None


def _load(place: str, revision: str | None, local: bool, dtype: str, name: str):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    kwargs = {"revision": revision, "trust_remote_code": False, "local_files_only": local}
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, **kwargs)
        model = AutoModelForCausalLM.from_pretrained(place, dtype=getattr(torch, dtype), use_safetensors=True, **kwargs)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise CourseError(
            f"The model {name!r} could not be loaded ({str(error).splitlines()[0][:120]}).",
            f"Known names: {', '.join(KNOWN)}; or a folder, or a Hub id with safetensors weights.",
            "Check the name; a gated model needs an account, the course's own models do not.",
        ) from None
    return model, tokenizer


def _check_hub(name: str, known: Known) -> None:
    """Decide at once whether a Hub model can be had, instead of after a minute of retries."""
    if "/" not in known.place or known.place.startswith((".", "/", "~")):
        raise CourseError(
            f"There is no model {name!r}: neither a known name nor a folder.",
            f"Known names: {', '.join(KNOWN)}; or a folder, or a Hub id such as owner/model.",
            "Use --model tiny to go on with the model that comes with the course.",
        )
    if _in_cache(known) or _online():
        return
    raise CourseError(
        f"The model {name!r} ({known.place}) is not on this machine, and the Hugging Face Hub cannot be reached.",
        "It is downloaded once and works offline afterwards.",
        "Connect to the internet, or use --model tiny, which comes with the course.",
    )


def _in_cache(known: Known) -> bool:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(known.place, "config.json", revision=known.revision)
    return isinstance(found, str)


def _online() -> bool:
    """Whether the Hub answers within three seconds; if not, the Hub's own retries are switched off."""
    import huggingface_hub.constants as constants

    if not constants.HF_HUB_OFFLINE:
        host = constants.ENDPOINT.split("//")[-1].split("/")[0].split(":")[0]
        try:
            socket.create_connection((host, 443), timeout=3).close()
            return True
        except OSError:
            constants.HF_HUB_OFFLINE = True
            os.environ["HF_HUB_OFFLINE"] = "1"
    return False


def _quiet() -> None:
    """Switch off the libraries' own progress bars and one warning that peft causes itself."""
    import warnings

    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)


def causal_attention(module, query, key, value, attention_mask=None, scaling=None, dropout=0.0, **kwargs):
    """Plain causal attention for training rows that are padded on the right.

    On a CPU with 16-bit arithmetic its backward pass takes a quarter of the time of torch's fused kernel at the short
    rows of this course. Padding needs no mask: causal attention never looks to the right.

    Args:
        module: The attention layer (unused).
        query: Shape (rows, heads, tokens, width); key and value likewise.
        key: See query.
        value: See query.
        attention_mask: Ignored.
        scaling: Factor for the scores.
        dropout: Ignored.
        **kwargs: Ignored.

    Returns:
        Mixed values, shape (rows, tokens, heads, width), and None.
    """
    import torch

    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    tokens = query.shape[2]
    hidden = torch.full((tokens, tokens), float("-inf"), dtype=query.dtype, device=query.device).triu(1)
    scores = query @ key.transpose(-1, -2) * scaling + hidden
    return (scores.softmax(-1) @ value).transpose(1, 2).contiguous(), None


def use_causal_attention(model) -> None:
    """Let a model use `causal_attention` from now on; for training only, since answering pads on the left."""
    from transformers import AttentionInterface

    AttentionInterface.register("course_causal", causal_attention)
    model.set_attn_implementation("course_causal")
