"""https and wss: real clients that check the hub's certificate."""

from __future__ import annotations

import asyncio
import json
import ssl
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvloop
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.access.callers import GrpcCaller, HttpCaller, QueryCaller, WebSocketCaller
from tests.hubs import scripted
from tests.speech import silence, tone
from typer.testing import CliRunner
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from asr_hub.access.certificate import Pair, on_disk, read_pair, self_signed
from asr_hub.app import Serving, serving
from asr_hub.cli.main import app
from asr_hub.config.schema import Config
from asr_hub.errors import ConfigError

pytestmark = pytest.mark.e2e

runner = CliRunner()


def with_tls(**tls: Any) -> Config:
    return scripted(server={"port": 0, "grpc_port": 0, "tls": tls})


def trusting(pair: Pair | None) -> ssl.SSLContext:
    assert pair is not None
    context = ssl.create_default_context(cadata=pair.certificate.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


async def test_a_session_over_wss_and_what_rest_says_of_it_over_https() -> None:
    async with serving(with_tls()) as hub:
        trusted = trusting(hub.tls)
        assert (hub.url[:8], hub.stream_url[:6]) == ("https://", "wss://")
        async with connect(hub.stream_url, ssl=trusted) as socket:
            await socket.send('{"type":"start"}')
            pcm = silence(0.5) + tone(1.0) + silence(1.0)
            for at in range(0, len(pcm), 3200):
                await socket.send(pcm[at : at + 3200])
            await socket.send('{"type":"close"}')
            async with asyncio.timeout(60):
                types = [json.loads(text)["type"] async for text in socket]
            assert (types[0], types[-1], socket.close_code) == ("ready", "closed", 1000)
            assert "final" in types
        async with httpx.AsyncClient(base_url=hub.url, verify=trusted, trust_env=False) as http:
            assert (await http.get("/health")).json()["status"] == "ok"


async def a_minute_at_once(hub: Serving) -> None:
    async with connect(hub.stream_url, ssl=trusting(hub.tls), compression=None) as socket:
        await socket.send('{"type":"start"}')
        minute = silence(60)
        for at in range(0, len(minute), 64_000):
            await socket.send(minute[at : at + 64_000])
        await socket.send('{"type":"close"}')
        async with asyncio.timeout(60):
            last = [json.loads(text) async for text in socket][-1]
        assert (last["type"], last["audio_offset"]) == ("closed", 60 * 16_000)


async def a_frame_that_is_too_large(hub: Serving) -> None:
    async with connect(hub.stream_url, ssl=trusting(hub.tls), compression=None) as socket:
        await socket.send('{"type":"start"}')
        await socket.send(bytes(3_000_000))
        messages: list[dict[str, Any]] = []
        with pytest.raises(ConnectionClosed):
            async with asyncio.timeout(60):
                while True:
                    messages.append(json.loads(await socket.recv()))
        assert (messages[-1]["code"], socket.close_code) == ("frame-too-large", 1009)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_back_pressure_and_last_words_are_as_they_are_without(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def main() -> None:
        async with serving(with_tls()) as hub:
            await a_minute_at_once(hub)
            await a_frame_that_is_too_large(hub)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


async def test_every_protocol_speaks_it() -> None:
    async with serving(with_tls()) as hub:
        for kind in (WebSocketCaller, QueryCaller, HttpCaller, GrpcCaller):
            caller = kind(hub, None)
            try:
                session = await caller.speak()
                await caller.hear()
                viewer = kind(hub, None)
                try:
                    await viewer.watch(session)
                finally:
                    await viewer.aclose()
            finally:
                await caller.aclose()


async def test_a_client_that_does_not_trust_the_certificate_does_not_connect() -> None:
    async with serving(with_tls()) as hub:
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(hub.stream_url, ssl=ssl.create_default_context())
        async with httpx.AsyncClient(trust_env=False) as http:
            with pytest.raises(httpx.ConnectError):
                await http.get(hub.url)


async def test_plain_http_on_the_port_gets_nowhere_and_harms_nobody() -> None:
    async with serving(with_tls()) as hub:
        async with httpx.AsyncClient(trust_env=False) as http:
            with pytest.raises(httpx.TransportError):
                await http.get(hub.url.replace("https", "http"))
        async with connect(hub.stream_url, ssl=trusting(hub.tls)) as socket:
            await socket.send('{"type":"start"}')
            assert json.loads(await socket.recv())["type"] == "ready"


async def test_a_certificate_that_was_made_once_serves_every_start(tmp_path: Path) -> None:
    done = runner.invoke(app, ["certificate", str(tmp_path / "tls"), "--host", "hub.example.org", "--host", "10.1.2.3"])
    assert done.exit_code == 0, done.output
    public, private = tmp_path / "tls" / "certificate.pem", tmp_path / "tls" / "key.pem"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    pair = read_pair(public, private)
    assert f"SHA-256 {pair.fingerprint}" in done.output
    config = with_tls(certificate=str(public), key=str(private))
    for _ in range(2):
        async with serving(config) as hub:
            assert hub.tls is not None
            assert hub.tls.fingerprint == pair.fingerprint
            for name in ("hub.example.org", "10.1.2.3", "localhost", "127.0.0.1"):
                async with connect(hub.stream_url, ssl=trusting(pair), server_hostname=name) as socket:
                    await socket.send('{"type":"start"}')
                    assert json.loads(await socket.recv())["type"] == "ready"
    again = runner.invoke(app, ["certificate", str(tmp_path / "tls")])
    assert again.exit_code == 2
    assert read_pair(public, private).fingerprint == pair.fingerprint


def test_certificate_and_key_may_be_in_one_file(tmp_path: Path) -> None:
    made = self_signed([])
    both = tmp_path / "both.pem"
    both.write_bytes(made.key + made.certificate)
    assert read_pair(both, None).fingerprint == made.fingerprint


def test_what_is_no_certificate_is_told_with_what_to_do(tmp_path: Path) -> None:
    one, other = self_signed([]), self_signed([])
    files = {
        "certificate": one.certificate,
        "key": one.key,
        "other": other.key,
        "nothing": b"",
        "locked": _locked(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    for certificate, key, word in (
        ("absent", "key", "cannot be read"),
        ("certificate", "absent", "cannot be read"),
        ("certificate", "other", "is not the key of"),
        ("certificate", "nothing", "PEM"),
        ("nothing", "key", "PEM"),
        ("key", "key", "PEM"),
        ("certificate", "locked", "has a password"),
    ):
        with pytest.raises(ConfigError, match=word):
            read_pair(tmp_path / certificate, tmp_path / key)


def test_a_name_that_no_certificate_can_hold_is_told() -> None:
    with pytest.raises(ConfigError, match="no host name"):
        self_signed(["höst.example"])


def _locked() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )


def test_a_key_that_came_from_no_file_is_on_disk_for_its_owner_and_a_moment() -> None:
    with on_disk(self_signed([])) as (_, key):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert not key.parent.exists()
