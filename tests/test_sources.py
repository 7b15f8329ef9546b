"""The pile: every kind loads, odd files load, broken rows are set aside with file, line and fix, and nothing is dropped silently."""

import json
import subprocess
import sys
from collections import Counter

import pytest

from course_utils.records import SetAside, Thread
from course_utils.settings import DATA, CourseError
from course_utils.sources import CHAT_COLUMNS, TICKET_FIELDS, decoded, read_pile, read_roster, without_html

GOOD = {name: f"some {name}" for name in TICKET_FIELDS} | {
    "ticket": "T-1",
    "body": "It does not start.",
    "reply": "Please wait.",
}
CHAT = ["C-1", "4000001", "2026-01-02T10:00", "Ann Loxley", "It does not start."]
HEAD = ",".join(CHAT_COLUMNS)


def read(folder, name: str, data: bytes | str) -> list:
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return list(read_pile(folder))


def without(name: str) -> str:
    return json.dumps({k: v for k, v in GOOD.items() if k != name})


BAD_TICKETS = {
    "cut off early": json.dumps(GOOD)[:12],
    "cut off late": json.dumps(GOOD)[:-1],
    "a list": json.dumps([GOOD]),
    "a number": "17",
    "a word": "hello",
    "null": "null",
    "text in quotes": '"only text"',
    "single quotes": str(GOOD),
    "comma at the end": json.dumps(GOOD)[:-1] + ",}",
    "two objects": json.dumps(GOOD) * 2,
    "no colon": '{"ticket" "T-1"}',
    "open bracket only": "{",
    "deeply nested": "[" * 100_000,
    "unquoted key": "{ticket: 1}",
    "a comment": "// tickets of May",
    "a CSV line": "T-1,some customer,hello",
    "XML": "<ticket>T-1</ticket>",
    "empty object": "{}",
    "no words": json.dumps(GOOD | {"body": ""}),
    "only blanks": json.dumps(GOOD | {"body": " \n\t "}),
    "only HTML": json.dumps(GOOD | {"body": "<div><img src='x.png'></div>"}),
    "no number": json.dumps(GOOD | {"ticket": " "}),
    **{f"{name} missing": without(name) for name in TICKET_FIELDS},
    **{f"{name} is a number": json.dumps(GOOD | {name: 5}) for name in TICKET_FIELDS},
    "body is null": json.dumps(GOOD | {"body": None}),
    "body is a list": json.dumps(GOOD | {"body": ["a", "b"]}),
    "reply is an object": json.dumps(GOOD | {"reply": {"text": "x"}}),
}
BAD_CHATS = {
    **{f"column {name} missing": ",".join(c for c in CHAT_COLUMNS if c != name) + "\r\na,b,c,d\r\n" for name in CHAT_COLUMNS},
    **{
        f"{name} empty": f"{HEAD}\r\n" + ",".join("" if c == name else v for c, v in zip(CHAT_COLUMNS, CHAT, strict=True))
        for name in CHAT_COLUMNS
    },
    "too few cells": f"{HEAD}\r\nC-1,4000001,2026-01-02T10:00,Ann Loxley\r\n",
    "too many cells": f"{HEAD}\r\n{','.join(CHAT)},and,more\r\n",
    "semicolons": HEAD.replace(",", ";") + "\r\n" + ";".join(CHAT),
    "no head": ",".join(CHAT),
    "empty head": "\r\n" + ",".join(CHAT),
}
BAD_MAILS = {
    "no body": "From a\nFrom: a@example.com\nSubject: x\n\n\n",
    "only an attachment": "From a\nContent-Type: application/pdf\nContent-Transfer-Encoding: base64\n\nJVBERi0=\n",
    "only marks": "From a\nFrom: a@example.com\n\n>\n>\n",
    "empty HTML": "From a\nContent-Type: text/html\n\n<html><body><img src='x'></body></html>\n",
}


