"""Who speaks: asked beside the recognition, and put to the final where the answer is there in time."""

from __future__ import annotations

import asyncio
from typing import Protocol

from msgspec.structs import replace

from asr_hub.effects import passes
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


class Around(passes.Around, Protocol):
    """What naming speakers needs of the hub."""

    async def speaker(self, session: SessionId, pcm: bytes, rate: int, spoken_s: float) -> str | None:
        """
        Who speaks, of those who have spoken in the session; nothing where that cannot be told. Raises HubError.

        `spoken_s`: seconds of speech in this audio, without its pauses.
        """
        ...


Asked = asyncio.Task[None]


class SpeakerNames:
    """Of one session. Utterances are asked for in their order: the first who speaks is the first speaker."""

    def __init__(self, session: SessionId, around: Around) -> None:
        self._session = session
        self._around = around
        self._last: Asked | None = None
        self._asked: dict[int, Asked] = {}
        """Those that have no answer yet, by the number of the utterance."""
        self._names: dict[int, str] = {}
        """From the answer to its use."""
        self._readings: dict[int, Reading] = {}
        """That were told before their speaker was known."""

    def ask(self, utterance: Utterance) -> Asked | None:
        """Ask when the utterance is over. Nothing where nobody is asked for."""
        if not self._around.strategy.speakers:
            return None
        number, before = utterance.number or 0, self._last
        asked = self._around.spawn(self._find(utterance, before), f"speaker {self._session}")
        asked.add_done_callback(lambda _: self._asked.pop(number, None))
        self._last = self._asked[number] = asked
        return asked

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
        """Wait until the last name is there, or given up: `LONGEST_S` after the end of its utterance."""
        while self._asked:
            await asyncio.wait(tuple(self._asked.values()))

    def drop(self, utterance: Utterance) -> None:
        """It will have no final: its end, for which its question waits, may never come."""
        number = utterance.number or 0
        self._names.pop(number, None)
        if (asked := self._asked.get(number)) is not None:
            asked.cancel()

    def abandon(self) -> None:
        """Ask no more."""
        for asked in tuple(self._asked.values()):
            asked.cancel()

    async def _find(self, utterance: Utterance, before: Asked | None) -> None:
        speaker = await self._ask_for(utterance, before)
        number = utterance.number or 0
        reading = self._readings.pop(number, None)
        if speaker is None:
            return
        if reading is None:
            self._names[number] = speaker
            return
        around = self._around
        known = around.told(self._session, number)
        if known is not None and known.latest is not None:
            # Others may have revised it meanwhile; a name changes none of their words.
            reading.hypothesis = known.latest
        reading.hypothesis = replace(reading.hypothesis, speaker=speaker, revision=reading.hypothesis.revision + 1)
        around.dispatch(
            UtteranceCorrected(
                at=around.now(),
                session=self._session,
                utterance=number,
                hypothesis=reading.hypothesis,
                latency_ms=round(1000 * (around.monotonic() - utterance.ended_at)),
            )
        )

    async def _ask_for(self, utterance: Utterance, before: Asked | None) -> str | None:
        await utterance.over.wait()
        try:
            async with asyncio.timeout(LONGEST_S):
                if before is not None:
                    # Whoever spoke before has the lower number. Its time is over sooner than this one's.
                    await asyncio.wait((before,))
                return await self._around.speaker(self._session, utterance.pcm(), utterance.rate, _spoken_s(utterance))
        except (HubError, TimeoutError) as exc:
            _log.debug("speaker.unknown", detail=str(exc))
        except Exception as exc:  # noqa: BLE001 - the edge of the model of voices: a defect costs a name, and nothing else
            _log.exception("speaker.broke", exc, session=self._session)
        return None


def _spoken_s(utterance: Utterance) -> float:
    """Without the pauses at both ends, where there is a VAD."""
    voiced = utterance.ended.voiced if utterance.ended is not None else None
    return voiced / utterance.rate if voiced is not None else utterance.seconds
