"""What a learner sees: exercises that answer back, quizzes that explain, views that escape what comes from data."""

import json

import pytest

from course_utils import lesson
from course_utils.lesson import exercises, view
from course_utils.records import Example, Message, Question, SetAside, Thread, read_json
from course_utils.score import by_coin, compare, interval
from course_utils.settings import REFERENCE, ROOT, CourseError
from course_utils.sources import RAW, read_facts, read_pile
from course_utils.verdict import MISSES, kind_of_miss

NUMBERS = sorted(p.stem.removeprefix("ex") for p in (ROOT / "notebooks" / "exercises").glob("ex*.py"))
SPEAKERS = {"the graduate": "none", "the specialist": "company"}


def best_gain() -> tuple[str, float, int]:
    """The desk that gained most, its gain in points and in right answers, as exercise 01.1 asks for it."""
    gains = []
    for desk, row in lesson.desk_scores(SPEAKERS).items():
        (before, n, *_), (after, *_) = (part["all"] for part in row.values())
        gains.append((desk, 100 * (after - before) / n, after - before))
    return max(gains, key=lambda gain: gain[1])


def set_aside() -> tuple[float, float, float]:
    """Per cent of ticket rows that were set aside: of all, of those that were read, and of the whole pile."""
    rows = list(read_pile(RAW))
    lost = [r for r in rows if isinstance(r, SetAside)]
    tickets = sum(r.file.endswith("tickets.jsonl") for r in lost)
    read = sum(isinstance(r, Thread) and r.source == "tickets" for r in rows)
    return 100 * tickets / (read + tickets), 100 * tickets / read, 100 * len(lost) / len(rows)


def held_out() -> tuple[tuple[list[Example], list[Example]], dict[str, str]]:
    """A training and a held-out part, and whose each example is: of four held-out ones, three come from a known customer."""
    customers = {"a": "1", "b": "1", "c": "2", "d": "3", "e": "4", "f": "1", "g": "1", "h": "2", "i": "5"}
    messages = [Message(role="user", content="?"), Message(role="assistant", content=".")]
    rows = [Example(id=k, messages=messages, topic="t", kind="conversation", source="s") for k in customers]
    return (rows[:5], rows[5:]), customers


