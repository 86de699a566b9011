"""
A process that decodes files for clients, one after the other.

Run as `python -m asr_hub.hub.decoding_process FD`, where FD is a socket to the hub. It ends when the other end of it
closes, and with the hub. What files may do to it is bounded: memory, time of a processor, and it writes no files.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import msgspec

from asr_hub.audio.failures import failure_of
from asr_hub.audio.files import Limits, decode, decode_live
from asr_hub.errors import NotFound
from asr_hub.hub.decoding_messages import (
    Begin,
    End,
    FromDecoding,
    Live,
    Loaded,
    Piece,
    Samples,
    ToDecoding,
    Took,
    Whole,
)
from asr_hub.model import AudioFrame
from asr_hub.providers.confinement import confine, confine_cpu, peak_bytes
from asr_hub.providers.file_messages import Done, Failed
from asr_hub.providers.parent import die_with
from asr_hub.providers.worker_messages import frame, receive

_decoder: msgspec.msgpack.Decoder[ToDecoding] = msgspec.msgpack.Decoder(ToDecoding)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(os.getppid())
    with socket.socket(fileno=int(sys.argv[1])) as sock:
        hub = Hub(sock)
        try:
            begin = hub.hear()
            if isinstance(begin, Begin):
                confine(memory_bytes=begin.memory_bytes, file_bytes=0)
                hub.tell(Loaded())
                serve(hub, begin)
        except (BrokenPipeError, ConnectionResetError):
            return


class Hub:
    """The other end of the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def hear(self) -> ToDecoding | None:
        """Blocks; none where the hub wants nothing more. Raises OSError."""
        body = receive(self._sock)
        return None if body is None else _decoder.decode(body)

    def tell(self, message: FromDecoding) -> None:
        """Waits while the hub does not read. Raises OSError where the hub has gone."""
        self._sock.sendall(frame(message))


class Pieces:
    """A file that is coming in, as something to read from."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._rest = b""
        self._is_over = False

    def read(self, most: int) -> bytes:
        while not self._rest and not self._is_over:
            match self._hub.hear():
                case Piece(data):
                    self._rest = data
                    self._hub.tell(Took(len(data)))
                case End():
                    self._is_over = True
                case _:
                    raise ConnectionResetError
        data, self._rest = self._rest[:most], self._rest[most:]
        return data

    def drain(self) -> None:
        """Read what nobody wants to the end: the next file begins behind it."""
        while self.read(1 << 16):
            pass


def serve(hub: Hub, begin: Begin) -> None:
    """Decode files until the hub closes its end, or one leaves this process in doubt."""
    while isinstance(work := hub.hear(), Whole | Live):
        confine_cpu(begin.cpu_s)
        pieces = Pieces(hub)
        try:
            if isinstance(work, Whole):
                _tell_all(hub, _of_whole(work, begin.limits))
            else:
                _tell_all(hub, decode_live(pieces, limits=begin.limits))
                pieces.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise
        except Exception as exc:  # noqa: BLE001 - the edge of the process: whatever a file brings about is told
            error, is_last = failure_of(exc)
            # Pieces may still be on their way, and the next file could not be told from them.
            is_last = is_last or isinstance(work, Live)
            hub.tell(Failed.by(error, is_last=is_last))
            if is_last:
                if isinstance(work, Live):
                    # What the hub still writes would meet a closed end, and that overtakes what it was told.
                    pieces.drain()
                return
        else:
            hub.tell(Done(peak_bytes()))


def _of_whole(work: Whole, limits: Limits) -> Generator[AudioFrame, None, None]:
    path = Path(work.path)
    if not path.is_file():
        raise NotFound("the file is not there any more: send it again")
    return decode(path, limits=limits)


def _tell_all(hub: Hub, frames: Generator[AudioFrame, None, None]) -> None:
    with closing(frames):
        for each in frames:
            hub.tell(Samples(each.pcm))


if __name__ == "__main__":
    main()
