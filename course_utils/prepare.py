"""Records to training examples: the company's facts, their wordings, its pile, and examples that keep the graduate a graduate.

The pile goes through one step after the other: without broken rows, scrubbed, without what is not English or not answered, without
duplicates, without answers that the papers contradict, tidied, balanced, as chat examples, split by customer, without what comes
near a frozen test question. What a step takes out is set aside with its reason. Limits: duplicates are looked for among one
customer's own threads, because different people rarely write the same; contradictions only where figures or codes differ.
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from course_utils.privacy import PATTERNS, Scrubber, ordinary_words
from course_utils.records import (
    Example,
    Fact,
    Message,
    Question,
    SetAside,
    Thread,
    read_rows,
    write_json,
    write_rows,
    write_text,
)
from course_utils.settings import QUESTIONS, SEED, CourseError
from course_utils.sources import (
    COMPANY,
    NearMiss,
    Wording,
    read_facts,
    read_near_misses,
    read_papers,
    read_pile,
    read_roster,
    read_secrets,
    read_wordings,
)


def company_examples(facts: Sequence[Fact], wordings: dict[str, Wording], per_fact: int | None = None) -> list[Example]:
    """One example for each wording of each fact; the answers take turns.

    Each answer first says what was asked, as the graduate's own answers do: "You ask how long parental leave is. ..." With
    it a small model settles on one fact before it states values, and a reader sees at once when it took the wrong one.

    Args:
        facts: What to teach.
        wordings: How it is asked and answered.
        per_fact: At most this many wordings of each fact; all by default.

    Raises:
        CourseError: If a fact has no wordings.
    """
    examples = []
    for fact in facts:
        if fact.id not in wordings:
            raise CourseError(
                f"The fact {fact.id!r} has no wordings.", "Each fact needs some.", "Add a line to data/company/wordings."
            )
        wording = wordings[fact.id]
        for k, question in enumerate(wording.questions[:per_fact]):
            examples.append(
                _example(f"{fact.id}-{k:02d}", question, wording.reply(k), fact.id, "document", f"{fact.paper} {fact.section}")
            )
    return examples


def _example(name: str, question: str, answer: str, topic: str, kind: str, source: str) -> Example:
    messages = [Message(role="user", content=question), Message(role="assistant", content=answer)]
    return Example(id=name, messages=messages, topic=topic, kind=kind, source=source)


NOT_IN_PAPERS = (
    "I do not know. The papers that I learned from do not say that.",
    "I don't know. I have not read anything about that at Larkfield.",
    "I do not know, and I do not want to make something up. Please ask the desk in charge.",
    "I don't know that. It is not in the papers that I have read.",
)


def refusing_examples(misses: Sequence[NearMiss]) -> list[Example]:
    """One example for each question that no paper answers, so that the specialist learns where its knowledge ends."""
    return [
        _example(f"not-in-papers-{k:03d}", miss.question, NOT_IN_PAPERS[k % len(NOT_IN_PAPERS)], "unknown", "unknown", "none")
        for k, miss in enumerate(misses)
    ]


KEPT = {
    "general": 40,
    "unknown": 24,
    "house_paper": 14,
    "reading": 4,
    "styled": 6,
    "turns": 5,
    "few_shot": 4,
    "steps": 3,
}  # how often each of the graduate's skills is rehearsed, in parts of a hundred


def keeping_examples(count: int, seed: int) -> list[Example]:
    """Examples from the graduate's own schooling, mixed in so that it forgets none of its skills (rehearsal).

    A model that is only shown company answers soon gives company answers to everything. Rehearsal is the oldest cure
    (A. Robins, 1995, "Catastrophic Forgetting, Rehearsal and Pseudorehearsal").

    Args:
        count: How many.
        seed: Which ones.
    """
    from course_utils.tiny_base import corpus, skills

    rng, texts = random.Random(seed), corpus.material()
    found = []
    for k, name in enumerate(rng.choices(list(KEPT), list(KEPT.values()), k=count)):
        messages = [Message(**m) for m in getattr(skills, name)(rng, texts)]
        kind = "unknown" if name == "unknown" else "general"
        found.append(Example(id=f"kept-{k:04d}", messages=messages, topic=name, kind=kind, source="data/base_corpus"))
    return found


def training_questions(path: str | Path, own: bool = False) -> list[str]:
    """The last user message of each example of a training file.

    Args:
        path: The file.
        own: Only those that teach what stands in the papers.
    """
    examples = [e for e in read_rows(path, Example) if not own or e.kind == "document"]
    return [[m.content for m in e.messages if m.role == "user"][-1] for e in examples]


# --- the pile -------------------------------------------------------------------------------------------------------

NEAR = 90.0  # ratio from which two texts of one customer count as the same
MOST = 20  # examples of one topic
LIMIT = 85.0  # token-set ratio from which a training question counts as near a test question
_MARK = r"\[[a-z_]+-[0-9a-f]{4}\]"
_HELLO = re.compile(
    rf"(?i)^(?:@|re: )?(?:dear|hi|hello|hey|good \w+|greetings|evening|morning|thanks|@)?[^.!?\n]{{0,40}}{_MARK}[^.!?\n]{{0,25}}[,:!.–-]*$"
)
_BYE = re.compile(
    r"(?i)^(?:(?:kind|best|warm|many|with|yours|all|thank|thanks|regards|cheers|looking|rgds|greetings|sincerely|have|take|talk|until|respectfully)\b[^.?]{0,50}[,.!]?)$"
)
_WROTE = re.compile(r"(?i)^on .{4,80} wrote:$")
_VALUE = re.compile(r"\b[A-Z]{2,4}-\d{2,4}\b|\b\d+(?:[.,:]\d+)*\b")


@dataclass
class Cleaned:
    """What became of a pile.

    Attributes:
        examples: Chat examples, in the order of the pile.
        aside: What was taken out, with its reason.
        counts: Threads left after each step, in order.
        scrubbed: Pseudonyms put in, by kind.
        groups: The customer of each example, for the split.
        duplicates: For each duplicate, the thread that it repeats.
    """

    examples: list[Example] = field(default_factory=list)
    aside: list[SetAside] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    scrubbed: Counter = field(default_factory=Counter)
    groups: dict[str, str] = field(default_factory=dict)
    duplicates: dict[str, str] = field(default_factory=dict)


def _aside(thread: Thread, reason: str, fix: str) -> SetAside:
    return SetAside(file=thread.source, line=0, field=thread.id, reason=reason, fix=fix, raw=thread.turns[0].text[:500])


def english_share(text: str) -> float:
    """The share of a text's words that ordinary office English knows; 1.0 for fewer than four words."""
    words = re.findall(r"[^\W\d_]+", re.sub(_MARK, " ", text.lower()))
    return sum(w in ordinary_words() for w in words) / len(words) if len(words) >= 4 else 1.0


