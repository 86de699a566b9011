"""Clients of Wyoming against the hub: the package `wyoming` as Home Assistant calls it, and its bridge from HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import ssl
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from httpx_sse import aconnect_sse
from tests import home_assistant as ha
from tests.home_assistant import AsyncTcpClient, AudioChunk, AudioStart, AudioStop, Describe, Detect, Event, Transcribe
from tests.hubs import scripted, until, until_empty
from tests.peers.websocket import WebSocketPeer
from tests.speech import clip, needs_clips, silence, tone

from asr_hub.access.door import OpenDoor
from asr_hub.access.keys import new_key
from asr_hub.app import Serving, serving
from asr_hub.app.listening import bind
from asr_hub.config.schema import Config
from asr_hub.hub.decoding import Decoders
from asr_hub.protocols.compat.conversing import ConversingSettings
from asr_hub.protocols.compat.ports import Compat, Models
from asr_hub.protocols.compat.wyoming import WyomingSettings, wyoming_port
from asr_hub.store.slices.sessions import Session, select_sessions
from asr_hub.wire.conversation import Limits
from asr_hub.wire.dialects.wyoming_info import Offer

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

PORT = {"wyoming": {"port": 0}}
COMMAND = silence(0.3) + tone(0.8) + silence(0.5)
TALK = silence(0.3) + tone(0.6) + silence(1.0) + tone(0.8, hertz=330) + silence(1.0) + tone(0.5, hertz=280)
LECTURE = silence(0.3) + tone(3.0) + TALK
WAKE = {"wake_word": {"provider": "scripted", "phrases": ["computer", "hey hub"], "timeout_s": 1.0}}


def port(hub: Serving) -> int:
    return hub.dialects["wyoming"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Serving]:
    async with serving(scripted(dialects=PORT)) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def hub(shared: Serving) -> Serving:
    """One for all tests, which leave no session in it."""
    await until_empty(shared.hub)
    return shared


async def native(hub: Serving, pcm: bytes, **start: Any) -> str:
    """What a client of the hub's own protocol is told of the same audio."""
    async with WebSocketPeer(hub) as peer:
        await peer.start(**start)
        for at in range(0, len(pcm), 4800):
            await peer.send(pcm[at : at + 4800])
        await peer.tell("close")
        await peer.wait_for("closed")
        return " ".join(m["hypothesis"]["text"] for m in peer.of("final") if m["hypothesis"]["text"])


def sessions(hub: Serving) -> list[Session]:
    return [it for it in select_sessions(hub.hub.store.state) if it.protocol == "wyoming"]


async def transcript(hub: Serving, pcm: bytes, **format: int) -> str:
    async with ha.connected(port(hub)) as client:
        await ha.stream(client, pcm, **format)
        return ha.text_of(await ha.until(client, "transcript-stop"))


async def test_home_assistant_learns_what_there_is(hub: Serving) -> None:
    (program,) = (await ha.load_info(port(hub))).asr
    assert [(model.name, model.installed) for model in program.models] == [("scripted", True)]
    assert {"en", "de", "zh"} <= set(program.models[0].languages)
    assert (program.supports_transcript_streaming, program.requires_external_vad) == (True, False)


async def test_languages_are_those_of_the_engines_that_hear_and_models_have_their_aliases() -> None:
    heard = {"kind": "scripted", "settings": {"languages": ["en-US", "de"]}}
    config = scripted(
        dialects={**PORT, "models": {"large": "scripted"}},
        providers={"other": {"kind": "scripted"}, "scripted": heard, "wake": {"kind": "scripted"}},
        wake_word={"provider": "wake", "phrases": ["computer", "hey hub"]},
    )
    async with serving(config) as hub:
        info = await ha.load_info(port(hub))
        known = {model.name: model.languages for model in info.asr[0].models}
        assert list(known) == ["large", "scripted", "other"]
        assert known["large"] == known["scripted"] == ["en-US", "de"]
        assert len(known["other"]) > 90
        assert [model.phrase for model in info.wake[0].models] == ["computer", "hey hub"]


@pytest.mark.parametrize("talk", [ha.speech_to_text, ha.speech_to_text_before_2026])
async def test_home_assistant_is_told_what_was_said(hub: Serving, talk: Any) -> None:
    said = await native(hub, COMMAND)
    assert said
    assert await talk(port(hub), COMMAND) == said
    await until_empty(hub.hub)


@pytest.mark.parametrize("talk", [ha.speech_to_text, ha.speech_to_text_before_2026])
async def test_of_silence_it_is_told_that_nothing_was_said(hub: Serving, talk: Any) -> None:
    assert await talk(port(hub), silence(0.5)) == ""


