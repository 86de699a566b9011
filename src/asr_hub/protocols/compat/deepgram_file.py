"""A whole file of a client of Deepgram, which waits for what was heard in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import msgspec
from fastapi import Request

from asr_hub.access.grant import Grant
from asr_hub.model import AudioFormat
from asr_hub.protocols.compat.hearing import Taken, hear_file
from asr_hub.protocols.compat.ports import Compat
from asr_hub.protocols.dialogue import Dialogue
from asr_hub.protocols.jobs_upload import Body, Uploads
from asr_hub.wire.dialects.deepgram_file import HEAD_BYTES, Heard, is_raw_audio
from asr_hub.wire.messages import Start


class WholeFiles:
    """Files that come as the body of a request."""

    def __init__(self, compat: Compat, uploads: Uploads, *, protocol: str, stopping: asyncio.Event) -> None:
        self._compat = compat
        self._uploads = uploads
        self._protocol = protocol
        self._stopping = stopping

    async def hear(
        self, request: Request, body: Body, start: Start, grant: Grant, *, is_raw: bool, created: str
    ) -> Heard:
        """
        Take a file and hear it. Nothing of it is left then.

        `is_raw`: it is samples in the format of `start`, unless it has the header of an audio file.

        Raises what `Uploads.whole`, `HubPort.open` and `hear_file` raise, and ClientDisconnect.
        """
        compat = self._compat
        async with self._uploads.whole(body) as upload:
            dialogue = Dialogue(compat.hub, protocol=self._protocol, grant=grant, limits=compat.limits)
            taken = Taken()
            if is_raw and is_raw_audio(await asyncio.to_thread(_head, upload.path)):
                pieces = _samples(upload.path, start.format.bytes_per_frame)
            else:
                start = msgspec.structs.replace(start, format=AudioFormat())
                pieces = compat.files.decoded(upload.path)
            try:
                dialogue.take(start)
                samples = await hear_file(
                    dialogue,
                    pieces,
                    taken.tell,
                    limits=compat.limits,
                    stopping=self._stopping,
                    receive=request.receive,
                )
            finally:
                dialogue.leave()
        return Heard(
            session=taken.session,
            provider=taken.provider,
            created=created,
            sha256=upload.sha256,
            duration_ms=samples * 1000 // start.format.sample_rate,
            readings=taken.readings,
        )


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


async def _samples(path: Path, frame: int) -> AsyncGenerator[bytes, None]:
    """Whole samples of every channel, each of `frame` bytes; half a one at the end is left out."""
    most = PIECE_BYTES // frame * frame
    with path.open("rb") as file:
        while data := await asyncio.to_thread(file.read, most):
            yield data[: len(data) // frame * frame]


PIECE_BYTES = 1 << 16
"""Of raw audio that are heard at a time."""
