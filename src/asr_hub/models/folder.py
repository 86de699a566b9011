"""Where models live on this machine: `<folder>/<engine>/<model>/`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from asr_hub.errors import NotFound, ProviderUnavailable
from asr_hub.models.catalogue import NAME, Model, catalogue, known, suggestion

VARIABLE = "ASR_HUB_MODELS"


def models_folder(env: Mapping[str, str] = os.environ) -> Path:
    """`$ASR_HUB_MODELS`, or `asr-hub/models` in the XDG data directory. It need not exist."""
    chosen = env.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    return data_folder(env) / "models"


def data_folder(env: Mapping[str, str] = os.environ) -> Path:
    """`asr-hub` in the XDG data directory: what this user keeps from one start to the next. It need not exist."""
    data = env.get("XDG_DATA_HOME", "")
    # The XDG base directory specification: a relative path is to be ignored.
    base = Path(data) if os.path.isabs(data) else Path(env.get("HOME") or Path.home()) / ".local" / "share"
    return base / "asr-hub"


def place(engine: str, name: str, *, env: Mapping[str, str] = os.environ) -> Path:
    """Where the model `name` of `engine` is or would be. Raises NotFound for what can be no name of a folder."""
    for part in (engine, name):
        if NAME.fullmatch(part) is None:
            raise NotFound(f"{part!r} is no name of a model; `asr-hub models list` shows the names")
    return models_folder(env) / engine / name


def find(name_or_path: str, *, engine: str, env: Mapping[str, str] = os.environ) -> Path:
    """
    The folder of a model: a directory that exists, else the model of this name or alias in the models folder.

    Raises ProviderUnavailable where it is not here; its message has the command that fetches it, and what to copy
    where on a machine without network.
    """
    path = _expanded(name_or_path)
    if os.path.isdir(path):
        return Path(path)
    model = known(name_or_path, engine)
    name = model.name if model else name_or_path
    if NAME.fullmatch(name) is None:
        raise ProviderUnavailable(_no_such_path(name_or_path, engine))
    folder = place(engine, name, env=env)
    if folder.is_dir():
        return folder
    raise ProviderUnavailable(
        f"{engine}: the model {name_or_path!r} is not here; {remedy(name, engine, folder, model)}"
    )


def remedy(name: str, engine: str, folder: Path, model: Model | None) -> str:
    """How a model comes to this machine, with network and without."""
    if model is None:
        put = f"put its files into {folder}, or see `asr-hub models list` for models that can be fetched"
        return " ".join(filter(None, (suggestion(name, engine), f"{put}. {holds(engine, folder)}")))
    return f"do: asr-hub models pull {pull_name(model)}. Without network: {by_hand(model, folder)}"


def by_hand(model: Model, folder: Path) -> str:
    """What to copy where, for a machine that cannot fetch the model."""
    return f"copy the model's files from {model.page} into {folder}. {holds(model.engine, folder)}"


def holds(engine: str, folder: Path) -> str:
    """What the engine needs in the folder."""
    files = catalogue().engines.get(engine)
    return f"{engine} needs {files.holds} in {folder.name}/" if files else f"{engine} reads {folder.name}/"


def pull_name(model: Model) -> str:
    """What to write after `asr-hub models pull`."""
    listed = any(model.name == other.name and model.engine == other.engine for other in catalogue().models)
    return model.name if listed else f"{model.source} --engine {model.engine}"


def _expanded(path: str) -> str:
    try:
        return os.path.expanduser(path)
    except ValueError:
        # `~` before what no system takes for a name of a user.
        return path


def _no_such_path(name_or_path: str, engine: str) -> str:
    remote = f"hf:{name_or_path}"
    if known(remote, engine) is not None:
        return (
            f"{engine}: there is no folder {name_or_path!r}; for the repository of Hugging Face "
            f"do: asr-hub models pull {remote} --engine {engine}, and name the model {remote}"
        )
    return f"{engine}: there is no folder {name_or_path!r}; name a folder that is here, or a model by its name"
