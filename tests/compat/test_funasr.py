"""Clients of FunASR's runtime against the hub."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.audio_files import wav
from tests.compat.funasr_clients import (
    BINARY,
    first,
    new_client,
    old_client,
    receive,
    send,
    voice_assistant,
    web_page,
)
from tests.hubs import scripted, until_empty
from tests.peers.websocket import WebSocketPeer
from tests.speech import silence, tone
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from asr_hub.access.certificate import self_signed
from asr_hub.access.keys import new_key
from asr_hub.app import Serving, serving
from asr_hub.store.slices.sessions import select_sessions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

PORT = {"funasr": {"port": 0}}
TALK = silence(0.3) + tone(0.6) + silence(1.0) + tone(0.8, hertz=330) + silence(1.0) + tone(0.5, hertz=280)
MODES = ("offline", "online", "2pass")


def url(hub: Serving, query: str = "", *, scheme: str = "ws") -> str:
    return f"{scheme}://127.0.0.1:{hub.dialects['funasr']}/{query}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Serving]:
    async with serving(scripted(dialects=PORT)) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def hub(running: Serving) -> Serving:
    """Nobody is in it."""
    await until_empty(running.hub)
    return running


async def native(hub: Serving, pcm: bytes = TALK) -> list[dict[str, Any]]:
    """The finals that a client of the hub's own protocol is told of the same audio."""
    async with WebSocketPeer(hub) as peer:
        await peer.start()
        for at in range(0, len(pcm), 1920):
            await peer.send(pcm[at : at + 1920])
        await peer.tell("close")
        await peer.wait_for("closed")
        return [m["hypothesis"] for m in peer.of("final") if m["hypothesis"]["text"]]


async def words(hub: Serving, pcm: bytes = TALK) -> list[str]:
    return [word for final in await native(hub, pcm) for word in final["text"].split()]


async def test_each_mode_ends_with_one_final_message_and_the_acknowledgement(hub: Serving) -> None:
    expected = await words(hub)
    assert len(expected) > 5
    for mode in MODES:
        ((*texts, last, acknowledgement),) = await new_client(url(hub), mode, [TALK])
        assert acknowledgement == {"mode": mode, "wav_name": "wav0", "is_end": True, "is_final": True, "text": ""}
        assert last["is_final"]
        assert not any(message["is_final"] for message in texts)
        finals = [message["text"] for message in (*texts, last) if message["mode"] != "2pass-online"]
        assert "".join(finals).split() == expected
        assert all(text.endswith(" ") for text in finals)
        assert len(finals) == (1 if mode == "offline" else len(await native(hub)))
        assert {message["mode"] for message in (*texts, last)} == {
            "offline": {"offline"},
            "online": {"online"},
            "2pass": {"2pass-online", "2pass-offline"},
        }[mode]


async def test_what_grows_is_never_taken_back(hub: Serving) -> None:
    ((*texts, _),) = await new_client(url(hub), "2pass", [TALK])
    grown = ""
    for message in texts:
        if message["mode"] == "2pass-online":
            grown += message["text"]
        else:
            assert message["text"].startswith(grown)
            grown = ""


async def test_partials_are_told_in_the_mode_online_where_the_configuration_says_so() -> None:
    async with serving(scripted(dialects={"funasr": {"port": 0, "partials": "stable"}})) as hub:
        ((*texts, _),) = await new_client(url(hub), "online", [TALK])
        assert len(texts) > len(await native(hub))
        assert "".join(message["text"] for message in texts).split() == await words(hub)


async def test_times_are_a_text_of_json_and_those_of_the_words(hub: Serving) -> None:
    ((last, _),) = await new_client(url(hub), "offline", [TALK])
    expected = [[word["start"], word["end"]] for final in await native(hub) for word in final["words"]]
    assert json.loads(last["timestamp"]) == expected


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("audio", [b"", silence(0.5)], ids=["none", "silence"])
async def test_the_end_of_nothing_is_answered(hub: Serving, mode: str, audio: bytes) -> None:
    ((last, acknowledgement),) = await new_client(url(hub), mode, [audio])
    assert (last["text"], last["is_final"]) == ("", True)
    assert acknowledgement["is_end"]


async def test_several_recordings_over_one_connection(hub: Serving) -> None:
    expected = await words(hub)
    told = await new_client(url(hub), "offline", [TALK, b"", TALK])
    assert [messages[0]["text"].split() for messages in told] == [expected, [], expected]
    assert [messages[0]["wav_name"] for messages in told] == ["wav0", "wav1", "wav2"]


