"""
What is in a folder with a model for FunASR: which class, which weights, which rate. Imports no engine.

FunASR answers a folder that lacks something with an error about something else, or with random weights and no error.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.model import HUB_RATE
from asr_hub.models.folder import find

ENGINE = "funasr"

STREAMING = ("ParaformerStreaming",)
CONTEXTUAL = ("ContextualParaformer", "SeacoParaformer")
"""These take hotwords."""
WHOLE = ("SenseVoiceSmall", "Paraformer", "BiCifParaformer", *CONTEXTUAL)
PUNCTUATION = ("CTTransformer", "CTTransformerStreaming")

_MAX_CONFIG = 4 << 20
"""Bytes. Published ones have a few kilobytes, or some hundred with the token list inside."""


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """A folder that has all its files."""

    path: Path
    type: str
    """FunASR's name of the model's class."""
    weights: Path
    rate: int
    """Hertz"""


def layout(model: str, *, env: Mapping[str, str] = os.environ) -> Layout:
    """
    The folder of `model`, a path or a name.

    Raises ProviderUnavailable, with what to do, where it is not here or a file is missing; ConfigError where it holds
    something that this provider does not run.
    """
    path = find(model, engine=ENGINE, env=env)
    files = _file_path_metas(path)
    config = _config(path, path / str(files.get("config", "config.yaml")))
    kind = str(config.get("model"))
    if kind not in (*STREAMING, *WHOLE, *PUNCTUATION):
        raise ConfigError(
            f"{ENGINE}: {path} holds a model of type {kind!r}; this provider runs {', '.join((*WHOLE, *STREAMING))}"
        )
    weights = path / str(files.get("init_param", "model.pt"))
    _need(weights, path)
    _need_tokens(path, config, files)
    frontend = config.get("frontend_conf")
    rate = frontend.get("fs", HUB_RATE) if isinstance(frontend, dict) else HUB_RATE
    return Layout(path=path, type=kind, weights=weights, rate=int(rate))


def guessed_type(model: str) -> str:
    """The class that a model has by its name, for a folder that is not here yet."""
    name = Path(model).name.lower()
    for part, kind in (
        ("sensevoice", "SenseVoiceSmall"),
        ("streaming", "ParaformerStreaming"),
        ("online", "ParaformerStreaming"),
        ("contextual", "ContextualParaformer"),
        ("seaco", "SeacoParaformer"),
        ("paraformer-zh", "SeacoParaformer"),
    ):
        if part in name:
            return kind
    return "Paraformer"


def _file_path_metas(path: Path) -> dict[str, Any]:
    """Where ModelScope's `configuration.json` says that the files are. Empty: under their usual names."""
    file = path / "configuration.json"
    if not file.is_file():
        return {}
    try:
        metas = json.loads(_text(file)).get("file_path_metas", {})
    except (ValueError, AttributeError) as exc:
        raise ProviderUnavailable(f"{ENGINE}: {file} is no JSON object ({exc}); fetch the model again") from exc
    return metas if isinstance(metas, dict) else {}


def _config(path: Path, file: Path) -> dict[str, Any]:
    _need(file, path)
    try:
        config = yaml.safe_load(_text(file))
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise ProviderUnavailable(f"{ENGINE}: {file} cannot be parsed ({exc}); fetch the model again") from exc
    if not isinstance(config, dict) or "model" not in config:
        raise ProviderUnavailable(
            f"{ENGINE}: {file} names no `model`; a model made for FunASR 0.x must be fetched in its version for 1.x"
        )
    return config


def _need_tokens(path: Path, config: dict[str, Any], files: dict[str, Any]) -> None:
    """Without them the vocabulary has the size -1, and the error that follows is about a tensor."""
    key: str = "token_list"
    usual: tuple[str, ...] = ("tokens.json", "tokens.txt")
    if config.get("tokenizer") == "SentencepiecesTokenizer":
        key, usual = "bpemodel", ("bpe.model",)
    named = [
        str(conf[key])
        for conf in (files.get("tokenizer_conf"), config.get("tokenizer_conf"))
        if isinstance(conf, dict) and isinstance(conf.get(key), str)
    ]
    in_config = isinstance(config.get("tokenizer_conf"), dict) and isinstance(config["tokenizer_conf"].get(key), list)
    if not in_config and not any((path / name).is_file() for name in (*usual, *named)):
        raise ProviderUnavailable(f"{ENGINE}: {path} has no {' or '.join(usual)}; copy the whole model there")


def _need(file: Path, path: Path) -> None:
    if not file.is_file():
        raise ProviderUnavailable(f"{ENGINE}: {path} has no {file.name}; copy the whole model there")


def _text(file: Path) -> str:
    if file.stat().st_size > _MAX_CONFIG:
        raise ProviderUnavailable(f"{ENGINE}: {file} is larger than {_MAX_CONFIG >> 20} MiB; it is no configuration")
    return file.read_text(encoding="utf-8")
