"""Segments of files are heard whole, as the engine alone hears them, behind the sessions of clients."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.hubs import scripted, until, until_empty
from tests.speech import silence, tone

from asr_hub.access.grant import ANYBODY, Allowance, Grant, Meter
from asr_hub.app import running_hub
from asr_hub.effects.recognition import Recogniser
from asr_hub.effects.utterance import Utterance
from asr_hub.errors import HubError, RateLimited
from asr_hub.hub.hub import Hub
from asr_hub.hub.segments import Segments
from asr_hub.hub.session import LiveSession
from asr_hub.jobs.job import Wish
from asr_hub.model import AudioFormat, ProviderName
from asr_hub.providers.base import RecognitionOptions
from asr_hub.store.slices.providers import SlotFreed, SlotTaken
from asr_hub.store.slices.sessions import select_sessions
from asr_hub.wire import messages as wire

pytestmark = pytest.mark.unit

WISH = Wish(provider=ProviderName("scripted"))
SPEECH = silence(0.4) + tone(3.0) + silence(2.0) + tone(2.3, hertz=330) + silence(0.3)


async def test_a_segment_is_one_utterance_though_it_has_pauses_and_reads_as_the_engine_alone_reads_it() -> None:
    async with running_hub(scripted()) as hub:
        heard = await Segments(hub)(SPEECH, 16_000, WISH, "")
        (alone,) = await hub.engines.get(WISH.provider).transcribe(SPEECH, RecognitionOptions())
        assert heard.hypothesis.text == alone.text != ""
        assert heard.hypothesis.words == alone.words
        assert not hub.sessions and not hub.kept_logs and not tuple(select_sessions(hub.store.state))


async def test_a_segment_is_heard_whatever_its_samples_look_like() -> None:
    # What the hub decoded is what its format says, though a cut may lie where the samples look like something else.
    segment = b"RIFF\0\0\0\0WAVE" + SPEECH[12:]
    async with running_hub(scripted()) as hub:
        heard = await Segments(hub)(segment, 16_000, WISH, "")
        (alone,) = await hub.engines.get(WISH.provider).transcribe(segment, RecognitionOptions())
        assert heard.hypothesis.text == alone.text != ""


async def test_many_segments_beside_a_live_session_with_a_vad_do_not_mix() -> None:
    async with running_hub(scripted()) as hub:
        segments = Segments(hub, at_once=lambda: 7)
        parts = [tone(0.5 + number / 10, hertz=200 + 40 * number) for number in range(12)]
        texts: list[str] = []
        live = hub.open(
            wire.Start(format=AudioFormat()), protocol="test", on_messages=lambda: None, on_room=lambda: None
        )
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(segments(part, 16_000, WISH, "")) for part in parts]
            for at in range(0, len(SPEECH), 6400):
                live.push(SPEECH[at : at + 6400])
                await asyncio.sleep(0)
        live.close()
        await until_empty(hub)
        texts = [task.result().hypothesis.text for task in tasks]
        finals = [m for m in map(_DECODE, live.read()) if isinstance(m, wire.Final)]
        assert [len(text.split()) for text in texts] == [-(-round(len(part) / 6400 * 10) // 10) for part in parts]
        assert len(finals) == 2, "the live session was cut by the VAD"


async def test_as_many_at_once_as_are_allowed_and_half_of_the_slots_by_default() -> None:
    async with running_hub(scripted({"max_streams": 6})) as hub:
        assert Segments(hub).at_once(WISH) == 3
        most = busy = 0

        def count(state: Any) -> int:
            nonlocal most, busy
            busy = sum(1 for _ in select_sessions(state))
            most = max(most, busy)
            return busy

        watching = hub.store.select(count).subscribe(lambda _: None)
        segments = Segments(hub)
        await asyncio.gather(*(segments(tone(1.0), 16_000, WISH, "") for _ in range(10)))
        watching.dispose()
        assert most == 3


async def test_a_segment_waits_while_clients_need_the_engine() -> None:
    async with running_hub(scripted({"max_streams": 1})) as hub:
        hub.dispatch(SlotTaken(at=hub.now(), provider=WISH.provider))
        segment = asyncio.create_task(Segments(hub)(tone(1.0), 16_000, WISH, ""))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not tuple(select_sessions(hub.store.state))
        hub.dispatch(SlotFreed(at=hub.now(), provider=WISH.provider))
        assert (await segment).hypothesis.text


async def test_no_client_loses_its_place_to_a_segment() -> None:
    async with running_hub(scripted(sessions={"max_sessions": 1})) as hub:
        segments = [asyncio.create_task(Segments(hub)(tone(20.0), 16_000, WISH, "")) for _ in range(3)]
        for _ in range(10):
            await asyncio.sleep(0)
        live = _open(hub)
        live.abandon()
        live.detach()
        assert all(one.hypothesis.text for one in await asyncio.gather(*segments))


async def test_the_files_of_a_key_take_none_of_its_sessions() -> None:
    async with running_hub(scripted({"faults": {"hang_after_ms": 6000}})) as hub:
        meter = Meter(Allowance(sessions=1), now=hub.now)
        segment = asyncio.create_task(Segments(hub)(tone(9.0), 16_000, WISH, "ann"))
        await until(hub, _has_session)
        live = _open(hub, Grant(name="ann", meter=meter))
        with pytest.raises(RateLimited):
            _open(hub, Grant(name="ann", meter=meter))
        live.abandon()
        live.detach()
        segment.cancel()
        await asyncio.gather(segment, return_exceptions=True)


async def test_an_engine_that_fails_says_so_and_how_hopeless_it_is() -> None:
    async with running_hub(scripted({"faults": {"fail_after_ms": 300}})) as hub:
        with pytest.raises(HubError) as caught:
            await Segments(hub)(tone(1.0), 16_000, WISH, "")
        assert caught.value.code == "provider" and caught.value.retryable
        await until_empty(hub)
    async with running_hub(scripted()) as hub:
        with pytest.raises(HubError) as caught:
            await Segments(hub)(tone(1.0), 16_000, Wish(provider=ProviderName("nobody")), "")
        assert caught.value.code == "unknown-provider" and not caught.value.retryable


async def test_who_is_cancelled_leaves_no_session_and_no_turn_taken() -> None:
    async with running_hub(scripted({"faults": {"hang_after_ms": 6000}})) as hub:
        segments = Segments(hub, at_once=lambda: 1)
        tasks = [asyncio.create_task(segments(tone(9.0), 16_000, WISH, "")) for _ in range(3)]
        for _ in range(20):
            await asyncio.sleep(0)
        for task in (tasks[1], tasks[0], tasks[2]):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await until_empty(hub)
        assert not tuple(select_sessions(hub.store.state))
        again = asyncio.create_task(segments(tone(9.0), 16_000, WISH, ""))
        await until(hub, _has_session)
        again.cancel()
        await asyncio.gather(again, return_exceptions=True)


async def test_a_hub_that_drains_cuts_a_segment_off_with_an_error_that_may_be_retried() -> None:
    async with running_hub(scripted({"faults": {"hang_after_ms": 6000}})) as hub:
        segment = asyncio.create_task(Segments(hub)(tone(9.0), 16_000, WISH, ""))
        await until(hub, _has_session)
        await hub.drain(0.05)
        with pytest.raises(HubError) as caught:
            await Segments(hub)(tone(9.0), 16_000, WISH, "")
        assert caught.value.code == "draining" and caught.value.retryable
        segment.cancel()
        await asyncio.gather(segment, return_exceptions=True)


async def test_hotwords_of_the_key_are_those_of_its_files() -> None:
    async with running_hub(scripted(hotwords_of={"mobile": ["Zermatt"]})) as hub:
        segment = asyncio.create_task(Segments(hub)(tone(10.0), 16_000, WISH, "mobile"))
        await until(hub, _has_session)
        opened = [one.id for one in select_sessions(hub.store.state)]
        record = hub.record(opened[0])
        assert record is not None and hub.around.hotwords(record).words == ("Zermatt",)
        await segment


def _has_session(state: Any) -> bool:
    return any(True for _ in select_sessions(state))


def _open(hub: Hub, grant: Grant = ANYBODY) -> Any:
    start = wire.Start(format=AudioFormat())
    return hub.open(start, protocol="test", on_messages=lambda: None, on_room=lambda: None, grant=grant)


_DECODE = msgspec.json.Decoder(wire.AnyServerMessage).decode


async def test_what_a_segment_held_is_free_without_a_collection() -> None:
    # A full collection is rare in a server, and a file of an hour is a thousand segments.
    def held() -> int:
        # By its type: `isinstance` asks foreign objects for their class, and one of torch warns of itself then.
        return sum(type(one) in (LiveSession, Recogniser, Utterance) for one in gc.get_objects())

    async with running_hub(scripted({"partials": False})) as hub:
        segments = Segments(hub)
        gc.collect()
        before = held()
        gc.disable()
        try:
            for _ in range(3):
                await segments(SPEECH, 16_000, WISH, "")
            await until_free(held, before)
        finally:
            gc.enable()


async def until_free(held: Callable[[], int], wanted: int) -> None:
    """The beat forgets a session that was marked after its end with its next round."""
    async with asyncio.timeout(10):
        while held() > wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
