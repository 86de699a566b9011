"""OpenAI's Realtime API: the clients of OpenAI, unchanged, against the hub."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio
import soxr
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from tests.client import Client
from tests.hubs import scripted, until_empty
from tests.node import node
from tests.speech import clip, needs_clips, silence, tone
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from asr_hub.access.keys import new_key
from asr_hub.app import Serving, serving
from asr_hub.config.schema import Config

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

RATE = 24_000
WORDS = ["one", "two", "three", "four", "five"]
SPOKEN = silence(0.5, rate=RATE) + tone(1.0, rate=RATE) + silence(1.0, rate=RATE)
"""One utterance; the pre-roll is heard, too."""

TRANSCRIPT = "three four five one two three"
COMPLETED = "conversation.item.input_audio_transcription.completed"
FAILED = "conversation.item.input_audio_transcription.failed"
DELTA = "conversation.item.input_audio_transcription.delta"
"""Types of events."""

TURN = [
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    COMPLETED,
]


def hub_with(settings: dict[str, Any] | None = None, **sections: Any) -> Config:
    return scripted({"transcript": WORDS, **(settings or {})}, **sections)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Serving]:
    """The hub of those tests that need no other."""
    async with serving(hub_with()) as running:
        yield running


@asynccontextmanager
async def connected(
    hub: Serving, *, key: str = "none", base: str = "/v1", **query: str
) -> AsyncIterator[AsyncRealtimeConnection]:
    async with (
        AsyncOpenAI(base_url=f"{hub.url}{base}", api_key=key, max_retries=0) as client,
        client.realtime.connect(extra_query={"intent": "transcription", **query}) as connection,
    ):
        assert (await connection.recv()).type == "session.created"
        yield connection


async def configure(connection: AsyncRealtimeConnection, **given: Any) -> dict[str, Any]:
    """Change settings of the input; the session as the hub says it is."""
    session: Any = {"type": "transcription", "audio": {"input": given}}
    await connection.session.update(session=session)
    return (await until_told(connection, "session.updated"))[-1]["session"]


async def say(connection: AsyncRealtimeConnection, pcm: bytes, *, step: int = 4800) -> None:
    for at in range(0, len(pcm), step):
        await connection.input_audio_buffer.append(audio=base64.b64encode(pcm[at : at + step]).decode())


async def until_told(connection: AsyncRealtimeConnection, *types: str, times: int = 1) -> list[dict[str, Any]]:
    """Every event up to the last of so many of those types."""
    events: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        while sum(event["type"] in types for event in events) < times:
            events.append((await connection.recv()).to_dict())
    return events


def of(events: Iterable[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


def without_deltas(events: Iterable[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events if event["type"] != DELTA]


async def test_python_with_turns_of_the_server(hub: Serving) -> None:
    async with connected(hub) as connection:
        session = await configure(connection, transcription={"model": "whisper-1", "language": "en"})
        assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"
        await say(connection, SPOKEN)
        events = await until_told(connection, COMPLETED)
        started, *_, completed = events
        assert without_deltas(events) == ["input_audio_buffer.speech_started", *TURN]
        assert {event["item_id"] for event in events if "item_id" in event} == {started["item_id"]}
        assert "".join(event["delta"] for event in of(events, DELTA)) == TRANSCRIPT
        assert completed["transcript"] == TRANSCRIPT
        assert completed["usage"]["type"] == "duration"
        assert completed["usage"]["seconds"] > 1
        assert len({event["event_id"] for event in events}) == len(events)


async def test_the_next_item_names_the_one_before(hub: Serving) -> None:
    async with connected(hub) as connection:
        await say(connection, SPOKEN * 2)
        first, second = of(await until_told(connection, COMPLETED, times=2), "input_audio_buffer.committed")
        assert (first["previous_item_id"], second["previous_item_id"]) == (None, first["item_id"])


async def test_without_turns_everything_up_to_the_commit_is_one_item(hub: Serving) -> None:
    async with connected(hub) as connection:
        assert (await configure(connection, turn_detection=None))["audio"]["input"]["turn_detection"] is None
        await say(connection, SPOKEN * 2)
        await connection.input_audio_buffer.commit()
        events = await until_told(connection, COMPLETED)
        assert without_deltas(events) == TURN[1:]
        spoken = events[-1]["transcript"]
        assert len(spoken.split()) == 2 * len(TRANSCRIPT.split())
        assert "".join(event["delta"] for event in of(events, DELTA)) == spoken
        await say(connection, SPOKEN)
        await connection.input_audio_buffer.commit()
        after = await until_told(connection, COMPLETED)
        assert len(after[-1]["transcript"].split()) == len(TRANSCRIPT.split())
        assert of(after, "input_audio_buffer.committed")[0]["previous_item_id"] == events[-1]["item_id"]


@pytest.mark.parametrize("turns", [True, False])
async def test_a_commit_of_nothing_is_answered(hub: Serving, turns: bool) -> None:
    async with connected(hub) as connection:
        if not turns:
            await configure(connection, turn_detection=None)
        for pcm in (b"", silence(0.3, rate=RATE)):
            await say(connection, pcm)
            await connection.input_audio_buffer.commit()
            events = await until_told(connection, COMPLETED)
            assert [event["type"] for event in events] == TURN[1:]
            assert (events[-1]["transcript"], events[-1]["usage"]["seconds"]) == ("", 0)


async def test_a_commit_ends_an_utterance_at_once(hub: Serving) -> None:
    async with connected(hub) as connection:
        await say(connection, SPOKEN[: len(SPOKEN) // 2])
        await connection.input_audio_buffer.commit()
        events = await until_told(connection, COMPLETED)
        assert without_deltas(events) == ["input_audio_buffer.speech_started", *TURN]
        assert events[-1]["transcript"].startswith("three four")


@pytest.mark.parametrize("turns", [True, False])
async def test_what_is_cleared_gets_no_transcript(hub: Serving, turns: bool) -> None:
    async with connected(hub) as connection:
        if not turns:
            await configure(connection, turn_detection=None)
        await say(connection, SPOKEN[: len(SPOKEN) // 2])
        await connection.input_audio_buffer.clear()
        await connection.input_audio_buffer.commit()
        events = await until_told(connection, COMPLETED)
        assert len(of(events, "input_audio_buffer.cleared")) == 1
        assert (len(of(events, "input_audio_buffer.committed")), events[-1]["transcript"]) == (1, "")


async def test_what_was_committed_before_a_clear_keeps_its_transcript(hub: Serving) -> None:
    async with connected(hub) as connection:
        await configure(connection, turn_detection=None)
        await say(connection, SPOKEN)
        await connection.input_audio_buffer.commit()
        await say(connection, SPOKEN[: len(SPOKEN) // 2])
        await connection.input_audio_buffer.clear()
        await connection.input_audio_buffer.commit()
        heard, nothing = of(await until_told(connection, COMPLETED, times=2), COMPLETED)
        assert (heard["transcript"], nothing["transcript"]) == (TRANSCRIPT, "")


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
async def test_audio_of_telephones(hub: Serving, kind: str) -> None:
    # 0x2A and 0xAA are loud in both; 0xFF and 0xD5 are silence.
    quiet = b"\xff" if kind == "audio/pcmu" else b"\xd5"
    spoken = quiet * 4000 + b"\x2a\x2a\x2a\x2a\xaa\xaa\xaa\xaa" * 1000 + quiet * 8000
    async with connected(hub) as connection:
        session = await configure(connection, format={"type": kind})
        assert session["audio"]["input"]["format"] == {"type": kind}
        await say(connection, spoken, step=801)
        events = await until_told(connection, COMPLETED)
        assert abs(events[0]["audio_start_ms"] - 500) < 100
        # Silence is not quite that in A-law, and so the pre-roll has words.
        assert "three four five" in events[-1]["transcript"]


async def test_audio_before_the_first_settings_is_heard(hub: Serving) -> None:
    async with connected(hub) as connection:
        await say(connection, SPOKEN[: len(SPOKEN) // 2], step=4801)
        await configure(connection, transcription={"model": "gpt-4o-transcribe", "keywords": ["Zermatt"]})
        await say(connection, SPOKEN[len(SPOKEN) // 2 :])
        assert (await until_told(connection, COMPLETED))[-1]["transcript"] == TRANSCRIPT


async def test_what_the_hub_does_not_know_is_no_error(hub: Serving) -> None:
    async with connected(hub, model="gpt-realtime") as connection:
        session = await configure(
            connection,
            turn_detection={"type": "semantic_vad", "eagerness": "low", "invented": {"a": [1]}},
            noise_reduction={"type": "near_field"},
            transcription={"model": "gpt-transcribe", "prompt": "names", "delay": "low", "languages": ["en", "de"]},
            invented=True,
        )
        assert session["audio"]["input"]["turn_detection"] == {"type": "semantic_vad", "eagerness": "low"}
        assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": RATE}
        await say(connection, SPOKEN)
        assert not of(await until_told(connection, COMPLETED), "error")


async def test_what_is_wrong_is_told_and_changes_nothing() -> None:
    async with serving(hub_with(dialects={"strict_models": True})) as hub, connected(hub) as connection:
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"type": "session.update", "session": {"type": "realtime"}}, "session.type"),
            ({"type": "session.update", "session": {"audio": {"input": {"format": {"type": "mp3"}}}}}, "session.audio"),
            ({"type": "session.update", "session": 7}, "session"),
            ({"type": "input_audio_buffer.append", "audio": "!"}, "audio"),
            ({"type": "response.create"}, "type"),
        ]
        for number, (event, param) in enumerate(wrong):
            await connection.send({**event, "event_id": f"mine-{number}"})
            error = (await until_told(connection, "error"))[-1]["error"]
            assert (error["type"], error["event_id"]) == ("invalid_request_error", f"mine-{number}")
            assert error["param"].startswith(param)
        await connection.session.update(session={"audio": {"input": {"transcription": {"model": "x"}}}}, event_id="m")
        error = (await until_told(connection, "error"))[-1]["error"]
        assert (error["code"], error["event_id"]) == ("model_not_found", "m")
        await configure(connection, transcription={"model": "scripted"})
        await say(connection, SPOKEN)
        assert (await until_told(connection, COMPLETED))[-1]["transcript"] == TRANSCRIPT


async def test_an_engine_that_fails_is_told_for_the_item() -> None:
    async with serving(hub_with({"faults": {"fail_after_ms": 400}})) as hub, connected(hub) as connection:
        await say(connection, SPOKEN)
        failed = (await until_told(connection, FAILED))[-1]
        assert failed["error"]["type"] == "transcription_error"
        await connection.input_audio_buffer.commit()
        assert (await until_told(connection, COMPLETED))[-1]["transcript"] == ""


async def test_a_client_that_goes_is_heard_to_its_end_and_its_session_goes(hub: Serving) -> None:
    async with connected(hub) as connection:
        session = await configure(connection)
        await say(connection, SPOKEN[: len(SPOKEN) // 2])
        await until_told(connection, "input_audio_buffer.speech_started")
        viewer = Client.attaching(hub.stream_url, session["id"], role="viewer")
        await viewer.connect()
    await viewer.wait_for("closed")
    await viewer.cut()
    assert viewer.of("final")[0]["hypothesis"]["text"].startswith("three four")
    await until_empty(hub.hub)


async def test_a_session_is_watched_by_others(hub: Serving) -> None:
    async with connected(hub) as connection, httpx.AsyncClient(trust_env=False) as http:
        session = await configure(connection)
        async with http.stream("GET", f"{hub.url}/v1/sessions/{session['id']}/events") as stream:
            await say(connection, SPOKEN)
            said = (await until_told(connection, COMPLETED))[-1]["transcript"]
            async with asyncio.timeout(10):
                async for line in stream.aiter_lines():
                    if line.startswith("data:") and (message := json.loads(line[5:]))["type"] == "final":
                        break
            assert message["hypothesis"]["text"] == said == TRANSCRIPT


async def test_wrong_keys_and_those_of_browsers() -> None:
    key = new_key()
    access = {"keys": {"speaker": {"id": key.id, "hash": key.sha256, "scopes": ["speak"]}}}
    async with serving(hub_with(access=access)) as hub:
        with pytest.raises(InvalidStatus) as refused:
            async with connected(hub, key="wrong"):
                pass
        assert refused.value.response.status_code == 401
        assert json.loads(refused.value.response.body)["error"]["type"] == "invalid_request_error"
        async with AsyncOpenAI(base_url=f"{hub.url}/v1", api_key=key.secret, max_retries=0) as client:
            made = await client.realtime.client_secrets.create(
                session={"type": "transcription", "audio": {"input": {"turn_detection": None}}},
                expires_after={"anchor": "created_at", "seconds": 7200},
            )
        url = f"{hub.url.replace('http', 'ws')}/v1/realtime"
        offered = [Subprotocol("realtime"), Subprotocol(f"openai-insecure-api-key.{made.value}")]
        async with connect(url, subprotocols=offered) as socket:
            session = json.loads(await socket.recv())["session"]
            assert (socket.subprotocol, session["audio"]["input"]["turn_detection"]) == ("realtime", None)
        async with connected(hub, key=made.value) as connection:
            await connection.input_audio_buffer.commit()
            await until_told(connection, COMPLETED)
        async with httpx.AsyncClient(base_url=hub.url, trust_env=False) as http:
            for headers, body, status in (
                ({}, "{}", 401),
                ({"Authorization": f"Bearer {key.secret}"}, "{", 400),
                ({"Authorization": f"Bearer {key.secret}"}, '{"expires_after": {"seconds": "x"}}', 400),
                ({"Authorization": f"Bearer {key.secret}"}, f'{{"expires_after": {{"seconds": -{"9" * 400}}}}}', 400),
                ({"Authorization": f"Bearer {key.secret}"}, b'{"session": {"type": "\xff"}}', 400),
                ({"Authorization": f"Bearer {key.secret}"}, " " * 100_000, 413),
            ):
                answer = await http.post("/v1/realtime/client_secrets", headers=headers, content=body)
                assert (answer.status_code, answer.json()["error"]["type"]) == (status, "invalid_request_error")


async def test_a_key_that_may_not_speak_is_told_and_the_connection_ends() -> None:
    key = new_key()
    access = {"keys": {"watcher": {"id": key.id, "hash": key.sha256, "scopes": ["watch"]}}}
    async with serving(hub_with(access=access)) as hub, connected(hub, key=key.secret) as connection:
        await connection.input_audio_buffer.commit()
        assert (await until_told(connection, "error"))[-1]["error"]["code"] == "missing_scope"
        with pytest.raises(ConnectionClosed):
            await connection.recv()


async def test_a_hub_that_stops_says_so() -> None:
    async with AsyncExitStack() as client:
        async with serving(hub_with(dialects={"openai": {"prefix": "/oai"}})) as hub:
            connection = await client.enter_async_context(connected(hub, base="/oai/v1"))
        assert (await until_told(connection, "error"))[-1]["error"]["code"] == "shutting_down"
        with pytest.raises(ConnectionClosed) as closed:
            await connection.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012


async def test_switched_off_it_is_not_there() -> None:
    async with serving(hub_with(dialects={"openai": {"enabled": False}})) as hub:
        with pytest.raises(InvalidStatus):
            async with connected(hub):
                pass


@pytest.mark.parametrize("kind", ["ws", "browser"])
async def test_javascript_over_tls(kind: str, tmp_path: Path) -> None:
    async with serving(hub_with(server={"port": 0, "tls": {"certificate": "self-signed"}})) as hub:
        assert hub.tls is not None
        (tmp_path / "ca.pem").write_bytes(hub.tls.certificate)
        told = await node(
            "openai_realtime.mjs", f"{hub.url}/v1", "k", kind, NODE_EXTRA_CA_CERTS=str(tmp_path / "ca.pem")
        )
        assert without_deltas(told["events"])[:2] == ["session.created", "session.updated"]
        assert told["events"][-1]["transcript"] == TRANSCRIPT
        assert told["subprotocol"] == ("" if kind == "ws" else "realtime")


@pytest.mark.engine
@pytest.mark.data
@needs_clips
async def test_pocketsphinx_hears_a_real_clip() -> None:
    spoken = clip("goforward.raw").pcm()
    pcm = soxr.resample(np.frombuffer(spoken, np.int16), 16_000, RATE).tobytes()
    config = scripted(provider="sphinx", providers={"sphinx": {"kind": "pocketsphinx"}})
    async with serving(config) as hub, connected(hub) as connection:
        await configure(connection, transcription={"model": "whisper-1", "language": "en"}, turn_detection=None)
        await say(connection, pcm)
        await connection.input_audio_buffer.commit()
        assert (await until_told(connection, COMPLETED))[-1]["transcript"].startswith("go forward ten")
