"""Ports of the hub, and what their servers log."""

from __future__ import annotations

import logging
import socket
from contextlib import closing

import pytest
from tests.hubs import scripted
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from asr_hub.access.keys import new_key
from asr_hub.app import serving
from asr_hub.app.listening import KEEPALIVE, bind
from asr_hub.errors import ConfigError

pytestmark = pytest.mark.unit


def test_a_client_whose_machine_is_gone_is_noticed() -> None:
    with closing(bind("127.0.0.1", 0, key="`server.port`")) as listener:
        listener.setblocking(True)
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            for name, value in KEEPALIVE.items():
                assert accepted.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) == value


def test_a_port_that_is_taken_names_its_setting() -> None:
    with closing(bind("127.0.0.1", 0, key="`server.port`")) as listener:
        taken = listener.getsockname()[1]
        with pytest.raises(ConfigError, match=r"dialects\.vosk\.port"):
            bind("127.0.0.1", taken, key="`dialects.vosk.port`")


async def test_a_websocket_that_is_refused_is_no_error_of_the_hub(caplog: pytest.LogCaptureFixture) -> None:
    key = new_key()
    access = {"keys": {"a": {"id": key.id, "hash": key.sha256}}}
    async with serving(scripted(access=access, dialects={"vosk": {"port": 0}})) as hub:
        for address in (f"ws://127.0.0.1:{hub.port}/v1/listen", f"ws://127.0.0.1:{hub.dialects['vosk']}"):
            with pytest.raises(InvalidStatus) as refused:
                await connect(address)
            assert refused.value.response.status_code == 401
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
