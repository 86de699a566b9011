"""The settings of the FunASR provider. Imports no engine: the hub reads them before any process is started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.providers.funasr.layout import PUNCTUATION, Layout, layout
from asr_hub.providers.hosted import HostSettings

DEFAULT_MODEL = "SenseVoiceSmall"


class FunAsrSettings(HostSettings, frozen=True, kw_only=True):
    """What `providers.<name>.settings` may hold for `kind: funasr`."""

    model: str = DEFAULT_MODEL
    """
    A folder with SenseVoiceSmall, Paraformer, BiCifParaformer, ContextualParaformer, SeacoParaformer or
    ParaformerStreaming, or a name such as `paraformer-zh-streaming`. Never downloaded.
    """
    streaming: bool | None = None
    """Whether the model is a streaming one, for a folder that is not here yet. By default its config.yaml says."""
    quantize: Literal["none", "int8"] = "none"
    """`int8`: on the CPU, matrices in 8 bits. Two to three times as fast, a few texts differ."""
    punctuation: str | None = None
    """A folder with a CT-Transformer, or a name such as `ct-punc`: finals get punctuation. Partials have none."""
    languages: tuple[str, ...] = ()
    """BCP 47. By default those that the model's vocabulary shows."""
    strict_weights: bool = True
    """Refuse weights that do not fill every parameter of the model. What they do not fill would be random."""

    language: str = "auto"
    """SenseVoice: what is spoken where the client does not say; `auto` detects it in each utterance."""
    use_itn: bool = False
    """SenseVoice: figures, capitals and punctuation by the model itself."""

    chunk_size: tuple[int, int, int] = (0, 10, 5)
    """Streaming: frames of 60 ms before, in and after a step. What the model was trained with."""
    encoder_look_back: int = 4
    """Streaming: steps of the past that the encoder attends to."""
    decoder_look_back: int = 1
    """Streaming: steps of the past that the decoder attends to."""

    max_clip_s: float = 30.0
    """Seconds: longer utterances are cut at a quiet place. Not for streaming models."""


def check(name: str, chosen: FunAsrSettings) -> None:
    """Raises ConfigError for values that can mean nothing."""
    where = f"providers.{name}.settings"
    before, step, after = chosen.chunk_size
    if step < 1 or before < 0 or after < 0:
        raise ConfigError(f"{where}: chunk_size is three numbers as [0, 10, 5], the second at least 1")
    for key in ("encoder_look_back", "decoder_look_back"):
        if getattr(chosen, key) < 0:
            raise ConfigError(
                f"{where}: {key} must be at least 0; without a limit memory would grow with the utterance"
            )
    if not chosen.max_clip_s >= 1:
        raise ConfigError(f"{where}: max_clip_s must be at least 1 second")


def missing(settings: Mapping[str, Any]) -> str | None:
    """Why the weights are not on this machine; None: they are."""
    try:
        layout(str(settings.get("model", DEFAULT_MODEL)))
        if settings.get("punctuation"):
            punctuation_layout(str(settings["punctuation"]))
    except (ProviderUnavailable, ConfigError) as exc:
        return str(exc)
    return None


def punctuation_layout(model: str) -> Layout:
    """The folder of a punctuation model. Raises ConfigError where it holds another kind of model."""
    found = layout(model)
    if found.type not in PUNCTUATION:
        raise ConfigError(f"punctuation: {found.path} holds a {found.type}; it must be one of {', '.join(PUNCTUATION)}")
    return found
