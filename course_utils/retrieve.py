"""Texts to the few that matter for a question.

`Library` finds the sections of the company's papers that share the rarest words with a question (BM25, S. Robertson and others,
1994, through bm25s). `Index` says how near a question lies to anything that a model was trained on: the cosine of their word
lists, where words count the more, the fewer texts hold them (TF-IDF, K. Sparck Jones, 1972), less what the question holds of
words that stand in no text at all. Limits: both see words, not meaning.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from course_utils.records import Section
from course_utils.verdict import words


@dataclass(frozen=True)
class Near:
    """The most similar text.

    Attributes:
        text: The text.
        likeness: 0 (no word shared) to 1 (the same words).
    """

    text: str
    likeness: float


class Index:
    """Texts, ready to be searched.

    Args:
        texts: What to search in.

    Raises:
        ValueError: If there is no text.
    """

    def __init__(self, texts: Sequence[str]):
        if not texts:
            raise ValueError("nothing to search in")
        self.texts = list(texts)
        counts = Counter(word for text in self.texts for word in set(words(text)))
        self._rarity = {word: math.log((1 + len(self.texts)) / n) for word, n in counts.items()}
        self._unseen = math.log(1 + len(self.texts))
        self._holders: dict[str, list[tuple[int, float]]] = {}
        for k, text in enumerate(self.texts):
            for word, weight in self._vector(text).items():
                self._holders.setdefault(word, []).append((k, weight))

    def _vector(self, text: str) -> dict[str, float]:
        weights = {word: n * self._rarity.get(word, self._unseen) for word, n in Counter(words(text)).items()}
        length = math.sqrt(sum(w * w for w in weights.values())) or 1.0
        return {word: w / length for word, w in weights.items()}

    def nearest(self, text: str) -> Near:
        """The text most like this one."""
        likeness = [0.0] * len(self.texts)
        for word, weight in self._vector(text).items():
            for k, other in self._holders.get(word, ()):
                likeness[k] += weight * other
        best = max(range(len(likeness)), key=likeness.__getitem__)
        return Near(self.texts[best], likeness[best] * self._known_share(text))

    def _known_share(self, text: str) -> float:
        """How much of a text, by rarity of its words, stands in any of the texts."""
        weights = {word: self._rarity.get(word, self._unseen) for word in words(text)}
        return sum(w for word, w in weights.items() if word in self._rarity) / (sum(weights.values()) or 1.0)


class Faq:
    """Questions with ready answers: the answer of the nearest question is given, word for word. No model has a part in it.

    Args:
        pairs: Questions with their answers.
        least: Likeness below which it says that it does not know.

    Raises:
        ValueError: If there is no pair.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]], least: float = 0.25):
        self._answers, self.least = dict(pairs), least
        self._index = Index(list(self._answers))

    def answer(self, question: str) -> str:
        """The ready answer that fits best."""
        near = self._index.nearest(question)
        return (
            self._answers[near.text] if near.likeness >= self.least else "I do not know. No question like this is in the list."
        )


class Library:
    """A company's papers, ready to be searched by section.

    Args:
        papers: Sections by paper, as `sources.read_papers` returns them.

    Raises:
        ValueError: If there is no section.
    """

    def __init__(self, papers: Mapping[str, Sequence[Section]]):
        import bm25s

        self.sections = [(paper, section) for paper, sections in papers.items() for section in sections]
        if not self.sections:
            raise ValueError("nothing to search in")
        self._ranking = bm25s.BM25()
        self._ranking.index([list(words(f"{s.title}. {s.text}")) for _, s in self.sections], show_progress=False)

    def find(self, question: str, count: int) -> list[tuple[str, Section]]:
        """The sections that fit best, best first.

        Args:
            question: What is asked.
            count: How many sections to return.

        Returns:
            Pairs of paper and section.
        """
        scores = self._ranking.get_scores(list(words(question)))
        best = sorted(range(len(scores)), key=lambda i: -scores[i])[:count]
        return [self.sections[i] for i in best]
