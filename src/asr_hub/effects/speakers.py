"""Who speaks: asked beside the recognition, and put to the final where the answer is there in time."""

from __future__ import annotations

import asyncio
from typing import Protocol

from msgspec.structs import replace

from asr_hub.effects.failover import Engines
from asr_hub.effects.passes import Reading
from asr_hub.effects.utterance import Utterance
from asr_hub.errors import HubError
from asr_hub.model import SessionId
from asr_hub.store.slices.transcripts import UtteranceCorrected
from asr_hub.telemetry import logs

_log = logs.get(__name__)

WAIT_S = 0.3
"""Seconds that a final is held back for the name of its speaker."""

LONGEST_S = 10.0
"""Seconds after which nobody waits for the name any more."""


class Around(Engines, Protocol):
    """What naming speakers needs of the hub."""

    async def speaker(self, session: SessionId, pcm: bytes, rate: int) -> str | None:
        """Who speaks, of those who have spoken in the session; nothing where that cannot be told. Raises HubError."""
        ...


Asked = asyncio.Task[None]


class SpeakerNames:
    """Of one session. Utterances are asked for in their order: the first who speaks is the first speaker."""

    def __init__(self, session: SessionId, around: Around) -> None:
        self._session = session
        self._around = around
        self._last: Asked | None = None
        self._names: dict[int, str] = {}
        """By the number of the utterance, from the answer to its use."""
        self._readings: dict[int, Reading] = {}
        """That were told before their speaker was known."""

    def ask(self, utterance: Utterance) -> Asked | None:
        """Ask when the utterance is over. Nothing where nobody is asked for."""
        if not self._around.strategy.speakers:
            return None
        before, name = self._last, f"speaker {self._session}"
        self._last = self._around.spawn(self._find(utterance, before), name)
        return self._last

    async def name(self, reading: Reading, asked: Asked | None) -> None:
        """Put the name to the reading, if it comes within `WAIT_S`; a revision tells it later."""
        if asked is None:
            return
        number = reading.utterance.number or 0
        await asyncio.wait((asked,), timeout=WAIT_S)
        if (speaker := self._names.pop(number, None)) is not None:
            reading.hypothesis = replace(reading.hypothesis, speaker=speaker)
        elif not asked.done():
            self._readings[number] = reading

    async def settled(self) -> None:
        """Wait until the last name is there, or given up."""
        if self._last is not None and not self._last.done():
            await asyncio.wait((self._last,))

    def abandon(self) -> None:
        """Ask no more."""
        if self._last is not None:
            self._last.cancel()

    async def _find(self, utterance: Utterance, before: Asked | None) -> None:
        try:
            if before is not None and not before.done():
                await asyncio.wait((before,))
            await utterance.over.wait()
            async with asyncio.timeout(LONGEST_S):
                speaker = await self._around.speaker(self._session, utterance.pcm(), utterance.rate)
        except (HubError, TimeoutError) as exc:
            _log.debug("speaker.unknown", detail=str(exc))
            speaker = None
        number = utterance.number or 0
        reading = self._readings.pop(number, None)
        if speaker is None:
            return
        if reading is None:
            self._names[number] = speaker
            return
        reading.hypothesis = replace(reading.hypothesis, speaker=speaker, revision=reading.hypothesis.revision + 1)
        around = self._around
        around.dispatch(
            UtteranceCorrected(
                at=around.now(),
                session=self._session,
                utterance=number,
                hypothesis=reading.hypothesis,
                latency_ms=round(1000 * (around.monotonic() - utterance.ended_at)),
            )
        )
