"""A child process ends, whatever it leaves behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest
from tests.providers.leftovers import nothing_left

from asr_hub.providers.child import ChildProcess


async def leave(environment: dict[str, str], *, is_seen_first: bool) -> tuple[ChildProcess, int]:
    """The child, which has left, and the number of what it left behind, which holds its stderr."""
    ours, theirs = socket.socketpair()
    with ours:
        ours.setblocking(False)
        child = ChildProcess("leaving")
        await child.start("tests.providers.leaving", theirs, environment)
        left = int(await asyncio.wait_for(asyncio.get_running_loop().sock_recv(ours, 20), 30))
    while is_seen_first and child.status is None:  # noqa: ASYNC110 - it is told to nobody
        await asyncio.sleep(0.005)
    return child, left


def is_living(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("is_seen_first", [True, False], ids=["its end is known", "its end is awaited"])
async def test_what_a_process_leaves_behind_ends_with_it(is_seen_first: bool) -> None:
    async with nothing_left(), asyncio.timeout(30):
        child, left = await leave({}, is_seen_first=is_seen_first)
        await child.end(20.0)
        while is_living(left):  # noqa: ASYNC110 - nobody is told of the end of a stranger's child
            await asyncio.sleep(0.005)
        assert child.epitaph() == "exit status 3: gone away"


async def test_what_has_set_itself_apart_keeps_nobody_waiting() -> None:
    async with asyncio.timeout(30):
        child, left = await leave({"LEAVING_APART": "1"}, is_seen_first=True)
        try:
            await child.end(20.0)
            assert child.epitaph() == "exit status 3: gone away"
        finally:
            os.kill(left, signal.SIGKILL)


async def test_an_end_that_is_awaited_can_be_given_up_and_awaited_again() -> None:
    async with nothing_left(), asyncio.timeout(30):
        child, _ = await leave({}, is_seen_first=True)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await child.ended()
        await child.end(20.0)
        assert child.epitaph() == "exit status 3: gone away"
