"""The vocabulary of `tiny`: byte-level BPE, digits one by one, trained on the generated corpus.

Limits: small on purpose (4,096 entries), so rare words fall into several pieces.
"""

from collections.abc import Iterable
from pathlib import Path

from course_utils.chat import BOS, END, PAD, ROLES, TEMPLATE

VOCABULARY = 4096


def train_tokenizer(texts: Iterable[str], folder: str | Path, context: int):
    """Train the tokenizer and save it.

    Args:
        texts: Plain texts of the corpus.
        folder: Where tokenizer.json and its companions go.
        context: Tokens that fit into the model.

    Returns:
        The tokenizer, as transformers loads it.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d| ?\p{L}+| ?[^\s\p{L}\d]+|\s+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, BOS, END, *ROLES],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=list(ROLES),
        model_max_length=context,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    return fast
