"""Recordings and the past of sessions as a protocol sees them: what a client is told, and the port to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from asr_hub.access.grant import Grant
from asr_hub.protocols.facts import View
from asr_hub.protocols.jobs_port import StoredAudio, UploadSettings

RecorderMode = Literal["off", "ask", "on"]

MOST_ACTIONS = 5000
"""In one answer"""


class RecordingView(View):
    """A recording: the facts of one session, and what was heard in it. Times are seconds since the epoch."""

    name: str
    session: str
    """The public name of the session. Nobody can attach with it."""
    started_at: float
    ended_at: float | None = None
    """None while it is being made."""
    is_live: bool
    """It is being made."""
    facts: int
    """How many actions it has."""
    audio_ms: int
    """Milliseconds from the beginning of the session to the end of its audio; 0 where it has none."""
    has_audio: bool
    bytes: int
    """On the disk"""
    provider: str
    language: str | None = None
    """BCP 47"""
    origin: Literal["recorded", "uploaded"]
    text: str
    """The first 200 characters of what was said."""
    principal: str | None = None
    """The name of the key that the session was opened with."""
    why_ended: str | None = None
    """`closed`, `asked`, `too-long`, `disk`, `stopped`, or `broken-off` where the hub ended in the midst of it."""
    lost_audio_ms: int = 0
    """Of audio that the disk could not take in time: it is silence here."""
    unread_texts: int = 0
    """Texts that the redaction failed in, and that are therefore empty."""
    damage: str | None = None
    """Why it cannot be read to its end; what stands before that can be looked at."""


class RecordingsView(View):
    """All recordings, the newest first."""

    mode: RecorderMode
    """`off`: no session is recorded; `ask`: those for which somebody asks; `on`: every session."""
    recordings: list[RecordingView]


class ActionView(View):
    """A fact and its place."""

    seq: int
    """Its number. Those of a live session have gaps: it is not alone in the hub."""
    action: dict[str, object]
    """As it is in the journal: `type`, `at`, and the fields of its kind."""


class ActionsView(View):
    """Some of the actions of a recording or a session, oldest first."""

    first: int
    """The oldest number that `state` takes: the state before the first action."""
    last: int
    """The newest number there is."""
    more: bool
    """There are more after these."""
    has_text: bool = True
    """What was said is in them. It is not where a live session is asked for by its name: its id is needed for that."""
    actions: list[ActionView]


class StateView(View):
    """What folding the actions up to a number gives."""

    at: int
    state: dict[str, object]
    """By the name of the slice; sessions and transcripts are those of this session alone."""


class CauseView(View):
    """An action that led to another."""

    seq: int
    link: str
    """What it did: `opened`, `configured`, `wake-word`, `began`, `routed`, `failed`, `endpoint` …"""


class CausesView(View):
    """Why an action came, oldest first; the action itself is the last."""

    at: int
    causes: list[CauseView]


class Numbered(msgspec.Struct, frozen=True):
    """One action as it is written."""

    seq: int
    action: msgspec.Raw


class Actions(msgspec.Struct, frozen=True, kw_only=True):
    """An `ActionsView`, as it is written."""

    first: int
    last: int
    more: bool
    has_text: bool = True
    actions: list[Numbered]


class Past(Protocol):
    """What happened in one session, whether it is recorded or lives. Each call may wait for the disk."""

    async def actions(self, *, after: int, limit: int) -> Actions:
        """Those with a number above `after`, at most `limit`. Raises NotFound where the recording is gone."""
        ...

    async def state(self, at: int) -> bytes:
        """A `StateView`, written. Raises NotFound for a number before the first, or after the last."""
        ...

    async def causes(self, at: int) -> CausesView:
        """Raises NotFound, also where there is no action of this number."""
        ...


class Following(Protocol):
    """One who follows a live session."""

    @property
    def is_over(self) -> bool:
        """The session is closed; what `read` gives now is the last of it."""
        ...

    def read(self, limit: int) -> Actions:
        """The next actions; none where there are none yet. `first` lies above what was read where some were missed."""
        ...

    def close(self) -> None: ...


class RecordingsPort(Protocol):
    """The recordings of a hub. Where no grant is asked for, the caller has checked for ADMIN."""

    @property
    def upload(self) -> UploadSettings: ...

    async def all(self) -> RecordingsView: ...

    async def recording(self, name: str) -> RecordingView:
        """Raises NotFound."""
        ...

    async def delete(self, name: str) -> None:
        """Raises NotFound, Conflict while it is being made."""
        ...

    async def make_room(self) -> None:
        """The folder of `upload` is there when this returns. Raises Overloaded (`disk-full`)."""
        ...

    async def add(self, path: Path) -> RecordingView:
        """
        Take a file that was downloaded here or elsewhere. It is read to its end before it is taken.

        Raises ProtocolError (`bad-recording`), TooLarge, Overloaded (`disk-full`).
        """
        ...

    async def file(self, name: str) -> AsyncIterator[bytes]:
        """A zip of the whole recording. Raises NotFound."""
        ...

    async def audio(self, name: str) -> StoredAudio:
        """What was heard, as a WAV file. Raises NotFound (`no-audio`)."""
        ...

    def past(self, name: str) -> Past:
        """Of a recording. Raises NotFound."""
        ...

    def past_of(self, session: str, grant: Grant) -> Past:
        """
        Of a live session: by id with WATCH; by name with ADMIN, without what was said.

        Raises NotFound, Forbidden.
        """
        ...

    def follow(self, session: str, grant: Grant, *, after: int | None, on_change: Callable[[], None]) -> Following:
        """
        From action number `after`, or from the oldest there is. `on_change` rings when there may be something to read.

        As `past_of`, and raises Overloaded where too many follow.
        """
        ...

    async def begin(self, session: str, grant: Grant) -> RecordingView:
        """
        Record a live session from now on; what is there already, where it is recorded.

        By id for the key that opened it, or by either with ADMIN. Raises NotFound, Forbidden, Conflict
        (`recorder-off`), Overloaded.
        """
        ...

    async def end(self, session: str, grant: Grant) -> RecordingView:
        """As `begin`. Raises NotFound (`not-recorded`) as well."""
        ...
