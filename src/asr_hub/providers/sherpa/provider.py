"""sherpa-onnx: streaming and whole-utterance models in ONNX, with several sessions in one run of the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asr_hub.errors import ProviderUnavailable
from asr_hub.model import ProviderName
from asr_hub.providers.base import Capabilities
from asr_hub.providers.hosted import Hosted
from asr_hub.providers.settings import read_settings
from asr_hub.providers.sherpa.kinds import KINDS, Kind
from asr_hub.providers.sherpa.settings import SherpaSettings


class SherpaOnnx(Hosted):
    """A Provider. What it can do depends on the kind of model, which the files tell before anything is loaded."""

    def __init__(self, name: ProviderName, settings: Mapping[str, Any]) -> None:
        chosen = read_settings(name, settings, SherpaSettings)
        kind = _kind_of(chosen)
        takes_hotwords = kind.is_transducer and chosen.decoding == "modified_beam_search"
        super().__init__(
            name,
            chosen,
            Capabilities(
                streaming=True,
                partials=True,
                words=kind.has_times,
                confidence=kind.is_transducer,
                hotwords=takes_hotwords,
                hotword_weights=takes_hotwords,
                languages=(chosen.language,) if chosen.language else (),
                sample_rates=(chosen.sample_rate,),
                batch=True,
                gpu=True,
                emulates=() if kind.is_streaming else ("streaming", "partials"),
                description="Zipformer, Paraformer, SenseVoice, Whisper and others in ONNX, offline; streams on a CPU.",
            ),
            target="asr_hub.providers.sherpa.engine:load",
            is_streaming=kind.is_streaming,
        )


def _kind_of(settings: SherpaSettings) -> Kind:
    """Of a model that is not here, any will do; whoever starts the provider is told that it is not here."""
    if settings.type is not None:
        return KINDS[settings.type]
    try:
        return settings.look().kind
    except ProviderUnavailable:
        return KINDS["streaming-transducer"]
