"""
FunASR: Paraformer for Mandarin and English, streaming or whole, and SenseVoice for five languages with their moods.

A streaming model hears all sessions in one step; the others hear whole utterances in batches, and their partials are
the utterance decoded again while it grows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec.structs import replace

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.model import HUB_RATE, ProviderName
from asr_hub.providers.base import Capabilities
from asr_hub.providers.funasr.layout import CONTEXTUAL, STREAMING, guessed_type, layout
from asr_hub.providers.funasr.settings import FunAsrSettings, check
from asr_hub.providers.hosted import Hosted
from asr_hub.providers.settings import read_settings

_TARGET = "asr_hub.providers.funasr.load:load"


class FunAsr(Hosted):
    """A Provider. What its model is, streaming or not, is read from the model's folder."""

    def __init__(self, name: ProviderName, settings: Mapping[str, Any]) -> None:
        chosen = read_settings(name, settings, FunAsrSettings)
        check(name, chosen)
        kind, rate = _kind_and_rate(name, chosen)
        streaming = kind in STREAMING
        super().__init__(
            name,
            replace(chosen, streaming=streaming, self_test=chosen.self_test or _self_test(kind)),
            Capabilities(
                streaming=True,
                partials=True,
                words=True,
                confidence=kind == "SenseVoiceSmall",
                hotwords=kind in CONTEXTUAL,
                languages=chosen.languages,
                sample_rates=(rate,),
                batch=True,
                gpu=True,
                description="Mandarin and English for many sessions; SenseVoice also Cantonese, Japanese, Korean.",
            ),
            target=_TARGET,
            is_streaming=streaming,
        )


def _self_test(kind: str) -> Literal["answers"] | None:
    """The packaged clip is English, of which a Mandarin Paraformer has words in its vocabulary, and little more."""
    return None if kind == "SenseVoiceSmall" else "answers"


def _kind_and_rate(name: str, chosen: FunAsrSettings) -> tuple[str, int]:
    """The model's class and rate; where its folder is not here, `start` will say so, and its name has to do."""
    try:
        found = layout(chosen.model)
        kind, rate, is_known = found.type, found.rate, True
    except ProviderUnavailable:
        kind, rate, is_known = guessed_type(chosen.model), HUB_RATE, False
    if chosen.streaming is None or chosen.streaming == (kind in STREAMING):
        return kind, rate
    if is_known:
        raise ConfigError(
            f"providers.{name}.settings: streaming is {str(chosen.streaming).lower()}, and {chosen.model} is a {kind}; "
            "leave `streaming` out"
        )
    return (STREAMING[0] if chosen.streaming else "Paraformer"), rate
