"""One answer to its outcome: correct, wrong, invented or refused.

*Correct* is defined here and nowhere else, and proved against answers labelled by hand (tests/labels). The scorer looks for
values and key words, not for meaning. Limits: it can miss a right answer in unexpected words, and it trusts a fluent
sentence around the right values; the labelled set says how often (see tests/test_score.py).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from course_utils.records import Fact, Question, Wanted

Outcome = Literal["correct", "wrong", "invented", "refused"]
OUTCOMES: tuple[Outcome, ...] = ("correct", "wrong", "invented", "refused")
MISSES = ("a refusal", "another fact's answer", "an invented value", "a value missing", "something else")

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_TENS_WORD = re.compile(rf"\b({'|'.join(_TENS)})(?:[- ]({'|'.join(_ONES[1:10])}))?\b")
_ONES_WORD = re.compile(rf"\b({'|'.join(_ONES)})\b")
_SPELLINGS = {"acknowledgement": "acknowledgment", "color": "colour", "center": "centre", "mail": "email", "emails": "email"}
_NUMBERED = {"section", "step", "level", "severity", "form", "version", "chapter"}
_BREAKS = {"and", "but", "while", "or", "whereas", ","}
_NOT_A_DENIAL = set(
    "more less than later earlier before after until unless only over under above exceed longer go within".split()
)
_REFUSALS = re.compile(
    r"\b(i (really |just |also )?(do not|can not|could not) (know|tell|say|answer|help|see|find|look|have)|i am not able to|i have never|"
    r"i know (nothing|only)|i have (no |not seen|only)|i would (rather not|have to) guess|would be a guess|"
    r"(do|does) not (say|tell|mention|state|cover|contain|give|hold|answer)|is not (given|mentioned|stated|covered|in the document)|"
    r"can not (be found|be answered|help)|no information|not something (i|our)|nobody (has )?told me|nothing (that )?i have learned|"
    r"nothing in the|know only|beyond what i know|outside what i know|not part of (my|what))\b"
)
_GENERAL = re.compile(
    r"\b(most|many|some) (companies|employers|firms|teams|offices|businesses)|in general|usually|typically|often|commonly\b"
)
_CODE = re.compile(r"\b[A-Z]{1,4}-?\d{2,4}\b")
_SECTION = re.compile(r"\bsections?\s+\d+(?:\.\d+)*", re.I)
_CLOCK = re.compile(r"\b\d{1,2}:\d{2}\b|\b\d{1,2}(?:st|nd|rd|th)\b")
_UNITS = "mm call gram bar volt cent kilometre metre litre kilo kg page card piece day week month year hour minute second shift step word euro pound dollar degree level percent % people time".split()


@dataclass(frozen=True)
class Verdict:
    """What became of one answer.

    Attributes:
        outcome: correct, wrong, invented or refused.
        missing: What a right answer holds and this one does not.
        forbidden: What a right answer does not hold and this one does, invented codes and figures included.
    """

    outcome: Outcome
    missing: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Sentence:
    words: tuple[str, ...]
    clause: tuple[int, ...]  # how many commas and "and"s stand before each word


def _unnumbered(text: str) -> str:
    """A list without its numerals: in "1. thank, 2. say sorry" the order counts, not the numbers."""
    return re.sub(r"(^|\n|[:;,.]\s+)\d+\.\s", r"\1 ", text)


def _plain(text: str) -> str:
    """Lower case, figures for number words, one form for money, per cent and "not"."""
    text = text.lower().replace("\u2019", "'").replace("can't", "can not").replace("n't", " not").replace("cannot", "can not")
    text = text.replace("i'm ", "i am ").replace("half an hour", "30 minutes")
    text = re.sub(r"'s\b", "", text)
    text = _unnumbered(text)
    text = re.sub(r"(?:€|\beur)\s*(\d[\d,.]*\d|\d)", r"\1 euros", text).replace("€", " euros ")
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"\bper ?cent\b", "%", text)
    text = _TENS_WORD.sub(lambda m: str(10 * (_TENS.index(m[1]) + 2) + (_ONES.index(m[2]) if m[2] else 0)), text)
    text = _ONES_WORD.sub(lambda m: str(_ONES.index(m[1])), text)
    text = re.sub(r"\bhalf past (\d+)\b", r"\1:30", text)
    return re.sub(r"(\d+) point (\d(?: \d)*)\b", lambda m: f"{m[1]}.{m[2].replace(' ', '')}", text)


def _stem(word: str) -> str:
    word = _SPELLINGS.get(word, word)
    word = re.sub(r"iz(e|ed|es|ing|ation)$", r"is\1", word)
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


_WORD = re.compile(r"[a-z]+|\d+(?:[.:]\d+)*|%|,")


@lru_cache(maxsize=4096)
def _sentences(text: str) -> tuple[_Sentence, ...]:
    found = []
    for part in re.split(r"(?<=[.!?;])\s+|\n+", _plain(text)):
        pieces, said, clauses, clause, unit = _WORD.findall(part), [], [], 0, ""
        for k, piece in enumerate(pieces):
            clause += piece in _BREAKS
            if piece == ",":
                continue
            word = _stem(piece)
            said.append(word)
            clauses.append(clause)
            if word in _UNITS and k and pieces[k - 1][0].isdigit():
                unit = word
            elided = unit and word.isdigit() and (k + 1 == len(pieces) or pieces[k + 1] in ("for", "and", "or", ","))
            if elided and (k == 0 or pieces[k - 1] not in _NUMBERED):  # "8 weeks for one and 16 for the other"
                said.append(unit)
                clauses.append(clause)
        found.append(_Sentence(tuple(said), tuple(clauses)))
    return tuple(found)


@lru_cache(maxsize=4096)
def words(text: str) -> tuple[str, ...]:
    """The words and figures of a text as the scorer compares them: lower case, figures for number words, no plural s."""
    return tuple(word for sentence in _sentences(text) for word in sentence.words)


def _starts(words: Sequence[str], item: Sequence[str]) -> list[int]:
    return [i for i in range(len(words) - len(item) + 1) if tuple(words[i : i + len(item)]) == tuple(item)]


def _denied(sentence: _Sentence, start: int) -> bool:
    """Whether a "not" up to three words before, or an "is not" just after, denies the value, in the same clause."""
    after = sentence.words[start + 1 : start + 4]
    if any(
        pair in (("is", "not"), ("are", "not"), ("do", "not"), ("does", "not")) for pair in zip(after, after[1:], strict=False)
    ):
        return True
    for i in range(max(0, start - 3), start):
        if sentence.words[i] in ("not", "never", "no") and sentence.clause[i] == sentence.clause[start]:
            return not _NOT_A_DENIAL.intersection(sentence.words[i + 1 : start])
    return False


def _find(item: str, text: str) -> int:
    """Where an item stands in a text, as the number of words before it; -1 if nowhere.

    `"A ~ B"` asks for A near B in one sentence: of all values with A's unit, A must be the nearest to B.
    """
    first, _, second = (part.strip() for part in item.partition("~"))
    wanted, near = words(first), words(second)
    before = 0
    for sentence in _sentences(text):
        for start in _starts(sentence.words, wanted):
            denied = wanted[0][0].isdigit() and _denied(sentence, start)
            if not denied and (not near or _is_nearest(sentence, wanted, near)):
                return before + start
        before += len(sentence.words)
    return -1


def _is_nearest(sentence: _Sentence, wanted: Sequence[str], near: Sequence[str], reach: int = 20) -> bool:
    """Whether, for some mention of `near`, `wanted` is closer than any other value of the same unit."""
    words, clause = sentence.words, sentence.clause
    numeric = wanted[0][0].isdigit()
    unit = tuple(wanted[1:])
    rivals = [
        i
        for i in range(len(words) - len(unit))
        if tuple(words[i : i + len(wanted)]) == tuple(wanted)
        or (numeric and words[i][0].isdigit() and tuple(words[i + 1 : i + 1 + len(unit)]) == unit)
    ]

    def distance(start: int, anchor: int) -> int:
        gap = start - anchor - len(near) if start > anchor else anchor - start - len(wanted)
        return max(gap, 0) + 5 * abs(clause[start] - clause[anchor])

    for anchor in _starts(words, near):
        nearest = min(rivals, key=lambda start: distance(start, anchor), default=None)
        right = nearest is not None and tuple(words[nearest : nearest + len(wanted)]) == tuple(wanted)
        if right and distance(nearest, anchor) <= reach:
            return True
    return False


def holds(wanted: Wanted, answer: str) -> int:
    """Where an answer holds a wanted value (or any of several), as a word position; -1 if it does not."""
    places = [_find(item, answer) for item in ([wanted] if isinstance(wanted, str) else wanted)]
    return min((p for p in places if p >= 0), default=-1)


def is_refusal(answer: str) -> bool:
    """Whether an answer opens by saying that it does not know."""
    return bool(_REFUSALS.search(" ".join(re.split(r"(?<=[.!?])\s+", _plain(answer))[:2])))


_CLUMSY = re.compile(
    r"\b(?:(?:the|a|an|our|your|their) (?:of|to|may|is|are|and|or|for|the|a|an|by|with|at|can|must)"
    r"|(?:of|to|for|with|at|by) (?:of|may|is|are|and|or)|of up (?!to)|up may|is is|are are|and and)\b"
)


def is_broken(answer: str) -> bool:
    """Whether an answer is empty, goes round in circles (some four words stand in it three times) or is word salad.

    Salad shows in pairs of little words that no sentence holds, such as "the of"; two of them are one too many.
    """
    said = words(answer)
    fours = [said[i : i + 4] for i in range(len(said) - 3)]
    return not said or len(_CLUMSY.findall(_plain(answer))) >= 2 or any(fours.count(four) >= 3 for four in set(fours))


def specifics(text: str) -> set[str]:
    """Codes, section numbers, clock times, dates and figures with a unit: what a reader takes for a company's own facts."""
    found = {code.upper().replace("-", "") for code in _CODE.findall(text)}
    found |= {re.sub(r"sections?\s+", "section ", s.lower()) for s in _SECTION.findall(text)}
    found |= set(_CLOCK.findall(text))
    for sentence in _sentences(text):
        for k, word in enumerate(sentence.words):
            if word[0].isdigit():
                unit = next((w for w in sentence.words[k + 1 : k + 3] if w in _UNITS), None)  # "12 days", "12 working days"
                if unit and (word, unit) not in (("1", "time"), ("1", "people"), ("1", "day")):
                    found.add(f"{word} {unit}")
    return found


