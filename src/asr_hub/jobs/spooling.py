"""The spool of a file on its way to the disk, and what says that it is whole."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

import msgspec

from asr_hub.jobs.job import Segment
from asr_hub.jobs.ports import Cut, Spool
from asr_hub.model import HUB_RATE, AudioFrame

PLAN = "cut.json"
"""Written last: a folder without it holds no whole spool."""

_LOCK = "lock"
_UNFINISHED = ".part"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What was made of a file, and of which, and how."""

    of: str
    """A hash of the file, the settings and the channels."""
    rate: int
    """Hertz"""
    channels: int
    samples: int
    """Of each channel"""
    segments: tuple[Segment, ...]
    warnings: tuple[str, ...] = ()


@contextmanager
def held(folder: Path, *, patient: bool = True) -> Iterator[None]:
    """
    Have a folder, which is made where it is not there, for this process and thread alone. Blocks.

    Raises BlockingIOError where another has it and this one is not patient.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if patient else fcntl.LOCK_NB))
        yield


def whole(folder: Path, of: str | None = None) -> Plan | None:
    """What says that a whole spool lies in a folder; nothing where there is none, or one of something else."""
    try:
        plan = msgspec.json.decode((folder / PLAN).read_bytes(), type=Plan)
        sizes = {_place(folder, channel).stat().st_size for channel in range(plan.channels)}
    except (OSError, msgspec.DecodeError):
        return None
    return plan if sizes == {2 * plan.samples} and of in (None, plan.of) else None


def cut_of(folder: Path, plan: Plan) -> Cut:
    return Cut(
        spool=Spool(folder=folder, rate=plan.rate, channels=plan.channels, samples=plan.samples),
        segments=plan.segments,
        warnings=plan.warnings,
    )


def sweep(folder: Path) -> None:
    """Delete what an ended process left unfinished; nothing where another one is at work there. Blocks."""
    if not folder.is_dir():
        return
    try:
        with held(folder, patient=False):
            for path in folder.glob(f"*{_UNFINISHED}"):
                path.unlink(missing_ok=True)
    except OSError:
        return


class SpoolWriter:
    """
    Writes the samples of each channel, under names that tell that they are not all there.

    A context; what is not finished in it is deleted. Hold the folder meanwhile. Raises OSError.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[BinaryIO] = []
        self.samples = 0
        """Of each channel"""

    @property
    def channels(self) -> int:
        """0 before the first frame."""
        return len(self._files)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for channel, file in enumerate(self._files):
            file.close()
            _unfinished(_place(self._folder, channel)).unlink(missing_ok=True)

    def write(self, frames: Sequence[AudioFrame]) -> None:
        """The next frame of each channel; all have the same length."""
        if not self._files:
            # What lay there belongs to other files, and would pass for this one's.
            (self._folder / PLAN).unlink(missing_ok=True)
            self._files = [_unfinished(_place(self._folder, channel)).open("wb") for channel in range(len(frames))]
        for file, frame in zip(self._files, frames, strict=True):
            file.write(frame.pcm)
        self.samples += frames[0].samples

    def finish(self, plan: Plan) -> None:
        """From here on the spool is whole, also after a loss of power."""
        for channel, file in enumerate(self._files):
            _sync(file)
            place = _place(self._folder, channel)
            _unfinished(place).rename(place)
        place = self._folder / PLAN
        with _unfinished(place).open("wb") as file:
            file.write(msgspec.json.encode(plan))
            _sync(file)
        _unfinished(place).rename(place)


def _place(folder: Path, channel: int) -> Path:
    return Spool(folder=folder, rate=HUB_RATE, channels=channel + 1, samples=0).path(channel)


def _unfinished(place: Path) -> Path:
    return place.with_name(place.name + _UNFINISHED)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
