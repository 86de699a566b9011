"""transformers: any speech model of that library, whole utterances at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asr_hub.errors import ProviderUnavailable
from asr_hub.model import ProviderName
from asr_hub.models.folder import find
from asr_hub.providers.base import Capabilities
from asr_hub.providers.hosted import Hosted
from asr_hub.providers.settings import read_settings
from asr_hub.providers.transformers.checkpoint import read_checkpoint
from asr_hub.providers.transformers.settings import ENGINE, TransformersSettings


class Transformers(Hosted):
    """A Provider. Word times and confidences come from CTC models only."""

    def __init__(self, name: ProviderName, settings: Mapping[str, Any]) -> None:
        chosen = read_settings(name, settings, TransformersSettings)
        is_ctc = _is_ctc(chosen.model)
        super().__init__(
            name,
            chosen,
            Capabilities(
                streaming=True,
                partials=True,
                words=is_ctc,
                confidence=is_ctc,
                languages=(chosen.language,) if chosen.language else (),
                batch=True,
                gpu=True,
                emulates=("streaming", "partials"),
                description="Any speech model of the transformers library; best on a GPU.",
            ),
            target="asr_hub.providers.transformers.engine:load",
            is_streaming=False,
        )


def _is_ctc(model: str) -> bool:
    """Of a model that is not here, nothing is known; whoever starts the provider is told that it is not here."""
    try:
        checkpoint = read_checkpoint(find(model, engine=ENGINE))
    except ProviderUnavailable:
        return False
    return any(name.endswith("ForCTC") for name in checkpoint.architectures)
