"""The recordings of a hub, and the past of its live sessions, as the protocols ask for them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar
from weakref import WeakValueDictionary

import msgspec

from asr_hub.access.grant import Grant, Scope
from asr_hub.errors import Conflict, HubError, NotFound, Overloaded, TooLarge
from asr_hub.hub.hub import Hub
from asr_hub.hub.names import Named, public_name
from asr_hub.model import SessionId
from asr_hub.protocols.jobs_port import StoredAudio, UploadSettings
from asr_hub.protocols.recordings_port import (
    Actions,
    CausesView,
    CauseView,
    Following,
    Numbered,
    Past,
    RecordingsView,
    RecordingView,
)
from asr_hub.recordings.causes import why
from asr_hub.recordings.disk_threads import DiskThreads
from asr_hub.recordings.format import Folder, Meta
from asr_hub.recordings.live_past import LivePast
from asr_hub.recordings.packing import packed
from asr_hub.recordings.recorder import Recorder
from asr_hub.recordings.redaction import WITHHELD
from asr_hub.recordings.selection import Selection
from asr_hub.recordings.session_facts import SessionFacts
from asr_hub.recordings.sound import Sound
from asr_hub.recordings.timeline import Timeline
from asr_hub.recordings.written_past import WrittenPast
from asr_hub.store.journal import Entry, written
from asr_hub.store.kernel import Change
from asr_hub.store.slice import State
from asr_hub.store.slices.sessions import Session, SessionClosed

MOST_FOLLOWERS = 1000
"""Of the actions of live sessions, all together."""

MOST_STATE_BYTES = 64 << 20
"""Of an answer. That of a day of speech has a few megabytes."""

KEPT_PASTS = 8
"""Of recordings, and of live sessions, that are looked at: the last."""


class HubRecordings:
    """Implements `RecordingsPort`."""

    def __init__(self, hub: Hub, recorder: Recorder, *, max_bytes: int) -> None:
        """`max_bytes`: of one file that comes in."""
        self.upload = UploadSettings(folder=recorder.library.folder, max_bytes=max_bytes, at_once=4)
        self._hub = hub
        self._recorder = recorder
        self._library = recorder.library
        self._threads = recorder.reading
        self._named = Named(hub.record, hub.records)
        self._written: OrderedDict[tuple[str, float], WrittenPast] = OrderedDict()
        self._facts = SessionFacts(hub.store.journal)
        self._live: OrderedDict[tuple[SessionId, bool], LivePast] = OrderedDict()
        self._followed: WeakValueDictionary[tuple[SessionId, bool], LivePast] = WeakValueDictionary()
        self._followers = 0

    async def all(self) -> RecordingsView:
        live = self._recorder.live()
        metas = [*live.values(), *(meta for meta in self._library.all() if meta.name not in live)]
        metas.sort(key=lambda meta: (meta.started_at, meta.name), reverse=True)
        views = [_view(meta, is_live=meta.name in live) for meta in metas]
        return RecordingsView(mode=self._recorder.settings.mode, recordings=views)

    async def recording(self, name: str) -> RecordingView:
        meta, is_live = self._find(name)
        return _view(meta, is_live=is_live)

    async def delete(self, name: str) -> None:
        if self._find(name)[1]:
            raise Conflict(
                "this recording is being made; DELETE /v1/sessions/NAME/recording ends it", code="recording-live"
            )
        await self._threads.call(partial(self._library.delete, name))

    async def make_room(self) -> None:
        try:
            await self._threads.call(self._library.make)
        except HubError as exc:
            raise Overloaded(str(exc), code="disk-full", retry_after=60) from None

    async def add(self, path: Path) -> RecordingView:
        meta = await self._threads.call(partial(self._library.add, path))
        view = _view(meta, is_live=False)
        # It may be more than is kept.
        await self._threads.call(self._library.sweep)
        return view

    async def file(self, name: str) -> AsyncIterator[bytes]:
        meta, _ = self._find(name)
        return self._stepped(packed(self._folder(meta)))

    async def audio(self, name: str) -> StoredAudio:
        meta, _ = self._find(name)
        return await self._threads.call(partial(Sound, self._folder(meta), meta, self._threads))

    def past(self, name: str) -> Past:
        meta, _ = self._find(name)
        # A name may come back, with another recording.
        kept = _kept(self._written, (meta.name, meta.here_since), lambda: WrittenPast(self._folder(meta)))
        return _PastOfRecording(kept, self._recorder.looking, partial(self._library.damaged, meta.name))

    def past_of(self, session: str, grant: Grant) -> Past:
        record, has_text = self._seen(session, grant)
        return _PastOfSession(self._live_past(record, grant), has_text=has_text)

    def follow(self, session: str, grant: Grant, *, after: int | None, on_change: Callable[[], None]) -> Following:
        record, has_text = self._seen(session, grant)
        if self._followers >= MOST_FOLLOWERS:
            raise Overloaded(f"{MOST_FOLLOWERS} follow the actions of sessions; close some, or try again later")
        past = self._live_past(record, grant)
        follower = _Follower(self._hub, record.id, past, after, on_change, self._left, has_text=has_text)
        self._followers += 1
        return follower

    async def begin(self, session: str, grant: Grant) -> RecordingView:
        record, _ = self._named.commanded(session, grant)
        pipeline = self._hub.pipeline(record.id)
        meta = await self._recorder.begin(record.id, record.principal, pipeline)
        return self._now(meta)

    async def end(self, session: str, grant: Grant) -> RecordingView:
        record, _ = self._named.commanded(session, grant)
        meta = await self._recorder.end(record.id)
        if meta is None:
            raise NotFound("this session is not recorded now; GET /v1/recordings lists what was", code="not-recorded")
        return self._now(meta)

    def _now(self, meta: Meta) -> RecordingView:
        return _view(meta, is_live=meta.ended_at is None)

    def _find(self, name: str) -> tuple[Meta, bool]:
        """A recording, and whether it is being made. Raises NotFound."""
        self._library.path(name)
        live = self._recorder.live().get(name)
        found = live or self._library.meta(name)
        if found is None:
            raise NotFound(f"no recording is called {name!r}; it was deleted, or never there", code="unknown-recording")
        return found, live is not None

    def _folder(self, meta: Meta) -> Folder:
        return Folder(self._library.path(meta.name))

    def _seen(self, session: str, grant: Grant) -> tuple[Session, bool]:
        """A session that the grant may see, and whether it may see what was said. Raises NotFound, Forbidden."""
        record, by_id = self._named.find(session, grant)
        grant.must(Scope.WATCH if by_id else Scope.ADMIN)
        return record, by_id

    def _live_past(self, record: Session, grant: Grant) -> LivePast:
        # Hotwords that it did not bring itself are for administrators, as they are at /v1/hotwords.
        has_lists = Scope.ADMIN in grant.scopes

        def made() -> LivePast:
            name = public_name(record.id)
            selection = Selection(record.id, name=name, principal=record.principal, has_lists=has_lists)
            return LivePast(self._facts, selection)

        # Who follows a session shares what it has seen with all who look at it.
        key = (record.id, has_lists)
        self._followed[key] = past = self._followed.get(key) or made()
        return _kept(self._live, key, lambda: past)

    async def _stepped(self, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
        """Pieces that are made on a thread, each when it is asked for."""
        try:
            while (piece := await self._threads.call(lambda: next(pieces, None))) is not None:
                if piece:
                    yield piece
        finally:
            if (close := getattr(pieces, "close", None)) is not None:
                with contextlib.suppress(ValueError):
                    # One that is being made in a thread, as the client goes away, ends with it.
                    close()

    def _left(self) -> None:
        self._followers -= 1


class _PastOfRecording:
    """Implements `Past`."""

    def __init__(self, past: WrittenPast, thread: DiskThreads, on_damage: Callable[[str], None]) -> None:
        self._past = past
        self._thread = thread
        self._on_damage = on_damage

    async def actions(self, *, after: int, limit: int) -> Actions:
        return await self._looked(
            lambda timeline: _actions(_Ends.of(timeline), timeline.entries(after=after, limit=limit))
        )

    async def state(self, at: int) -> bytes:
        return await self._looked(lambda timeline: _state(at, timeline.state_at(at)))

    async def causes(self, at: int) -> CausesView:
        return await self._looked(lambda timeline: _causes(timeline.entry(at), timeline.before(at)))

    async def _looked(self, look: Callable[[Timeline], T]) -> T:
        try:
            return await self._thread.call(lambda: look(self._past.timeline()))
        finally:
            if self._past.damage:
                self._on_damage(self._past.damage)


class _PastOfSession:
    """Implements `Past`. What is looked up is looked up on the loop; what takes long is done beside it."""

    def __init__(self, past: LivePast, *, has_text: bool) -> None:
        self._past = past
        self._has_text = has_text

    async def actions(self, *, after: int, limit: int) -> Actions:
        timeline = self._past.timeline()
        entries = timeline.entries(after=after, limit=limit)
        return await asyncio.to_thread(_actions, _Ends.of(timeline), entries, has_text=self._has_text)

    async def state(self, at: int) -> bytes:
        timeline = self._past.timeline()

        def made() -> bytes:
            state = timeline.state_at(at)
            return _state(at, state if self._has_text else WITHHELD.state(state))

        return await asyncio.to_thread(made)

    async def causes(self, at: int) -> CausesView:
        timeline = self._past.timeline()
        return await asyncio.to_thread(_causes, timeline.entry(at), timeline.before(at))


class _Follower:
    """Implements `Following`."""

    def __init__(
        self,
        hub: Hub,
        session: SessionId,
        past: LivePast,
        after: int | None,
        on_change: Callable[[], None],
        on_close: Callable[[], None],
        *,
        has_text: bool,
    ) -> None:
        self._past = past
        self._after = past.timeline().first if after is None else after
        self._on_change = on_change
        self._on_close: Callable[[], None] | None = on_close
        self._has_text = has_text
        self._is_over = False
        self._unwatch = hub.store.watch(session, self._told)

    @property
    def is_over(self) -> bool:
        return self._is_over

    def read(self, limit: int) -> Actions:
        timeline = self._past.timeline()
        entries = timeline.entries(after=self._after, limit=limit)
        if entries:
            self._after = entries[-1].seq
        return _actions(_Ends.of(timeline), entries, has_text=self._has_text)

    def close(self) -> None:
        self._unwatch()
        if self._on_close is not None:
            self._on_close()
            self._on_close = None

    def _told(self, change: Change) -> None:
        self._is_over = self._is_over or isinstance(change.event, SessionClosed)
        self._on_change()


class _Ends(NamedTuple):
    """The first and the last number of a timeline."""

    first: int
    last: int

    @classmethod
    def of(cls, timeline: Timeline) -> _Ends:
        """As they are now."""
        return cls(timeline.first, timeline.last)


def _actions(ends: _Ends, entries: list[Entry], *, has_text: bool = True) -> Actions:
    told = [event if has_text else WITHHELD.event(event) for _, event in entries]
    return Actions(
        first=ends.first,
        last=ends.last,
        more=bool(entries) and entries[-1].seq < ends.last,
        has_text=has_text,
        actions=[
            Numbered(entry.seq, msgspec.Raw(msgspec.json.encode(event)))
            for entry, event in zip(entries, told, strict=True)
        ],
    )


def _state(at: int, state: State) -> bytes:
    parts: dict[str, msgspec.Raw] = {}
    size = 0
    for name, part in sorted(state.items()):
        parts[name] = msgspec.Raw(written(part))
        size += len(parts[name])
        if size > MOST_STATE_BYTES:
            raise TooLarge(f"the state after action {at} has more than {MOST_STATE_BYTES} bytes; look at the actions")
    return msgspec.json.encode({"at": at, "state": parts})


def _causes(target: Entry, before: Iterator[Entry]) -> CausesView:
    found = why(target, before)
    return CausesView(at=target.seq, causes=[CauseView(seq=cause.seq, link=cause.link) for cause in found])


def _view(meta: Meta, *, is_live: bool) -> RecordingView:
    return RecordingView(
        name=meta.name,
        session=meta.session,
        started_at=meta.started_at,
        ended_at=meta.ended_at,
        is_live=is_live,
        facts=meta.facts,
        audio_ms=meta.samples * 1000 // meta.rate,
        has_audio=meta.samples > 0,
        bytes=meta.bytes,
        provider=meta.provider,
        language=meta.language,
        origin=meta.origin,
        text=meta.text,
        principal=meta.principal or None,
        why_ended=meta.why_ended,
        lost_audio_ms=meta.lost_samples * 1000 // meta.rate,
        unread_texts=meta.unread_texts,
        damage=meta.damage or None,
    )


T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


def _kept(kept: OrderedDict[K, V], key: K, make: Callable[[], V]) -> V:
    """What is kept under a key, made where it is not; of the last `KEPT_PASTS` keys."""
    found = kept.pop(key, None)
    kept[key] = found = make() if found is None else found
    while len(kept) > KEPT_PASTS:
        kept.popitem(last=False)
    return found
