"""Questions to answers: batched, greedy, each with its time and token counts.

Greedy means that the likeliest word is always taken, so the same model gives the same answer every time. An *arm* is the way
in which the company's knowledge reaches the model: in its weights (an adapter), or in the prompt.

What makes it quick: questions are answered side by side, those of like length together; what all prompts of a batch begin with
is read once; an answer that has ended leaves its batch; a small adapter is added into a copy of the weights first. Limits: one
prompt a question; no arm asks twice; models with a window or a state instead of a whole memory take the library's slower way.
"""

import copy
import inspect
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

from course_utils.chat import encode_prompt, messages_for
from course_utils.models import Loaded
from course_utils.records import Answer, Message, Question
from course_utils.retrieve import Faq, Library
from course_utils.settings import CourseError
from course_utils.sources import COMPANY, read_facts, read_papers, read_wordings, sections_of

ARMS = {
    "plain": "the question alone, with the documents that it brings along",
    "prompt": "an instruction above the question: whose assistant it is and how to answer",
    "few-shot": "three questions with their right answers before the question",
    "retrieval": "the two sections of the company's papers that share the rarest words with the question",
    "assistant": "the instruction, and the two sections that fit best in the papers of one desk alone",
    "faq": "no model: the ready answer to the nearest question that the company has answered before",
    "oracle": "the one right section, which nobody could know before the answer: the best that any search could do",
}
INSTRUCTION = (
    "You are the assistant of Larkfield, a company that sells the analytics product Larkfield Insight. Colleagues ask you about "
    "Larkfield's own rules. Answer in one or two sentences. If you do not know, say so."
)
SHOTS = ("hr-005", "sales-003", "support-004")  # facts whose first wording and answer serve as examples
FOUND = 2  # sections that retrieval puts before the question
LONGEST_ANSWER = 112  # tokens, about 80 words
SMALL = 200_000_000  # parameters; of a larger model no second copy is made
ROOM = 20_000  # tokens that a batch may hold, answers included: 250 MB for `tiny`
PORTION = 1024  # tokens that are read in one go; more takes memory and gains nothing
SHARED = 16  # tokens; a shorter common start is not worth a reading of its own
FEW = 8  # questions; fewer with one common start are answered among the others
# Settings of `generate` that leave a greedy answer as it is. Any other one, and the library answers.
HARMLESS = {
    "bos_token_id", "eos_token_id", "pad_token_id", "max_length", "max_new_tokens", "temperature", "top_k", "top_p", "min_p",
    "typical_p", "transformers_version", "_from_model_config",
}  # fmt: skip


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
    batch: int = 64,
    progress: Callable[[int, int], None] | None = None,
    company: str | Path = COMPANY,
) -> list[Answer]:
    """Answer a set of questions.

    Args:
        loaded: A model from `models.load_model`.
        questions: What to ask; sorted by length inside, returned in the order given.
        arm: How the company's knowledge reaches the model, one of `ARMS`.
        batch: Questions answered side by side at most; fewer where prompts are long.
        progress: Called with (answered, all) after each batch.
        company: The folder that holds what the company knows.

    Returns:
        One answer for each question, in order.

    Raises:
        CourseError: If the arm is unknown or a prompt does not fit.
    """
    room = loaded.context - LONGEST_ANSWER
    if arm == "faq":
        return _ready_answers(loaded, questions, company)
    put = dress(arm, company)
    dressed = [put(q) for q in questions]
    talks = [messages_for(q) for q, _ in dressed]
    prompts = [encode_prompt(loaded.tokenizer, talk, room) for talk in talks]
    model = _light(loaded.model)
    ends = _ends(model, loaded.tokenizer)
    answers: dict[int, Answer] = {}
    for chosen in _batches(talks, prompts, batch):
        began = time.monotonic()
        made = _generate(model, [prompts[i] for i in chosen], ends)
        texts = [loaded.tokenizer.decode(tokens, skip_special_tokens=True).strip() for tokens in made]
        each = (time.monotonic() - began) / len(chosen)
        for i, text, tokens in zip(chosen, texts, made, strict=True):
            answers[i] = Answer(
                id=questions[i].id,
                question=questions[i].text,
                answer=text,
                arm=arm,
                model=loaded.name,
                adapter=loaded.adapter,
                sources=dressed[i][1],
                seconds=round(each, 4),
                prompt_tokens=len(prompts[i]),
                answer_tokens=len(tokens),
            )
        if progress:
            progress(len(answers), len(questions))
    return [answers[i] for i in range(len(questions))]


