"""The models that are on this machine: which there are, whether they are whole, and away with them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from asr_hub.errors import ConfigError, NotFound
from asr_hub.models import manifest
from asr_hub.models.catalogue import NAME, known
from asr_hub.models.folder import models_folder
from asr_hub.models.manifest import ListedFile, Manifest
from asr_hub.models.sources import is_safe


class Installed(msgspec.Struct, frozen=True):
    """A model's folder."""

    engine: str
    name: str
    path: Path
    manifest: Manifest | None
    """None for a folder that was put there by hand."""

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        if self.manifest is not None:
            return self.manifest.size
        return sum(path.lstat().st_size for path in self.path.rglob("*") if path.is_file())


def installed(env: Mapping[str, str] = os.environ) -> list[Installed]:
    """Every model that is here, by engine and name."""
    return [
        Installed(engine.name, folder.name, folder, _manifest(folder))
        for engine in _folders(models_folder(env))
        for folder in _folders(engine)
    ]


def one(name: str, engine: str | None = None, env: Mapping[str, str] = os.environ) -> Installed:
    """
    The model of this name or alias that is here.

    Raises NotFound where there is none, ConfigError where several engines have one of this name.
    """
    names = {name}
    for place in installed(env):
        model = known(name, place.engine)
        names |= {model.name} if model else set()
    found = [place for place in installed(env) if place.name in names and engine in (None, place.engine)]
    if not found:
        raise NotFound(f"{name!r} is not here; `asr-hub models list` shows what is, `asr-hub models pull` fetches")
    if len(found) > 1:
        raise ConfigError(f"{name!r}: say which one with --engine: {', '.join(place.engine for place in found)}")
    return found[0]


def faults(place: Installed) -> Iterator[str]:
    """
    What is wrong with a model's files: one line for each. Reads them all.

    Raises NotFound where the folder has no manifest, so that nothing can be told.
    """
    try:
        listed = manifest.read(place.path)
    except ConfigError as exc:
        yield str(exc)
        return
    if listed is None:
        raise NotFound(f"{place.name}: was not fetched by `asr-hub models pull`, so its checksums are not known")
    for file in listed.files:
        fault = _fault(place.path, file)
        if fault:
            yield f"{file.path}: {fault}"


def remove(place: Installed) -> None:
    """Delete a model. Raises ConfigError where the disk does not let it go."""
    doomed = place.path.with_name(f".{place.name}.gone")
    try:
        shutil.rmtree(doomed, ignore_errors=True)
        # A provider must never find half a model.
        place.path.rename(doomed)
        shutil.rmtree(doomed)
    except OSError as exc:
        raise ConfigError(f"{place.path} cannot be removed: {exc.strerror or exc}") from exc


def _folders(folder: Path) -> Sequence[Path]:
    try:
        return sorted(path for path in folder.iterdir() if NAME.fullmatch(path.name) and path.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as exc:
        raise ConfigError(f"{folder} cannot be read: {exc.strerror}") from exc


def _manifest(folder: Path) -> Manifest | None:
    try:
        return manifest.read(folder)
    except ConfigError:
        return None


def _fault(folder: Path, file: ListedFile) -> str:
    path = folder / file.path
    try:
        if not is_safe(file.path):
            return "is a path that leads out of the folder"
        size = path.stat().st_size
        if size != file.size:
            return f"has {size} bytes instead of {file.size}"
        digest = manifest.hasher(file)
        manifest.feed(path, digest)
    except (FileNotFoundError, NotADirectoryError):
        return "is missing"
    except OSError as exc:
        return f"cannot be read: {exc.strerror}"
    except ConfigError as exc:
        return str(exc)
    return "" if manifest.fits(file, digest) else "has another content: its checksum is wrong"
