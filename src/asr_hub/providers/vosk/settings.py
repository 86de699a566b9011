"""The settings of the Vosk provider. Imports no engine: the hub reads them before any process is started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from asr_hub.errors import ProviderUnavailable
from asr_hub.models.folder import find
from asr_hub.providers.hosted import HostSettings
from asr_hub.providers.vosk.model_folder import ModelFolder

ENGINE = "vosk"
"""The name of the engine among the models."""


class VoskSettings(HostSettings, frozen=True, kw_only=True):
    """What `providers.<name>.settings` may hold for `kind: vosk`. `threads` streams are decoded at the same time."""

    model: str
    """A folder with a Vosk model, or the name of one in the models folder."""
    language: str | None = None
    """BCP 47. What the model understands; by default read from the folder's name, as in vosk-model-small-en-us-0.15."""
    sample_rate: int | None = None
    """Hertz. What the model was trained on; by default read from the model's own configuration."""
    grammar: tuple[str, ...] = ()
    """
    Commands only: nothing but these phrases, and pieces of them, is heard, whatever is said. With `[unk]` among them,
    other speech is heard as nothing. Needs a model whose graph is put together at run time (graph/HCLr.fst), as that of
    Vosk's small ones is.
    """
    hotwords_as_grammar: bool = False
    """
    Take a session's hotwords for a grammar of its own, with `[unk]`: then nothing but them is heard. Vosk cannot
    favour words without forbidding the others. Same models as for `grammar`.
    """
    max_alternatives: int = 0
    """Other readings of the utterance to give with the final. With any, the engine tells no confidence."""
    partial_words: bool = False
    """Word times in partials. The engine then reads partials from another search, whose text comes later."""

    def __post_init__(self) -> None:
        if not 0 <= self.max_alternatives <= 100:
            raise ValueError("max_alternatives must be from 0 to 100")
        if self.threads < 1:
            raise ValueError("threads must be at least 1")
        if any(not phrase.strip() for phrase in self.grammar):
            raise ValueError("grammar: an empty phrase")


def missing(settings: Mapping[str, Any]) -> str | None:
    """Why the weights are not here, and what to do about it; None where they are."""
    try:
        ModelFolder(find(msgspec.convert(dict(settings), VoskSettings).model, engine=ENGINE)).check()
    except (ProviderUnavailable, msgspec.ValidationError) as exc:
        return str(exc)
    return None
