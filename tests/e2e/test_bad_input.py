"""Everything a client can get wrong has a name, and hurts nobody else."""

from __future__ import annotations

import asyncio
import json
import struct
from dataclasses import dataclass
from typing import Any

import pytest
from tests.client import Client
from tests.hubs import scripted
from tests.speech import clip, needs_clips, silence, tone
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from asr_hub.app import Serving, serving

pytestmark = pytest.mark.e2e

START = {"type": "start"}


def floats(seconds: float) -> bytes:
    samples = struct.unpack(f"<{int(16000 * seconds)}h", tone(seconds))
    return struct.pack(f"<{len(samples)}f", *(s / 32768 for s in samples))


def swapped(pcm: bytes) -> bytes:
    return b"".join(pcm[n + 1 : n + 2] + pcm[n : n + 1] for n in range(0, len(pcm), 2))


@dataclass(frozen=True)
class Wrong:
    """What is sent, and the code that answers."""

    name: str
    sent: tuple[Any, ...]
    code: str
    stays: bool = False
    """The connection goes on."""


FORMAT = {"type": "start", "format": {"sample_rate": 16000}}

TABLE = (
    Wrong("audio before start", (silence(0.1),), "not-started"),
    Wrong("a command before start", ({"type": "finalize"},), "not-started"),
    Wrong("no JSON", ("hello",), "bad-json"),
    Wrong("JSON that is no object", ("[1, 2]",), "wrong-type"),
    Wrong("no type", ({"format": {}},), "unknown-message"),
    Wrong("an unknown type", ({"type": "begin"},), "unknown-message"),
    Wrong("an unknown field", ({"type": "start", "langauge": "en"},), "unknown-field"),
    Wrong("an unknown field, deeper", ({"type": "start", "format": {"rate": 8000}},), "unknown-field"),
    Wrong("a field of the wrong type", ({"type": "start", "hotwords": "one two"},), "wrong-type"),
    Wrong("an encoding there is not", ({"type": "start", "format": {"encoding": "mp3"}},), "bad-value"),
    Wrong("a rate too low", ({"type": "start", "format": {"sample_rate": 4000}},), "unsupported-rate"),
    Wrong("a rate too high", ({"type": "start", "format": {"sample_rate": 384000}},), "unsupported-rate"),
    Wrong("no channels", ({"type": "start", "format": {"channels": 0}},), "unsupported-channels"),
    Wrong("a language that is none", ({"type": "start", "language": "english please"},), "bad-value"),
    Wrong("an unknown provider", ({"type": "start", "provider": "nobody"},), "unknown-provider"),
    Wrong("attach without a session", ({"type": "attach"},), "missing-field"),
    Wrong("an unknown session", ({"type": "attach", "session": "gone"},), "unknown-session"),
    Wrong("start twice", (START, START), "already-started", stays=True),
    Wrong("a typo in a running session", (START, {"type": "finalise"}), "unknown-message", stays=True),
    Wrong("JSON where audio belongs", (START, b'{"type": "close"}'), "text-in-binary", stays=True),
    Wrong("an odd byte count", (START, silence(0.1) + b"\0"), "odd-byte-count"),
    Wrong("an empty frame", (START, b""), "empty-audio", stays=True),
    Wrong("a frame too large", (START, bytes(1_048_578)), "frame-too-large"),
    Wrong("a text too large", (START, json.dumps({"type": "x" * 70_000})), "text-too-large"),
    Wrong("a WAV file in raw audio", (START, b"RIFF\x24\x08\0\0WAVEfmt " + bytes(2000)), "container-in-raw-audio"),
    Wrong("an Ogg file in raw audio", (START, b"OggS" + bytes(2000)), "container-in-raw-audio"),
    Wrong("float32 sent as int16", (FORMAT, floats(1.1)), "float32-as-int16"),
    Wrong(
        "int16 sent as float32",
        ({"type": "start", "format": {"encoding": "pcm_f32le"}}, tone(2.2)),
        "int16-as-float32",
    ),
    Wrong("audio after close", (START, silence(0.1), {"type": "close"}, silence(0.1)), "closing", stays=True),
)


