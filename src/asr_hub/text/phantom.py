"""Text where nobody spoke: what a model makes of silence, noise, tones and music."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from asr_hub.model import Hypothesis
from asr_hub.sound import Sound
from asr_hub.text.phantom_phrases import CREDITS, FAREWELLS, OPENINGS, SOUNDS
from asr_hub.wording import FASTEST, compression_ratio, letters, looped

NO_SPEECH = "no_speech"
"""The tag of a hypothesis in which an engine tells how likely it holds that nobody spoke."""

HUM = 5
"""Letters of what is said in one held sound: `mhm`, `ah`."""

LOOPS = 6
"""Times in a row, from which on a sequence is a loop."""

LOOPED = 0.6
"""Share of a text that is a loop."""

SHORTEST_LOOP = 12
"""Letters"""

SLACK_S = 0.5
"""Seconds more than the audio of a text has, for words that are cut at its edges."""

WORD_S = 0.8
"""Seconds of sound: a word that is shorter may be one vowel, which hardly moves."""

VOWEL_S = 2.0
"""Seconds of sound, in which whoever speaks has met a consonant."""

LONG_S = 5.0
"""Seconds of speech that a farewell does not take."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an utterance besides its text. What is not known is evidence of nothing."""

    sound: Sound | None = None
    speech_share: float | None = None
    """Share of the audio that the VAD took for speech, 0 to 1. None: there is no VAD."""
    no_speech: float | None = None
    """The engine's probability that nobody spoke. None: as the hypothesis has it among its tags, if it does."""
    other: str | None = None
    """What another pass or another engine heard, which may be nothing. None: none listened."""


class PhantomLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where doubt begins. `hush` … `no_speech` are enough alone; what follows are signs, which need company."""

    hush: float = -70.0
    """dBFS of the loudest tenth of a second: below, it is silence."""
    nothing_spoken: float = 0.03
    """Share of the audio: where the VAD takes less for speech, nobody spoke."""
    steady: float = 4.0
    """Decibels of movement: what moves less is no speech."""
    tone: float = 0.992
    """Share of the energy in two tones: above, it is whistles and beeps."""
    no_speech: float = 0.6
    """The engine's probability that nobody spoke: above, and where the text is not sure, nobody did."""
    unsure: float = 0.37
    """Confidence. Below, a text is not sure."""

    quiet: float = -50.0
    """dBFS of the loudest tenth of a second."""
    little_spoken: float = 0.15
    """Share of the audio that the VAD takes for speech."""
    almost_steady: float = 6.0
    """Decibels of movement."""
    no_hiss: float = 0.01
    """Flatness of the flattest tenth of the audio: seconds without a consonant are music."""
    compression_ratio: float = 2.4
    """A text that compresses better than this repeats itself."""
    hurried: float = 25.0
    """Characters a second of speech."""
    idle: float = 1.0
    """Characters a second of speech, where it goes on for seconds."""
    signs: int = 3
    """So many signs of different kinds outweigh any text."""


def why_phantom(reading: Hypothesis, evidence: Evidence, limits: PhantomLimits = PhantomLimits()) -> str:
    """
    Why a final is taken for text that nobody said; empty where it is taken for speech.

    A phrase that models are known to make up, or a loop, needs a sign in the audio: people say `thank you`, too.
    """
    if not reading.text.strip():
        return ""
    said = letters(reading.text)
    because = _why_no_text(reading.text, said) or _why_no_speech(reading, said, evidence, limits)
    if because:
        return because
    signs = list(_signs(reading, said, evidence, limits))
    if not signs:
        return ""
    suspicion = _suspicion(reading.text, said, limits)
    if suspicion:
        return f"{suspicion}; {signs[0]}"
    if reading.confidence is not None and reading.confidence < limits.unsure:
        signs.append(f"confidence {reading.confidence:.2f}")
    return "; ".join(signs) if len(signs) >= limits.signs else ""


def _why_no_text(text: str, said: str) -> str:
    if not any(map(str.isalnum, said)):
        return "no letter in it"
    if said in CREDITS:
        return "a credit line"
    if all(_BRACKETED.fullmatch(part) and letters(part) in SOUNDS for part in _BETWEEN_BRACKETS.split(text.strip())):
        return "a sound, not words"
    return ""