async def test_recordings_that_are_sent_before_the_answer_to_the_one_before(hub: Serving) -> None:
    expected = await words(hub)
    told = await asyncio.wait_for(old_client(url(hub), [TALK, b"", TALK, silence(0.3)]), 30)
    assert [message["text"].split() for message in told] == [expected, [], expected, []]
    assert [message["wav_name"] for message in told] == ["wav0", "wav1", "wav2", "wav3"]
    await until_empty(hub.hub)


async def test_an_utterance_in_one_large_frame(hub: Serving) -> None:
    pcm = TALK + silence(40)
    assert len(pcm) > 2**20
    assert (await voice_assistant(url(hub), pcm))["text"].split() == await words(hub, pcm)
    assert (await voice_assistant(url(hub), b""))["text"] == ""


async def test_the_web_page_shows_a_microphone_and_files(hub: Serving) -> None:
    expected = await words(hub)
    assert (await web_page(url(hub), TALK, mode="2pass")).split() == expected
    assert (await web_page(url(hub), wav(TALK), wav_format="PCM")).split() == expected


async def test_the_bytes_of_a_file_are_decoded(hub: Serving) -> None:
    expected = await words(hub)
    ((last, _),) = await new_client(url(hub), "offline", [wav(TALK)], wav_format="others")
    assert last["text"].split() == expected
    ((failed, *_),) = await new_client(url(hub), "offline", [b"no file of any kind" * 100], wav_format="mp3")
    assert failed["is_end"]
    assert not failed["is_final"]
    assert failed["error"]


async def test_audio_without_a_word_before_it_is_heard(hub: Serving) -> None:
    async with connect(url(hub)) as socket:
        await socket.send(TALK)
        await socket.send('{"chunk_size": "5,10,5", "unknown": null, "wav_name": "late"}')
        await socket.send('{"is_finished": true}')
        texts = [await receive(socket)]
        while not texts[-1]["is_final"]:
            texts.append(await receive(socket))
    assert "".join(it["text"] for it in texts if it["mode"] == "2pass-offline").split() == await words(hub)


async def test_a_telephone_rate_is_heard(hub: Serving) -> None:
    pcm = silence(0.3, rate=8000) + tone(1, rate=8000) + silence(0.5, rate=8000)
    ((last, _),) = await new_client(url(hub), "offline", [pcm], audio_fs=8000)
    assert last["text"].split()


@pytest.mark.parametrize("hotwords", ['{"alpha": 20, "bravo two": 40}', "alpha bravo", "alpha,bravo two", ""])
async def test_hotwords_in_each_form(hub: Serving, hotwords: str) -> None:
    ((last, acknowledgement),) = await new_client(url(hub), "offline", [TALK], hotwords=hotwords)
    assert last["text"]
    assert acknowledgement["is_final"]


@pytest.mark.parametrize("said", ["no JSON", '{"mode": "other"}', '{"hotwords": "{"}', '{"audio_fs": 0}'])
async def test_what_cannot_be_read_is_told_and_ends_the_connection(hub: Serving, said: str) -> None:
    async with connect(url(hub)) as socket:
        await socket.send(said)
        told = await receive(socket)
        assert told["is_end"]
        assert not told["is_final"]
        assert told["error"]
        with pytest.raises(ConnectionClosed):
            await socket.recv()


async def test_what_the_engine_did_not_hear_is_told_to_those_who_wait_for_it() -> None:
    faults = {"faults": {"fail_after_ms": 300}}
    async with serving(scripted(faults, dialects=PORT)) as hub:
        ((last, acknowledgement),) = await new_client(url(hub), "offline", [TALK])
        assert last["is_final"]
        assert last["error"]
        assert not acknowledgement["is_final"]
        assert acknowledgement["error"] == last["error"]


async def test_a_recording_is_a_session_that_others_watch(hub: Serving) -> None:
    async with connect(url(hub), subprotocols=BINARY) as socket, WebSocketPeer(hub) as viewer:
        await send(socket, "2pass", TALK)
        assert (await receive(socket))["mode"] == "2pass-online"
        (session,) = select_sessions(hub.hub.store.state)
        assert session.protocol == "funasr"
        await viewer.attach(session.id, role="viewer", seq=0)
        # Gone in the middle: what was said is heard to its end.
        socket.transport.abort()
        closed = await viewer.wait_for("closed")
        assert closed["reason"] == "close"
        assert " ".join(filter(None, viewer.finals)).split() == await words(hub)
    await until_empty(hub.hub)


