"""What is told of a reading: phantoms are kept back, hotwords and capitals put in. Each such decision is a fact."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from msgspec.structs import replace

from asr_hub.audio.speechiness import measure
from asr_hub.effects.failover import Engines
from asr_hub.effects.hearing import Heard
from asr_hub.effects.passes import VOTE, Reading
from asr_hub.effects.utterance import Utterance
from asr_hub.errors import HubError, PassRefused
from asr_hub.model import Hypothesis, Pass, ProviderName, SessionId
from asr_hub.providers.base import Capabilities
from asr_hub.sound import Sound
from asr_hub.store.slices.hotwords import Preferred
from asr_hub.store.slices.sessions import Session
from asr_hub.store.slices.transcripts import HotwordsMatched, Replacement, TextSuppressed
from asr_hub.text.hotwords import match
from asr_hub.text.phantom import Evidence, why_phantom
from asr_hub.text.polish import polish


class Around(Engines, Protocol):
    """What settling needs of the hub."""

    def record(self, session: SessionId) -> Session | None: ...

    def hotwords(self, record: Session) -> Preferred:
        """What a session prefers, of all lists together."""
        ...


class Settling:
    """For the readings of one session."""

    def __init__(self, session: SessionId, around: Around) -> None:
        self._session = session
        self._around = around

    async def first(self, utterance: Utterance, heard: Heard, record: Session) -> Hypothesis:
        """What is told of the first reading; what the hub changed in it is said to the store."""
        hypothesis, number = heard.hypothesis, utterance.number or 0
        if heard.suppressed is not None:
            said = replace(hypothesis, text=heard.suppressed.text, stable=len(heard.suppressed.text))
            self._suppress(number, said, heard.suppressed.reason)
            return hypothesis
        if why := self._why_phantom(utterance, hypothesis, await self._sound(utterance, hypothesis), other=None):
            self._suppress(number, hypothesis, why)
            return replace(hypothesis, text="", stable=0, words=(), alternatives=(), confidence=None)
        return self._polished(await self._with_hotwords(number, hypothesis, record), record)

    async def later(self, reading: Reading, heard: Hypothesis) -> Hypothesis:
        """What is told of a later pass. Raises PassRefused where it is a phantom, or hears nothing where words were."""
        record = self._around.record(self._session)
        if heard.pass_ is Pass.ACCURATE and not heard.text and reading.hypothesis.text:
            return await self._emptied(reading, heard)
        if heard.pass_ is Pass.ACCURATE and record is not None:
            before = reading.hypothesis.text
            if why := self._why_phantom(
                reading.utterance, heard, await self._sound(reading.utterance, heard), other=before
            ):
                raise PassRefused(f"{len(heard.text)} characters that are no speech: {why}")
            heard = self._polished(await self._with_hotwords(reading.utterance.number or 0, heard, record), record)
        return replace(heard, speaker=reading.hypothesis.speaker)

    async def _emptied(self, reading: Reading, heard: Hypothesis) -> Hypothesis:
        """An engine that hears nothing takes words away only where the sound agrees with it."""
        before = reading.hypothesis
        sound = await self._sound(reading.utterance, before)
        why = self._why_phantom(reading.utterance, before, sound, other=heard.text)
        if not why:
            raise PassRefused("it heard nothing where words were heard that the sound does not rule out")
        self._suppress(reading.utterance.number or 0, before, why)
        return replace(heard, speaker=before.speaker)

    async def _sound(self, utterance: Utterance, hypothesis: Hypothesis) -> Sound | None:
        if not self._around.strategy.suppress_phantoms or not hypothesis.text or self._is_literal(hypothesis):
            return None
        # Milliseconds for a long utterance, in which others would wait.
        return await asyncio.to_thread(measure, utterance.pcm(), utterance.rate)

    def _why_phantom(
        self, utterance: Utterance, hypothesis: Hypothesis, sound: Sound | None, *, other: str | None
    ) -> str:
        if sound is None:
            return ""
        evidence = Evidence(sound=sound, speech_share=_speech_share(utterance), other=other)
        return why_phantom(hypothesis, evidence)

    async def _with_hotwords(self, number: int, hypothesis: Hypothesis, record: Session) -> Hypothesis:
        """With hotwords where words sound like them, for an engine that was told of none."""
        around = self._around
        if not around.strategy.match_hotwords or not hypothesis.text or self._knows_hotwords(hypothesis):
            return hypothesis
        wanted: Sequence[str] = around.hotwords(record).words
        if not wanted:
            return hypothesis
        language = hypothesis.language or record.language
        # Half a second for a long text and five hundred hotwords, in which others would wait.
        after, replacements = await asyncio.to_thread(match, hypothesis, wanted, language=language)
        if not replacements:
            return hypothesis
        facts = tuple(Replacement(it.heard, it.hotword, it.similarity, it.word) for it in replacements)
        around.dispatch(
            HotwordsMatched(
                at=around.now(), session=self._session, utterance=number, replacements=facts, before=hypothesis
            )
        )
        return after

    def _knows_hotwords(self, hypothesis: Hypothesis) -> bool:
        return all(can.hotwords and "hotwords" not in can.emulates for can in self._capabilities(hypothesis))

    def _is_literal(self, hypothesis: Hypothesis) -> bool:
        capabilities = self._capabilities(hypothesis)
        return bool(capabilities) and all(can.literal for can in capabilities)

    def _capabilities(self, hypothesis: Hypothesis) -> Sequence[Capabilities]:
        """Of whoever read it; without those that went while its final was on the way."""
        accurate = self._around.strategy.accurate
        readers: Sequence[ProviderName] = (hypothesis.provider,)
        if hypothesis.provider == VOTE and accurate is not None:
            readers = accurate.providers
        found = []
        for name in readers:
            with suppress(HubError):
                found.append(self._around.provider(name).capabilities)
        return found

    def _polished(self, hypothesis: Hypothesis, record: Session) -> Hypothesis:
        if not self._around.strategy.polish:
            return hypothesis
        return polish(hypothesis, language=hypothesis.language or record.language)

    def _suppress(self, number: int, hypothesis: Hypothesis, reason: str) -> None:
        around = self._around
        around.dispatch(
            TextSuppressed(
                at=around.now(),
                session=self._session,
                utterance=number,
                text=hypothesis.text,
                reason=reason,
                hypothesis=hypothesis,
            )
        )


def _speech_share(utterance: Utterance) -> float | None:
    samples = utterance.end_sample - utterance.start
    voiced = utterance.ended.voiced if utterance.ended is not None else None
    return voiced / samples if voiced is not None and samples > 0 else None
