"""What is known of one clip while it is being heard."""

from __future__ import annotations

import math
from typing import NamedTuple

import ctranslate2

from asr_hub.providers.host.agreement import joined
from asr_hub.providers.host.engine import Clip
from asr_hub.providers.whisper.decoding import Decoded
from asr_hub.providers.whisper.features import FRAMES_PER_S, Spectrogram
from asr_hub.providers.whisper.segments import Timed
from asr_hub.providers.whisper.vocabulary import ENGLISH, tag
from asr_hub.providers.worker_messages import Heard, HeardWord


class Plan(NamedTuple):
    """How a clip is to be decoded. Clips with equal plans, but for language and words, share a batch."""

    language: str | None
    """Whisper's code; None: to be detected."""
    hotwords: tuple[str, ...]
    window_s: float
    timestamps: bool
    is_final: bool


class Progress:
    """One clip: how far it is heard, and what was heard."""

    def __init__(self, clip: Clip, plan: Plan, spectrogram: Spectrogram) -> None:
        self.clip = clip
        self.plan = plan
        self.language = plan.language
        self.at_s = 0.0
        """Seconds of the clip that are heard."""
        self.is_over = False
        self.warnings: tuple[str, ...] = ()
        self.text = ""
        self._spectrogram = spectrogram
        self._words: tuple[HeardWord, ...] = ()
        self._start_s: float | None = None
        self._log_prob = 0.0
        self._tokens = 0
        self._suppressed = ""
        self._because = ""

    @property
    def spoken(self) -> str:
        """Whisper's code of the language, once it is known."""
        return self.language or ENGLISH

    @property
    def rest_s(self) -> float:
        return self.clip.seconds - self.at_s

    @property
    def spectrogram(self) -> Spectrogram:
        """Of what is not heard yet."""
        return self._spectrogram[:, round(self.at_s * FRAMES_PER_S) :]

    def take(self, text: str, *, start_s: float, log_prob: float, tokens: int) -> None:
        """`text` was heard, from `start_s` seconds after the clip's first sample."""
        self.text = joined(self.text, text)
        if self._start_s is None:
            self._start_s = start_s
        self._log_prob += log_prob * tokens
        self._tokens += tokens

    def add_words(self, words: tuple[HeardWord, ...]) -> None:
        self._words += words

    def suppress(self, text: str, because: str) -> None:
        self._suppressed = joined(self._suppressed, text)
        self._because = because

    def go_on(self, rest_s: float | None) -> None:
        """The clip is heard, or must be heard again from `rest_s` seconds after where this decoding began."""
        if rest_s is None:
            self.is_over = True
        else:
            self.at_s += rest_s

    @property
    def heard(self) -> Heard:
        is_detected = self.plan.language is None and bool(self.text)
        start = self._words[0].start if self._words else round((self._start_s or 0.0) * 1000)
        return Heard(
            text=self.text,
            start=start,
            words=self._words,
            confidence=math.exp(self._log_prob / self._tokens) if self._tokens else None,
            language=tag(self.spoken) if is_detected else None,
            suppressed=self._suppressed if self.plan.is_final else "",
            suppressed_because=self._because if self.plan.is_final else "",
            warnings=self.warnings,
        )


class Take(NamedTuple):
    """One decoding of one clip."""

    progress: Progress
    encoded: ctranslate2.StorageView
    """Of the whole batch, …"""
    row: int
    """… and the clip's place in it."""
    decoded: Decoded
    timed: Timed = Timed((), 0.0, 0.0, None)
    """What counts of it: tokens of words only."""
