"""
The log as files, for who keeps it: `access.log`, `worker.log` and `error.log`, each as JSON Lines.

    configure_files(Path("logs"), max_bytes=10 * 2**20, keep=5)
    …
    close_files()

A record is made into its line where it comes up, and written by a thread: the event loop waits for no disk.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from asr_hub.errors import ConfigError
from asr_hub.telemetry import logs
from asr_hub.telemetry.rotating_file import RotatingFile

ACCESS = "asr_hub.http"
"""The logger of HTTP requests. What is said to it goes to `access.log` alone, and nowhere without log files."""

WORKER = "asr_hub.jobs"
"""The loggers below it go to `worker.log`."""

MAX_WAITING = 10_000
"""Lines that may wait for the disk. Past that they are lost to the files, and a line there says how many."""

_CLOSING_S = 5.0
"""Seconds that a disk that does not answer may hold up who closes the files."""

_OFF = logging.CRITICAL + 1

_log = logs.get(__name__)


def configure_files(folder: Path | None, *, max_bytes: int, keep: int) -> None:
    """
    Write the process's log to files in `folder` too, or no longer where that is none.

    A file is begun anew before it has more than `max_bytes`; `keep` older ones stay of each. May be called again, and
    then what waits is written first: this may block for as long as the disk takes, 5 s at most.
    Raises ConfigError where the folder cannot be written; the former files are then written on.
    """
    wanted = _Wanted(folder, max_bytes, keep) if folder is not None else None
    former = _now.files
    if former is not None and former.wanted == wanted:
        return
    files = _Files(wanted) if wanted is not None else None
    _now.files = files
    if files is not None:
        files.attach()
    if former is not None:
        former.detach()
        former.close()
    _access.setLevel(logging.INFO if files is not None else _OFF)
    # Only now: a folder that is the same is not written by two.
    if files is not None:
        files.start()


def check_files(folder: Path | None, *, max_bytes: int, keep: int) -> None:
    """Whether `configure_files` could. Raises ConfigError; the files are made."""
    if folder is not None:
        for file in _opened(_Wanted(folder, max_bytes, keep)).values():
            file.close()


def close_files() -> None:
    """Write what waits, and no more. Blocks as `configure_files` does."""
    configure_files(None, max_bytes=1, keep=1)


class _Wanted(NamedTuple):
    folder: Path
    max_bytes: int
    keep: int


class _Files:
    """The files of one folder, their handlers, and the thread that writes."""

    def __init__(self, wanted: _Wanted) -> None:
        self.wanted = wanted
        self._waiting: queue.Queue[tuple[RotatingFile, bytes] | None] = queue.Queue(MAX_WAITING)
        self._lost = 0
        self._failing: set[RotatingFile] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="log files", daemon=True)
        opened = _opened(wanted)
        self._files = tuple(opened.values())
        self._error = opened["error"]
        self._handlers: Mapping[str | None, logging.Handler] = {
            ACCESS: _Lines(self, opened["access"]),
            WORKER: _Lines(self, opened["worker"]),
            None: _Lines(self, opened["error"], logging.WARNING),
        }

    def attach(self) -> None:
        for name, handler in self._handlers.items():
            logging.getLogger(name).addHandler(handler)

    def detach(self) -> None:
        for name, handler in self._handlers.items():
            logging.getLogger(name).removeHandler(handler)

    def start(self) -> None:
        self._thread.start()

    def put(self, file: RotatingFile, line: bytes) -> None:
        try:
            self._waiting.put_nowait((file, line))
        except queue.Full:
            self._count_lost(1)

    def close(self) -> None:
        try:
            self._waiting.put(None, timeout=_CLOSING_S)
        except queue.Full:
            return
        self._thread.join(_CLOSING_S)

    def _run(self) -> None:
        while (next_one := self._waiting.get()) is not None:
            file, line = next_one
            if self._write(file, line) and self._lost and self._error not in self._failing:
                self._tell_lost()
        if self._lost:
            self._tell_lost()
        for file in self._files:
            file.close()

    def _write(self, file: RotatingFile, line: bytes) -> bool:
        try:
            file.write(line)
        except OSError as exc:
            self._count_lost(1)
            # Once: the warning comes here too, and may be the next that cannot be written.
            if file not in self._failing:
                self._failing.add(file)
                _log.warning("log_files.write", path=file.path, detail=exc.strerror)
            return False
        self._failing.discard(file)
        return True

    def _tell_lost(self) -> None:
        with self._lock:
            lost, self._lost = self._lost, 0
        record = logging.LogRecord(__name__, logging.WARNING, "", 0, "log_files.lost", None, None)
        record.fields = {"lines": lost}
        if not self._write(self._error, _line(record)):
            self._count_lost(lost)

    def _count_lost(self, lines: int) -> None:
        with self._lock:
            self._lost += lines


def _opened(wanted: _Wanted) -> dict[str, RotatingFile]:
    """Raises ConfigError."""
    opened: dict[str, RotatingFile] = {}
    try:
        for name in ("access", "worker", "error"):
            path = wanted.folder / f"{name}.log"
            opened[name] = RotatingFile(path, max_bytes=wanted.max_bytes, keep=wanted.keep)
    except OSError as exc:
        for file in opened.values():
            file.close()
        raise ConfigError(
            f"logging.folder: cannot write {wanted.folder}: {exc.strerror}; choose another folder, or leave it out"
        ) from None
    return opened


class _Lines(logging.Handler):
    """Gives the line of each record to the thread."""

    def __init__(self, files: _Files, file: RotatingFile, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self._files = files
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._files.put(self._file, _line(record))
        except Exception:  # noqa: BLE001 - as the handlers of the standard library: a record never stops who logs it
            self.handleError(record)


class _Now:
    """Set by `configure_files`: as the log itself, there is one of it in a process."""

    files: _Files | None = None


_now = _Now()
_json = logs.JsonFormatter()
_access = logging.getLogger(ACCESS)
_access.propagate = False
_access.setLevel(_OFF)


def _line(record: logging.LogRecord) -> bytes:
    return _json.format(record).encode("utf-8", "backslashreplace") + b"\n"
