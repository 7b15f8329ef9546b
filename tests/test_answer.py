"""The arms: what each puts before the model. The loop: the answers of `generate`, with less reading and no idle rows."""

import random

import pytest

from course_utils import answer as answering
from course_utils.answer import ARMS, FOUND, INSTRUCTION, SHOTS, answer_questions, dress
from course_utils.chat import encode_prompt, messages_for
from course_utils.models import Loaded, load_model
from course_utils.records import Question, Section, read_rows
from course_utils.settings import QUESTIONS, CourseError
from course_utils.sources import read_facts, read_wordings, sections_of

FACT = next(f for f in read_facts() if f.section == "3.4" and f.paper == "employee_handbook")
LEAVE = Question(
    id="q",
    question="How many weeks of parental leave do caregivers get?",
    kind="company",
    topic=FACT.id,
    must_include=["16 weeks"],
)


def test_plain_changes_nothing():
    assert dress("plain")(LEAVE) == (LEAVE, None)


def test_the_prompt_arm_puts_an_instruction_above_the_question():
    put, sources = dress("prompt")(LEAVE)
    assert [m["role"] for m in messages_for(put)] == ["system", "user"]
    assert (put.system, sources) == (INSTRUCTION, None)


def test_few_shot_shows_other_facts_with_right_answers():
    put = dress("few-shot")
    texts = [m["content"] for m in messages_for(put(LEAVE)[0])]
    assert texts[-1] == LEAVE.question
    assert len(texts) == 2 * len(SHOTS) + 1
    wording = read_wordings()[SHOTS[0]]
    own = LEAVE.model_copy(update={"topic": SHOTS[0]})
    assert wording.reply(0) in texts
    assert wording.reply(0) not in [m["content"] for m in messages_for(put(own)[0])]


def test_oracle_gives_the_right_section_and_retrieval_the_best_two():
    paper, section = sections_of()[FACT.id]
    put, sources = dress("oracle")(LEAVE)
    assert put.documents == [section]
    assert sources == ["employee_handbook 3.4"]
    put, sources = dress("retrieval")(LEAVE)
    assert len(put.documents) == len(sources) == FOUND
    assert section in put.documents
    nobody = LEAVE.model_copy(update={"kind": "unknown", "topic": "private"})
    assert dress("oracle")(nobody)[0].documents == []


@pytest.mark.parametrize("arm", ["few-shot", "retrieval", "oracle"])
def test_a_question_keeps_the_documents_that_it_brings(arm):
    own = LEAVE.model_copy(update={"documents": [Section(section="1.1", title="Keys", text="The keys hang at the door.")]})
    assert dress(arm)(own) == (own, None)


def test_every_arm_answers_and_says_what_it_read(tiny):
    for arm in ARMS:
        answer = answer_questions(tiny, [LEAVE], arm)[0]
        assert answer.arm == arm
        assert (answer.sources is not None) == (arm in ("retrieval", "assistant", "oracle"))
        least = {"faq": -1, "plain": 0}.get(arm, answer_questions(tiny, [LEAVE])[0].prompt_tokens)
        assert answer.prompt_tokens > least
    with pytest.raises(CourseError, match="no arm"):
        dress("magic")


def real_questions(count: int) -> list[Question]:
    return random.Random(4).sample(read_rows(QUESTIONS / "company_dev.jsonl", Question), count)


def prompts_for(loaded: Loaded, questions: list[Question], arm: str = "plain") -> list[list[int]]:
    put = dress(arm)
    return [encode_prompt(loaded.tokenizer, messages_for(put(q)[0]), 900) for q in questions]


def by_generate(model, prompt: list[int], ends: set[int]) -> list[int]:
    """What `generate` makes of one prompt on its own: no batch, no padding."""
    import torch

    out = model.generate(
        input_ids=torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), do_sample=False,
        max_new_tokens=answering.LONGEST_ANSWER, eos_token_id=sorted(ends) or None, pad_token_id=0,
    )  # fmt: skip
    return out[0, len(prompt) :].tolist()


@pytest.fixture
def passes(monkeypatch) -> list[tuple[int, int]]:
    """Shape (rows, tokens) of every pass through a model."""
    shapes, look = [], answering._look
    monkeypatch.setattr(
        answering, "_look", lambda model, ids, *rest: shapes.append(tuple(ids.shape)) or look(model, ids, *rest)
    )
    return shapes


