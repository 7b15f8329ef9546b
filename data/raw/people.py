"""Invented people and their details: every number passes its checksum and belongs to nobody.

Telephone numbers come from ranges set aside for fiction (Ofcom, the North American plan, Bundesnetzagentur), addresses at
example.com and its kin from RFC 2606, cards from issuer ranges used for testing, national insurance numbers from the prefix QQ,
which is never given out.
"""

import random
import string
from dataclasses import dataclass

FIRST = (
    "Aino Alba Amadou Bea Bruno Carmen Celia Cem Daphne Dilan Edith Elio Emeka Esme Fabio Fern Gideon Greta Hamza Harriet Hedda Hugo Imani "
    "Ingrid Isak Iris Jasper Jude June Kaito Keziah Lachlan Leila Linus Lotte Malik Mara Mark May Mirko Mona Nadim Nell Niko Odile Orla "
    "Oskar Paolo Penny Quentin Rafi Rose Ruben Sade Saskia Silvio Sunny Tamsin Teo Thea Tobias Ugo Veda Will Winnie Xavi Yuki Zara Zeno"
).split()
LAST = (
    "Abernathy Achterberg Adeyemi Alvarsson Ambrose Baptiste Beckwith Bellamy Brandt Calloway Castellan Chaudhri Corrigan Dankwerts Delacroix "
    "Ebersbach Eastwood Fairweather Fenwick Fontaine Gallagher Gravesen Halloran Hartigan Hawthorne Ishikawa Jankowski Kallas Kirchner "
    "Lafferty Lindholm Loxley Macready Marchetti Mbeki Merriweather Nakagawa Nightingale O'Dell Okafor Oyelaran Pemberton Petersen Pryce "
    "Quennell Ravenscroft Ridgeway Saltmarsh Santoro Sedgwick Stavros Thackeray Tolliver Underhill Valtonen Vickers Wainwright "
    "Weatherby Wolfe Yamada Yardley Zimmer Zoltan"
).split()
STREETS = "Alder Birch Canal Dyer Elm Foundry Granary Harbour Ivy Juniper Kiln Lantern Mill Orchard Priory Quarry Rope Saddler Tannery Weir".split()
WAYS = ("Street", "Road", "Lane", "Avenue", "Close", "Square")
TOWNS = (
    "Marrow Bridge",
    "Upper Fenwold",
    "Castlebeck",
    "Norhaven",
    "Tillbury Cross",
    "Great Ashlow",
    "Pendle Quay",
    "Eastmere",
)
HEALTH = (
    "a slipped disc", "type 1 diabetes", "a broken collarbone", "severe migraine", "a heart operation", "burnout", "an epileptic fit",
    "breast cancer", "a bad back injury", "depression", "asthma", "a kidney infection", "long Covid", "a high-risk pregnancy",
)  # fmt: skip
FIRMS = (
    "Brightwater Mills",
    "Corvane Logistics",
    "Dunmore Optics",
    "Eskdale Foods",
    "Halden Freight",
    "Ostrava Ceramics",
    "Quill & Harrow",
)
PRODUCTS = ("Project Heron", "Insight Go", "Larkfield Pulse", "Project Tamarind", "Insight Voice")
_STARTS = "B Br C D Dr F G Gl H J K Kr L M N P Qu R S St T Tr V W Z".split()
_ENDS = "ba bel dan den do fa gol ka kin la len lo mar mi na nel ra ric sa sen ta tin va von wyn zel".split()


@dataclass(frozen=True)
class Person:
    """Somebody invented."""

    first: str
    last: str
    number: str
    email: str
    phone: str

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"


def coined(rng: random.Random) -> str:
    """A name that stands in no list, such as "Dralenko"."""
    return rng.choice(_STARTS) + rng.choice("aeiou") + "".join(rng.choice(_ENDS) for _ in range(rng.choice((1, 1, 2))))


def person(rng: random.Random, new_names: float = 0.0) -> Person:
    """Somebody, with a share of names that stand in no list."""
    first = coined(rng) if rng.random() < new_names else rng.choice(FIRST)
    last = coined(rng) if rng.random() < new_names else rng.choice(LAST)
    return Person(first, last, str(rng.randint(4_000_000, 4_999_999)), email(rng, first, last), phone(rng))


def email(rng: random.Random, first: str, last: str) -> str:
    plain = "".join(c for c in last.lower() if c.isalpha())
    local = rng.choice(
        (f"{first}.{plain}", f"{first[0]}.{plain}", f"{first}_{plain}", f"{first}{rng.randint(1, 99)}", f"{plain}.{first}")
    )
    place = rng.choice(("example.com", "example.org", "example.net", "mail.example.com", "office.example.org"))
    return f"{local}@{place}".lower() if rng.random() < 0.9 else f"{local}@{place}"