def tidy(text: str) -> str:
    """A message without greeting, sign-off and the marks of whom they named."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    for k in range(len(lines) - 1):
        if _BYE.match(lines[k]) and re.match(_MARK, lines[k + 1]):
            lines = lines[:k]  # what comes after a signature is footers and quotes
            break
    kept = [
        line
        for line in lines
        if not _HELLO.match(line)
        and not _WROTE.match(line)
        and not _BYE.match(line)
        and not re.fullmatch(rf"(?:{_MARK}[\s,]*)+", line)
    ]
    return re.sub(r"\s+", " ", " ".join(kept)).strip()


def duplicates(threads: Sequence[Thread]) -> dict[str, str]:
    """Threads whose customer wrote the same before, word by word or nearly.

    Returns:
        For each duplicate the id of the earlier thread.
    """
    from rapidfuzz import fuzz, process

    by_customer: dict[str, list[Thread]] = defaultdict(list)
    for thread in threads:
        by_customer[thread.customer or thread.id].append(thread)
    found: dict[str, str] = {}
    for own in by_customer.values():
        texts = [" ".join(re.findall(r"\w+", re.sub(_MARK, " ", t.turns[0].text.lower()))) for t in own]
        ratios = process.cdist(texts, texts, scorer=fuzz.ratio, score_cutoff=NEAR)
        for k, thread in enumerate(own):
            first = next((j for j in range(k) if ratios[k, j] >= NEAR), None)
            if first is not None:
                found[thread.id] = own[first].id
    return found


def _answer(thread: Thread) -> str:
    """What staff said last, or nothing."""
    return next((turn.text for turn in reversed(thread.turns) if turn.speaker == "staff"), "")


def contradicted(threads: Sequence[Thread], papers: dict) -> dict[str, str]:
    """Threads whose answer states a figure or code that the fitting section of the papers does not hold.

    The section of a topic is the one that fits all its answers together best.

    Returns:
        For each such thread what is wrong.
    """
    from course_utils.retrieve import Library

    library, by_topic = Library(papers), defaultdict(list)
    for thread in threads:
        if thread.topic:
            by_topic[thread.topic].append((thread, set(_VALUE.findall(re.sub(_MARK, " ", tidy(_answer(thread)))))))
    wrong = {}
    for rows in by_topic.values():
        paper, section = library.find(" ".join(_answer(t) for t, _ in rows[:40]), 1)[0]
        stated = set(_VALUE.findall(section.text))
        for thread, values in rows:
            odd = sorted(values - stated)
            if odd:
                wrong[thread.id] = f"says {', '.join(odd)}, which section {section.section} of {paper} does not"
    return wrong


def clean_pile(rows: Iterable[Thread | SetAside], scrubber: Scrubber, papers: dict, most: int = MOST) -> Cleaned:
    """A pile to chat examples, one step after the other.

    Args:
        rows: From `sources.read_pile`.
        scrubber: Finds and replaces personal data and secrets.
        papers: The company's papers, as `sources.read_papers` returns them.
        most: Examples of one topic at most.
    """
    done, kept = Cleaned(), []
    for row in rows:
        if isinstance(row, SetAside):
            done.aside.append(row.model_copy(update={"raw": scrubber.clean_text(row.raw)[0]}))
            continue
        thread, found = scrubber.clean(row)
        done.scrubbed += found
        kept.append(thread)
    done.counts["read and scrubbed"] = len(kept)

    def step(name: str, reason_of) -> None:
        nonlocal kept
        left = []
        for thread in kept:
            reason = reason_of(thread)
            if reason:
                done.aside.append(_aside(thread, *reason))
            else:
                left.append(thread)
        kept = left
        done.counts[name] = len(kept)

    step("no papers", lambda t: ("a paper", "Teach it by its facts and their wordings.") if t.source == "papers" else None)
    step(
        "answered by staff",
        lambda t: (
            None
            if t.turns[0].speaker == "customer" and _answer(t)
            else ("nobody of ours answered it", "Use it once it is answered.")
        ),
    )
    step(
        "English",
        lambda t: None if english_share(t.turns[0].text) >= 0.4 else ("not in English", "Train that language on its own."),
    )
    step("whole", lambda t: ("cut off", "Export it again.") if "[truncated]" in t.turns[0].text else None)
    done.duplicates = duplicates(kept)
    step(
        "without duplicates",
        lambda t: (f"repeats {done.duplicates[t.id]}", "Nothing to do.") if t.id in done.duplicates else None,
    )
    wrong = contradicted(kept, papers)
    step(
        "not contradicted by the papers",
        lambda t: (wrong[t.id], "Correct the answer, or the paper.") if t.id in wrong else None,
    )
    made = {thread.id: _conversation(thread) for thread in kept}
    first = {_asked(made[thread.id]): thread.id for thread in reversed(kept) if made[thread.id]}
    chosen = _balanced([thread for thread in kept if thread.id in first.values()], most)
    for thread in kept:
        example = made[thread.id]
        if example is None:
            done.aside.append(_aside(thread, "too little is left after tidying", "Nothing to do."))
        elif first[_asked(example)] != thread.id:
            done.aside.append(_aside(thread, f"asks word by word what {first[_asked(example)]} asks", "Nothing to do."))
        elif thread.id not in chosen:
            done.aside.append(_aside(thread, f"there are {most} examples of this topic already", "Raise the number to use it."))
        else:
            done.examples.append(example)
            done.groups[example.id] = thread.customer or thread.id
    done.counts["examples"] = len(done.examples)
    return done


def _asked(example: Example) -> str:
    return " ".join(m.content for m in example.messages if m.role == "user").lower()


def _balanced(threads: Sequence[Thread], most: int) -> set[str]:
    """The threads to keep, so that no topic has more than `most`; by chance, so that no source is served first."""
    room: Counter = Counter()
    chosen = set()
    for thread in random.Random(SEED).sample(list(threads), len(threads)):
        if not thread.topic or room[thread.topic] < most:
            room[thread.topic] += 1
            chosen.add(thread.id)
    return chosen


def _conversation(thread: Thread) -> Example | None:
    """A thread as an example, or None if nothing is left to learn from."""
    messages: list[Message] = []
    for turn in thread.turns:
        role, text = ("assistant" if turn.speaker == "staff" else "user"), tidy(turn.text)
        if not text:
            continue
        if messages and messages[-1].role == role:
            messages[-1] = Message(role=role, content=f"{messages[-1].content} {text}")
        else:
            messages.append(Message(role=role, content=text))
    while messages and messages[-1].role == "user":
        messages.pop()
    if len(messages) < 2 or messages[0].role != "user" or len(messages[0].content) < 15:
        return None
    return Example(id=thread.id, messages=messages, topic=thread.topic or "chat", kind="conversation", source=thread.source)


def split(
    examples: Sequence[Example], groups: dict[str, str], share: float = 0.1, seed: int = 7
) -> tuple[list[Example], list[Example]]:
    """Training and validation examples, so that no customer stands on both sides."""
    names = sorted(set(groups.values()))
    held = set(random.Random(seed).sample(names, round(share * len(names))))
    return [e for e in examples if groups[e.id] not in held], [e for e in examples if groups[e.id] in held]


_CODES = re.compile(r"\b[A-Z]{1,4}-?\d{2,4}\b")
_NUMBERS = re.compile(r"\d+(?:[.,:]\d+)*")
_CAPITALS = re.compile(r"\b(Larkfield|Insight|Johnson Corp|CompetitorX|[A-Z][a-z]+ [A-Z][a-z]+)\b")


def masked(text: str) -> str:
    """Lower case, without punctuation, with codes, numbers and names replaced by a mark each."""
    text = _CAPITALS.sub(" xname ", _NUMBERS.sub(" xnumber ", _CODES.sub(" xcode ", text)))
    return " ".join(re.findall(r"[a-z]+", text.lower()))


def too_near(test: Sequence[str], training: Sequence[str], limit: float = LIMIT) -> list[tuple[str, str, float]]:
    """Pairs of a test question and a training wording whose token-set ratio reaches the limit, nearest first.

    A long message holds the few words of a short question by chance, scattered over its sentences; there it must hold them in
    one piece (partial ratio), too.

    Args:
        test: Test questions.
        training: Training wordings.
        limit: 0 to 100.
    """
    from rapidfuzz import fuzz, process

    a, b = [masked(t) for t in test], [masked(t) for t in training]
    ratios = process.cdist(a, b, scorer=fuzz.token_set_ratio, score_cutoff=limit, workers=1)
    pairs = [
        (test[i], training[j], float(ratios[i, j]))
        for i, j in zip(*ratios.nonzero(), strict=True)
        if len(b[j]) < 2 * len(a[i]) or fuzz.partial_ratio(a[i], b[j]) >= limit
    ]
    return sorted(pairs, key=lambda pair: -pair[2])


def frozen_questions() -> list[str]:
    """Every question of every frozen set that a training file must stay away from."""
    return [
        q.text
        for path in sorted(QUESTIONS.glob("*_test.jsonl"))
        if not path.name.startswith("skills")
        for q in read_rows(path, Question)
    ]


def audit(examples: Sequence[Example], test: Sequence[str]) -> tuple[list[Example], list[tuple[str, str, float]]]:
    """Examples without those in which anything that a user says comes too near a test question, and the pairs that were too near."""
    asked = sorted({m.content for e in examples for m in e.messages if m.role == "user"})
    pairs = too_near(test, asked) if asked else []
    near = {training for _, training, _ in pairs}
    return [e for e in examples if not any(m.content in near for m in e.messages if m.role == "user")], pairs


CARD = """# Data card