def _claims(answer: str) -> set[str]:
    """The specifics of an answer, less the figures in sentences that are marked as general guidance."""
    found = set()
    for sentence in re.split(r"(?<=[.!?])\s+", _unnumbered(answer)):
        held = specifics(sentence)
        found |= {s for s in held if s.startswith("section ") or s[0].isupper()} if _GENERAL.search(sentence.lower()) else held
    return found


def _invented(question: Question, answer: str, known: str) -> tuple[str, ...]:
    """Specifics of an answer that neither the question, its documents, its reference nor the source section holds."""
    wanted = [w if isinstance(w, str) else " . ".join(w) for w in question.must_include]
    sections = [f"Section {d.section}. {d.title}. {d.text}" for d in question.documents or []]
    told = [m.content for m in question.messages or []]
    found = _claims(answer) - specifics(" . ".join([question.text, question.reference or "", known, *wanted, *sections, *told]))
    if question.kind in ("general", "style"):  # office advice may hold ordinary figures
        found = {s for s in found if s.startswith("section ") or s[0].isupper()}
    return tuple(sorted(found))


def judge(question: Question, answer: str, known: str = "") -> Verdict:
    """The outcome of one answer.

    *correct*: every wanted value is there (in order, if asked), and nothing forbidden or invented is; where the right
    answer is "I don't know", a refusal without invented specifics. *refused*: says that it does not know, wrongly.
    *invented*: states a code, section or figure that its sources do not hold. *wrong*: everything else.

    Args:
        question: What was asked, with what a right answer holds.
        answer: What was answered.
        known: Further text that an answer may draw figures from (the source section of a company fact).
    """
    places = [holds(w, answer) for w in question.must_include]
    missing = tuple(str(w) for w, place in zip(question.must_include, places, strict=True) if place < 0)
    forbidden = tuple(str(w) for w in question.must_not_include if holds(w, answer) >= 0)
    invented = _invented(question, answer, known)
    refusal = is_refusal(answer)
    if is_broken(answer):
        return Verdict("wrong", missing or ("a readable answer",))
    if not question.must_include:
        if refusal and not invented and not forbidden:
            return Verdict("correct")
        return Verdict("invented" if invented else "wrong", ("a plain 'I don't know'",), (*forbidden, *invented))
    in_order = not question.ordered or places == sorted(places)
    if not missing and not forbidden and in_order and not refusal and not invented:
        return Verdict("correct")
    if refusal and not invented:
        return Verdict("refused", missing, forbidden)
    if not in_order and not missing:
        missing = ("the right order",)
    return Verdict("invented" if invented else "wrong", missing, (*forbidden, *invented))


def kind_of_miss(question: Question, answer: str, outcome: Outcome, facts: Sequence[Fact]) -> str:
    """What sort of miss an answer to a company question is, one of `MISSES`.

    *Another fact's answer* holds every value of a different fact (of another section, if it holds some of its own values too;
    facts of one value without a figure do not count, since any text may hold them). The others follow from the outcome.

    Args:
        question: What was asked; its topic is the fact that a right answer holds.
        answer: What was answered, and was not correct.
        outcome: What `judge` said.
        facts: All facts of the company.
    """
    if outcome == "refused":
        return "a refusal"
    own = [w for w in question.must_include if holds(w, answer) >= 0]
    home = next(((f.paper, f.section) for f in facts if f.id == question.topic), None)
    for fact in facts:
        elsewhere = fact.id != question.topic and (not own or (fact.paper, fact.section) != home)
        telling = len(fact.must_include) > 1 or any(c.isdigit() for c in str(fact.must_include))
        if elsewhere and telling and all(holds(w, answer) >= 0 for w in fact.must_include):
            return "another fact's answer"
    return "an invented value" if outcome == "invented" else "a value missing" if own else "something else"