def phone(rng: random.Random) -> str:
    """One of six ways of writing a number that is set aside for fiction."""
    a, b = f"{rng.randint(0, 999):03d}", f"{rng.randint(0, 99):02d}"
    return rng.choice(
        (
            f"+44 20 7946 0{a}",
            f"020 7946 0{a}",
            f"07700 900{a}",
            f"(202) 555-01{b}",
            f"+1-202-555-01{b}",
            f"+49 30 23125 {a}",
            f"+4930 23125{a}",
        )
    )


def address(rng: random.Random) -> str:
    code = f"{rng.choice('BCLNPSW')}{rng.choice('ABDEHLN')}{rng.randint(1, 19)} {rng.randint(1, 9)}{rng.choice('ABDEFGHJ')}{rng.choice('LNPQRS')}"
    street = f"{rng.randint(1, 180)} {rng.choice(STREETS)} {rng.choice(WAYS)}"
    town = rng.choice(TOWNS)
    return rng.choice(
        (f"{street}, {code} {town}", f"{street}, {town} {code}", f"Flat {rng.randint(1, 30)}, {street}, {town}, {code}")
    )


def iban(rng: random.Random) -> str:
    """With a right check number (ISO 13616); the bank codes are not in use."""
    country, length = rng.choice((("DE", 18), ("NL", 14), ("FR", 23), ("GB", 18), ("AT", 16)))
    body = "".join(rng.choice(string.digits) for _ in range(length))
    if country in ("NL", "GB"):
        body = "XXXX" + body[4:]
    as_number = "".join(str(int(c, 36)) for c in body + country + "00")
    whole = f"{country}{98 - int(as_number) % 97:02d}{body}"
    return whole if rng.random() < 0.4 else " ".join(whole[i : i + 4] for i in range(0, len(whole), 4))


def card(rng: random.Random) -> str:
    """With a right check digit (Luhn)."""
    digits = rng.choice(("400000", "555555", "222300")) + "".join(rng.choice(string.digits) for _ in range(9))
    total = sum(sum(divmod(int(d) * (2 - i % 2), 10)) for i, d in enumerate(digits))
    whole = digits + str(-total % 10)
    gap = rng.choice(("", " ", " ", "-"))
    return gap.join(whole[i : i + 4] for i in range(0, 16, 4))


def tax_id(rng: random.Random) -> str:
    n = f"{rng.randint(0, 999999):06d}"
    insurance = f"QQ {n[:2]} {n[2:4]} {n[4:]} {rng.choice('ABCD')}"
    return rng.choice(
        (insurance, insurance.replace(" ", ""), f"9{rng.randint(0, 99):02d}-{rng.randint(70, 88)}-{rng.randint(0, 9999):04d}")
    )


def employee_id(rng: random.Random) -> str:
    return f"LF-E{rng.randint(10000, 99999)}"


def salary(rng: random.Random) -> str:
    yearly = f"{rng.randint(31, 98)},{rng.randint(0, 9)}00"
    return rng.choice(
        (
            f"{yearly} euros a year",
            f"{yearly} euros gross a year",
            f"{rng.randint(26, 79)}00 euros a month",
            f"€{yearly} per year",
        )
    )


def password(rng: random.Random) -> str:
    word = rng.choice(("Kettle", "sommer", "Lantern", "brown-otter", "Quartz", "trustme", "Blue_Door", "winter"))
    return f"{word}{rng.choice('!#$%*?')}{rng.randint(10, 9999)}"


def api_key(rng: random.Random) -> str:
    def some(letters: str, n: int) -> str:
        return "".join(rng.choice(letters) for _ in range(n))

    both = string.ascii_letters + string.digits
    return rng.choice(
        (f"lfk_live_{some(both, 28)}", f"lfk_test_{some(both, 28)}", f"sk-{some(both, 40)}", some("0123456789abcdef", 40))
    )


def customer_url(rng: random.Random, number: str) -> str:
    return rng.choice(
        (
            f"https://insight.example.com/customers/{number}/billing",
            f"https://insight.example.com/login?customer={number}&next=home",
            f"http://insight.example.com/c/{number}",
            f"https://insight.example.com/reports?id=88&customer_id={number}",
        )
    )


def birth_date(rng: random.Random) -> str:
    d, m, y = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1950, 2004)
    month = "January February March April May June July August September October November December".split()[m - 1]
    return rng.choice((f"{d} {month} {y}", f"{d:02d}/{m:02d}/{y}", f"{d}.{m}.{y}", f"{month} {d}, {y}", f"{y}-{m:02d}-{d:02d}"))


def mangled(rng: random.Random, name: str) -> str:
    """A name as people mistype it: one letter swapped, dropped or doubled inside its longer part."""
    parts = name.split(" ")
    i = max(range(len(parts)), key=lambda k: len(parts[k]))
    w = parts[i]
    if len(w) < 5:
        return name
    k = rng.randrange(1, len(w) - 2)
    parts[i] = rng.choice((w[:k] + w[k + 1] + w[k] + w[k + 2 :], w[:k] + w[k + 1 :], w[:k] + w[k] + w[k:]))
    return " ".join(parts)
