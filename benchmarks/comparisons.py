"""Can the comparisons of scores be trusted? Thousands of them where the truth is known.

    python benchmarks/comparisons.py        writes benchmarks/comparisons.json; about a minute on one core

Pairs of models are drawn whose answers to 100 to 330 questions go together more or less, half of them equally good. Each pair is
compared by `score.compare`: how often does the interval hold the true difference, and how often is a difference found that is not
there? For comparisons that could not tell, new ones are drawn with as many questions as were said to be needed: four of five must
tell. Last, six equally good models are compared at once by `score.compare_all`: how often is any of them called better or worse?
"""

import argparse
import json
from pathlib import Path

import numpy as np

from course_utils.records import write_json
from course_utils.score import compare, compare_all, interval, paired_interval

SIZES = (100, 150, 200, 330)  # questions
BARS = {"coverage": 0.93, "false": 0.06, "power": (0.72, 0.88)}


def score_of(right: np.ndarray) -> dict:
    """A score with nothing but outcomes."""
    return {"items": [{"id": i, "outcome": "correct" if r else "wrong"} for i, r in enumerate(right)]}


def drawn(rng: np.random.Generator, n: int, first: float, second: float, together: float) -> tuple[np.ndarray, np.ndarray]:
    """Right or wrong for two models on the same questions.

    Args:
        rng: Where chance comes from.
        n: Questions.
        first: Share that the first model gets right.
        second: Share that the second gets right.
        together: 0 if their answers have nothing to do with each other, 1 if they agree as often as can be.

    Returns:
        Two arrays of bool, shape (n,).
    """
    both = (1 - together) * first * second + together * min(first, second)
    cell = rng.choice(4, n, p=[both, first - both, second - both, 1 - first - second + both])
    return np.isin(cell, (0, 1)), np.isin(cell, (0, 2))


def compared(rng: np.random.Generator, times: int) -> list[dict]:
    """Comparisons with what they said and what is true; every second one has nothing to find."""
    rows = []
    for k in range(times):
        n, first, together = int(rng.choice(SIZES)), rng.uniform(0.1, 0.9), rng.uniform(0, 0.9)
        second = first if k % 2 else float(np.clip(first + rng.uniform(-0.25, 0.25), 0.05, 0.95))
        a, b = drawn(rng, n, first, second, together)
        found = compare(score_of(a), score_of(b))
        rows.append(
            {
                "n": n,
                "real": second != first,
                "held": found.low <= second - first <= found.high,
                "verdict": found.verdict,
                "wrong_way": {"better": second < first, "worse": second > first}.get(found.verdict, False),
                "needed": found.needed,
                "gained": float(np.mean(b & ~a)),
                "lost": float(np.mean(a & ~b)),
            }
        )
    return rows


def share(rows: list[dict], wanted) -> dict:
    """How often something holds, with its interval, in all and by number of questions."""
    hits = [bool(wanted(r)) for r in rows]
    by_n = {str(n): round(float(np.mean([h for h, r in zip(hits, rows, strict=True) if r["n"] == n])), 4) for n in SIZES}
    low, high = interval(sum(hits), len(hits))
    return {"share": round(float(np.mean(hits)), 4), "interval": [round(low, 4), round(high, 4)], "of": len(hits), "by_n": by_n}


def powers(rng: np.random.Generator, rows: list[dict], times: int) -> dict:
    """How often comparisons tell when they have as many questions as were said to be needed."""
    found = []
    for row in rows:
        cells = [row["gained"], row["lost"], 1 - row["gained"] - row["lost"]]
        ends = [paired_interval(x, y, row["needed"]) for x, y, _ in rng.multinomial(row["needed"], cells, size=times)]
        found.append(float(np.mean([low > 0 if row["gained"] > row["lost"] else high < 0 for low, high in ends])))
    low, high = BARS["power"]
    return {
        "mean": round(float(np.mean(found)), 4),
        "lowest": round(min(found), 4),
        "highest": round(max(found), 4),
        "within_bar": round(float(np.mean([low <= f <= high for f in found])), 4),
        "of": len(found),
    }


def together(rng: np.random.Generator, times: int, arms: int = 6) -> dict:
    """How often one of several equally good models is called better or worse than the first."""
    rows = []
    for _ in range(times):
        n, p, shared = int(rng.choice(SIZES)), rng.uniform(0.1, 0.9), rng.uniform(0, 0.9)
        common = rng.random(n) < p
        scores = {str(k): score_of(np.where(rng.random(n) < shared, common, rng.random(n) < p)) for k in range(arms)}
        verdicts = {c.verdict for c in compare_all(scores, "0").values()}
        rows.append({"n": n, "false": verdicts != {"cannot tell"}})
    return share(rows, lambda r: r["false"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--comparisons", type=int, default=2000)
    parser.add_argument("--cases", type=int, default=300, help="comparisons whose `needed` is tried")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    rows = compared(rng, args.comparisons)
    null, real = [r for r in rows if not r["real"]], [r for r in rows if r["real"]]
    result = {
        "coverage": share(rows, lambda r: r["held"]),
        "coverage_nothing_to_find": share(null, lambda r: r["held"]),
        "coverage_real_difference": share(real, lambda r: r["held"]),
        "false": share(null, lambda r: r["verdict"] != "cannot tell"),
        "wrong_way": share(real, lambda r: r["wrong_way"]),
        "found": share(real, lambda r: r["verdict"] != "cannot tell"),
        "power_at_needed": powers(rng, [r for r in rows if r["needed"]][: args.cases], 2000),
        "false_among_five_comparisons": together(rng, args.comparisons // 4),
    }
    met = {
        "coverage": result["coverage"]["share"] >= BARS["coverage"],
        "false": result["false"]["share"] <= BARS["false"],
        "power_at_needed": result["power_at_needed"]["within_bar"] == 1.0,
        "false_among_five_comparisons": result["false_among_five_comparisons"]["share"] <= BARS["false"],
    }
    write_json(args.out, {"met": met, "bars": BARS, "seed": args.seed, **result})
    print(json.dumps({"met": met, **result}, indent=1))


if __name__ == "__main__":
    main()
