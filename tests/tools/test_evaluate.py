"""Figures are told by test and by class."""

from __future__ import annotations

import numpy as np
import pytest
from tools.train_tiny.corpus import Corpus, plan
from tools.train_tiny.evaluate import COLUMNS, Score, evaluate, score, table

pytestmark = pytest.mark.unit


def test_a_score_counts_words_and_whole_texts() -> None:
    assert score([("go home", " Go home."), ("one two three four", "one two four five")]) == Score(2 / 6, 1, 2)


def test_no_pairs_have_no_score() -> None:
    with pytest.raises(ValueError, match="nothing was said"):
        score([])


def test_each_column_is_its_own_test_and_class() -> None:
    planned = plan(5, 1)
    # The samples carry the place of the utterance, so that the ear can know what was said.
    samples = tuple(np.array([32767, at], np.int16) for at in range(len(planned)))

    def hears_digits_of_known_voices_alone(audio: np.ndarray) -> str:
        at = round(audio[3201] / audio[3200] * 32767)
        utterance = planned[at]
        return utterance.text if utterance.digits and utterance.split == "phrases" else "no"

    scores = evaluate(Corpus(planned, samples), hears_digits_of_known_voices_alone)
    assert tuple(scores) == COLUMNS
    right = {column for column in COLUMNS if scores[column].word_error_rate == 0}
    assert right == {"phrases, digits"}
    assert scores["phrases, digits"].exact == scores["phrases, digits"].of


def test_the_table_has_a_column_for_each_score() -> None:
    rows = table([("tiny", {column: Score(0.125, at, 80) for at, column in enumerate(COLUMNS)})]).splitlines()
    assert [row.count("|") for row in rows] == [len(COLUMNS) + 2] * 3
    assert rows[2].startswith("| tiny | 12.5% 0/80 | 12.5% 1/80 |")
