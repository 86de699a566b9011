"""Clients of Deepgram against the hub: `deepgram-sdk`, npm's `@deepgram/sdk`, and plain sockets for what those hide."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from deepgram import AsyncDeepgramClient, DeepgramClient, DeepgramClientEnvironment
from deepgram.core.api_error import ApiError
from deepgram.errors import BadRequestError
from httpx_sse import aconnect_sse
from tests.hubs import scripted, until, until_empty
from tests.node import node
from tests.peers.websocket import WebSocketPeer
from tests.speech import clip, needs_clips, silence, tone
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from asr_hub.access.keys import new_key
from asr_hub.app import Serving, serving
from asr_hub.config.schema import Config
from asr_hub.protocols.compat import deepgram
from asr_hub.store.slices.sessions import select_live_count, select_sessions

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="module"),
    # The SDK asks for names that websockets calls old.
    pytest.mark.filterwarnings("ignore:websockets[.]:DeprecationWarning"),
]

TALK = silence(0.3) + tone(0.6) + silence(1.5) + tone(0.8, hertz=330) + silence(1.0)
RAW = {"model": "nova-3", "encoding": "linear16", "sample_rate": 16000}
FRAME = 3200


def environment(address: str) -> DeepgramClientEnvironment:
    socket = address.replace("http", "ws", 1)
    return DeepgramClientEnvironment(base=address, production=socket, agent=socket, agent_rest=address)


def sdk(hub: Serving, key: str = "any", prefix: str = "") -> AsyncDeepgramClient:
    return AsyncDeepgramClient(api_key=key, environment=environment(f"{hub.url}{prefix}"))


def url(hub: Serving, query: str = "encoding=linear16&sample_rate=16000") -> str:
    return f"{hub.url.replace('http', 'ws', 1)}/v1/listen?{query}"


def wav(pcm: bytes, channels: int = 1) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(pcm)
    return written.getvalue()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Serving]:
    async with serving(scripted()) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def hub(running: Serving) -> Serving:
    """Nobody is in it."""
    await until_empty(running.hub)
    return running


async def native(hub: Serving, pcm: bytes = TALK) -> list[str]:
    """The finals that a client of the hub's own protocol is told of the same audio."""
    async with WebSocketPeer(hub) as peer:
        await peer.start()
        for at in range(0, len(pcm), FRAME):
            await peer.send(pcm[at : at + FRAME])
        await peer.tell("close")
        await peer.wait_for("closed")
        return [m["hypothesis"]["text"] for m in peer.of("final") if m["hypothesis"]["text"]]


async def live(client: AsyncDeepgramClient, pcm: bytes = TALK, **query: Any) -> list[Any]:
    """Everything that `deepgram-sdk` is told, to the end."""
    async with client.listen.v1.connect(**{**RAW, **query}) as socket:
        for at in range(0, len(pcm), FRAME):
            await socket.send_media(pcm[at : at + FRAME])
        await socket.send_close_stream()
        return [message async for message in socket]


def text(message: Any) -> str:
    return str(message.channel.alternatives[0].transcript)


async def whole(hub: Serving, body: bytes, *, key: str = "any", prefix: str = "", **query: Any) -> Any:
    """What `deepgram-sdk` is told of a whole file."""
    # The SDK never closes a connection of its own.
    async with httpx.AsyncClient(timeout=60) as http:
        where = environment(f"{hub.url}{prefix}")
        media = AsyncDeepgramClient(api_key=key, environment=where, httpx_client=http).listen.v1.media
        return await media.transcribe_file(request=body, model="nova-3", **query)


def of(told: list[Any], name: str) -> list[Any]:
    return [message for message in told if message.type == name]


def finals(told: list[Any]) -> list[str]:
    return [text(it) for it in of(told, "Results") if it.is_final and text(it)]


async def frames(socket: ClientConnection) -> tuple[list[dict[str, Any]], int | None, str]:
    """What is left to read, the close code and the reason."""
    told = []
    try:
        while True:
            told.append(json.loads(await socket.recv()))
    except ConnectionClosed:
        return told, socket.close_code, socket.close_reason or ""


