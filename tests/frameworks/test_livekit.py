"""LiveKit's speech-to-text plug-ins, unmodified, outside a room."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from livekit import rtc
from livekit.agents import APIStatusError, vad
from livekit.plugins import deepgram, openai
from running import KEY, Hub
from streams import AT_ONCE, END, FINAL, INTERIM, START, frame, order, say, texts, until
from utterances import FAST, FAST_PAUSE, FAST_SPEECH, PAUSE, SPEECH, pieces, said, silence

pytestmark = pytest.mark.usefixtures("session")


class Loudness(vad.VAD):
    """Made-up speech is no speech for LiveKit's own VAD."""

    def __init__(self) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=0.02))

    def stream(self) -> vad.VADStream:
        return LoudnessStream(self)


class LoudnessStream(vad.VADStream):
    """A turn ends with the first piece that is next to silent."""

    async def _main_task(self) -> None:
        speaks, heard = False, 0
        async for piece in self._input_ch:
            if not isinstance(piece, rtc.AudioFrame):
                continue
            heard += piece.samples_per_channel
            if speaks == (loud := max(piece.data) > 100):
                continue
            speaks = loud
            kind = vad.VADEventType.START_OF_SPEECH if loud else vad.VADEventType.END_OF_SPEECH
            at = heard / piece.sample_rate
            self._event_ch.send_nowait(
                vad.VADEvent(kind, samples_index=heard, timestamp=at, speech_duration=0.0, silence_duration=0.0)
            )


@contextlib.asynccontextmanager
async def closing(plug_in: openai.STT) -> AsyncIterator[openai.STT]:
    try:
        yield plug_in
    finally:
        await plug_in.aclose()


@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-mini-transcribe", "gpt-transcribe"])
async def test_openai(hub: Hub, model: str) -> None:
    async with closing(openai.STT(base_url=f"{hub.url}/v1", api_key=KEY, model=model, use_realtime=False)) as plug_in:
        heard = await plug_in.recognize([frame(piece) for piece in pieces(SPEECH + PAUSE)], conn_options=AT_ONCE)
    assert (heard.type, heard.alternatives[0].text) == (FINAL, said())
    assert heard.alternatives[0].language == "en"


async def test_openai_in_silence(hub: Hub) -> None:
    async with closing(openai.STT(base_url=f"{hub.url}/v1", api_key=KEY)) as plug_in:
        heard = await plug_in.recognize(frame(silence(1)), conn_options=AT_ONCE)
    assert heard.alternatives[0].text == ""


async def test_realtime(hub: Hub) -> None:
    async with closing(openai.STT(base_url=f"{hub.url}/v1", api_key=KEY, use_realtime=True)) as plug_in:
        async with plug_in.stream(conn_options=AT_ONCE) as stream:
            say(stream, FAST_SPEECH + FAST_PAUSE, FAST)
            events = await until(stream, END, FINAL)
            assert order(events) == [START, END, FINAL]
            assert texts(events, FINAL) == [said()]
            assert said().startswith(texts(events, INTERIM)[0])
            say(stream, FAST_SPEECH + FAST_PAUSE, FAST)
            assert texts(await until(stream, END, FINAL), FINAL) == [said(2.8)]
        # The next stream is another session.
        async with plug_in.stream(conn_options=AT_ONCE) as stream:
            say(stream, FAST_SPEECH + FAST_PAUSE, FAST)
            assert texts(await until(stream, END, FINAL), FINAL) == [said()]


async def test_realtime_at_another_rate(hub: Hub) -> None:
    made = openai.STT(base_url=f"{hub.url}/v1", api_key=KEY, use_realtime=True)
    async with closing(made) as plug_in, plug_in.stream(conn_options=AT_ONCE) as stream:
        say(stream, SPEECH + PAUSE)
        assert said() in texts(await until(stream, END, FINAL), FINAL)[0]


async def test_realtime_with_options_that_change(hub: Hub) -> None:
    made = openai.STT(
        base_url=f"{hub.url}/v1",
        api_key=KEY,
        model="gpt-transcribe",
        use_realtime=True,
        language=["en", "de"],
        keywords=["Zermatt"],
        prompt="Of numbers.",
        noise_reduction_type="near_field",
        turn_detection={"type": "server_vad", "silence_duration_ms": 300},
    )
    async with closing(made) as plug_in, plug_in.stream(conn_options=AT_ONCE) as stream:
        say(stream, FAST_SPEECH + FAST_PAUSE, FAST)
        assert texts(await until(stream, END, FINAL), FINAL) == [said()]
        plug_in.update_options(language="de", keywords=["Zermatt", "Matterhorn"])
        say(stream, FAST_SPEECH + FAST_PAUSE, FAST)
        assert texts(await until(stream, END, FINAL), FINAL) == [said(2.8)]


