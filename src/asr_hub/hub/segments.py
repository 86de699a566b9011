"""The hub hears segments of files: each as a session of its own, behind those of the clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import msgspec
from msgspec.structs import replace

from asr_hub.access.grant import Grant
from asr_hub.bell import Bell
from asr_hub.errors import HubError, Overloaded, ProviderError, SessionClosing, error_of
from asr_hub.hub.hub import Hub
from asr_hub.jobs.job import Wish
from asr_hub.jobs.ports import Heard
from asr_hub.model import AudioFormat, Hypothesis, Pass, ProviderName
from asr_hub.protocols.port import AttachmentPort
from asr_hub.store.slices.providers import select_provider
from asr_hub.wire import messages as wire

PIECE_S = 0.5
"""Seconds of audio that are given to the session at a time."""

LOOK_S = 0.1
"""Seconds between two looks at whether live sessions need the engine."""

LONGEST_YIELD_S = 60.0
"""Seconds after which a segment is heard though they do: on a machine that is always busy files are done too."""


class Segments:
    """Implements `Hear`."""

    def __init__(self, hub: Hub, *, at_once: Callable[[], int | None] = lambda: None) -> None:
        """`at_once`: segments that are heard at the same time with one provider; none: half of its slots."""
        self._hub = hub
        self._at_once = at_once
        self._turns: dict[ProviderName, _Turns] = {}

    def at_once(self, wish: Wish) -> int:
        wanted = self._at_once()
        if wanted is not None:
            return wanted
        try:
            slots = self._hub.engines.get(wish.provider).capabilities.max_streams
        except HubError:
            return 1
        return max(1, slots // 2)

    async def __call__(self, pcm: bytes, rate: int, wish: Wish, principal: str) -> Heard:
        async with self._turn(wish):
            await self._yield(wish.provider)
            return await _Hearing(self._hub, rate, wish, principal).hear(pcm)

    def _turn(self, wish: Wish) -> _Turns:
        turns = self._turns.setdefault(wish.provider, _Turns())
        turns.most = self.at_once(wish)
        return turns

    async def _yield(self, name: ProviderName) -> None:
        """Let live sessions go first: one in line for the engine would refuse new ones at the door."""
        looks = round(LONGEST_YIELD_S / LOOK_S)
        while looks and not self._has_room(name):
            looks -= 1
            await asyncio.sleep(LOOK_S)

    def _has_room(self, name: ProviderName) -> bool:
        record = select_provider(self._hub.store.state, name)
        # One that has no slots now is not ready, and hearing will say so.
        return record is None or not record.max_streams or record.free > self._hub.engines.waiting(name)


class _Turns:
    """So many at the same time, and the others in the order in which they came; how many may change."""

    def __init__(self) -> None:
        self.most = 1
        self._busy = 0
        self._waiting: list[asyncio.Future[None]] = []

    async def __aenter__(self) -> None:
        if self._busy < self.most and not self._waiting:
            self._busy += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with suppress(ValueError):
                    self._waiting.remove(turn)
            else:
                self._leave()
            raise

    async def __aexit__(self, *exc: object) -> None:
        self._leave()

    def _leave(self) -> None:
        self._busy -= 1
        while self._waiting and self._busy < self.most:
            turn = self._waiting.pop(0)
            # One that was cancelled in this moment has not taken itself out yet.
            if not turn.done():
                self._busy += 1
                turn.set_result(None)


class _Hearing:
    """One segment on its way through one session."""

    def __init__(self, hub: Hub, rate: int, wish: Wish, principal: str) -> None:
        self._hub = hub
        self._rate = rate
        self._wish = wish
        self._principal = principal
        self._bell = Bell()
        """Rung for messages and for room."""
        self._has_room = True
        self._final: Hypothesis | None = None
        self._warnings: dict[str, None] = {}
        self._error: HubError | None = None

    async def hear(self, pcm: bytes) -> Heard:
        port = self._open()
        try:
            await self._feed(port, pcm)
            await self._listen(port)
        finally:
            if not port.is_over:
                port.abandon()
            port.detach()
        if self._error is not None:
            raise self._error
        if self._final is None:
            raise ProviderError(f"{self._wish.provider} gave no final for a segment; try again")
        return Heard(hypothesis=replace(self._final, speaker=None), warnings=tuple(self._warnings))

    def _open(self) -> AttachmentPort:
        wish = self._wish
        start = wire.Start(
            format=AudioFormat(sample_rate=self._rate),
            # Who named no provider had the default resolved, and routes hold for the default.
            provider=None if wish.provider == self._hub.default else wish.provider,
            language=wish.language,
            hotwords=wish.hotwords,
            partials=False,
            wait_for=Pass.CORRECTED,
        )
        return self._hub.open(
            start,
            protocol="job",
            on_messages=self._bell.ring,
            on_room=self._make_room,
            grant=Grant(name=self._principal),
            is_whole=True,
        )

    async def _feed(self, port: AttachmentPort, pcm: bytes) -> None:
        piece = 2 * round(PIECE_S * self._rate)
        # The hub closes it where it shuts down, and says so in what is read.
        with suppress(SessionClosing):
            for at in range(0, len(pcm), piece):
                self._has_room = False
                if not port.push(pcm[at : at + piece]):
                    await self._roomy(port)
                # Many segments are given at the same time, and those who submit files are not to wait for all of them.
                await asyncio.sleep(0)
                if port.is_over:
                    return
            port.close()

    async def _roomy(self, port: AttachmentPort) -> None:
        """Wait for room; a session that ends meanwhile gives none."""
        while not self._has_room and not port.is_over:
            await self._bell.wait()
            self._read(port)

    def _make_room(self) -> None:
        self._has_room = True
        self._bell.ring()

    async def _listen(self, port: AttachmentPort) -> None:
        self._read(port)
        while not port.is_over:
            await self._bell.wait()
            self._read(port)

    def _read(self, port: AttachmentPort) -> None:
        for data in port.read():
            self._take(_DECODER.decode(data))

    def _take(self, message: wire.AnyServerMessage) -> None:
        match message:
            case wire.Final() | wire.Revision():
                self._final = message.hypothesis
            case wire.Warning():
                self._warnings[f"{message.code}: {message.message}"] = None
            case wire.Error():
                self._error = _error(message)
            case wire.Closed(reason=reason) if reason != "close" and self._error is None:
                self._error = _cut_off(reason)
            case _:
                pass


def _error(message: wire.Error) -> HubError:
    error = error_of(message.code, message.message)
    error.code, error.retryable = message.code, message.retryable
    return error


def _cut_off(reason: str) -> HubError:
    if reason == "shutdown":
        return Overloaded("the hub shuts down; the segment is heard when it runs again", code="draining")
    return ProviderError(f"the session of a segment was closed: {reason}; try again", code=reason)


_DECODER: msgspec.json.Decoder[wire.AnyServerMessage] = msgspec.json.Decoder(wire.AnyServerMessage)