async def test_deepgram_sdk_is_told_what_a_native_client_is_told(hub: Serving) -> None:
    expected = await native(hub)
    assert len(expected) == 2
    told = await live(sdk(hub), interim_results="true", vad_events="true", utterance_end_ms="1000")
    assert finals(told) == expected
    results = of(told, "Results")
    assert [it.speech_final for it in results if it.is_final and text(it)] == [True, True]
    assert any(not it.is_final for it in results)
    assert all(it.channel_index == [0, 1] for it in results)
    assert [it.channel for it in of(told, "SpeechStarted")] == [[0, 1], [0, 1]]
    words = [word for it in results if it.is_final for word in it.channel.alternatives[0].words]
    assert " ".join(word.word for word in words) == " ".join(expected)
    assert all(0 <= word.start <= word.end <= len(TALK) / 32000 for word in words)
    (end,) = of(told, "UtteranceEnd")
    assert end.channel == [0, 1]
    assert end.last_word_end == next(it for it in results if it.is_final).channel.alternatives[0].words[-1].end


async def test_the_stream_ends_with_results_metadata_and_code_1000(hub: Serving) -> None:
    for last in ('{"type": "CloseStream"}', b""):
        async with connect(url(hub)) as socket:
            for at in range(0, len(TALK), FRAME):
                await socket.send(TALK[at : at + FRAME])
            await socket.send(last)
            # What comes after the end is nobody's.
            await socket.send(TALK[:FRAME])
            await socket.send('{"type": "Finalize"}')
            told, code, _ = await frames(socket)
        assert code == 1000
        assert [it["type"] for it in told][-2:] == ["Results", "Metadata"]
        assert told[-2]["is_final"] and not told[-2]["from_finalize"]
        assert told[-1]["transaction_key"] == "deprecated"
        assert told[-1]["sha256"] == hashlib.sha256(TALK).hexdigest()
        assert told[-1]["duration"] == len(TALK) / 32000
        assert told[-1]["channels"] == 1


async def test_silence_and_no_audio_at_all_are_answered(hub: Serving) -> None:
    for pcm in (silence(0.5), b""):
        told = await live(sdk(hub), pcm)
        assert [it.type for it in told] == ["Results", "Metadata"]
        assert told[0].is_final
        assert text(told[0]) == ""


async def test_each_finalize_is_answered_once_and_the_stream_goes_on(hub: Serving) -> None:
    async with sdk(hub).listen.v1.connect(**RAW) as socket:
        await socket.send_finalize()
        assert text(first := await socket.recv()) == ""
        assert first.from_finalize
        await socket.send_media(silence(0.3) + tone(0.6))
        await socket.send_finalize()
        said = await socket.recv()
        assert said.from_finalize
        assert text(said)
        await socket.send_finalize()
        await socket.send_media(silence(0.3) + tone(0.6))
        await socket.send_close_stream()
        rest = [message async for message in socket]
    assert [it.from_finalize for it in of(rest, "Results")] == [True, False]
    assert text(of(rest, "Results")[-1])


async def test_keyterms_are_replaced_on_the_way(hub: Serving) -> None:
    async with connect(url(hub, "encoding=linear16&keyterm=one+two&keywords=three:2.5&keywords=none:-1")) as socket:
        (session,) = select_sessions(hub.hub.store.state)
        assert session.hotwords == ("one two", "three")
        await socket.send(json.dumps({"type": "Configure", "keyterms": ["four"], "features": {"numerals": True}}))
        told = json.loads(await socket.recv())
        assert told == {"type": "ConfigureSuccess", "request_id": session.id, "keyterms": ["four"]}
        await until(hub.hub, lambda state: [it.hotwords for it in select_sessions(state)] == [("four",)])
        await socket.send(json.dumps({"type": "Configure", "keyterms": [f"word {n}" for n in range(501)]}))
        failed = json.loads(await socket.recv())
        assert (failed["type"], failed["code"]) == ("ConfigureFailure", "CONFIGURE_KEYTERM_LIMIT_EXCEEDED")
        await socket.send('{"type": "CloseStream"}')
        assert (await frames(socket))[1] == 1000


