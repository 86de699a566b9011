"""The TypeScript client in Node.js against a real hub: what is heard, over each transport, with the line cut."""

from __future__ import annotations

import asyncio
import base64
import socket
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.client import Client
from tests.hubs import scripted, until, until_empty
from tests.node import node
from tests.sdk.typescript.conftest import line
from tests.speech import silence, tone

from asr_hub.access.bucket import Bucket
from asr_hub.access.keys import new_key
from asr_hub.app import Serving, serving
from asr_hub.config.schema import Config
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.store.slices.sessions import select_sessions

pytestmark = pytest.mark.e2e

TRANSPORTS = ("websocket", "http")

ALL_TRANSPORTS = (*TRANSPORTS, "socketio")
"""For what a transport does by itself: its messages, its end, its key."""

SPEECH = b"".join(
    silence(0.5) + tone(seconds, hertz=hertz) + silence(1.0)
    for seconds, hertz in ((1.0, 220), (0.7, 330), (2.0, 440), (1.2, 550), (0.8, 660))
)


async def speak(sdk: Path, url: str, transport: str, audio: Path, *more: str) -> dict[str, Any]:
    script = Path(__file__).with_name("speak.mjs")
    told: dict[str, Any] = await node(str(script), str(sdk), url, transport, str(audio), *more, folder=sdk)
    return told


