"""One connection of a foreign dialect: steps in their order, sessions one after the other, and nothing left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.audio.shapes import voice
from tests.hubs import scripted, until, until_empty

from asr_hub.access.grant import ANYBODY, Grant
from asr_hub.app.running import running_hub
from asr_hub.errors import HubError, ProtocolError, UnsupportedAudio
from asr_hub.hub.hub import Hub
from asr_hub.protocols.compat.conversing import ENCODED_BYTES, Conversing, ConversingSettings
from asr_hub.protocols.compat.ports import Compat, Models
from asr_hub.store.slices.sessions import select_live_count
from asr_hub.wire.conversation import Limits
from asr_hub.wire.dialects.codec import Audio, Binary, Encoded, HangUp, Reply, Step, Text
from asr_hub.wire.messages import AnyServerMessage, Close, Closed, Final, Start

pytestmark = pytest.mark.unit

SECOND = voice(1.0)


class Letters:
    """A dialect of one letter: o opens, c closes, p pings, f is a file, q hangs up, x is refused, d is a defect.

    s is a file that is stuck.
    """

    def greet(self) -> Sequence[Step]:
        return [Text("hello")]

    def receive_text(self, text: str) -> Sequence[Step]:
        match text:
            case "o":
                return [Start(partials=False), Text("opened")]
            case "c":
                return [Close()]
            case "p":
                return [Text("pong")]
            case "f":
                return [Encoded(b"one"), Encoded(b"two"), Close()]
            case "s":
                return [Encoded(b"stuck"), Encoded(bytes(ENCODED_BYTES + 1))]
            case "q":
                return [Text("bye"), HangUp(1000, "asked to")]
            case "d":
                raise KeyError(text)
        raise ProtocolError("no such letter", code="unknown-message")

    def receive_binary(self, data: bytes) -> Sequence[Step]:
        return [Audio(data)]

    def tell(self, message: AnyServerMessage) -> Sequence[Reply]:
        match message:
            case Final(hypothesis=hypothesis):
                return [Text(f"final {hypothesis.text}")]
            case Closed(reason=reason):
                return [Text(f"closed {reason}")]
        return []

    def refuse(self, error: HubError) -> Sequence[Reply]:
        return [Text(f"refused {error.code}")]

    def late(self) -> Sequence[Reply]:
        return [HangUp(1011, "silence")]


class Wire:
    """A client's end and the `Link` at the other."""

    def __init__(self) -> None:
        self.to_hub: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self.told: asyncio.Queue[str | bytes | HangUp] = asyncio.Queue()
        self.reads = asyncio.Event()
        self.reads.set()

    async def receive(self) -> str | bytes | None:
        return await self.to_hub.get()

    async def send(self, reply: Text | Binary) -> None:
        await self.reads.wait()
        self.told.put_nowait(reply.data)

    async def hang_up(self, code: int, reason: str) -> None:
        self.told.put_nowait(HangUp(code, reason))

    def say(self, *frames: str | bytes | None) -> None:
        for frame in frames:
            self.to_hub.put_nowait(frame)

    async def next(self) -> str | bytes | HangUp:
        return await asyncio.wait_for(self.told.get(), 10)


