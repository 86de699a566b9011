from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asr_hub.errors import Overloaded
from asr_hub.protocols.compat.hearing import while_there

pytestmark = pytest.mark.unit


async def _there() -> Any:
    await asyncio.Event().wait()


async def test_work_is_done_while_the_client_is_there() -> None:
    async def work() -> int:
        return 7

    assert await while_there(_there, work()) == 7


async def test_an_error_is_raised_as_it_is() -> None:
    async def work() -> int:
        raise Overloaded("come back later")

    with pytest.raises(Overloaded):
        await while_there(_there, work())


async def test_work_is_given_up_when_the_client_has_gone() -> None:
    told: list[dict[str, str]] = [{"type": "http.request"}, {"type": "http.disconnect"}]
    has_begun, was_cancelled = asyncio.Event(), False

    async def receive() -> Any:
        await has_begun.wait()
        return told.pop(0)

    async def work() -> None:
        nonlocal was_cancelled
        has_begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            was_cancelled = True
            raise

    with pytest.raises(ConnectionResetError):
        await while_there(receive, work())
    assert was_cancelled