def _ready_answers(loaded: Loaded, questions: Sequence[Question], company: str | Path) -> list[Answer]:
    """Answers from the company's list of questions and answers; the model is not asked."""
    faq = Faq([(asked, w.reply(k)) for w in read_wordings(company).values() for k, asked in enumerate(w.questions)])
    answers = []
    for question in questions:
        began = time.monotonic()
        text = faq.answer(question.text)
        made = {"id": question.id, "question": question.text, "answer": text, "seconds": round(time.monotonic() - began, 4)}
        answers.append(Answer(**made, arm="faq", model=loaded.name, adapter=loaded.adapter, prompt_tokens=0, answer_tokens=0))
    return answers


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
    elif arm == "assistant":
        papers, desks = read_papers(company), {(fact.desk, fact.paper) for fact in read_facts(company)}
        own = {desk: Library({paper: papers[paper] for d, paper in desks if d == desk}) for desk, _ in sorted(desks)}
        library = Library(papers)  # for whoever asks from no desk
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
        if arm in ("retrieval", "assistant", "oracle") and question.documents is None and question.messages is None:
            if arm == "oracle":
                found = [right[question.topic]] if question.topic in right else []
            else:
                found = (own.get(question.desk, library) if arm == "assistant" else library).find(question.text, FOUND)
            told = {"system": question.system or INSTRUCTION} if arm == "assistant" else {}
            told["documents"] = [section for _, section in found]
            return question.model_copy(update=told), [f"{p} {s.section}" for p, s in found]
        return question, None

    return put


