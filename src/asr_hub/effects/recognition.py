"""Joins the utterances of a session to an engine, and reports what is heard to the store."""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from asr_hub.audio.operators.base import SpeechEnd
from asr_hub.effects import settling, shadowing, speakers
from asr_hub.effects.failover import Failover
from asr_hub.effects.hearing import Heard, Times, obey_cancel, spot
from asr_hub.effects.languages import Languages
from asr_hub.effects.passes import Passes, Reading
from asr_hub.effects.routing import Choice
from asr_hub.effects.settling import Settling
from asr_hub.effects.speakers import SpeakerNames
from asr_hub.effects.utterance import Utterance
from asr_hub.errors import HubError
from asr_hub.model import AudioFrame, EndpointReason, Hypothesis, Pass, ProviderName, SessionId
from asr_hub.providers.base import Provider, RecognitionOptions
from asr_hub.store.event import Event
from asr_hub.store.slices.sessions import (
    LanguageIdentified,
    Session,
    SessionClosed,
    SessionWarned,
    SpeechEnded,
    SpeechStarted,
    WakeWordHeard,
)
from asr_hub.store.slices.transcripts import HypothesisRevised, RecognitionFailed, UtteranceFinalized

_replace = msgspec.structs.replace

MAX_WARNINGS = 100
"""Different warnings that are told in one session."""

WAKE_TAIL_S = 0.2
"""Speech after a wake word that is shorter than this is the end of the wake word."""


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """What a hub with wake words listens for."""

    provider: ProviderName
    phrases: tuple[str, ...]
    min_silence: float
    """Seconds: silence that ends an utterance."""


class Surroundings(settling.Around, shadowing.Around, speakers.Around, Protocol):
    """What a recogniser needs of the hub."""

    wake_word: Listening | None

    def first_choice(self, record: Session) -> Choice:
        """Who is asked first for an utterance of a session, and why."""
        ...

    def compare(self, told: shadowing.Told) -> None:
        """Let the engine on trial hear an utterance, if there is one."""
        ...

    def broke(self, session: SessionId, exc: Exception) -> None:
        """A defect of ours met this session: it cannot go on."""
        ...


