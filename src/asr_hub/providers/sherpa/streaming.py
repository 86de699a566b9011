"""Models of sherpa-onnx that hear audio as it comes: one run of the network for all sessions that have enough of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from asr_hub.providers.sherpa.hotwords import Spelling
from asr_hub.providers.sherpa.model_files import ModelFiles
from asr_hub.providers.sherpa.sdk import Result, Stream, failure, samples_of, tokens_of
from asr_hub.providers.sherpa.settings import SherpaSettings
from asr_hub.providers.sherpa.words import mean_confidence, words_of
from asr_hub.providers.worker_messages import Begin, Heard

STEP_S = 0.1
_LONGEST_CHUNK_S = 10.0


class OnlineStream(Stream, Protocol):
    def input_finished(self) -> None: ...


class OnlineRecognizer(Protocol):
    """What is used of `sherpa_onnx.OnlineRecognizer`."""

    def create_stream(self, hotwords: str | None = None) -> OnlineStream: ...

    def is_ready(self, s: OnlineStream) -> bool:
        """Whether there is audio enough for one run."""
        ...

    def decode_streams(self, ss: list[OnlineStream]) -> None: ...

    def get_result_all(self, s: OnlineStream) -> Result: ...


class Utterance:
    """The SDK's stream of one utterance, and how much audio went in."""

    def __init__(self, stream: OnlineStream, begin: Begin, warnings: Sequence[str]) -> None:
        self.stream = stream
        self.begin = begin
        self.warnings = tuple(warnings)
        self.fed = 0
        """Bytes"""

    def feed(self, pcm: bytes) -> None:
        self.fed += len(pcm)
        if pcm:
            self.stream.accept_waveform(self.begin.sample_rate, samples_of(pcm))

    @property
    def ms(self) -> int:
        return self.fed * 500 // self.begin.sample_rate


class SherpaStreaming:
    """
    A StreamingEngine.

    The network takes audio in chunks. What is less than a chunk at the end is heard with silence behind it: `tail_s`
    seconds, measured on the model where the settings do not say.
    """

    def __init__(
        self, recognizer: OnlineRecognizer, files: ModelFiles, settings: SherpaSettings, spelling: Spelling
    ) -> None:
        self.version = ""
        self.device = "cpu"
        self.languages = (settings.language,) if settings.language else files.languages
        self.step_s = STEP_S
        self._recognizer = recognizer
        self._kind = files.kind
        self._spelling = spelling
        self._rate = settings.sample_rate
        # Transducers never take a token back in greedy search; neither does a Paraformer.
        self._is_frozen = settings.decoding == "greedy_search"
        self.tail_s = self._measured_tail() if settings.tail_s is None else settings.tail_s

    def begin(self, begin: Begin) -> Utterance:
        line, unknown = self._spelling.line(begin.hotwords, begin.hotword_weights)
        warnings = [f"hotwords: the model cannot spell {', '.join(unknown)}"] if unknown else []
        stream = self._recognizer.create_stream(line) if line else self._recognizer.create_stream()
        return Utterance(stream, begin, warnings)

    def step(self, streams: Sequence[Utterance], pcm: Sequence[bytes]) -> Sequence[Heard | None]:
        for stream, piece in zip(streams, pcm, strict=True):
            stream.feed(piece)
        decoded = self._decode(streams)
        return [self._heard(stream) if number in decoded else None for number, stream in enumerate(streams)]

    def end(self, streams: Sequence[Utterance], pcm: Sequence[bytes]) -> Sequence[Heard]:
        for stream, piece in zip(streams, pcm, strict=True):
            stream.feed(piece)
            stream.stream.accept_waveform(self._rate, np.zeros(int(self.tail_s * self._rate), np.float32))
            stream.stream.input_finished()
        self._decode(streams)
        return [self._heard(stream, warnings=stream.warnings) for stream in streams]

    def drop(self, stream: Utterance) -> None:
        """The SDK's stream is freed with the utterance."""

    def _decode(self, streams: Sequence[Utterance]) -> set[int]:
        """Run the network until nobody has enough audio; the places of those who were heard."""
        decoded: set[int] = set()
        while ready := [n for n, stream in enumerate(streams) if self._recognizer.is_ready(stream.stream)]:
            try:
                self._recognizer.decode_streams([streams[number].stream for number in ready])
            except RuntimeError as exc:
                raise failure(exc) from exc
            decoded.update(ready)
        return decoded

    def _heard(self, stream: Utterance, warnings: tuple[str, ...] = ()) -> Heard:
        result = self._recognizer.get_result_all(stream.stream)
        text = " ".join(result.text.split())
        words = words_of(text, tokens_of(result), whole_tokens=self._kind.whole_tokens, length_ms=stream.ms)
        return Heard(
            text=text,
            start=words[0].start if words else 0,
            end=stream.ms,
            # The last word may still grow.
            stable=max(0, text.rfind(" ")) if self._is_frozen else 0,
            words=words,
            confidence=mean_confidence(words),
            warnings=warnings,
        )

    def _measured_tail(self) -> float:
        """A fresh stream is ready when it has its first chunk."""
        stream = self._recognizer.create_stream()
        fed = 0.0
        while not self._recognizer.is_ready(stream) and fed < _LONGEST_CHUNK_S:
            stream.accept_waveform(self._rate, np.zeros(int(0.01 * self._rate), np.float32))
            fed += 0.01
        # A Paraformer leaves the end of a chunk to the next one.
        return round(fed * (2 if self._kind.factory == "from_paraformer" else 1), 2)