@pytest.mark.parametrize(
    ("name", "data"),
    [("tickets.jsonl", d) for d in BAD_TICKETS.values()]
    + [("chats.csv", d) for d in BAD_CHATS.values()]
    + [("mail.mbox", d) for d in BAD_MAILS.values()],
    ids=[*BAD_TICKETS, *BAD_CHATS, *BAD_MAILS],
)
def test_what_is_broken_is_set_aside_with_file_line_and_fix(tmp_path, name, data):
    found = read(tmp_path, name, data)
    assert found
    for row in found:
        assert isinstance(row, SetAside), row
        assert len(row.lines) <= 3
        assert name in row.lines[0]
        assert "line " in row.lines[0]
        assert row.fix.endswith(".")


def test_there_are_enough_broken_ones():
    assert len(BAD_TICKETS) + len(BAD_CHATS) + len(BAD_MAILS) >= 60


ODD = {
    "plain": ("tickets.jsonl", json.dumps(GOOD).encode()),
    "Windows line ends": ("tickets.jsonl", json.dumps(GOOD).encode() + b"\r\n"),
    "byte order mark": ("tickets.jsonl", b"\xef\xbb\xbf" + json.dumps(GOOD).encode()),
    "cp1252": ("tickets.jsonl", json.dumps(GOOD | {"body": "Caf\u00e9 \u20ac 5"}, ensure_ascii=False).encode("cp1252")),
    "blank lines between": ("tickets.jsonl", b"\n\n" + json.dumps(GOOD).encode() + b"\n\n"),
    "a field more": ("tickets.jsonl", json.dumps(GOOD | {"priority": "high"}).encode()),
    "no reply yet": ("tickets.jsonl", json.dumps(GOOD | {"reply": ""}).encode()),
    "HTML body": ("tickets.jsonl", json.dumps(GOOD | {"body": "<p>It <b>fails</b></p>"}).encode()),
    "emoji": ("tickets.jsonl", json.dumps(GOOD | {"body": "Help \U0001f600"}, ensure_ascii=False).encode()),
    "very long": ("tickets.jsonl", json.dumps(GOOD | {"body": "word " * 50_000}).encode()),
    "right to left": (
        "tickets.jsonl",
        json.dumps(GOOD | {"body": "\u0645\u0631\u062d\u0628\u0627"}, ensure_ascii=False).encode(),
    ),
    "one letter": ("tickets.jsonl", json.dumps(GOOD | {"body": "?"}).encode()),
    "angle brackets that are no HTML": ("tickets.jsonl", json.dumps(GOOD | {"body": "a < b and c > d"}).encode()),
    "escaped characters": ("tickets.jsonl", json.dumps(GOOD | {"body": 'tab\tquote"slash\\'}).encode()),
    "zero width": ("tickets.jsonl", json.dumps(GOOD | {"body": "a\u200bb"}).encode()),
    "chat": ("chats.csv", f"{HEAD}\r\n{','.join(CHAT)}\r\n".encode()),
    "chat with Unix line ends": ("chats.csv", f"{HEAD}\n{','.join(CHAT)}\n".encode()),
    "chat without last line end": ("chats.csv", f"{HEAD}\n{','.join(CHAT)}".encode()),
    "chat with quoted commas": ("chats.csv", f'{HEAD}\n{",".join(CHAT[:4])},"one, two, three"\n'.encode()),
    "chat with line breaks inside": ("chats.csv", f'{HEAD}\n{",".join(CHAT[:4])},"one\ntwo"\n'.encode()),
    "chat in cp1252": ("chats.csv", f"{HEAD}\n{','.join(CHAT[:4])},Gr\u00fc\u00dfe\n".encode("cp1252")),
    "chat in UTF-16": ("chats.csv", f"{HEAD}\n{','.join(CHAT)}\n".encode("utf-16")),
    "chat with a mark": ("chats.csv", b"\xef\xbb\xbf" + f"{HEAD}\n{','.join(CHAT)}\n".encode()),
    "chat with columns in another order": (
        "chats.csv",
        ("text,speaker,time,customer,chat\n" + ",".join(reversed(CHAT))).encode(),
    ),
    "chat with a column more": ("chats.csv", f"{HEAD},rating\n{','.join(CHAT)},5\n".encode()),
    "mail": ("mail.mbox", b"From a\nFrom: Ann <a@example.com>\nSubject: x\n\nHello\n"),
    "mail in Latin-1": ("mail.mbox", b"From a\nContent-Type: text/plain; charset=iso-8859-1\n\nGr\xfc\xdfe\n"),
    "mail with a wrong charset": ("mail.mbox", b"From a\nContent-Type: text/plain; charset=utf-8\n\nGr\xfc\xdfe\n"),
    "mail with an unknown charset": ("mail.mbox", b"From a\nContent-Type: text/plain; charset=x-nothing\n\nHello\n"),
    "mail as HTML only": ("mail.mbox", b"From a\nContent-Type: text/html\n\n<p>Hello</p><p>there</p>\n"),
    "mail without sender": ("mail.mbox", b"From a\nSubject: x\n\nHello\n"),
    "mail that quotes": ("mail.mbox", b"From a\nFrom: b@example.com\n\nYes.\n\n> Is it so?\n"),
    "mail with an encoded name": ("mail.mbox", b"From a\nFrom: =?utf-8?q?J=C3=BCrgen?= <j@example.com>\n\nHello\n"),
}


