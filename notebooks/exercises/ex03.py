"""Exercises of notebook 03."""

import json
import tempfile
from pathlib import Path

from course_utils.lesson import Exercise
from course_utils.records import SetAside, Thread
from course_utils.settings import CourseError
from course_utils.sources import read_pile, read_tickets

_MAY_USE = ("yes", "no", "yes", "ask", "no")  # help pages, exit interviews, chats with a banner, a bought study, sick notes


def _share(share: float, folder: str | Path) -> str | None:
    if isinstance(share, bool) or not isinstance(share, int | float):
        return "a number is expected: per cent of the ticket rows."
    rows = list(read_pile(folder))
    lost = [row for row in rows if isinstance(row, SetAside)]
    tickets = [row for row in lost if row.file.endswith("tickets.jsonl")]
    read = sum(isinstance(row, Thread) and row.source == "tickets" for row in rows)
    right = 100 * len(tickets) / (read + len(tickets))
    slips = (
        (
            len(tickets) / read,
            "you divided by the rows that were read. The rows that there are include those that were set aside.",
        ),
        (
            len(lost) / len(rows),
            "that is the share of all rows, chats and mail included. Count tickets only, above and below the line.",
        ),
        (right / 10_000, "that is a share between 0 and 1; per cent is a hundred times as much."),
    )
    slip = next((text for value, text in slips if abs(share - 100 * value) < 1e-6), None)
    if slip and abs(share - right) > 1e-6:
        return slip
    if abs(share - right) <= 0.06:  # rounded to one place
        return None
    return "divide the ticket rows that were set aside by all ticket rows: those and the ones that were read."


def _decisions(decisions: list[str]) -> str | None:
    if not isinstance(decisions, list | tuple) or len(decisions) != 5:
        return 'a list of five texts is expected, such as ["yes", "no", "ask", "yes", "no"].'
    given = [str(d).strip().lower() for d in decisions]
    if any(d not in ("yes", "no", "ask") for d in given):
        return 'each entry is "yes", "no" or "ask".'
    if given[1] != "no":
        return "(b) was said in confidence, for one office only. Using it for anything else breaks the promise under which people spoke."
    if given[3] == "yes":
        return "(d) is somebody else's text: you bought the right to read it. Whether you may copy it into a training set, the seller must say."
    if given[4] != "no":
        return "(e) is about health, the most protected kind of data there is, and no assistant needs it."
    wrong = [name for name, d, right in zip("abcde", given, _MAY_USE, strict=True) if d != right]
    return f"look again at ({wrong[0]}): whose text is it, and what were people told?" if wrong else None


def _repaired(text: str) -> str | None:
    if not isinstance(text, str):
        return "the whole row is expected, as text in quotation marks."
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "tickets.jsonl"
        path.write_text(text.strip() + "\n", encoding="utf-8")
        try:
            rows = list(read_tickets(path))
        except CourseError as error:
            return str(error)
    if len(rows) != 1:
        return "a row must stand on one line; this is several." if len(rows) > 1 else "nothing is there."
    if isinstance(rows[0], SetAside):
        return f"it is still set aside: {rows[0].field}: {rows[0].reason}. {rows[0].fix}"
    if json.loads(text)["customer"] not in ("4711",) or rows[0].turns[0].text != "The export stops.":
        return (
            "it loads, but something that the customer wrote or gave is lost. Repair means: the same content in the right form."
        )
    return None


EXERCISES = [
    Exercise(
        "03.1",
        _share,
        [
            "Those of `aside` whose file ends with 'tickets.jsonl' are the ticket rows that were set aside.",
            "All ticket rows are those and the threads with source 'tickets'.",
        ],
        "lost = sum(a.file.endswith('tickets.jsonl') for a in aside)\n"
        "read = sum(t.source == 'tickets' for t in threads)\n"
        "share = 100 * lost / (lost + read)",
    ),
    Exercise(
        "03.2",
        _decisions,
        [
            "Ask of each: whose text is it, and what were the people told whose words stand in it?",
            "Two are a plain no, one needs a letter first.",
        ],
        '["yes", "no", "yes", "ask", "no"]: (a) is our own public text; (b) was promised to stay in one office; (c) people were told, so yes after\n'
        "scrubbing; (d) the seller must allow it; (e) is health data that no assistant needs.",
    ),
    Exercise(
        "03.3",
        _repaired,
        [
            "Compare its fields with a row that loads, for instance the first line of data/raw/tickets.jsonl.",
            "One value is a number where text is expected; one field is missing (a ticket that nobody answered yet has an empty one).",
        ],
        "import json\n"
        "row = json.loads(broken)\n"
        "row['customer'] = str(row['customer'])\n"
        "row['reply'] = ''\n"
        "repaired = json.dumps(row)",
    ),
]