async def test_the_second_pass_is_that_of_the_hub() -> None:
    config = scripted(
        providers={
            "scripted": {"kind": "scripted", "settings": {"transcript": ["fast"]}},
            "slow": {"kind": "scripted", "settings": {"transcript": ["slow"]}},
        },
        recognition={"passes": {"accurate": {"providers": ["slow"], "budget_s": 20.0}}},
        dialects=PORT,
    )
    async with serving(config) as hub:
        for mode, wanted in (("offline", "slow"), ("2pass", "slow"), ("online", "fast")):
            ((*texts, _),) = await new_client(url(hub), mode, [TALK])
            finals = [message["text"] for message in texts if message["mode"] != "2pass-online"]
            assert set("".join(finals).split()) == {wanted}


async def test_pages_of_other_machines_are_refused_unless_they_are_named(hub: Serving) -> None:
    async with connect(url(hub), origin=Origin("http://localhost:1337")) as socket:
        await socket.send('{"is_speaking": false}')
        assert (await receive(socket))["is_final"]
    with pytest.raises(InvalidStatus) as refused:
        await connect(url(hub), origin=Origin("https://example.org"))
    assert refused.value.response.status_code == 403


async def test_a_hub_that_goes_down_says_so() -> None:
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(serving(scripted(dialects=PORT)))
        async with connect(url(hub)) as socket:
            await send(socket, "offline", TALK)
            await (await socket.ping())
            await stack.aclose()
            told = await receive(socket)
            assert (told["is_end"], told["is_final"]) == (True, False)
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012


async def test_clients_that_ask_for_tls_get_it(tmp_path: Path) -> None:
    pair = self_signed(["127.0.0.1"])
    (tmp_path / "both.pem").write_bytes(pair.key + pair.certificate)
    dialects = {"funasr": {"port": 0, "tls": {"certificate": str(tmp_path / "both.pem")}}}
    # As the clients do it: they check no certificate.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    async with serving(scripted(dialects=dialects)) as hub:
        ((last, _),) = await new_client(url(hub, scheme="wss"), "offline", [TALK], ssl=context)
        assert last["text"].split() == await words(hub)


async def test_a_wrong_key_is_refused_before_the_handshake() -> None:
    key = new_key()
    access = {"keys": {"owner": {"id": key.id, "hash": key.sha256}}}
    async with serving(scripted(dialects=PORT, access=access)) as hub:
        for query in ("", "?token=wrong"):
            with pytest.raises(InvalidStatus) as refused:
                await connect(url(hub, query), subprotocols=BINARY)
            assert refused.value.response.status_code == 401
        ((last, _),) = await new_client(url(hub, f"?token={key.secret}"), "offline", [TALK])
        assert last["text"]
        headers = {"Authorization": f"Bearer; {key.secret}"}
        async with connect(url(hub), additional_headers=headers) as socket:
            await socket.send(first("offline"))


async def test_the_package_funasr_client_merges_finals_and_their_times(hub: Serving, tmp_path: Path) -> None:
    client = pytest.importorskip("funasr_client.file_asr", reason="pip install funasr-client")
    (tmp_path / "talk.wav").write_bytes(wav(TALK))
    merged = await client.async_file_asr(tmp_path / "talk.wav", url(hub), "2pass", hotwords={"alpha": 20})
    expected = [word for final in await native(hub) for word in final["words"]]
    assert merged["text"].split() == [word["text"] for word in expected]
    assert merged["timestamp"] == [[word["start"], word["end"]] for word in expected]
    assert merged["wav_name"] == "talk.wav"


@pytest.mark.skipif("FUNASR_CLIENT" not in os.environ, reason="FUNASR_CLIENT names no funasr_wss_client.py")
@pytest.mark.parametrize("mode", MODES)
async def test_the_real_client(hub: Serving, tmp_path: Path, mode: str) -> None:
    (tmp_path / "talk.wav").write_bytes(wav(TALK))
    port = str(hub.dialects["funasr"])
    arguments = ("--host", "127.0.0.1", "--port", port, "--mode", mode, "--ssl", "0", "--audio_in", "talk.wav")
    client = await asyncio.create_subprocess_exec(
        sys.executable,
        os.environ["FUNASR_CLIENT"],
        *arguments,
        "--output_dir",
        "out",
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(client.communicate(), 60)
    assert client.returncode == 0, said.decode()
    lines = [line.split("\t") for path in (tmp_path / "out").iterdir() for line in path.read_text().splitlines()]
    written = "".join(line[1] for line in lines)
    if mode == "2pass":
        assert " ".join(await words(hub)[-1:]) in written
    else:
        assert written.split() == await words(hub)
