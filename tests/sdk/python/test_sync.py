"""The calls without an event loop, against a hub in another thread."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from tests.hubs import scripted
from tests.sdk.python.test_files import wav
from tests.speech import silence, tone

from asr_hub.app import Serving, serving
from asr_hub_client import Client, Closed, Final, Refused, SessionOver
from asr_hub_client.sync import LoopThread

pytestmark = pytest.mark.e2e

SPEECH = silence(0.5) + tone(1.0) + silence(1.0)


@pytest.fixture
def hub() -> Iterator[Serving]:
    """A hub with an event loop and a thread of its own."""
    found: list[Serving] = []
    is_there, is_done = threading.Event(), threading.Event()

    async def run() -> None:
        async with serving(scripted()) as running:
            found.append(running)
            is_there.set()
            await asyncio.to_thread(is_done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert is_there.wait(60)
        yield found[0]
    finally:
        is_done.set()
        thread.join()


def ours() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "asr-hub-client"]


def blocks(pcm: bytes, size: int = 6400) -> list[bytes]:
    return [pcm[at : at + size] for at in range(0, len(pcm), size)]


@pytest.mark.parametrize("protocol", ["websocket", "http", "socketio"])
def test_speech_becomes_text(hub: Serving, protocol: Any) -> None:
    with Client(hub.url, protocol=protocol) as asr:
        with asr.session() as session:
            assert session.protocol == protocol
            for block in blocks(SPEECH):
                session.send(block)
            session.finalize()
            finals = session.finals()
            assert next(finals).hypothesis.text
            session.clear()
            session.configure(partials=False)
            closed = session.close()
        assert closed == session.closed
        assert session.text
    assert not ours()


def test_a_source_is_sent_while_its_messages_are_read(hub: Serving) -> None:
    with Client(hub.url) as asr, asr.session() as session:
        messages = list(session.stream(iter(blocks(SPEECH))))
    assert isinstance(messages[-1], Closed)
    assert any(isinstance(message, Final) for message in messages)


def test_a_loop_that_is_left_early_leaves_nothing(hub: Serving) -> None:
    with Client(hub.url) as asr:
        with asr.session() as session:
            for message in session.stream(blocks(SPEECH)):
                if isinstance(message, Final):
                    break
        assert session.closed is not None
    assert not ours()


def test_watching_moving_and_resuming(hub: Serving) -> None:
    with Client(hub.url) as asr:
        with asr.session() as session:
            session.send(SPEECH)
            session.move("http")
            assert (session.protocol, session.resumes) == ("http", 1)
            state = session.detach()
        with asr.resume(state) as session, asr.watch(state.session) as watch:
            session.close()
            assert [final.hypothesis.text for final in watch.finals()] == [session.text]
    assert not ours()


def test_a_file_becomes_text(hub: Serving, tmp_path: Path) -> None:
    with Client(hub.url) as asr:
        assert asr.transcribe_file(wav(tmp_path / "speech.wav", SPEECH)).text
        assert asr.health()["status"] == "ok"
        assert asr.providers()[0]["name"] == "scripted"
        assert asr.set_hotwords(["Zermatt"]) == asr.hotwords() == ["Zermatt"]


def test_errors_come_to_the_caller(hub: Serving) -> None:
    with Client(hub.url) as asr:
        with pytest.raises(Refused), asr.session(provider="nobody"):
            pass
        with asr.session() as session:
            session.end()
            with pytest.raises(SessionOver):
                session.send(silence(0.1))
    with pytest.raises(RuntimeError, match="closed"):
        asr.health()
    asr.close()
    assert not ours()


def test_an_exception_in_the_block_ends_the_thread_too(hub: Serving) -> None:
    with pytest.raises(ZeroDivisionError), Client(hub.url) as asr, asr.session() as session:
        session.send(SPEECH)
        raise ZeroDivisionError
    assert not ours()


def test_a_client_that_was_never_used_has_no_thread() -> None:
    with Client("http://127.0.0.1:9"):
        assert not ours()


def test_two_threads_share_a_session(hub: Serving) -> None:
    with Client(hub.url) as asr, asr.session() as session:

        def speak() -> None:
            for block in blocks(SPEECH):
                session.send(block)
            session.end()

        speaking = threading.Thread(target=speak)
        speaking.start()
        finals = list(session.finals())
        speaking.join()
    assert "\n".join(final.hypothesis.text for final in finals) == session.text


@pytest.fixture
def loops() -> Iterator[tuple[LoopThread, LoopThread]]:
    """Two loops, and no garbage collection but what a test asks for."""
    gc.disable()
    try:
        yield LoopThread(), LoopThread()
    finally:
        gc.enable()


def begin(loop: LoopThread, work: Coroutine[Any, Any, None]) -> Future[None]:
    """Run `work` there. Who waits for it can give up, unlike with `run`."""
    return asyncio.run_coroutine_threadsafe(work, loop._started())


async def collect() -> None:
    gc.collect()


def abandon(loop: LoopThread, is_closed: threading.Event) -> None:
    """Leave an iterator that only garbage collection can find."""

    async def endless() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            is_closed.set()

    iterator = loop.each(endless())
    next(iterator)
    cycle: list[object] = [iterator]
    cycle.append(cycle)


def test_an_iterator_that_is_collected_in_the_thread_of_its_loop_is_closed(
    loops: tuple[LoopThread, LoopThread],
) -> None:
    loop, is_closed = loops[0], threading.Event()
    abandon(loop, is_closed)
    begin(loop, collect()).result(30)
    assert is_closed.wait(30)
    loop.close()


def test_no_loop_waits_for_the_loop_of_another_client(loops: tuple[LoopThread, LoopThread]) -> None:
    loop, other = loops
    is_closed, may_go_on = threading.Event(), threading.Event()

    async def block() -> None:
        may_go_on.wait()

    abandon(loop, is_closed)
    blocking = begin(loop, block())
    try:
        begin(other, collect()).result(30)
        assert not is_closed.is_set()
    finally:
        may_go_on.set()
    blocking.result(30)
    assert is_closed.wait(30)
    other.close()
    loop.close()
