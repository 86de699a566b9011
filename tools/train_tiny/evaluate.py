"""How well the real engines hear the test utterances with the tiny models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import jiwer
import msgspec
from tools.train_tiny.augment import plain
from tools.train_tiny.corpus import TESTS, Corpus
from tools.train_tiny.engines import Ear

Pair = tuple[str, str]
"""What was said, and what was heard."""


class Score(msgspec.Struct, frozen=True):
    """A column of one row of the table."""

    word_error_rate: float
    exact: int
    of: int

    def __str__(self) -> str:
        return f"{self.word_error_rate:.1%} {self.exact}/{self.of}"


def score(pairs: Sequence[Pair]) -> Score:
    """The word error rate over all pairs, and how many texts are exact. Raises ValueError for no pairs."""
    if not pairs:
        raise ValueError("nothing was said: there is no word error rate of nothing")
    said, heard = [text for text, _ in pairs], [_normal(text) for _, text in pairs]
    exact = sum(a == b for a, b in zip(said, heard, strict=True))
    return Score(jiwer.wer(said, heard), exact, len(pairs))


def evaluate(corpus: Corpus, ear: Ear) -> dict[str, Score]:
    """The score of each test by class, keyed as `COLUMNS`."""
    scores = {}
    for split in TESTS:
        pairs: dict[bool, list[Pair]] = {True: [], False: []}
        for at in corpus.of(split):
            utterance = corpus.utterances[at]
            pairs[utterance.digits].append((utterance.text, ear(plain(corpus.samples[at]))))
        scores[f"{split}, commands"] = score(pairs[False])
        scores[f"{split}, digits"] = score(pairs[True])
    return scores


COLUMNS = tuple(f"{split}, {kind}" for split in TESTS for kind in ("commands", "digits"))


def table(rows: Iterable[tuple[str, dict[str, Score]]]) -> str:
    """A Markdown table: word error rate, and exact of all."""
    lines = ["| model | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(str(scores[column]) for column in COLUMNS) + " |" for name, scores in rows]
    return "\n".join(lines)


def _normal(text: str) -> str:
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower()).split())
