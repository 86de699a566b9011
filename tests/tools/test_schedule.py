"""How long a training goes on, and on what."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools.train_tiny.schedule import Schedule, batches

pytestmark = pytest.mark.unit


def test_a_number_of_steps_is_taken_whatever_the_clock_says() -> None:
    schedule = Schedule(0.001, 4, clock=iter(range(1000)).__next__)
    assert list(schedule) == [0, 0.25, 0.5, 0.75]
    assert schedule.step == 4


def test_a_budget_ends_when_its_seconds_are_spent() -> None:
    schedule = Schedule(10.0, clock=iter([5.0, 5.0, 9.0, 14.0, 15.5]).__next__)
    assert list(schedule) == [0.0, 0.4, 0.9]
    assert schedule.step == 3


def test_the_learning_rate_goes_up_in_a_line_and_down_along_a_cosine() -> None:
    schedule = Schedule(1, 1000)
    rates = [schedule.rate(1.0, warm_up=100) for _ in schedule]
    top = max(range(1000), key=rates.__getitem__)
    assert 95 <= top <= 105
    assert rates[:90] == sorted(rates[:90])
    assert rates[110:] == sorted(rates[110:], reverse=True)
    assert rates[0] < 0.02 and rates[-1] < 0.02


@given(st.lists(st.integers(1, 500), min_size=4, max_size=60), st.integers(1, 4), st.integers(0, 5))
def test_each_time_round_has_each_example_at_most_once_and_leaves_less_than_a_batch(lengths, size, seed) -> None:
    count = len(lengths) // size
    drawn = batches(lengths, size, spread=3, seed=seed)
    for _ in range(2):
        times = Counter(int(at) for batch in islice(drawn, count) for at in batch)
        assert set(times.values()) == {1}
        assert len(times) == count * size


def test_examples_of_a_batch_are_about_as_long_as_each_other() -> None:
    lengths = [10, 500] * 20
    for batch in islice(batches(lengths, 4, spread=3, seed=1), 10):
        assert len({lengths[at] for at in batch}) == 1


def test_fewer_examples_than_a_batch_are_refused() -> None:
    with pytest.raises(ValueError, match="3 examples are fewer than a batch of 4"):
        next(batches([1, 2, 3], 4, spread=1, seed=1))