def _batches(talks: Sequence[list[dict]], prompts: Sequence[list[int]], batch: int) -> Iterator[list[int]]:
    """Numbers of the questions that are answered together: those that begin alike, the longest first."""
    heads = [tuple(m["content"] for m in talk[:-1]) for talk in talks]
    often = Counter(heads)
    groups: dict[tuple, list[int]] = {}
    for i, head in enumerate(heads):
        groups.setdefault(head if often[head] >= FEW else (), []).append(i)
    for group in groups.values():
        group.sort(key=lambda i: -len(prompts[i]))
        while group:
            fit = max(1, ROOM // (len(prompts[group[0]]) + LONGEST_ANSWER))
            chosen, group = group[: min(batch, fit)], group[min(batch, fit) :]
            yield chosen


def _light(model):
    """The model without an adapter's wrappers, which cost more than the arithmetic where a model is small.

    The adapter is added into a copy of the weights: the model itself, which may be in training, stays as it is.
    """
    import torch

    if not hasattr(model, "merge_and_unload"):
        return model
    switched_off = any(getattr(module, "disable_adapters", False) is True for module in model.modules())
    if switched_off or model.dtype != torch.float32 or model.num_parameters() > SMALL:
        return model.get_base_model()  # with the adapter, which works inside its layers
    return copy.deepcopy(model).merge_and_unload().eval()


def _ends(model, tokenizer) -> set[int]:
    """All tokens after which an answer is over."""
    listed = model.generation_config.eos_token_id
    return {*(listed if isinstance(listed, list) else [listed]), tokenizer.eos_token_id} - {None}


def _generate(model, prompts: Sequence[list[int]], ends: set[int]) -> list[list[int]]:
    """Greedy answers to prompts, longest prompt first, as tokens; the end mark is the last of them."""
    import torch

    with torch.inference_mode():
        return (_step_by_step if _can_step(model) else _by_library)(model, prompts, ends)


def _can_step(model) -> bool:
    """Whether each layer of a model remembers all that it read, and its settings ask for nothing but the likeliest token."""
    from transformers.cache_utils import DynamicCache, DynamicLayer

    asked = {name for name, value in model.generation_config.to_diff_dict().items() if value not in (None, 0, 1)}
    return (
        {"position_ids", "logits_to_keep"} <= set(inspect.signature(model.forward).parameters)
        and all(type(layer) is DynamicLayer for layer in DynamicCache(config=model.config).layers)
        and asked <= HARMLESS
        and model.config._attn_implementation in ("sdpa", "eager")
    )


def _by_library(model, prompts: Sequence[list[int]], ends: set[int]) -> list[list[int]]:
    """Answers by `generate`, which knows every kind of model."""
    ids, seen = _padded(prompts, model.device)
    stop = {"pad_token_id": 0, "eos_token_id": sorted(ends) or None}
    out = model.generate(input_ids=ids, attention_mask=seen, max_new_tokens=LONGEST_ANSWER, do_sample=False, **stop)
    made = out[:, ids.shape[1] :].tolist()
    return [row[: next((k + 1 for k, token in enumerate(row) if token in ends), len(row))] for row in made]


def _step_by_step(model, prompts: Sequence[list[int]], ends: set[int]) -> list[list[int]]:
    """Answers by our own loop: a token for each row of the batch, then the rows whose answers have ended leave it."""
    import torch

    memory, seen, tokens = _read(model, prompts)
    places = torch.tensor([[len(p)] for p in prompts], device=model.device)
    filled = len(prompts[0])
    rows = list(range(len(prompts)))  # the prompt that each row of the batch answers
    made: list[list[int]] = [[] for _ in prompts]
    for left in reversed(range(LONGEST_ANSWER)):
        new = tokens.tolist()
        for row, token in zip(rows, new, strict=True):
            made[row].append(token)
        stay = [k for k, token in enumerate(new) if token not in ends]
        if not stay or not left:
            break
        if len(stay) < len(rows):
            order = _closed_up(stay)
            for layer in memory.layers:
                layer.keep(order)
            tokens, places, seen, rows = tokens[order], places[order], seen[order], [rows[k] for k in order]
        filled += 1
        out = _look(model, tokens[:, None], places, seen[:, :filled], memory)
        tokens, places = out.logits[:, -1].argmax(-1), places + 1
    return made


def _look(model, ids, places, seen, memory):
    """One pass over tokens at these places; ids and places have the shape (rows, tokens)."""
    return model(
        input_ids=ids, position_ids=places, attention_mask=seen, past_key_values=memory, use_cache=True, logits_to_keep=1
    )


def _closed_up(stay: Sequence[int]) -> list[int]:
    """Where the rows of a smaller batch come from: most keep their place, the last ones fill the gaps."""
    kept, late = set(stay), iter(k for k in stay if k >= len(stay))
    return [k if k in kept else next(late) for k in range(len(stay))]


def _read(model, prompts: Sequence[list[int]]) -> tuple:
    """Read prompts, longest first: what all begin with once, the rest in portions.

    Returns:
        The model's memory with room for the answers, the mask of what may be looked at, shape (rows, prompt and answer), and
        the first token of each answer, shape (rows,).
    """
    import torch
    from transformers.cache_utils import Cache, DynamicCache

    size = len(prompts), len(prompts[0]) + LONGEST_ANSWER
    memory = Cache(layers=[_roomy()(*size) for _ in DynamicCache(config=model.config).layers])
    seen = torch.zeros(size, dtype=torch.long, device=model.device)
    seen[:, len(prompts[0]) :] = 1
    shared, first, done = _shared(prompts), [], 0
    if shared:
        ids, mask = _padded([prompts[0][:shared]], model.device)
        _look(model, ids, mask.cumsum(1) - 1, mask, memory)
    while done < len(prompts):
        some = prompts[done : done + max(1, PORTION // (len(prompts[done]) - shared))]
        rows, gap = slice(done, done + len(some)), len(prompts[0]) - len(some[0])
        for layer in memory.layers:
            layer.open(rows, gap, shared)
        ids, mask = _padded([p[shared:] for p in some], model.device)
        mask = torch.nn.functional.pad(mask, (shared, 0), value=1)
        out = _look(model, ids, (mask.cumsum(1) - 1).clamp(min=0)[:, shared:], mask, memory)
        first.append(out.logits[:, -1].argmax(-1))
        seen[rows, gap : len(prompts[0])] = mask
        done += len(some)
    for layer in memory.layers:
        layer.rows, layer.start = slice(0, len(prompts)), 0
    return memory, seen, torch.cat(first)


def _shared(prompts: Sequence[list[int]]) -> int:
    """Tokens that all prompts begin with, at least one of each left out; 0 where that is not worth while."""
    low, high = min(prompts), max(prompts)  # in the order of a dictionary: what these two share, all share
    alike = next((k for k, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))
    alike = min(alike, min(len(p) for p in prompts) - 1)
    return alike if alike >= SHARED and len(prompts) > 1 else 0


def _padded(prompts: Sequence[list[int]], device) -> tuple:
    """Prompts padded on the left, and the mask of what is no padding, both of shape (rows, tokens)."""
    import torch

    width = max(len(p) for p in prompts)
    ids = torch.tensor([[0] * (width - len(p)) + p for p in prompts], device=device)
    return ids, torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=device)


@cache
def _roomy() -> type:
    """A layer of a model's memory with room for whole answers, so that a new token copies nothing but itself."""
    from transformers.cache_utils import DynamicLayer

    class Roomy(DynamicLayer):
        """Keys and values, shape (rows, heads, tokens, width of a head): a part of some rows is in use."""

        def __init__(self, rows: int, tokens: int):
            super().__init__()
            self.size, self.space = (rows, tokens), ()
            self.rows, self.start, self.end = slice(0, 1), 0, 0

        def open(self, rows: slice, gap: int, shared: int) -> None:
            """Make ready to read these rows, behind an unused gap and the common start, which row 0 holds."""
            for space in self.space:
                space[rows, :, gap : gap + shared] = space[:1, :, :shared].clone()
                space[rows, :, :gap] = 0
            self.rows, self.start, self.end = rows, gap, gap + shared

        def update(self, key_states, value_states, *args, **kwargs) -> tuple:
            """Put new tokens behind the last ones; returns all that may be looked at."""
            new, filled = (key_states, value_states), self.end
            self.space = self.space or [t.new_empty(self.size[0], t.shape[1], self.size[1], t.shape[3]) for t in new]
            self.end += key_states.shape[2]
            for space, states in zip(self.space, new, strict=True):
                space[self.rows, :, filled : self.end] = states
            return tuple(space[self.rows, :, self.start : self.end] for space in self.space)

        def get_seq_length(self) -> int:
            """Tokens that were read."""
            return self.end - self.start

        def keep(self, order: list[int]) -> None:
            """Keep these rows: only those that change their place are copied."""
            moved = [k for k, old in enumerate(order) if k != old]
            for space in self.space if moved else ():
                space[moved, :, : self.end] = space[[order[k] for k in moved], :, : self.end]
            self.rows = slice(0, len(order))

    return Roomy
