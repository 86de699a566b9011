"""The settings of the sherpa-onnx provider. Imports no engine: the hub reads them before any process is started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.models.folder import find
from asr_hub.providers.hosted import HostSettings
from asr_hub.providers.sherpa.kinds import KINDS
from asr_hub.providers.sherpa.model_files import ModelFiles, look

ENGINE = "sherpa-onnx"
"""The name of the engine among the models."""


class SherpaSettings(HostSettings, frozen=True, kw_only=True):
    """What `providers.<name>.settings` may hold for `kind: sherpa-onnx`."""

    model: str
    """A folder with a model for sherpa-onnx, or the name of one in the models folder."""
    type: str | None = None
    """The kind of model, such as `streaming-transducer` or `sense-voice`. By default the files tell."""
    files: dict[str, str] = msgspec.field(default_factory=dict)
    """
    Names of files in the folder, where they do not tell or there are several: `encoder`, `decoder`, `joiner`, `model`,
    `tokens`, `vocabulary`.
    """
    precision: Literal["int8", "float", "fp16"] = "int8"
    """Which weights to take where the folder has several."""
    sample_rate: int = 16_000
    """Hertz. What the model was trained on."""
    language: str | None = None
    """BCP 47. What the model understands; Whisper and SenseVoice listen for this one. By default they find out."""
    itn: bool = True
    """SenseVoice only: numbers as digits, and punctuation."""
    task: Literal["transcribe", "translate"] = "transcribe"
    """Whisper only: `translate` gives English."""
    decoding: Literal["greedy_search", "modified_beam_search"] = "greedy_search"
    """Transducers only. Hotwords need `modified_beam_search`, which costs more."""
    hotwords_score: float = 1.5
    """How much each token of a hotword is favoured."""
    modeling_unit: Literal["cjkchar", "bpe", "cjkchar+bpe"] | None = None
    """What the model spells hotwords with. By default pieces of words (`bpe`) where there is a `bpe.vocab`."""
    max_clip_s: float = 28.0
    """Seconds, for models that hear whole utterances: longer ones are cut at a quiet place."""
    tail_s: float | None = None
    """Seconds of silence behind an utterance, for models that stream, so that its end is heard. Measured by default."""
    options: dict[str, str | bool | int | float] = msgspec.field(default_factory=dict)
    """Arguments of the SDK's own function for this kind of model, such as `blank_penalty` or `rule_fsts`."""

    def __post_init__(self) -> None:
        if self.type is not None and self.type not in KINDS:
            raise ValueError(f"type {self.type!r} is not known; there are: {', '.join(KINDS)}")
        if self.threads < 1:
            raise ValueError("threads must be at least 1")
        if not 1 <= self.max_clip_s <= 600:
            raise ValueError("max_clip_s must be from 1 to 600")
        if self.tail_s is not None and not 0 <= self.tail_s <= 10:
            raise ValueError("tail_s must be from 0 to 10")

    def look(self) -> ModelFiles:
        """The model's files. Raises ProviderUnavailable or ConfigError where they are not as they must be."""
        folder = find(self.model, engine=ENGINE)
        return look(folder, kind=self.type, files=self.files, precision=self.precision)


def missing(settings: Mapping[str, Any]) -> str | None:
    """Why the weights are not here, and what to do about it; None where they are."""
    try:
        msgspec.convert(dict(settings), SherpaSettings).look()
    except (ProviderUnavailable, ConfigError, msgspec.ValidationError) as exc:
        return str(exc)
    return None
