"""A whole file of a client of Deepgram, which waits for what was heard in it."""

from __future__ import annotations

import asyncio

from fastapi import Request

from asr_hub.access.grant import Grant
from asr_hub.model import HUB_RATE
from asr_hub.protocols.compat.hearing import Taken, hear_file
from asr_hub.protocols.compat.ports import Compat
from asr_hub.protocols.dialogue import Dialogue
from asr_hub.protocols.jobs_upload import Body, Uploads
from asr_hub.wire.dialects.deepgram_file import Heard
from asr_hub.wire.messages import Start


class WholeFiles:
    """Files that come as the body of a request."""

    def __init__(self, compat: Compat, uploads: Uploads, *, protocol: str, stopping: asyncio.Event) -> None:
        self._compat = compat
        self._uploads = uploads
        self._protocol = protocol
        self._stopping = stopping

    async def hear(self, request: Request, body: Body, start: Start, grant: Grant, *, created: str) -> Heard:
        """
        Take a file and hear it. Nothing of it is left then.

        Raises what `Uploads.whole`, `HubPort.open` and `hear_file` raise, and ClientDisconnect.
        """
        compat = self._compat
        async with self._uploads.whole(body) as upload:
            dialogue = Dialogue(compat.hub, protocol=self._protocol, grant=grant, limits=compat.limits)
            taken = Taken()
            try:
                dialogue.take(start)
                samples = await hear_file(
                    dialogue,
                    compat.files.decoded(upload.path),
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
            duration_ms=samples * 1000 // HUB_RATE,
            readings=taken.readings,
        )