class Halves:
    """Files that decode to half a second for each piece; `bad` is none, and `stuck` takes for ever."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def decoded(self, path: Path) -> AsyncIterator[bytes]:
        yield b""

    async def decoded_live(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for piece in pieces:
            self.begun.set()
            if piece == b"bad":
                raise UnsupportedAudio("this is no audio")
            if piece.startswith(b"stuck"):
                await asyncio.Event().wait()
            yield SECOND[:16_000]


@asynccontextmanager
async def conversation(
    hub: Hub, stopping: asyncio.Event | None = None, files: Halves | None = None, **settings: float
) -> AsyncIterator[tuple[Wire, asyncio.Task[None]]]:
    wire = Wire()
    compat = Compat(hub=hub, door=_Open(), models=Models({}, ()), files=files or Halves(), limits=Limits())
    talk = Conversing(
        Letters(),
        wire,
        compat,
        protocol="letters",
        grant=ANYBODY,
        admit=lambda: ANYBODY,
        settings=ConversingSettings(**settings),
    )
    task = asyncio.create_task(talk.run(stopping))
    assert await wire.next() == "hello"
    yield wire, task
    wire.say(None)
    await asyncio.wait_for(task, 10)


class _Open:
    def admit(self, secret: str | None) -> Grant:
        return ANYBODY


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    async with running_hub(scripted()) as running:
        yield running
        await until_empty(running)


async def test_sessions_one_after_the_other_over_one_connection(hub: Hub) -> None:
    async with conversation(hub) as (wire, _):
        for _ in range(2):
            wire.say("o", SECOND, "c")
            assert await wire.next() == "opened"
            assert str(await wire.next()).startswith("final ")
            assert await wire.next() == "closed close"
        wire.say("p")
        assert await wire.next() == "pong"


async def test_a_second_session_beside_the_first_is_refused_and_the_first_goes_on(hub: Hub) -> None:
    async with conversation(hub) as (wire, _):
        wire.say("o", "o", SECOND, "c")
        assert [await wire.next(), await wire.next()] == ["opened", "refused already-started"]
        assert str(await wire.next()).startswith("final ")


async def test_a_refusal_and_a_defect_end_nothing(hub: Hub) -> None:
    async with conversation(hub) as (wire, _):
        wire.say("x", "d", "p")
        assert [await wire.next() for _ in range(3)] == ["refused unknown-message", "refused internal", "pong"]


async def test_a_client_that_goes_in_the_middle_is_heard_to_its_end(hub: Hub) -> None:
    async with conversation(hub) as (wire, _):
        wire.say("o", SECOND)
        assert await wire.next() == "opened"
        await until(hub, lambda state: select_live_count(state) == 1)
    await until_empty(hub)


async def test_a_file_is_heard_as_it_comes_and_before_the_end(hub: Hub) -> None:
    async with conversation(hub) as (wire, _):
        wire.say("o", "f")
        assert await wire.next() == "opened"
        assert len(str(await wire.next()).split()) > 1
        assert await wire.next() == "closed close"


async def test_a_file_that_is_stuck_leaves_no_task_behind(hub: Hub) -> None:
    stopping, files, before = asyncio.Event(), Halves(), asyncio.all_tasks()
    async with conversation(hub, stopping, files) as (wire, task):
        wire.say("o", "s")
        await files.begun.wait()
        stopping.set()
        await asyncio.wait_for(task, 10)
    await until_empty(hub)
    assert {it.get_coro() for it in asyncio.all_tasks() - before} == set()


async def test_the_hub_hangs_up_where_the_codec_says_so(hub: Hub) -> None:
    async with conversation(hub) as (wire, task):
        wire.say("o", "q")
        assert [await wire.next() for _ in range(3)] == ["opened", "bye", HangUp(1000, "asked to")]
        await asyncio.wait_for(task, 10)


async def test_a_client_that_says_nothing_is_hung_up_on(hub: Hub) -> None:
    async with conversation(hub, silence=0.05) as (wire, task):
        assert await wire.next() == HangUp(1011, "silence")
        await asyncio.wait_for(task, 10)


async def test_a_client_that_reads_nothing_holds_nothing(hub: Hub) -> None:
    async with conversation(hub, stall=0.05) as (wire, task):
        wire.reads.clear()
        wire.say("o", SECOND)
        await asyncio.wait_for(task, 10)


async def test_a_hub_that_stops_says_so(hub: Hub) -> None:
    stopping = asyncio.Event()
    async with conversation(hub, stopping) as (wire, task):
        wire.say("o")
        assert await wire.next() == "opened"
        stopping.set()
        assert await wire.next() == "refused shutting-down"
        assert await wire.next() == HangUp(1012, "the hub restarts")
        await asyncio.wait_for(task, 10)


async def test_audio_may_be_cut_anywhere(hub: Hub) -> None:
    async with conversation(hub) as (wire, _):
        wire.say("o", SECOND, "c")
        whole = [await wire.next() for _ in range(3)]
        wire.say("o", *(SECOND[at : at + 333] for at in range(0, len(SECOND), 333)), "c")
        assert [await wire.next() for _ in range(3)] == whole
