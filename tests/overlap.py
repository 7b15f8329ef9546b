"""How near test questions come to training wordings, with numbers and names masked."""

import re
from collections.abc import Sequence

from rapidfuzz import fuzz, process

LIMIT = 85.0
_CODE = re.compile(r"\b[A-Z]{1,4}-?\d{2,4}\b")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NAMES = re.compile(r"\b(Larkfield|Insight|Johnson Corp|CompetitorX|[A-Z][a-z]+ [A-Z][a-z]+)\b")


def masked(text: str) -> str:
    """Lower case, without punctuation, with codes, numbers and names replaced by a mark each."""
    text = _NAMES.sub(" xname ", _NUMBER.sub(" xnumber ", _CODE.sub(" xcode ", text)))
    return " ".join(re.findall(r"[a-z]+", text.lower()))


def too_near(test: Sequence[str], training: Sequence[str], limit: float = LIMIT) -> list[tuple[str, str, float]]:
    """Pairs of a test question and a training wording whose token-set ratio reaches the limit.

    Args:
        test: Test questions.
        training: Training wordings.
        limit: 0 to 100.

    Returns:
        (test question, training wording, ratio), nearest first.
    """
    a, b = [masked(t) for t in test], [masked(t) for t in training]
    ratios = process.cdist(a, b, scorer=fuzz.token_set_ratio, score_cutoff=limit, workers=1)
    pairs = [(test[i], training[j], float(ratios[i, j])) for i, j in zip(*ratios.nonzero(), strict=True)]
    return sorted(pairs, key=lambda pair: -pair[2])