async def test_a_recording_with_pauses_is_heard_to_its_end_and_told_in_chunks(hub: Serving) -> None:
    async with ha.connected(port(hub)) as client:
        await client.write_event(Transcribe(language="en").event())
        await ha.stream(client, TALK)
        told = await ha.until(client, "transcript-stop")
    types = [event.type for event in told]
    assert (types.count("voice-started"), types.count("voice-stopped")) == (3, 3)
    assert [types.count(one) for one in ("transcript-start", "transcript", "transcript-stop")] == [1, 1, 1]
    text = ha.text_of(told)
    assert text == await native(hub, TALK)
    assert "".join(event.data["text"] for event in told if event.type == "transcript-chunk") == text


async def test_who_speaks_into_a_microphone_is_answered_at_the_first_silence(hub: Serving) -> None:
    async with ha.connected(port(hub)) as client:
        for _ in range(2):
            await client.write_event(Transcribe(language="en").event())
            await client.write_event(AudioStart(16000, 2, 1).event())
            for audio in ha.pieces(silence(0.3) + tone(0.6) + silence(0.8)):
                await client.write_event(AudioChunk(16000, 2, 1, audio).event())
            told = await ha.until(client, "voice-stopped")
            # The final comes with the last words. Whoever speaks goes on sending.
            told += await ha.until(client, "transcript-chunk")
            await client.write_event(AudioChunk(16000, 2, 1, silence(0.06)).event())
            assert ha.text_of(await ha.until(client, "transcript-stop"))
            await client.write_event(AudioChunk(16000, 2, 1, silence(0.06)).event())
        await client.write_event(AudioStop().event())
        await until_empty(hub.hub)


async def test_several_streams_on_one_connection_need_not_wait_for_each_other(hub: Serving) -> None:
    said = await native(hub, COMMAND)
    async with ha.connected(port(hub)) as client:
        for _ in range(3):
            await ha.stream(client, COMMAND)
        await client.write_event(Event("ping", {"text": "there?"}))
        for _ in range(3):
            assert ha.text_of(await ha.until(client, "transcript-stop")) == said
        assert (await ha.until(client, "pong"))[0].data == {"text": "there?"}


@pytest.mark.parametrize(("rate", "width", "channels"), [(16000, 4, 1), (16000, 3, 2), (8000, 2, 1), (48000, 2, 3)])
async def test_audio_of_any_width_and_rate_is_heard(hub: Serving, rate: int, width: int, channels: int) -> None:
    mono = silence(0.3, rate=rate) + tone(0.8, rate=rate) + silence(0.5, rate=rate)
    samples = [mono[at : at + 2] for at in range(0, len(mono), 2)]
    wide = b"".join((bytes(width - 2) + sample) * channels for sample in samples)
    told = await transcript(hub, wide, rate=rate, width=width, channels=channels)
    plain = b"".join(sample * channels for sample in samples)
    assert told == await native(hub, plain, format={"sample_rate": rate, "channels": channels})
    assert told


async def test_names_and_terms_are_hotwords_and_a_model_and_its_language_are_chosen() -> None:
    dialects = {**PORT, "models": {"large": "scripted"}, "strict_models": True}
    async with serving(scripted(dialects=dialects)) as hub, ha.connected(port(hub)) as client:
        wish = Transcribe(name="large", language="en_US", transcript_names=["Ada"], transcript_terms=["dim"])
        await client.write_event(wish.event())
        await client.write_event(AudioChunk(16000, 2, 1, silence(0.1)).event())
        await until(hub.hub, lambda state: any(True for _ in select_sessions(state)))
        (session,) = sessions(hub)
        assert (session.provider, session.language, session.hotwords) == ("scripted", "en-US", ("Ada", "dim"))
        assert session.hotword_weights == {"Ada": 2.0}
        await client.write_event(AudioStop().event())
        await ha.until(client, "transcript-stop")
        await client.write_event(Transcribe(name="other").event())
        (error,) = await ha.until(client, "error")
        assert error.data["code"] == "model-not-found"


async def test_what_the_hub_cannot_hear_is_an_error_and_an_empty_transcript(hub: Serving) -> None:
    async with ha.connected(port(hub)) as client:
        await ha.stream(client, COMMAND, rate=100)
        told = await ha.until(client, "transcript-stop")
        assert (told[0].type, told[0].data["code"], ha.text_of(told)) == ("error", "unsupported-rate", "")
        await ha.stream(client, COMMAND)
        assert ha.text_of(await ha.until(client, "transcript-stop"))


async def test_an_engine_that_fails_is_an_error() -> None:
    async with serving(scripted({"faults": {"fail_after_ms": 0}}, dialects=PORT)) as hub:
        assert await ha.speech_to_text(port(hub), COMMAND) is None
        assert await ha.speech_to_text_before_2026(port(hub), COMMAND) == ""


