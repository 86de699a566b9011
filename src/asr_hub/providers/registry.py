"""Finds providers by the word in the YAML file, and tells which of them can run here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any, NamedTuple

import msgspec

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.model import ProviderName
from asr_hub.providers.base import Capabilities, Provider
from asr_hub.providers.settings import suggestion

GROUP = "asr_hub.providers"
"""Entry points of this group add kinds: `name = "package.module:Class"`, called as `Class(name, settings)`."""


class Kind(msgspec.Struct, frozen=True):
    """A word for the YAML file and what stands behind it."""

    target: str
    """`module:Class`. A path, not a class: an engine is imported only when it is asked for."""
    sdk: str | None = None
    """The module of the engine, looked for but never imported here."""
    install: str = ""
    """The command that brings the engine."""
    rank: int = 0
    """Where `auto` looks first: the higher, the better it hears. 0: never taken by `auto`."""
    praise: str = ""
    """Why `auto` takes it, for people."""
    weights: str = ""
    """`module:function`: called with the settings, says what is missing of the weights, or nothing."""
    outside: str = ""
    """`module:function`: called with the settings, whether the provider opens a connection beyond this machine."""
    example: Mapping[str, Any] = {}
    """Settings with which it can be built, for the table of providers."""


class Availability(msgspec.Struct, frozen=True):
    """Whether a kind can run here, and what to do if not."""

    ok: bool
    reason: str
    remedy: str = ""


class Entry(NamedTuple):
    """A provider of a configuration."""

    kind: str
    settings: Mapping[str, Any]


BUILTIN: Mapping[str, Kind] = {
    "faster-whisper": Kind(
        target="asr_hub.providers.whisper.provider:FasterWhisper",
        sdk="faster_whisper",
        install="pip install 'asr-hub[whisper]'",
        rank=50,
        praise="its Whisper model is here",
        weights="asr_hub.providers.whisper.settings:missing",
    ),
    "funasr": Kind(
        target="asr_hub.providers.funasr.provider:FunAsr",
        sdk="funasr",
        install="pip install 'asr-hub[funasr]'",
        rank=40,
        praise="its model is here",
        weights="asr_hub.providers.funasr.settings:missing",
    ),
    "sherpa-onnx": Kind(
        target="asr_hub.providers.sherpa.provider:SherpaOnnx",
        sdk="sherpa_onnx",
        install="pip install 'asr-hub[sherpa-onnx]'",
        rank=30,
        praise="its model is here",
        weights="asr_hub.providers.sherpa.settings:missing",
        example={"model": "example"},
    ),
    "vosk": Kind(
        target="asr_hub.providers.vosk.provider:Vosk",
        sdk="vosk",
        install="pip install 'asr-hub[vosk]'",
        rank=20,
        praise="its model is here",
        weights="asr_hub.providers.vosk.settings:missing",
        example={"model": "example"},
    ),
    "transformers": Kind(
        target="asr_hub.providers.transformers.provider:Transformers",
        sdk="transformers",
        install="pip install 'asr-hub[transformers]'",
        weights="asr_hub.providers.transformers.settings:missing",
        example={"model": "example"},
    ),
    "openai": Kind(
        target="asr_hub.providers.cloud.openai_rest:OpenAIRest",
        sdk="openai",
        install="pip install 'asr-hub[openai]'",
        outside="asr_hub.providers.cloud.openai_settings:leaves_machine",
    ),
    "openai-realtime": Kind(
        target="asr_hub.providers.cloud.openai_realtime:OpenAIRealtime",
        sdk="openai",
        install="pip install 'asr-hub[openai]'",
        outside="asr_hub.providers.cloud.openai_settings:leaves_machine",
    ),
    "google": Kind(
        target="asr_hub.providers.cloud.google:Google",
        sdk="google.cloud.speech_v2",
        install="pip install 'asr-hub[google]'",
        outside="asr_hub.providers.cloud.google_settings:leaves_machine",
        example={"project": "example"},
    ),
    "pocketsphinx": Kind(
        target="asr_hub.providers.pocketsphinx:PocketSphinx",
        sdk="pocketsphinx",
        install="pip install 'pocketsphinx>=5.0.4'",
        rank=10,
        praise="it comes with its English model and needs nothing else",
    ),
    "openwakeword": Kind(
        target="asr_hub.providers.openwakeword:OpenWakeWord",
        sdk="onnxruntime",
        example={"mel_model": "mel.onnx", "embedding_model": "embedding.onnx", "phrases": {"alexa": "alexa.onnx"}},
    ),
    "scripted": Kind(target="asr_hub.providers.scripted:Scripted"),
}


def kinds() -> Mapping[str, Kind]:
    """Every known kind: the built-in ones and those that installed packages bring."""
    brought = {point.name: Kind(target=point.value) for point in metadata.entry_points(group=GROUP)}
    return {**brought, **BUILTIN}


def available(kind: str) -> Availability:
    """Look, without importing, whether the engine of `kind` is installed. Raises ConfigError where it is not known."""
    entry = _known(kind)
    module = entry.sdk or entry.target.partition(":")[0]
    if _is_installed(module):
        return Availability(ok=True, reason=f"{entry.sdk} is installed" if entry.sdk else "needs no engine")
    if ":" in kind:
        reason = f"the module {module!r} cannot be found"
        return Availability(ok=False, reason=reason, remedy="put its folder on PYTHONPATH")
    return Availability(ok=False, reason=f"the module {module!r} is not installed", remedy=_install(kind, entry))


def missing_model(kind: str, settings: Mapping[str, Any]) -> str | None:
    """How to name a model, where a provider of this kind needs one named and these settings do not; else nothing."""
    if "model" not in _known(kind).example or "model" in settings:
        return None
    return f"{kind} needs a model: asr-hub use {kind} --model NAME; asr-hub models list shows them"


def missing_weights(kind: str, settings: Mapping[str, Any]) -> str | None:
    """What is missing of the model that a provider with these settings would load; nothing where it is here."""
    entry = _known(kind)
    if not entry.weights:
        return None
    unnamed = missing_model(kind, settings)
    if unnamed:
        return unnamed
    found: str | None = _function(entry.weights)(settings)
    return found


def leaves_machine(kind: str, settings: Mapping[str, Any]) -> bool:
    """Whether a provider with these settings opens a connection beyond this machine, as far as is known of its kind."""
    entry = _known(kind)
    return bool(entry.outside and _function(entry.outside)(settings))


def resolve_auto(entries: Mapping[str, Entry] | None = None) -> tuple[str, str]:
    """
    The name of the best provider that is installed and has its weights here, and why, in one sentence.

    It is one of `entries`, or, where there are none, a kind with its default settings. Raises ProviderUnavailable,
    with what to do, where there is none.
    """
    known = kinds()
    if not entries:
        entries = {kind: Entry(kind, {}) for kind in known}
    candidates = [name for name, entry in entries.items() if entry.kind in known and known[entry.kind].rank > 0]
    remedies = []
    for name in sorted(candidates, key=lambda name: -known[entries[name].kind].rank):
        kind, settings = entries[name]
        found = available(kind)
        if not found.ok:
            remedies.append(found.remedy)
        elif lacks := missing_weights(kind, settings):
            remedies.append(lacks)
        else:
            return name, f"{name}: {found.reason}, and {known[kind].praise or 'ranks highest here'}"
    raise ProviderUnavailable(f"no speech engine can be used; do: {' or '.join(remedies) or 'name a provider'}")


def capabilities(kind: str) -> Capabilities:
    """What a provider of this kind can do, by its default settings, whether or not its engine is installed."""
    entry = _known(kind)
    module, _, attribute = entry.target.partition(":")
    found: Capabilities = getattr(import_module(module), attribute)(ProviderName(kind), entry.example).capabilities
    return found


def load(kind: str, name: str, settings: Mapping[str, Any]) -> Provider:
    """
    Build the provider `name` of `kind`; nothing is started yet.

    Raises ConfigError for an unknown kind, class or setting, ProviderUnavailable with the command to run where the
    engine is not installed.
    """
    entry = _known(kind)
    found = available(kind)
    if not found.ok:
        do = "" if ":" in kind else "do: "
        raise ProviderUnavailable(f"{name}: {found.reason}; {do}{found.remedy}")
    module, _, attribute = entry.target.partition(":")
    try:
        imported = import_module(module)
    except ImportError as exc:
        raise ProviderUnavailable(f"{name}: {kind} needs the module {exc.name}: pip install {exc.name}") from exc
    factory: Callable[[ProviderName, Mapping[str, Any]], Provider] | None = getattr(imported, attribute, None)
    if factory is None:
        raise ConfigError(f"the module {module!r} has no {attribute!r}; name the class of a provider that is in it")
    return factory(ProviderName(name), settings)


def _known(kind: str) -> Kind:
    if ":" in kind:
        if not all(part.isidentifier() for part in kind.replace(":", ".", 1).split(".")):
            raise ConfigError(f"provider kind {kind!r} is no class; write it as package.module:Class")
        return Kind(target=kind)
    known = kinds()
    if kind not in known:
        raise ConfigError(f"provider kind {kind!r} is not known; {suggestion(kind, known)}")
    return known[kind]


def _install(kind: str, entry: Kind) -> str:
    if entry.install:
        return entry.install
    return f"pip install {entry.sdk}" if entry.sdk else f"install the package that brings {kind!r} again"


def _function(path: str) -> Callable[[Mapping[str, Any]], Any]:
    module, _, name = path.partition(":")
    function: Callable[[Mapping[str, Any]], Any] = getattr(import_module(module), name)
    return function


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