async def test_what_cannot_be_read_is_told_back_and_the_stream_goes_on(hub: Serving) -> None:
    async with connect(url(hub)) as socket:
        for said in ("no json", '{"type": "Sing"}', "[]"):
            await socket.send(said)
            told = json.loads(await socket.recv())
            assert (told["type"], told["variant"], told["message"]) == ("Error", "SchemaError", said)
        await socket.send('{"type": "CloseStream"}')
        assert (await frames(socket))[1] == 1000


@pytest.mark.parametrize(
    "pcm",
    [wav(TALK), wav(b"".join(TALK[at : at + 2] * 2 for at in range(0, len(TALK), 2)), channels=2)],
    ids=["mono", "stereo"],
)
async def test_a_file_without_an_encoding_is_decoded_as_it_comes(hub: Serving, pcm: bytes) -> None:
    expected = await native(hub)
    async with sdk(hub).listen.v1.connect(model="nova-3") as socket:
        for at in range(0, len(pcm), FRAME):
            await socket.send_media(pcm[at : at + FRAME])
        await socket.send_close_stream()
        told = [message async for message in socket]
    assert finals(told) == expected
    assert told[-1].duration == pytest.approx(len(TALK) / 32000, abs=0.01)


async def test_audio_that_is_none_ends_the_stream_with_data_0000(hub: Serving) -> None:
    async with connect(url(hub, "model=nova-3")) as socket:
        await socket.send(b"this is no audio " * 2000)
        await socket.send('{"type": "CloseStream"}')
        told, code, reason = await frames(socket)
    assert (code, reason) == (1008, "DATA-0000")
    assert told[-1]["variant"] == "DATA-0000"
    await until_empty(hub.hub)


async def test_the_header_of_a_wav_file_in_raw_audio_and_half_samples_do_no_harm(hub: Serving) -> None:
    expected = await native(hub)
    async with sdk(hub).listen.v1.connect(**RAW) as socket:
        whole = wav(TALK)
        for at in range(0, len(whole), 3201):
            await socket.send_media(whole[at : at + 3201])
        await socket.send_close_stream()
        told = [message async for message in socket]
    assert finals(told) == expected


async def test_a_client_that_says_nothing_any_more_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = deepgram.router
    monkeypatch.setattr(deepgram, "router", lambda *args, **options: made(*args, **options, silence=0.2))
    async with serving(scripted()) as hub, connect(url(hub)) as socket:
        await socket.send(silence(0.3) + tone(0.6))
        await socket.send('{"type": "KeepAlive"}')
        told, code, reason = await frames(socket)
        assert (code, reason) == (1011, "NET-0001")
        assert told[-1]["variant"] == "NET-0001"
        # What was said is heard to its end, and nobody waits for more.
        await until_empty(hub.hub)


async def test_two_dialects_at_once_on_one_session_say_the_same_words(hub: Serving) -> None:
    async with connect(url(hub, "encoding=linear16&sample_rate=16000&interim_results=true")) as socket:
        assert socket.response is not None
        request = socket.response.headers["dg-request-id"]
        watched: list[str] = []

        async def watch() -> None:
            async with (
                httpx.AsyncClient(base_url=hub.url) as http,
                aconnect_sse(http, "GET", f"/v1/sessions/{request}/events") as events,
            ):
                async for event in events.aiter_sse():
                    if event.event == "ready":
                        watching.set()
                    if event.event == "final":
                        watched.append(json.loads(event.data)["hypothesis"]["text"])
                    if event.event == "closed":
                        return

        watching = asyncio.Event()
        viewer = asyncio.create_task(watch())
        await watching.wait()
        for at in range(0, len(TALK), FRAME):
            await socket.send(TALK[at : at + FRAME])
        await socket.send('{"type": "CloseStream"}')
        told, _, _ = await frames(socket)
        await viewer
    said = [it["channel"]["alternatives"][0]["transcript"] for it in told if it.get("is_final")]
    assert [it for it in said if it] == [it for it in watched if it]
    assert len([it for it in watched if it]) == 2
    assert told[-1]["request_id"] == request
    assert {it["metadata"]["request_id"] for it in told if it["type"] == "Results"} == {request}


