"""Who of a session speaks, from how the voices of its utterances lie to each other."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MOST_WEIGHT_S = 60.0
"""Seconds. A voice that was heard for longer than this moves no slower: people come nearer, and tire."""


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """When two voices are one person."""

    threshold: float = 0.5
    """Cosine, from -1 to 1, from which on a voice is a known speaker's. It depends on the model that hears voices."""
    founding_s: float = 1.0
    """Seconds of speech with which somebody can be new. What is shorter is told only where it is like a known voice."""
    most: int = 16
    """Speakers of one session. Where all are taken, whoever comes gets the number of the nearest."""

    def __post_init__(self) -> None:
        if not -1 <= self.threshold <= 1:
            raise ValueError("threshold must be from -1 to 1")
        if not 0 <= self.founding_s <= 60:
            raise ValueError("founding_s must be from 0 to 60")
        if not 1 <= self.most <= 100:
            raise ValueError("most must be from 1 to 100")


class Label(msgspec.Struct, frozen=True):
    """Who spoke one utterance."""

    speaker: str | None
    """`1`, `2` … in the order of appearance; nothing where too little was said to tell."""
    similarity: float | None
    """The cosine to the nearest voice that was known before; nothing where none was."""
    is_new: bool = False
    """The first utterance of this speaker."""


class Voiceprint(msgspec.Struct, frozen=True):
    """What is remembered of one speaker: personal data, which lives and dies with its session."""

    direction: tuple[float, ...]
    """Of length 1."""
    seconds: float
    """What the direction weighs against the next utterance."""


class SessionSpeakers:
    """
    Numbers the speakers of one session as they are heard, and never renames one.

    The same utterances in the same order get the same numbers. `voiceprints` is all that it remembers: what it is made
    of anew with `known` goes on as if nothing had happened.
    """

    def __init__(self, telling: Telling | None = None, known: Sequence[Voiceprint] = ()) -> None:
        """Raises ValueError where more voices are known than the session may have, or they are of different models."""
        self._telling = telling or Telling()
        if len(known) > self._telling.most:
            raise ValueError(f"{len(known)} voices are known, and at most {self._telling.most} are told apart")
        if len({len(voice.direction) for voice in known}) > 1:
            raise ValueError("the known voices are of different models: their embeddings differ in length")
        self._voices = [*known]

    @property
    def voiceprints(self) -> tuple[Voiceprint, ...]:
        """In the order of their numbers."""
        return tuple(self._voices)

    def label(self, embedding: Sequence[float], seconds: float) -> Label:
        """
        Take the voice of the next utterance, in which somebody spoke for `seconds`.

        Raises ValueError, and remembers nothing, where the embedding has no direction, or another length than those
        before: it is of another model.
        """
        direction = self._direction(embedding)
        if not self._voices:
            return self._found(direction, seconds, None) if self._may_found(seconds) else Label(None, None)
        cosines = [float(np.dot(voice.direction, direction)) for voice in self._voices]
        similarity = max(cosines)
        nearest = cosines.index(similarity)
        if similarity >= self._telling.threshold:
            self._voices[nearest] = _moved(self._voices[nearest], direction, seconds)
        elif len(self._voices) < self._telling.most:
            return self._found(direction, seconds, similarity) if self._may_found(seconds) else Label(None, similarity)
        return Label(str(nearest + 1), similarity)

    def _may_found(self, seconds: float) -> bool:
        return seconds >= self._telling.founding_s

    def _found(self, direction: Floats, seconds: float, similarity: float | None) -> Label:
        self._voices.append(Voiceprint(tuple(direction.tolist()), min(seconds, MOST_WEIGHT_S)))
        return Label(str(len(self._voices)), similarity, is_new=True)

    def _direction(self, embedding: Sequence[float]) -> Floats:
        vector = np.asarray(embedding, np.float64)
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length) or length < _NO_DIRECTION:
            raise ValueError("an embedding that is zero, or not a number, tells no voice")
        if self._voices and len(vector) != len(self._voices[0].direction):
            raise ValueError(
                f"an embedding of {len(vector)} numbers is of another model than those before, "
                f"which have {len(self._voices[0].direction)}"
            )
        return vector / length


_NO_DIRECTION = 1e-9


def _moved(voice: Voiceprint, direction: Floats, seconds: float) -> Voiceprint:
    """The mean of what was heard, by seconds."""
    towards = voice.seconds * np.asarray(voice.direction) + max(seconds, 0.0) * direction
    length = float(np.linalg.norm(towards))
    if length < _NO_DIRECTION:
        # The opposite of the voice, with a threshold that takes it for the same: neither is nearer the truth.
        return voice
    return Voiceprint(tuple((towards / length).tolist()), min(voice.seconds + max(seconds, 0.0), MOST_WEIGHT_S))