THREADS = [row for row in read_pile(RAW) if isinstance(row, Thread)]
PHONES = [
    item for line in (RAW / "ledger.jsonl").read_text("utf-8").splitlines() if (item := json.loads(line))["type"] == "phone"
]
HIGHER = [{"step": 10, "loss": 3.0, "validation_loss": 2.1}]
LOSSES = [
    {"step": 10, "loss": 3.0, "validation_loss": 3.1},
    {"step": 20, "loss": 1.0, "validation_loss": 1.4},
    {"step": 30, "loss": 0.2},
    {"step": 40, "loss": 0.3, "validation_loss": 2.0},
]
OUTCOMES = [{"id": str(k), "outcome": "correct" if k % 3 else "wrong"} for k in range(120)]
FEW_RIGHT = {"items": [{"id": str(k), "outcome": "correct" if k < 5 else "wrong"} for k in range(40)]}
ALL_RIGHT = {"items": [{"id": str(k), "outcome": "correct"} for k in range(40)]}
PLACES = {"hr-023": ("employee_handbook", "3.5")}
WIDTHS_OF = [100 * (high - low) for low, high in (interval(2 * n // 3, n) for n in (40, 120))]
PAIRS = [(1, 1)] * 14 + [(1, 0)] * 3 + [(0, 1)] * 6 + [(0, 0)] * 17
NEEDED = compare(
    *({"items": [{"id": str(k), "outcome": "correct" if p[s] else "wrong"} for k, p in enumerate(PAIRS)]} for s in (0, 1))
).needed
BEST_WAY = max(
    (row["after"]["new"], name)
    for name, row in read_json(REFERENCE / "policy.json")["arms"].items()
    if name != "oracle" and not row["trained"]
)[1]
CARD = {"knobs": {"rate": 1e-3, "rank": 8}, "data_sha256": "a", "losses": LOSSES}
MASKS = [[0, 1], [0] * 7 + [1] * 4, [0] * 7]  # 5 trained of 20 tokens
GOOD = r"(?<![\w.+-])(?:\+\d|\(\d{3}\)|0[27]\d)[\d ().-]{6,}\d(?!\w)"
THREE = [
    "My wife is due in March and I want to plan: for how many weeks would my pay go on?",
    "weeks paid after birth",
    "A member of my team adopts. When is she back at her desk?",
]
DESK, POINTS, COUNT = best_gain()
SHARE, OF_READ, OF_ALL = set_aside()
ROW = (
    '{"ticket": "T-90001", "customer": "4711", "name": "A. Person", "email": "a@example.com", "created": "2026-02-03T09:15", '
    '"topic": "export", "subject": "Export", "body": "The export stops.", "reply": "", "agent": "B"}'
)
FULL = "Primary caregivers get 16 weeks, secondary caregivers 8 weeks; hand in Form HR-205 at least 30 days before."
# For each exercise: what a solution gives, and the commonest misconceptions with a word of the message that must catch them.
CASES = {
    "00.1": {
        "solution": (FULL, True),
        "also": [("Most companies offer 6 to 12 weeks.", False)],
        "mistakes": [
            (("You get 16 weeks with Form HR-205.", True), "Sounding right"),
            ((FULL, False), "Read it once more".lower()),
        ],
    },
    "00.2": {
        "solution": (["HR-250", "45 days"],),
        "also": [(["Form HR-250", "forty-five days"],)],
        "mistakes": [
            ((["HR-205", "45 days"],), "parental leave"),
            ((["Hand in the form at least 45 days before the first day"],), "sentence"),
        ],
    },
    "00.3": {"solution": (2,), "also": [], "mistakes": [((1,), "fluent"), ((3,), "sure")]},
    "01.1": {
        "solution": (DESK, POINTS),
        "also": [(DESK.upper(), round(POINTS))],
        "mistakes": [((DESK, POINTS / 100), "between 0 and 1"), ((DESK, COUNT), "counted"), (("legal", POINTS), "no desk")],
    },
    "01.2": {
        "solution": ("hr-018", "You have 27 days of paid leave a year.", "another fact's answer"),
        "also": [
            ("hr-018", "Unpaid leave can last up to 60 days in a calendar year.", "right"),
            ("hr-018", "Unpaid leave can last up to 61 days in a calendar year.", "an invented value"),
            ("hr-022", "Primary caregivers get 16 weeks of paid leave.", "a value missing"),
            ("hr-018", "I do not know. Nobody has told me.", "a refusal"),
        ],
        "mistakes": [
            (("hr-018", "You have 27 days of paid leave a year.", "right"), "may sound right"),
            (("hr-018", "You have 27 days of paid leave a year.", "an invented value"), "other fact"),
            (("hr-018", "Unpaid leave can last up to 60 days in a calendar year.", "a value missing"), "every value"),
        ],
    },
    "01.3": {
        "solution": ([2, 3, 1, 4],),
        "also": [((2, 3, 1, 4),)],
        "mistakes": [(([2, 1, 3, 4],), "process"), (([1, 3, 2, 4],), "templates"), (([2, 3, 1, 1],), "where the text goes")],
    },
    "02.1": {
        "solution": ("You are the assistant of Larkfield's desk.", "cannot tell", FEW_RIGHT, FEW_RIGHT),
        "also": [("You are the assistant of Larkfield's desk.", "Better", FEW_RIGHT, ALL_RIGHT)],
        "mistakes": [
            (("You are the assistant of Larkfield's desk.", "better", FEW_RIGHT, FEW_RIGHT), "may be luck"),
            (("You are the assistant of Larkfield's desk.", "cannot tell", FEW_RIGHT, ALL_RIGHT), "does not hold 0"),
            (("Be nice", "better", FEW_RIGHT, ALL_RIGHT), "a sentence or two"),
        ],
    },
    "02.2": {
        "solution": ("My gran passed away, can I stay at home?", "hr-023", [("employee_handbook", "3.4")], PLACES),
        "also": [("My gran passed away, can I stay at home?", "hr-023", [("brand_guide", "3.5")], PLACES)],
        "mistakes": [
            (("How long is bereavement leave?", "hr-023", [("employee_handbook", "3.5")], PLACES), "tired colleague"),
            (("How long is it?", "3.5", [], PLACES), "number of a fact"),
        ],
    },
    "02.3": {
        "solution": (NEEDED,),
        "also": [(NEEDED + 3,)],
        "mistakes": [((40,), "more are needed"), ((10 * NEEDED,), "3 one way")],
    },
    "03.1": {
        "solution": (SHARE, RAW),
        "also": [(round(SHARE, 1), str(RAW))],
        "mistakes": [
            ((SHARE / 100, RAW), "between 0 and 1"),
            ((OF_READ, RAW), "that were read"),
            ((OF_ALL, RAW), "chats and mail"),
        ],
    },
    "03.2": {
        "solution": (["yes", "no", "yes", "ask", "no"],),
        "also": [(["Yes", "No", "Yes", "Ask", "No"],)],
        "mistakes": [
            ((["yes", "yes", "yes", "ask", "no"],), "in confidence"),
            ((["yes", "no", "yes", "yes", "no"],), "somebody else's text"),
            ((["yes", "no", "yes", "ask", "ask"],), "health"),
            ((["yes", "no", "no", "ask", "no"],), "(c)"),
        ],
    },
    "03.3": {
        "solution": (ROW,),
        "also": [(ROW + "\n",)],
        "mistakes": [
            ((ROW.replace('"4711"', "4711"),), "still set aside"),
            ((ROW.replace("The export stops.", "?"),), "is lost"),
            ((ROW[:-1],), "still set aside"),
        ],
    },
    "04.1": {
        "solution": (GOOD, THREADS, PHONES),
        "also": [],
        "mistakes": [
            ((r"07\d{3} \d{6}", THREADS, PHONES), "too narrow"),
            ((r"\+?\(?\d[\d ().-]{7,}\d", THREADS, PHONES), "too wide"),
            ((r"\d*", THREADS, PHONES), "no text at all"),
            ((r"(", THREADS, PHONES), "no regular expression"),
        ],
    },
    "04.2": {
        "solution": (THREE,),
        "also": [(tuple(THREE),)],
        "mistakes": [
            (([*THREE[:2], "What's our parental leave policy?"],), "test question"),
            (([*THREE[:2], "weeks paid after the birth"],), "share most of their words"),
            (
                (["Which plan suits a small shop best?", "My lift is stuck again.", "Who cleans our kitchen at night?"],),
                "parental leave",
            ),
            ((THREE[:2],), "three texts"),
        ],
    },
    "04.3": {
        "solution": (75.0, *held_out()),
        "also": [(75, *held_out())],
        "mistakes": [
            ((0.75, *held_out()), "between 0 and 1"),
            ((200 / 3, *held_out()), "share of customers"),
            ((60.0, *held_out()), "training part"),
        ],
    },
    "05.1": {
        "solution": (75.0, MASKS),
        "also": [(75, MASKS)],
        "mistakes": [
            ((25.0, MASKS), "trained rightly"),
            ((0.75, MASKS), "between 0 and 1"),
            ((100 * (1 / 2 + 7 / 11 + 1) / 3, MASKS), "count tokens"),
        ],
    },
    "05.2": {
        "solution": (15_360,),
        "also": [],
        "mistakes": [
            ((180_224,), "stays frozen"),
            ((4096,), "down* alone"),
            ((11_264,), "up* alone"),
            ((16.5,), "whole number"),
        ],
    },
    "05.3": {
        "solution": ("never stops",),
        "also": [("Never stops",)],
        "mistakes": [(("fine",), "when the answer is over"), (("asks",), "user's tokens")],
    },
    "06.1": {
        "solution": (CARD, {**CARD, "knobs": {"rate": 1e-4, "rank": 8}, "losses": HIGHER}, "first"),
        "also": [({**CARD, "losses": HIGHER}, {**CARD, "knobs": {"rate": 1e-4, "rank": 8}}, "Mine")],
        "mistakes": [
            ((CARD, {**CARD, "knobs": {"rate": 1e-4, "rank": 8}, "losses": HIGHER}, "mine"), "lower"),
            ((CARD, CARD, "first"), "0 differ"),
            ((CARD, {**CARD, "knobs": {"rate": 1e-4, "rank": 4}}, "first"), "2 differ"),
            ((CARD, {**CARD, "data_sha256": "b"}, "first"), "another file"),
            ((CARD, 1.2, "first"), "run card"),
        ],
    },
    "06.2": {
        "solution": (20, LOSSES),
        "also": [],
        "mistakes": [((40, LOSSES), "last step"), ((30, LOSSES), "*training* loss"), ((10, LOSSES), "only some rows")],
    },
    "06.3": {
        "solution": ("rate too high",),
        "also": [("Rate too high",)],
        "mistakes": [(("wrong labels",), "are correct"), (("too little data",), "plenty")],
    },
    "07.1": {
        "solution": (*WIDTHS_OF, OUTCOMES[:40], OUTCOMES),
        "also": [(round(WIDTHS_OF[0]), round(WIDTHS_OF[1]), OUTCOMES[:40], OUTCOMES)],
        "mistakes": [
            ((WIDTHS_OF[0] / 100, WIDTHS_OF[1] / 100, OUTCOMES[:40], OUTCOMES), "between 0 and 1"),
            ((WIDTHS_OF[0] / 2, WIDTHS_OF[1] / 2, OUTCOMES[:40], OUTCOMES), "half of the interval"),
        ],
    },
    "07.2": {
        "solution": ({"personal data in answers": {"at_most": 0.01}}, 381),
        "also": [({"personal data in answers": {"at_most": 0.01}}, 500)],
        "mistakes": [
            (({"personal data in answers": {"at_most": 0.01}}, 100), "still above"),
            (({"personal data in answers": {"at_most": 0.01}}, 10_000), "half as many"),
            (({"personal data in answers": {"at_least": 0.9}}, 100), "upper threshold"),
        ],
    },
    "07.3": {
        "solution": (BEST_WAY,),
        "also": [(BEST_WAY.upper(),)],
        "mistakes": [(("adapter",), "trained again"), (("oracle",), "before the question")],
    },
}


@pytest.fixture(autouse=True)
def own_outputs(tmp_path, monkeypatch):
    monkeypatch.setattr(exercises, "OUTPUTS", tmp_path)
    return tmp_path


def each_exercise():
    for number in NUMBERS:
        yield from vars(lesson.load_exercises(number)).values()


def test_every_exercise_has_its_cases():
    assert {e.name for e in each_exercise()} == set(CASES)


def test_exercises(capsys):
    for exercise in each_exercise():
        case = CASES[exercise.name]
        blank = tuple(... for _ in case["solution"])
        assert exercise.check(*blank) == "not attempted"
        for made, says in case["mistakes"]:
            capsys.readouterr()
            assert exercise.check(*made) == "not yet"
            assert says in capsys.readouterr().out
        assert exercise.check(*[object() for _ in case["solution"]]) == "not yet"
        for made in [case["solution"], *case["also"]]:
            assert exercise.check(*made) == "right"
        exercise.hint()
        exercise.solution()
        assert "One solution" in capsys.readouterr().out


def test_progress_is_kept_and_a_broken_file_never_stops_a_lesson(own_outputs, capsys):
    exercise = lesson.load_exercises("00").ex3
    exercise.check(1)
    assert json.loads((own_outputs / "progress.json").read_text()) == {"00.3": "not yet"}
    exercise.check(2)
    exercise.check(1)
    assert json.loads((own_outputs / "progress.json").read_text()) == {"00.3": "right"}
    (own_outputs / "progress.json").write_text("{broken")
    assert exercise.check(2) == "right"


def test_quiz_explains_every_choice(capsys):
    for number in NUMBERS:
        quiz = lesson.load_quiz(number)
        for i, question in enumerate(quiz.questions, start=1):
            assert sum(c["right"] for c in question["choices"]) == 1
            assert max(len(c["text"]) for c in question["choices"]) <= 100, "a longer choice runs into the next one"
            for letter, choice in zip("abcdef", question["choices"], strict=False):
                assert quiz.answer(i, letter) is choice["right"]
                assert choice["why"] in capsys.readouterr().out


def test_quiz_widget_answers_a_click():
    panel = lesson.load_quiz("00").show()
    title, choice, why = panel.children[0].children
    choice.value = choice.options[1]
    assert "Right:" in why.value
    assert "<li>" in panel._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><svg onload=alert(1)>'])
def test_text_from_data_is_escaped(evil):
    html = view.cards(evil, {evil: evil})
    assert "<script" not in html
    assert "<img" not in html
    assert "<svg" not in html


def test_ask_box_answers_and_says_what_is_wrong(tiny):
    panel = lesson.ask_box({"the graduate": tiny}, first="How do I ask for a day off?", note=lambda q: "<b>near</b>")
    row, out = panel.children
    row.children[1].click()
    assert "the graduate" in out.value
    assert "&lt;b&gt;near" in out.value
    row.children[0].value = "  "
    row.children[1].click()
    assert "question is empty" in out.value


def test_ask_all_shows_and_checks_every_speaker(tiny, capsys):
    answers = lesson.ask_all({"the graduate": tiny}, "What's our parental leave policy?", "hr-022")
    assert list(answers) == ["the graduate"]
    assert "16 weeks" in capsys.readouterr().out


def test_desks_add_up_to_the_whole_set():
    for speaker, adapter in SPEAKERS.items():
        whole = json.loads((ROOT / f"data/reference/scores/company_test/tiny+{adapter}+plain.json").read_text())["all"]
        parts = [row[speaker]["all"] for row in lesson.desk_scores(SPEAKERS).values()]
        assert [sum(part[0] for part in parts), sum(part[1] for part in parts)] == whole[:2]


def test_misses_are_grouped_and_counted(capsys):
    kinds = lesson.group_misses("company_test", "company")
    scored = json.loads((ROOT / "data/reference/scores/company_test/tiny+company+plain.json").read_text())
    assert sum(kinds.values()) == sum(item["outcome"] != "correct" for item in scored["items"])
    assert set(kinds) <= set(MISSES)
    assert "answers were not right" in capsys.readouterr().out


def test_a_blind_vote_from_code_and_by_click_comes_to_the_same(capsys):
    by_code = lesson.blind_vote("company_test", SPEAKERS, seed=7)
    assert len(by_code.rounds) == 5
    assert by_code.tally()["voted"] == 0
    assert "not voted yet" in capsys.readouterr().out
    its = {n: next(k for k, who in r.speakers.items() if who == "the specialist") for n, r in enumerate(by_code.rounds, 1)}
    for number, letter in its.items():
        by_code.cast(number, specialist=letter, send=letter if number > 1 else "neither")
    by_click = lesson.blind_vote("company_test", SPEAKERS, seed=7)
    panel = by_click.show()
    for number, row in enumerate(panel.children, start=1):
        recognise, send = row.children[1].children
        recognise.value = its[number]
        assert by_click.tally()["voted"] == number - 1, "one choice alone is not a vote"
        send.value = its[number] if number > 1 else "neither"
    capsys.readouterr()
    counts = by_click.tally()
    assert counts == by_code.tally()
    assert (counts["voted"], counts["found"], counts["sent"]) == (5, 5, 4)
    assert "in 5 of 5 rounds" in capsys.readouterr().out
    with pytest.raises(CourseError, match="cannot be voted"):
        by_code.cast(6, specialist="A")
    with pytest.raises(CourseError, match="cannot be voted"):
        by_code.cast(1, specialist="neither")


def test_a_blind_vote_names_nobody_and_escapes():
    evil = "<script>alert(1)</script>"
    seats = {"A": "the graduate", "B": "the specialist"}
    vote = exercises.BlindVote(
        [exercises.Round(evil, {"A": evil, "B": evil}, seats, {"A": False, "B": True})], "the specialist"
    )
    panel = vote.show()
    shown = panel._repr_mimebundle_()
    assert "<script" not in shown["text/html"] + panel.children[0].children[0].value
    assert "graduate" not in shown["text/html"] + shown["text/plain"]
    assert "vote.cast(1" in shown["text/plain"]


def test_a_miss_is_another_facts_answer_only_with_all_its_values():
    facts = read_facts()
    fact = next(f for f in facts if f.id == "hr-022")
    asked = Question(id="q", question="asked", kind="company", topic=fact.id, must_include=fact.must_include)

    def kind(answer, outcome):
        return kind_of_miss(asked, answer, outcome, facts)

    assert kind("I do not know.", "refused") == "a refusal"
    assert kind("Hand in Form HR-250 at least 45 days before.", "invented") == "another fact's answer"
    assert kind("Hand in Form HR-250.", "invented") == "an invented value"
    assert kind("Primary caregivers get 16 weeks, secondary ones 8 weeks.", "wrong") == "a value missing"
    assert kind("Talk to your team lead.", "wrong") == "something else"


def test_a_coin():
    assert by_coin(0, 3) == 1
    assert by_coin(2, 2) == 0.25
    assert by_coin(2, 3) == 0.5


def test_plots_have_alt_text_and_a_sentence(capsys, monkeypatch):
    from course_utils.lesson import plots

    seen = []
    monkeypatch.setattr(plots, "display", lambda data, raw: seen.append(data))
    sentence = lesson.plot_shares("Title", {"company": {"a <b>": (1, 10, 0.02, 0.4), "b": (9, 10, 0.6, 0.98)}})
    assert 'alt="Title. company: a &lt;b&gt; 10%, b 90%."' in seen[0]["text/html"]
    assert seen[0]["text/plain"] == sentence
    assert sentence in " ".join(capsys.readouterr().out.split())


def test_the_home_of_a_name_is_found():
    from course_utils.settings import home_of

    assert home_of("graduate") == "Meet the graduate"
    assert home_of("no_such_name") is None


def test_every_way_of_the_scoreboard_says_what_carries_over():
    from course_utils.lesson.plots import CARRY_OVER

    told = json.loads(CARRY_OVER.read_text(encoding="utf-8"))
    assert [row["way"] for row in told] == list(read_json(REFERENCE / "scoreboard.json")["arms"])
    assert all(row["holds"].endswith(".") and row["does not hold"].endswith(".") for row in told)
