"""Joins the utterances of a session to an engine, and reports what is heard to the store."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

import msgspec

from asr_hub.audio.operators.base import SpeechEnd
from asr_hub.audio.operators.resample import Resample
from asr_hub.effects.utterance import Utterance
from asr_hub.errors import (
    HubError,
    OutOfMemory,
    ProviderDied,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    unwrapped,
)
from asr_hub.model import AudioFrame, EndpointReason, Hypothesis, ProviderName, SessionId
from asr_hub.providers.base import Provider, RecognitionOptions, RecognitionStream, Suppressed
from asr_hub.store.event import Event
from asr_hub.store.slices.providers import SlotFreed, SlotTaken
from asr_hub.store.slices.sessions import (
    Phase,
    Session,
    SessionClosed,
    SessionWarned,
    SpeechEnded,
    SpeechStarted,
    WakeWordHeard,
)
from asr_hub.store.slices.transcripts import (
    HypothesisRevised,
    RecognitionFailed,
    TextSuppressed,
    UtteranceFinalized,
    UtteranceHandedOn,
)

_replace = msgspec.structs.replace

ATTEMPTS = 2
"""How often one utterance is given to an engine that fails."""

DEATHS = 8
"""The same, where the engine's process ended meanwhile: that may be the fault of another's utterance."""

STALL_S = 30.0
"""Seconds for which an engine may take no audio; then it is taken for dead and the utterance is given anew."""

FINAL_RTF = 4.0
"""Seconds more, per second of the utterance, within which its final must come."""

MAX_WARNINGS = 100
"""Different warnings that are told in one session."""

MAX_HOTWORDS = 500
"""Given to an engine with one utterance; where there are more, the session's own stay."""

WAKE_TAIL_S = 0.2
"""Speech after a wake word that is shorter than this is the end of the wake word."""


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """What a hub with wake words listens for."""

    provider: ProviderName
    phrases: tuple[str, ...]
    min_silence: float
    """Seconds: silence that ends an utterance."""


