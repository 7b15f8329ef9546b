"""The company's papers as sections and facts, and its pile of tickets, chats and mail as threads.

Everything streams: a pile of any size is read row by row. What cannot be used comes out as `SetAside`, with file, line, field,
reason and fix. Limits: the column and field names are those of `data/raw`; other help desks export other names.
"""

import csv
import io
import json
import mailbox
import re
from collections.abc import Iterator
from email.header import decode_header, make_header
from email.utils import getaddresses, parseaddr
from pathlib import Path

from pydantic import Field

from course_utils.records import Fact, Record, Section, SetAside, Thread, Turn, read_rows
from course_utils.settings import DATA, CourseError, shown

COMPANY = DATA / "company"


class Wording(Record):
    """Ways to ask for one fact and ways to answer, written by hand; `about` completes "You ask ..."."""

    id: str
    about: str = Field(min_length=3)
    questions: list[str] = Field(min_length=3)
    answers: list[str] = Field(min_length=1)

    def reply(self, turn: int) -> str:
        """An answer that first says what was understood; the answers take turns."""
        return f"You ask {self.about}. {self.answers[turn % len(self.answers)]}"


class NearMiss(Record):
    """A question close to a fact that no paper answers; `near` is the fact."""

    near: str
    question: str


def read_near_misses(folder: str | Path = COMPANY) -> list[NearMiss]:
    """Questions that staff could well ask and that no paper answers; none if the company has no such file.

    Raises:
        CourseError: If the file is broken.
    """
    path = Path(folder) / "not_in_papers.jsonl"
    return read_rows(path, NearMiss) if path.exists() else []


def read_paper(path: str | Path) -> list[Section]:
    """The numbered sections of a Markdown paper, such as "3.4 Parental leave".

    Args:
        path: The paper.

    Returns:
        Its sections in order; headings without a number of two parts (chapters) carry no text of their own.

    Raises:
        CourseError: If the file is missing or holds no numbered section.
    """
    from markdown_it import MarkdownIt

    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CourseError(f"{shown(path)} does not exist.", None, "Check the folder of the company's papers.") from None
    lines, tokens = text.split("\n"), MarkdownIt().parse(text)
    heads = [(t.map, tokens[i + 1].content) for i, t in enumerate(tokens) if t.type == "heading_open"]
    sections = []
    for k, ((_, start), title) in enumerate(heads):
        match = re.match(r"(\d+\.\d+)\s+(.+)", title)
        if match:
            end = heads[k + 1][0][0] if k + 1 < len(heads) else len(lines)
            sections.append(Section(section=match[1], title=match[2], text="\n".join(lines[start:end]).strip()))
    if not sections:
        raise CourseError(
            f"{shown(path)} has no numbered section.", 'Headings look like "### 3.4 Parental leave".', "Number the headings."
        )
    return sections


def read_papers(folder: str | Path = COMPANY) -> dict[str, list[Section]]:
    """Every paper of a company, by file name without ending.

    Raises:
        CourseError: If the folder holds no paper.
    """
    papers = {path.stem: read_paper(path) for path in sorted(Path(folder).glob("*.md"))}
    if not papers:
        raise CourseError(f"{shown(folder)} holds no paper (.md).", None, "Name the folder that holds the company's papers.")
    return papers


def read_facts(folder: str | Path = COMPANY) -> list[Fact]:
    """The checkable facts of the papers.

    Raises:
        CourseError: If the list is missing or broken.
    """
    return read_rows(Path(folder) / "facts.jsonl", Fact)


def read_wordings(folder: str | Path = COMPANY) -> dict[str, Wording]:
    """The hand-written wordings of all facts, by fact id.

    Raises:
        CourseError: If a file is broken or there is none.
    """
    rows = [row for path in sorted(Path(folder).glob("wordings/*.jsonl")) for row in read_rows(path, Wording)]
    if not rows:
        raise CourseError(f"{shown(Path(folder) / 'wordings')} holds no wordings.", None, "Name the company's folder.")
    return {row.id: row for row in rows}


def sections_of(folder: str | Path = COMPANY) -> dict[str, tuple[str, Section]]:
    """For each fact, the paper and the section that hold it."""
    held = {(name, s.section): s for name, sections in read_papers(folder).items() for s in sections}
    return {fact.id: (fact.paper, held[fact.paper, fact.section]) for fact in read_facts(folder)}


def source_of(folder: str | Path = COMPANY) -> dict[str, str]:
    """For each fact, the text that an answer about it may draw on: its section, with number and title."""
    return {fact: f"Section {s.section}. {s.title}. {s.text}" for fact, (_, s) in sections_of(folder).items()}


# --- the pile -------------------------------------------------------------------------------------------------------

RAW = DATA / "raw"
TICKET_FIELDS = ("ticket", "customer", "name", "email", "created", "topic", "subject", "body", "reply", "agent")
CHAT_COLUMNS = ("chat", "customer", "time", "speaker", "text")


class Roster(Record):
    """A row of the list of customers and staff."""

    number: str
    name: str
    email: str
    phone: str
    role: str


