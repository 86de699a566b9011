"""Who somebody is to the hub, and what they may do."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from asr_hub.errors import Forbidden
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
    """HTTP requests, WebSocket and Socket.IO connections and gRPC calls together."""


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What an admitted caller may do, whatever protocol it came over."""

    name: str = ""
    """Of the key, or the subject of the token. Empty where access control is off."""
    scopes: frozenset[Scope] = frozenset(Scope)
    session: str | None = None
    """The one session that it is good for; any where there is none."""
    allowance: Allowance = Allowance()
    expires_at: float | None = None
    """Seconds since the epoch"""

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


ANYBODY = Grant()
"""Who comes while access control is off."""
