"""Find personal data and company secrets in text, put pseudonyms in their place, and score both against a ledger.

Built on Microsoft Presidio without a language model: patterns with checksums for what has a form, the record's own people and
the company's roster for names, and cues for strangers (a greeting, a signature, "my name is", or a capitalised pair of words that
nobody uses in small letters). Limits: English; a stranger's lone first name in running text is not found; nothing here makes
data anonymous in the sense of the law, because who knows the company may still guess who wrote.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from course_utils.records import Thread, Turn
from course_utils.score import interval
from course_utils.sources import Roster

N = r"\p{Lu}[\p{L}'’-]+\b"  # a capitalised word
MONEY = r"(?:€|EUR |\$|£)?\d[\d.,]*(?:\s?(?:k|K|million|thousand|m)\b)?\s?(?:€|euros?\b|EUR\b|pounds\b|dollars\b)?"
PATTERNS: dict[str, tuple[str, ...]] = {
    "email": (r"(?i)[\w.+'-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+",),
    "tax_id": (r"\b[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b", r"\b9\d{2}-\d{2}-\d{4}\b"),
    "employee_id": (r"(?i)\bLF-E\d{4,6}\b",),
    "customer_url": (r"(?i)\bhttps?://\S*?\b\d{6,8}\b[\w/&=?.-]*",),
    "api_key": (r"\b(?:lfk_(?:live|test)_|sk-|ghp_|AKIA)[A-Za-z0-9]{12,}\b", r"\b[0-9a-f]{32,64}\b"),
    "password": (
        r"(?<![\w@/.-])(?=\S*\p{L})(?=\S*\d)[\p{L}\d_-]{3,}[!#$%*?&+=][\p{L}\d!#$%*?&+=_-]+",
        r"(?i)(?<=\b(?:password|passwd|pwd|passphrase|passcode)\b(?: is| was|:| =)? ?[\"'“]?)(?=\S*\d)[^\s\"'”,]{5,}",
    ),
    "birth_date": (
        r"(?i)\b\d{1,2}(?:st|nd|rd|th)?\.? (?:january|february|march|april|may|june|july|august|september|october|november|december),? (?:19\d\d|200\d)\b",
        r"(?i)\b(?:january|february|march|april|may|june|july|august|september|october|november|december) \d{1,2},? (?:19\d\d|200\d)\b",
        r"\b\d{1,2}[./-]\d{1,2}[./-](?:19\d\d|200\d)\b",
        r"\b(?:19\d\d|200\d)-\d\d-\d\d\b",
    ),
    "address": (
        rf"(?:\b(?:Flat|Apartment|Unit) \d+,? )?\b\d{{1,4}} {N}(?: {N})? (?:Street|Road|Lane|Avenue|Close|Square|Drive|Way|Court|Place)\b"
        rf"(?:,? {N}(?: {N}){{0,2}})?(?:,? [A-Z]{{1,2}}\d{{1,2}}[A-Z]? ?\d[A-Z]{{2}})?(?: {N}(?: {N}){{0,2}})?",
        r"\b[A-Z]{1,2}\d{1,2}[A-Z]? \d[A-Z]{2}\b",
    ),
    "salary": (
        rf"(?i){MONEY} (?:gross |net )?(?:a|per|each) (?:year|month|annum|week)(?: gross| net)?",
        rf"(?i)(?<=\b(?:salary|wage|pay|paid|earns?|earning|income)\b[^.\n]{{0,30}} ){MONEY}(?<=\d{{3}}[^.\n]*)",
    ),
    "health": (
        r"(?i)\b(?:an? )?(?:(?:severe|chronic|acute|bad|mild|type [12]|long|broken|slipped|torn|sprained|high-risk) )*(?:diabetes|migraines?|cancer|"
        r"burnout|depression|anxiety|asthma|epilep\w+(?: (?:fit|seizure|attack)s?)?|covid|pregnan\w+|miscarriage|disc|collarbone|tumou?rs?|stroke|chemotherapy|"
        r"dialysis|arthritis|insomnia|hepatitis|hiv|dementia|leukaemia|surgery)\b",
        r"(?i)\b(?:an? )?(?:broken|torn|sprained|dislocated|fractured) (?:leg|arm|wrist|ankle|foot|hand|finger|rib|hip|shoulder|knee|nose|jaw|collarbone)s?\b",
        r"(?i)\b(?:an? )?(?:bad |severe |serious |chronic )?(?:heart|kidney|liver|lung|back|knee|hip|spine|breast|skin|bowel|bladder) (?:operation|infection|injury|cancer|attack|disease|failure|surgery|problem)s?\b",
    ),
    "contract_value": (
        rf"(?i){MONEY}(?<=(?:\d{{2,3}}[,.]\d{{3}}|\d ?(?:k|million|thousand|m))\s?(?:€|euros?|EUR|pounds|dollars)?)",
    ),
    "margin": (
        r"(?i)\b\d{1,2}(?:[.,]\d)?\s?(?:%|percent|per cent)(?=[^.\n]{0,60}\b(?:margins?|mark-?up|profit|gross)\b)",
        r"(?i)(?<=\b(?:margins?|mark-?up|profit|gross)\b[^.\n]{0,60})\b\d{1,2}(?:[.,]\d)?\s?(?:%|percent|per cent)",
    ),
    "internal_only": (
        r"(?i)\b(?:internal(?:ly)?\b(?=[ -](?:only|use|note|remark|memo|matter)|[)\]:,])|(?:for|strictly|purely|marked) internal|confidential|"
        r"embargo|off the record|classified|in-house only|private to|restricted to (?:employees|staff|colleagues|the team)|hush-hush|"
        r"(?:staff|team|company|employees|colleagues)['’]?[ -](?:only|eyes|alone)|eyes only|(?:no|not for|never for) (?:external|outside|customers?|clients?)|"
        r"(?:do not|don't|don’t|never|must not|may not|should not|shouldn't|mustn't|can't|cannot|not to be|nothing|nobody|no one)\b[^.!?\n]{0,40}\b(?:outside|external|"
        r"leave (?:the|this) (?:building|house|office|company|room|team)|(?:forward|share|shared|pass|passed|repeat|tell|told|mention|quote)\b[^.!?\n]{0,25}"
        r"\b(?:customers?|clients?|anyone|anybody|outside|on|company))|keep (?:this|it|that) (?:quiet|to|in|between|among|under|inside)|"
        r"between (?:us|you and me|ourselves)|among (?:us|ourselves)|in confidence|(?:in|company|trade) secret|secret\b|undisclosed|under wraps|not (?:yet )?(?:public|official|announced)|"
        r"(?:stays?|remains?|keep|kept|stay) (?:this |it |that )?(?:here|inside|internal|within|in the (?:team|house|company|building|family)|in-house|private|quiet|secret)|"
        r"not (?:meant|intended|suitable|fit) for|non-public|nondisclosure|\bnda\b|sensitive|need[- ]to[- ]know|privileged|proprietary|unofficial(?:ly)?|"
        r"(?:just|only) (?:for|among|between) (?:us|staff|colleagues|the team|our|insiders)|for (?:us|staff|colleagues|the team|insiders|employees|our (?:own|people|team|staff))[^.!?\n]{0,15}\b(?:only|alone)|"
        r"(?:outside|external) (?:the )?(?:company|team|firm|house|people|world|parties)|insiders?\b|don['’]t (?:quote|let)\b|get out\b|leaks?\b|hide this|word of this|"
        r"(?:clients?|customers?|outsiders?|the public|nobody|no one|partners?|press)\b[^.!?\n]{0,25}\b(?:must|should|may|need|can|is to|are to)(?: not|n['’]t| never)\b)\b?.*",
    ),
}
CUES = (
    rf"(?i:\b(?:dear|hi|hello|hey|greetings|good (?:morning|afternoon|evening|day)|thanks|thank you|cheers)(?: there| again)?,?) (?P<name>{N}(?: {N}){{0,2}})",
    rf"(?i:\b(?:my name is|my name's|name is|name:|this is|i am|i'm|speaking is|signed,?|yours,)) (?P<name>{N}(?: {N}){{0,2}})",
    rf"(?P<name>{N}(?: {N}){{1,2}})(?:,)? (?i:here\b|speaking\b|writing\b)",
    rf"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof)\.? (?P<name>{N}(?: {N}){{0,2}})",
    rf"(?im:^[^\n]{{0,40}}\b(?:regards|wishes|greetings|sincerely|thanks|best|cheers|advance|weekend|reply|day|faithfully|rgds|truly|care|soon)[,.!]?[ \t]*\n+)(?P<name>{N}(?: {N}){{0,2}})(?=[ \t]*(?:\n|$))",
)
PUBLISHED = ("email", "phone", "salary", "contract_value")  # what the company's papers state of these kinds is public
NOT_AFTER_NAME = {
    "i",
    "you",
    "we",
    "they",
    "he",
    "she",
    "it",
    "the",
    "a",
    "an",
    "this",
    "that",
    "my",
    "our",
    "your",
    "there",
    "all",
    "any",
}
BEFORE_MONTH = {
    "in",
    "of",
    "by",
    "since",
    "until",
    "till",
    "early",
    "late",
    "mid",
    "next",
    "last",
    "this",
    "before",
    "after",
    "during",
    "from",
    "to",
}


ALSO_WORDS = frozenset(
    "April August Amber Art Autumn Bill Chase Clay Dale Dawn Dean Drew Faith Frank Glen Grace Grant Guy Heath Holly Hope Ivy Jack Jude June Mark "
    "May Miles Nick Olive Pat Pearl Penny Reed Rich Rob Robin Rose Rowan Ruby Sue Summer Sunny Victor Wade Will".split()
)  # first names that are ordinary words as well
SHARE = re.compile(r"(?<![\d.,])(\d{1,2}(?:[.,]\d)?)\s?(?:%|percent\b|per cent\b)", re.IGNORECASE)


@dataclass(frozen=True)
class Span:
    """Something found: characters from `start` up to `end`."""

    start: int
    end: int
    kind: str


@lru_cache(maxsize=1)
def ordinary_words() -> frozenset[str]:
    """Words that ordinary office English writes in small letters, counted in the texts of the graduate's schooling."""
    from course_utils.tiny_base import corpus

    texts = corpus.material()
    lines = [s for f in texts.facets for s in (*f.statements, *f.questions)]
    lines += [fact["sentence"] for paper in texts.documents for fact in paper["facts"]]
    seen = Counter(w for line in lines for w in re.findall(r"(?<![\w{])[a-z][a-z'’-]+", line))
    return frozenset(w for w, n in seen.items() if n >= 3)


