"""Text that a model makes of no speech: what a decoder hears where nothing was said."""

from __future__ import annotations

import math
from collections.abc import Collection

import msgspec

from asr_hub.wording import FASTEST, compression_ratio, letters


class Guess(msgspec.Struct, frozen=True, kw_only=True):
    """A text, and how much the model believes in it."""

    text: str
    log_prob: float
    """Average natural logarithm of a token's probability."""
    no_speech: float
    """The model's probability that nothing was said."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Where doubt begins. The fields of the settings with the same meaning."""

    compression_ratio: float
    log_prob: float
    no_speech: float
    confidence: float = 0.0
    phantoms: Collection[str] = ()


def is_doubtful(guess: Guess, limits: Limits) -> bool:
    """Whether another decoding may do better. Not where the model holds that nothing was said."""
    is_unlikely = guess.log_prob < limits.log_prob
    if is_unlikely and guess.no_speech > limits.no_speech:
        return False
    return is_unlikely or compression_ratio(guess.text) > limits.compression_ratio


def why_no_speech(guess: Guess, limits: Limits, *, seconds: float) -> str:
    """Why the text of a clip of `seconds` is taken for no speech; empty where it is taken for speech."""
    if not guess.text:
        return ""
    if not any(map(str.isalnum, guess.text)):
        return "no letter in it"
    if guess.log_prob < limits.log_prob and guess.no_speech > limits.no_speech:
        return f"no speech: probability {guess.no_speech:.2f} is above {limits.no_speech:.2f}"
    if (confidence := math.exp(min(0.0, guess.log_prob))) < limits.confidence:
        return f"confidence {confidence:.2f} is below {limits.confidence:.2f}"
    if compression_ratio(guess.text) > limits.compression_ratio and len(guess.text) > FASTEST * seconds:
        return f"repetition, {len(guess.text) / max(seconds, 0.01):.0f} characters a second"
    if letters(guess.text) in map(letters, limits.phantoms):
        return "a known phantom"
    return ""
