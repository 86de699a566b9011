"""When a client is taken for dead: a clock that a test turns, and no socket."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from engineio import packet

from asr_hub.protocols.socket_io.seat import Seat
from asr_hub.protocols.timer_wheel import TimerWheel

pytestmark = pytest.mark.unit


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def seated(clock: Clock, **link: Any) -> tuple[Seat, SimpleNamespace]:
    there = SimpleNamespace(closed=False, last_ping=clock.now, queue=asyncio.Queue(), **link)
    manager = SimpleNamespace(eio_sid_from_sid=lambda sid, namespace: "link")
    sio = SimpleNamespace(eio=SimpleNamespace(sockets={"link": there}), manager=manager)
    return Seat(sio, "/", "sid", wheel=TimerWheel(), ping_timeout=20.0, now=clock), there


def test_a_client_whose_answer_stands_behind_its_audio_is_asked_again_and_not_given_up() -> None:
    clock = Clock()
    seat, link = seated(clock)
    for _ in range(10):
        clock.now += 9.0
        seat.keep_alive()
        assert clock.now - link.last_ping < 20.0
    pings = [link.queue.get_nowait() for _ in range(link.queue.qsize())]
    assert len(pings) == 5
    assert {it.packet_type for it in pings} == {packet.PING}


@pytest.mark.parametrize("state", [{"last_ping": None}, {"closed": True}])
def test_who_was_not_asked_or_is_gone_is_left_alone(state: dict[str, Any]) -> None:
    clock = Clock()
    seat, link = seated(clock)
    vars(link).update(state)
    clock.now += 100
    seat.keep_alive()
    assert link.queue.empty()


async def test_while_a_client_is_waited_for_it_is_asked_from_time_to_time() -> None:
    clock = Clock()
    seat, link = seated(clock)
    done = asyncio.Event()

    async def wait() -> None:
        await done.wait()

    waiting = asyncio.create_task(seat.during(wait()))
    await asyncio.sleep(0)
    clock.now += 11
    assert seat.on_time() == 10.0
    assert link.queue.get_nowait().packet_type == packet.PING
    done.set()
    await waiting