@pytest.mark.parametrize("model", ["gpt-realtime-whisper", "gpt-live-transcribe"])
async def test_realtime_with_turns_of_livekit(hub: Hub, model: str) -> None:
    made = openai.STT(base_url=f"{hub.url}/v1", api_key=KEY, model=model, vad=Loudness())
    async with closing(made) as plug_in, plug_in.stream(conn_options=AT_ONCE) as stream:
        for at in (0, 2.8):
            say(stream, FAST_SPEECH + FAST_PAUSE, FAST)
            events = await until(stream, END, FINAL)
            assert order(events) == [START, END, FINAL]
            assert texts(events, FINAL) == [said(at)]


async def test_deepgram(hub: Hub) -> None:
    plug_in = deepgram.STT(base_url=f"{hub.url}/v1/listen", api_key=KEY)
    async with plug_in.stream(conn_options=AT_ONCE) as stream:
        say(stream, SPEECH + PAUSE)
        events = await until(stream, END)
        assert order(events) == [START, FINAL, END]
        assert texts(events, FINAL) == [said()]
        assert said().startswith(texts(events, INTERIM)[0])
        final = next(event.alternatives[0] for event in events if event.type == FINAL)
        assert final.words is not None
        assert [str(word) for word in final.words] == said().split()
        assert final.words[0].start_time == pytest.approx(0.5, abs=0.05)
        assert final.words[-1].end_time == pytest.approx(1.7, abs=0.05)


async def test_deepgram_whose_input_ends_in_the_middle(hub: Hub) -> None:
    plug_in = deepgram.STT(base_url=f"{hub.url}/v1/listen", api_key=KEY)
    async with plug_in.stream(conn_options=AT_ONCE) as stream:
        say(stream, SPEECH)
        stream.end_input()
        async with asyncio.timeout(20):
            events = [event async for event in stream]
    assert texts(events, FINAL) == [said()]


async def test_deepgram_that_flushes(hub: Hub) -> None:
    plug_in = deepgram.STT(base_url=f"{hub.url}/v1/listen", api_key=KEY)
    async with plug_in.stream(conn_options=AT_ONCE) as stream:
        say(stream, SPEECH)
        stream.flush()
        assert texts(await until(stream, FINAL), FINAL) == [said()]
        say(stream, SPEECH)
        stream.flush()
        assert texts(await until(stream, FINAL), FINAL) == [said(1.6)]


async def test_deepgram_with_everything_that_livekit_can_ask_for(hub: Hub) -> None:
    plug_in = deepgram.STT(
        base_url=f"{hub.url}/v1/listen",
        api_key=KEY,
        language="de",
        smart_format=True,
        enable_diarization=True,
        keyterm=["Zermatt", "Matterhorn"],
        tags=["test"],
        profanity_filter=True,
        numerals=True,
        mip_opt_out=True,
        utterance_end_ms=1000,
        dictation=True,
        search=["Zermatt"],
        replace={"one": "two"},
    )
    async with plug_in.stream(conn_options=AT_ONCE) as stream:
        say(stream, SPEECH + PAUSE)
        assert texts(await until(stream, END), FINAL) == [said()]
    heard = await plug_in.recognize(frame(SPEECH), conn_options=AT_ONCE)
    assert heard.alternatives[0].text == said()


async def test_deepgram_with_keywords_and_without_an_endpoint(hub: Hub) -> None:
    plug_in = deepgram.STT(
        base_url=f"{hub.url}/v1/listen",
        api_key=KEY,
        model="nova-2",
        keywords=[("Zermatt", 1.5), ("Matterhorn", -2)],
        endpointing_ms=0,
        interim_results=False,
        vad_events=False,
    )
    async with plug_in.stream(conn_options=AT_ONCE) as stream:
        say(stream, SPEECH + PAUSE)
        stream.end_input()
        assert texts(await until(stream, FINAL), FINAL) == [said()]


async def test_deepgram_with_a_whole_file(hub: Hub) -> None:
    plug_in = deepgram.STT(base_url=f"{hub.url}/v1/listen", api_key=KEY, detect_language=True)
    heard = await plug_in.recognize([frame(piece) for piece in pieces(SPEECH + PAUSE)], conn_options=AT_ONCE)
    assert heard.alternatives[0].text == said()
    silent = await plug_in.recognize(frame(silence(1)), conn_options=AT_ONCE)
    assert silent.alternatives[0].text == ""


async def test_a_wrong_key_is_told(hub: Hub) -> None:
    with pytest.raises(APIStatusError) as refused:
        async with closing(openai.STT(base_url=f"{hub.url}/v1", api_key="wrong")) as plug_in:
            await plug_in.recognize(frame(SPEECH), conn_options=AT_ONCE)
    assert refused.value.status_code == 401
    with pytest.raises(APIStatusError) as refused:
        async with deepgram.STT(base_url=f"{hub.url}/v1/listen", api_key="wrong").stream(
            conn_options=AT_ONCE
        ) as stream:
            await anext(stream)
    assert refused.value.status_code == 401
