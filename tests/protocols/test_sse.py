"""Messages as Server-Sent Events, and what the library must not do behind our back."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from httpx_sse._decoders import SSEDecoder
from hypothesis import given, settings
from hypothesis import strategies as st
from sse_starlette import EventSourceResponse
from tests.protocols.echo_hub import EchoHub

from asr_hub.access.grant import ANYBODY
from asr_hub.errors import Overloaded
from asr_hub.model import EndpointReason, Hypothesis, SessionId
from asr_hub.protocols.sse import EventSettings, Watchers, event
from asr_hub.protocols.timer_wheel import TimerWheel
from asr_hub.wire.conversation import Limits
from asr_hub.wire.encode import encode, with_skipped
from asr_hub.wire.messages import Final, Start, Warning

pytestmark = pytest.mark.unit


@settings(max_examples=200, deadline=None)
@given(seq=st.integers(1, 2**53), text=st.text(), skipped=st.integers(0, 9))
def test_one_message_is_one_event_whatever_was_said(seq: int, text: str, skipped: int) -> None:
    message = encode(
        Final(
            seq=seq,
            utterance=1,
            hypothesis=Hypothesis(text=text, start=0, end=1, is_final=True),
            reason=EndpointReason.SILENCE,
        )
    )
    if skipped:
        message = with_skipped(message, skipped)
    # Lines end at CR, LF or both, and at nothing else that Unicode has.
    lines = event(message).decode().replace("\r", "\n").split("\n")
    decoder = SSEDecoder()
    got = [sse for line in lines if (sse := decoder.decode(line)) is not None and sse.data]
    assert [(sse.id, sse.event, sse.data.encode()) for sse in got] == [(str(seq), "final", message)]


def test_retry_is_said_within_an_event() -> None:
    message = encode(Warning(seq=3, code="a", message="b"))
    assert event(message, 1500) == b"id: 3\nevent: warning\nretry: 1500\ndata: " + message + b"\n\n"


class Reader:
    """An ASGI client of one response."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.is_gone = asyncio.Event()
        self.is_greeted = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.is_gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        if b"ready" in self.body:
            self.is_greeted.set()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


def watchers(hub: EchoHub, wheel: TimerWheel) -> Watchers:
    return Watchers(hub, wheel, limits=Limits(), settings=EventSettings())


def opened(hub: EchoHub) -> SessionId:
    return hub.open(Start(), protocol="test", on_messages=lambda: None, on_room=lambda: None).session


SCOPE = {"type": "http", "method": "GET"}


async def test_the_library_neither_polls_nor_pings_nor_logs_what_was_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    hub, wheel, reader = EchoHub(), TimerWheel(), Reader()
    response = watchers(hub, wheel).watch(opened(hub), seq=None, grant=ANYBODY)
    before = asyncio.all_tasks()
    answering = asyncio.create_task(response(SCOPE, reader.receive, reader.send))
    await reader.is_greeted.wait()
    names = {str(task.get_coro()) for task in asyncio.all_tasks() - before}
    assert not [name for name in names if "_shutdown_watcher" in name or "_ping" in name]
    reader.is_gone.set()
    await answering
    assert asyncio.all_tasks() == before
    assert not [record for record in caplog.records if "ready" in record.getMessage()]


def test_the_library_still_has_what_is_replaced() -> None:
    assert callable(EventSourceResponse._listen_for_exit_signal_with_grace)


async def test_a_reader_that_leaves_lets_go_of_the_session() -> None:
    hub, wheel, reader = EchoHub(), TimerWheel(), Reader()
    session = opened(hub)
    every = watchers(hub, wheel)
    response = every.watch(session, seq=None, grant=ANYBODY)
    assert (len(every), len(wheel), len(hub.sessions[session].attached)) == (1, 1, 2)
    reader.is_gone.set()
    await response(SCOPE, reader.receive, reader.send)
    assert (len(every), len(wheel), len(hub.sessions[session].attached)) == (0, 0, 1)


async def test_a_stream_that_ends_with_the_hub_ends_properly_and_none_begins() -> None:
    hub, wheel, reader = EchoHub(), TimerWheel(), Reader()
    session = opened(hub)
    every = watchers(hub, wheel)
    answering = asyncio.create_task(every.watch(session, seq=None, grant=ANYBODY)(SCOPE, reader.receive, reader.send))
    await reader.is_greeted.wait()
    every.close()
    await answering
    assert reader.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    with pytest.raises(Overloaded) as refusal:
        every.watch(session, seq=None, grant=ANYBODY)
    assert refusal.value.code == "draining"


async def test_who_has_seen_the_end_is_told_that_nothing_comes() -> None:
    hub, wheel = EchoHub(), TimerWheel()
    session = opened(hub)
    hub.sessions[session].close()
    every = watchers(hub, wheel)
    response = every.watch(session, seq=hub.sessions[session].last, grant=ANYBODY)
    assert (response.status_code, len(every), len(wheel)) == (204, 0, 0)
    assert len(hub.sessions[session].attached) == 1