class TestWakeWords:
    async def test_one_is_told_with_its_time_and_another_or_none_at_the_end(self) -> None:
        words = ("no", "no", "no", "no", "computer", "lights", "on", "please")
        async with serving(scripted({"transcript": words}, dialects=PORT, **WAKE)) as hub:
            pcm = silence(0.6) + tone(2.0)
            found = await ha.wake_word(port(hub), pcm, "computer")
            assert found is not None
            assert found.name == "computer"
            assert found.timestamp is not None
            assert 800 <= found.timestamp <= 1200
            assert await ha.wake_word(port(hub), pcm, "hey hub") is None
            assert await ha.wake_word(port(hub), silence(0.5), None) is None
            await until_empty(hub.hub)

    async def test_it_is_listened_for_again_and_a_command_needs_none_however_long_one_waits_before_it(self) -> None:
        words = ("no", "no", "no", "computer", "no")
        async with serving(scripted({"transcript": words}, dialects=PORT, **WAKE)) as hub:
            async with ha.connected(port(hub)) as client:
                await client.write_event(Detect().event())
                for _ in range(2):
                    for audio in ha.pieces(silence(0.4) + tone(1.0)):
                        await client.write_event(AudioChunk(16000, 2, 1, audio).event())
                    await ha.until(client, "detection")
                await client.write_event(AudioStop().event())
                await client.write_event(Transcribe().event())
                await ha.stream(client, COMMAND)
                assert ha.text_of(await ha.until(client, "transcript-stop"))
            assert await transcript(hub, silence(6.0) + COMMAND)

    async def test_without_one_in_the_configuration_it_is_an_error(self, hub: Serving) -> None:
        async with ha.connected(port(hub)) as client:
            await client.write_event(Detect(names=["computer"]).event())
            (error,) = await ha.until(client, "error")
            assert error.data["code"] == "no-wake-word"


async def test_a_session_is_watched_over_the_hubs_own_protocols(hub: Serving) -> None:
    async with ha.connected(port(hub)) as client, httpx.AsyncClient(base_url=hub.url) as http:
        await client.write_event(AudioChunk(16000, 2, 1, silence(0.1)).event())
        await until(hub.hub, lambda state: any(True for _ in select_sessions(state)))
        (session,) = sessions(hub)
        async with aconnect_sse(http, "GET", f"/v1/sessions/{session.id}/events") as events:
            await ha.go_on(client, COMMAND)
            said = ha.text_of(await ha.until(client, "transcript-stop"))
            seen = [json.loads(event.data) async for event in events.aiter_sse() if event.data]
    finals = [message["hypothesis"]["text"] for message in seen if message["type"] == "final"]
    assert " ".join(text for text in finals if text) == said


async def test_who_hangs_up_in_the_middle_is_heard_to_the_end_by_those_who_watch(hub: Serving) -> None:
    async with ha.connected(port(hub)) as client:
        for audio in ha.pieces(silence(0.3) + tone(0.8)):
            await client.write_event(AudioChunk(16000, 2, 1, audio).event())
        await ha.until(client, "transcript-chunk")
        (session,) = sessions(hub)
        viewer = WebSocketPeer(hub)
        await viewer.attach(session.id, role="viewer", seq=0)
    async with viewer:
        closed = await viewer.wait_for("closed")
        assert closed["reason"] == "close"
        assert any(viewer.finals)
    await until_empty(hub.hub)


async def test_without_a_key_nobody_is_let_in_unless_the_port_has_one() -> None:
    key = new_key()
    access = {"keys": {"home": {"id": key.id, "hash": key.sha256}}}
    async with serving(scripted(dialects=PORT, access=access)) as hub:
        async with ha.connected(port(hub)) as client:
            await client.write_event(Describe().event())
            (error,) = await ha.until(client, "error")
            assert error.data["code"] == "unauthorized"
            assert await client.read_event() is None
        assert await ha.speech_to_text(port(hub), COMMAND) is None
    async with serving(scripted(dialects={"wyoming": {"port": 0, "key": "home"}}, access=access)) as hub:
        async with ha.connected(port(hub)) as client:
            await client.write_event(AudioChunk(16000, 2, 1, silence(0.1)).event())
            await until(hub.hub, lambda state: any(True for _ in select_sessions(state)))
            assert [session.principal for session in sessions(hub)] == ["home"]
        assert await ha.speech_to_text(port(hub), COMMAND)


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(200_000), b'{"type":"a","data_length":-1}\n']
)
async def test_what_is_no_event_is_told_and_ends_the_connection(hub: Serving, said: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port(hub))
    writer.write(said)
    told = await reader.read()
    assert json.loads(told.split(b"\n")[0])["type"] == "error"
    writer.close()
    await writer.wait_closed()


