"""Where the weights of a model are on this machine. Nothing is ever downloaded, and no engine is imported."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from asr_hub.errors import ProviderUnavailable
from asr_hub.models.catalogue import known
from asr_hub.models.folder import find

ENGINE = "faster-whisper"

_NEEDED = ("model.bin", "tokenizer.json")
_VOCABULARIES = ("vocabulary.json", "vocabulary.txt")


def weights(model: str, *, env: Mapping[str, str] = os.environ) -> Path:
    """
    The folder of `model`: a path, a name or `hf:OWNER/REPO`, in the models folder or in Hugging Face's cache.

    Raises ProviderUnavailable with what to do where it is not here, or where a file is missing in it. The engine itself
    would ask the network for a missing tokenizer, for half a minute.
    """
    folder = _folder(model, env)
    lacks = [name for name in _NEEDED if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        lacks.append(_VOCABULARIES[0])
    if lacks:
        raise ProviderUnavailable(
            f"{ENGINE}: {folder} has no {', no '.join(lacks)}; copy the whole model there. Weights that are not "
            f"converted need: ct2-transformers-converter --copy_files tokenizer.json preprocessor_config.json"
        )
    return folder


def _folder(model: str, env: Mapping[str, str]) -> Path:
    try:
        return find(model, engine=ENGINE, env=env)
    except ProviderUnavailable as exc:
        cached = _cached(model, env)
        if cached is None:
            raise
        if not cached.is_dir():
            raise ProviderUnavailable(f"{ENGINE}: {model!r} is not whole in Hugging Face's cache; {exc}") from exc
        return cached


def _cached(model: str, env: Mapping[str, str]) -> Path | None:
    """
    The model's folder in Hugging Face's cache, if it has one there.

    The layout: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
    """
    entry = known(model, ENGINE) or known(f"hf:{model}", ENGINE)
    if entry is None or not entry.source.startswith("hf:"):
        return None
    repository, _, revision = entry.source.removeprefix("hf:").partition("@")
    kept = _cache(env) / f"models--{repository.replace('/', '--')}"
    if not kept.is_dir():
        return None
    try:
        commit = (kept / "refs" / (revision or "main")).read_text().strip()
    except OSError:
        commit = revision
    return kept / "snapshots" / (commit or "main")


def _cache(env: Mapping[str, str]) -> Path:
    if cache := env.get("HF_HUB_CACHE"):
        return Path(cache)
    if home := env.get("HF_HOME"):
        return Path(home) / "hub"
    base = Path(env.get("XDG_CACHE_HOME") or Path(env.get("HOME") or Path.home()) / ".cache")
    return base / "huggingface" / "hub"
