"""Scrubbing, scored on a held-out pile: other seed, other sentences, more than half of the names in no list of ours."""

import json
import subprocess
import sys

import pytest

from course_utils.privacy import Scrubber, as_it_comes, covered, planted_spans, score_privacy
from course_utils.records import Thread, Turn
from course_utils.settings import DATA, ROOT
from course_utils.sources import Roster, read_pile, read_roster, read_secrets

STRUCTURED = ("email", "phone", "iban", "card", "tax_id", "employee_id", "password", "api_key", "customer_url")
SECRETS = ("contract_value", "unreleased_product", "margin", "internal_only")
ANN = Roster(number="4000001", name="Rose Pryce", email="r.pryce@example.com", phone="", role="staff")


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    """Threads, ledger and scrubber of a pile that nothing was built on."""
    folder = tmp_path_factory.mktemp("pile")
    sentences = ROOT / "tests" / "pile" / "personal_test.jsonl"
    run = [
        sys.executable,
        DATA / "raw" / "make.py",
        "--out",
        folder,
        "--seed",
        "2026",
        "--personal",
        sentences,
        "--new-names",
        "0.6",
    ]
    subprocess.run(run, check=True, capture_output=True)
    threads = [row for row in read_pile(folder) if isinstance(row, Thread)]
    ledger = [json.loads(line) for line in (folder / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
    return threads, ledger, Scrubber(read_roster(folder), read_secrets(folder))


@pytest.fixture(scope="module")
def scores(held_out):
    threads, ledger, scrubber = held_out
    return score_privacy(threads, ledger, scrubber.find)


def recall(scores: dict, *kinds: str) -> float:
    rows = [scores["by_type"][kind] for kind in kinds]
    return sum(r["found"] for r in rows) / sum(r["planted"] for r in rows)


def test_ids_are_found(scores):
    assert sum(scores["by_type"][kind]["planted"] for kind in STRUCTURED) > 1000
    assert recall(scores, *STRUCTURED) >= 0.995
    for kind in STRUCTURED:
        assert scores["by_type"][kind]["documents_leaking"] <= 0.01 * scores["documents"], kind


def test_names_are_found(scores):
    assert recall(scores, "name (record)", "name (roster)") >= 0.97
    assert recall(scores, "name (cue)") >= 0.90
    assert scores["by_type"]["name (nobody)"]["planted"] > 20  # strangers without a cue: reported, not promised


def test_little_is_taken_away_that_was_harmless(scores):
    assert scores["precision"] >= 0.85
    assert scores["f2"] >= 0.93


def test_few_documents_leak_anything(scores):
    assert scores["leaking"] / scores["documents"] <= 0.05


def test_company_secrets_are_found(scores):
    assert recall(scores, *SECRETS) >= 0.95


def test_presidio_as_it_comes_is_scored_beside_it(held_out, scores):
    threads, ledger, _ = held_out
    bare = score_privacy(threads[:250], ledger, as_it_comes())
    assert bare["by_type"]["iban"]["recall"] > 0.9  # it does find what has a checksum
    assert bare["recall"] < 0.5 < scores["recall"]


def test_half_of_the_names_stand_in_no_list(held_out):
    sys.path.insert(0, str(DATA / "raw"))
    import people

    threads, *_ = held_out
    names = {part for t in threads for p in t.people if "@" not in p for part in p.split()}
    assert sum(part not in {*people.FIRST, *people.LAST} for part in names) > 0.5 * len(names)


def test_without_scrubbing_everything_is_still_there(held_out):
    """The control: a score that could not be bad would say nothing."""
    threads, ledger, _ = held_out
    scores = score_privacy(threads[:300], ledger, lambda text, people: [])
    assert scores["recall"] == 0
    assert scores["leaking"] > 200


def test_nothing_planted_is_left_in_a_cleaned_pile(held_out):
    threads, ledger, scrubber = held_out
    wanted = {item["value"] for item in ledger if item["type"] in ("iban", "card", "email", "api_key", "password")}
    cleaned = [scrubber.clean(thread)[0].model_dump_json() for thread in threads[:400]]
    before = [thread.model_dump_json() for thread in threads[:400]]
    assert sum(value in text for text in before for value in wanted) > 80
    assert [value for text in cleaned for value in wanted if value in text] == []


def test_the_same_person_keeps_the_same_pseudonym_and_nobody_can_compute_one():
    scrubber = Scrubber([ANN])
    text, counts = scrubber.clean_text("Dear Rose Pryce, rose pryce asked me. Rose Price too.", ["Rose Pryce"])
    marks = [part.split("]")[0] for part in text.split("[")[1:]]
    assert len(marks) == 3
    assert len(set(marks)) == 1
    assert counts["name"] == 3
    later = Scrubber([ANN])
    later.clean_text("Dear Carl Nobody, who wrote before her,", ["Carl Nobody"])
    other, _ = later.clean_text("Dear Rose Pryce,", [])
    assert other.split("[")[1] != text.split("[")[1]  # it comes from the order in the pile, not from the name


@pytest.mark.parametrize(
    "text",
    [
        "We start in May, so will you mark the bill?",
        "Will you send the form HR-205 by the end of May 2026?",
        "Enterprise Plus costs more than Professional, says Larkfield Insight 4.2.1.",
        "Error E-4071 in room 3.14, see section 7.3 of the handbook.",
        "Mark the ticket as solved once the report is rose, not red.",
        "The uptime was 99% and 23 of 40 charts were empty.",
    ],
)
def test_ordinary_sentences_stay_as_they_are(text):
    found = [text[s.start : s.end] for s in Scrubber([ANN]).find(text)]
    assert [f for f in found if f != "99%"] == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("I asked Rose about it.", "Rose"),
        ("my name is Dralenko Vonasa and I am new", "Dralenko Vonasa"),
        ("Pay to DE89 3704 0044 0532 0130 00 please", "DE89 3704 0044 0532 0130 00"),
        ("card 4000 0012 3456 7899 was charged", "4000 0012 3456 7899"),
        ("call (202) 555-0143 after five", "(202) 555-0143"),
        ("born on 12 March 1984 in Eastmere", "12 March 1984"),
        ("my login is Kettle!2931 and it fails", "Kettle!2931"),
        ("send it to 12 Alder Lane, NN19 8FS Marrow Bridge, thanks", "12 Alder Lane, NN19 8FS Marrow Bridge"),
    ],
)
def test_single_finds(text, value):
    scrubber = Scrubber([ANN])
    [span] = planted_spans(text, [{"value": value, "type": "x"}])
    assert covered(text, span, scrubber.find(text))


def test_a_card_number_that_fails_its_check_is_not_a_card():
    assert all(s.kind != "card" for s in Scrubber().find("order 4000 0012 3456 7891"))


def test_a_learner_can_add_a_pattern():
    from course_utils.privacy import PATTERNS

    text = "badge B-77-QX opens it"
    assert Scrubber().find(text) == []
    found = Scrubber(patterns={**PATTERNS, "badge": (r"\bB-\d\d-[A-Z]{2}\b",)}).find(text)
    assert [text[s.start : s.end] for s in found] == ["B-77-QX"]


def test_cleaning_keeps_what_the_thread_is_about():
    thread = Thread(
        id="T-1", source="tickets", topic="export", customer="4000001", people=["Rose Pryce"],
        turns=[Turn(speaker="customer", text="The export to r.pryce@example.com stops.")],
    )  # fmt: skip
    cleaned, counts = Scrubber([ANN]).clean(thread)
    assert cleaned.topic == "export"
    assert cleaned.turns[0].text.startswith("The export to [email-")
    assert cleaned.people == []
    assert cleaned.customer != "4000001"
    assert counts == {"email": 1}
