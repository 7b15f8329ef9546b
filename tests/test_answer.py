"""The arms: what each puts before the model, and that a question keeps what it brings along."""

import pytest

from course_utils.answer import ARMS, FOUND, INSTRUCTION, SHOTS, answer_questions, dress
from course_utils.chat import messages_for
from course_utils.records import Question, Section
from course_utils.settings import CourseError
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
        assert (answer.sources is not None) == (arm in ("retrieval", "oracle"))
        assert answer.prompt_tokens > (0 if arm == "plain" else answer_questions(tiny, [LEAVE])[0].prompt_tokens)
    with pytest.raises(CourseError, match="no arm"):
        dress("magic")