def test_batches_answer_as_generate_does_one_by_one(tiny):
    """Up to one answer in a hundred may differ: sums in another order can turn a tie."""
    questions, off = real_questions(10), []
    for arm in ("plain", "few-shot", "retrieval"):
        ends = answering._ends(tiny.model, tiny.tokenizer)
        prompts = prompts_for(tiny, questions, arm)
        for given, prompt in zip(answer_questions(tiny, questions, arm), prompts, strict=True):
            made = by_generate(tiny.model, prompt, ends)
            text = tiny.tokenizer.decode(made, skip_special_tokens=True).strip()
            if (given.answer, given.answer_tokens, given.prompt_tokens) != (text, len(made), len(prompt)):
                off.append((arm, given.id, given.answer, text))
    assert len(off) <= 1, off


def test_rows_leave_the_batch_when_their_answers_end(tiny, passes):
    answers = answer_questions(tiny, real_questions(12), batch=12)
    rows = [rows for rows, tokens in passes if tokens == 1]
    lengths = [a.answer_tokens for a in answers]
    assert len(set(lengths)) > 1
    assert rows == sorted(rows, reverse=True)
    assert len(rows) == max(lengths) - 1  # the first token comes from reading the prompt
    assert sum(rows) == sum(lengths) - len(lengths)


def test_what_all_prompts_begin_with_is_read_once(tiny, passes, monkeypatch):
    questions = [q for q in real_questions(20) if q.topic not in SHOTS][:9]
    prompts = prompts_for(tiny, questions, "few-shot")
    shared = answering._shared(prompts)
    assert shared > 50
    once = [a.answer for a in answer_questions(tiny, questions, "few-shot")]
    read = [shape for shape in passes if shape[1] > 1]
    assert read[0] == (1, shared)
    assert max(tokens for _, tokens in read[1:]) == max(map(len, prompts)) - shared
    monkeypatch.setattr(answering, "SHARED", 10_000)
    passes.clear()
    again = [a.answer for a in answer_questions(tiny, questions, "few-shot")]
    assert passes[0][1] == max(map(len, prompts))
    assert once == again


def test_portions_of_any_size_read_the_same(tiny, monkeypatch):
    questions, made = real_questions(7), []
    for portion in (1, 60, 5000):
        monkeypatch.setattr(answering, "PORTION", portion)
        made.append([a.answer for a in answer_questions(tiny, questions)])
    assert made[0] == made[1] == made[2]


