"""Real hubs and real clients of Socket.IO: python-socketio and npm's socket.io-client, on both transports."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.client import Client as WebSocketClient
from tests.hubs import scripted, until, until_empty
from tests.node import node
from tests.protocols.socket_io.serving import NATIVE, Client
from tests.speech import silence, tone

from asr_hub.access.keys import new_key
from asr_hub.app import Serving, serving
from asr_hub.model import Hypothesis, Pass, SessionId
from asr_hub.store.slices.sessions import select_live_count, select_session
from asr_hub.store.slices.transcripts import UtteranceCorrected

pytestmark = pytest.mark.e2e

SPEECH = silence(0.5) + tone(1.0) + silence(1.0)
MORE = tone(0.6, hertz=330) + silence(1.0)
TRANSPORTS = pytest.mark.parametrize("transport", ["websocket", "polling"])


async def speak(client: Client, event: str, pcm: bytes, block: int = 3200) -> None:
    for at in range(0, len(pcm), block):
        await client.emit(event, pcm[at : at + block])


async def over_websocket(hub: Serving, pcm: bytes) -> list[Any]:
    """The finals of the native WebSocket for this audio."""
    async with WebSocketClient(hub.stream_url) as client:
        for at in range(0, len(pcm), 3200):
            await client.send(pcm[at : at + 3200])
        await client.send({"type": "close"})
        await client.wait_for("closed")
        return [(m["utterance"], m["hypothesis"]["text"]) for m in client.of("final")]


@TRANSPORTS
async def test_a_recording_client_gets_live_text_and_its_final_result(hub: Serving, transport: str) -> None:
    wanted = " ".join(text for _, text in await over_websocket(hub, SPEECH + MORE))
    async with Client(hub.url, transport=transport) as client:
        await client.emit("start_recording", {"language": "auto"})
        await speak(client, "audio_data", SPEECH + MORE)
        await client.emit("stop_recording")
        result = await client.wait_for("final_result")
        assert result["paraformer"] == result["sensevoice"] == result["llm_merged"] == wanted
        assert result["passes"]["sensevoice"] == ["fast"]
        assert len(result["realtime_segments"]) == 2
        assert " ".join(word["text"] for word in result["timestamps"]) == wanted
        starts = [word["start_ms"] for word in result["timestamps"]]
        assert starts == sorted(starts)
        live = client.of("transcription")
        assert [it["vad_event"]["type"] for it in live if it["vad_event"]] == ["start", "end"] * 2
        assert [it["is_speaking"] for it in live if it["vad_event"]] == [True, False] * 2
        assert [it["text"] for it in live if it["is_final"]] == [it["text"] for it in result["realtime_segments"]]
        assert live[-1]["full_text"] == wanted
        assert not client.of("error")
    await until_empty(hub.hub)


async def test_the_result_has_the_accurate_and_the_corrected_text(hub: Serving) -> None:
    async with Client(hub.url) as client:
        await client.emit("start_recording")
        session = SessionId((await client.wait_for("recording_started"))["session_id"])
        await speak(client, "audio_data", SPEECH)
        final = await _final(client)
        for pass_, text in ((Pass.ACCURATE, "read with care"), (Pass.CORRECTED, "Read with care.")):
            reading = Hypothesis(text=text, start=480, end=1500, is_final=True, pass_=pass_)
            hub.hub.dispatch(UtteranceCorrected(at=hub.hub.now(), session=session, utterance=1, hypothesis=reading))
        await client.emit("stop_recording")
        result = await client.wait_for("final_result")
        assert result["paraformer"] == final["text"]
        assert result["sensevoice"] == "read with care"
        assert result["llm_merged"] == "Read with care."
        assert result["passes"] == {"paraformer": ["fast"], "sensevoice": ["accurate"], "llm_merged": ["corrected"]}
        assert client.of("transcription")[-1]["full_text"] == "Read with care."


async def _final(client: Client) -> Any:
    """The first final transcription."""
    count = 1
    while not (live := await client.wait_for("transcription", count=count))["is_final"]:
        count += 1
    return live


@TRANSPORTS
async def test_idle_recorders_cost_no_session_and_silence_has_a_result(hub: Serving, transport: str) -> None:
    async with Client(hub.url, transport=transport) as client:
        await client.wait_for("connected")
        assert select_live_count(hub.hub.store.state) == 0
        for number in (1, 2):
            await client.emit("start_recording")
            await client.emit("stop_recording")
            result = await client.wait_for("final_result", count=number)
            assert (result["paraformer"], result["reason"]) == ("", "close")


@TRANSPORTS
async def test_the_native_protocol_says_the_same_as_over_the_websocket(hub: Serving, transport: str) -> None:
    wanted = await over_websocket(hub, SPEECH + MORE)
    async with Client(hub.url, NATIVE, transport=transport) as client:
        await client.emit("message", {"type": "start"})
        await speak(client, "audio", SPEECH + MORE)
        await client.emit("message", {"type": "close"})
        await client.gone()
        messages = client.of("message")
        assert [(m["utterance"], m["hypothesis"]["text"]) for m in messages if m["type"] == "final"] == wanted
        seq = 0
        for message in messages[1:]:
            seq += 1 + message.get("skipped", 0)
            assert message["seq"] == seq
        assert messages[-1]["type"] == "closed"


async def test_a_session_begun_here_goes_on_over_the_websocket_and_comes_back(hub: Serving) -> None:
    async with Client(hub.url, NATIVE) as client:
        await client.emit("message", {"type": "start"})
        ready = await client.message("ready")
        await client.call("audio", SPEECH)
    session = SessionId(ready["session"])
    await until(hub.hub, lambda state: (it := select_session(state, session)) is not None and not it.has_publisher)
    async with WebSocketClient.attaching(hub.stream_url, session, seq=0) as again:
        assert again.audio_offset == len(SPEECH) // 2
        await again.wait_for("final")
        async with Client(hub.url, NATIVE, transport="polling") as viewer:
            await viewer.emit("message", {"type": "attach", "session": session, "role": "viewer"})
            await viewer.message("final")
        await again.send({"type": "close"})
        await again.wait_for("closed")


@pytest.mark.parametrize("transport", ["websocket", "polling", "upgrade"])
async def test_a_javascript_recorder_in_every_shape_of_audio(hub: Serving, transport: str) -> None:
    said = await node("socket_io.mjs", hub.url, transport, "record")
    names = [name for name, _ in said["events"] if name != "transcription"]
    assert names == ["connected", "session", "recording_started", "recording_stopped", "final_result"]
    result = said["events"][-1][1]
    assert result["duration_ms"] == 2500
    assert result["llm_merged"]
    live = [payload for name, payload in said["events"] if name == "transcription"]
    assert live[-1]["full_text"] == result["llm_merged"]
    await until_empty(hub.hub)


@TRANSPORTS
async def test_a_javascript_client_of_the_native_protocol(hub: Serving, transport: str) -> None:
    said = await node("socket_io.mjs", hub.url, transport, "native")
    assert said["acks"] == [{"ok": True}] * 26
    assert said["reason"] == "io server disconnect"
    messages = [payload for name, payload in said["events"] if name == "message"]
    assert messages[0]["type"] == "ready"
    assert messages[-1] == {**messages[-1], "type": "closed", "audio_offset": 40_000}
    assert next(m["hypothesis"]["text"] for m in messages if m["type"] == "final")


@TRANSPORTS
async def test_javascript_is_told_why_it_may_not_come_in(transport: str) -> None:
    good, late = new_key(), new_key()
    keys = {
        "good": {"id": good.id, "hash": good.sha256},
        "late": {"id": late.id, "hash": late.sha256, "expires_at": "2020-01-01T00:00:00Z"},
    }
    async with serving(scripted(access={"keys": keys})) as hub:
        for secret, code in (([], "unauthorized"), (["wrong"], "unauthorized"), ([late.secret], "expired")):
            said = await node("socket_io.mjs", hub.url, transport, "refused", *secret)
            assert said["data"]["code"] == code
            assert said["message"] == said["data"]["message"]
        assert (await node("socket_io.mjs", hub.url, transport, "record", good.secret))["events"][-1][
            0
        ] == "final_result"


async def test_over_the_limit_of_sessions_a_recorder_is_told_and_may_try_again() -> None:
    one = scripted(sessions={"max_sessions": 1})
    async with serving(one) as hub, Client(hub.url) as first, Client(hub.url) as second:
        await first.emit("start_recording")
        await first.wait_for("recording_started")
        refused = await second.call("start_recording")
        assert (refused["code"], refused["retryable"]) == ("overloaded", True)
        assert refused["retry_after"] > 0
        await first.emit("stop_recording")
        await first.wait_for("final_result")
        assert await second.call("start_recording") == {"ok": True}


async def test_a_drain_gives_recorders_their_result_and_native_clients_their_closed(hub: Serving) -> None:
    async with Client(hub.url) as recorder, Client(hub.url, NATIVE, transport="polling") as native:
        await recorder.emit("start_recording")
        await recorder.wait_for("recording_started")
        await native.emit("message", {"type": "start"})
        await native.message("ready")
        await recorder.call("audio_data", silence(0.5) + tone(1.0))
        await native.call("audio", silence(0.5) + tone(1.0))
        await hub.hub.drain(30)
        assert (await recorder.wait_for("recording_stopped"))["reason"] == "shutdown"
        assert (await recorder.wait_for("final_result"))["paraformer"]
        await native.gone()
        assert native.of("message")[-1] == {**native.of("message")[-1], "type": "closed", "reason": "shutdown"}
        assert (await recorder.call("start_recording"))["code"] == "draining"


@TRANSPORTS
async def test_a_recorder_that_goes_has_its_session_closed_and_a_native_client_may_come_back(
    hub: Serving, transport: str
) -> None:
    async with Client(hub.url, transport=transport) as recorder, Client(hub.url, NATIVE, transport=transport) as native:
        await recorder.emit("start_recording")
        await recorder.wait_for("recording_started")
        await native.emit("message", {"type": "start"})
        session = SessionId((await native.message("ready"))["session"])
    await until(hub.hub, lambda state: select_live_count(state) == 1)
    await until(hub.hub, lambda state: (it := select_session(state, session)) is not None and not it.has_publisher)


async def test_a_file_sent_as_fast_as_it_goes_is_held_back_and_heard_whole() -> None:
    seconds = 30
    async with serving(scripted(sessions={"audio_buffer_s": 0.5})) as hub, Client(hub.url, NATIVE) as client:
        await client.emit("message", {"type": "start"})
        await speak(client, "audio", (tone(1.0) + silence(1.0)) * (seconds // 2), block=6400)
        await client.emit("message", {"type": "close"})
        await client.gone(seconds=120)
        assert client.of("message")[-1]["audio_offset"] == seconds * 16_000
        async with asyncio.timeout(60):
            await until_empty(hub.hub)


async def test_a_file_sent_as_samples_is_named_and_the_recording_ends_with_its_result(hub: Serving) -> None:
    async with Client(hub.url) as client:
        await client.emit("start_recording")
        await client.wait_for("recording_started")
        refused = await client.call("audio_data", b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(3200))
        assert refused["code"] == "container-in-raw-audio"
        assert (await client.wait_for("recording_stopped"))["reason"] == "container-in-raw-audio"
        assert (await client.wait_for("final_result"))["paraformer"] == ""
        assert await client.call("start_recording") == {"ok": True}
