"""What a hub that starts knows of a recording: what broke off is put right, and what rotted is told."""

from __future__ import annotations

import calendar
import contextlib
import fcntl
import time

from msgspec.structs import replace

from asr_hub.errors import HubError
from asr_hub.recordings.counting import counted
from asr_hub.recordings.files import write_meta
from asr_hub.recordings.format import JOURNAL, PLAIN_CHARS, SESSION_AT, BadRecording, Folder, Meta, lines_of
from asr_hub.telemetry import logs

_log = logs.get("asr_hub.recordings")


def known(folder: Folder) -> Meta:
    """What a recording is, and what is wrong with it (`damage`). Waits for the disk, and writes what it put right."""
    try:
        meta = folder.meta()
    except HubError as exc:
        return _guessed(folder, str(exc))
    return _mended(folder, meta) if meta.ended_at is None else meta


def _mended(folder: Folder, meta: Meta) -> Meta:
    """
    What a recording has that broke off, its journal cut behind the last whole fact; of what is damaged, what is sound.

    It stays as it is where another hub makes it.
    """
    try:
        with (folder.path / JOURNAL).open("r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return meta
            with contextlib.suppress(BadRecording):
                file.truncate(sum(len(line) for line in lines_of(file)))
            mended = replace(counted(folder, meta), bytes=_size(folder))
            write_meta(folder.path, mended)
            return mended
    except OSError as exc:
        _log.warning("recorder.unmended", recording=folder.path.name, detail=exc.strerror)
        return replace(counted(folder, meta), bytes=_size(folder))


def _guessed(folder: Folder, damage: str) -> Meta:
    """What is known of a recording that does not say what it is. None of it is changed: another release may read it."""
    name = folder.path.name
    try:
        began = float(calendar.timegm(time.strptime(name[: SESSION_AT - 1], "%Y%m%d-%H%M%S")))
    except ValueError:
        began = folder.path.stat().st_mtime
    meta = Meta(name=name, session=name[SESSION_AT:PLAIN_CHARS], started_at=began, damage=damage)
    # How fast its audio was is not known.
    return replace(counted(folder, meta), samples=0, bytes=_size(folder))


def _size(folder: Folder) -> int:
    return sum(one.stat().st_size for one in folder.path.rglob("*") if one.is_file())
