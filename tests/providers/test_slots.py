from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_hub.errors import Overloaded
from asr_hub.providers.slots import Slots

pytestmark = pytest.mark.unit


async def _hold(slots: Slots, until: asyncio.Event, order: list[int], who: int) -> None:
    async with slots:
        order.append(who)
        await until.wait()


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_slots_are_given_in_the_order_they_were_asked_for() -> None:
    slots, order = Slots(1, 60), list[int]()
    gates = [asyncio.Event() for _ in range(3)]
    async with asyncio.TaskGroup() as group:
        for who, gate in enumerate(gates):
            group.create_task(_hold(slots, gate, order, who))
        await _settle()
        assert (order, slots.used, slots.waiting) == ([0], 1, 2)
        for gate in gates:
            gate.set()
            await _settle()
    assert (order, slots.used, slots.waiting) == ([0, 1, 2], 0, 0)


async def test_a_slot_that_never_comes_is_refused_with_what_to_do() -> None:
    slots = Slots(1, 0, name="here")
    async with slots:
        with pytest.raises(Overloaded, match=r"here: all 1 streams .*max_streams") as refused:
            async with slots:
                pytest.fail("two in one slot")
        assert refused.value.retry_after
    assert (slots.used, slots.waiting) == (0, 0)


async def test_callbacks_tell_of_every_slot_taken_and_freed() -> None:
    told: list[str] = []
    slots = Slots(1, 0, on_taken=lambda: told.append("taken"), on_freed=lambda: told.append("freed"))
    with pytest.raises(ZeroDivisionError):
        async with slots:
            raise ZeroDivisionError
    assert told == ["taken", "freed"]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.lists(st.tuples(st.sampled_from(["end", "cancel"]), st.integers(0, 7)), max_size=16))
def test_no_slot_is_lost_or_doubled_whatever_ends_and_is_cancelled(size: int, moves: list[tuple[str, int]]) -> None:
    async def play() -> None:
        slots, order = Slots(size, 60), list[int]()
        gates = [asyncio.Event() for _ in range(8)]
        tasks = [asyncio.create_task(_hold(slots, gate, order, who)) for who, gate in enumerate(gates)]
        await _settle()
        for move, who in moves:
            _ = gates[who].set() if move == "end" else tasks[who].cancel()
            # One turn only: cancels meet hand-overs that are still on their way.
            await asyncio.sleep(0)
            assert slots.used <= size
        await _settle()
        assert slots.used == min(size, sum(not task.done() for task in tasks))
        for gate in gates:
            gate.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (slots.used, slots.waiting) == (0, 0)

    asyncio.run(play())