async def test_whoever_hangs_up_is_heard_to_the_end(hub: Serving) -> None:
    async with connect(url(hub)) as socket:
        assert socket.response is not None
        request = socket.response.headers["dg-request-id"]
        async with WebSocketPeer(hub) as viewer:
            await viewer.attach(request, role="viewer")
            await socket.send(silence(0.3) + tone(0.6))
            await viewer.wait_for("speech-started")
            await socket.close()
            await viewer.wait_for("closed")
            assert [m["hypothesis"]["text"] for m in viewer.of("final")] != [""]
    await until_empty(hub.hub)


async def test_a_whole_file_is_answered_with_all_that_was_said(hub: Serving) -> None:
    expected = await native(hub)
    body = wav(TALK)
    options: dict[str, Any] = {"utterances": True, "paragraphs": True, "smart_format": True, "language": "en-US"}
    told = await whole(hub, body, **options)
    said = told.results.channels[0].alternatives[0]
    assert said.transcript == " ".join(expected)
    assert [word.punctuated_word for word in said.words] == said.transcript.split()
    assert [it.transcript for it in told.results.utterances] == expected
    assert said.paragraphs.transcript == "\n\n".join(expected)
    assert [it.num_words for it in said.paragraphs.paragraphs] == [len(it.split()) for it in expected]
    assert told.metadata.duration == len(TALK) / 32000
    assert told.metadata.sha256 == hashlib.sha256(body).hexdigest()
    assert told.results.channels[0].detected_language is None
    await until_empty(hub.hub)


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("encoding=linear16&sample_rate=16000", TALK + b"\0"),
        (
            "encoding=linear16&sample_rate=16000&channels=2",
            b"".join(TALK[at : at + 2] * 2 for at in range(0, len(TALK), 2)),
        ),
        ("encoding=mulaw", wav(TALK)),
    ],
)
async def test_a_whole_file_may_be_raw_audio(hub: Serving, query: str, body: bytes) -> None:
    async with httpx.AsyncClient(base_url=hub.url, timeout=60) as http:
        answer = (await http.post(f"/v1/listen?{query}", content=body)).json()
    assert answer["results"]["channels"][0]["alternatives"][0]["transcript"] == " ".join(await native(hub))
    assert answer["metadata"]["duration"] == len(TALK) / 32000
    await until_empty(hub.hub)


async def test_the_blocking_client_and_a_file_without_speech(hub: Serving) -> None:
    def ask() -> Any:
        with httpx.Client() as http:
            media = DeepgramClient(api_key="any", environment=environment(hub.url), httpx_client=http).listen.v1.media
            return media.transcribe_file(request=wav(silence(0.5)), model="nova-3", detect_language=True)

    said = (await asyncio.to_thread(ask)).results.channels[0].alternatives[0]
    assert (said.transcript, said.words, said.confidence) == ("", [], 0)

    def talk() -> list[Any]:
        client = DeepgramClient(api_key="any", environment=environment(hub.url))
        with client.listen.v1.connect(**RAW) as socket:
            socket.send_media(TALK)
            socket.send_close_stream()
            return list(socket)

    assert finals(await asyncio.to_thread(talk)) == await native(hub)


async def test_an_engine_that_fails_is_told_and_costs_a_live_client_no_more_than_that_utterance() -> None:
    async with serving(scripted({"faults": {"fail_after_ms": 500}})) as hub:
        told = await live(sdk(hub))
        assert of(told, "Error")
        assert told[-1].type == "Metadata"
        with pytest.raises(ApiError) as failed:
            await whole(hub, wav(TALK), request_options={"max_retries": 0})
        assert failed.value.status_code in (502, 503)
        assert failed.value.body["err_msg"]
        await until_empty(hub.hub)


