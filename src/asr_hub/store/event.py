"""What an action of the store carries: a fact, typed, small and serialisable."""

from __future__ import annotations

import msgspec

from asr_hub.model import SessionId


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """
    A fact, named in the past tense. Its tag is the action type, `[Source] Event`.

    Ids and times arrive in the fields: reducers read no clock, so that a journal can be replayed.
    """

    at: float = 0.0
    """Seconds since the epoch"""

    @property
    def type(self) -> str:
        return type_of(type(self))


class SessionEvent(Event, frozen=True):
    """A fact about one session. Whoever watches that session is told."""

    session: SessionId


class JobEvent(Event, frozen=True):
    """A fact about one job."""

    job: str


def type_of(event: type[Event]) -> str:
    """The action type of a class of events: its tag."""
    tag = event.__struct_config__.tag
    assert isinstance(tag, str)
    return tag
