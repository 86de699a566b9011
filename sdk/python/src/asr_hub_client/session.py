"""A session over any connections: what breaks is mended here, and the caller sees one stream of messages."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from itertools import islice
from types import TracebackType
from typing import Literal, Self

from msgspec.structs import replace

from asr_hub_client.backoff import delay
from asr_hub_client.errors import LinkBroken, Refused, SessionLost, SessionOver, Unreachable, refused
from asr_hub_client.inbox import Inbox
from asr_hub_client.links.link import MAX_AUDIO_BYTES, Link, Transport
from asr_hub_client.messages import (
    AnyServerMessage,
    Attach,
    AudioFormat,
    Clear,
    Close,
    Closed,
    Command,
    Configure,
    Error,
    Final,
    Finalize,
    Ready,
    Start,
    Unknown,
    WhichPass,
)
from asr_hub_client.outbox import Audio, OffsetMismatch, Outbox
from asr_hub_client.state import SessionState
from asr_hub_client.tasks import Bell, first_of
from asr_hub_client.transcript import Transcript

Protocol = Literal["websocket", "http", "socketio", "grpc"]
"""The ways to a hub."""

Dial = Callable[[Protocol], Transport]


class Watch:
    """
    A session that is listened to: `async with` it, then iterate over its messages until it is over.

    A connection that breaks is made again, and what was missed comes first; nothing comes twice. Raises Refused and
    SessionLost from every call that waits. One task iterates at a time.
    """

    def __init__(
        self,
        first: Start | Attach,
        dial: Dial,
        protocol: Protocol,
        outbox: Outbox | None = None,
        *,
        now: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._first = first
        self._dial = dial
        self._protocol = protocol
        self._over: Protocol = protocol
        """What the connection that is there was made over."""
        self._outbox = outbox
        self._inbox = Inbox()
        self._bell = Bell()
        self._now = now
        self._chance = chance
        self._ready: Ready | None = None
        self._link: Link | None = None
        self._task: asyncio.Task[None] | None = None
        self._hang_up = asyncio.Event()
        self._has_progressed = False
        self._error: BaseException | None = None
        self._is_error_told = False
        self._is_done = False
        self.transcript = Transcript()
        self.closed: Closed | None = None
        """The last message, once the session is over."""
        self.resumes = 0
        """How often a connection was made again."""

    async def __aenter__(self) -> Self:
        """Raises Unreachable, Refused, MissingExtra."""
        link = await self._dial(self._protocol).open(self._first)
        try:
            self._welcome(link.ready)
        except OffsetMismatch as exc:
            await link.aclose()
            raise SessionLost(str(exc), state=self.state) from None
        self._link = link
        self._task = asyncio.create_task(self._drive(link), name="asr-hub session")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    def __aiter__(self) -> AsyncIterator[AnyServerMessage]:
        return self.messages()

    @property
    def ready(self) -> Ready:
        """What the hub said when the connection was made last."""
        if self._ready is None:
            raise RuntimeError("the session is not open: use `async with`")
        return self._ready

    @property
    def id(self) -> str:
        """With it others can watch the session: treat it like a key."""
        return self.ready.session

    @property
    def protocol(self) -> Protocol:
        return self._protocol

    @property
    def text(self) -> str:
        """What was said so far, one line for each utterance."""
        return self.transcript.text

    @property
    def state(self) -> SessionState:
        """Where the session stands."""
        outbox, ready = self._outbox, self._ready
        return SessionState(
            session=ready.session if ready is not None else getattr(self._first, "session", ""),
            seq=self._inbox.read,
            format=ready.format if ready is not None else AudioFormat(),
            audio_offset=outbox.acked if outbox is not None else 0,
            audio=outbox.kept if outbox is not None else b"",
            commands=outbox.unanswered if outbox is not None else (),
            answered=outbox.answered if outbox is not None else 0,
            resume_window=ready.resume_window if ready is not None else 0.0,
        )

    async def finals(self) -> AsyncIterator[Final]:
        """The finals alone, until the session is over. Other messages are read and passed over."""
        async for message in self:
            if isinstance(message, Final):
                yield message

    async def move(self, protocol: Protocol) -> None:
        """
        Go on over another protocol; returns when it is connected.

        May be called while a connection is broken, to try another way. Raises MissingExtra, and SessionLost where the
        session cannot be reached that way within its resume window.
        """
        self._dial(protocol)
        self._must_go_on()
        self._protocol = protocol
        wanted = self.resumes + 1
        self._hang_up.set()
        await self._until(lambda: self.resumes >= wanted and self._over == protocol)
        self._must_go_on()

    async def messages(self) -> AsyncIterator[AnyServerMessage]:
        """What iterating over the session gives."""
        while True:
            await self._until(lambda: len(self._inbox) > 0)
            if (message := self._inbox.pop()) is None:
                self._must_be_well()
                return
            yield message

    async def _until(self, is_so: Callable[[], bool]) -> None:
        """Wait for something that the hub brings about, or for the end."""
        self.ready  # noqa: B018  raises where the session is not open
        await self._bell.until(lambda: is_so() or self._is_done)

    def _must_be_well(self) -> None:
        if self._error is not None:
            self._is_error_told = True
            raise self._error

    def _must_go_on(self) -> None:
        self._must_be_well()
        if self._is_done:
            reason = self.closed.reason if self.closed is not None else "you left it"
            raise SessionOver(f"the session is over ({reason}); open a new one")

    async def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        if self._link is not None:
            # A task that was cancelled before its first step has closed nothing.
            await self._link.aclose()

    # The connections, one after the other.

    async def _drive(self, link: Link) -> None:
        try:
            while True:
                broken = await self._converse(link)
                if self.closed is not None:
                    self._check_end(self.closed)
                    return
                link = await self._come_back(broken)
        except Exception as exc:  # noqa: BLE001  whoever waits for this session is told, in _must_go_on and messages
            self._error = exc
        finally:
            self._is_done = True
            self._bell.ring()

    def _check_end(self, closed: Closed) -> None:
        """
        Raises Refused where the hub ended the session for a fault, and SessionLost where audio was not taken.

        The error that says more about a fault may come behind.
        """
        if self._outbox is None:
            return
        if closed.reason in _FAULTS:
            raise refused(closed.reason, f"the hub closed the session: {closed.reason}")
        if seconds := self._outbox.seconds:
            raise SessionLost(
                f"the hub closed the session ({closed.reason}) and did not take the last {seconds:.3g} s of audio",
                state=self.state,
                reason=closed.reason,
            )

    async def _converse(self, link: Link) -> LinkBroken | None:
        """One connection until it is over. Why it broke, or nothing where it was left on purpose."""
        try:
            await first_of(self._read(link), self._write(link), self._hang_up.wait())
        except LinkBroken as exc:
            return exc
        except Refused as exc:
            if exc.code not in _COME_BACK:
                raise
            return LinkBroken(str(exc), retry_after=exc.retry_after)
        finally:
            self._hang_up.clear()
            await link.aclose()
        return None

    async def _come_back(self, broken: LinkBroken | None) -> Link:
        """
        Attach again, within the resume window since the last thing that came through.

        Raises SessionLost.
        """
        window = self.ready.resume_window
        give_up_at = self._now() + window
        attach = Attach(
            session=self.id,
            role="viewer" if self._outbox is None else "publisher",
            seq=self._inbox.seq,
            take_over=self._outbox is not None,
        )
        attempt = 0 if broken is None or self._has_progressed else 1
        self._has_progressed = False
        reason: Exception | None = broken
        retry_after = broken.retry_after if broken is not None else None
        while True:
            pause = delay(attempt, retry_after=retry_after, chance=self._chance)
            if self._now() + pause > give_up_at:
                raise SessionLost(f"not taken up again within {window:g} s: {reason}", state=self.state)
            await self._pause(pause)
            attempt, retry_after = attempt + 1, None
            protocol, transport = self._protocol, self._dial(self._protocol)
            try:
                link = await transport.open(attach)
                self._welcome(link.ready)
            except (Unreachable, LinkBroken) as exc:
                reason = exc
            except Refused as exc:
                if exc.code == "resume-gap" and attach.seq is not None:
                    attach = replace(attach, seq=None)
                elif not exc.is_retryable:
                    raise SessionLost(f"the session cannot be taken up again: {exc}", state=self.state) from exc
                reason, retry_after = exc, exc.retry_after
            except OffsetMismatch as exc:
                await link.aclose()
                raise SessionLost(str(exc), state=self.state) from exc
            else:
                self._link, self._over = link, protocol
                self.resumes += 1
                self._bell.ring()
                return link

    async def _pause(self, seconds: float) -> None:
        """Wait, unless the session is moved: then another way is tried at once."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hang_up.wait()
        self._hang_up.clear()

    def _welcome(self, ready: Ready) -> None:
        """Raises OffsetMismatch."""
        if self._outbox is not None:
            self._outbox.resume(ready.audio_offset)
        if self._ready is None:
            self._inbox.start_at(ready.seq)
        self._ready = ready

    async def _read(self, link: Link) -> None:
        while self.closed is None:
            self._take(await link.receive())

    async def _write(self, link: Link) -> None:
        outbox = self._outbox
        if outbox is None:
            await asyncio.Event().wait()
            return
        while True:
            match outbox.next(MAX_AUDIO_BYTES):
                case None:
                    await self._bell.until(lambda: outbox.has_more)
                case Audio(offset, data):
                    if (taken := await link.send_audio(offset, data)) is not None:
                        self._confirmed(outbox, taken)
                case command:
                    await link.send(command)

    def _confirmed(self, outbox: Outbox, offset: int) -> None:
        if offset > outbox.acked:
            self._has_progressed = True
        outbox.confirm(offset)
        self._bell.ring()

    def _take(self, message: AnyServerMessage | Unknown) -> None:
        """Raises LinkBroken where audio was refused that will be taken later."""
        if isinstance(message, Error) and message.scope == "connection":
            if message.code in _LATER:
                raise LinkBroken(message.message, retry_after=message.retry_after)
            if message.code in _COME_BACK or (message.code == "closing" and self._is_closing):
                return
        if not self._inbox.take(message) or isinstance(message, Unknown):
            return
        self._has_progressed = True
        if self._outbox is not None:
            self._outbox.take(message)
        self.transcript.take(message)
        if isinstance(message, Closed):
            self.closed = message
        self._bell.ring()

    @property
    def _is_closing(self) -> bool:
        return self._outbox is not None and self._outbox.is_closing