def _why_no_speech(reading: Hypothesis, said: str, evidence: Evidence, limits: PhantomLimits) -> str:
    share, sound = evidence.speech_share, evidence.sound
    if share is not None and share < limits.nothing_spoken:
        return f"speech in {share:.0%} of the audio"
    no_speech, confidence = _no_speech(reading, evidence), reading.confidence
    if confidence is not None and confidence < limits.unsure and no_speech > limits.no_speech:
        return f"no speech: probability {no_speech:.2f} is above {limits.no_speech:.2f}"
    if len(said) > FASTEST * (_seconds(reading, evidence) + SLACK_S):
        return f"{len(said)} characters in {_seconds(reading, evidence):.1f} s"
    if sound is None:
        return ""
    if sound.loudest < limits.hush:
        return f"silence: {sound.loudest:.0f} dBFS at its loudest"
    is_long = sound.sounding >= WORD_S
    if is_long and len(said) > HUM and sound.movement is not None and sound.movement < limits.steady:
        return f"a steady sound: its bands move by {sound.movement:.1f} dB"
    if len(said) > HUM and sound.tone > limits.tone:
        return f"a tone: {sound.tone:.1%} of the energy"
    return ""


def _suspicion(text: str, said: str, limits: PhantomLimits) -> str:
    if said in FAREWELLS or said.startswith(OPENINGS):
        return "a known phantom"
    if _BRACKETED.fullmatch(text):
        return "in brackets"
    if len(said) < SHORTEST_LOOP:
        return ""
    if compression_ratio(text) > limits.compression_ratio or looped(text, LOOPS) >= LOOPED:
        return "repetition"
    return ""


def _signs(reading: Hypothesis, said: str, evidence: Evidence, limits: PhantomLimits) -> Iterator[str]:
    """One of each kind at most: what goes together is one sign."""
    sound, share = evidence.sound, evidence.speech_share
    if sound is not None:
        if sound.loudest < limits.quiet:
            yield f"quiet: {sound.loudest:.0f} dBFS at its loudest"
        unlike = _unlike_speech(sound, limits)
        if unlike:
            yield unlike
    if share is not None and share < limits.little_spoken:
        yield f"speech in {share:.0%} of the audio"
    if (no_speech := _no_speech(reading, evidence)) > limits.no_speech:
        yield f"no speech: probability {no_speech:.2f}"
    if evidence.other is not None and not letters(evidence.other):
        yield "another engine heard nothing"
    spoken = _seconds(reading, evidence) * (1.0 if share is None else share)
    is_hurried = len(said) > limits.hurried * (spoken + SLACK_S)
    is_idle = share is not None and spoken > LONG_S and len(said) < limits.idle * spoken
    if is_hurried or is_idle:
        yield f"{len(said)} characters in {spoken:.1f} s of speech"


def _unlike_speech(sound: Sound, limits: PhantomLimits) -> str:
    if sound.movement is not None and sound.movement < limits.almost_steady:
        return f"steady: its bands move by {sound.movement:.1f} dB"
    if sound.tone > limits.tone:
        return f"a tone: {sound.tone:.1%} of the energy"
    if sound.hiss < limits.no_hiss and sound.sounding > VOWEL_S:
        return f"no consonants in {sound.sounding:.1f} s: flatness {sound.hiss:.3f}"
    return ""


def _no_speech(reading: Hypothesis, evidence: Evidence) -> float:
    if evidence.no_speech is not None:
        return evidence.no_speech
    try:
        return float(reading.tags.get(NO_SPEECH, 0.0))
    except ValueError:
        return 0.0


def _seconds(reading: Hypothesis, evidence: Evidence) -> float:
    return evidence.sound.seconds if evidence.sound is not None else max(0, reading.end - reading.start) / 1000


_BRACKETED = re.compile(
    r"\s*(\[.*\]|\(.*\)|（.*）|【.*】|\*.*\*|<.*>|[♪♫♬].*)[\s.。]*",  # noqa: RUF001 - the brackets of Chinese are meant
    re.DOTALL,
)
_BETWEEN_BRACKETS = re.compile(r"(?<=[\])）】>])\s*(?=[\[(（【<])")  # noqa: RUF001 - as above
