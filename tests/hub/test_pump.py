"""The beat: one failing session does not stop the others."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from tests.hubs import scripted, until
from tests.speech import silence, tone

from asr_hub.app import running_hub
from asr_hub.errors import NotFound, Overloaded
from asr_hub.hub.attachment import Attachment
from asr_hub.wire.messages import Configure, Start

pytestmark = pytest.mark.unit


async def test_a_session_that_breaks_is_closed_by_name_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running_hub(scripted()) as hub:
        news = asyncio.Event()
        broken, sound = (
            hub.open(Start(), protocol="test", on_messages=news.set, on_room=lambda: None) for _ in range(2)
        )

        def defect(*_: object) -> None:
            raise ZeroDivisionError

        hub._live[broken.session].pipeline.take = defect  # type: ignore[assignment]
        pcm = silence(0.3) + tone(0.5) + silence(1.0)
        broken.push(pcm)
        sound.push(pcm)
        got = b""
        async with asyncio.timeout(10):
            while b'"final"' not in got:
                await news.wait()
                news.clear()
                got += b"".join(sound.read())
        assert b"internal-error" in b"".join(broken.read())
        assert broken.is_over
        assert hub.sessions == 1
    assert "session.broke" in caplog.text


async def test_a_fast_sender_is_asked_to_wait_and_then_called(caplog: pytest.LogCaptureFixture) -> None:
    async with running_hub(scripted({"faults": {"cost": 0.05}}, audio={"vad": "off", "tick_ms": 10})) as hub:
        room = asyncio.Event()
        sender = hub.open(Start(), protocol="test", on_messages=lambda: None, on_room=room.set)
        second = tone(1.0)
        waits = 0
        for _ in range(20):
            if not sender.push(second):
                waits += 1
                async with asyncio.timeout(10):
                    await room.wait()
                room.clear()
        sender.close()
        await until(hub, lambda state: not len(state["sessions"]), 30)
        assert waits > 0
        finals = b"".join(sender.read())
        assert b'"audio_offset":320000' in finals


async def test_one_who_sends_silence_without_end_holds_up_nobody() -> None:
    async with running_hub(scripted()) as hub:
        room, news = asyncio.Event(), asyncio.Event()
        flooder = hub.open(Start(), protocol="test", on_messages=lambda: None, on_room=room.set)
        speaker = hub.open(Start(), protocol="test", on_messages=news.set, on_room=lambda: None)

        async def flood() -> None:
            while True:
                if not flooder.push(silence(1.0)):
                    await room.wait()
                    room.clear()
                await asyncio.sleep(0)

        flooding = asyncio.create_task(flood())
        speaker.push(silence(0.3) + tone(0.5) + silence(1.0))
        got = b""
        async with asyncio.timeout(10):
            while b'"final"' not in got:
                await news.wait()
                news.clear()
                got += b"".join(speaker.read())
        assert not flooding.done()
        flooding.cancel()


async def test_a_vad_that_fails_on_one_session_costs_that_session_only(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_hub(scripted()) as hub:
        news = asyncio.Event()
        bad, good = (hub.open(Start(), protocol="test", on_messages=news.set, on_room=lambda: None) for _ in range(2))
        vad, poison = hub._vad, hub._live[bad.session].pipeline.state
        assert vad is not None
        score = vad.score

        def fails_on_poison(work: list[tuple[object, object]]) -> object:
            if any(state is poison for state, _ in work):
                raise ZeroDivisionError
            return score(work)

        monkeypatch.setattr(vad, "score", fails_on_poison)
        pcm = silence(0.3) + tone(0.5) + silence(1.0)
        bad.push(pcm)
        good.push(pcm)
        got = b""
        async with asyncio.timeout(10):
            while b'"final"' not in got:
                await news.wait()
                news.clear()
                got += b"".join(good.read())
        assert b"internal-error" in b"".join(bad.read())


async def test_an_engine_that_is_behind_is_refused_at_the_door_and_partials_go_first() -> None:
    slow = scripted({"max_streams": 1, "wait_s": 60.0, "faults": {"hang_after_ms": 200}}, audio={"vad": "off"})
    async with running_hub(slow) as hub:
        opened = [hub.open(Start(), protocol="test", on_messages=lambda: None, on_room=lambda: None) for _ in range(2)]
        for attachment in opened:
            attachment.push(tone(0.5))
        async with asyncio.timeout(10):
            while not hub.around.is_strained(hub.default):  # noqa: ASYNC110 - waiting for a slot is no fact of the store
                await asyncio.sleep(0.01)
        with pytest.raises(Overloaded, match="wait to be heard"):
            hub.open(Start(), protocol="test", on_messages=lambda: None, on_room=lambda: None)


async def test_a_language_the_engine_does_not_hear_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_hub(scripted()) as hub:
        provider = hub.engines.get(hub.default)
        monkeypatch.setattr(
            provider, "capabilities", msgspec.structs.replace(provider.capabilities, languages=("en-US",))
        )

        def opened(language: str | None) -> Attachment:
            return hub.open(Start(language=language), protocol="test", on_messages=lambda: None, on_room=lambda: None)

        opened("en-GB")
        with pytest.raises(NotFound, match="zh-CN"):
            opened("zh-CN")
        with pytest.raises(NotFound, match="de"):
            opened(None).configure(Configure(language="de"))
