"""The folder of the recordings: what there is, what is kept, and what comes in from elsewhere."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec.structs import replace

from asr_hub.errors import ConfigError, NotFound, Overloaded
from asr_hub.recordings.archive import unpacked
from asr_hub.recordings.checking import checked
from asr_hub.recordings.files import PRIVATE, write_meta
from asr_hub.recordings.format import JOURNAL, NAME, PLAIN_CHARS, SESSION_AT, BadRecording, Folder, Meta
from asr_hub.recordings.mending import known
from asr_hub.store.journal import CorruptJournal
from asr_hub.telemetry import logs

_log = logs.get("asr_hub.recordings")

DAY_S = 86_400.0

UPLOAD_PREFIX = "upload-"
"""How the names of folders begin whose recording is not whole yet."""

_LARGEST_SUFFIX = 10_000


class Keep(msgspec.Struct, frozen=True, kw_only=True):
    """How many recordings stay, the newest; each of the bounds holds."""

    recordings: int = 1000
    days: float = 30.0
    bytes: int = 20 << 30


class Library:
    """
    The recordings of a folder that are over. `load` first.

    What waits for the disk says so: call it on a thread. The others only look at what is known.
    """

    def __init__(self, folder: Path, keep: Keep, *, max_bytes: int, now: Callable[[], float] = time.time) -> None:
        """`max_bytes`: of one recording that comes from elsewhere."""
        self.folder = folder
        self._keep = keep
        self._max_bytes = max_bytes
        self._now = now
        self._metas: dict[str, Meta] = {}
        self._names: set[str] = set()
        """Of those that are there, and those that are being made."""
        self._turn = threading.Lock()

    def load(self) -> None:
        """See what there is, and put right what broke off. Waits for the disk. Raises ConfigError."""
        try:
            folders = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        except OSError as exc:
            raise ConfigError(f"recorder.folder: cannot read {self.folder}: {exc.strerror}; choose another") from None
        for path in folders:
            if path.name.startswith(UPLOAD_PREFIX):
                _remove(path)
            elif NAME.fullmatch(path.name) is not None and path.is_dir():
                self._see(path)
        self.sweep()

    def make(self) -> None:
        """The folder itself, which need not be there. Waits for the disk. Raises ConfigError."""
        try:
            self.folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        except OSError as exc:
            raise ConfigError(f"recorder.folder: cannot make {self.folder}: {exc.strerror}; choose another") from None

    def all(self) -> list[Meta]:
        """The newest first."""
        return sorted(self._metas.values(), key=lambda meta: (meta.started_at, meta.name), reverse=True)

    def meta(self, name: str) -> Meta | None:
        return self._metas.get(name)

    def path(self, name: str) -> Path:
        """Where the recording of this name is, or would be. Raises NotFound for what can be no name of one."""
        if NAME.fullmatch(name) is None:
            raise NotFound(
                f"no recording is called {name[:64]!r}; GET /v1/recordings lists them", code="unknown-recording"
            )
        return self.folder / name

    def put(self, meta: Meta) -> None:
        """A recording is over."""
        self._metas[meta.name] = meta

    def damaged(self, name: str, damage: str) -> None:
        """It was found out that a recording cannot be read to its end."""
        if (meta := self._metas.get(name)) is not None and not meta.damage:
            self._metas[name] = replace(meta, damage=damage)
            _log.warning("recorder.damaged", recording=name, detail=damage)

    def new_name(self, session: str, at: float) -> str:
        """For a recording of a session that begins at `at`. It is given out once."""
        return self._free_name(f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(at))}-{session}")

    def delete(self, name: str) -> None:
        """Waits for the disk. Raises NotFound."""
        path = self.path(name)
        with self._turn:
            if self._metas.pop(name, None) is None:
                raise NotFound(
                    f"no recording is called {name!r}; it was deleted, or never there", code="unknown-recording"
                )
            shutil.rmtree(path, ignore_errors=True)
            self.release(name)

    def release(self, name: str) -> None:
        """A name that was given out, and of which there is nothing."""
        self._names.discard(name)

    def sweep(self) -> None:
        """Delete what is too old, or too much, the oldest first. Waits for the disk."""
        too_old = self._now() - self._keep.days * DAY_S
        size = 0
        for count, meta in enumerate(sorted(self._metas.values(), key=_here_since, reverse=True), start=1):
            size += meta.bytes
            if count > self._keep.recordings or size > self._keep.bytes or meta.here_since < too_old:
                with contextlib.suppress(NotFound):
                    self.delete(meta.name)
                    _log.info("recorder.deleted", recording=meta.name)

    def add(self, zip: Path) -> Meta:
        """
        Take a recording from a zip, once it has been read to its end. Waits for the disk.

        Raises BadRecording, TooLarge, Overloaded (`disk-full`).
        """
        self.make()
        folder = self.folder / f"{UPLOAD_PREFIX}{secrets.token_hex(8)}"
        try:
            folder.mkdir(mode=PRIVATE)
            size = unpacked(zip, folder, max_bytes=self._max_bytes)
            given = Folder(folder).meta()
            if NAME.fullmatch(given.name) is None or given.name[SESSION_AT:PLAIN_CHARS] != given.session:
                raise BadRecording(
                    f"its name, {given.name[:64]!r}, is not that of a recording of {given.session[:64]!r}"
                )
            found = checked(Folder(folder), given)
            name = self._free_name(given.name[:PLAIN_CHARS])
            meta = replace(found, name=name, origin="uploaded", added_at=self._now(), bytes=size, damage="")
            write_meta(folder, meta)
            folder.rename(self.path(meta.name))
        except CorruptJournal as exc:
            raise BadRecording(str(exc)) from exc
        except NotFound as exc:
            raise BadRecording(f"it has no {JOURNAL}: {exc}") from exc
        except OSError as exc:
            raise Overloaded(
                f"the hub cannot write the recording down: {exc.strerror}; try again later",
                code="disk-full",
                retry_after=60,
            ) from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self.put(meta)
        return meta

    def _free_name(self, wanted: str) -> str:
        name = wanted
        for suffix in range(2, _LARGEST_SUFFIX):
            if name not in self._names and not (self.folder / name).exists():
                break
            name = f"{wanted}-{suffix}"
        self._names.add(name)
        return name

    def _see(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            if not any(path.iterdir()):
                return
        meta = known(Folder(path))
        if meta.damage:
            _log.warning("recorder.damaged", recording=path.name, detail=meta.damage)
        self._names.add(path.name)
        self._metas[path.name] = replace(meta, name=path.name)


def _here_since(meta: Meta) -> tuple[float, str]:
    return meta.here_since, meta.name


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