@lru_cache(maxsize=1)
def papers_text() -> str:
    """The company's own papers. What they state, such as the address of the help desk, is no secret."""
    from course_utils.sources import read_papers

    return " ".join(s.title + ". " + s.text for sections in read_papers().values() for s in sections)


@lru_cache(maxsize=1)
def house_words() -> frozenset[str]:
    """Capitalised words of the company's own papers: products, halls, forms. They are nobody's names."""
    days = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April June July August September October November December"
    return frozenset(re.findall(r"[A-Z][A-Za-z]+", papers_text())) | frozenset(days.split())


@lru_cache(maxsize=1)
def published_shares() -> frozenset[str]:
    """Percentages that the company's papers state; any other one may be a margin that nobody outside should know."""
    return frozenset(m[1] for m in SHARE.finditer(papers_text()))


def _presidio(kinds: dict[str, tuple[str, ...]]):
    """Presidio with our patterns, its own checksummed recognizers, and no language model."""
    import phonenumbers
    from presidio_analyzer import (
        AnalyzerEngine,
        EntityRecognizer,
        Pattern,
        PatternRecognizer,
        RecognizerRegistry,
        RecognizerResult,
    )
    from presidio_analyzer.nlp_engine import NoOpNlpEngine
    from presidio_analyzer.predefined_recognizers import IbanRecognizer

    class Card(PatternRecognizer):
        def validate_result(self, pattern_text: str) -> bool:
            digits = [int(c) for c in pattern_text if c.isdigit()]
            return sum(sum(divmod(d * (1 + i % 2), 10)) for i, d in enumerate(reversed(digits))) % 10 == 0

    class Phone(EntityRecognizer):
        def load(self) -> None:
            pass

        def analyze(self, text, entities, nlp_artifacts=None):
            if sum(c.isdigit() for c in text) < 7:
                return []
            found = {
                (m.start, m.end)
                for region in ("GB", "US", "DE")
                for m in phonenumbers.PhoneNumberMatcher(text, region, leniency=1)
            }
            return [RecognizerResult("phone", start, end, 0.6) for start, end in found]

    made = [
        PatternRecognizer(
            supported_entity=kind,
            name=kind,
            patterns=[Pattern(f"{kind} {k}", p, 0.6) for k, p in enumerate(found)],
            global_regex_flags=0,
        )
        for kind, found in kinds.items()
    ]
    made.append(
        Card(
            supported_entity="card",
            name="card",
            patterns=[Pattern("card", r"\b[2-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,4}\b", 0.6)],
        )
    )
    made += [Phone(supported_entities=["phone"], name="phone"), IbanRecognizer(supported_entity="iban")]
    engine = NoOpNlpEngine(models=[{"lang_code": "en", "model_name": "no_op"}])
    return AnalyzerEngine(registry=RecognizerRegistry(recognizers=made), nlp_engine=engine)


