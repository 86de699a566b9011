"""The steps: speak, features, train, export, measure."""

from __future__ import annotations

from pathlib import Path

import torch
from tools.train_tiny.schedule import Schedule
from tools.train_tiny.speaker import people, speaking, training
from tools.train_tiny.speaker.conversation import write_conversation
from tools.train_tiny.speaker.measure import TESTS, measure
from tools.train_tiny.speaker.network import export
from tools.train_tiny.speaker.speaking import Talk


def make(*, out: Path, work: Path, turns: int, copies: int, budget: float, steps: int | None, seed: int) -> None:
    """Does every step, but for speech that is there, and prints the figures. Raises VoicesMissing without espeak-ng."""
    # One thread: two cost thrice the CPU time of one on a model so small.
    torch.set_num_threads(1)
    work.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    talk = _spoken(work, turns, seed)
    schedule = Schedule(budget, steps)
    network = training.train(training.examples(talk, copies=copies, seed=seed), schedule, seed=seed)
    print(f"{schedule.step} steps, to be had again with --steps {schedule.step}", flush=True)
    model = out / "model.onnx"
    export(network, model)
    write_conversation(out, seed)
    for split in TESTS:
        found = measure(talk, model, split)
        print(
            f"{split}: equal error {found.error:.1%} at a cosine of {found.threshold:.2f}; "
            f"one person {found.same:.2f}, two people {found.other:.2f}"
        )


def _spoken(work: Path, turns: int, seed: int) -> Talk:
    planned = people.plan(turns, seed)
    if (work / "talk.json").exists():
        talk = speaking.load(work)
        if talk.turns == planned:
            return talk
    print(f"speaking {len(planned)} turns", flush=True)
    talk = speaking.speak(planned)
    speaking.save(work, talk)
    return talk
