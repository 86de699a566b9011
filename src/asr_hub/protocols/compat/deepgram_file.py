"""A whole file of a client of Deepgram, which waits for what was heard in it."""

from __future__ import annotations

import asyncio
from functools import partial

from fastapi import Request

from asr_hub.access.grant import Grant
from asr_hub.model import HUB_RATE, Hypothesis
from asr_hub.protocols.compat.hearing import hear_file
from asr_hub.protocols.compat.ports import Compat
from asr_hub.protocols.dialogue import Dialogue
from asr_hub.protocols.jobs_upload import Body, Uploads
from asr_hub.wire.dialects.deepgram_file import Heard
from asr_hub.wire.messages import AnyServerMessage, Final, Ready, Revision, Start


class Taken:
    """What a session says of a file: the newest reading of each utterance."""

    def __init__(self) -> None:
        self.session = ""
        self.provider = ""
        self._readings: dict[int, Hypothesis] = {}

    @property
    def readings(self) -> tuple[Hypothesis, ...]:
        """In the order of the utterances."""
        return tuple(self._readings[number] for number in sorted(self._readings))

    async def tell(self, message: AnyServerMessage) -> None:
        match message:
            case Ready():
                self.session, self.provider = message.session, message.provider
            case Final() | Revision():
                self._readings[message.utterance] = message.hypothesis
            case _:
                pass


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
                    gone=partial(_gone, request),
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


async def _gone(request: Request) -> None:
    """Returns when the client is gone, whose request has come whole."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
