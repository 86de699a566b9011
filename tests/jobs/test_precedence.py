"""Clients who wait for an answer come before the runs of jobs, which go on all the same."""

from __future__ import annotations

import asyncio

import pytest

from asr_hub.jobs.precedence import Precedence

pytestmark = pytest.mark.unit


async def turns(of: asyncio.Task[None]) -> bool:
    """Whether it is over after as many turns of the loop as it could need."""
    for _ in range(10):
        await asyncio.sleep(0)
    return of.done()


async def test_without_clients_a_run_takes_its_step_at_once() -> None:
    await asyncio.wait_for(Precedence(most_s=3600).given(), 5)


async def test_a_run_waits_for_the_last_of_the_clients() -> None:
    precedence = Precedence(most_s=3600)
    with precedence.answered():
        with precedence.answered():
            step = asyncio.create_task(precedence.given())
            assert not await turns(step)
        assert not await turns(step)
    assert await turns(step)


async def test_clients_that_never_stop_do_not_stop_the_runs() -> None:
    precedence = Precedence(most_s=0.001)
    with precedence.answered():
        await asyncio.wait_for(asyncio.gather(*(precedence.given() for _ in range(20))), 10)


async def test_a_client_that_fails_is_waited_for_no_longer() -> None:
    precedence = Precedence(most_s=3600)
    with pytest.raises(KeyError), precedence.answered():
        raise KeyError
    await asyncio.wait_for(precedence.given(), 5)


async def test_a_run_that_is_stopped_while_it_waits_lets_the_next_one_have_its_turn() -> None:
    precedence = Precedence(most_s=3600)
    with precedence.answered():
        first = asyncio.create_task(precedence.given())
        second = asyncio.create_task(precedence.given())
        assert not await turns(first)
        first.cancel()
        assert not await turns(second)
    assert await turns(second)
