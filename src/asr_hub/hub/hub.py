"""Opens sessions, lets connections attach to them, and ends them: where the two planes and the protocols meet."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from msgspec.structs import replace

from asr_hub.access.grant import ANYBODY, Grant, Scope
from asr_hub.audio.channel import AudioChannel
from asr_hub.audio.operators.base import Vad
from asr_hub.audio.operators.endpoint import EndpointSettings
from asr_hub.audio.pipeline import Pipeline
from asr_hub.audio.plausible import check_format
from asr_hub.effects.breaking import Breakers
from asr_hub.effects.delivery import message_of
from asr_hub.effects.recognition import Listening, Recogniser
from asr_hub.effects.strategy import Strategy
from asr_hub.errors import Conflict, Forbidden, HubError, NotFound, Overloaded, ProtocolError, unwrapped
from asr_hub.hub.around import Around, Corrector, SpeakerFinder
from asr_hub.hub.attachment import Attachment
from asr_hub.hub.engines import Engines, hears
from asr_hub.hub.log import MessageLog
from asr_hub.hub.pump import Pump
from asr_hub.hub.session import Command, LiveSession, Reader
from asr_hub.hub.standing import standing
from asr_hub.model import HUB_RATE, AudioFormat, ProviderName, Role, SessionId
from asr_hub.providers.base import Provider
from asr_hub.recordings.recorder import Recorder
from asr_hub.store.event import Event
from asr_hub.store.kernel import Change, HubStore
from asr_hub.store.slices.sessions import (
    CloseRequested,
    Session,
    SessionAttached,
    SessionClosed,
    SessionConfigured,
    SessionDetached,
    SessionOpened,
    select_session,
    select_sessions,
)
from asr_hub.store.slices.system import DrainStarted, HubStopped, SessionRefused
from asr_hub.store.slices.transcripts import UtteranceCorrected, UtteranceFinalized, select_transcript
from asr_hub.telemetry import logs
from asr_hub.wire.messages import Attach, Configure, Ready, Reset, Start

_log = logs.get("asr_hub.hub")


LONGEST_SEGMENT_S = 150.0
"""Seconds of a segment of a file; the configuration allows less."""

HARD_LIMIT_S = 35.0
"""Seconds of audio that one message may bring beyond the buffer: a MiB of 16 kHz audio lasts 33 s."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one hub."""

    max_sessions: int = 200
    max_viewers: int = 1000
    resume_window: float = 60.0
    """Seconds a session outlives its publisher, and its log outlives the session."""
    idle_timeout: float = 300.0
    """Seconds without audio or command after which an attached session is closed."""
    audio_buffer: float = 4.0
    """Seconds"""
    history_messages: int = 4096
    history_bytes: int = 2 * 2**20


