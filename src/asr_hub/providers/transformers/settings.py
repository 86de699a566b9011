"""The settings of the transformers provider. Imports no engine: the hub reads them before any process is started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from asr_hub.errors import ProviderUnavailable
from asr_hub.models.folder import find
from asr_hub.providers.hosted import HostSettings
from asr_hub.providers.transformers.checkpoint import read_checkpoint

ENGINE = "transformers"
"""The name of the engine among the models."""


class TransformersSettings(HostSettings, frozen=True, kw_only=True):
    """What `providers.<name>.settings` may hold for `kind: transformers`."""

    model: str
    """A folder with a checkpoint, or the name of one in the models folder. Never fetched from here."""
    language: str | None = None
    """BCP 47. What is spoken where a client does not say; by default the model finds out, if it can."""
    task: Literal["transcribe", "translate"] = "transcribe"
    """Models like Whisper only: `translate` gives English."""
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """Of the weights. `auto`: as they are stored on a GPU, float32 on a CPU."""
    trust_remote_code: bool = False
    """Run the Python files of the checkpoint, with all the rights of the hub. Read them before."""
    max_clip_s: float = 30.0
    """Seconds: longer utterances are cut at a quiet place."""
    max_new_tokens: int = 224
    """Of one utterance; where a model repeats itself for ever, it ends here."""
    generate: dict[str, str | bool | int | float] = msgspec.field(default_factory=dict)
    """Arguments of the library's `generate`, such as `num_beams`. Not for CTC models."""

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ValueError("threads must be at least 1")
        if not 1 <= self.max_clip_s <= 600:
            raise ValueError("max_clip_s must be from 1 to 600")
        if self.max_new_tokens < 1:
            raise ValueError("max_new_tokens must be at least 1")


def missing(settings: Mapping[str, Any]) -> str | None:
    """Why the weights are not here, and what to do about it; None where they are."""
    try:
        read_checkpoint(find(msgspec.convert(dict(settings), TransformersSettings).model, engine=ENGINE))
    except (ProviderUnavailable, msgspec.ValidationError) as exc:
        return str(exc)
    return None