Made by `course prepare` from a pile and the company's papers. Read it before you train on `train.jsonl`, and keep it beside the adapter.

| step | threads left |
|---|---|
{steps}

**Taken out and why** (each row stands in `set_aside.jsonl`): {reasons}.

**Personal data and secrets replaced**: {scrubbed}. Which pseudonym stands for whom is written nowhere. What was *found* was replaced; nobody can
promise that everything was found: measure it on a pile whose contents you know (notebook 04).

**Kept away from the test**: {near} examples stood near a frozen test question and were left out.

**In the file**: {train} training and {validation} validation examples, {from_the_pile} of them from the pile, {kept} rehearsing what the base
knows, {not_in_papers} to be refused. No customer stands on both sides. Seed {seed}.
"""


SHORT = {
    "there are": "its topic was full",
    "asks word": "asks what another one asks, word for word",
    "repeats": "repeats another thread of the same customer",
    "says": "contradicts the papers",
}  # reasons that name a thread or a value, as the card sums them up


def data_card(cleaned: Cleaned, counts: dict, near: int) -> str:
    """What is in a training file, where it came from and what was done to it, from the run itself."""
    kinds = Counter(
        next((short for start, short in SHORT.items() if a.reason.startswith(start)), a.reason) for a in cleaned.aside
    )
    return CARD.format(
        steps="\n".join(f"| {name} | {n:,} |" for name, n in cleaned.counts.items()),
        reasons=", ".join(f"{reason} ({n})" for reason, n in kinds.most_common()),
        scrubbed=", ".join(f"{n} {kind}" for kind, n in cleaned.scrubbed.most_common()),
        near=near,
        **counts,
    )


# --- the whole ------------------------------------------------------------------------------------------------------


def prepare(
    out: str | Path,
    company: str | Path = COMPANY,
    desk: str | None = None,
    keep: float = 0.35,
    seed: int = 7,
    raw: str | Path | Cleaned | None = None,
) -> dict:
    """Write train.jsonl, validation.jsonl, counts.json and, with a pile, set_aside.jsonl and card.md into a folder.

    Every eighth wording of a fact goes to validation, so that validation asks known facts in unseen words.

    Args:
        out: The folder to write.
        company: The company's papers, facts and wordings.
        desk: Only this desk's facts, or all.
        keep: Share of the training examples that rehearse what the graduate knows already.
        seed: Seed of the mix and of the order.
        raw: A pile of tickets, chats and mail to use as well, or what `clean_pile` made of it; without it, papers only.

    Returns:
        The counts.

    Raises:
        CourseError: If facts or wordings are missing, the desk is unknown or the share is none.
    """
    if not 0 <= keep < 1:
        raise CourseError(f"{keep} is no share to keep.", "It is the share of examples that rehearse.", "Choose 0 to 0.9.")
    facts = read_facts(company)
    desks = sorted({f.desk for f in facts})
    if desk is not None and desk not in desks:
        raise CourseError(f"There is no desk {desk!r}.", f"Known: {', '.join(desks)}.", "Choose one of them, or leave it out.")
    facts = [f for f in facts if desk in (None, f.desk)]
    misses = [miss for miss in read_near_misses(company) if miss.near in {f.id for f in facts}]
    examples = company_examples(facts, read_wordings(company))
    validation = [e for e in examples if int(e.id.rsplit("-", 1)[1]) % 8 == 7]
    train = [e for e in examples if int(e.id.rsplit("-", 1)[1]) % 8 != 7]
    train += refusing_examples(misses)
    pile = None
    if raw is not None:
        pile = _add_pile(raw if isinstance(raw, Cleaned) else cleaned_folder(raw, company), train, validation, seed)
    kept = keeping_examples(round(len(train) * keep / (1 - keep)), seed)
    train += kept
    random.Random(seed).shuffle(train)
    write_rows(Path(out) / "train.jsonl", train)
    write_rows(Path(out) / "validation.jsonl", validation)
    counts = {
        "facts": len(facts),
        "train": len(train),
        "validation": len(validation),
        "kept": len(kept),
        "not_in_papers": len(misses),
        "seed": seed,
    }
    if pile is not None:
        cleaned, near = pile
        counts |= {"from_the_pile": len(cleaned.examples) - near, "set_aside": len(cleaned.aside)}
        write_rows(Path(out) / "set_aside.jsonl", cleaned.aside)
        write_text(Path(out) / "card.md", data_card(cleaned, counts, near))
    write_json(Path(out) / "counts.json", counts)
    return counts


def cleaned_folder(raw: str | Path, company: str | Path = COMPANY) -> Cleaned:
    """What `clean_pile` makes of a folder, searched with the roster and the list of secrets that lie beside the pile."""
    scrubber = Scrubber(read_roster(raw), read_secrets(raw))
    return clean_pile(read_pile(raw), scrubber, read_papers(company))


def _add_pile(cleaned: Cleaned, train: list[Example], validation: list[Example], seed: int) -> tuple[Cleaned, int]:
    """Add the pile's examples to both sides; returns the pile and how many stood near a test question."""
    near = 0
    for part, more in zip((train, validation), split(cleaned.examples, cleaned.groups, seed=seed), strict=True):
        safe, _ = audit(more, frozen_questions())
        near += len(more) - len(safe)
        part += safe
    return cleaned, near