def of(told: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [message for message in told["messages"] if message["type"] == kind]


def texts(told: dict[str, Any]) -> list[str]:
    return [message["hypothesis"]["text"] for message in of(told, "final")]


async def heard_by_python(hub: Serving) -> list[str]:
    async with Client(hub.stream_url) as client:
        await client.send(SPEECH)
        await client.send({"type": "close"})
        await client.wait_for("closed")
        return client.finals


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    path = tmp_path / "speech.raw"
    path.write_bytes(SPEECH)
    return path


@pytest.mark.parametrize("transport", ALL_TRANSPORTS)
async def test_a_session_from_its_first_message_to_its_last(sdk: Path, transport: str, audio: Path) -> None:
    async with serving(scripted()) as hub:
        told = await speak(sdk, hub.url, transport, audio)
        assert texts(told) == await heard_by_python(hub)
        assert told["closed"]["audio_offset"] == told["acknowledged"] == len(SPEECH) // 2
        assert told["messages"][-1] == told["closed"]
        assert of(told, "partial")
        assert told["states"] == []
        await until_empty(hub.hub)


@pytest.mark.parametrize("transport", ALL_TRANSPORTS)
async def test_a_line_that_breaks_costs_no_word_and_says_none_twice(sdk: Path, transport: str, audio: Path) -> None:
    cuts = (40_000, 120_000, 200_000)
    async with serving(scripted()) as hub, line(hub.port, cut_at=cuts) as broken:
        told = await speak(sdk, f"http://127.0.0.1:{broken.port}", transport, audio)
        assert broken.cuts == list(cuts)
        assert told["states"].count("broken") == told["states"].count("live") >= 3
        seqs = [message["seq"] for message in told["messages"]]
        skipped = {message["seq"]: message.get("skipped", 0) for message in told["messages"]}
        assert not of(told, "gap")
        assert all(after == before + 1 + skipped[after] for before, after in pairwise(seqs))
        assert told["closed"]["audio_offset"] == len(SPEECH) // 2
        assert texts(told) == await heard_by_python(hub)
        assert hub.hub.sessions == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_session_that_is_gone_is_lost_and_the_program_is_told(sdk: Path, transport: str, audio: Path) -> None:
    async with (
        serving(scripted()) as hub,
        serving(scripted()) as another,
        line(hub.port, cut_at=(100_000,), then=another.port) as moved,
    ):
        told = await speak(sdk, f"http://127.0.0.1:{moved.port}", transport, audio)
        assert told["error"] == "SessionLost"
        assert "no such session" in told["message"]
        assert another.hub.sessions == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_hub_that_closes_the_session_by_itself_says_so_last(sdk: Path, transport: str, tmp_path: Path) -> None:
    audio = tmp_path / "short.raw"
    audio.write_bytes(tone(0.5))
    async with serving(scripted(sessions={"idle_timeout_s": 0.2})) as hub:
        told = await speak(sdk, hub.url, transport, audio, "", "wait")
        assert told["closed"]["reason"] not in ("", "close")


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_session_closed_from_elsewhere_while_it_speaks_is_heard_to_its_end(
    sdk: Path, transport: str, tmp_path: Path
) -> None:
    audio = tmp_path / "long.raw"
    audio.write_bytes(SPEECH * 4)
    # So slow that audio is still on its way when the session is closed.
    async with serving(scripted({"faults": {"cost": 0.3}})) as hub, httpx.AsyncClient(base_url=hub.url) as rest:
        speaking = asyncio.create_task(speak(sdk, hub.url, transport, audio, "", "wait"))
        await until(hub.hub, lambda state: any(one.audio_offset >= 48_000 for one in select_sessions(state)), 60)
        (session,) = hub.hub.records()
        assert (await rest.delete(f"/v1/sessions/{session.id}")).status_code == 202
        told = await speaking
        assert_lost(told, "close")


def assert_lost(told: dict[str, Any], reason: str) -> None:
    """All was told to the end, and then what of `SPEECH * 4` the hub did not take."""
    (closed,) = of(told, "closed")
    assert (told["error"], told["reason"], closed["reason"]) == ("SessionLost", reason, reason)
    assert reason in told["message"]
    assert texts(told)
    assert told["messages"][-1] == closed
    unheard = base64.b64decode(told["unheard"])
    assert unheard
    assert (SPEECH * 4)[closed["audio_offset"] * 2 :].startswith(unheard)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("way", ["wait", ""])
async def test_a_hub_that_stops_gives_back_what_it_did_not_take(
    sdk: Path, transport: str, way: str, tmp_path: Path
) -> None:
    audio = tmp_path / "long.raw"
    audio.write_bytes(SPEECH * 4)
    async with serving(scripted({"faults": {"cost": 0.3}})) as hub:
        speaking = asyncio.create_task(speak(sdk, hub.url, transport, audio, "", *filter(None, [way])))
        await until(hub.hub, lambda state: any(one.audio_offset >= 48_000 for one in select_sessions(state)), 60)
        await hub.hub.drain(60)
        assert_lost(await speaking, "shutdown")


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("way", ["wait", ""])
async def test_audio_that_is_none_is_refused_by_name(sdk: Path, transport: str, way: str, tmp_path: Path) -> None:
    audio = tmp_path / "speech.wav"
    audio.write_bytes(b"RIFF\0\0\0\0WAVEfmt " + SPEECH)
    async with serving(scripted()) as hub:
        told = await speak(sdk, hub.url, transport, audio, "", *filter(None, [way]))
    assert (told["error"], told["code"]) == ("HubError", "container-in-raw-audio")


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_quota_that_is_used_up_is_waited_for(
    sdk: Path, transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = tmp_path / "short.raw"
    audio.write_bytes(SPEECH[:128_000])
    made = new_key()
    config = scripted(access={"keys": {"app": {"id": made.id, "hash": made.sha256, "audio_s_per_hour": 2.0}}})
    # An hour's worth comes back in two seconds.
    monkeypatch.setattr("asr_hub.access.grant.Bucket", lambda size, rate, *, now: Bucket(size, rate * 1800, now=now))
    async with serving(config) as hub:
        told = await speak(sdk, hub.url, transport, audio, made.secret)
    assert "error" not in told, told
    assert told["closed"]["audio_offset"] == 64_000
    assert told["states"].count("broken") == told["states"].count("live") >= 1
    assert not of(told, "gap")
    async with serving(scripted()) as hub:
        assert texts(told) == texts(await speak(sdk, hub.url, transport, audio)) != []


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_quota_that_comes_back_after_the_resume_window_loses_the_session_at_once(
    sdk: Path, transport: str, audio: Path
) -> None:
    made = new_key()
    config = scripted(access={"keys": {"app": {"id": made.id, "hash": made.sha256, "audio_s_per_hour": 2.5}}})
    async with serving(config) as hub:
        told = await speak(sdk, hub.url, transport, audio, made.secret)
    assert told["error"] == "SessionLost"
    assert "all the audio it may for now" in told["message"]


async def test_a_key_is_brought_by_every_way(sdk: Path, audio: Path) -> None:
    made = new_key()
    config = scripted(access={"keys": {"app": {"id": made.id, "hash": made.sha256}}})
    async with serving(config) as hub:
        for transport in ALL_TRANSPORTS:
            told = await speak(sdk, hub.url, transport, audio, made.secret)
            assert told["closed"]["audio_offset"] == len(SPEECH) // 2
        for transport in ALL_TRANSPORTS:
            told = await speak(sdk, hub.url, transport, audio, "wrong")
            assert (told["error"], told["code"]) == ("HubError", "unauthorized")


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_viewer_is_told_what_the_publisher_is(sdk: Path, transport: str, audio: Path) -> None:
    script = Path(__file__).with_name("watch.mjs")
    async with serving(scripted()) as hub:
        told = await node(str(script), str(sdk), hub.url, transport, str(audio), folder=sdk)
    assert told["role"] == "viewer"
    assert told["seen"] == told["told"]
    # Acknowledgements that have been overtaken are not told again; they are counted in `skipped`.
    assert texts({"messages": told["late"]}) == texts({"messages": told["told"]}) != []
    assert told["late"][-1] == told["told"][-1]
    assert "gap" not in {message["type"] for message in told["late"]}
    kinds = [message["type"] for message in told["told"]]
    assert "partial" not in kinds
    assert {"finalize", "clear"} <= {message["reason"] for message in told["told"] if message["type"] == "endpoint"}
    assert [(one["name"], one["health"], one["is_default"]) for one in told["providers"]] == [
        ("scripted", "ready", True)
    ]
    assert told["health"]["status"] == "ok"


async def test_nobody_there_is_told_at_once(sdk: Path, audio: Path) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        where = f"//127.0.0.1:{deaf.getsockname()[1]}"
        for transport in ALL_TRANSPORTS:
            told = await speak(sdk, f"http:{where}", transport, audio)
            assert told["error"] == "ConnectionFailed"
            assert where in told["message"]


async def test_the_example_hears_a_file_with_a_real_engine(sdk: Path) -> None:
    config = Config.model_validate(
        {"provider": "sphinx", "providers": {"sphinx": {"kind": "pocketsphinx"}}, "server": {"port": 0}}
    )
    wav = Path(str(resources.files("asr_hub.providers") / "clips" / "demo.wav"))
    async with serving(config) as hub:
        for transport in TRANSPORTS:
            process = await asyncio.create_subprocess_exec(
                *("node", str(sdk / "examples" / "node-file.mjs"), str(wav), hub.url, transport),
                stdout=asyncio.subprocess.PIPE,
            )
            try:
                async with asyncio.timeout(120):
                    out, _ = await process.communicate()
            except BaseException:
                process.kill()
                await process.wait()
                raise
            assert process.returncode == 0
            assert packaged_clip("demo").is_heard_in(" ".join(out.decode().split()))
