"""The company's papers as sections, facts, and the words in which people ask for them.

Limits: Markdown with numbered headings so far; tickets, chats and mail come with the lessons on data.
"""

import re
from pathlib import Path

from pydantic import Field

from course_utils.records import Fact, Record, Section, read_rows
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
