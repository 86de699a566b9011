"""Clients of vosk-server against the hub: the transcriber of the package `vosk`, and one that waits for each answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.compat.vosk_transcriber import transcriber
from tests.hubs import scripted, until_empty
from tests.peers.websocket import WebSocketPeer
from tests.speech import silence, tone
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidStatus
from websockets.typing import Subprotocol

from asr_hub.access.keys import new_key
from asr_hub.app import Serving, serving
from asr_hub.store.slices.sessions import select_sessions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

PORT = {"vosk": {"port": 0}}
TALK = silence(0.3) + tone(0.6) + silence(1.0) + tone(0.8, hertz=330) + silence(1.0) + tone(0.5, hertz=280)
FRAME = 4000


def url(hub: Serving, query: str = "") -> str:
    return f"ws://127.0.0.1:{hub.dialects['vosk']}/{query}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Serving]:
    async with serving(scripted(dialects=PORT)) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def hub(running: Serving) -> Serving:
    """Nobody is in it."""
    await until_empty(running.hub)
    return running


async def native(hub: Serving, pcm: bytes = TALK, **start: Any) -> list[dict[str, Any]]:
    """The finals that a client of the hub's own protocol is told of the same audio."""
    async with WebSocketPeer(hub) as peer:
        await peer.start(**start)
        for at in range(0, len(pcm), FRAME):
            await peer.send(pcm[at : at + FRAME])
        await peer.tell("close")
        await peer.wait_for("closed")
        return [m["hypothesis"] for m in peer.of("final") if m["hypothesis"]["text"]]


async def ask(socket: ClientConnection, said: str | bytes) -> dict[str, Any]:
    """One frame and its answer, as the samples of vosk-server do it."""
    await socket.send(said)
    answer: dict[str, Any] = json.loads(await socket.recv())
    return answer


async def lock_step(where: str, pcm: bytes, config: dict[str, Any]) -> list[dict[str, Any]]:
    async with connect(where) as socket:
        await socket.send(json.dumps({"config": config}))
        answers = [await ask(socket, pcm[at : at + FRAME]) for at in range(0, len(pcm), FRAME)]
        answers.append(await ask(socket, '{"eof" : 1}'))
        with pytest.raises(ConnectionClosedOK):
            await socket.recv()
        return answers


async def test_the_transcriber_writes_what_a_native_client_is_told(hub: Serving) -> None:
    expected = " ".join(final["text"] for final in await native(hub))
    assert len(expected.split()) > 5
    assert " ".join((await transcriber(url(hub), TALK)).split()) == expected
    subtitles = await transcriber(url(hub), TALK, "srt")
    assert " ".join(line for line in subtitles.splitlines() if line[:1].isalpha()) == expected


async def test_each_frame_has_one_answer_and_no_final_is_lost(hub: Serving) -> None:
    expected = await native(hub)
    answers = await lock_step(url(hub), TALK, {"sample_rate": 16000})
    assert len(answers) == len(range(0, len(TALK), FRAME)) + 1
    finals = [answer for answer in answers if "text" in answer]
    assert all(set(answer) == {"partial"} for answer in answers if answer not in finals)
    assert " ".join(final["text"] for final in finals if final["text"]) == " ".join(it["text"] for it in expected)
    words = [word for final in finals for word in final.get("result", ())]
    assert words == [
        {"word": w["text"], "start": w["start"] / 1000, "end": w["end"] / 1000, "conf": 1.0}
        for final in expected
        for w in final["words"]
    ]


async def test_frames_that_are_not_waited_for_are_answered_one_by_one_and_unasked_nothing_comes(hub: Serving) -> None:
    frames = [TALK[at : at + FRAME] for at in range(0, len(TALK), FRAME)]
    async with connect(url(hub)) as socket:
        await socket.send('{"config" : { "sample_rate" : 16000.000000 } }')
        for frame in frames:
            await socket.send(frame)
        for _ in frames:
            await socket.recv()
        await socket.send('{ "reset": 1 }')
        reset = json.loads(await socket.recv())
        assert reset["text"]
        # Whatever is told unasked would come before the answer to this.
        await asyncio.wait_for(await socket.ping(), 10)
        assert await ask(socket, silence(0.1)) == {"partial": ""}
        assert await ask(socket, '{"eof":1}') == {"text": ""}


async def test_partials_grow_and_a_telephone_rate_is_the_usual_one(hub: Serving) -> None:
    pcm = tone(4, rate=8000) + silence(0.1, rate=8000)
    async with connect(url(hub)) as socket:
        partials = [(await ask(socket, pcm[at : at + 3200]))["partial"] for at in range(0, len(pcm), 3200)]
        last = await ask(socket, '{"eof" : 1}')
    expected = await native(hub, pcm, format={"sample_rate": 8000})
    assert last["text"] == " ".join(final["text"] for final in expected)
    assert all(last["text"].startswith(partial) for partial in partials)


async def test_reset_ends_the_utterance_and_the_connection_goes_on(hub: Serving) -> None:
    async with connect(url(hub)) as socket:
        await socket.send('{"config": {"sample_rate": "16000", "words": 0}}')
        assert await ask(socket, '{"reset" : 1}') == {"text": ""}
        assert "partial" in await ask(socket, silence(0.3) + tone(0.6))
        first = await ask(socket, '{"reset" : 1}')
        assert set(first) == {"text"}
        assert first["text"]
        assert await ask(socket, '{"reset" : 1}') == {"text": ""}
        await ask(socket, silence(0.3) + tone(0.6))
        assert (await ask(socket, '{"eof":   1}'))["text"]


