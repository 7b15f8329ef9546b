"""The nouns of the course and the files they live in: JSON Lines, UTF-8, one object a line.

Every row is checked on reading; an error names file, line, field and fix. Writing goes to a temporary name first and is
renamed at the end, so a file is either whole or absent. Limits: a file is read into memory at once.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from course_utils.settings import CourseError, shown

Kind = Literal["company", "general", "document", "unknown", "style", "steps", "injection"]
Wanted = str | list[str]  # one value, or a list of values of which any will do


class Record(BaseModel):
    """What all rows share: unknown fields are errors, because they are usually misspelt ones."""

    model_config = ConfigDict(extra="forbid")


class Message(Record):
    role: Literal["system", "user", "assistant"]
    content: str = Field(min_length=1)


class Section(Record):
    """One numbered section of a paper, as it is put before the model."""

    section: str
    title: str
    text: str


class Fact(Record):
    """One checkable fact of the company's papers."""

    id: str
    paper: str
    section: str
    desk: str
    statement: str
    must_include: list[Wanted] = Field(min_length=1)
    tags: list[Literal["multi", "steps", "exception", "twin", "fixed"]] = []


class Turn(Record):
    """What one side of a thread wrote."""

    speaker: Literal["customer", "staff", "paper"]
    text: str = Field(min_length=1)


class Thread(Record):
    """One thing from the pile: a ticket with its reply, a chat, an e-mail with what it quotes, or a paper.

    `people` holds what the record itself says about who took part (names and addresses), so that they can be found in the text.
    """

    id: str
    source: Literal["tickets", "chats", "mail", "papers"]
    topic: str
    created: str = ""
    customer: str = ""
    people: list[str] = []
    turns: list[Turn] = Field(min_length=1)


class SetAside(Record):
    """A row that could not be used, and why; nothing is dropped silently."""

    file: str
    line: int
    field: str
    reason: str
    fix: str
    raw: str = ""

    @property
    def lines(self) -> list[str]:
        """What a person is told: where, what and what to do."""
        return [f"{self.file}, line {self.line}, {self.field}: {self.reason}.", self.fix]


class Example(Record):
    """One conversation to train on; `messages` is the form that TRL, hosted services and the Hub use."""

    id: str
    messages: list[Message] = Field(min_length=2)
    topic: str
    kind: Literal["document", "conversation", "domain", "style", "general", "unknown"]
    source: str

    @model_validator(mode="after")
    def _ends_with_an_answer(self) -> "Example":
        if self.messages[-1].role != "assistant":
            raise ValueError("the last message must be the assistant's, because that is what is trained on")
        return self


class Question(Record):
    """One question of a test set, with what a right answer must hold.

    A document question with an empty `must_include` has no answer in its documents: the right answer says so.
    """

    id: str
    question: str | None = None
    messages: list[Message] | None = None
    kind: Kind
    topic: str
    facet: str | None = None
    desk: str | None = None
    system: str | None = None
    documents: list[Section] | None = None
    must_include: list[Wanted] = []
    must_not_include: list[Wanted] = []
    ordered: bool = False
    reference: str | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> "Question":
        if (self.question is None) == (self.messages is None):
            raise ValueError("give either 'question' or 'messages'")
        if self.kind == "general" and len(self.must_include) < 2:
            raise ValueError("a general question needs at least two entries in 'must_include'")
        if self.kind in ("company", "steps") and not self.must_include:
            raise ValueError("'must_include' is empty: say what a right answer holds")
        return self

    @property
    def text(self) -> str:
        """What is asked: the question, or the last user message."""
        return self.question or [m.content for m in self.messages if m.role == "user"][-1]


class Answer(Record):
    id: str
    question: str
    answer: str
    arm: str
    model: str
    adapter: str | None = None
    sources: list[str] | None = None
    seconds: float
    prompt_tokens: int
    answer_tokens: int


class Vote(Record):
    """What one person thinks of one thing that several people judged."""

    rater: str
    item: str
    vote: str


R = TypeVar("R", bound=Record)


def read_rows(path: str | Path, kind: type[R]) -> list[R]:
    """Read a JSON Lines file.

    Args:
        path: The file.
        kind: The record that each line must be.

    Returns:
        The records in file order.

    Raises:
        CourseError: If the file is missing, empty, not UTF-8, or a line is not such a record; it names the first bad line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CourseError(f"{shown(path)} does not exist.", None, "Check the path, or make the file first.") from None
    except IsADirectoryError:
        raise CourseError(f"{shown(path)} is a folder.", "A .jsonl file was expected.", "Name the file inside it.") from None
    except UnicodeDecodeError as error:
        raise CourseError(
            f"{shown(path)}: byte {error.start} is not UTF-8.", None, "Save the file again with the encoding UTF-8."
        ) from None
    rows, seen = [], {}
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            row = _parse(line, kind, f"{shown(path)}, line {number}")
            first = seen.setdefault(getattr(row, "id", number), number)
            if first != number:
                raise CourseError(
                    f"{shown(path)}, line {number}: the id {row.id!r} stands in line {first} already.",
                    "Each row needs an id of its own.",
                    "Change one of the two; nothing was written.",
                )
            rows.append(row)
    if not rows:
        raise CourseError(f"{shown(path)} is empty.", f"It should hold one {kind.__name__} a line, as JSON.", "Check the path.")
    return rows


def _parse(line: str, kind: type[R], where: str) -> R:
    try:
        return kind.model_validate(json.loads(line))
    except json.JSONDecodeError as error:
        raise CourseError(
            f"{where}, column {error.colno}: not valid JSON ({error.msg}).",
            "Each line holds one whole object: {...}.",
            "Repair that line; nothing was written.",
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "row"
        others = f" ({error.error_count() - 1} more in this line)" if error.error_count() > 1 else ""
        message = first["msg"].removeprefix("Value error, ")
        raise CourseError(
            f"{where}, field {field!r}: {message}{others}.",
            f"{kind.__name__} has the fields {', '.join(kind.model_fields)}.",
            "Repair that line; nothing was written.",
        ) from None


def write_text(path: str | Path, text: str) -> Path:
    """Write a file whole or not at all: to a temporary name beside it, then renamed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def write_rows(path: str | Path, rows: Iterable[Record]) -> Path:
    """Write records as JSON Lines, leaving out fields that are at their default."""
    lines = [json.dumps(row.model_dump(exclude_defaults=True), ensure_ascii=False) for row in rows]
    return write_text(path, "\n".join(lines) + "\n")


def write_json(path: str | Path, data: dict) -> Path:
    """Write one object as readable JSON."""
    return write_text(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> dict:
    """Read one JSON object.

    Raises:
        CourseError: If the file is missing or not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CourseError(f"{shown(path)} does not exist.", None, "Check the path, or make the file first.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CourseError(
            f"{shown(path)} is not valid JSON ({error}).", None, "Make it again, or restore it from git."
        ) from None


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file, as hex. Text files count with Unix line ends, so a checkout on Windows has the same hash."""
    data = Path(path).read_bytes()
    if Path(path).suffix in (".jsonl", ".json", ".md", ".txt"):
        data = data.replace(b"\r\n", b"\n")
    return hashlib.sha256(data).hexdigest()