def as_it_comes():
    """Presidio's own recognizers, without a language model and without ours: what a company gets that only installs it.

    Returns:
        A finder for `score_privacy`.
    """
    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NoOpNlpEngine

    engine = NoOpNlpEngine(models=[{"lang_code": "en", "model_name": "no_op"}])
    registry = RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=engine)
    tldextract.extract = tldextract.TLDExtract(
        suffix_list_urls=()
    )  # the list of domains as installed; it would ask the network
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine)
    return lambda text, people: _merged(
        text, [Span(r.start, r.end, r.entity_type) for r in analyzer.analyze(text, language="en")]
    )


@dataclass
class Scrubber:
    """Finds and replaces; made once for a pile.

    Attributes:
        roster: Customers and staff.
        products: Names of what is not released yet.
        patterns: Regular expressions by kind; a learner may add some.
    """

    roster: Sequence[Roster] = ()
    products: Sequence[str] = ()
    patterns: dict[str, tuple[str, ...]] = field(default_factory=lambda: dict(PATTERNS))

    def __post_init__(self) -> None:
        kinds = dict(self.patterns)
        if self.products:
            kinds["unreleased_product"] = (r"(?i)\b(?:" + "|".join(re.escape(p) for p in self.products) + r")\b",)
        self._engine = _presidio(kinds)
        self._numbered: dict[tuple[str, str], int] = {}  # whose a pseudonym is; it is never written anywhere
        self._names = {row.name.lower(): row.name for row in self.roster}
        self._numbers = {row.number for row in self.roster}
        self._by_part: dict[str, set[str]] = defaultdict(set)
        for name in self._names:
            for part in name.split():
                self._by_part[part].add(name)
        self._staff = {row.name.lower() for row in self.roster if row.role == "staff"}

    def find(self, text: str, people: Sequence[str] = ()) -> list[Span]:
        """Everything that must not stay in a text, in order and without overlaps.

        Args:
            text: The text.
            people: Who took part according to the record: names and addresses.
        """
        found = [Span(r.start, r.end, r.entity_type) for r in self._engine.analyze(text, language="en")]
        found = [_sentence(text, s) if s.kind == "internal_only" else s for s in found]
        found = [s for s in found if s.kind not in PUBLISHED or text[s.start : s.end].strip() not in papers_text()]
        found += [Span(*m.span(), "margin") for m in SHARE.finditer(text) if m[1] not in published_shares()]
        found += [Span(*m.span(), "customer") for m in re.finditer(r"\b\d{5,10}\b", text) if m[0] in self._numbers]
        return _merged(text, found + self._find_names(text, people))

    def _find_names(self, text: str, people: Sequence[str]) -> list[Span]:
        words = [(m.start(), m.end(), m[0]) for m in re.finditer(r"[^\W\d_][\w'’-]*", text)]
        own = {p.lower(): p for p in people if "@" not in p}
        parts = {part for name in own.values() for part in name.split()}
        parts |= {self._names[name].split()[0] for name in self._staff}
        ordinary, house, found = ordinary_words(), house_words(), []
        for k, (start, end, word) in enumerate(words):
            if k + 1 < len(words) and text[end : words[k + 1][0]] in (" ", "  "):
                stop, after = words[k + 1][1], words[k + 1][2]
                if self._known(word, after, own) or _strange(word, after, ordinary, house):
                    found.append(Span(start, stop, "name"))
                    continue
            if word in parts and word[:1].isupper() and _is_name(text, words, k, ordinary):
                found.append(Span(start, end, "name"))
        return found + [Span(*m, "name") for m in _cued(text, house, ordinary)]

    def _known(self, first: str, last: str, own: dict[str, str]) -> bool:
        """Whether two words are the name of somebody known, now and then mistyped in one of them."""
        from rapidfuzz import fuzz

        pair = f"{first} {last}".lower()
        if pair in self._names or pair in own:
            return True
        near = self._by_part.get(first.lower(), set()) | self._by_part.get(last.lower(), set())
        near |= {name for name in own if first.lower() in name.split() or last.lower() in name.split()}
        return any(fuzz.ratio(pair, name) >= 88 for name in near)

    def pseudonym(self, kind: str, value: str, people: Sequence[str] = ()) -> str:
        """The same stand-in for the same value, such as "[name-003f]"; first names and slips count as their person's.

        They are numbered as they come, so that the same pile gives the same file, and nobody can compute one from a name.
        """
        plain = re.sub(r"\W+", " ", value).strip().lower()
        if kind == "name":
            plain = self._whose(plain, people)
        return f"[{kind}-{self._numbered.setdefault((kind, plain), len(self._numbered)):04x}]"

    def _whose(self, name: str, people: Sequence[str]) -> str:
        """The person whom a name means, as far as record and roster tell; otherwise the name itself."""
        from rapidfuzz import fuzz

        own = [p.lower() for p in people if "@" not in p]
        known = [n for part in name.split() for n in (*self._by_part.get(part, ()), *(o for o in own if part in o.split()))]
        if " " in name:
            best = max(sorted(set(known)), key=lambda n: fuzz.ratio(name, n), default=name)
            return best if fuzz.ratio(name, best) >= 80 else name
        first = [o for o in own if name in o.split()] or [
            n for n in sorted(self._names) if n.split()[0] == name and n in self._staff
        ]
        return first[0] if first else name

    def clean_text(self, text: str, people: Sequence[str] = ()) -> tuple[str, Counter]:
        """The text with pseudonyms, and how many of each kind were put in."""
        parts, at, counts = [], 0, Counter()
        for span in self.find(text, people):
            parts += [text[at : span.start], self.pseudonym(span.kind, text[span.start : span.end], people)]
            at = span.end
            counts[span.kind] += 1
        return "".join(parts) + text[at:], counts

    def clean(self, thread: Thread) -> tuple[Thread, Counter]:
        """A thread without what its people would not want to be read by others; its number and topic stay."""
        counts: Counter = Counter()
        turns = []
        for turn in thread.turns:
            text, found = self.clean_text(turn.text, thread.people)
            counts += found
            turns.append(Turn(speaker=turn.speaker, text=text))
        customer = self.pseudonym("customer", thread.customer) if thread.customer else ""
        return thread.model_copy(update={"turns": turns, "people": [], "customer": customer}), counts


