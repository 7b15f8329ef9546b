"""`course <verb>`: the same steps as the notebooks, from a terminal. Each ends with one line that says what it made.

A mistake that a person can make prints at most three lines and ends with exit code 2; nothing is overwritten then.
"""

import argparse
import os
import sys
from pathlib import Path

from course_utils.settings import SEED, CourseError, shown


def _bar(done: float, of: float, note: str = "") -> None:
    """One progress line, redrawn in place where there is a terminal."""
    if sys.stderr.isatty():
        width = round(30 * done / max(of, 1))
        print(f"\r[{'#' * width}{'.' * (30 - width)}] {done:g} of {of:g} {note:<24}", end="", file=sys.stderr, flush=True)
        if done >= of:
            print(file=sys.stderr)


def _doctor(args: argparse.Namespace) -> str:
    from course_utils.doctor import examine

    if args.adapter:
        return _diagnose(args)
    report = examine()
    print("\n".join(report.lines))
    return "this machine can run the course" if report.ok else "this machine cannot run the course yet: see the lines marked NO"


def _diagnose(args: argparse.Namespace) -> str:
    from course_utils.doctor import diagnose
    from course_utils.models import check_adapter_files
    from course_utils.records import Example, read_json, read_rows
    from course_utils.settings import ROOT

    check_adapter_files(args.adapter)
    run = read_json(args.adapter / "run.json")
    findings = diagnose(run, read_rows(args.data or ROOT / run["data"], Example))
    print("\n".join(finding.line for finding in findings))
    first = next((finding for finding in findings if finding.fault), None)
    return (
        f"{shown(args.adapter)}: {first.rung}. {first.fix}" if first else f"{shown(args.adapter)}: no fault of the usual kinds"
    )


def _prepare(args: argparse.Namespace) -> str:
    from course_utils.prepare import check_file, prepare
    from course_utils.sources import COMPANY

    if args.check:
        lines = check_file(args.check)
        print("\n".join(lines))
        refused = sum(line.startswith("NO") for line in lines)
        return f"{shown(args.check)} would be " + ("accepted" if not refused else f"refused: see the {refused} lines marked NO")
    if args.out is None:
        raise CourseError("course prepare needs a folder to write.", None, "Add --out outputs/prepared, or --check FILE.")
    counts = prepare(args.out, args.company or COMPANY, args.desk, seed=args.seed, raw=args.raw)
    return f"made {shown(args.out)}: {counts['train']} training and {counts['validation']} validation examples of {counts['facts']} facts"


def _train(args: argparse.Namespace) -> str:
    from dataclasses import replace

    from course_utils.records import read_json
    from course_utils.train import recipe_for, train

    chosen = {k: getattr(args, k) for k in ("rank", "alpha", "rate", "epochs", "seed") if getattr(args, k) is not None}
    out = train(
        args.data,
        args.out,
        args.model,
        replace(recipe_for(args.model).knobs, **chosen),
        args.validation,
        lambda p: _bar(p["step"], p["of"], f"loss {p['loss']:.3f}, {p['seconds_left']:.0f} s left"),
        resume=args.resume,
        keep=args.keep,
    )
    card = read_json(out / "run.json")
    last = next(row["loss"] for row in reversed(card["losses"]) if "loss" in row)
    what = f"adapter for {args.model}" if card["knobs"]["rank"] else f"model made of {args.model}"
    return f"made {shown(out)}: {what} from {card['examples']} examples in {card['seconds']:.0f} s, last loss {last:.3f}"


def _answer(args: argparse.Namespace) -> str:
    from course_utils.answer import answer_questions
    from course_utils.models import load_model
    from course_utils.records import Question, read_rows, write_rows

    questions = read_rows(args.questions, Question)
    loaded = load_model(args.model, args.adapter)
    answers = answer_questions(loaded, questions, args.arm, progress=_bar)
    write_rows(args.out, answers)
    seconds = sum(a.seconds for a in answers)
    return f"made {shown(args.out)}: {len(answers)} answers in {seconds:.0f} s"


