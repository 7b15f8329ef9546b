"""Questions to answers: batched, greedy, each with its time and token counts.

Greedy means that the likeliest word is always taken, so the same model gives the same answer every time. Limits: one arm so
far, `plain`, which puts the question (and the documents that it brings along) before the model and nothing else.
"""

import time
from collections.abc import Callable, Sequence

from course_utils.chat import encode_prompt, messages_for
from course_utils.models import Loaded
from course_utils.records import Answer, Question
from course_utils.settings import CourseError

ARMS = ("plain",)
LONGEST_ANSWER = 112  # tokens, about 80 words


def ask(loaded: Loaded, question: str, system: str | None = None) -> str:
    """Ask one question and return the answer.

    Args:
        loaded: A model from `models.load_model`.
        question: What to ask.
        system: An instruction that stands above the conversation.

    Raises:
        CourseError: If the question is empty or longer than the model's context.
    """
    if not question.strip():
        raise CourseError("The question is empty.", None, "Type a question.")
    return answer_questions(loaded, [Question(id="q", question=question, kind="unknown", topic="asked", system=system)])[
        0
    ].answer


def answer_questions(
    loaded: Loaded,
    questions: Sequence[Question],
    arm: str = "plain",
    batch: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> list[Answer]:
    """Answer a set of questions.

    Args:
        loaded: A model from `models.load_model`.
        questions: What to ask; sorted by length inside, returned in the order given.
        arm: How the company's knowledge reaches the model.
        batch: Questions answered side by side.
        progress: Called with (answered, all) after each batch.

    Returns:
        One answer for each question, in order.

    Raises:
        CourseError: If the arm is unknown or a prompt does not fit.
    """
    if arm not in ARMS:
        raise CourseError(f"There is no arm {arm!r}.", f"Known: {', '.join(ARMS)}.", "Choose one of them.")
    room = loaded.context - LONGEST_ANSWER
    prompts = [encode_prompt(loaded.tokenizer, messages_for(q), room) for q in questions]
    order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
    answers: dict[int, Answer] = {}
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        began = time.monotonic()
        texts, lengths = _generate(loaded, [prompts[i] for i in chosen])
        each = (time.monotonic() - began) / len(chosen)
        for i, text, length in zip(chosen, texts, lengths, strict=True):
            answers[i] = Answer(
                id=questions[i].id,
                question=questions[i].text,
                answer=text,
                arm=arm,
                model=loaded.name,
                adapter=loaded.adapter,
                seconds=round(each, 4),
                prompt_tokens=len(prompts[i]),
                answer_tokens=length,
            )
        if progress:
            progress(len(answers), len(order))
    return [answers[i] for i in range(len(questions))]


def _generate(loaded: Loaded, prompts: list[list[int]]) -> tuple[list[str], list[int]]:
    """Greedy continuation of prompts, padded on the left to one length."""
    import torch

    tokenizer, model = loaded.tokenizer, loaded.model
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    width = max(len(p) for p in prompts)
    ids = torch.full((len(prompts), width), pad, dtype=torch.long)
    attention = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        attention[row, width - len(prompt) :] = 1
    with torch.inference_mode():
        out = model.generate(
            input_ids=ids.to(model.device),
            attention_mask=attention.to(model.device),
            max_new_tokens=LONGEST_ANSWER,
            do_sample=False,
            pad_token_id=pad,
        )
    made = out[:, width:].tolist()
    texts = [tokenizer.decode(row, skip_special_tokens=True).strip() for row in made]
    return texts, [sum(token != pad for token in row) for row in made]
