"""What a session does about each way that a connection may end, over connections that a test plays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from asr_hub_client import AudioFormat, Closed, Error, Refused, SessionLost, Unreachable
from asr_hub_client.errors import LinkBroken, refused
from asr_hub_client.links.link import Transport
from asr_hub_client.messages import AnyServerMessage, Attach, Close, Command, Ready, SpeechStarted, Start, Unknown
from asr_hub_client.outbox import Outbox
from asr_hub_client.session import Protocol, Session

pytestmark = pytest.mark.unit

Item = AnyServerMessage | Exception


def ready(*, seq: int = 0, audio_offset: int = 0, resume_window: float = 60.0) -> Ready:
    return Ready(
        seq=seq,
        session="s",
        role="publisher",
        provider="p",
        format=AudioFormat(),
        audio_offset=audio_offset,
        resume_window=resume_window,
    )


class PlayedLink:
    """Says what it was given, then waits; an exception is its end. `close` is answered by `closed`."""

    def __init__(self, opening: Ready, items: Sequence[Item] = ()) -> None:
        self.ready = opening
        self.sent: list[object] = []
        self.is_closed = False
        self._items: asyncio.Queue[Item] = asyncio.Queue()
        for item in items:
            self._items.put_nowait(item)

    async def send_audio(self, offset: int, data: bytes) -> int | None:
        self.sent.append((offset, len(data)))
        return None

    async def send(self, command: Command) -> None:
        self.sent.append(command)
        if isinstance(command, Close):
            self._items.put_nowait(Closed(seq=99, reason="close"))

    async def receive(self) -> AnyServerMessage | Unknown:
        item = await self._items.get()
        if isinstance(item, Exception):
            raise item
        return item

    async def aclose(self) -> None:
        self.is_closed = True


class Played:
    """A transport whose connections, or failures to connect, are given. Raises AssertionError beyond them."""

    def __init__(self, *answers: PlayedLink | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[Start | Attach] = []

    async def open(self, first: Start | Attach) -> PlayedLink:
        self.asked.append(first)
        assert self.answers, "one connection too many"
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def aclose(self) -> None:
        pass

    def session(self, now: Callable[[], float] = lambda: 0.0) -> Session:
        def dial(protocol: Protocol) -> Transport:
            return self

        return Session(Start(), dial, "websocket", Outbox(AudioFormat()), now=now, chance=lambda: 0.0)


BROKEN = LinkBroken("cut")


async def test_what_was_missed_is_asked_for_with_the_last_seq() -> None:
    second = PlayedLink(ready(seq=2))
    played = Played(PlayedLink(ready(), [SpeechStarted(seq=2, skipped=1, utterance=1, at=0), BROKEN]), second)
    async with asyncio.timeout(60), played.session() as session:
        await session.close()
    assert played.asked == [Start(), Attach(session="s", seq=2, take_over=True)]
    assert second.sent == [Close()]
    assert second.is_closed


async def test_a_hub_that_is_away_for_a_while_is_waited_for() -> None:
    played = Played(
        PlayedLink(ready(), [BROKEN]),
        Unreachable("away"),
        LinkBroken("cut again"),
        refused("overloaded", "full", is_retryable=True),
        PlayedLink(ready()),
    )
    async with asyncio.timeout(60), played.session() as session:
        await session.close()
    assert session.resumes == 1


async def test_what_is_no_longer_kept_is_done_without() -> None:
    played = Played(PlayedLink(ready(seq=5), [BROKEN]), refused("resume-gap", "gone"), PlayedLink(ready(seq=9)))
    async with asyncio.timeout(60), played.session() as session:
        await session.close()
    assert [ask.seq for ask in played.asked if isinstance(ask, Attach)] == [5, None]


@pytest.mark.parametrize("code", ["slow-client", "shutting-down", "overloaded"])
async def test_an_end_that_the_hub_wants_undone_is_not_seen(code: str) -> None:
    told = Error(seq=0, code=code, message="come back", retryable=True)
    played = Played(PlayedLink(ready(), [told, refused(code, "come back")]), PlayedLink(ready()))
    async with asyncio.timeout(60), played.session() as session:
        await session.close()
        assert [type(message) async for message in session] == [Closed]


@pytest.mark.parametrize("code", ["taken-over", "too-many-errors", "internal"])
async def test_an_end_with_a_reason_is_told_everywhere(code: str) -> None:
    played = Played(PlayedLink(ready(), [refused(code, "why")]))
    async with asyncio.timeout(60), played.session() as session:
        with pytest.raises(Refused, match="why"):
            async for _ in session:
                pass
        for call in (session.send(b"12"), session.finalize(), session.close(), session.move("http")):
            with pytest.raises(Refused, match="why"):
                await call


async def test_a_session_that_the_hub_closed_for_a_fault_is_an_error() -> None:
    played = Played(PlayedLink(ready(), [Closed(seq=1, reason="container-in-raw-audio")]))
    async with asyncio.timeout(60), played.session() as session:
        with pytest.raises(Refused) as error:
            await session.close()
        assert error.value.code == "container-in-raw-audio"


async def test_a_session_that_the_hub_closed_for_another_reason_is_over() -> None:
    played = Played(PlayedLink(ready(), [Closed(seq=1, reason="idle")]))
    async with asyncio.timeout(60), played.session() as session:
        assert [message async for message in session] == [Closed(seq=1, reason="idle")]


@pytest.mark.parametrize("code", ["unknown-session", "unauthorized", "forbidden"])
async def test_a_session_that_cannot_be_taken_up_is_lost_with_its_audio(code: str) -> None:
    played = Played(PlayedLink(ready(), [BROKEN]), refused(code, "no"))
    async with asyncio.timeout(60), played.session() as session:
        await session.send(b"12")
        with pytest.raises(SessionLost, match="cannot be taken up again: no") as lost:
            await session.close()
        assert lost.value.audio == b"12"
        with pytest.raises(SessionLost) as later:
            await session.send(b"34")
        assert later.value.audio == b"1234"


async def test_another_session_under_the_same_name_is_lost() -> None:
    played = Played(PlayedLink(ready(), [BROKEN]), PlayedLink(ready(audio_offset=10**6)))
    async with asyncio.timeout(60), played.session() as session:
        with pytest.raises(SessionLost, match="somebody else speaks"):
            await session.close()


async def test_a_hub_that_stays_away_is_given_up_when_its_window_is_over() -> None:
    times = iter([0.0, 0.0, 30.0, 59.0, 61.0])
    played = Played(PlayedLink(ready(), [BROKEN]), *(Unreachable("away") for _ in range(3)))
    async with asyncio.timeout(60), played.session(now=lambda: next(times)) as session:
        with pytest.raises(SessionLost, match="not taken up again within 60 s: away"):
            await session.close()


async def test_a_hub_that_asks_for_more_time_than_its_window_is_given_up_at_once() -> None:
    played = Played(PlayedLink(ready(), [LinkBroken("quota", retry_after=61.0)]))
    async with asyncio.timeout(60), played.session() as session:
        with pytest.raises(SessionLost, match="quota"):
            await session.close()


async def test_a_defect_is_no_endless_wait() -> None:
    played = Played(PlayedLink(ready(), [KeyError("defect")]))
    async with asyncio.timeout(60), played.session() as session:
        with pytest.raises(KeyError):
            await session.close()


async def test_a_session_that_is_not_open_says_so() -> None:
    session = Played().session()
    for call in (session.send(b"12"), session.finalize(), session.close()):
        with pytest.raises(RuntimeError, match="not open"):
            await call
    assert session.state.session == ""