async def answer(hub: Serving, sent: tuple[Any, ...]) -> tuple[str, bool]:
    """The code of the first error, and whether the connection went on after it."""
    async with connect(hub.stream_url, max_size=None) as socket:
        for item in sent:
            await socket.send(item if isinstance(item, bytes | str) else json.dumps(item))
        while True:
            message = json.loads(await asyncio.wait_for(socket.recv(), 10))
            if message["type"] == "error":
                break
        assert len(message["message"]) > 10
        try:
            await socket.send(json.dumps({"type": "clear"}))
            while json.loads(await asyncio.wait_for(socket.recv(), 10))["type"] not in ("endpoint", "closed", "error"):
                pass
        except ConnectionClosed:
            return message["code"], False
        return message["code"], True


@pytest.mark.parametrize("wrong", TABLE, ids=lambda wrong: wrong.name)
async def test_a_wrong_input_gets_its_name_and_hurts_nobody(hub: Serving, wrong: Wrong) -> None:
    async with Client(hub.stream_url) as bystander:
        await bystander.send(silence(0.5) + tone(0.5))
        code, goes_on = await answer(hub, wrong.sent)
        assert (code, goes_on) == (wrong.code, wrong.stays)
        await bystander.send(tone(0.5) + silence(1.0))
        final = await bystander.wait_for("final")
        assert final["hypothesis"]["text"]


def test_the_table_is_long_enough() -> None:
    assert len(TABLE) >= 25
    assert len({wrong.name for wrong in TABLE}) == len(TABLE)


@needs_clips
@pytest.mark.data
async def test_big_endian_speech_is_recognised(hub: Serving) -> None:
    code, goes_on = await answer(hub, (START, swapped(clip("input_2_16k.wav").pcm()[:64_000])))
    assert (code, goes_on) == ("wrong-byte-order", False)


async def test_a_second_publisher_is_refused_and_a_viewer_may_not_speak(hub: Serving) -> None:
    async with Client(hub.stream_url) as client:
        again = await Client(hub.stream_url).first({"type": "attach", "session": client.session})
        assert again["code"] == "second-publisher"
        async with Client.attaching(hub.stream_url, str(client.session), role="viewer") as viewer:
            await viewer.send(silence(0.1))
            assert (await viewer.wait_for("error"))["code"] == "viewer-may-not"
            await viewer.send({"type": "finalize"})
            await viewer.wait_until(lambda m: m["type"] == "error", after=1)


@pytest.mark.parametrize(("seq", "code"), [(99, "stale-seq"), (-1, "bad-value")])
async def test_a_seq_that_was_never_said_is_refused(hub: Serving, seq: int, code: str) -> None:
    async with Client(hub.stream_url) as client:
        attach = {"type": "attach", "session": client.session, "seq": seq, "take_over": True}
        refusal = await Client(hub.stream_url).first(attach)
        assert refusal["code"] == code


async def test_a_seq_that_is_no_longer_kept_is_refused_by_name() -> None:
    small = scripted(sessions={"history_messages": 64})
    async with serving(small) as hub, Client(hub.stream_url) as client:
        for _ in range(60):
            await client.send({"type": "finalize"})
        await client.wait_until(lambda m: m["type"] == "final" and m["utterance"] == 60)
        attach = {"type": "attach", "session": client.session, "role": "viewer"}
        assert (await Client(hub.stream_url).first({**attach, "seq": 1}))["code"] == "resume-gap"
        ready = await Client(hub.stream_url).first(attach)
        assert ready["type"] == "ready"
        assert ready["seq"] > 0


async def test_the_old_socket_is_told_when_its_session_is_taken_over(hub: Serving) -> None:
    async with Client(hub.stream_url) as client:
        attach = {"type": "attach", "session": client.session, "seq": 0, "take_over": True}
        assert (await Client(hub.stream_url).first(attach))["type"] == "ready"
        assert (await client.wait_for("error"))["code"] == "taken-over"
