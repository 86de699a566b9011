"""One engine hears one utterance, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, MutableMapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, NamedTuple, Protocol

import msgspec

from asr_hub.audio.operators.resample import Resample
from asr_hub.effects.strategy import Strategy
from asr_hub.effects.utterance import Reader, Utterance
from asr_hub.errors import HubError, ProviderError, ProviderGarbled, ProviderTimeout
from asr_hub.model import Hypothesis, ProviderName
from asr_hub.providers.base import Provider, RecognitionOptions, RecognitionStream, Suppressed
from asr_hub.store.event import Event
from asr_hub.store.slices.providers import SlotFreed, SlotTaken
from asr_hub.text.sane import why_garbage

_replace = msgspec.structs.replace


class Heard(NamedTuple):
    """The final of one engine."""

    hypothesis: Hypothesis
    warnings: Sequence[str] = ()
    suppressed: Suppressed | None = None


class Room(Protocol):
    """What hearing needs of the hub."""

    @property
    def strategy(self) -> Strategy: ...

    def in_line(self, name: ProviderName) -> AbstractContextManager[None]:
        """Count an utterance as waiting for a slot while the block runs."""
        ...

    def using(self, provider: Provider) -> AbstractContextManager[None]:
        """Keep a provider open while the block runs, though it may be replaced meanwhile."""
        ...

    def dispatch(self, event: Event) -> None: ...

    def now(self) -> float:
        """Seconds since the epoch."""
        ...


class Times(NamedTuple):
    """How long the engine is waited for, in seconds."""

    stall: float
    """It takes no audio."""
    final_rtf: float
    """No final after the end of the utterance: `stall`, and so much more per second of audio."""


async def hear(
    room: Room,
    provider: Provider,
    name: ProviderName,
    utterance: Utterance,
    reader: Reader,
    options: RecognitionOptions,
    memory: MutableMapping[str, Any],
    *,
    times: Times,
    on_partial: Callable[[Hypothesis], None],
    on_room: Callable[[], None],
) -> Heard:
    """
    The final of `provider` for what `reader` reads.

    Takes a slot, and frees it on success, error and cancel alike. Raises HubError: ProviderGarbled where what it says
    cannot be speech, ProviderTimeout where it is too slow, and what the provider raises.
    """
    with _edge(name):
        async with _slot(room, provider, options, memory) as stream:
            room.dispatch(SlotTaken(at=room.now(), provider=name))
            try:
                async with Feeding(_feed(utterance, reader, stream, options, times, on_room)):
                    is_doubted = room.strategy.refuse_garbage
                    return await _listen(stream, name, utterance, options, on_partial, is_doubted=is_doubted)
            finally:
                room.dispatch(SlotFreed(at=room.now(), provider=name))


async def spot(
    room: Room,
    provider: Provider,
    utterance: Utterance,
    options: RecognitionOptions,
    *,
    times: Times,
    on_room: Callable[[], None],
) -> Hypothesis | None:
    """The first wake word that `provider` hears, if any. Raises what `hear` raises."""
    with _edge(provider.name):
        async with (
            _slot(room, provider, options, {}) as stream,
            Feeding(_feed(utterance, utterance.main, stream, options, times, on_room)),
        ):
            async for hypothesis in stream:
                if hypothesis.text:
                    return hypothesis
    return None


@contextmanager
def _edge(name: ProviderName) -> Iterator[None]:
    """Where an engine begins: a defect of its adapter costs an utterance, not the session."""
    task = asyncio.current_task()
    cancels = task.cancelling() if task is not None else 0
    try:
        yield
    except HubError:
        raise
    except asyncio.CancelledError:
        if task is None or task.cancelling() > cancels:
            raise
        raise ProviderError(f"{name} broke off by itself: a task of its own was cancelled") from None
    except Exception as exc:
        raise ProviderError(f"{name} failed in a way it should not: {exc!r}") from exc


async def _listen(
    stream: RecognitionStream,
    name: ProviderName,
    utterance: Utterance,
    options: RecognitionOptions,
    on_partial: Callable[[Hypothesis], None],
    *,
    is_doubted: bool,
) -> Heard:
    start = utterance.start * 1000 // utterance.rate
    async for heard in stream:
        end = utterance.end_sample * 1000 // utterance.rate
        why = why_garbage(heard, start_ms=start, end_ms=end, language=heard.language) if is_doubted else ""
        if why:
            raise ProviderGarbled(f"{name} said what cannot be speech: {why}")
        hypothesis = _replace(heard, provider=name)
        if hypothesis.is_final:
            if utterance.ended is None:
                raise ProviderError(f"{name} gave its final while somebody spoke")
            return Heard(hypothesis, tuple(stream.warnings), stream.suppressed)
        if options.partials:
            on_partial(hypothesis)
    raise ProviderError(f"{name} ended the utterance without a final hypothesis")


@asynccontextmanager
async def _slot(
    room: Room, provider: Provider, options: RecognitionOptions, memory: MutableMapping[str, Any]
) -> AsyncIterator[RecognitionStream]:
    async with AsyncExitStack() as stack:
        stack.enter_context(room.using(provider))
        with room.in_line(provider.name):
            stream = await stack.enter_async_context(provider.stream(options, memory))
        yield stream


async def _feed(
    utterance: Utterance,
    reader: Reader,
    stream: RecognitionStream,
    options: RecognitionOptions,
    times: Times,
    on_room: Callable[[], None],
) -> None:
    fit: Resample | None = None
    while (frame := await reader.read()) is not None:
        on_room()
        if fit is None and frame.rate != options.sample_rate:
            fit = Resample(frame.rate, options.sample_rate, start=frame.start)
        for piece in fit.process(frame) if fit is not None else (frame,):
            await _in_time(stream.push(piece), times.stall)
    for piece in fit.flush() if fit is not None else ():
        await _in_time(stream.push(piece), times.stall)
    await _in_time(stream.end_utterance(), times.stall)
    # Cancelled when the final is there.
    patience = times.stall + times.final_rtf * utterance.seconds
    await asyncio.sleep(patience)
    raise ProviderTimeout(f"no final within {patience:.0f} s after the end of the utterance")


class Feeding:
    """
    Feeds a stream beside the reading of it; an error of the feeder becomes the error of the block.

    Once the block has its result it keeps it: what the feeder does while it is ended is nobody's business. It is
    no TaskGroup: before Python 3.13, one whose child fails while it is left takes the final, and its task stays
    cancelled.
    """

    def __init__(self, feed: Coroutine[Any, Any, None]) -> None:
        self._feed = feed
        self._is_over = False
        self._has_cut = False

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._reader = task
        self._cancels = task.cancelling()
        self._task = asyncio.create_task(self._feed)
        self._task.add_done_callback(self._fed)

    async def __aexit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        self._is_over = True
        if self._has_cut:
            self._reader.uncancel()
        self._task.cancel()
        await ended(self._task)
        if kind is None:
            return
        if kind is asyncio.CancelledError and self._reader.cancelling() > self._cancels:
            return
        if self._task.cancelled():
            if self._has_cut:
                raise ProviderError("the engine cancelled the taking of audio")
        elif (failure := self._task.exception()) is not None:
            raise failure from None

    def _fed(self, task: asyncio.Task[None]) -> None:
        """It ends by itself only where it fails: then nothing more is to be read."""
        if not self._is_over:
            self._has_cut = True
            self._reader.cancel()


async def ended(*tasks: asyncio.Task[Any]) -> None:
    """Wait until all have ended, also where the waiting is cancelled: that is raised afterwards."""
    cancelled: asyncio.CancelledError | None = None
    while left := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(left)
        except asyncio.CancelledError as exc:
            cancelled = exc
    for task in tasks:
        # What nobody asks for is asked for here, so that it is not reported as lost.
        if not task.cancelled():
            task.exception()
    if cancelled is not None:
        raise cancelled


async def _in_time(work: Awaitable[None], seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        raise ProviderTimeout(f"the engine took no audio for {seconds:.0f} s") from None


def obey_cancel() -> None:
    """
    Raise the cancellation that a task group has swallowed.

    Where a child fails in the moment in which the parent is cancelled, the group raises the child's error alone.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