class Hub:
    """
    One per process. `run` it, then `open` and `attach`.

    What happens to a session is said to the store; what the store then says of it goes into the session's log, and from
    there to every connection attached.
    """

    def __init__(
        self,
        store: HubStore,
        engines: Engines,
        default: ProviderName,
        *,
        vad: Vad | None,
        endpoint: EndpointSettings,
        limits: Limits,
        wake_word: Listening | None = None,
        strategy: Strategy = Strategy(),
        breakers: Breakers | None = None,
        corrector: Corrector | None = None,
        voices: SpeakerFinder | None = None,
        recorder: Recorder | None = None,
        tick: float = 0.04,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        new_id: Callable[[], str] = lambda: secrets.token_urlsafe(16),
    ) -> None:
        self.around = Around(
            store,
            engines,
            breakers
            or Breakers(lambda: store.state, provider=engines.get, dispatch=store.dispatch, spawn=self.spawn, now=now),
            strategy=strategy,
            default=lambda: self.default,
            wake_word=wake_word,
            spawn=self.spawn,
            broke=self.broke,
            now=now,
            monotonic=monotonic,
            corrector=corrector,
            speakers=voices,
        )
        self.limits = limits
        self.engines = engines
        self.store = store
        self.recorder = recorder
        self.now = now
        self.monotonic = monotonic
        self.default = default
        self._vad = vad
        self._endpoint = endpoint
        self._new_id = new_id
        self._keys = itertools.count(1)
        self._live: dict[SessionId, LiveSession] = {}
        self._whole = 0
        """Live sessions that are segments of files."""
        self._ended: dict[SessionId, tuple[LiveSession, asyncio.TimerHandle]] = {}
        self._pump = Pump(vad, tick=tick, on_error=lambda session, exc: self.broke(session.id, exc))
        self._tasks: asyncio.TaskGroup | None = None
        self.is_draining = False
        self._empty = asyncio.Event()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """The hub's task group. On leaving, what still runs is cancelled and every slot is freed."""
        with unwrapped():
            async with asyncio.TaskGroup() as self._tasks:
                pump = self.spawn(self._pump.run(), "pump")
                try:
                    yield
                finally:
                    for session in tuple(self._live.values()):
                        await session.recogniser.stop()
                    self.around.shadowing.abandon()
                    for _, timer in self._ended.values():
                        timer.cancel()
                    self._ended.clear()
                    self.dispatch(HubStopped(at=self.now()))
                    pump.cancel()
                    await self.engines.aclose()

    async def drain(self, seconds: float) -> None:
        """Refuse new sessions, let those that run finish their utterances, and close them. At most `seconds`."""
        self.is_draining = True
        self.dispatch(DrainStarted(at=self.now()))
        for session in tuple(self._live):
            self.dispatch(CloseRequested(at=self.now(), session=session, reason="shutdown"))
        try:
            async with asyncio.timeout(seconds):
                while self._live:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            _log.warning("drain.timeout", sessions=len(self._live))

    # What protocols ask: HubPort.

    def open(
        self,
        start: Start,
        *,
        protocol: str,
        on_messages: Callable[[], None],
        on_room: Callable[[], None],
        grant: Grant = ANYBODY,
        is_whole: bool = False,
        is_awake: bool = False,
    ) -> Attachment:
        """
        Raises Overloaded, NotFound, UnsupportedAudio, ProviderUnavailable, Forbidden, RateLimited.

        `is_whole`: its audio is one utterance, that of a segment of a file. Such a session takes no client's place and
        is forgotten when it is over. `is_awake`: it waits for no wake word.
        """
        try:
            grant.must_open()
            reader = Reader(Role.PUBLISHER, on_messages, on_room)
            return self._open(start, protocol, reader, grant, is_whole=is_whole, is_awake=is_awake)
        except HubError as exc:
            self.dispatch(SessionRefused(at=self.now(), code=exc.code, protocol=protocol))
            raise

    def attach(
        self,
        attach: Attach,
        *,
        protocol: str,
        on_messages: Callable[[], None],
        on_room: Callable[[], None],
        grant: Grant = ANYBODY,
    ) -> Attachment:
        """
        Raises NotFound (unknown or expired), Conflict (a second publisher), ProtocolError (a `seq` not yet said),
        Forbidden (not granted, or the session of somebody else).
        """
        session = self._find(attach.session)
        _check_grant(grant, session, attach.role)
        if attach.seq is not None and not 0 <= attach.seq <= session.log.seq:
            raise ProtocolError(
                f"seq {attach.seq} has not been said yet; the session is at {session.log.seq}", code="stale-seq"
            )
        cursor = session.log.floor if attach.seq is None else attach.seq
        if cursor < session.log.floor:
            raise ProtocolError(
                f"messages after seq {cursor} are no longer kept; attach without `seq` to get what there is",
                code="resume-gap",
            )
        self._make_place(session, attach, protocol)
        reader = Reader(attach.role, on_messages, on_room)
        return self._join(session, reader, protocol, cursor, resumed_from=attach.seq)

    def snapshot(self, session: SessionId) -> Reset:
        """
        Where a session stands, for a reader that lost its place. Attach with its `seq` before anything else happens.

        Raises NotFound. Asks for no grant: it is for those who are let in to the session already.
        """
        live = self._find(session)
        record = self.record(session)
        transcript = select_transcript(self.store.state, session) or live.transcript
        # `closed` is the last message and always kept: who comes late is told it after the transcript.
        seq = live.log.seq - live.log.is_closed
        return standing(
            transcript, seq=seq, provider=record.provider if record else "", audio_offset=live.channel.offset
        )

    def record(self, session: SessionId) -> Session | None:
        return select_session(self.store.state, session)

    def pipeline(self, session: SessionId) -> Pipeline:
        """The way of a session's audio. Raises NotFound."""
        return self._find(session).pipeline

    def records(self) -> Iterable[Session]:
        """Every live session, as the store has it now."""
        return select_sessions(self.store.state)

    def dispatch(self, event: Event) -> None:
        self.store.dispatch(event)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        if self._tasks is None:
            raise RuntimeError("the hub does not run")
        return self._tasks.create_task(work, name=name)

    def broke(self, session: SessionId, exc: Exception) -> None:
        """A defect met one session: it is closed with a named reason, and the others go on."""
        _log.exception("session.broke", exc, session=session)
        if (live := self._live.get(session)) is not None:
            self.abandon(live, "internal-error")

    # What the effects ask: Commands.

    def finalize(self, session: SessionId) -> None:
        self._ask(session, Command.FINALIZE)

    def clear(self, session: SessionId) -> None:
        self._ask(session, Command.CLEAR)

    def close(self, session: SessionId, reason: str) -> None:
        self._ask(session, Command.CLOSE, reason)

    # What an attachment needs.

    def mark(self, session: LiveSession) -> None:
        """`session` may have work for the pump."""
        self._pump.mark(session)

    def configure(self, session: LiveSession, message: Configure) -> None:
        """Raises NotFound, ProviderUnavailable."""
        record = self.record(session.id)
        name = message.provider if message.provider is not None else record.provider if record is not None else ""
        language = message.language if message.language is not None else record.language if record is not None else None
        _check_language(language, self.engines.hearer(ProviderName(name), language))
        if message.levels is not None:
            session.pipeline.measure(message.levels)
        self.dispatch(
            SessionConfigured(
                at=self.now(),
                session=session.id,
                provider=ProviderName(message.provider) if message.provider is not None else None,
                language=message.language,
                hotwords=message.hotwords,
                hotword_weights=message.hotword_weights,
                partials=message.partials,
                levels=message.levels,
                wait_for=message.wait_for,
            )
        )

    def abandon(self, session: LiveSession, reason: str) -> None:
        """End a session now: what it has not heard is dropped."""
        session.recogniser.abandon()
        if not session.is_over:
            offset = session.channel.offset
            self.dispatch(SessionClosed(at=self.now(), session=session.id, reason=reason, audio_offset=offset))

    def leave(self, session: LiveSession, key: int, protocol: str) -> None:
        """A connection detached."""
        reader = session.leave(key)
        if reader is None:
            return
        if not session.is_over:
            self.dispatch(SessionDetached(at=self.now(), session=session.id, role=reader.role, protocol=protocol))

    @property
    def sessions(self) -> int:
        """Live sessions of clients."""
        return len(self._live) - self._whole

    @property
    def kept_logs(self) -> int:
        """Sessions that are over and whose last messages somebody may still come for."""
        return len(self._ended)

    # Opening and ending.

    def _open(
        self, start: Start, protocol: str, reader: Reader, grant: Grant, *, is_whole: bool, is_awake: bool
    ) -> Attachment:
        if self.is_draining:
            raise Overloaded("the hub is shutting down; connect to another or try again later", code="draining")
        if not is_whole and self.sessions >= self.limits.max_sessions:
            raise Overloaded(f"all {self.limits.max_sessions} sessions are taken; try again in a few seconds")
        if grant.meter is not None:
            mine = (live for live in self._live.values() if live.principal == grant.name and not live.is_whole)
            grant.meter.check_sessions(sum(1 for _ in mine))
        name = ProviderName(start.provider) if start.provider is not None else self.default
        provider = self.engines.hearer(name, start.language)
        if not is_whole and self.engines.waiting(name) >= provider.capabilities.max_streams:
            raise Overloaded(f"{name} is behind: {self.engines.waiting(name)} utterances wait to be heard; try again")
        check_format(start.format)
        _check_language(start.language, provider)
        session = self._build(SessionId(self._new_id()), start, provider, grant, is_whole)
        self._live[session.id] = session
        self._whole += is_whole
        self.store.watch(session.id, lambda change: self._told(session, change))
        if self.recorder is not None and not is_whole:
            self.recorder.opened(session.id, grant.name, session.pipeline)
        self.dispatch(
            SessionOpened(
                at=self.now(),
                session=session.id,
                provider=name,
                format=start.format,
                protocol=protocol,
                language=start.language,
                hotwords=start.hotwords,
                hotword_weights=start.hotword_weights,
                partials=start.partials,
                levels=start.levels,
                armed=self.around.wake_word is not None and not is_whole and not is_awake,
                principal=grant.name,
                wait_for=start.wait_for,
                is_routed=start.provider is None,
            )
        )
        return self._join(session, reader, protocol, 0, resumed_from=None)

    def _build(self, id: SessionId, start: Start, provider: Provider, grant: Grant, is_whole: bool) -> LiveSession:
        limits, format = self.limits, start.format
        endpoint = replace(self._endpoint, max_utterance=LONGEST_SEGMENT_S) if is_whole else self._endpoint
        recogniser = Recogniser(id, self.around, on_room=lambda: self._has_room(id))
        return LiveSession(
            id,
            format,
            channel=AudioChannel(
                format,
                high=limits.audio_buffer,
                low=limits.audio_buffer / 2,
                limit=limits.audio_buffer + HARD_LIMIT_S,
            ),
            pipeline=Pipeline(
                format, _rate(format, provider), None if is_whole else self._vad, endpoint, levels=start.levels
            ),
            recogniser=recogniser,
            log=MessageLog(max_messages=limits.history_messages, max_bytes=limits.history_bytes),
            max_backlog=limits.audio_buffer,
            principal=grant.name,
            meter=grant.meter,
            is_whole=is_whole,
        )

    def _has_room(self, id: SessionId) -> None:
        if (session := self._live.get(id)) is not None:
            self._pump.mark(session)

    def _join(
        self, session: LiveSession, reader: Reader, protocol: str, cursor: int, *, resumed_from: int | None
    ) -> Attachment:
        key = next(self._keys)
        session.join(key, reader)
        if not session.is_over:
            self.dispatch(
                SessionAttached(
                    at=self.now(), session=session.id, role=reader.role, protocol=protocol, resumed_from=resumed_from
                )
            )
        record = self.record(session.id)
        ready = Ready(
            seq=cursor,
            session=session.id,
            role=reader.role,
            provider=record.provider if record is not None else "",
            format=session.format,
            audio_offset=session.channel.offset,
            resume_window=self.limits.resume_window,
        )
        return Attachment(self, session, key, reader.role, protocol, ready)

    def _find(self, id: SessionId) -> LiveSession:
        if (session := self._live.get(id)) is not None:
            return session
        if (ended := self._ended.get(id)) is not None:
            return ended[0]
        raise NotFound(
            "no such session: it was closed, or nobody came back to it in time; open a new one with `start`",
            code="unknown-session",
        )

    def _make_place(self, session: LiveSession, attach: Attach, protocol: str) -> None:
        if attach.role is Role.VIEWER:
            if session.viewers >= self.limits.max_viewers:
                raise Overloaded(f"the session has {self.limits.max_viewers} viewers already")
            return
        if (there := session.publisher) is None:
            return
        if not attach.take_over:
            raise Conflict(
                "another connection publishes here; attach as a viewer, or with `take_over` if it is yours",
                code="second-publisher",
            )
        reader = session.leave(there)
        self.dispatch(SessionDetached(at=self.now(), session=session.id, role=Role.PUBLISHER, protocol=protocol))
        if reader is not None:
            reader.on_messages()

    def _ask(self, id: SessionId, command: Command, reason: str = "") -> None:
        if (session := self._live.get(id)) is not None:
            session.ask(command, reason)
            self._pump.mark(session)

    def _told(self, session: LiveSession, change: Change) -> None:
        message = message_of(change.event)
        if isinstance(change.event, UtteranceFinalized | UtteranceCorrected):
            session.transcript = select_transcript(self.store.state, session.id)
        if isinstance(change.event, SessionClosed):
            self._end(session, change.event.reason)
        if message is not None:
            session.say(message)

    def _end(self, session: LiveSession, reason: str) -> None:
        session.end()
        self.around.forget(session.id)
        if self._live.pop(session.id, None) is not None:
            self._whole -= session.is_whole
        if not self._live:
            self._empty.set()
        if reason == "expired" or session.is_whole:
            return
        # The last finals and `closed` stay readable for a publisher whose socket was cut just before them.
        timer = asyncio.get_running_loop().call_later(self.limits.resume_window, self._forget, session.id)
        self._ended[session.id] = (session, timer)
        if len(self._ended) > self.limits.max_sessions:
            self._forget(next(iter(self._ended)))

    def _forget(self, id: SessionId) -> None:
        if (ended := self._ended.pop(id, None)) is not None:
            ended[1].cancel()


def _check_grant(grant: Grant, session: LiveSession, role: Role) -> None:
    """Raises Forbidden. Who knows its id may watch a session; only who opened it may speak in it."""
    grant.must(Scope.SPEAK if role is Role.PUBLISHER else Scope.WATCH)
    grant.must_reach(session.id)
    if role is Role.PUBLISHER and grant.name != session.principal:
        raise Forbidden("this session was opened with another key; come back with that one", code="foreign-session")


def _check_language(language: str | None, provider: Provider) -> None:
    """Raises NotFound."""
    if not hears(provider, language):
        spoken = ", ".join(provider.capabilities.languages)
        raise NotFound(
            f"{provider.name} does not hear {language!r}, only {spoken}; choose another provider",
            code="unsupported-language",
        )


def _rate(format: AudioFormat, provider: Provider) -> int:
    """Hertz of the session's pipeline: telephone audio stays as it is for an engine that takes it so."""
    rates = provider.capabilities.sample_rates
    if format.sample_rate in rates and format.sample_rate < HUB_RATE:
        return format.sample_rate
    # The pipeline's VAD knows no higher rate than the hub's: an engine that does gets its audio resampled once more.
    return HUB_RATE if HUB_RATE in rates else min(HUB_RATE, rates[0])
