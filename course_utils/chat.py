"""What the model really reads: one chat template, one way to put documents before a question, one loss mask.

Training, answering and serving all use this module, so that a model meets in use what it met in training.
Limits: the mask works for chat templates that only ever append; a template that rewrites earlier turns is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from course_utils.records import Message, Question, Section
from course_utils.settings import CourseError

BOS, END, PAD = "<|bos|>", "<|end|>", "<|pad|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")

# The template of `tiny`. {% generation %} marks the assistant's words, so that other trainers find the same mask.
TEMPLATE = (
    "{{ '<|bos|>' }}{% for m in messages %}"
    "{% if m['role'] == 'assistant' %}{{ '<|assistant|>' }}"
    "{% generation %}{{ m['content'] + '<|end|>' }}{% endgeneration %}"
    "{% else %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


@dataclass(frozen=True)
class Encoded:
    """A conversation as numbers.

    Attributes:
        ids: Token ids, shape (tokens,).
        mask: 1 where a token is trained on (the assistant's words and the end mark), else 0, shape (tokens,).
    """

    ids: list[int]
    mask: list[int]


def with_documents(question: str, documents: Sequence[Section]) -> str:
    """The user's message when sections are put before the model."""
    parts = [f"Section {d.section}, {d.title}:\n{d.text}" for d in documents]
    return "\n\n".join([f"Question: {question}", *parts, f"Question: {question}"])


def messages_for(question: Question) -> list[dict[str, str]]:
    """The conversation that asks this question, as plain dicts."""
    if question.messages is not None:
        messages = [m.model_dump() for m in question.messages]
    else:
        text = with_documents(question.question, question.documents) if question.documents else question.question
        messages = [{"role": "user", "content": text}]
    return [{"role": "system", "content": question.system}, *messages] if question.system else messages


def render(tokenizer, messages: Sequence[Message | dict], prompt: bool) -> str:
    """The exact text that the model reads.

    Marks such as `<|end|>` inside a message are broken up first: text from data must not pass for a turn of its own.

    Args:
        tokenizer: A Hugging Face tokenizer with a chat template.
        messages: The conversation.
        prompt: Whether to end with the mark after which the assistant speaks.

    Raises:
        CourseError: If the tokenizer has no chat template.
    """
    if not tokenizer.chat_template:
        raise CourseError(
            "This model has no chat template.", "The course needs an instruct or chat model.", "Choose one whose name says so."
        )
    plain = []
    for message in messages:
        message = message if isinstance(message, dict) else message.model_dump()
        content = message["content"]
        for mark in tokenizer.all_special_tokens:
            content = content.replace(mark, " ".join(mark))
        plain.append({**message, "content": content})
    return tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=prompt)


def encode(tokenizer, messages: Sequence[Message | dict], longest: int) -> Encoded:
    """A conversation as token ids, with the mask of what is trained on.

    Args:
        tokenizer: A Hugging Face fast tokenizer with a chat template.
        messages: The conversation, ending with the assistant.
        longest: Tokens that fit into the model.

    Returns:
        Ids and mask of equal length.

    Raises:
        CourseError: If the conversation is longer than fits, or the template rewrites earlier turns.
    """
    text = render(tokenizer, messages, prompt=False)
    spans = []
    for turn, message in enumerate(messages):
        role = message["role"] if isinstance(message, dict) else message.role
        if role == "assistant":
            before = render(tokenizer, messages[:turn], prompt=True)
            after = render(tokenizer, messages[: turn + 1], prompt=False)
            if not (text.startswith(before) and text.startswith(after)):
                raise CourseError(
                    "This model's chat template rewrites earlier turns.",
                    "The loss mask needs a template that only appends.",
                    "Train on conversations with one answer each, or choose another model.",
                )
            spans.append((len(before), len(after.rstrip())))
    tokens = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    check_length(len(tokens["input_ids"]), longest)
    mask = [int(any(start < b and end > a for a, b in spans)) for start, end in tokens["offset_mapping"]]
    return Encoded(list(tokens["input_ids"]), mask)


def encode_prompt(tokenizer, messages: Sequence[Message | dict], longest: int) -> list[int]:
    """A conversation as token ids, ending where the assistant is to speak.

    Raises:
        CourseError: If it is longer than `longest` tokens; it is never cut silently.
    """
    ids = tokenizer(render(tokenizer, messages, prompt=True), add_special_tokens=False)["input_ids"]
    check_length(len(ids), longest)
    return list(ids)


def check_length(tokens: int, longest: int) -> None:
    """Refuse what does not fit.

    Raises:
        CourseError: If there are more tokens than fit.
    """
    if tokens > longest:
        raise CourseError(
            f"This conversation has {tokens} tokens; {longest} fit.",
            "It is refused rather than cut, because a cut document gives wrong answers.",
            "Shorten it, or put fewer documents before the question.",
        )
