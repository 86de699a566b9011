"""How much may be used, and when there is more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.access.bucket import Bucket

pytestmark = pytest.mark.unit


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_is_there_can_be_taken_at_once_and_comes_back_evenly() -> None:
    clock = Clock()
    bucket = Bucket(10, 2, now=clock)
    assert bucket.take(10) == 0
    assert bucket.take(4) == 2
    clock.now += 1
    assert bucket.take(4) == 1
    clock.now += 1
    assert bucket.take(4) == 0


def test_it_holds_no_more_than_its_capacity() -> None:
    clock = Clock()
    bucket = Bucket(3, 1, now=clock)
    clock.now += 1e6
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 1]


def test_a_use_larger_than_the_bucket_is_paid_off_afterwards() -> None:
    clock = Clock()
    bucket = Bucket(3, 1, now=clock)
    assert bucket.take(10) == 0
    assert bucket.take(1) == 8


def test_what_was_not_used_can_be_put_back() -> None:
    bucket = Bucket(3, 1, now=Clock())
    assert bucket.take(3) == 0
    bucket.put_back(2)
    assert bucket.take(2) == 0
    bucket.put_back(100)
    assert [bucket.take(3), bucket.take(3)] == [0, 3]


def test_a_clock_that_goes_back_gives_nothing() -> None:
    clock = Clock()
    bucket = Bucket(5, 1, now=clock)
    assert bucket.take(5) == 0
    for _ in range(10):
        clock.now -= 100
        assert bucket.take(1) == 1
        clock.now += 100
        assert bucket.take(1) == 1


steps = st.lists(st.tuples(st.floats(-5, 50), st.floats(0.01, 20)), max_size=60)


@given(capacity=st.floats(0.5, 100), rate=st.floats(0.01, 50), steps=steps)
def test_over_any_time_no_more_is_taken_than_fits_and_flows_in(
    capacity: float, rate: float, steps: list[tuple[float, float]]
) -> None:
    clock = Clock()
    bucket = Bucket(capacity, rate, now=clock)
    taken, latest, largest = 0.0, clock.now, 0.0
    for wait, amount in steps:
        clock.now += wait
        latest = max(latest, clock.now)
        if bucket.take(amount) == 0:
            taken += amount
            largest = max(largest, amount)
    assert taken <= capacity + rate * (latest - 1000.0) + max(0.0, largest - capacity) + 1e-3


@given(capacity=st.floats(0.5, 100), rate=st.floats(0.01, 50), amounts=st.lists(st.floats(0.01, 20), max_size=30))
def test_who_waits_as_long_as_told_is_served(capacity: float, rate: float, amounts: list[float]) -> None:
    clock = Clock()
    bucket = Bucket(capacity, rate, now=clock)
    for amount in amounts:
        if wait := bucket.take(amount):
            clock.now += wait * (1 + 1e-9) + 1e-9
            assert bucket.take(amount) == 0