def _sentence(text: str, span: Span) -> Span:
    """A find from the beginning of its sentence on. (A pattern that began there would try every sentence from every letter.)"""
    return Span(1 + max(text.rfind(mark, 0, span.start) for mark in ".!?\n"), span.end, span.kind)


def _merged(text: str, spans: Iterable[Span]) -> list[Span]:
    """Overlapping finds become one, of the kind of the longest."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        while span.start < span.end and text[span.start].isspace():
            span = Span(span.start + 1, span.end, span.kind)
        if span.start >= span.end:
            continue
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            longest = max(last, span, key=lambda s: s.end - s.start)
            merged[-1] = Span(last.start, max(last.end, span.end), longest.kind)
        else:
            merged.append(span)
    return merged


def _strange(first: str, last: str, ordinary: frozenset[str], house: frozenset[str]) -> bool:
    """Whether two words look like the name of somebody nobody knows: both with a capital, neither an ordinary word."""
    return all(
        len(w) > 1 and w[0].isupper() and not w.isupper() and (w in also or (w.lower() not in ordinary and w not in house))
        for w, also in ((first, ALSO_WORDS), (last, frozenset()))
    )


def _is_name(text: str, words: list[tuple[int, int, str]], k: int, ordinary: frozenset[str]) -> bool:
    """Whether a capitalised word that could be a first name is one here: "Will" in "I asked Will", not in "Will you come?"."""
    start, end, word = words[k]
    if word.lower() not in ordinary:
        return True
    before = words[k - 1][2].lower() if k and "\n" not in text[words[k - 1][1] : start] else ""
    after = words[k + 1][2].lower() if k + 1 < len(words) and "\n" not in text[end : words[k + 1][0]] else ""
    if word == "May" and (before in BEFORE_MONTH or re.match(r" ?\d", text[end:])):
        return False
    if text[start - 1 : start] == "@":
        return True
    begins = not before or text[words[k - 1][1] : start].strip()[-1:] in (".", "!", "?", ":", ";")
    return not (begins and after and (after in NOT_AFTER_NAME or after in ordinary and text[end : words[k + 1][0]] == " "))


def _cued(text: str, house: frozenset[str], ordinary: frozenset[str]) -> list[tuple[int, int]]:
    """Names that stand after a cue."""
    import regex

    found = []
    for cue in CUES:
        for match in regex.finditer(cue, text):
            start, end = match.span("name")
            kept = []
            for word in regex.finditer(N, match["name"]):
                if word[0] in house or (
                    word[0].lower() in ordinary and len(match["name"].split()) == 1 and end < len(text) and text[end] == " "
                ):
                    break
                kept.append(word.end())
            if kept:
                found.append((start, start + kept[-1]))
    return found


# --- scoring --------------------------------------------------------------------------------------------------------


def planted_spans(text: str, items: Iterable[dict]) -> list[Span]:
    """Where the ledger's values stand in a text."""
    spans = []
    for item in items:
        at = text.find(item["value"])
        while at >= 0:
            spans.append(Span(at, at + len(item["value"]), item["type"]))
            at = text.find(item["value"], at + 1)
    return spans


