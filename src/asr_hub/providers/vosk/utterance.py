"""One utterance on its way through one recogniser of Vosk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from asr_hub.errors import ProviderError
from asr_hub.providers.vosk.answers import Reading, read_part, read_partial
from asr_hub.providers.worker_messages import Heard, HeardAlternative, HeardWord


class Recognizer(Protocol):
    """What is used of `vosk.KaldiRecognizer`, which has no types."""

    def AcceptWaveform(self, data: bytes) -> int:  # noqa: N802 - the engine's name
        """Not 0 where a pause ended a part, whose `Result` must be taken before more audio comes, or is lost."""
        ...

    def Result(self) -> str: ...  # noqa: N802

    def PartialResult(self) -> str: ...  # noqa: N802

    def FinalResult(self) -> str: ...  # noqa: N802


class Utterance:
    """
    The parts of an utterance that are decoded for good, and the one that grows.

    The engine ends a part at each pause. It looks for pauses after each piece of audio it is given: equal pieces,
    counted from the utterance's start, give equal text.
    """

    def __init__(self, recognizer: Recognizer, *, rate: int, partials: bool, warnings: Sequence[str] = ()) -> None:
        self._recognizer = recognizer
        self._rate = rate
        self._partials = partials
        self._warnings = tuple(warnings)
        self._parts: list[Reading] = []
        self._fed = 0
        """Bytes that the recogniser has heard."""

    def step(self, pcm: bytes) -> Heard | None:
        """Hear `pcm`; what is understood so far, where that is wanted."""
        self._feed(pcm)
        return self._heard([*self._parts, read_partial(self._recognizer.PartialResult())]) if self._partials else None

    def end(self, pcm: bytes) -> Heard:
        """Hear what remains. Nothing may be heard after it."""
        if pcm:
            self._feed(pcm)
        self._parts.append(read_part(self._recognizer.FinalResult()))
        said = [part for part in self._parts if part.text]
        # Readings of several parts cannot be put together: which goes with which is not known.
        others = said[0].others if len(said) == 1 else ()
        return self._heard(self._parts, others=others, warnings=self._warnings)

    def _feed(self, pcm: bytes) -> None:
        self._fed += len(pcm)
        try:
            is_over = self._recognizer.AcceptWaveform(pcm)
        except Exception as exc:  # the SDK raises nothing narrower
            raise ProviderError(f"vosk cannot hear this audio at {self._rate} Hz: {exc}") from exc
        if is_over:
            self._parts.append(read_part(self._recognizer.Result()))

    def _heard(self, parts: Iterable[Reading], others: Iterable[str] = (), warnings: tuple[str, ...] = ()) -> Heard:
        said = [part for part in parts if part.text]
        length = self._fed // 2 * 1000 // self._rate
        words = tuple(_in_order((word for part in said for word in part.words), length))
        told = [word.confidence for word in words if word.confidence is not None]
        return Heard(
            text=" ".join(part.text for part in said),
            start=words[0].start if words else 0,
            end=length,
            stable=len(" ".join(part.text for part in self._parts if part.text)),
            words=words,
            confidence=round(sum(told) / len(told), 4) if told else None,
            alternatives=tuple(HeardAlternative(text) for text in others),
            warnings=warnings,
        )


def _in_order(words: Iterable[HeardWord], length: int) -> Iterable[HeardWord]:
    """The engine's times are of a path in a lattice: neighbours may overlap, and the last may pass the audio's end."""
    at = 0
    for word in words:
        start = min(max(at, word.start), length)
        at = min(max(start, word.end), length)
        yield HeardWord(word.text, start, at, word.confidence)
