"""The rows of a kill matrix: sessions whose engines fail while they speak, and what must be the same afterwards."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from tests.client import Client, Message

from asr_hub.app import Serving
from asr_hub.model import HUB_RATE, SessionId
from asr_hub.text.score import Errors, score

IS_FULL = bool(os.environ.get("ASR_HUB_FULL_MATRIX"))
"""Every 100 ms of a clip, under every engine: minutes of CPU."""

STEP_MS = 100
BLOCK = 2 * HUB_RATE * STEP_MS // 1000
"""Bytes of `STEP_MS`"""


class Final(NamedTuple):
    """What a client was told of one utterance. Who heard it may differ from row to row."""

    utterance: int
    text: str
    start: int
    end: int


class Row(NamedTuple):
    """One session, heard to its end."""

    finals: tuple[Final, ...]
    providers: frozenset[str]
    """Whoever gave a final."""
    recovery_s: float | None = None
    """From the fault to the next words that the client saw; none where nothing was left to say."""

    @property
    def text(self) -> str:
        return " ".join(final.text for final in self.finals)


class Figures:
    """What a matrix comes to, for the reader of its output."""

    def __init__(self, whole: Row) -> None:
        self._whole = whole
        self.rows = 0
        self.lost = 0
        self.doubled = 0
        self._recoveries: list[float] = []

    def add(self, row: Row, *, at: object) -> None:
        """Count a row, which must be what it is without a fault."""
        errors: Errors = score(self._whole.text, row.text).words
        self.rows += 1
        self.lost += errors.deletions + errors.substitutions
        self.doubled += errors.insertions
        if row.recovery_s is not None:
            self._recoveries.append(row.recovery_s)
        assert row.finals == self._whole.finals, at

    def __str__(self) -> str:
        times = sorted(self._recoveries)
        counts = (
            f"{self.rows} rows of {len(self._whole.finals)} utterances: {self.lost} words lost, {self.doubled} doubled"
        )
        if not times:
            return counts
        return f"{counts}; next words after p50 {1000 * times[len(times) // 2]:.0f} ms, max {1000 * times[-1]:.0f} ms"


async def spoken(
    hub: Serving,
    pcm: bytes,
    *,
    provider: str,
    at_ms: int | None = None,
    fault: Callable[[], None] = lambda: None,
    configure: Iterable[tuple[int, str]] = (),
) -> Row:
    """
    One session that says `pcm` as fast as the hub takes it; `fault` happens when the hub has taken `at_ms` of it.

    `configure` names a provider to change to, by the milliseconds of audio before it.
    """
    changes = dict(configure)
    failed_at: float | None = None
    said = 0
    async with Client(hub.stream_url, provider=provider) as client:
        for number, at in enumerate(range(0, len(pcm), BLOCK)):
            if (name := changes.get(number * STEP_MS)) is not None:
                await client.send({"type": "configure", "provider": name})
            if number * STEP_MS == at_ms:
                await taken(hub, client, at // 2)
                said, failed_at = len(client.messages), time.monotonic()
                fault()
            await client.send(pcm[at : at + BLOCK])
        await client.send({"type": "close"})
        recovery = None
        if failed_at is not None:
            await client.wait_until(_says_words, after=said)
            recovery = time.monotonic() - failed_at
        await client.wait_for("closed")
        return checked(client, recovery)


async def taken(hub: Serving, client: Client, samples: int) -> None:
    """Wait until the hub has taken so much of what the client sent."""
    assert client.session is not None
    while hub.hub.snapshot(SessionId(client.session)).audio_offset < samples:
        await client.echo()


def checked(client: Client, recovery_s: float | None = None) -> Row:
    """What a session was told, where that is what the protocol promises: one final each, in order, and no more then."""
    assert not client.of("error") and {m["code"] for m in client.of("warning")} <= {"handed-on"}
    assert [m["seq"] - m.get("skipped", 0) for m in client.messages] == [
        1 + before for before in (0, *(m["seq"] for m in client.messages[:-1]))
    ]
    finals = client.of("final")
    numbers = [m["utterance"] for m in finals]
    assert numbers == list(range(1, len(numbers) + 1)) == [m["utterance"] for m in client.of("speech-started")]
    for final in finals:
        about = [m for m in client.of("partial", "final") if m["utterance"] == final["utterance"]]
        revisions = [m["hypothesis"]["revision"] for m in about]
        assert about[-1] is final and revisions == sorted(set(revisions))
    return Row(
        tuple(
            Final(m["utterance"], m["hypothesis"]["text"], m["hypothesis"]["start"], m["hypothesis"]["end"])
            for m in finals
        ),
        frozenset(m["hypothesis"]["provider"] for m in finals),
        recovery_s,
    )


def _says_words(message: Message) -> bool:
    return message["type"] in ("partial", "final", "closed")