def covered(text: str, planted: Span, found: Sequence[Span]) -> bool:
    """Whether no letter or digit of what was planted is left over."""
    hidden = {i for span in found for i in range(max(span.start, planted.start), min(span.end, planted.end))}
    return all(i in hidden for i in range(planted.start, planted.end) if text[i].isalnum())


def score_privacy(threads: Iterable[Thread], ledger: Sequence[dict], find) -> dict:
    """What a finder finds, misses and invents, by type, and how many documents it leaves with a leak.

    Args:
        threads: The pile.
        ledger: What was planted: rows with record, type and value.
        find: Called with a text and the record's people; returns spans.

    Returns:
        `by_type` (type: planted, found, recall with its interval), `documents`, `leaking` with its interval, `precision`, `f2` and
        `missed` (record, type and value of what was not found).
    """
    by_record: dict[str, dict] = defaultdict(dict)
    for item in ledger:
        if "value" in item:
            kind = f"{item['type']} ({item['known']})" if "known" in item else item["type"]
            by_record[item["record"]].setdefault((kind, item["value"]), {**item, "type": kind})
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    documents = leaking = right = false = 0
    leaks: Counter = Counter()
    missed, invented = [], []
    for thread in threads:
        documents += 1
        lost = set()
        for turn in thread.turns:
            found = find(turn.text, thread.people)
            there = planted_spans(turn.text, by_record[thread.id].values())
            for span in there:
                hit = covered(turn.text, span, found)
                counts[span.kind][0] += 1
                counts[span.kind][1] += hit
                if not hit:
                    lost.add(span.kind)
                    missed.append({"record": thread.id, "type": span.kind, "value": turn.text[span.start : span.end]})
            for span in found:
                hit = any(span.start < p.end and p.start < span.end for p in there)
                right, false = right + hit, false + (not hit)
                if not hit:
                    invented.append({"record": thread.id, "type": span.kind, "value": turn.text[span.start : span.end]})
        leaking += bool(lost)
        leaks.update(lost)
    by_type = {
        kind: {"planted": n, "found": k, "recall": k / n, "interval": interval(k, n), "documents_leaking": leaks[kind]}
        for kind, (n, k) in sorted(counts.items())
    }
    planted, found = (sum(c[i] for c in counts.values()) for i in (0, 1))
    precision, recall = right / max(right + false, 1), found / max(planted, 1)
    return {
        "by_type": by_type,
        "documents": documents,
        "leaking": leaking,
        "leaking_interval": interval(leaking, max(documents, 1)),
        "precision": precision,
        "recall": recall,
        "f2": 5 * precision * recall / max(4 * precision + recall, 1e-9),
        "missed": missed,
        "invented": invented,
    }


def found_share(result: dict, kind: str) -> tuple[int, int, float, float]:
    """How much of one kind was found, of whatever origin: "name" counts strangers and customers together.

    Args:
        result: From `score_privacy`.
        kind: A type of the ledger.

    Returns:
        Found, planted, and the 95% interval of the share.
    """
    rows = [row for name, row in result["by_type"].items() if name == kind or name.startswith(f"{kind} (")]
    found, planted = sum(row["found"] for row in rows), sum(row["planted"] for row in rows)
    return found, planted, *interval(found, planted)
