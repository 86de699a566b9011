"""Access: who was turned away at the door before anything else was asked of them."""

from __future__ import annotations

import msgspec
from immutables import Map
from msgspec.structs import replace

from asr_hub.store.event import Event
from asr_hub.store.slice import Slice, State


class AccessRefused(Event, frozen=True, tag="[Access] Refused"):
    """Callers without a key that is good here, or with one that is used up. Of who they were nothing is kept."""

    code: str
    protocol: str
    times: int = 1
    """How many since the last such fact: in a flood not everyone has a fact of their own."""


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Counts from the start of the process."""

    refused: Map[str, int] = Map()
    """Callers turned away, by `code protocol`."""


access: Slice[Access] = Slice("access", Access(), part_type=Access)


def select_access(state: State) -> Access:
    return access.part(state)


def select_turned_away_count(state: State) -> int:
    return sum(access.part(state).refused.values())


@access.on(AccessRefused)
def _refused(part: Access, event: AccessRefused) -> Access:
    key = f"{event.code} {event.protocol}"
    return replace(part, refused=part.refused.set(key, part.refused.get(key, 0) + event.times))
