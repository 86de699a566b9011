"""Who somebody is to the hub, and what they may do."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec

from asr_hub.access.bucket import Bucket
from asr_hub.errors import Forbidden, RateLimited
from asr_hub.model import SessionId


class Scope(StrEnum):
    """One thing that a key may be good for."""

    SPEAK = "speak"
    """Open sessions, and publish to one's own."""
    WATCH = "watch"
    """View a session whose id one was given."""
    ADMIN = "admin"
    """See and close the sessions of others, change hotwords, reload the configuration."""


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """How much one key may use. `None` is no limit."""

    sessions: int | None = None
    """At the same time."""
    audio_s_per_hour: float | None = None
    """Seconds of audio."""
    requests_per_minute: float | None = None
    """HTTP requests, WebSocket and Socket.IO connections, recordings over Socket.IO and gRPC calls together."""


class Meter:
    """What is left of one allowance, for all connections of its key together."""

    __slots__ = ("_audio", "_requests", "allowance")

    def __init__(self, allowance: Allowance, *, now: Callable[[], float]) -> None:
        self.allowance = allowance
        self._audio: Bucket | None = None
        self._requests: Bucket | None = None
        if (seconds := allowance.audio_s_per_hour) is not None:
            self._audio = Bucket(seconds, seconds / 3600, now=now)
        if (requests := allowance.requests_per_minute) is not None:
            self._requests = Bucket(max(requests, 1.0), requests / 60, now=now)

    def count_request(self) -> None:
        """Raises RateLimited."""
        if self._requests is not None and (wait := self._requests.take()):
            raise RateLimited("this key has made all the requests it may for now; come back later", retry_after=wait)

    def hear(self, seconds: float) -> None:
        """So much audio comes in. Raises RateLimited, and then it does not count."""
        if self._audio is not None and (wait := self._audio.take(seconds)):
            raise RateLimited(
                "this key has sent all the audio it may for now; go on later, from this piece on",
                code="audio-quota",
                retry_after=wait,
            )

    def give_back(self, seconds: float) -> None:
        """Audio that was counted and then refused for another reason."""
        if self._audio is not None:
            self._audio.put_back(seconds)

    def settle(self, counted: float, came: float) -> None:
        """It was guessed how much audio there is; now it is known. What was too little is made up for by waiting."""
        if self._audio is not None:
            self._audio.put_back(counted - came)

    def check_sessions(self, running: int) -> None:
        """Raises RateLimited where `running` sessions are as many as the key may have."""
        most = self.allowance.sessions
        if most is not None and running >= most:
            raise RateLimited(
                f"this key may have {most} sessions at a time, and has them; close one, or try again later",
                code="session-limit",
                retry_after=5.0,
            )


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What an admitted caller may do, whatever protocol it came over."""

    name: str = ""
    """
    Whose it is: the name of the key, or `jwt:` and the subject of a foreign token.

    Empty where access control is off.
    """
    key: str | None = None
    """The public id of its key; none for a foreign token, and where access control is off."""
    scopes: frozenset[Scope] = frozenset(Scope)
    session: str | None = None
    """The one session that it is good for; any where there is none."""
    allowance: Allowance = Allowance()
    expires_at: float | None = None
    """Seconds since the epoch. It is looked at when somebody comes: a connection that is there stays."""
    meter: Meter | None = None
    """What is left of the allowance; none where there are no limits."""

    def must(self, scope: Scope) -> None:
        """Raises Forbidden where the scope was not granted."""
        if scope not in self.scopes:
            raise Forbidden(
                f"this key may not {scope.value}; use one with the scope `{scope.value}`", code="missing-scope"
            )

    def must_reach(self, session: SessionId) -> None:
        """Raises Forbidden where the grant is for another session."""
        if self.session is not None and self.session != session:
            raise Forbidden("this token is for another session; ask for one for this session", code="foreign-session")

    def must_open(self) -> None:
        """Raises Forbidden where no new session may be opened."""
        self.must(Scope.SPEAK)
        self.must_roam()

    def must_roam(self) -> None:
        """Raises Forbidden where the grant is for one session: for whatever concerns more than that one."""
        if self.session is not None:
            raise Forbidden(
                "this token is for one session and for nothing beside it; ask for one without `session`",
                code="foreign-session",
            )


ANYBODY = Grant()
"""Who comes while access control is off."""
