"""Make the pile: what a company really has, messy on purpose, and a ledger of everything that was planted in it.

    python data/raw/make.py                     the course's own pile, into data/raw/
    python data/raw/make.py --out DIR --seed 5 --times 20       another one, larger

Hand-written texts stand in data/raw/material and data/raw/papers; names, numbers and dates come from `people`. The same seed gives
the same pile, byte for byte. Everything planted stands in ledger.jsonl: personal data and secrets with their exact text, and rows
that are duplicates, outdated, wrong, spam, foreign, empty or broken.
"""

import argparse
import csv
import io
import json
import random
import sys
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import people  # noqa: E402

AGENTS = 12
STRUCTURED = {
    "email": lambda rng, who: people.email(rng, who.first, who.last),
    "phone": lambda rng, who: people.phone(rng),
    "address": lambda rng, who: people.address(rng),
    "iban": lambda rng, who: people.iban(rng),
    "card": lambda rng, who: people.card(rng),
    "tax_id": lambda rng, who: people.tax_id(rng),
    "employee_id": lambda rng, who: people.employee_id(rng),
    "health": lambda rng, who: rng.choice(people.HEALTH),
    "salary": lambda rng, who: people.salary(rng),
    "password": lambda rng, who: people.password(rng),
    "api_key": lambda rng, who: people.api_key(rng),
    "customer_url": lambda rng, who: people.customer_url(rng, who.number),
    "birth_date": lambda rng, who: people.birth_date(rng),
}
SECRETS = ("contract_value", "unreleased_product", "margin", "internal_only")


@dataclass
class Pile:
    """What grows while a pile is made.

    Attributes:
        rng: Where chance comes from.
        personal: Sentences by type, with slots.
        tickets: Matters that people write about.
        bits: Spam, other languages, HTML and the like.
        new_names: Share of first and of last names that stand in no list.
        ledger: What was planted, a dict each.
    """

    rng: random.Random
    personal: dict[str, list[str]]
    tickets: list[dict]
    bits: dict[str, list[str]]
    new_names: float
    customers: list[people.Person] = field(default_factory=list)
    staff: list[people.Person] = field(default_factory=list)
    ledger: list[dict] = field(default_factory=list)

    def plant(self, where: str, kind: str, value: str, known: str = "") -> str:
        """Note what is planted, and hand it back."""
        self.ledger.append({"record": where, "type": kind, "value": value, **({"known": known} if known else {})})
        return value

    def flag(self, where: str, kind: str, **more: str) -> None:
        self.ledger.append({"record": where, "type": kind, **more})

    def stranger(self) -> people.Person:
        return people.person(self.rng, self.new_names)


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def new_pile(seed: int, personal: Path, tickets: Path, new_names: float, customers: int) -> Pile:
    pile = Pile(
        rng=random.Random(seed),
        personal={row["type"]: row["sentences"] for row in rows(personal)},
        tickets=rows(tickets),
        bits={row["kind"]: row["texts"] for row in rows(HERE / "material" / "fragments.jsonl")},
        new_names=new_names,
    )
    pile.customers = [people.person(pile.rng, new_names) for _ in range(customers)]
    pile.staff = [people.person(pile.rng, new_names) for _ in range(AGENTS)]
    return pile


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def name_in_text(pile: Pile, where: str, who: people.Person, kind: str, known: str) -> str:
    """A name as it stands in running text: now and then in small letters or mistyped."""
    chance = pile.rng.random()
    name = who.name
    if chance < 0.12:
        name = name.lower()
    elif chance < 0.2:
        name = people.mangled(pile.rng, name)
    return pile.plant(where, kind, name, known)


def aside(pile: Pile, where: str, who: people.Person) -> str:
    """A sentence that gives something away, about the writer or somebody else."""
    rng = pile.rng
    kind = rng.choice(("name", "name", "first", "intro", *STRUCTURED, *STRUCTURED))
    if kind == "name":
        if rng.random() < 0.6:
            other, known = rng.choice((rng.choice(pile.customers), rng.choice(pile.staff), who)), "roster"
        else:
            other, known = pile.stranger(), "nobody"
        text = rng.choice(pile.personal["name_text"])
        return capital(text.replace("{name}", name_in_text(pile, where, other, "name", known)))
    if kind == "first":
        other = rng.choice((rng.choice(pile.staff), who))
        return capital(
            rng.choice(pile.personal["name_first"]).replace("{first}", pile.plant(where, "name", other.first, "roster"))
        )
    if kind == "intro":
        other, known = (who, "record") if rng.random() < 0.5 else (pile.stranger(), "cue")
        return capital(rng.choice(pile.personal["name_intro"]).replace("{name}", pile.plant(where, "name", other.name, known)))
    text = rng.choice(pile.personal[kind])
    slot = "{url}" if kind == "customer_url" else "{" + kind + "}"
    value = pile.plant(where, kind, STRUCTURED[kind](rng, who))
    return text.replace(slot, value)


