"""Exercises of notebook 00."""

from course_utils.lesson import Exercise
from course_utils.sources import read_facts
from course_utils.verdict import holds

_PARENTAL = next(f for f in read_facts() if f.id == "hr-022")


def _own_question(answer: str, holds_all: bool) -> str | None:
    if not isinstance(answer, str) or len(answer.split()) < 3:
        return "the first value should be the answer that the specialist gave: ask(specialist, your question)."
    if not isinstance(holds_all, bool):
        return "the second value should be True or False: does the answer hold all four values?"
    there = [w for w in _PARENTAL.must_include if holds(w, answer) >= 0]
    if holds_all and len(there) < len(_PARENTAL.must_include):
        missing = [w for w in _PARENTAL.must_include if w not in there]
        return f"the answer sounds complete, but it does not hold {missing[0]}. Sounding right is not being right."
    if not holds_all and len(there) == len(_PARENTAL.must_include):
        return "read it once more: all four values of section 3.4 are there."
    return None


def _wanted(values: list) -> str | None:
    if isinstance(values, str):
        return 'a list is expected, such as ["5 days", "Form X"], not one text.'
    if any(len(v.split()) > 5 for v in values):
        return (
            "a whole sentence will hardly ever be repeated word for word. Keep only the values: a number with its unit, a code."
        )
    text = " . ".join(values)
    if holds("HR-205", text) >= 0:
        return "HR-205 is the form for parental leave (section 3.4). Section 3.3 names another one: near-twins like these are easy to confuse."
    if holds("30 days", text) >= 0:
        return "30 days is the notice for parental leave (section 3.4). Look up the notice in section 3.3."
    if holds("HR-250", text) < 0:
        return "the form is missing: which one does section 3.3 name?"
    if holds("45 days", text) < 0:
        return "the notice is missing: how many days before the first day away?"
    return None


def _trust(number: int) -> str | None:
    if number == 1:
        return "fluent words are what both models are best at; the graduate is fluent too, and knows nothing of Larkfield."
    if number == 3:
        return "the graduate was asked the same question and could be just as sure. How sure a model sounds says little."
    if number != 2:
        return "the answer is one number: 1, 2 or 3."
    return None


EXERCISES = [
    Exercise(
        "00.1",
        _own_question,
        [
            "ask(specialist, question) returns the answer; check_facts(answer, 'hr-022') ticks off the four values.",
            "For example: my_answer = ask(specialist, 'Baby is coming in May. What do I get and what do I hand in?')",
        ],
        "my_answer = ask(specialist, 'Baby is coming in May. What do I get and what do I hand in?')\n"
        "holds_all = all(check_facts(my_answer, 'hr-022').values())",
    ),
    Exercise(
        "00.2",
        _wanted,
        [
            "Print section 3.3 of the employee handbook, as you printed 4.2 of the service manual.",
            "Two values decide: the form and the notice, each with its number.",
        ],
        'wanted = ["HR-250", "45 days"]',
    ),
    Exercise(
        "00.3",
        _trust,
        [
            "Which of the three could be false although the model has never seen the paper?",
            "Only one of them looks outside the model.",
        ],
        "2: the paper itself. Fluency (1) and confidence (3) come from the model, and a wrong answer has them too.",
    ),
]
