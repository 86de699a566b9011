"""
Logs: a static message and fields, as text for people or JSON for machines.

    log = logs.get(__name__)
    log.info("session.opened", session=session.id, provider=name)

What people said is personal data. A field named in `PERSONAL`, at any depth, is left out of the record, before any
handler sees it, unless `configure(transcripts=True)` was asked for.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TextIO

import msgspec

if TYPE_CHECKING:
    _StreamHandler = logging.StreamHandler[TextIO]
else:
    _StreamHandler = logging.StreamHandler

PERSONAL = frozenset({"text", "words", "hypothesis", "transcript", "phrase", "hotwords"})
"""Fields that may hold what was said."""

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["text", "json"]


class Log:
    """A named logger that takes fields. Made by `get`."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, event: str, **fields: object) -> None:
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, **fields: object) -> None:
        self._write(logging.ERROR, event, fields)

    def exception(self, event: str, exc: BaseException, /, **fields: object) -> None:
        """An error with its traceback."""
        self._write(logging.ERROR, event, fields, exc)

    def _write(self, level: int, event: str, fields: Mapping[str, object], exc: BaseException | None = None) -> None:
        if not self._logger.isEnabledFor(level):
            return
        kept = fields if _privacy.shows_transcripts else _without_personal(fields)
        self._logger.log(level, event, extra={"fields": kept}, exc_info=exc, stacklevel=3)


def get(name: str) -> Log:
    """The logger of a module: `logs.get(__name__)`."""
    return Log(logging.getLogger(name))


def configure(
    level: Level = "info", format: Format = "text", transcripts: bool = False, *, stream: TextIO | None = None
) -> None:
    """
    Send the process's logs to `stream`, stderr by default.

    `level` holds for the hub; other packages say warnings and errors only. May be called again: the last call holds.
    """
    handler = _Handler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter())
    root = logging.getLogger()
    for old in [existing for existing in root.handlers if isinstance(existing, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("asr_hub").setLevel(level.upper())
    _privacy.shows_transcripts = transcripts


class TextFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.000Z info    asr_hub.hub session.opened session=k3 provider=pocketsphinx`"""

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {key}={_text(value)}" for key, value in _fields(record).items())
        line = f"{_time(record)} {record.levelname.lower():<7} {record.name} {_line(record.getMessage())}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object per line. A field that is named like one of the record's own gets a `_` behind."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        for key, value in _fields(record).items():
            entry[f"{key}_" if key in entry else key] = _plain(value)
        return _json(entry)


class _Handler(_StreamHandler):
    """Ours, so that a second `configure` finds and replaces it."""


class _Privacy:
    """Set by `configure`, read by every `Log`: what is left out is left out for the handlers of others too."""

    shows_transcripts = False


_privacy = _Privacy()


def _without_personal(value: Any) -> Any:  # whatever a field holds
    plain = _plain(value)
    if isinstance(plain, dict):
        return {key: _without_personal(inner) for key, inner in plain.items() if key not in PERSONAL}
    if isinstance(plain, list):
        return [_without_personal(inner) for inner in plain]
    return plain


def _plain(value: object) -> Any:  # what JSON can hold
    return msgspec.to_builtins(value, enc_hook=_foreign, str_keys=True)


def _foreign(value: object) -> object:
    """An error is what it says, anything else what it is: a `repr` could hold what was said."""
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    return str(value) if hasattr(value, "__fspath__") else f"<{type(value).__name__}>"


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return dict(getattr(record, "fields", {}))


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(value: object) -> str:
    plain = _plain(value)
    if isinstance(plain, str) and plain and plain.isprintable() and not set(plain) & set(' "='):
        return plain
    return _json(plain)


def _json(value: object) -> str:
    """Readable, except that what a terminal or a reader of lines could take for a command is escaped."""
    line = json.dumps(value, ensure_ascii=False)
    return line if line.isprintable() else json.dumps(value)


def _line(message: str) -> str:
    """Keeps one record on one line, whatever was put into it."""
    return message if message.isprintable() else json.dumps(message)
