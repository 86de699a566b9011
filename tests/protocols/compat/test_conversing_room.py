"""Audio that waits for room in a session which ends meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest
from tests.protocols.compat.test_conversing import conversation

from asr_hub.hub.hub import Hub
from asr_hub.model import Role, SessionId
from asr_hub.wire.messages import Closed, Start

pytestmark = pytest.mark.unit


class Full:
    """A hub, and its only session: it has no room, and ends with the first audio."""

    session = SessionId("full")
    role = Role.PUBLISHER
    last_seq = 0
    is_over = False

    def __init__(self) -> None:
        self._messages: list[bytes] = []
        self._tell: Callable[[], None] = lambda: None

    def open(self, start: Start, *, on_messages: Callable[[], None], **others: Any) -> Full:
        self._tell = on_messages
        return self

    def push(self, audio: bytes) -> bool:
        self._messages.append(msgspec.json.encode(Closed(reason="failed")))
        self._tell()
        return False

    def read(self) -> list[bytes]:
        messages, self._messages = self._messages, []
        return messages

    def detach(self) -> None:
        pass


async def test_what_is_left_of_a_large_frame_is_dropped_where_the_session_ends() -> None:
    async with conversation(cast(Hub, Full())) as (wire, _):
        wire.say("o", bytes(3 * 2**20), "p")
        assert [await wire.next() for _ in range(3)] == ["opened", "closed failed", "pong"]
