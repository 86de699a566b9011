"""Which tests may run beside another test, and the room that all others have to themselves."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HEAVY = (
    "e2e/test_engine_by_engine.py",
    "e2e/test_hub_equals_engine.py",
    "contract/test_providers.py",
    "chaos/test_cuts.py",
    "e2e/test_long_form.py",
    "e2e/test_configurations.py",
    "e2e/test_onset.py",
    "e2e/test_phantom.py",
    "e2e/test_known_answers.py",
)
"""Those that cost minutes, the longest first, so that both processes are busy to the end."""

LIGHT = (
    "access",
    "audio",
    "cli",
    "compat",
    "config",
    "correction",
    "effects",
    "jobs/test_audio_stores.py",
    "jobs/test_outside.py",
    "jobs/test_segmenting.py",
    "jobs/test_spooling.py",
    "providers/funasr",
    "providers/sherpa",
    "providers/transformers",
    "providers/vosk",
    "providers/whisper",
    "protocols",
    "recordings",
    "telemetry",
    "text",
    "tools",
    "wire",
)
"""
Folders whose tests compute, and neither wait for a deadline nor count what is left.

What is named in neither list has the machine to itself: deadlines of milliseconds, kills, memory, open files.
"""

LAST = len(HEAVY) + len(LIGHT)


def place(path: Path) -> int:
    """When a test module has its turn; `LAST`: after all those that may run beside one another."""
    below = path.relative_to(Path(__file__).parent).as_posix()
    for turn, name in enumerate((*HEAVY, *LIGHT)):
        if below == name or below.startswith(f"{name}/"):
            return turn
    return LAST


@contextmanager
def room(folder: Path, *, alone: bool) -> Iterator[None]:
    """
    Holds the room of a run of the tests: with others, or alone.

    Who waits to be alone holds the gate, so that those who come later wait behind it.
    """
    with (folder / "room").open("w") as held:
        with (folder / "gate").open("w") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            fcntl.flock(held, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