def secret(pile: Pile, where: str) -> str:
    """A sentence that the company must not let out."""
    rng = pile.rng
    kind = rng.choice(SECRETS)
    text = rng.choice(pile.personal[kind])
    if kind == "internal_only":
        return pile.plant(where, kind, text)
    if kind == "contract_value":
        amount = rng.choice(
            (
                f"{rng.randint(11, 98)}0,000 euros",
                f"€{rng.randint(1, 4)}.{rng.randint(1, 9)} million",
                f"{rng.randint(12, 96)}k euros",
            )
        )
        return text.replace("{company}", rng.choice(people.FIRMS)).replace("{amount}", pile.plant(where, kind, amount))
    if kind == "margin":
        return text.replace("{pct}", pile.plant(where, kind, f"{rng.randint(11, 68)}%"))
    return text.replace("{product}", pile.plant(where, kind, rng.choice(people.PRODUCTS)))


def greeting(pile: Pile, where: str, to: people.Person, known: str) -> str:
    text = pile.rng.choice(pile.personal["greetings"])
    if "{name}" in text:
        return text.replace("{name}", pile.plant(where, "name", to.name, known))
    return text.replace("{first}", pile.plant(where, "name", to.first, known))


def signature(pile: Pile, where: str, who: people.Person, known: str = "record") -> str:
    rng = pile.rng
    lines = [
        rng.choice(pile.personal["closings"]),
        pile.plant(where, "name", rng.choice((who.name, who.name, who.first)), known),
    ]
    if rng.random() < 0.35:
        lines.append(pile.plant(where, "phone", who.phone))
    if rng.random() < 0.2:
        lines.append(pile.plant(where, "email", who.email))
    if rng.random() < 0.1:
        lines.append(pile.plant(where, "address", people.address(rng)))
    return "\n".join(lines)


def letter(pile: Pile, where: str, problem: str, who: people.Person, to: people.Person | None, known: str = "record") -> str:
    """What somebody writes: greeting, the matter, at times something private, signature."""
    rng = pile.rng
    body = [problem]
    for _ in range(rng.choice((0, 0, 1, 1, 1, 2))):
        body.insert(rng.randint(0, len(body)), aside(pile, where, who))
    if rng.random() < 0.12:
        body.append(rng.choice(pile.personal["traps"]))
    parts = [" ".join(body)]
    if to and rng.random() < 0.7:
        parts.insert(0, greeting(pile, where, to, "roster"))
    if rng.random() < 0.75:
        parts.append(signature(pile, where, who, known))
    return "\n\n".join(parts)


def reply_text(pile: Pile, where: str, matter: dict, who: people.Person, agent: people.Person, wrong: bool) -> str:
    rng = pile.rng
    words = rng.choice(matter["outdated" if wrong else "replies"])
    if rng.random() < 0.06:
        words += " " + secret(pile, where)
    opening = f"Hello {pile.plant(where, 'name', who.first, 'record')},\n\n" if rng.random() < 0.8 else ""
    return f"{opening}{words}\n\n{rng.choice(('Kind regards,', 'Best wishes,', 'Regards,'))}\n{pile.plant(where, 'name', agent.name, 'roster')}"


def moment(rng: random.Random, old: bool = False) -> datetime:
    start = datetime(2023, 9, 4, 8) if old else datetime(2025, 3, 3, 8)
    return start + timedelta(minutes=rng.randint(0, (300 if old else 560) * 24 * 60))


