"""Recordings that are made on the spot, of facts that a store took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.store.facts import A, Errors, store

from asr_hub.recordings.files import RecordingFiles
from asr_hub.recordings.format import Folder, Meta
from asr_hub.recordings.redaction import Redaction
from asr_hub.recordings.selection import Selection
from asr_hub.store.event import Event
from asr_hub.store.kernel import HubStore

PUBLIC = "0123456789ab"
NAME = f"20260131-120000-{PUBLIC}"
SELECTION = Selection(A, name=PUBLIC)
START = 1_769_860_800.0


def lived(history: Iterable[Event], **options: int) -> HubStore:
    """A store that was told a history, of which it took what is possible."""
    hub = store(on_error=Errors(), **options)
    for event in history:
        hub.dispatch(event)
    return hub


def recorded(
    folder: Path,
    history: Sequence[Event],
    *,
    audio: Sequence[tuple[int, bytes]] = (),
    redaction: Redaction | None = None,
    name: str = NAME,
) -> Folder:
    """A recording of session A that begins before the first fact, and is over."""
    hub = lived(())
    meta = Meta(name=name, session=PUBLIC, started_at=START)
    files = RecordingFiles(folder / name, meta, SELECTION.state(hub.state), redaction=redaction)
    folder.mkdir(exist_ok=True)
    files.begin()
    taken = [entry.event for entry in lived(history).journal.entries()]
    files.facts([told for event in taken if (told := SELECTION.of(event)) is not None])
    for start, pcm in audio:
        files.audio(start, [pcm])
    files.end("closed", START + 1)
    return Folder(folder / name)


def veiled(text: str) -> str:
    """A redaction, as a configuration names one."""
    return text.replace("Kandersteg", "[place]")