@pytest.mark.parametrize(("name", "data"), ODD.values(), ids=list(ODD))
def test_odd_but_valid_files_load(tmp_path, name, data):
    rows = read(tmp_path, name, data)
    assert [type(row) for row in rows] == [Thread]
    assert rows[0].turns[0].text.strip()


def test_there_are_enough_odd_ones():
    assert len(ODD) >= 30


def test_good_rows_survive_beside_broken_ones(tmp_path):
    lines = [json.dumps(GOOD | {"ticket": f"T-{k}"}) for k in range(5)]
    lines[2] = lines[2][:20]
    rows = read(tmp_path, "tickets.jsonl", "\n".join(lines))
    assert Counter(type(row) for row in rows) == {Thread: 4, SetAside: 1}
    assert next(row.line for row in rows if isinstance(row, SetAside)) == 3


def test_an_empty_folder_is_no_pile(tmp_path):
    with pytest.raises(CourseError) as error:
        list(read_pile(tmp_path))
    assert len(error.value.lines) <= 3


def test_a_quoted_mail_is_two_turns(tmp_path):
    [thread] = read(tmp_path, "mail.mbox", ODD["mail that quotes"][1])
    assert [(t.speaker, t.text) for t in thread.turns] == [("staff", "Is it so?"), ("customer", "Yes.")]


def test_encodings_are_told_apart():
    assert decoded("Grüße".encode("utf-16"))[0] == "Grüße"
    assert decoded("Grüße €".encode("cp1252")) == ("Grüße €", "cp1252")
    assert decoded("Grüße".encode()) == ("Grüße", "utf-8")


def test_html_becomes_words_and_nothing_runs():
    text = without_html("<p>One &amp; two</p><script>alert(1)</script><style>p{}</style><ul><li>three</li><li>four</li></ul>")
    assert "One & two" in text
    assert "alert" not in text
    assert "three" in text.split("\n")


def test_the_course_pile_is_all_accounted_for(tmp_path):
    """Every row of the pile comes out, as a thread or set aside with the reason that was planted."""
    raw = DATA / "raw"
    made = subprocess.run([sys.executable, raw / "make.py", "--out", tmp_path, "--seed", "5"], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    rows = list(read_pile(tmp_path))
    by_source = Counter(row.source for row in rows if isinstance(row, Thread))
    aside = [row for row in rows if isinstance(row, SetAside)]
    assert by_source["tickets"] + len(aside) == 1500
    assert (by_source["chats"], by_source["mail"]) == (400, 300)
    ledger = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
    planted = Counter(item["type"] for item in ledger)
    reasons = Counter(row.reason for row in aside)
    assert reasons["not a whole JSON object"] == planted["broken_row"]
    assert len(read_roster(tmp_path)) >= 200
    again = tmp_path / "again"
    subprocess.run([sys.executable, raw / "make.py", "--out", again, "--seed", "5"], check=True, capture_output=True)
    for name in ("tickets.jsonl", "chats.csv", "mail.mbox", "ledger.jsonl"):
        assert (tmp_path / name).read_bytes() == (again / name).read_bytes()
