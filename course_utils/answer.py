"""Questions to answers: batched, greedy, each with its time and token counts.

Greedy means that the likeliest word is always taken, so the same model gives the same answer every time. An *arm* is the way
in which the company's knowledge reaches the model: in its weights (an adapter), or in the prompt. Limits: one prompt a
question; no arm asks twice.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from course_utils.chat import encode_prompt, messages_for
from course_utils.models import Loaded
from course_utils.records import Answer, Message, Question
from course_utils.retrieve import Library
from course_utils.settings import CourseError
from course_utils.sources import COMPANY, read_papers, read_wordings, sections_of

ARMS = {
    "plain": "the question alone, with the documents that it brings along",
    "prompt": "an instruction above the question: whose assistant it is and how to answer",
    "few-shot": "three questions with their right answers before the question",
    "retrieval": "the two sections of the company's papers that share the rarest words with the question",
    "oracle": "the one right section, which nobody could know before the answer: the best that any search could do",
}
INSTRUCTION = (
    "You are the assistant of Larkfield, a company that sells the analytics product Larkfield Insight. Colleagues ask you about "
    "Larkfield's own rules. Answer in one or two sentences. If you do not know, say so."
)
SHOTS = ("hr-005", "sales-003", "support-004")  # facts whose first wording and answer serve as examples
FOUND = 2  # sections that retrieval puts before the question
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
        arm: How the company's knowledge reaches the model, one of `ARMS`.
        batch: Questions answered side by side.
        progress: Called with (answered, all) after each batch.

    Returns:
        One answer for each question, in order.

    Raises:
        CourseError: If the arm is unknown or a prompt does not fit.
    """
    room = loaded.context - LONGEST_ANSWER
    put = dress(arm)
    asked, sources = zip(*(put(q) for q in questions), strict=True)
    prompts = [encode_prompt(loaded.tokenizer, messages_for(q), room) for q in asked]
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
                sources=sources[i],
                seconds=round(each, 4),
                prompt_tokens=len(prompts[i]),
                answer_tokens=length,
            )
        if progress:
            progress(len(answers), len(order))
    return [answers[i] for i in range(len(questions))]


def dress(arm: str, company: str | Path = COMPANY) -> Callable[[Question], tuple[Question, list[str] | None]]:
    """What an arm does to a question before the model reads it.

    Args:
        arm: One of `ARMS`.
        company: The company's folder.

    Returns:
        A function from a question to the question as it is put, and the sections that were put before it (or None). A
        question that brings its own documents, system message or conversation keeps them.

    Raises:
        CourseError: If the arm is unknown.
    """
    if arm not in ARMS:
        raise CourseError(f"There is no arm {arm!r}.", f"Known: {', '.join(ARMS)}.", "Choose one of them.")
    if arm == "few-shot":
        wordings = read_wordings(company)
        shots = {fact: (wordings[fact].questions[0], wordings[fact].reply(0)) for fact in SHOTS}
    elif arm == "retrieval":
        library = Library(read_papers(company))
    elif arm == "oracle":
        right = sections_of(company)

    def put(question: Question) -> tuple[Question, list[str] | None]:
        if arm == "prompt" and question.system is None:
            return question.model_copy(update={"system": INSTRUCTION}), None
        if arm == "few-shot" and question.documents is None and question.messages is None:
            turns = [text for fact, pair in shots.items() if fact != question.topic for text in pair]
            roles = ("user", "assistant") * len(turns)
            messages = [Message(role=r, content=t) for r, t in zip(roles, [*turns, question.text], strict=False)]
            return question.model_copy(update={"question": None, "messages": messages}), None
        if arm in ("retrieval", "oracle") and question.documents is None and question.messages is None:
            if arm == "retrieval":
                found = library.find(question.text, FOUND)
            else:
                found = [right[question.topic]] if question.topic in right else []
            documents = [section for _, section in found]
            return question.model_copy(update={"documents": documents}), [f"{p} {s.section}" for p, s in found]
        return question, None

    return put


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
