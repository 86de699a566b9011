"""Which word is elected at each place of an utterance, by how many engines heard it and how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from asr_hub.model import Hypothesis
from asr_hub.text.network import Slot, network
from asr_hub.text.timing import Timing, mean, timings
from asr_hub.text.words import Token, tokens


class Reading(NamedTuple):
    """One hypothesis, with its words as they are compared."""

    hypothesis: Hypothesis
    tokens: tuple[Token, ...]
    timings: tuple[Timing, ...]
    """One for each token, or none at all."""

    def confidence(self, at: int) -> float | None:
        """Of the token at `at`: that of its timed word, else of the hypothesis."""
        told = self.timings[at].confidence if self.timings else None
        return self.hypothesis.confidence if told is None else told


class Place(NamedTuple):
    """Where a word stands."""

    reading: int
    at: int
    """Index of its token in the reading."""


class Choice(NamedTuple):
    """What was elected at one place of the utterance."""

    score: float
    """0 to 1"""
    heard: tuple[Place, ...]
    """The word in each reading that has it, the most trusted first. Empty where nothing is elected."""


def read(hypothesis: Hypothesis) -> Reading:
    spelled = tokens(hypothesis.text)
    return Reading(hypothesis, spelled, timings(spelled, hypothesis.words))


def elect(readings: Sequence[Reading], *, alpha: float, null_confidence: float) -> tuple[Choice, ...]:
    """
    One choice for each place of the readings' network, in order; a tie goes to the earlier reading.

    The score is `alpha` times the share of the readings, plus the rest times their mean confidence: the mean of all
    for a word whose engine tells none. Where no engine tells any, it is the share.
    """
    slots = network([[token.key for token in reading.tokens] for reading in readings])
    untold = mean([reading.confidence(at) for reading in readings for at in range(len(reading.tokens))])
    if untold is None:
        alpha = 1.0
    return tuple(_elected(slot, readings, alpha, null_confidence, untold or 0.0) for slot in slots)


def _elected(slot: Slot, readings: Sequence[Reading], alpha: float, null_confidence: float, untold: float) -> Choice:
    voters: dict[str | None, list[int]] = {}
    for number, at in enumerate(slot):
        voters.setdefault(None if at is None else readings[number].tokens[at].key, []).append(number)
    choices = []
    for key, each in voters.items():
        heard = tuple(Place(number, at) for number in each if (at := slot[number]) is not None)
        told = mean([readings[number].confidence(at) for number, at in heard])
        confidence = null_confidence if key is None else untold if told is None else told
        # Rounded, so that a tie is one whatever the order of the additions.
        choices.append(Choice(round(alpha * len(each) / len(slot) + (1 - alpha) * confidence, 9), heard))
    return max(choices, key=lambda choice: choice.score)