def near_copy(rng: random.Random, text: str) -> str:
    """The same text with a few words dropped or typed wrongly, as people do who write twice."""
    words = text.split(" ")
    for _ in range(max(1, len(words) // 25)):
        k = rng.randrange(len(words))
        words[k] = words[k].lower() if rng.random() < 0.5 else words[k] + rng.choice((",", ".", "!"))
    return " ".join(words) + rng.choice(("", " Please.", " ???", " I am still waiting."))


def ticket(pile: Pile, k: int) -> dict:
    rng = pile.rng
    where = f"T-{k:05d}"
    who, agent = rng.choice(pile.customers), rng.choice(pile.staff)
    row = {"ticket": where, "customer": who.number, "name": who.name, "email": who.email}
    chance = rng.random()
    if chance < 0.05:
        kind, bits = rng.choice((("spam", "spam"), ("other_language", "other_language"), ("off_topic", "off_topic")))
        pile.flag(where, kind)
        text, answer, topic, subject, when = rng.choice(pile.bits[bits]), "", "other", "(no subject)", moment(rng)
    else:
        matter = rng.choice(pile.tickets)
        old, conflicting = chance < 0.12, 0.12 <= chance < 0.15
        if old or conflicting:
            pile.flag(where, "outdated" if old else "contradicting", fact=matter["fact"])
        text = letter(pile, where, rng.choice(matter["problems"]), who, agent if rng.random() < 0.3 else None)
        answer = reply_text(pile, where, matter, who, agent, old or conflicting)
        topic, subject, when = matter["topic"], rng.choice(matter["subjects"]), moment(rng, old)
    if rng.random() < 0.02:
        text = text[: len(text) // 3] + " [truncated]"
        pile.flag(where, "truncated")
    elif rng.random() < 0.015:
        text = ""
        pile.flag(where, "empty")
    elif rng.random() < 0.05:
        text = f"<div><p>{text.replace(chr(10), '<br>')}</p>{rng.choice(pile.bits['html_bits'])}</div>"
        pile.flag(where, "html")
    return {
        **row,
        "created": f"{when:%Y-%m-%dT%H:%M}",
        "topic": topic,
        "subject": subject,
        "body": text,
        "reply": answer,
        "agent": agent.name,
    }


def tickets(pile: Pile, count: int) -> list[dict]:
    """Tickets; a tenth of them repeats another, word by word or nearly."""
    made: list[dict] = []
    while len(made) < count:
        chance = pile.rng.random()
        if chance < 0.1 and len(made) > 20:
            twin = pile.rng.choice(made)
            if len(twin["body"]) < 60:
                continue
            name = f"T-{len(made) + 1:05d}"
            near = chance < 0.055
            body = near_copy(pile.rng, twin["body"]) if near else twin["body"]
            pile.flag(name, "near_duplicate" if near else "exact_duplicate", of=twin["ticket"])
            for item in [i for i in pile.ledger if i["record"] == twin["ticket"] and "value" in i]:
                if item["value"] in body + twin["reply"]:
                    pile.ledger.append({**item, "record": name})
            made.append({**twin, "ticket": name, "body": body})
        else:
            made.append(ticket(pile, len(made) + 1))
    return made


def chats(pile: Pile, count: int) -> list[dict]:
    """Chats: a row for each message."""
    rng, made = pile.rng, []
    for k in range(count):
        where, who, agent = f"C-{k + 1:05d}", rng.choice(pile.customers), rng.choice(pile.staff)
        matter, when = rng.choice(pile.tickets), moment(rng)
        problem = rng.choice(matter["problems"])
        lines = [(who.name, f"{greeting(pile, where, agent, 'roster')} {problem}" if rng.random() < 0.4 else problem)]
        if rng.random() < 0.5:
            lines.append(
                (
                    agent.name,
                    rng.choice(
                        (
                            "May I have your customer number, please?",
                            "One moment, I will look it up.",
                            "Can you tell me a little more?",
                        )
                    ),
                )
            )
            lines.append((who.name, aside(pile, where, who)))
        wrong = rng.random() < 0.05
        if wrong:
            pile.flag(where, "contradicting", fact=matter["fact"])
        lines.append((agent.name, rng.choice(matter["outdated" if wrong else "replies"])))
        if rng.random() < 0.5:
            lines.append((who.name, rng.choice(matter["small_talk"])))
        for n, (speaker, text) in enumerate(lines):
            made.append(
                {
                    "chat": where,
                    "customer": who.number,
                    "time": f"{when + timedelta(minutes=n):%Y-%m-%dT%H:%M}",
                    "speaker": speaker,
                    "text": text,
                }
            )
    return made


def mail(pile: Pile, k: int) -> EmailMessage:
    """One e-mail: quoted replies, signatures, HTML parts, three encodings."""
    rng = pile.rng
    where = f"M-{k:05d}"
    inside = rng.random() < 0.5
    who = rng.choice(pile.customers) if inside else pile.stranger()
    agent, matter, when = rng.choice(pile.staff), rng.choice(pile.tickets), moment(rng)
    text = letter(pile, where, rng.choice(matter["problems"]), who, agent, "record")
    answer = reply_text(pile, where, matter, who, agent, False)
    sent_by_us = rng.random() < 0.6
    if sent_by_us:
        quoted = "\n".join("> " + line for line in text.splitlines())
        text = f"{answer}\n\nOn {when:%d %B %Y}, {pile.plant(where, 'name', who.name, 'record')} wrote:\n{quoted}"
    if rng.random() < 0.4:
        text += "\n\n" + rng.choice(pile.bits["disclaimers"])
    message = EmailMessage()
    message["Message-ID"] = f"<{where}@example.com>"
    own = people.email(rng, agent.first, agent.last)
    message["From"] = f"{agent.name} <{own}>" if sent_by_us else f"{who.name} <{who.email}>"
    message["To"] = f"{who.name} <{who.email}>" if sent_by_us else f"{agent.name} <{own}>"
    message["Date"] = f"{when:%a, %d %b %Y %H:%M:00 +0000}"
    message["Subject"] = rng.choice(("Re: ", "", "Fwd: ")) + rng.choice(matter["subjects"])
    message["X-Topic"] = matter["topic"]
    charset = rng.choice(("utf-8", "iso-8859-1", "windows-1252"))
    plain = text.encode(charset, "replace").decode(charset)
    message.set_content(plain, charset=charset, cte=rng.choice(("quoted-printable", "base64")))
    if rng.random() < 0.3:
        html = "".join(f"<p>{line}</p>" for line in plain.replace("&", "&amp;").replace("<", "&lt;").splitlines() if line)
        message.add_alternative(f"<html><body>{html}{rng.choice(pile.bits['html_bits'])}</body></html>", subtype="html")
    return message


def mbox(messages: list[EmailMessage]) -> bytes:
    parts = []
    for message in messages:
        boundary = message["Message-ID"].strip("<>").replace("@", ".")
        if message.is_multipart():
            message.set_boundary(f"=={boundary}==")  # the library would take one by chance, and no two piles would be alike
        body = message.as_bytes().replace(b"\nFrom ", b"\n>From ")
        parts.append(b"From pile Mon Mar  3 08:00:00 2025\n" + body + b"\n")
    return b"\n".join(parts)


def make(out: Path, pile: Pile, many: dict[str, int]) -> dict[str, int]:
    """Write a pile and its ledger.

    Args:
        out: The folder.
        pile: From `new_pile`.
        many: How many tickets, chats and mails.

    Returns:
        How many of each were written, and how much was planted.
    """
    out.mkdir(parents=True, exist_ok=True)
    written = tickets(pile, many["tickets"])
    lines = [json.dumps(row, ensure_ascii=False) for row in written]
    for k in pile.rng.sample(range(len(lines)), max(1, len(lines) // 200)):
        lines[k] = lines[k][: len(lines[k]) // 2]
        pile.ledger = [item for item in pile.ledger if item["record"] != written[k]["ticket"]]
        pile.flag(written[k]["ticket"], "broken_row", line=str(k + 1))
    (out / "tickets.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    talk = chats(pile, many["chats"])
    text = io.StringIO()
    table = csv.DictWriter(text, ["chat", "customer", "time", "speaker", "text"], lineterminator="\r\n")
    table.writeheader()
    table.writerows(talk)
    (out / "chats.csv").write_bytes(text.getvalue().encode("cp1252", "replace"))
    (out / "mail.mbox").write_bytes(mbox([mail(pile, k + 1) for k in range(many["mails"])]))
    with open(out / "roster.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["number", "name", "email", "phone", "role"])
        table.writerows([p.number, p.name, p.email, p.phone, "customer"] for p in pile.customers)
        table.writerows([p.number, p.name, p.email, p.phone, "staff"] for p in pile.staff)
    (out / "secrets.csv").write_text("unreleased_product\n" + "\n".join(people.PRODUCTS) + "\n", encoding="utf-8")
    ledger = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in pile.ledger)
    (out / "ledger.jsonl").write_text(ledger, encoding="utf-8")
    return {**many, "messages": len(talk), "planted": sum("value" in item for item in pile.ledger)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--personal", type=Path, default=HERE / "material" / "personal.jsonl")
    parser.add_argument("--tickets", type=Path, default=HERE / "material" / "tickets.jsonl")
    parser.add_argument("--new-names", type=float, default=0.3)
    args = parser.parse_args()
    pile = new_pile(args.seed, args.personal, args.tickets, args.new_names, 220 * args.times)
    print(make(args.out, pile, {"tickets": 1500 * args.times, "chats": 400 * args.times, "mails": 300 * args.times}))


if __name__ == "__main__":
    main()
