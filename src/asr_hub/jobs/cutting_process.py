"""
A process that decodes files and cuts them, one after the other.

Run as `python -m asr_hub.jobs.cutting_process FD`, where FD is a socket to the hub. It ends when the other end of it
closes, and with the hub. What files may do to it is bounded: memory, the size of what it writes, time of a processor.
"""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import sys
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import msgspec

from asr_hub.audio.failures import failure_of as files_failure_of
from asr_hub.audio.files import decode, decode_apart, probe
from asr_hub.audio.operators.base import Vad
from asr_hub.audio.operators.fsmn import FsmnVad
from asr_hub.audio.operators.light import LightVad
from asr_hub.audio.operators.silero import SileroVad
from asr_hub.errors import NotFound, UnsupportedAudio
from asr_hub.jobs.cutting_messages import Begin, CutSettings, Decoded, FromCutting, ToCutting, Work
from asr_hub.jobs.job import Channels
from asr_hub.jobs.segmenting import Segmenter
from asr_hub.jobs.spooling import Plan, SpoolWriter, held, whole
from asr_hub.model import HUB_RATE, AudioFrame
from asr_hub.providers.confinement import confine, confine_cpu, peak_bytes
from asr_hub.providers.file_messages import Done, Failed
from asr_hub.providers.parent import die_with
from asr_hub.providers.worker_messages import frame, receive

TELEPHONE_RATE = 8_000
"""Hertz. A file at this rate is not resampled: an engine may prefer it so."""

EDITION = 1
"""Raised where the same file with the same settings begins to give other segments."""

NICENESS = 5
"""A third of a processor's time, where live sessions want the rest of it."""

_TOLD_EVERY_S = 0.25
_PIECE = 1 << 18
_decoder: msgspec.msgpack.Decoder[ToCutting] = msgspec.msgpack.Decoder(ToCutting)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(os.getppid())
    os.nice(NICENESS)
    with socket.socket(fileno=int(sys.argv[1])) as sock:
        hub = Hub(sock)
        try:
            begin = hub.hear()
            if isinstance(begin, Begin):
                serve(hub, begin)
        except (BrokenPipeError, ConnectionResetError):
            return


class Hub:
    """The other end of the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._told = 0.0

    def hear(self) -> ToCutting | None:
        """Blocks; none where the hub wants nothing more. Raises OSError."""
        body = receive(self._sock)
        return None if body is None else _decoder.decode(body)

    def tell(self, message: FromCutting) -> None:
        """Raises OSError where the hub has gone."""
        self._sock.sendall(frame(message))

    def tell_now_and_then(self, seconds: float) -> None:
        """So much is decoded."""
        now = time.monotonic()
        if now - self._told >= _TOLD_EVERY_S:
            self._told = now
            self.tell(Decoded(seconds))


def serve(hub: Hub, begin: Begin) -> None:
    """Cut files until the hub closes its end, or one leaves this process in doubt."""
    cutting: Cutting | None = None
    while isinstance(work := hub.hear(), Work):
        try:
            if cutting is None:
                cutting = Cutting(begin.settings, hub)
                longest = 2 * HUB_RATE * (int(begin.settings.limits.seconds) + 60)
                confine(memory_bytes=begin.memory_bytes, file_bytes=longest)
            confine_cpu(begin.cpu_s)
            cutting.cut(work)
        except (BrokenPipeError, ConnectionResetError):
            raise
        except Exception as exc:  # noqa: BLE001 - the edge of the process: whatever a file brings about is told
            failed = failure_of(exc)
            hub.tell(failed)
            if failed.is_last:
                return
        else:
            hub.tell(Done(peak_bytes()))


class Cutting:
    """Cuts one file after the other, with one VAD."""

    def __init__(self, settings: CutSettings, hub: Hub) -> None:
        """Raises what keeps the VAD from loading."""
        self._settings = settings
        self._hub = hub
        self._vad = _vad(settings)

    def cut(self, work: Work) -> None:
        """Leave a whole spool in the folder. Raises HubError, OSError, and whatever a hostile file brings about."""
        source, folder = Path(work.source), Path(work.folder)
        if not source.is_file():
            raise NotFound("the audio is not there any more: send it again")
        with held(folder):
            of = self._hash(source, work.channels)
            if whole(folder, of) is None:
                self._decode(source, folder, work.channels, of)

    def _decode(self, source: Path, folder: Path, channels: Channels, of: str) -> None:
        it = self._settings
        rate = TELEPHONE_RATE if probe(source, limits=it.limits).rate == TELEPHONE_RATE else HUB_RATE
        segmenter, warnings = None, []
        with SpoolWriter(folder) as spool, closing(self._frames(source, rate, channels)) as rows:
            try:
                for frames in rows:
                    segmenter = segmenter or Segmenter(
                        rate, len(frames), self._vad, it.endpoint, overlap_s=it.overlap_s
                    )
                    spool.write(frames)
                    segmenter.take(frames)
                    self._hub.tell_now_and_then(spool.samples / rate)
            except UnsupportedAudio as exc:
                # What was said until a file breaks off is worth having.
                if exc.code != "truncated-audio" or segmenter is None:
                    raise
                warnings = [f"{exc.code}: {exc}"]
            spool.finish(
                Plan(
                    of=of,
                    rate=rate,
                    channels=spool.channels,
                    samples=spool.samples,
                    segments=segmenter.finish() if segmenter else (),
                    warnings=tuple(warnings),
                )
            )

    def _frames(self, source: Path, rate: int, channels: Channels) -> Generator[tuple[AudioFrame, ...], None, None]:
        if channels is Channels.SPLIT:
            yield from decode_apart(source, rate, limits=self._settings.limits)
        else:
            yield from ((frame,) for frame in decode(source, rate, limits=self._settings.limits))

    def _hash(self, source: Path, channels: Channels) -> str:
        made = hashlib.sha256(msgspec.json.encode((EDITION, self._settings, channels)))
        with source.open("rb") as file:
            while piece := file.read(_PIECE):
                made.update(piece)
                self._hub.tell_now_and_then(0.0)
        return made.hexdigest()


def failure_of(exc: Exception) -> Failed:
    """What is told of an error. No path of this machine is in it: it reaches whoever sent the file."""
    error, is_last = files_failure_of(exc)
    return Failed.by(error, is_last=is_last)


def _vad(settings: CutSettings) -> Vad | None:
    match settings.vad:
        case "silero":
            return SileroVad() if settings.gate else SileroVad(gate=None)
        case "fsmn" if settings.vad_model is not None:
            return FsmnVad(Path(settings.vad_model))
        case "light":
            return LightVad()
        case _:
            return None


if __name__ == "__main__":
    main()