class Surroundings(Protocol):
    """What a recogniser needs of the hub."""

    wake_word: Listening | None

    def record(self, session: SessionId) -> Session | None:
        """The session as the store has it now."""
        ...

    def provider(self, name: ProviderName) -> Provider:
        """Raises ProviderUnavailable."""
        ...

    def next_after(self, name: ProviderName, language: str | None) -> ProviderName | None:
        """Who hears an utterance that `name` cannot hear, if anybody."""
        ...

    def in_line(self, name: ProviderName) -> AbstractContextManager[None]:
        """Count an utterance as waiting for a slot while the block runs."""
        ...

    def using(self, provider: Provider) -> AbstractContextManager[None]:
        """Keep a provider open while the block runs, though it may be replaced meanwhile."""
        ...

    def hotwords(self) -> tuple[str, ...]:
        """Those of every session, now."""
        ...

    def is_strained(self, name: ProviderName) -> bool:
        """Utterances wait for slots of this provider: spend nothing on partials."""
        ...

    def dispatch(self, event: Event) -> None: ...

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float: ...

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run `work` in the hub's task group."""
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
        self._memory: dict[str, Any] = {}
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
            reason, offset = self._closing
            self._say(SessionClosed(at=self._around.now(), session=self._session, reason=reason, audio_offset=offset()))

    async def _hear(self, utterance: Utterance) -> None:
        if utterance.number is None and not await self._is_meant(utterance):
            return
        if utterance.number is None:
            self._announce(utterance)
            self._announce_end(utterance)
        hypothesis = await self._recognise(utterance)
        ended = utterance.ended
        assert ended is not None
        assert utterance.number is not None
        self._say(
            UtteranceFinalized(
                at=self._around.now(),
                session=self._session,
                utterance=utterance.number,
                hypothesis=hypothesis,
                reason=ended.reason,
                latency_ms=round(1000 * (self._around.monotonic() - utterance.ended_at)),
            )
        )

    async def _is_meant(self, utterance: Utterance) -> bool:
        """Whether an utterance that began while the session was armed is for us: a wake word, and speech after it."""
        if not self._is_armed() or (listening := self._around.wake_word) is None:
            return True
        try:
            heard = await self._spot(utterance, listening)
        except HubError as exc:
            _obey_cancel()
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
        options = self._options(provider, utterance, wake_words=listening.phrases)
        async with self._slot(provider, options) as stream, _Feeding(self._feed(utterance, stream, options)):
            async for hypothesis in stream:
                if hypothesis.text:
                    return hypothesis
        return None

    async def _recognise(self, utterance: Utterance) -> Hypothesis:
        if utterance.ended is not None and utterance.end_sample == utterance.start:
            return _nothing(utterance)
        record = self._around.record(self._session)
        name = record.provider if record is not None else ProviderName("")
        tried: set[ProviderName] = set()
        while True:
            tried.add(name)
            heard = await self._ask(utterance, name, record)
            if isinstance(heard, Hypothesis):
                return heard
            then = self._around.next_after(name, record.language if record is not None else None)
            if then is None or then in tried:
                self._failed(utterance.number or 0, name, heard)
                break
            self._hand_on(utterance, name, then, heard)
            name = then
        # The audio goes on; what it says is lost for this utterance only, and the client has been told.
        while await utterance.read() is not None:
            self._on_room()
        return _nothing(utterance)

    async def _ask(self, utterance: Utterance, name: ProviderName, record: Session | None) -> Hypothesis | HubError:
        """The final of one provider, or why it has none, tried as often as there is hope."""
        failures = deaths = 0
        while True:
            try:
                return await self._attempt(utterance, name, record)
            except HubError as exc:
                _obey_cancel()
                has_died = isinstance(exc, ProviderDied)
                deaths += has_died
                failures += not has_died
                hopeless = not exc.retryable or isinstance(exc, OutOfMemory | ProviderUnavailable)
                if hopeless or failures == ATTEMPTS or deaths == DEATHS:
                    return exc
            utterance.rewind()

    def _hand_on(self, utterance: Utterance, name: ProviderName, to: ProviderName, why: HubError) -> None:
        utterance.rewind()
        self._say(
            UtteranceHandedOn(
                at=self._around.now(),
                session=self._session,
                utterance=utterance.number or 0,
                provider=name,
                to=to,
                code=why.code,
                message=str(why),
            )
        )

    async def _attempt(self, utterance: Utterance, name: ProviderName, record: Session | None) -> Hypothesis:
        try:
            return await self._listen(utterance, name, record)
        except HubError:
            raise
        except Exception as exc:  # the edge of an engine: a defect of its adapter costs an utterance, not the session
            raise ProviderError(f"{name} failed in a way it should not: {exc!r}") from exc

    async def _listen(self, utterance: Utterance, name: ProviderName, record: Session | None) -> Hypothesis:
        provider = self._around.provider(name)
        options = self._options(provider, utterance, record=record)
        number = utterance.number or 0
        async with self._slot(provider, options) as stream:
            self._say(SlotTaken(at=self._around.now(), provider=name))
            try:
                async with _Feeding(self._feed(utterance, stream, options)):
                    revision = 0
                    async for heard in stream:
                        revision += 1
                        hypothesis = _replace(heard, provider=name, revision=revision)
                        if hypothesis.is_final:
                            self._warn(stream.warnings)
                            self._tell_suppressed(number, stream.suppressed)
                            return _replace(hypothesis, stable=len(hypothesis.text))
                        if options.partials:
                            self._say(
                                HypothesisRevised(
                                    at=self._around.now(),
                                    session=self._session,
                                    utterance=number,
                                    hypothesis=hypothesis,
                                )
                            )
            finally:
                self._say(SlotFreed(at=self._around.now(), provider=name))
        raise ProviderError(f"{name} ended the utterance without a final hypothesis")

    @asynccontextmanager
    async def _slot(self, provider: Provider, options: RecognitionOptions) -> AsyncIterator[RecognitionStream]:
        async with AsyncExitStack() as stack:
            stack.enter_context(self._around.using(provider))
            with self._around.in_line(provider.name):
                stream = await stack.enter_async_context(provider.stream(options, self._memory))
            yield stream

    async def _feed(self, utterance: Utterance, stream: RecognitionStream, options: RecognitionOptions) -> None:
        fit: Resample | None = None
        while (frame := await utterance.read()) is not None:
            self._on_room()
            if fit is None and frame.rate != options.sample_rate:
                fit = Resample(frame.rate, options.sample_rate, start=frame.start)
            for piece in fit.process(frame) if fit is not None else (frame,):
                await _in_time(stream.push(piece), STALL_S)
        for piece in fit.flush() if fit is not None else ():
            await _in_time(stream.push(piece), STALL_S)
        await _in_time(stream.end_utterance(), STALL_S)
        # Cancelled when the final is there.
        patience = STALL_S + FINAL_RTF * (utterance.end_sample - utterance.start) / utterance.rate
        await asyncio.sleep(patience)
        raise ProviderTimeout(f"no final within {patience:.0f} s after the end of the utterance")

    def _options(
        self,
        provider: Provider,
        utterance: Utterance,
        *,
        record: Session | None = None,
        wake_words: tuple[str, ...] = (),
    ) -> RecognitionOptions:
        rates = provider.capabilities.sample_rates
        rate = utterance.rate if utterance.rate in rates else rates[0]
        if record is None:
            return RecognitionOptions(sample_rate=rate, wake_words=wake_words)
        return RecognitionOptions(
            language=record.language,
            hotwords=together(record.hotwords, self._around.hotwords()),
            sample_rate=rate,
            partials=record.partials and not self._around.is_strained(provider.name),
            patient=self._around.next_after(provider.name, record.language) is None,
        )

    # What is said.

    def _is_armed(self) -> bool:
        record = self._around.record(self._session)
        return record is not None and record.phase is Phase.ARMED

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

    def _tell_suppressed(self, number: int, suppressed: Suppressed | None) -> None:
        if suppressed is not None:
            self._say(
                TextSuppressed(
                    at=self._around.now(),
                    session=self._session,
                    utterance=number,
                    text=suppressed.text,
                    reason=suppressed.reason,
                )
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


def together(own: tuple[str, ...], everybodys: tuple[str, ...]) -> tuple[str, ...]:
    """A session's hotwords, then those of every session: each once, at most `MAX_HOTWORDS`."""
    if not everybodys:
        return own
    return tuple(dict.fromkeys((*own, *everybodys)))[:MAX_HOTWORDS]


class _Feeding:
    """Feeds a stream beside the reading of it; an error of the feeder becomes the error of the block."""

    def __init__(self, feed: Coroutine[Any, Any, None]) -> None:
        self._feed = feed
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> None:
        await self._group.__aenter__()
        self._task = self._group.create_task(self._feed)

    async def __aexit__(self, *exc: Any) -> None:
        self._task.cancel()
        with unwrapped():
            await self._group.__aexit__(*exc)


async def _in_time(work: Awaitable[None], seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        raise ProviderTimeout(f"the engine took no audio for {seconds:.0f} s") from None


def _obey_cancel() -> None:
    """
    Raise the cancellation that a task group has swallowed.

    Where a child fails in the moment in which the parent is cancelled, the group raises the child's error alone.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _nothing(utterance: Utterance) -> Hypothesis:
    end = max(utterance.start, utterance.ended.at if utterance.ended is not None else utterance.start)
    return Hypothesis(text="", start=_ms(utterance.start, utterance.rate), end=_ms(end, utterance.rate), is_final=True)


def _ms(sample: int, rate: int) -> int:
    return sample * 1000 // rate
