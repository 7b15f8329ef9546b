"""The graduate's schooling: an endless stream of generated conversations about office work.

The texts (topics, reading patterns, refusals, writing pairs) stand in data/base_corpus; `skills` turns them into
conversations, and this module mixes the skills. Variety beats volume: no two conversations need be alike.
Limits: English office life only; nothing here knows the company of the course (a test looks for its name and its facts).
"""

import hashlib
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from course_utils.settings import DATA

FOLDER = DATA / "base_corpus"
Chat = list[dict[str, str]]

FIRST = (
    "Ada Amir Anna Arun Beth Bilal Carla Chen Clara Dana Dario Elif Emma Erik Farah Felix Fiona Gita Greta Hana Hugo Ines Ivan Jana "
    "Jonas Julia Kai Karim Lara Leo Lina Lukas Maja Marco Mei Milan Mona Nadia Nils Nora Omar Paula Pavel Petra Priya Rafael Rita "
    "Rosa Sami Sara Selma Simon Sofia Stefan Tara Theo Tina Tomas Uma Vera Viktor Wanda Yara Yusuf Zoe"
).split()
LAST = (
    "Abara Adler Almeida Bakker Banner Barlow Castell Conti Dahl Demir Draper Eklund Farrow Fenn Ferrant Gallo Grieve Haddad Hale "
    "Hollis Ibarra Iversen Jarvis Kader Keller Kowal Lang Lindqvist Lowe Marek Mendes Moss Nadar Novak Okoro Olsen Osei Pace Petrov "
    "Quist Radley Rinaldi Rossi Sander Sato Shore Silva Stone Tanner Tavares Thorne Urban Vance Vargas Weller Whitlock Winter Yilmaz Zeman"
).split()
ROLES = (
    "office manager,team lead,shift lead,duty nurse,head of sales,site engineer,caretaker,receptionist,librarian,accountant,"
    "safety officer,store keeper,project lead,IT desk,personnel office,warehouse clerk,events team,finance desk,head chef,driver"
).split(",")
PLACES = (
    "the north hall,the blue room,room 12,the canteen,the yard,building C,the top floor,the main store,the reading room,the cold room,"
    "the front desk,the loading bay,the small kitchen,the archive,the east wing,the car park,the show room,the laboratory,the garden,"
    "the basement,the branch office,the training centre,the workshop,the roof terrace"
).split(",")
ITEMS = (
    "grey ladder,label printer,water pump,spare key,guest badge,folding table,projector,coffee machine,hand scanner,first-aid kit,"
    "delivery van,display screen,steel cabinet,oil filter,safety vest,paper shredder,wall clock,hand truck,tool box,heating valve,"
    "desk lamp,card reader,headset,cargo bike,sample case,test bench,lens cap,power cable,rain cover,garden chair"
).split(",")
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
_STARTS = "b bl br c cr d dr f fl g gr h j k kl l m n p pl qu r s sh sk st t tr v w z".split()
_VOWELS = "a e i o u ai ea ou".split()
_ENDS = "b ck d f g l ll m n nd nt p r rd rk rn s sk st t v x".split()


@dataclass(frozen=True)
class Facet:
    """One thing that people ask about a topic."""

    topic: str
    title: str
    name: str
    about: str
    statements: tuple[str, ...]
    questions: tuple[str, ...]


@dataclass(frozen=True)
class Material:
    """All texts, read once.

    Attributes:
        facets: What the graduate knows about companies in general.
        patterns: Reading patterns that are trained on.
        held_out: Reading patterns that are only tested on.
        documents: House papers: a title, sentences each with its questions, and questions left open.
        unknown: Questions to refuse, with slots, and the refusals.
        writing: Requests and their results, with slots.
        words: Plain words, for lists and word games.
        by_topic: The facets of each topic.
        synonyms: For words and short phrases, others that can stand in their place.
    """

    facets: tuple[Facet, ...]
    patterns: tuple[dict, ...]
    held_out: tuple[dict, ...]
    documents: tuple[dict, ...]
    unknown: dict
    writing: tuple[dict, ...]
    words: tuple[str, ...]
    by_topic: dict[str, list[Facet]] = field(default_factory=dict)
    synonyms: dict[str, tuple[str, ...]] = field(default_factory=dict)


def _lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


