"""Models of sherpa-onnx that hear whole utterances: several in one run of the network."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Protocol

import numpy as np

from asr_hub.providers.host.engine import Clip
from asr_hub.providers.sherpa.hotwords import Spelling
from asr_hub.providers.sherpa.model_files import ModelFiles
from asr_hub.providers.sherpa.sdk import Result, Stream, failure, samples_of, tokens_of
from asr_hub.providers.sherpa.settings import SherpaSettings
from asr_hub.providers.sherpa.words import mean_confidence, words_of
from asr_hub.providers.worker_messages import Heard

SHORTEST_S = 0.2
"""Seconds. The SDK reads past the end of what has fewer frames than the network takes side by side."""

_TAG = "<|>"


class OfflineStream(Stream, Protocol):
    @property
    def result(self) -> WholeResult: ...


class WholeResult(Result, Protocol):
    """`lang`, `emotion` and `event` are told by SenseVoice, such as `<|en|>`."""

    lang: str
    emotion: str
    event: str


class OfflineRecognizer(Protocol):
    """What is used of `sherpa_onnx.OfflineRecognizer`."""

    def create_stream(self, hotwords: str | None = None) -> OfflineStream: ...

    def decode_streams(self, ss: list[OfflineStream]) -> None: ...


class SherpaWhole:
    """A WholeEngine. The language is that of the settings for all: the SDK takes none with an utterance."""

    def __init__(
        self, recognizer: OfflineRecognizer, files: ModelFiles, settings: SherpaSettings, spelling: Spelling
    ) -> None:
        self.version = ""
        self.device = "cpu"
        self.languages = (settings.language,) if settings.language else files.languages
        self.max_clip_s: float | None = settings.max_clip_s
        self._recognizer = recognizer
        self._files = files
        self._spelling = spelling

    def bucket(self, clip: Clip) -> Hashable:
        """Lengths that differ by less than a third: the network computes as much for each as for the longest."""
        return round(math.log(max(clip.seconds, 1.0), 1.3))

    def recognise(self, clips: Sequence[Clip]) -> Sequence[Heard]:
        made = [self._stream(clip) for clip in clips]
        try:
            self._recognizer.decode_streams([stream for stream, _ in made])
        except RuntimeError as exc:
            raise failure(exc) from exc
        return [self._heard(stream, clip, warnings) for (stream, warnings), clip in zip(made, clips, strict=True)]

    def _stream(self, clip: Clip) -> tuple[OfflineStream, tuple[str, ...]]:
        line, unknown = self._spelling.line(clip.begin.hotwords, clip.begin.hotword_weights)
        stream = self._recognizer.create_stream(line) if line else self._recognizer.create_stream()
        samples = samples_of(clip.pcm)
        lacking = int(SHORTEST_S * clip.begin.sample_rate) - len(samples)
        if lacking > 0:
            samples = np.concatenate([samples, np.zeros(lacking, np.float32)])
        stream.accept_waveform(clip.begin.sample_rate, samples)
        return stream, (f"hotwords: the model cannot spell {', '.join(unknown)}",) if unknown else ()

    def _heard(self, stream: OfflineStream, clip: Clip, warnings: tuple[str, ...]) -> Heard:
        result = stream.result
        text = " ".join(result.text.split())
        length = int(clip.seconds * 1000)
        words = words_of(text, tokens_of(result), whole_tokens=self._files.kind.whole_tokens, length_ms=length)
        tags = {"emotion": result.emotion, "event": result.event}
        return Heard(
            text=text,
            start=words[0].start if words else 0,
            end=length,
            words=words,
            confidence=mean_confidence(words),
            language=result.lang.strip(_TAG) or None,
            tags={name: tag.strip(_TAG).lower() for name, tag in tags.items() if tag.strip(_TAG)},
            warnings=warnings,
        )