def decoded(data: bytes) -> tuple[str, str]:
    """Bytes to text and the name of their encoding: by their mark, as UTF-8, else as what office programs save (cp1252).

    Zero bytes without a mark are UTF-16 from a Windows program.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace"), "utf-16"
    if data[1:2] == b"\0":
        return data.decode("utf-16-le", "replace"), "utf-16"
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace"), "cp1252"


def without_html(text: str) -> str:
    """The words of an HTML text; plain text comes back as it is."""
    if not re.search(r"<(?:html|body|div|p|br|table|span|img|a|style)\b[^>]*>", text, re.IGNORECASE):
        return text
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(text, "html.parser")
    for part in soup(["style", "script"]):
        part.decompose()
    for part in soup(["br", "p", "div", "tr", "li"]):
        part.append("\n")
    return re.sub(r"[ \t]*\n\s*\n+", "\n\n", soup.get_text()).strip()


def read_roster(folder: str | Path = RAW) -> list[Roster]:
    """Customers and staff, from roster.csv; none if there is no such file.

    Raises:
        CourseError: If a column is missing.
    """
    path = Path(folder) / "roster.csv"
    if not path.exists():
        return []
    rows = list(csv.DictReader(io.StringIO(decoded(path.read_bytes())[0])))
    missing = [name for name in Roster.model_fields if rows and name not in rows[0]]
    if missing:
        raise CourseError(
            f"{shown(path)} has no column {missing[0]!r}.", f"It needs {', '.join(Roster.model_fields)}.", "Add it."
        )
    return [Roster(**{name: row[name] or "" for name in Roster.model_fields}) for row in rows]


def read_secrets(folder: str | Path = RAW) -> list[str]:
    """Names of products that are not released yet, from secrets.csv; none if there is no such file."""
    path = Path(folder) / "secrets.csv"
    if not path.exists():
        return []
    return [row["unreleased_product"] for row in csv.DictReader(io.StringIO(decoded(path.read_bytes())[0]))]


def read_pile(folder: str | Path = RAW) -> Iterator[Thread | SetAside]:
    """Everything in a pile, one thread at a time: tickets.jsonl, chats.csv, mail.mbox and papers/*.md.

    Raises:
        CourseError: If the folder holds none of them.
    """
    folder = Path(folder)
    readers = {"tickets.jsonl": read_tickets, "chats.csv": read_chats, "mail.mbox": read_mail}
    there = [folder / name for name in readers if (folder / name).exists()]
    papers = sorted((folder / "papers").glob("*.md"))
    if not there and not papers:
        raise CourseError(
            f"{shown(folder)} holds no pile.",
            f"It would be {', '.join(readers)} or papers/*.md.",
            "Name the right folder with --raw.",
        )
    for path in there:
        yield from readers[path.name](path)
    for path in papers:
        text, _ = decoded(path.read_bytes())
        if text.strip():
            yield Thread(
                id=f"papers/{path.name}", source="papers", topic=path.stem, turns=[Turn(speaker="paper", text=text.strip())]
            )
        else:
            yield SetAside(file=shown(path), line=1, field="text", reason="the paper is empty", fix="Fill it, or take it away.")


def read_tickets(path: Path) -> Iterator[Thread | SetAside]:
    """Support tickets: JSON Lines, one ticket a line."""
    with open(path, "rb") as file:
        for number, data in enumerate(file, start=1):
            line = decoded(data)[0].strip("\r\n\0 ")
            if not line:
                continue

            def aside(field: str, reason: str, fix: str, number: int = number, line: str = line) -> SetAside:
                return SetAside(file=shown(path), line=number, field=field, reason=reason, fix=fix, raw=line[:2000])

            try:
                row = json.loads(line)
            except (json.JSONDecodeError, RecursionError) as error:
                place = f"column {error.colno}" if isinstance(error, json.JSONDecodeError) else "row"
                yield aside(place, "not a whole JSON object", "Export this ticket again.")
                continue
            problem = _ticket_problem(row)
            if problem:
                yield aside(*problem)
                continue
            body, reply = (without_html(row[name]).strip() for name in ("body", "reply"))
            turns = [Turn(speaker="customer", text=body)] + ([Turn(speaker="staff", text=reply)] if reply else [])
            yield Thread(
                id=row["ticket"], source="tickets", topic=row["topic"], created=row["created"], customer=row["customer"],
                people=[row["name"], row["email"], row["agent"]], turns=turns,
            )  # fmt: skip


def _ticket_problem(row) -> tuple[str, str, str] | None:
    """Field, reason and fix if a row is no ticket."""
    if not isinstance(row, dict):
        return "row", "not an object with fields", "Write {...} with the fields of a ticket."
    for name in TICKET_FIELDS:
        if name not in row:
            return name, "the field is missing", f"Add it; a ticket has {', '.join(TICKET_FIELDS)}."
        if not isinstance(row[name], str):
            return name, f"{type(row[name]).__name__} instead of text", "Put it in quotation marks."
    if not row["ticket"].strip():
        return "ticket", "the ticket has no number", "Give it one."
    if not without_html(row["body"]).strip():
        return "body", "nobody wrote anything", "Leave the ticket out, or export it again."
    return None


def read_chats(path: Path) -> Iterator[Thread | SetAside]:
    """Chats: CSV, one message a row; the rows of a chat stand together."""
    text, _ = decoded(path.read_bytes())
    table = csv.reader(io.StringIO(text.replace("\0", "")), strict=False)
    head = next(table, [])
    missing = [name for name in CHAT_COLUMNS if name not in head]
    if missing:
        yield SetAside(
            file=shown(path), line=1, field=missing[0], reason="the column is missing",
            fix=f"The first line must hold {', '.join(CHAT_COLUMNS)}.", raw=",".join(head)[:2000],
        )  # fmt: skip
        return
    staff = {person.name for person in read_roster(path.parent) if person.role == "staff"}
    chat: list[dict[str, str]] = []
    try:
        for cells in table:
            if not any(cell.strip() for cell in cells):
                continue
            row = dict(zip(head, cells, strict=False))
            wrong = next((name for name in CHAT_COLUMNS if not row.get(name, "").strip()), None)
            if wrong or len(cells) != len(head):
                yield SetAside(
                    file=shown(path), line=table.line_num, field=wrong or "row",
                    reason="nothing stands there" if wrong else f"{len(cells)} cells instead of {len(head)}",
                    fix="Export this chat again; texts with commas need quotation marks.", raw=",".join(cells)[:2000],
                )  # fmt: skip
                continue
            if chat and row["chat"] != chat[0]["chat"]:
                yield _chat(chat, staff)
                chat = []
            chat.append(row)
    except csv.Error as error:
        yield SetAside(
            file=shown(path), line=table.line_num, field="row", reason=str(error), fix="Export the file again as CSV."
        )
    if chat:
        yield _chat(chat, staff)


def _chat(rows: list[dict[str, str]], staff: set[str]) -> Thread:
    first = rows[0]["speaker"]
    turns = [
        Turn(
            speaker="staff" if row["speaker"] in staff or (not staff and row["speaker"] != first) else "customer",
            text=row["text"].strip(),
        )
        for row in rows
    ]
    return Thread(
        id=rows[0]["chat"], source="chats", topic="", created=rows[0]["time"], customer=rows[0]["customer"],
        people=list(dict.fromkeys(row["speaker"] for row in rows)), turns=turns,
    )  # fmt: skip


def read_mail(path: Path) -> Iterator[Thread | SetAside]:
    """An e-mail archive (mbox): what was written, and what it quotes as an earlier turn."""
    roster = read_roster(path.parent)
    staff = {person.name for person in roster if person.role == "staff"}
    house = {person.email.lower() for person in roster if person.role == "staff"}
    numbers = {person.email.lower(): person.number for person in roster if person.role != "staff"}
    box = mailbox.mbox(path, create=False)
    try:
        for number, message in enumerate(box, start=1):
            name = str(message["Message-ID"] or f"mail {number}").strip("<>").split("@")[0]
            text = _mail_text(message)
            if not text.strip():
                yield SetAside(
                    file=shown(path),
                    line=number,
                    field="body",
                    reason="no text in it",
                    fix="Leave it out, or export it again.",
                    raw=name,
                )
                continue
            heads = [str(make_header(decode_header(str(message[h])))) for h in ("From", "To", "Cc") if message[h]]
            people = [part for pair in getaddresses(heads) for part in pair if part]
            ours = parseaddr(heads[0])[0] in staff if heads else False
            turns = _mail_turns(text, "staff" if ours else "customer")
            outside = [part.lower() for part in people if "@" in part and part.lower() not in house]
            if turns:
                yield Thread(
                    id=name,
                    source="mail",
                    topic=str(message["X-Topic"] or ""),
                    created=str(message["Date"] or ""),
                    customer=next((numbers[a] for a in outside if a in numbers), outside[0] if outside else ""),
                    people=people,
                    turns=turns,
                )
            else:
                yield SetAside(
                    file=shown(path), line=number, field="body", reason="only marks in it", fix="Leave it out.", raw=name
                )
    finally:
        box.close()


def _mail_text(message) -> str:
    """The plain part, else the words of the HTML part."""
    parts = [part for part in message.walk() if part.get_content_maintype() == "text"]
    for wanted in ("plain", "html"):
        for part in parts:
            if part.get_content_subtype() == wanted and part.get_filename() is None:
                data = part.get_payload(decode=True) or b""
                try:
                    text = data.decode(part.get_content_charset() or "utf-8")
                except (LookupError, UnicodeDecodeError):
                    text = decoded(data)[0]
                return without_html(text)
    return ""


def _mail_turns(text: str, speaker: str) -> list[Turn]:
    """The earlier turn that is quoted, if any, and then what was written."""
    own, quoted = [], []
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.startswith(">"):
            quoted.append(line.removeprefix(">").removeprefix(" "))
        else:
            own.append(line)
    other = "customer" if speaker == "staff" else "staff"
    made = [(other, "\n".join(quoted).strip()), (speaker, "\n".join(own).strip())]
    return [Turn(speaker=who, text=words) for who, words in made if words]
