"""One timer, many members. The loop's clock is turned by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_hub.protocols.timer_wheel import TimerWheel

pytestmark = pytest.mark.unit


class Member:
    def __init__(self, clock: Callable[[], float], again: float | None = None) -> None:
        self.clock = clock
        self.again = again
        self.called: list[float] = []

    def on_time(self) -> float | None:
        self.called.append(self.clock())
        return self.again


class Hands(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer instead of waiting for it."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.now = max(self.now, self._scheduled[0]._when)  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def turn(scene: Callable[[Hands, TimerWheel], None], *, until: float) -> TimerWheel:
    wheel = TimerWheel(resolution=1.0, slots=8)
    loop = Hands()

    async def main() -> None:
        scene(loop, wheel)
        await asyncio.sleep(until)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main())
    return wheel


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=20))
def test_members_are_called_once_never_early_and_at_most_two_beats_late(delays: list[float]) -> None:
    members: list[Member] = []

    def scene(loop: Hands, wheel: TimerWheel) -> None:
        for delay in delays:
            members.append(Member(loop.time))
            wheel.put(members[-1], delay)

    wheel = turn(scene, until=200)
    assert len(wheel) == 0
    for delay, member in zip(delays, members, strict=True):
        (at,) = member.called
        assert delay <= at <= delay + 3


def test_a_member_says_when_it_wants_to_be_called_again() -> None:
    members: list[Member] = []

    def scene(loop: Hands, wheel: TimerWheel) -> None:
        members.append(Member(loop.time, again=10.0))
        wheel.put(members[0], 1.0)

    turn(scene, until=100)
    gaps = {after - before for before, after in zip(members[0].called, members[0].called[1:], strict=False)}
    assert len(members[0].called) > 5
    assert gaps <= {10.0, 11.0, 12.0}


def test_who_is_removed_or_rearmed_is_not_called_at_the_old_time() -> None:
    members: list[Member] = []

    def scene(loop: Hands, wheel: TimerWheel) -> None:
        members.extend(Member(loop.time) for _ in range(2))
        for member in members:
            wheel.put(member, 5.0)
        wheel.remove(members[0])
        wheel.put(members[1], 20.0)
        wheel.remove(Member(loop.time))

    turn(scene, until=100)
    assert members[0].called == []
    assert members[1].called[0] >= 20.0


def test_an_empty_wheel_leaves_no_timer_behind() -> None:
    timers: list[int] = []

    def scene(loop: Hands, wheel: TimerWheel) -> None:
        wheel.put(Member(loop.time), 1.0)
        # The scene's own sleep is the other one.
        loop.call_later(2.5, lambda: timers.append(len(loop._scheduled)))  # type: ignore[attr-defined]
        loop.call_later(10.0, lambda: timers.append(len(loop._scheduled)))  # type: ignore[attr-defined]

    assert len(turn(scene, until=20)) == 0
    assert timers == [3, 1]


def test_one_that_fails_does_not_stop_the_others() -> None:
    failures: list[dict[str, object]] = []
    members: list[Member] = []

    class Broken(Member):
        def on_time(self) -> float | None:
            raise RuntimeError("a defect")

    def scene(loop: Hands, wheel: TimerWheel) -> None:
        loop.set_exception_handler(lambda loop, context: failures.append(context))
        members.append(Member(loop.time))
        wheel.put(Broken(loop.time), 1.0)
        wheel.put(members[0], 1.0)
        wheel.put(Broken(loop.time), 1.0)

    turn(scene, until=20)
    assert len(failures) == 2
    assert len(members[0].called) == 1
