"""Speech probabilities become utterances: where one begins, what belongs to it, and where it ends."""

from __future__ import annotations

from collections import deque
from typing import ClassVar

import msgspec

from asr_hub.audio.operators.base import Output, Scored, SpeechEnd, SpeechStart
from asr_hub.errors import ConfigError
from asr_hub.model import AudioFrame, EndpointReason

LATE = 0.8
"""Share of the longest utterance after which a shorter silence ends it: better between two words than inside one."""

LATE_SILENCE = 1 / 3
"""How much of `min_silence` is enough then."""

VOICED = 0.5
"""Probability from which on a window counts as speech when an utterance is over, whatever opened it."""

SURE = 0.7
"""How far from the threshold to 1 a probability must be for its window to count twice towards `min_speech`."""


class EndpointSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When an utterance begins and ends. All times are seconds of audio."""

    threshold: float = 0.5
    """Probability from which on a window starts speech."""

    release: float = 0.35
    """Probability below which a window inside speech is silence."""

    min_speech: float = 0.2
    """Seconds of doubtful speech that open an utterance; half of it is enough where the VAD is sure."""

    min_silence: float = 0.6
    """Seconds of silence that end an utterance."""

    pre_roll: float = 0.5
    """Seconds given with the utterance from before its first speech."""

    max_utterance: float = 30.0
    """Seconds, pre-roll included. A longer utterance is cut and goes on as the next one."""

    def __post_init__(self) -> None:
        if not 0 < self.release <= self.threshold <= 1:
            raise ConfigError("endpoint: set 0 < release <= threshold <= 1")
        if min(self.min_speech, self.min_silence, self.pre_roll) < 0:
            raise ConfigError("endpoint: min_speech, min_silence and pre_roll must not be negative")
        if self.max_utterance < self.shortest_limit:
            raise ConfigError("endpoint: max_utterance must be at least a second longer than pre_roll + 2 min_speech")

    @property
    def shortest_limit(self) -> float:
        """Seconds: the least that `max_utterance` may be."""
        return 1 + self.pre_roll + 2 * self.min_speech


class Endpoint:
    """
    Finds utterances in the scored windows of one session.

    Each utterance comes out as `SpeechStart`, its frames (pre-roll, speech, and the silence until the decision) and
    `SpeechEnd`. Silence outside utterances is dropped. No sample is given twice: a pre-roll never reaches back into the
    utterance before. Times are samples, so the same audio gives the same utterances however fast it comes.
    """

    name: ClassVar[str] = "endpoint"

    def __init__(self, settings: EndpointSettings, rate: int) -> None:
        self._settings = settings
        self._pre_roll = round(settings.pre_roll * rate)
        self._min_speech = round(settings.min_speech * rate)
        self._sure = settings.threshold + SURE * (1 - settings.threshold)
        self._max_lull = self._min_speech // 2
        self._min_silence = round(settings.min_silence * rate)
        self._late_silence = round(settings.min_silence * LATE_SILENCE * rate)
        self._max = round(settings.max_utterance * rate)
        self._late = round(settings.max_utterance * LATE * rate)
        self._is_open = False
        self._given = 0
        self._heard = 0
        self._held: deque[AudioFrame] = deque()
        self._onset: int | None = None
        self._speech = 0
        self._voiced = 0
        self._goes_on = False

    @property
    def is_open(self) -> bool:
        """An utterance has begun and is not over."""
        return self._is_open

    def process(self, scored: Scored) -> list[Output]:
        """Take one window, in order. Gives nothing during silence."""
        frame = scored.frame
        if not self._is_open:
            return self._wait(frame, scored.speech)
        if self._given + frame.samples > self._max:
            was_speech = self._heard == frame.start
            end = self._end(EndpointReason.MAX_LENGTH)
            self._goes_on = was_speech
            return [end, *self._wait(frame, scored.speech)]
        self._given += frame.samples
        self._count(frame, scored.speech)
        if scored.speech >= self._settings.release:
            self._heard = frame.end
            return [frame]
        needed = self._min_silence if self._given < self._late else self._late_silence
        if frame.end - self._heard < needed:
            return [frame]
        return [frame, self._end(EndpointReason.SILENCE)]

    def finalize(self, reason: EndpointReason) -> list[Output]:
        """
        End the utterance now, if there is one.

        Speech too short to have opened an utterance is opened for this: what follows may not belong to it any more.
        """
        outputs: list[Output] = [] if self._is_open or self._onset is None else self._open(self._onset)
        if self._is_open:
            outputs.append(self._end(reason))
        self._forget()
        self._voiced = 0
        return outputs

    def clear(self) -> list[Output]:
        """Forget the pre-roll and end the utterance, if there is one, with reason `clear`."""
        outputs: list[Output] = [self._end(EndpointReason.CLEAR)] if self._is_open else []
        self._forget()
        self._voiced = 0
        return outputs

    def _wait(self, frame: AudioFrame, speech: float) -> list[Output]:
        """Outside an utterance: keep the pre-roll and look for its beginning."""
        self._held.append(frame)
        level = self._settings.threshold if self._onset is None and not self._goes_on else self._settings.release
        if speech >= level:
            if self._onset is None:
                self._onset = frame.start
            self._count(frame, speech)
            self._speech += frame.samples if speech < self._sure else 2 * frame.samples
            self._heard = frame.end
            if self._goes_on or self._speech >= self._min_speech:
                return self._open(self._onset)
        elif frame.end - self._heard > self._max_lull:
            self._onset, self._speech, self._goes_on = None, 0, False
            self._voiced = 0
        keep_from = (frame.end if self._onset is None else self._onset) - self._pre_roll
        while self._held and self._held[0].end <= keep_from:
            self._held.popleft()
        return []

    def _open(self, at: int) -> list[Output]:
        outputs: list[Output] = [SpeechStart(at), *self._held]
        self._is_open = True
        self._given = sum(frame.samples for frame in self._held)
        self._forget()
        return outputs

    def _end(self, reason: EndpointReason) -> SpeechEnd:
        self._is_open = False
        voiced, self._voiced = self._voiced, 0
        return SpeechEnd(self._heard, reason, voiced)

    def _count(self, frame: AudioFrame, speech: float) -> None:
        if speech >= VOICED:
            self._voiced += frame.samples

    def _forget(self) -> None:
        """Empty what is kept for the next utterance. Its pre-roll grows from here."""
        self._held.clear()
        self._onset = None
        self._speech = 0
        self._goes_on = False