class Session(Watch):
    """
    A session that is spoken in: `async with` it, `send` audio and read the messages.

    Leaving the block ends the session and waits for its last finals; leaving it because of an exception only hangs up,
    and the hub ends the session after its resume window.

    Audio is kept until the hub acknowledges it and sent again after a break. Where it cannot be taken up again within
    the resume window, or the hub ends the session before it took all of it, SessionLost has the audio that was not
    acknowledged.
    """

    def __init__(
        self,
        first: Start | Attach,
        dial: Dial,
        protocol: Protocol,
        outbox: Outbox,
        *,
        now: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(first, dial, protocol, outbox, now=now, chance=chance)
        self._out = outbox

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and not self._is_done:
                await self.close()
        finally:
            await self._stop()
        if kind is None and not self._is_error_told:
            self._must_be_well()

    async def send(self, audio: bytes | bytearray | memoryview) -> None:
        """
        Raw audio in the session's format: whole samples of every channel, any length.

        Waits while as much audio as is kept was not acknowledged. Raises ValueError, SessionOver, Refused, SessionLost.
        """
        data = memoryview(audio).cast("B")
        frame = self.ready.format.bytes_per_frame
        if len(data) % frame:
            raise ValueError(f"{len(data)} bytes are not whole samples of {frame} bytes; send whole ones")
        while len(data):
            if isinstance(self._error, SessionLost):
                self._is_error_told = True
                raise self._error.with_more(bytes(data))
            self._must_listen()
            data = data[self._out.push(data) :]
            self._bell.ring()
            await self._until(lambda: self._out.room > 0)
        self._must_listen()

    async def finalize(self) -> None:
        """End the utterance after the audio sent so far. `Endpoint` and `Final` will come, and the session goes on."""
        await self._say(Finalize())

    async def clear(self) -> None:
        """Forget what is not final. `Endpoint` will come."""
        await self._say(Clear())

    async def configure(
        self,
        *,
        provider: str | None = None,
        language: str | None = None,
        hotwords: Iterable[str] | None = None,
        hotword_weights: Mapping[str, float] | None = None,
        partials: bool | None = None,
        levels: bool | None = None,
        wait_for: WhichPass | None = None,
    ) -> None:
        """Change the session from the next utterance on. What is not given stays as it is."""
        await self._say(
            Configure(
                provider=provider,
                language=language,
                hotwords=None if hotwords is None else tuple(hotwords),
                hotword_weights=None if hotword_weights is None else dict(hotword_weights),
                partials=partials,
                levels=levels,
                wait_for=wait_for,
            )
        )

    async def end(self) -> None:
        """No more audio. Returns at once; the last finals and `Closed` are among the messages that will come."""
        if not self._is_closing and not self._is_done:
            await self._say(Close())

    async def close(self) -> Closed:
        """
        End the session; returns when everything is final. The messages can still be read.

        `reason` of what it returns is not `close` where the hub, or somebody else, ended the session first.
        """
        await self.end()
        await self._until(lambda: False)
        self._must_be_well()
        if self.closed is None:
            raise SessionOver("the session was left before it was over")
        return self.closed

    async def detach(self) -> SessionState:
        """
        Leave the session without ending it. `hub.resume` goes on where this one is, within the resume window.

        Audio that was not acknowledged and commands without an answer are in the state, and are sent again there.
        """
        await self._stop()
        self._is_done = True
        self._bell.ring()
        return self.state

    async def stream(self, source: AsyncIterable[bytes] | Iterable[bytes]) -> AsyncIterator[AnyServerMessage]:
        """Send all of `source`, end the session, and meanwhile give its messages. Raises what the source raises."""
        speaking = asyncio.create_task(self._speak(source), name="asr-hub speech")
        speaking.add_done_callback(lambda _: self._bell.ring())
        try:
            while True:
                await self._until(lambda: len(self._inbox) > 0 or _has_failed(speaking))
                # Where it failed because the session is over, what the session said is still to be read.
                if _has_failed(speaking) and not self._is_done:
                    break
                if (message := self._inbox.pop()) is None:
                    break
                yield message
        finally:
            speaking.cancel()
            await asyncio.wait((speaking,))
        # A SessionLost of `send` has the audio besides that it was given.
        if not speaking.cancelled() and (error := speaking.exception()) is not None:
            raise error
        self._must_be_well()

    async def _speak(self, source: AsyncIterable[bytes] | Iterable[bytes]) -> None:
        async for audio in _each(source):
            await self.send(audio)
        await self.end()

    async def _say(self, command: Command) -> None:
        self.ready  # noqa: B018  raises where the session is not open
        self._must_listen()
        await self._until(lambda: self._out.has_room_for_command)
        self._must_listen()
        self._out.say(command)
        self._bell.ring()

    def _must_listen(self) -> None:
        self._must_go_on()
        if self._is_closing:
            raise SessionOver("the session ends: it takes nothing more; open a new one")


def _has_failed(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None


async def _each(source: AsyncIterable[bytes] | Iterable[bytes]) -> AsyncIterator[bytes]:
    """The pieces of a source. One that blocks, such as a generator that reads a device, is asked in a thread."""
    if isinstance(source, AsyncIterable):
        async for audio in source:
            yield audio
        return
    pieces = iter(source)
    while piece := await asyncio.to_thread(_take_one, pieces):
        yield piece[0]


def _take_one(pieces: Iterator[bytes]) -> list[bytes]:
    """The next piece, or none at the end."""
    return list(islice(pieces, 1))


_COME_BACK = frozenset({"slow-client", "shutting-down", "overloaded"})
"""Errors that end a connection, after which the session can be taken up again."""

_FAULTS = frozenset(
    {
        "unsupported-audio",
        "unsupported-rate",
        "unsupported-channels",
        "odd-byte-count",
        "container-in-raw-audio",
        "float32-as-int16",
        "int16-as-float32",
        "float32-not-normalised",
        "wrong-byte-order",
        "internal-error",
    }
)
"""Reasons of `Closed` that are no end anybody asked for."""

_LATER = frozenset({"audio-quota", "rate-limited"})
"""Errors that refuse audio for now: what was refused is sent again from where the hub says it is."""
