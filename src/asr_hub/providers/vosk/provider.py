"""Vosk: dictation while it is spoken, offline, on a CPU; small models for many languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asr_hub.errors import ProviderUnavailable
from asr_hub.model import HUB_RATE, ProviderName
from asr_hub.models.folder import find
from asr_hub.providers.base import Capabilities
from asr_hub.providers.hosted import Hosted
from asr_hub.providers.settings import read_settings
from asr_hub.providers.vosk.model_folder import ModelFolder
from asr_hub.providers.vosk.settings import ENGINE, VoskSettings


class Vosk(Hosted):
    """A Provider. Word times and confidences come with the final, and with partials where `partial_words` is set."""

    def __init__(self, name: ProviderName, settings: Mapping[str, Any]) -> None:
        chosen = read_settings(name, settings, VoskSettings)
        super().__init__(
            name,
            chosen,
            Capabilities(
                streaming=True,
                partials=True,
                words=True,
                confidence=chosen.max_alternatives == 0,
                hotwords=chosen.hotwords_as_grammar,
                languages=(chosen.language,) if chosen.language else (),
                sample_rates=(chosen.sample_rate or _rate_of(chosen.model),),
                description="Dictation while it is spoken, offline, on a CPU; small models for many languages.",
            ),
            target="asr_hub.providers.vosk.engine:load",
            is_streaming=True,
        )


def _rate_of(model: str) -> int:
    """Hertz. Of a model that is not here, the usual; whoever starts the provider is told that it is not here."""
    try:
        return ModelFolder(find(model, engine=ENGINE)).sample_rate
    except ProviderUnavailable:
        return HUB_RATE
