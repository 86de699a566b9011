"""A process that decodes files for clients: the hub's end of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import msgspec

from asr_hub.audio.files import Limits
from asr_hub.errors import (
    HubError,
    ProviderTimeout,
)
from asr_hub.hub.decoding_messages import Begin, End, FromDecoding, Live, Piece, Samples, Took, Whole
from asr_hub.providers.file_messages import Done, Failed
from asr_hub.providers.file_process import FileProcess
from asr_hub.telemetry import logs

PIECE_BYTES = 1 << 16
"""Of a file that is coming in, in one message at most."""

_log = logs.get(__name__)
_decoder: msgspec.msgpack.Decoder[FromDecoding] = msgspec.msgpack.Decoder(FromDecoding)


class DecoderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What one file may have and take. Times are seconds."""

    limits: Limits = Limits()
    stall_s: float = 60.0
    """Without an answer of a process that has something to do, after which its file is given up."""
    cpu_s: float = 900.0
    """Of a processor, for one file."""
    memory_bytes: int = 512 * 2**20
    """What a process may take beyond what it begins with."""


class Decoder:
    """Decodes one file at a time."""

    def __init__(self, settings: DecoderSettings) -> None:
        self.files = 0
        """That it was given."""
        self.is_ready = False
        """It waits for a file."""
        self._settings = settings
        self._process = FileProcess("decoding", "asr_hub.hub.decoding_process")
        self.rest = self._process.rest
        self.wake = self._process.wake
        self._owed = 0
        """What it was sent and has not read yet: it has something to do."""
        self._patience: asyncio.Timeout | None = None
        """Of whoever waits for it."""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive

    async def start(self) -> None:
        """Waits until it is loaded. Raises OSError, ProviderDied, ProviderTimeout."""
        it = self._settings
        await self._process.start(Begin(limits=it.limits, memory_bytes=it.memory_bytes, cpu_s=it.cpu_s))
        self._owed = 1
        await self._next()
        self.is_ready = True

    async def decode(
        self, work: Whole | Live, pieces: AsyncIterator[bytes] | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Have a file decoded. Raises as `Decoders.decoded` does, and what `pieces` raises."""
        self.is_ready = False
        self.files += 1
        self._owed = 0 if pieces is not None else 1
        self._process.send(work)
        feeding = None if pieces is None else asyncio.create_task(self._feed(pieces), name="decoding: pieces")
        try:
            while True:
                try:
                    message = await self._next()
                except HubError:
                    # Where the pieces ended with an error, it is that one.
                    if feeding is not None and feeding.done():
                        feeding.result()
                    raise
                match message:
                    case Samples(pcm):
                        yield pcm
                    case Took(size):
                        self._owed -= size
                    case Done(peak):
                        _log.debug("decoding.done", pid=self.pid, peak_bytes=peak)
                        self.is_ready = True
                        return
                    case Failed() as failed:
                        self.is_ready = not failed.is_last
                        raise failed.error()
        finally:
            if feeding is not None:
                feeding.cancel()
                await asyncio.wait((feeding,))
                if not feeding.cancelled():
                    feeding.exception()

    async def end(self, *, at_once: bool) -> None:
        """End the process and wait for it. One that waits for a file ends by itself."""
        self.is_ready = False
        await self._process.end(at_once=at_once)

    async def _feed(self, pieces: AsyncIterator[bytes]) -> None:
        """Send what comes, as fast as it is read."""
        try:
            async for data in pieces:
                for at in range(0, len(data), PIECE_BYTES):
                    piece = data[at : at + PIECE_BYTES]
                    self._owe(len(piece))
                    self._process.send(Piece(piece))
                    await self._process.drain()
                    # Pieces that are all there would have the loop to themselves.
                    await asyncio.sleep(0)
            # Until it has told everything.
            self._owe(1)
            self._process.send(End())
            await self._process.drain()
        except OSError:
            # It has ended, and whoever reads from it is told so.
            return
        except BaseException:
            # Whoever reads from it is woken.
            self._process.kill()
            raise

    def _owe(self, size: int) -> None:
        if not self._owed and self._patience is not None and not self._patience.expired():
            self._patience.reschedule(self._deadline())
        self._owed += size

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._settings.stall_s

    async def _next(self) -> FromDecoding:
        try:
            async with asyncio.timeout_at(self._deadline() if self._owed else None) as self._patience:
                return _decoder.decode(await self._process.receive())
        except TimeoutError:
            raise ProviderTimeout(
                "decoding the file came to a halt: try again, or convert it", code="decode-timeout"
            ) from None
        except OSError:
            raise await self._process.died() from None
        finally:
            self._patience = None