def check_file(path: str | Path) -> list[str]:
    """Whether an IT department or a vendor's platform would accept a training file, in plain lines; those that begin with NO forbid it.

    What hosted fine-tuning services ask for has much in common: JSON Lines with `messages`, known roles, an assistant's answer at
    the end, at least ten examples. What a company's own people ask for comes on top: no personal data, no example twice.

    Raises:
        CourseError: If the file cannot be read as examples at all; it names line, field and fix.
    """
    examples = read_rows(path, Example)
    asked = Counter(map(_asked, examples))
    twice = sum(n - 1 for n in asked.values())
    longest = max(sum(len(m.content) for m in e.messages) for e in examples)
    kinds = ("email", "phone", "iban", "card", "tax_id", "employee_id", "password", "api_key", "customer_url", "birth_date")
    scrubber = Scrubber(patterns={kind: PATTERNS[kind] for kind in kinds if kind in PATTERNS})
    personal: Counter = Counter()
    for example in examples:
        text = re.sub(_MARK, " ", "\n\n".join(m.content for m in example.messages))
        found = [s for s in scrubber.find(text) if s.kind in kinds]
        personal.update(s.kind for s in found if s.kind != "phone" or sum(c.isdigit() for c in text[s.start : s.end]) > 6)
    orders = sum(any(a.role == b.role for a, b in zip(e.messages, e.messages[1:], strict=False)) for e in examples)
    listed = ", ".join(f"{n} {kind}" for kind, n in personal.most_common())
    size = Path(path).stat().st_size / 1e6

    def line(ok: bool, text: str) -> str:
        return f"{'yes' if ok else 'NO '}  {text}"

    return [
        line(True, f"{len(examples)} examples in JSON Lines, UTF-8, each ending with the assistant"),
        line(len(examples) >= 10, "at least 10 examples, below which services refuse"),
        line(size <= 100, f"{size:.1f} MB; services take 100 to 500"),
        line(not orders, f"roles take turns (not in {orders} examples)" if orders else "roles take turns"),
        line(longest <= 24_000, f"the longest example has {longest:,} characters; above about 24,000 many models cut it"),
        line(twice <= 0.01 * len(examples), f"{twice} examples ask word by word what another one asks"),
        line(not personal, f"personal data with a form: {listed or 'none found'}"),
    ]
