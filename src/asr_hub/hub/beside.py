"""What stands beside the engines: the language model that corrects, and the model that tells voices apart."""

from __future__ import annotations

from typing import NamedTuple

from asr_hub.audio.speakers import Telling
from asr_hub.config.schema import Config
from asr_hub.hub.around import Corrector, SpeakerFinder
from asr_hub.hub.correcting import Correcting
from asr_hub.hub.voices import Voices
from asr_hub.providers import speakers


class Beside(NamedTuple):
    corrector: Corrector | None = None
    speakers: SpeakerFinder | None = None

    async def discard(self, *, kept: Beside) -> None:
        """Close what is in this one alone."""
        if self.corrector is not None and self.corrector is not kept.corrector:
            await self.corrector.aclose()
        if self.speakers is not None and self.speakers is not kept.speakers:
            await self.speakers.aclose()


NONE = Beside()


async def beside(config: Config, *, before: Config | None = None, now: Beside = NONE) -> Beside:
    """
    What `config` asks for, ready. What it says as `before` did is kept as it is `now`.

    Raises ConfigError, ProviderUnavailable; nothing new is left open then.
    """
    corrector, finder = now
    if before is None or _corrected(config) != _corrected(before):
        corrector = _corrector(config)
    if before is None or config.recognition.speakers != before.recognition.speakers:
        try:
            finder = await _voices(config)
        except BaseException:
            await Beside(corrector).discard(kept=now)
            raise
    return Beside(corrector, finder)


def _corrected(config: Config) -> tuple[object, str]:
    """All that it is made from."""
    return config.recognition.passes.corrected, config.policy


def _corrector(config: Config) -> Correcting | None:
    it = config.recognition.passes.corrected
    return Correcting(it, policy=config.policy) if it is not None else None


async def _voices(config: Config) -> Voices | None:
    it = config.recognition.speakers
    if it is None:
        return None
    embedder = speakers.load("sherpa-onnx", {"model": it.model})
    try:
        await embedder.start()
    except BaseException:
        await embedder.aclose()
        raise
    return Voices(embedder, Telling(threshold=it.threshold))