@lru_cache(maxsize=1)
def material() -> Material:
    """Read data/base_corpus."""
    cards = {card["topic"]: card for path in sorted(FOLDER.glob("cards/*.jsonl")) for card in _lines(path)}
    more: dict[tuple[str, str], list[str]] = {}
    for row in (row for path in sorted(FOLDER.glob("questions/*.jsonl")) for row in _lines(path)):
        for facet, asked in row["facets"].items():
            more.setdefault((row["topic"], facet), []).extend(asked)
    facets = []
    for path in sorted(FOLDER.glob("topics/*.jsonl")):
        for row in _lines(path):
            card = cards[row["topic"]]
            for about in card["facets"]:
                texts = row["facets"][about["facet"]]
                asked = (*texts["questions"], *texts["situations"], *more.get((row["topic"], about["facet"]), ()))
                facets.append(
                    Facet(row["topic"], card["title"], about["facet"], about["about"], tuple(texts["statements"]), asked)
                )
    patterns = [row for path in sorted(FOLDER.glob("patterns/*.jsonl")) for row in _lines(path)]
    words = sorted({w.lower() for f in facets for s in f.statements for w in re.findall(r"[A-Za-z]{4,}", s)})
    by_topic: dict[str, list[Facet]] = {}
    for facet in facets:
        by_topic.setdefault(facet.topic, []).append(facet)
    groups = [group for path in sorted(FOLDER.glob("synonyms.jsonl")) for group in _lines(path)]
    unknown = json.loads((FOLDER / "unknown.json").read_text(encoding="utf-8"))
    return Material(
        facets=tuple(facets),
        patterns=tuple(p for p in patterns if not p["held_out"]),
        held_out=tuple(p for p in patterns if p["held_out"]),
        documents=tuple(row for path in sorted(FOLDER.glob("documents/*.jsonl")) for row in _lines(path)),
        unknown=unknown,
        writing=tuple(_lines(FOLDER / "writing.jsonl")),
        words=tuple(words),
        by_topic=by_topic,
        synonyms={phrase: tuple(other for other in group if other != phrase) for group in groups for phrase in group},
    )


def fingerprint() -> str:
    """SHA-256 over every text of the corpus and the code that turns it into conversations."""
    digest = hashlib.sha256()
    for path in sorted([*FOLDER.rglob("*.jsonl"), *FOLDER.glob("*.json"), *Path(__file__).parent.glob("[cs]*.py")]):
        digest.update(path.name.encode())
        digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def word(rng: random.Random) -> str:
    """An invented word, such as "morvel"."""
    return "".join(rng.choice(_STARTS) + rng.choice(_VOWELS) for _ in range(rng.choice((1, 1, 2)))) + rng.choice(_ENDS)


def person(rng: random.Random) -> str:
    return f"{rng.choice(FIRST)} {rng.choice(LAST) if rng.random() < 0.8 else word(rng).title()}"


def company(rng: random.Random) -> str:
    tail = rng.choice(("", "", " Group", " Ltd", " Works", " Foods", " Systems", " & Sons", " Bank", " Logistics"))
    return word(rng).title() + rng.choice(("", "", word(rng), "field", "ton", "corp")) + tail


def code(rng: random.Random) -> str:
    letters = "".join(rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(rng.choice((1, 2, 2, 2, 3))))
    return f"{letters}-{rng.randint(1, 99) if rng.random() < 0.4 else rng.randint(100, 999)}"


def number(rng: random.Random) -> int:
    return rng.choice((rng.randint(2, 12), rng.randint(2, 60), rng.choice((10, 14, 15, 20, 25, 28, 30, 45, 60, 90, 120))))


def time_of_day(rng: random.Random) -> str:
    return f"{rng.randint(6, 21)}:{rng.choice(('00', '00', '15', '30', '30', '45'))}"


def slots(rng: random.Random) -> dict[str, str]:
    """Random values for every slot that a pattern may hold; different slots hold different values."""
    n, m = number(rng), number(rng)
    while m == n:
        m = number(rng)
    item, item2 = rng.sample(ITEMS, 2)
    if rng.random() < 0.3:
        item = f"{word(rng)} {item.split()[-1]}"
    early, late = sorted(rng.sample(range(6, 22), 2))
    half = rng.choice(("00", "30"))
    return {
        "n": str(n),
        "m": str(m),
        "money": f"{rng.choice((rng.randint(2, 95), rng.randint(1, 40) * 25))} {rng.choice(('euros', 'euros', 'pounds', 'dollars'))}",
        "pct": f"{rng.choice((rng.randint(1, 99), rng.randint(1, 19) * 5))}%",
        "code": code(rng),
        "time": f"{early}:{half}",
        "time2": f"{late}:{rng.choice(('00', '15', '30'))}",
        "day": rng.choice(DAYS),
        "month": rng.choice(MONTHS),
        "person": person(rng),
        "person2": person(rng),
        "role": rng.choice(ROLES),
        "place": rng.choice(PLACES)
        if rng.random() < 0.75
        else f"the {word(rng)} {rng.choice(('room', 'hall', 'office', 'store'))}",
        "item": item,
        "item2": item2,
        "word": word(rng),
        "company": company(rng),
    }


def fill(text: str, values: dict[str, str]) -> str:
    """Put values into the slots of a text; the first letter becomes a capital."""
    text = re.sub(r"\{(\w+)\}", lambda m: values[m[1]], text)
    return text[:1].upper() + text[1:]


def stream(seed: int, stage: int = -1) -> Iterator[Chat]:
    """Conversations without end. The same seed gives the same stream, on every machine.

    Args:
        seed: Seed of the stream.
        stage: Which lessons, an index into `skills.STAGES`; the last by default.
    """
    from course_utils.tiny_base import skills

    rng = random.Random(seed)
    makers, weights = zip(*skills.STAGES[stage][1], strict=True)
    texts = material()
    while True:
        yield rng.choices(makers, weights)[0](rng, texts)
