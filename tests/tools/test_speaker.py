"""Who is in the training of the tiny model of voices, and how its errors are counted."""

from __future__ import annotations

import numpy as np
import pytest
from tools.train_tiny.speaker.people import everybody, plan
from tools.train_tiny.speaker.sentences import SENTENCES

pytestmark = pytest.mark.unit


def test_nobody_of_the_tests_is_in_the_training() -> None:
    known, unknown = everybody(1)
    assert not {person.variant for person in known} & {person.variant for person in unknown}
    assert len(set(known)) == len(known) == 240 and len(set(unknown)) == len(unknown) == 20


def test_the_tests_say_what_the_training_does_not() -> None:
    turns = plan(2, 1)
    trained = {turn.text for turn in turns if turn.split == "train"}
    assert not {turn.text for turn in turns if turn.split != "train"} & trained
    assert trained & set(SENTENCES)
    assert plan(2, 1) == turns != plan(2, 2)


def test_every_person_has_as_many_turns_for_training() -> None:
    turns = [turn for turn in plan(3, 1) if turn.split == "train"]
    assert np.bincount([turn.person for turn in turns]).tolist() == [3] * 240


def test_equal_errors_of_voices_that_lie_apart_or_together() -> None:
    measure = pytest.importorskip("tools.train_tiny.speaker.measure", reason="the training's packages are not here")
    apart = np.array([[1, 0.1], [1, 0], [0, 1], [0.1, 1]], np.float32)
    assert measure.figures(apart, [1, 1, 2, 2]).error == 0
    mixed = measure.figures(apart, [1, 2, 1, 2])
    assert mixed.error >= 0.5 and mixed.same < mixed.other
    with pytest.raises(ValueError, match="pairs"):
        measure.figures(apart, [1, 1, 1, 1])