class Recogniser:
    """
    Hears the utterances of one session, one after the other, so that finals come in order.

    What the pipeline cuts is announced at once; an engine that is still busy with the utterance before does not hold
    back the news that somebody speaks. A task runs only while there is something to hear.
    """

    def __init__(self, session: SessionId, around: Surroundings, on_room: Callable[[], None]) -> None:
        self._session = session
        self._around = around
        self._on_room = on_room
        self._queue: deque[Utterance] = deque()
        self._open: Utterance | None = None
        self._numbers = 0
        # No method of its own is given away: what would hold it in a circle would keep the audio it holds.
        options = self._options = functools.partial(_options, around)
        self._failover = Failover(session, around, options=options, on_room=on_room)
        self._settling = Settling(session, around)
        self._speakers = SpeakerNames(session, around)
        self._passes = Passes(session, around, options=options, accept=self._settling.later)
        identify = around.strategy.identify
        self._languages = Languages(identify.allowed, identify.after) if identify is not None else None
        self._task: asyncio.Task[None] | None = None
        # Whoever hears holds it: a task that was cancelled frees its slot before the next one takes one.
        self._turn = asyncio.Lock()
        self._warned: set[str] = set()
        self._closing: tuple[str, Callable[[], int]] | None = None

    @property
    def backlog(self) -> float:
        """Seconds of audio that no engine has been given yet."""
        queue = self._queue
        if len(queue) == 1:
            return queue[0].unread / queue[0].rate
        return sum(u.unread / u.rate for u in queue)

    def begin(self, at: int, rate: int) -> None:
        """Speech starts at sample `at`."""
        utterance = self._open = Utterance(at, rate)
        # Utterances are announced in order: one that may still turn out to follow a wake word holds back the next.
        if not self._is_armed() and all(u.number is not None for u in self._queue):
            self._announce(utterance)
        self._put(utterance)

    def add(self, frame: AudioFrame) -> None:
        if self._open is not None:
            self._open.add(frame)

    def end(self, mark: SpeechEnd) -> None:
        """Speech is over."""
        utterance, self._open = self._open, None
        if utterance is not None:
            utterance.end(mark, now=self._around.monotonic())
            self._announce_end(utterance)

    def end_empty(self, mark: SpeechEnd, rate: int) -> None:
        """Answer a `finalize` that came while nobody spoke."""
        utterance = Utterance(mark.at, rate)
        self._numbers += 1
        utterance.number = self._numbers
        utterance.end(mark, now=self._around.monotonic())
        self._announce_end(utterance)
        self._put(utterance)

    def clear(self, at: int, rate: int) -> None:
        """Drop every utterance that has no final, and say so for each; for an empty one where there is none."""
        dropped = [u for u in self._queue if u.number is not None]
        self._open = None
        self._queue.clear()
        if self._task is not None:
            self._task.cancel()
        for utterance in dropped:
            self._speakers.drop(utterance)
        numbers = [u.number for u in dropped]
        if not numbers:
            self._numbers += 1
            numbers = [self._numbers]
        for number in numbers:
            self._say(
                SpeechEnded(
                    at=self._around.now(),
                    session=self._session,
                    utterance=number or 0,
                    audio_ms=_ms(at, rate),
                    reason=EndpointReason.CLEAR,
                )
            )
        self._on_room()
        if self._closing is not None:
            self._wake()

    def close(self, reason: str, audio_offset: Callable[[], int]) -> None:
        """Close the session when everything has its final."""
        self._closing = (reason, audio_offset)
        self._wake()

    def abandon(self) -> None:
        """Hear nothing more; the slot is free in a later turn of the loop."""
        self._passes.abandon()
        self._speakers.abandon()
        self._queue.clear()
        self._open = None
        self._closing = None
        if self._task is not None:
            self._task.cancel()

    async def stop(self) -> None:
        """Abandon what is being heard and wait until its slot is free."""
        self.abandon()
        async with self._turn:
            pass
        await self._speakers.settled()
        await self._passes.settled()

    # What is heard.

    def _put(self, utterance: Utterance) -> None:
        self._queue.append(utterance)
        self._wake()

    def _wake(self) -> None:
        if self._task is None or self._task.done() or self._task.cancelling():
            self._task = self._around.spawn(self._run(), f"recogniser {self._session}")

    async def _run(self) -> None:
        try:
            async with self._turn:
                await self._hear_all()
        except Exception as exc:  # noqa: BLE001 - the edge of one session: its failure must not stop the others
            self._around.broke(self._session, exc)

    async def _hear_all(self) -> None:
        while self._queue:
            utterance = self._queue[0]
            await self._hear(utterance)
            if self._queue and self._queue[0] is utterance:
                self._queue.popleft()
            self._on_room()
        if self._closing is not None:
            await self._speakers.settled()
            await self._passes.settled()
            (reason, offset), self._closing = self._closing, None
            self._say(SessionClosed(at=self._around.now(), session=self._session, reason=reason, audio_offset=offset()))

    async def _hear(self, utterance: Utterance) -> None:
        if utterance.number is None and not await self._is_meant(utterance):
            return
        if utterance.number is None:
            self._announce(utterance)
            self._announce_end(utterance)
        record = self._around.record(self._session)
        if record is None:
            return
        speaker = self._speakers.ask(utterance)
        heard = await self._recognise(utterance, record)
        by, heard_ms = heard.hypothesis.provider, self._since(utterance)
        reading = self._passes.begin(utterance, await self._settling.first(utterance, heard, record))
        if record.wait_for is not Pass.FAST and reading.left:
            if record.partials:
                self._show(reading)
            first = reading.hypothesis
            await self._passes.upto(reading, record.wait_for)
            if reading.hypothesis is first:
                # It was shown under its number.
                reading.hypothesis = _replace(first, revision=first.revision + 1)
        # Last, and told at once: a name that comes before the final is no revision.
        await self._speakers.name(reading, speaker)
        self._tell(utterance, reading, record, by, heard_ms)

    def _tell(self, utterance: Utterance, reading: Reading, record: Session, by: ProviderName, heard_ms: int) -> None:
        assert utterance.ended is not None and utterance.number is not None
        latency_ms = self._since(utterance)
        self._say(
            UtteranceFinalized(
                at=self._around.now(),
                session=self._session,
                utterance=utterance.number,
                hypothesis=reading.hypothesis,
                reason=utterance.ended.reason,
                latency_ms=latency_ms,
                heard_by=by,
                heard_ms=heard_ms,
            )
        )
        self._identify(reading)
        if utterance.end_sample > utterance.start:
            options = functools.partial(self._options, utterance=utterance, record=record)
            self._around.compare(
                shadowing.Told(self._session, utterance.number, utterance, reading.hypothesis, latency_ms, options)
            )
            self._passes.later(reading)

    def _since(self, utterance: Utterance) -> int:
        """Milliseconds from the end of its audio."""
        return round(1000 * (self._around.monotonic() - utterance.ended_at))

    async def _recognise(self, utterance: Utterance, record: Session) -> Heard:
        if utterance.ended is not None and utterance.end_sample == utterance.start:
            return Heard(_nothing(utterance))
        choice = self._around.first_choice(record)
        heard = await self._failover.final(utterance, choice.provider, choice.reason, record)
        if heard is None:
            # The audio goes on; what it says is lost for this utterance only, and the client has been told.
            while await utterance.read() is not None:
                self._on_room()
            return Heard(_nothing(utterance))
        self._warn(heard.warnings)
        return heard

    def _show(self, reading: Reading) -> None:
        """The first reading, as a partial one, while a later pass is waited for."""
        if reading.hypothesis.text:
            shown = _replace(reading.hypothesis, is_final=False, stable=0)
            number = reading.utterance.number or 0
            self._say(
                HypothesisRevised(at=self._around.now(), session=self._session, utterance=number, hypothesis=shown)
            )

    def _identify(self, reading: Reading) -> None:
        record = self._around.record(self._session)
        if self._languages is None or record is None or record.language is not None:
            return
        if (language := self._languages.heard(reading.hypothesis.language)) is not None:
            self._say(LanguageIdentified(at=self._around.now(), session=self._session, language=language))

    # Wake words.

    async def _is_meant(self, utterance: Utterance) -> bool:
        """Whether an utterance that began while the session was armed is for us: a wake word, and speech after it."""
        if not self._is_armed() or (listening := self._around.wake_word) is None:
            return True
        try:
            heard = await self._spot(utterance, listening)
        except HubError as exc:
            obey_cancel()
            self._failed(0, listening.provider, exc)
            return False
        if heard is None:
            return False
        self._say(WakeWordHeard(at=self._around.now(), session=self._session, phrase=heard.text, audio_ms=heard.end))
        after = heard.end * utterance.rate // 1000
        utterance.skip_to(after)
        settled = after + round((listening.min_silence + WAKE_TAIL_S) * utterance.rate)
        while utterance.ended is None and utterance.end_sample < settled:
            if await utterance.read() is None:
                break
        utterance.rewind()
        if utterance.ended is None:
            return True
        return utterance.ended.at - after >= WAKE_TAIL_S * utterance.rate

    async def _spot(self, utterance: Utterance, listening: Listening) -> Hypothesis | None:
        provider = self._around.provider(listening.provider)
        patience = self._around.strategy.patience
        return await spot(
            self._around,
            provider,
            utterance,
            RecognitionOptions(sample_rate=_rate(provider, utterance), wake_words=listening.phrases),
            times=Times(patience.stall_s, patience.final_rtf),
            on_room=self._on_room,
        )

    # What is said.

    def _is_armed(self) -> bool:
        record = self._around.record(self._session)
        return record is not None and record.is_armed

    def _announce(self, utterance: Utterance) -> None:
        self._numbers += 1
        utterance.number = self._numbers
        self._say(
            SpeechStarted(
                at=self._around.now(),
                session=self._session,
                utterance=utterance.number,
                audio_ms=_ms(utterance.start, utterance.rate),
            )
        )

    def _announce_end(self, utterance: Utterance) -> None:
        if utterance.ended is None or utterance.number is None:
            return
        self._say(
            SpeechEnded(
                at=self._around.now(),
                session=self._session,
                utterance=utterance.number,
                audio_ms=_ms(max(utterance.ended.at, utterance.start), utterance.rate),
                reason=utterance.ended.reason,
            )
        )

    def _warn(self, warnings: Sequence[str]) -> None:
        """Tell each warning once in a session."""
        for message in warnings:
            if message not in self._warned and len(self._warned) < MAX_WARNINGS:
                self._warned.add(message)
                self._say(
                    SessionWarned(at=self._around.now(), session=self._session, code="not-as-asked", message=message)
                )

    def _failed(self, number: int, provider: ProviderName, exc: HubError) -> None:
        self._say(
            RecognitionFailed(
                at=self._around.now(),
                session=self._session,
                utterance=number,
                provider=provider,
                code=exc.code,
                message=str(exc),
                retryable=exc.retryable,
            )
        )

    def _say(self, event: Event) -> None:
        self._around.dispatch(event)


def _options(around: Surroundings, provider: Provider, utterance: Utterance, record: Session) -> RecognitionOptions:
    preferred = around.hotwords(record)
    return RecognitionOptions(
        language=record.language,
        hotwords=preferred.words,
        hotword_weights=preferred.weights,
        sample_rate=_rate(provider, utterance),
        partials=record.partials and not around.is_strained(provider.name),
        hotwords_matched=around.strategy.match_hotwords,
    )


def _rate(provider: Provider, utterance: Utterance) -> int:
    """Hertz for the engine: what it was recorded at, where it takes that."""
    rates = provider.capabilities.sample_rates
    return utterance.rate if utterance.rate in rates else rates[0]


def _nothing(utterance: Utterance) -> Hypothesis:
    end = max(utterance.start, utterance.ended.at if utterance.ended is not None else utterance.start)
    return Hypothesis(text="", start=_ms(utterance.start, utterance.rate), end=_ms(end, utterance.rate), is_final=True)


def _ms(sample: int, rate: int) -> int:
    return sample * 1000 // rate
