"""Engines that hear whose voice it is, beside those that hear what is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.providers.registry import Kind
from asr_hub.providers.settings import suggestion

SHORTEST_S = 0.5
"""Seconds of audio in which a voice can be told."""


class SpeakerEmbedder(Protocol):
    """
    Turns the audio of an utterance into numbers that point one way for one voice.

    One object serves every session. What it gives is compared by its cosine, and only with what the same model gave.
    """

    async def start(self) -> None:
        """Load the model. Raises ProviderUnavailable, which says what to install or which weights to bring."""
        ...

    async def aclose(self) -> None:
        """Let the model go, once those who are being heard are done. Closing twice, or what never started, is fine."""
        ...

    async def embed(self, pcm: bytes, rate: int) -> tuple[float, ...]:
        """
        The voice of one utterance: signed 16 bit, mono, `rate` hertz.

        Raises UnsupportedAudio for audio shorter than SHORTEST_S, Overloaded where others are in line for too long,
        ProviderUnavailable where it was not started, or is closed.
        """
        ...


BUILTIN: Mapping[str, Kind] = {
    "sherpa-onnx": Kind(
        target="asr_hub.providers.sherpa.speakers:SherpaSpeakers",
        sdk="sherpa_onnx",
        install="pip install 'asr-hub[sherpa-onnx]'",
        weights="asr_hub.providers.sherpa.speakers:missing",
        example={"model": "example"},
    ),
}
"""By their names."""


def load(kind: str, settings: Mapping[str, Any]) -> SpeakerEmbedder:
    """
    Build an embedder of `kind`, or of a class written as `package.module:Class`; nothing is started yet.

    Raises ConfigError for an unknown kind, class or setting, ProviderUnavailable with the command to run where the
    engine is not installed.
    """
    entry = _known(kind)
    if entry.sdk is not None and find_spec(entry.sdk) is None:
        raise ProviderUnavailable(
            f"recognition.speakers: the module {entry.sdk!r} is not installed; do: {entry.install}"
        )
    module, _, name = entry.target.partition(":")
    try:
        imported = import_module(module)
    except ImportError as exc:
        raise ProviderUnavailable(
            f"recognition.speakers: {kind} needs the module {exc.name}: pip install {exc.name}"
        ) from exc
    factory: Callable[[Mapping[str, Any]], SpeakerEmbedder] | None = getattr(imported, name, None)
    if factory is None:
        raise ConfigError(f"the module {module!r} has no {name!r}; name the class of an embedder that is in it")
    return factory(settings)


def missing_weights(kind: str, settings: Mapping[str, Any]) -> str | None:
    """What is missing of the model that `load` with these settings would start; nothing where it is here."""
    entry = _known(kind)
    if not entry.weights:
        return None
    module, _, name = entry.weights.partition(":")
    found: str | None = getattr(import_module(module), name)(settings)
    return found


def _known(kind: str) -> Kind:
    if ":" in kind:
        if not all(part.isidentifier() for part in kind.replace(":", ".", 1).split(".")):
            raise ConfigError(
                f"recognition.speakers: the engine {kind!r} is no class; write it as package.module:Class"
            )
        return Kind(target=kind)
    if kind not in BUILTIN:
        raise ConfigError(f"recognition.speakers: the engine {kind!r} is not known; {suggestion(kind, BUILTIN)}")
    return BUILTIN[kind]
