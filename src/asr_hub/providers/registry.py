"""Finds providers by the word in the YAML file, and tells which of them can run here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any

import msgspec

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.model import ProviderName
from asr_hub.providers.base import Provider

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


class Availability(msgspec.Struct, frozen=True):
    """Whether a kind can run here, and what to do if not."""

    ok: bool
    reason: str
    remedy: str = ""


BUILTIN: Mapping[str, Kind] = {
    "pocketsphinx": Kind(
        target="asr_hub.providers.pocketsphinx:PocketSphinx",
        sdk="pocketsphinx",
        install="pip install 'pocketsphinx>=5.0.4'",
        rank=10,
        praise="it comes with its English model and needs nothing else",
    ),
    "openwakeword": Kind(target="asr_hub.providers.openwakeword:OpenWakeWord", sdk="onnxruntime"),
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
    return Availability(ok=False, reason=f"the module {module!r} is not installed", remedy=entry.install)


def resolve_auto(among: Iterable[str] | None = None) -> tuple[str, str]:
    """
    The best kind that is installed here, and why, in one sentence. `among` narrows the choice.

    Raises ProviderUnavailable, with what to install, where there is none.
    """
    known = kinds()
    candidates = [kind for kind in (known if among is None else among) if kind in known and known[kind].rank > 0]
    missing = []
    for kind in sorted(candidates, key=lambda kind: -known[kind].rank):
        found = available(kind)
        if found.ok:
            return kind, f"{kind}: {found.reason}, and {known[kind].praise or 'ranks highest here'}"
        missing.append(found.remedy)
    raise ProviderUnavailable(f"no speech engine is installed; do: {' or '.join(missing) or 'name a provider'}")


def load(kind: str, name: str, settings: Mapping[str, Any]) -> Provider:
    """
    Build the provider `name` of `kind`; nothing is started yet.

    Raises ConfigError for an unknown kind or setting, ProviderUnavailable with the command to run where the engine is
    not installed.
    """
    entry = _known(kind)
    found = available(kind)
    if not found.ok:
        raise ProviderUnavailable(f"{name}: {found.reason}; do: {found.remedy}")
    module, _, attribute = entry.target.partition(":")
    try:
        factory: Callable[[ProviderName, Mapping[str, Any]], Provider] = getattr(import_module(module), attribute)
    except ImportError as exc:
        raise ProviderUnavailable(f"{name}: {kind} needs the module {exc.name}: pip install {exc.name}") from exc
    return factory(ProviderName(name), settings)


def _known(kind: str) -> Kind:
    if ":" in kind:
        return Kind(target=kind)
    known = kinds()
    if kind not in known:
        raise ConfigError(f"provider kind {kind!r} is not known; there are: {', '.join(sorted(known))}")
    return known[kind]


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
