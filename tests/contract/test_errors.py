"""Every error that the hub may raise, as each protocol tells it: its code, and the protocol's own word for it."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest
from tests.hubs import scripted
from tests.peers import PEERS
from tests.peers.base import Peer, Refused

from asr_hub import errors
from asr_hub.app import Serving, serving
from asr_hub.errors import HubError
from asr_hub.wire.refusal import ending
from asr_hub.wire.status import status

pytestmark = pytest.mark.e2e


def tree(root: type[HubError] = HubError) -> list[type[HubError]]:
    return [root, *(one for child in root.__subclasses__() for one in tree(child) if one.__module__ == errors.__name__)]


@pytest.mark.parametrize("make", PEERS, ids=lambda it: it.__name__)
async def test_every_error_of_the_tree_is_told_by_its_code_and_by_the_protocols_own_word(
    make: type[Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(scripted(server={"port": 0, "grpc_port": 0})) as hub:
        await every_error(hub, make, monkeypatch)


async def every_error(hub: Serving, make: type[Peer], monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in tree():
        error = kind(f"{kind.__name__}: do this", retry_after=1.5)

        def refuse(*arguments: Any, error: HubError = error, **options: Any) -> NoReturn:
            raise error

        monkeypatch.setattr(hub.hub, "open", refuse)
        async with make(hub) as peer:
            with pytest.raises(Refused) as refused:
                await peer.start()
        told = refused.value
        assert (told.code, str(told)) == (error.code, str(error)), kind
        wanted = {
            "http": status(error).http,
            "grpc": status(error).grpc,
            "websocket": ending(error).close_code,
            "socketio": None,
        }
        assert told.status == wanted[peer.protocol], kind
        if peer.protocol != "grpc":
            assert told.message["retryable"] is error.retryable, kind