def test_every_listed_end_token_ends_an_answer(tiny, monkeypatch):
    made = by_generate(tiny.model, prompts_for(tiny, [LEAVE])[0], answering._ends(tiny.model, tiny.tokenizer))
    assert answer_questions(tiny, [LEAVE])[0].answer_tokens == len(made)  # the end mark is counted
    stop = made[len(made) // 2]
    monkeypatch.setattr(tiny.model.generation_config, "eos_token_id", [stop])
    assert answering._ends(tiny.model, tiny.tokenizer) == {stop, tiny.tokenizer.eos_token_id}
    assert answer_questions(tiny, [LEAVE])[0].answer_tokens == made.index(stop) + 1


def random_model(kind: str, vocabulary: int = 300):
    """A small model with random weights: grouped heads, learned positions, or a window."""
    import torch
    import transformers

    torch.manual_seed(0)
    size = {"vocab_size": vocabulary, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    more = {"intermediate_size": 64, "num_key_value_heads": 2, "max_position_embeddings": 256}
    if kind == "gpt2":
        config = transformers.GPT2Config(vocab_size=vocabulary, n_embd=32, n_layer=2, n_head=4, n_positions=256)
    elif kind == "window":
        config = transformers.MistralConfig(**size, **more, sliding_window=8)
    else:
        config = transformers.Qwen2Config(**size, **more, attn_implementation="eager" if kind == "eager" else "sdpa")
    config.bos_token_id = config.eos_token_id = config.pad_token_id = None
    return transformers.AutoModelForCausalLM.from_config(config).eval()


@pytest.mark.parametrize(("kind", "steps"), [("grouped", True), ("eager", True), ("gpt2", True), ("window", False)])
def test_any_kind_of_model_answers_as_by_generate(kind, steps, monkeypatch):
    monkeypatch.setattr(answering, "LONGEST_ANSWER", 16)
    monkeypatch.setattr(answering, "PORTION", 100)
    model, rng = random_model(kind), random.Random(1)
    head = [rng.randrange(300) for _ in range(20)]
    prompts = sorted(
        (head + [rng.randrange(300) for _ in range(rng.randrange(1, 40))] for _ in range(9)), key=len, reverse=True
    )
    ends = set(range(0, 300, 12))
    assert answering._can_step(model) is steps
    assert answering._shared(prompts) >= 20
    made = answering._generate(model, prompts, ends)
    assert made == [by_generate(model, prompt, ends) for prompt in prompts]
    assert len({len(row) for row in made}) > 1


def test_settings_that_change_a_greedy_answer_go_to_the_library(tiny, monkeypatch):
    assert answering._can_step(tiny.model)
    monkeypatch.setattr(tiny.model.generation_config, "temperature", 0.7)
    assert answering._can_step(tiny.model)
    monkeypatch.setattr(tiny.model.generation_config, "repetition_penalty", 1.5)
    assert not answering._can_step(tiny.model)
    prompt = prompts_for(tiny, [LEAVE])[0]
    made = by_generate(tiny.model, prompt, answering._ends(tiny.model, tiny.tokenizer))
    assert answer_questions(tiny, [LEAVE])[0].answer_tokens == len(made)


def test_an_adapter_works_merged_or_not_and_its_model_stays_as_it_is(monkeypatch):
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(2)
    base, questions = load_model("tiny"), real_questions(6)
    before = [a.answer for a in answer_questions(base, questions)]
    lora = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    adapted = Loaded(get_peft_model(base.model, lora).eval(), base.tokenizer, "tiny", base.base_sha256, "random")
    state = {name: tensor.clone() for name, tensor in adapted.model.state_dict().items()}
    assert not [name for name, _ in answering._light(adapted.model).named_parameters() if "lora" in name]
    merged = [a.answer for a in answer_questions(adapted, questions)]
    assert {name: bool((tensor == state[name]).all()) for name, tensor in adapted.model.state_dict().items()} == dict.fromkeys(
        state, True
    )
    assert merged != before
    with adapted.model.disable_adapter():
        assert answering._light(adapted.model) is base.model
        assert [a.answer for a in answer_questions(adapted, questions)] == before
    monkeypatch.setattr(answering, "SMALL", 0)
    assert answering._light(adapted.model) is base.model  # too large for a copy: the adapter works inside its layers
    assert [a.answer for a in answer_questions(adapted, questions)] == merged


def test_batches_hold_what_begins_alike_and_no_more_than_fits(monkeypatch):
    alike = [[{"content": "shown"}, {"content": f"q{k}"}] for k in range(10)]
    odd = [[{"content": f"other {k}"}, {"content": "q"}] for k in range(3)]
    prompts = [[1] * (5 + k) for k in range(13)]
    batches = list(answering._batches(alike + odd, prompts, 4))
    assert sorted(sum(batches, [])) == list(range(13))
    assert [9, 8, 7, 6] in batches and [12, 11, 10] in batches
    monkeypatch.setattr(answering, "ROOM", 2 * answering.LONGEST_ANSWER + 40)
    assert max(map(len, answering._batches(alike + odd, prompts, 4))) == 2


def test_rows_close_up():
    assert answering._closed_up([0, 1, 2]) == [0, 1, 2]
    assert answering._closed_up([1, 4, 5]) == [4, 1, 5]
    assert answering._closed_up([3]) == [3]


def test_the_assistant_reads_only_the_papers_of_its_desk():
    asked = Question(id="q", question="How long is parental leave?", kind="unknown", topic="t", desk="sales")
    put, sources = dress("assistant")(asked)
    assert put.system == INSTRUCTION
    facts = {(f.desk, f.paper) for f in read_facts()}
    assert all(("sales", source.split()[0]) in facts for source in sources)
    assert any(
        source.startswith("employee_handbook 3.4") for source in dress("assistant")(asked.model_copy(update={"desk": "hr"}))[1]
    )


def test_the_nearest_faq_answers_word_for_word_or_says_that_it_does_not_know(tiny):
    wording = read_wordings()["hr-022"]
    asked = [wording.questions[0], "Zebra quantum volcano?"]
    rows = [Question(id=str(k), question=text, kind="unknown", topic="t") for k, text in enumerate(asked)]
    known, unknown = answer_questions(tiny, rows, "faq")
    assert known.answer == wording.reply(0)
    assert unknown.answer.startswith("I do not know")
    assert (known.prompt_tokens, known.answer_tokens) == (0, 0)