async def test_a_client_that_goes_away_while_its_file_is_heard_leaves_no_session() -> None:
    async with serving(scripted({"faults": {"late_s": 60, "late_every": 2}})) as hub:

        async def ask() -> None:
            async with httpx.AsyncClient(base_url=hub.url, timeout=60) as http:
                await http.post("/v1/listen", content=wav(TALK))

        asking = asyncio.create_task(ask())
        await until(hub.hub, lambda state: select_live_count(state) == 1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await until_empty(hub.hub)


@pytest.mark.parametrize(
    ("query", "content", "kind"),
    [
        ("", b"no audio at all", "application/octet-stream"),
        ("", b"", "audio/wav"),
        ("", b'{"url": "http://127.0.0.1/secret.wav"}', "application/json"),
        ("callback=http://127.0.0.1/", wav(silence(0.1)), "audio/wav"),
        ("punctuate=perhaps", wav(silence(0.1)), "audio/wav"),
        ("language=!", wav(silence(0.1)), "audio/wav"),
    ],
)
async def test_a_file_is_refused_in_the_shape_of_deepgram(hub: Serving, query: str, content: bytes, kind: str) -> None:
    async with httpx.AsyncClient(base_url=hub.url) as http:
        answer = await http.post(f"/v1/listen?{query}", content=content, headers={"content-type": kind})
    assert answer.status_code == 400
    told = answer.json()
    assert set(told) == {"err_code", "err_msg", "request_id"}
    assert answer.headers["dg-error"] == told["err_msg"]
    assert answer.headers["dg-request-id"] == told["request_id"]
    await until_empty(hub.hub)


async def test_an_address_to_fetch_from_is_refused(hub: Serving) -> None:
    async with httpx.AsyncClient() as http:
        media = AsyncDeepgramClient(api_key="any", environment=environment(hub.url), httpx_client=http).listen.v1.media
        with pytest.raises(BadRequestError) as refused:
            await media.transcribe_url(url="http://127.0.0.1:9/a.wav", model="nova-3")
    assert "send the file itself" in refused.value.body["err_msg"]


@pytest.mark.parametrize(
    "query",
    [
        "encoding=g729&sample_rate=8000",
        "encoding=linear16&sample_rate=4",
        "encoding=linear16&sample_rate=fast",
        "encoding=linear16&channels=100",
        "interim_results=maybe",
        "language=!",
        "callback=http://127.0.0.1/",
        "keyterm=" + "x" * 200,
    ],
)
async def test_a_stream_is_refused_before_its_handshake(hub: Serving, query: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(url(hub, query))
    response = refused.value.response
    assert response.status_code == 400
    assert json.loads(response.body)["err_code"] == "Bad Request"
    assert response.headers["dg-error"] == json.loads(response.body)["err_msg"]
    await until_empty(hub.hub)


def keyed(**sections: Any) -> tuple[str, Config]:
    key = new_key()
    access = {"keys": {"desk": {"id": key.id, "hash": key.sha256, "sessions": 1}}}
    return key.secret, scripted(access=access, **sections)


async def test_keys_come_in_every_way_that_clients_bring_them() -> None:
    key, config = keyed(dialects={"deepgram": {"prefix": "/dg"}})
    async with serving(config) as hub:
        where = url(hub).replace("/v1/listen", "/dg/v1/listen")
        for headers, offered in (
            ({"Authorization": f"Token {key}"}, None),
            ({"Authorization": f"bearer {key}"}, None),
            ({}, ["token", key]),
            ({}, ["bearer", key]),
        ):
            subprotocols = None if offered is None else [Subprotocol(one) for one in offered]
            async with connect(where, additional_headers=headers, subprotocols=subprotocols) as socket:
                assert socket.subprotocol == (None if offered is None else offered[0])
                # A second session of this key has no room: a status that clients try again.
                with pytest.raises(InvalidStatus) as full:
                    await connect(where, additional_headers={"Authorization": f"Token {key}"})
                assert full.value.response.status_code in (429, 503)
                await socket.send('{"type": "CloseStream"}')
                assert (await frames(socket))[1] == 1000
            await until_empty(hub.hub)
        assert finals(await live(sdk(hub, key, "/dg")))
        told = await whole(hub, wav(TALK), key=key, prefix="/dg")
        assert told.results.channels[0].alternatives[0].transcript


async def test_a_wrong_key_is_refused_with_401_and_the_reason_in_a_header() -> None:
    _, config = keyed()
    async with serving(config) as hub:
        for offered in (None, [Subprotocol("token"), Subprotocol("wrong")]):
            with pytest.raises(InvalidStatus) as refused:
                await connect(url(hub), subprotocols=offered)
            response = refused.value.response
            assert response.status_code == 401
            assert response.headers["dg-error"]
            assert json.loads(response.body)["err_code"] == "INVALID_AUTH"
        with pytest.raises(ApiError) as live_refused:
            await live(sdk(hub, "wrong"))
        assert live_refused.value.status_code == 401
        with pytest.raises(ApiError) as file_refused:
            await whole(hub, wav(TALK), key="wrong")
        assert file_refused.value.status_code == 401
        assert file_refused.value.body["err_code"] == "INVALID_AUTH"


async def test_models_are_providers_and_aliases() -> None:
    providers = {name: {"kind": "scripted", "settings": {"transcript": [name]}} for name in ("quick", "careful")}
    dialects = {"models": {"nova-3": "careful"}, "strict_models": True}
    async with serving(scripted(provider="quick", providers=providers, dialects=dialects)) as hub:
        for model, said in (("nova-3", "careful"), ("quick", "quick")):
            told = await live(sdk(hub), silence(0.3) + tone(0.3), model=model)
            assert set(" ".join(finals(told)).split()) == {said}
            assert of(told, "Metadata")[0].model_info[of(told, "Metadata")[0].models[0]]["name"] == said
        with pytest.raises(ApiError) as refused:
            await live(sdk(hub), model="nova-2")
        assert refused.value.status_code == 400


async def test_npm_deepgram_sdk_live_and_with_a_whole_file(hub: Serving, tmp_path: Path) -> None:
    expected = await native(hub)
    raw, file = tmp_path / "talk.raw", tmp_path / "talk.wav"
    raw.write_bytes(TALK)
    file.write_bytes(wav(TALK))
    told = await node("deepgram.mjs", hub.url, "any", str(raw), str(file))
    assert told["live"]["code"] == 1000
    results = [it for it in told["live"]["told"] if it["type"] == "Results"]
    texts = [it["channel"]["alternatives"][0]["transcript"] for it in results if it["is_final"]]
    assert [it for it in texts if it] == expected
    assert sum(it["from_finalize"] for it in results) == 1
    assert [it["type"] for it in told["live"]["told"]].count("SpeechStarted") == 2
    assert told["live"]["told"][-1]["type"] == "Metadata"
    whole = told["file"]["results"]
    assert whole["channels"][0]["alternatives"][0]["transcript"] == " ".join(expected)
    assert [it["transcript"] for it in whole["utterances"]] == expected


@needs_clips
@pytest.mark.data
@pytest.mark.engine
async def test_pocketsphinx_hears_real_speech() -> None:
    config = {"provider": "sphinx", "providers": {"sphinx": {"kind": "pocketsphinx"}}, "server": {"port": 0}}
    speech = clip("goforward.raw").pcm()
    async with serving(Config.model_validate(config)) as hub:
        assert " ".join(finals(await live(sdk(hub), speech))).startswith("go forward ten")


async def test_a_key_that_may_not_speak_is_refused_before_its_file_has_come() -> None:
    key = new_key()
    access = {"keys": {"screen": {"id": key.id, "hash": key.sha256, "scopes": ["watch"]}}}
    async with serving(scripted(access=access)) as hub:
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        lines = ("POST /v1/listen HTTP/1.1", "Host: hub", f"Authorization: Token {key.secret}", "Content-Length: 99999")
        writer.write("\r\n".join((*lines, "", "RIFF")).encode())
        assert (await asyncio.wait_for(reader.readline(), 10)).split()[1] == b"403"
        writer.close()
        await writer.wait_closed()
