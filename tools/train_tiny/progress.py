"""Tells how a training goes."""

from __future__ import annotations

from tools.train_tiny.schedule import Schedule

_EVERY = 100
_INERTIA = 0.98


class Progress:
    """Prints the smoothed losses every hundred steps."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._losses: dict[str, float] = {}

    def step(self, schedule: Schedule, **losses: float) -> None:
        """Takes the losses of one step."""
        for name, loss in losses.items():
            self._losses[name] = _INERTIA * self._losses.get(name, loss) + (1 - _INERTIA) * loss
        if (schedule.step + 1) % _EVERY == 0:
            told = ", ".join(f"{name} {loss:.3f}" for name, loss in self._losses.items())
            print(f"{self._name}: step {schedule.step + 1}, {schedule.progress:.0%}: {told}", flush=True)
