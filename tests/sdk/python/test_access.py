"""Keys and certificates, over every protocol."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.hubs import scripted
from tests.sdk.python.reach import PROTOCOLS, client
from tests.speech import silence, tone

from asr_hub.access.keys import new_key
from asr_hub.app import serving
from asr_hub.config.schema import Config
from asr_hub_client import AsyncClient, Refused, Unauthorized, Unreachable
from asr_hub_client.session import Protocol

pytestmark = pytest.mark.e2e

SPEECH = silence(0.5) + tone(1.0) + silence(1.0)

KEY = new_key()
WATCHER = new_key()
TIGHT = new_key()

every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


def guarded() -> Config:
    keys = {
        "speaker": {"id": KEY.id, "hash": KEY.sha256, "scopes": ["speak", "watch"]},
        "watcher": {"id": WATCHER.id, "hash": WATCHER.sha256, "scopes": ["watch"]},
        "tight": {"id": TIGHT.id, "hash": TIGHT.sha256, "scopes": ["speak", "watch"], "sessions": 1},
    }
    return scripted(server={"port": 0, "grpc_port": 0}, access={"keys": keys})


@every_protocol
async def test_a_key_opens_and_a_wrong_one_is_a_named_error(protocol: Protocol) -> None:
    async with asyncio.timeout(120), serving(guarded()) as hub:
        async with client(hub, protocol, key=KEY.secret) as asr:
            async with asr.session() as session:
                await session.send(SPEECH)
            assert session.text
            assert await asr.providers()
        for key in (None, "wrong", new_key().secret):
            async with client(hub, protocol, key=key) as asr:
                with pytest.raises(Unauthorized) as refused:
                    async with asr.session():
                        pass
                assert refused.value.code == "unauthorized"
                with pytest.raises(Unauthorized):
                    await asr.providers()
                assert (await asr.health())["status"] == "ok"


@every_protocol
async def test_a_key_without_the_scope_is_a_named_error(protocol: Protocol) -> None:
    async with asyncio.timeout(120), serving(guarded()) as hub:
        async with client(hub, protocol, key=WATCHER.secret) as asr:
            with pytest.raises(Unauthorized) as refused:
                async with asr.session():
                    pass
        assert refused.value.code == "missing-scope"


@every_protocol
async def test_a_limit_is_told_with_when_to_come_back(protocol: Protocol) -> None:
    async with asyncio.timeout(120), serving(guarded()) as hub, client(hub, protocol, key=TIGHT.secret) as asr:
        async with asr.session():
            with pytest.raises(Refused) as refused:
                async with asr.session():
                    pass
        assert refused.value.is_retryable


@every_protocol
async def test_a_certificate_of_its_own_is_trusted_when_told_to(protocol: Protocol, tmp_path: Path) -> None:
    config = scripted(server={"port": 0, "grpc_port": 0, "tls": {"certificate": "self-signed"}})
    async with asyncio.timeout(120), serving(config) as hub:
        assert hub.tls is not None
        ca = tmp_path / "hub.pem"
        ca.write_bytes(hub.tls.certificate)
        address: dict[str, Any] = {"protocol": protocol, "grpc": f"127.0.0.1:{hub.grpc_port}"}
        async with AsyncClient(hub.url, ca=ca, **address) as asr:
            async with asr.session() as session:
                await session.send(SPEECH)
            assert session.text
            assert (await asr.health())["status"] == "ok"
        async with AsyncClient(hub.url, **address) as asr:
            with pytest.raises(Unreachable):
                async with asr.session():
                    pass