@pytest.mark.parametrize("audio", [b"", silence(0.5)], ids=["none", "silence"])
async def test_the_end_of_nothing_is_answered_and_closes(hub: Serving, audio: bytes) -> None:
    async with connect(url(hub)) as socket:
        if audio:
            await ask(socket, audio)
        assert await ask(socket, '{"eof" : 1}') == {"text": ""}
        with pytest.raises(ConnectionClosedOK):
            await socket.recv()
    await until_empty(hub.hub)


async def test_alternatives_have_a_shape_of_their_own(hub: Serving) -> None:
    answers = await lock_step(url(hub), TALK, {"sample_rate": 16000, "max_alternatives": 3})
    finals = [answer["alternatives"] for answer in answers if "partial" not in answer]
    assert finals
    assert all(set(it) <= {"text", "confidence", "result"} for final in finals for it in final)
    assert all("conf" not in word for final in finals for it in final for word in it.get("result", ()))
    expected = " ".join(final["text"] for final in await native(hub))
    assert " ".join(final[0]["text"] for final in finals if final[0]["text"]) == expected


async def test_bytes_that_are_cut_anywhere_are_heard(hub: Serving) -> None:
    expected = " ".join(final["text"] for final in await native(hub))
    async with connect(url(hub)) as socket:
        await socket.send('{"config": {"sample_rate": 16000}}')
        finals = [await ask(socket, TALK[at : at + 4001]) for at in range(0, len(TALK), 4001)]
        finals.append(await ask(socket, '{"eof" : 1}'))
    assert " ".join(it["text"] for it in finals if it.get("text")) == expected


async def test_one_large_frame_is_taken(hub: Serving) -> None:
    pcm = TALK + silence(60)
    assert len(pcm) > 2**20
    async with connect(url(hub)) as socket:
        await socket.send('{"config": {"sample_rate": 16000}}')
        answers = [await ask(socket, pcm), await ask(socket, '{"eof" : 1}')]
    expected = " ".join(final["text"] for final in await native(hub, pcm))
    assert " ".join(it["text"] for it in answers if it.get("text")) == expected


async def test_a_subprotocol_is_chosen_where_one_is_offered(hub: Serving) -> None:
    async with connect(url(hub), subprotocols=[Subprotocol("any")]) as socket:
        assert socket.subprotocol == "any"
    async with connect(url(hub)) as socket:
        assert socket.subprotocol is None


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("no JSON", 1007),
        ('{"config": {"sample_rate": "fast"}}', 1008),
        ('{"config": {"sample_rate": "nan"}}', 1008),
        ('{"config": {"phrase_list": 3}}', 1008),
    ],
)
async def test_what_cannot_be_read_closes_with_the_reason(hub: Serving, said: str, code: int) -> None:
    async with connect(url(hub)) as socket:
        await socket.send(said)
        with pytest.raises(ConnectionClosed) as refused:
            await socket.recv()
        assert refused.value.rcvd is not None
        assert refused.value.rcvd.code == code
        assert refused.value.rcvd.reason


async def test_what_the_hub_cannot_hear_closes_with_the_reason(hub: Serving) -> None:
    async with connect(url(hub)) as socket:
        await socket.send('{"config": {"sample_rate": 100}}')
        await socket.send(silence(0.1))
        with pytest.raises(ConnectionClosed, match="unsupported-rate"):
            await socket.recv()
    await until_empty(hub.hub)


async def test_who_hangs_up_in_the_middle_is_heard_to_the_end_by_those_who_watch(hub: Serving) -> None:
    async with connect(url(hub)) as socket:
        await socket.send('{"config": {"sample_rate": 16000}}')
        await ask(socket, silence(0.3) + tone(0.6))
        (session,) = select_sessions(hub.hub.store.state)
        assert session.protocol == "vosk"
        viewer = WebSocketPeer(hub)
        await viewer.attach(session.id, role="viewer", seq=0)
        socket.transport.abort()
    async with viewer:
        closed = await viewer.wait_for("closed")
        assert closed["reason"] == "close"
        assert any(viewer.finals)
    await until_empty(hub.hub)


async def test_a_wrong_key_is_refused_before_the_handshake_and_some_come_without() -> None:
    key = new_key()
    access = {"keys": {"owner": {"id": key.id, "hash": key.sha256}}}
    async with serving(scripted(dialects=PORT, access=access)) as hub:
        for query in ("", "?token=wrong"):
            with pytest.raises(InvalidStatus) as refused:
                await connect(url(hub, query))
            assert refused.value.response.status_code == 401
        async with connect(url(hub, f"?token={key.secret}")) as socket:
            assert await ask(socket, '{"eof" : 1}') == {"text": ""}
        async with connect(url(hub), additional_headers={"Authorization": f"Bearer {key.secret}"}) as socket:
            assert await ask(socket, '{"eof" : 1}') == {"text": ""}
    async with serving(scripted(dialects={"vosk": {"port": 0, "key": "owner"}}, access=access)) as hub:
        async with connect(url(hub)) as socket:
            assert "partial" in await ask(socket, silence(0.1))
        with pytest.raises(InvalidStatus):
            await connect(url(hub, "?token=wrong"))


async def test_a_model_is_what_the_configuration_calls_one() -> None:
    dialects = {**PORT, "models": {"small": "scripted"}, "strict_models": True}
    async with serving(scripted(dialects=dialects)) as hub:
        async with connect(url(hub)) as socket:
            await socket.send('{"config": {"model": "small", "phrase_list": ["zero one", "[unk]"]}}')
            assert "partial" in await ask(socket, silence(0.1))
        async with connect(url(hub)) as socket:
            await socket.send('{"config": {"model": "other"}}')
            with pytest.raises(ConnectionClosed, match="model-not-found"):
                await socket.recv()
