"""How long a training goes on, how fast it learns at each moment, and on what next."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt


class Schedule:
    """Steps of a training until a budget of CPU seconds is spent, or a number of steps is taken."""

    def __init__(self, seconds: float, steps: int | None = None, *, clock: Callable[[], float] = time.process_time):
        self.step = 0
        """How many steps are done."""
        self.progress = 0.0
        """0 to 1."""
        self._seconds = seconds
        self._steps = steps
        self._clock = clock

    def __iter__(self) -> Iterator[float]:
        """The progress at each step."""
        began = self._clock()
        while True:
            # A number of steps gives the same weights on each machine; seconds do not.
            self.progress = self.step / self._steps if self._steps else (self._clock() - began) / self._seconds
            if self.progress >= 1:
                return
            yield self.progress
            self.step += 1

    def rate(self, peak: float, *, warm_up: int) -> float:
        """The learning rate of this step: up in a line for `warm_up` steps, then down along a cosine."""
        return peak * min(1.0, (self.step + 1) / warm_up) * (0.5 * (1 + math.cos(math.pi * self.progress)) + 0.01)


def batches(lengths: Sequence[int], size: int, *, spread: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """
    Endless batches of places of examples, those of about the same length together, in a new order each time round.

    `spread` is by how many frames lengths may differ without being told apart. Raises ValueError where there are fewer
    examples than one batch takes.
    """
    if len(lengths) < size:
        raise ValueError(f"{len(lengths)} examples are fewer than a batch of {size}: speak more utterances")
    chance = np.random.default_rng(seed)
    order = np.argsort(np.asarray(lengths) + chance.integers(0, spread, len(lengths)), kind="stable")
    groups = [order[at : at + size] for at in range(0, len(order) - size + 1, size)]
    while True:
        for at in chance.permutation(len(groups)):
            yield groups[at]