def _score(args: argparse.Namespace) -> str:
    from course_utils.records import write_json
    from course_utils.score import score_files

    result = score_files(args.questions, args.answers)
    write_json(args.out, result)
    for kind, row in result["by_kind"].items():
        low, high = row["interval"]
        parts = f"wrong {row['wrong']}, invented {row['invented']}, refused {row['refused']}"
        print(f"{kind:9} correct {row['correct'] / row['n']:.2f} [{low:.2f}, {high:.2f}] of {row['n']}; {parts}")
    right, n, low, high = result["all"]
    return f"correct {right / n:.2f} [{low:.2f}, {high:.2f}] of {n}"


def _compare(args: argparse.Namespace) -> str:
    from course_utils.records import read_json
    from course_utils.score import compare

    return compare(read_json(args.a), read_json(args.b)).sentence(args.a.stem, args.b.stem)


def parser() -> argparse.ArgumentParser:
    """The command line of `course`."""
    top = argparse.ArgumentParser(prog="course", description="Fine-Tuning at Work, from a terminal.")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="doctor | prepare | train | answer | score | compare")

    def verb(name: str, run, text: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        return made

    p = verb(
        "doctor", _doctor, "check this machine and say how long the notebooks take here; or look for what is wrong with a run"
    )
    p.add_argument("--adapter", type=Path, help="folder of a run to look at instead")
    p.add_argument("--data", type=Path, help="its training file, if that is no longer where the run card says")
    p = verb("prepare", _prepare, "the company's papers to training examples")
    p.add_argument(
        "--company", type=Path, default=None, help="folder of papers, facts and wordings (the course's own if left out)"
    )
    p.add_argument("--desk", help="only one desk's facts")
    p.add_argument("--raw", type=Path, help="folder with a pile of tickets, chats and mail to use as well")
    p.add_argument("--out", type=Path, help="folder to write")
    p.add_argument("--check", type=Path, metavar="FILE", help="only say whether a training file would be accepted")
    p.add_argument("--seed", type=int, default=SEED)
    p = verb("train", _train, "training examples to an adapter")
    p.add_argument("--data", type=Path, required=True, help="training examples, JSON Lines")
    p.add_argument("--validation", type=Path, help="held-out examples whose loss is measured on the way")
    p.add_argument("--model", default="tiny")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--seed", type=int, default=SEED)
    p.add_argument("--rank", type=int, help="width of the adapter; 0 trains the whole model")
    p.add_argument("--alpha", type=int)
    p.add_argument("--rate", type=float)
    p.add_argument("--epochs", type=float)
    p.add_argument(
        "--keep", choices=("last", "best"), default="last", help="best: the checkpoint with the lowest validation loss"
    )
    p.add_argument("--resume", action="store_true", help="go on from the newest checkpoint that holds")
    p = verb("answer", _answer, "questions to answers")
    p.add_argument("--questions", type=Path, required=True)
    p.add_argument("--model", default="tiny")
    p.add_argument("--adapter", type=Path)
    p.add_argument("--arm", default="plain", help="plain, prompt, few-shot, retrieval or oracle")
    p.add_argument("--out", type=Path, required=True)
    p = verb("score", _score, "answers to a score with intervals")
    p.add_argument("--questions", type=Path, required=True)
    p.add_argument("--answers", type=Path, required=True)
    p.add_argument("--out", type=Path, required=True)
    p = verb("compare", _compare, "two scores of the same questions: better, worse or cannot tell")
    p.add_argument("a", type=Path)
    p.add_argument("b", type=Path)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if os.environ.get("RANK", "0") != "0":
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - of several processes the first one speaks
    args = parser().parse_args(argv)
    try:
        print(args.run(args))
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; nothing was overwritten (a training run goes on with --resume)", file=sys.stderr)
        return 130
    except OSError as error:
        print(
            f"{error.filename or 'a file'}: {error.strerror}.\nCheck the path, the free space and your rights there.",
            file=sys.stderr,
        )
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
