"""The models that are known by name: what each is, whose it is, how large, and where it comes from."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

import msgspec

from asr_hub.errors import ConfigError, NotFound

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")
"""What a model's folder may be called: one component of a path, never hidden, never `..`."""

_HUB = re.compile(
    r"hf:([A-Za-z0-9][A-Za-z0-9._-]{0,95})/([A-Za-z0-9][A-Za-z0-9._-]{0,95})(?:@([A-Za-z0-9][\w.-]{0,63}))?"
)


class EngineFiles(msgspec.Struct, frozen=True):
    """What the folder of an engine's model holds."""

    files: tuple[str, ...]
    """Patterns of the files to fetch from a repository, where the model names none of its own."""
    holds: str
    """The files that the engine cannot do without, for people."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """Weights for one engine, before anything of them is fetched."""

    name: str
    """Also the name of the folder."""
    engine: str
    source: str
    """`hf:OWNER/REPO[@REVISION]` or `vosk:NAME`"""
    size: int
    """Bytes to download, roughly. 0: not known before the source is asked."""
    licence: str
    languages: str
    about: str
    aliases: tuple[str, ...] = ()
    """Names under which the engine's own users know it."""
    files: tuple[str, ...] = ()
    """Patterns of the files to fetch. Without any, those of the engine."""
    is_recogniser: bool = True
    """It writes down speech. What only finds speech or adds punctuation works beside a recogniser."""

    @property
    def page(self) -> str:
        """Where people read about the model and fetch it by hand."""
        kind, _, rest = self.source.partition(":")
        repository = rest.partition("@")[0]
        return f"https://huggingface.co/{repository}" if kind == "hf" else "https://alphacephei.com/vosk/models"


class Catalogue(msgspec.Struct, frozen=True):
    """The packaged list."""

    leave_out: tuple[str, ...]
    """Patterns of files that no engine needs: examples, scripts, the same weights in other formats."""
    engines: Mapping[str, EngineFiles]
    models: tuple[Model, ...]


@cache
def catalogue() -> Catalogue:
    """The list that comes with the hub."""
    raw = (resources.files("asr_hub.models") / "catalogue.json").read_bytes()
    return msgspec.json.decode(raw, type=Catalogue)


def known(name: str, engine: str | None = None) -> Model | None:
    """The model of this name or alias, or the one that `hf:OWNER/REPO[@REVISION]` describes for `engine`."""
    for model in catalogue().models:
        if name in (model.name, model.source, *model.aliases) and engine in (None, model.engine):
            return model
    match = _HUB.fullmatch(name)
    if match is None or engine is None:
        return None
    owner, repository, revision = match.groups()
    folder = f"{owner}--{repository}" + (f"@{revision}" if revision else "")
    return Model(
        name=folder, engine=engine, source=name, size=0, licence="see its page", languages="see its page", about=""
    )


def wanted(name: str, engine: str | None = None) -> Model:
    """
    The model that `name` asks for.

    Raises ConfigError for an engine that is not known, or where `hf:…` needs one; NotFound, with names that are near,
    for a name that is not known.
    """
    engines = ", ".join(catalogue().engines)
    if engine is not None and engine not in catalogue().engines:
        raise ConfigError(f"--engine {engine}: models are kept for {engines}")
    model = known(name, engine)
    if model is not None:
        return model
    if _HUB.fullmatch(name):
        raise ConfigError(f"{name}: say which engine it is for: --engine with one of {engines}")
    if _HUB.fullmatch(f"hf:{name}"):
        raise NotFound(f"{name!r} is not in the catalogue; for a repository of Hugging Face write hf:{name}")
    hint = suggestion(name) or "`asr-hub models list` shows the names"
    raise NotFound(f"{name!r} is not in the catalogue; {hint} Any other comes as hf:OWNER/REPO with --engine")


def suggestion(name: str, engine: str | None = None) -> str:
    """`did you mean …?` with the names that are near one that is not in the list; nothing where none is."""
    models = [model for model in catalogue().models if engine in (None, model.engine)]
    names = [other for model in models for other in (model.name, *model.aliases)]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else ""