async def test_events_that_are_not_known_are_ignored(hub: Serving) -> None:
    async with ha.connected(port(hub)) as client:
        for type in ("select-program", "run-satellite", "synthesize"):
            await client.write_event(Event(type, {"name": "x", "text": "y"}))
        await client.write_event(Event("ping"))
        assert [event.type for event in await ha.until(client, "pong")] == ["pong"]


async def test_over_tls_where_it_is_configured() -> None:
    dialects = {"wyoming": {"port": 0, "tls": {"certificate": "self-signed"}}}
    async with serving(scripted(dialects=dialects)) as hub:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection("127.0.0.1", port(hub), ssl=context)
        writer.write(b'{"type":"ping"}\n')
        assert json.loads(await reader.readline())["type"] == "pong"
        writer.write(b"no event\n")
        assert b'"error"' in await reader.read()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_whoever_is_connected_when_the_hub_stops_is_told() -> None:
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(serving(scripted(dialects=PORT)))
        idle = AsyncTcpClient("127.0.0.1", port(running))
        busy = AsyncTcpClient("127.0.0.1", port(running))
        for client in (idle, busy):
            await client.connect()
            await client.write_event(Describe().event())
            await client.read_event()
        for audio in ha.pieces(silence(0.3) + tone(0.8)):
            await busy.write_event(AudioChunk(16000, 2, 1, audio).event())
        await ha.until(busy, "transcript-chunk")
        stopping = asyncio.create_task(stack.aclose())
        for client in (idle, busy):
            assert (await ha.until(client, "error"))[-1].type == "error"
            while await client.read_event() is not None:
                pass
            await client.disconnect()
        await stopping


@contextlib.asynccontextmanager
async def bounded(hub: Serving, settings: WyomingSettings) -> AsyncIterator[int]:
    """Another port of the hub."""
    async with Decoders() as files:
        compat = Compat(hub=hub.hub, door=OpenDoor(), models=Models({}, ("scripted",)), files=files, limits=Limits())
        offer = Offer(version="1", models=())
        listener = bind("127.0.0.1", 0, key="")
        async with wyoming_port(
            listener, hub.hub, compat, lambda: offer, policy="stable", stopping=asyncio.Event(), settings=settings
        ):
            yield listener.getsockname()[1]


async def test_one_connection_too_many_is_told_so(hub: Serving) -> None:
    async with bounded(hub, WyomingSettings(max_connections=1)) as port, ha.connected(port) as first:
        await first.write_event(Describe().event())
        await first.read_event()
        async with ha.connected(port) as second:
            (error,) = await ha.until(second, "error")
            assert error.data["code"] == "overloaded"
            assert await second.read_event() is None


async def test_a_client_that_says_nothing_is_let_go(hub: Serving) -> None:
    talk = ConversingSettings(silence=0.05)
    async with bounded(hub, WyomingSettings(talk=talk)) as port, ha.connected(port) as client:
        (error,) = await ha.until(client, "error")
        assert (error.data["code"], await client.read_event()) == ("idle", None)


@needs_clips
@pytest.mark.data
@pytest.mark.engine
async def test_real_speech_with_a_real_engine() -> None:
    config = Config.model_validate(
        {
            "provider": "pocketsphinx",
            "providers": {"pocketsphinx": {"kind": "pocketsphinx"}},
            "server": {"port": 0},
            "audio": {"vad": "light"},
            "dialects": PORT,
        }
    )
    async with serving(config) as hub:
        assert (await ha.load_info(port(hub))).asr[0].models[0].languages == ["en-US"]
        text = await ha.speech_to_text(port(hub), clip("goforward.raw").pcm() + silence(0.5), "en")
        assert text is not None
        assert text.startswith("go forward ten")


async def test_the_bridge_from_http_tells_the_whole_recording(hub: Serving, tmp_path: Path) -> None:
    for package in ("flask", "asgiref", "swagger_ui"):
        pytest.importorskip(package)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16000)
        out.writeframes(LECTURE)
    arguments = ("-m", "wyoming.http.asr_server", "--host", "127.0.0.1", "--port", "0", "--uri")
    bridge = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, f"tcp://127.0.0.1:{port(hub)}", stderr=asyncio.subprocess.PIPE, cwd=tmp_path
    )
    try:
        assert bridge.stderr is not None
        while (found := re.search(rb"http://127.0.0.1:\d+", await bridge.stderr.readline())) is None:
            assert bridge.returncode is None
        async with httpx.AsyncClient(base_url=found[0].decode(), timeout=30) as http:
            answer = await http.post("/api/speech-to-text", content=file.getvalue())
            assert answer.json()["text"] == await native(hub, LECTURE)
            assert (await http.get("/api/info")).json()["asr"][0]["name"] == "ASR Hub"
    finally:
        bridge.terminate()
        await bridge.communicate()
