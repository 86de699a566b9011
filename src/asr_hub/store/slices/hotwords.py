"""Hotwords: the words to prefer in every session, beside its own."""

from __future__ import annotations

import msgspec

from asr_hub.store.event import Event
from asr_hub.store.slice import Slice, State


class HotwordsReplaced(Event, frozen=True, tag="[Hotwords] Replaced"):
    """These hold from the next utterance of each session on, in the place of those before."""

    words: tuple[str, ...]


class Hotwords(msgspec.Struct, frozen=True, kw_only=True):
    """What every session prefers."""

    words: tuple[str, ...] = ()
    """In the order in which they were given."""
    replaced_at: float | None = None
    """Seconds since the epoch"""


hotwords: Slice[Hotwords] = Slice("hotwords", Hotwords(), part_type=Hotwords)


def select_hotwords(state: State) -> tuple[str, ...]:
    return hotwords.part(state).words


@hotwords.on(HotwordsReplaced)
def _replaced(part: Hotwords, event: HotwordsReplaced) -> Hotwords:
    return Hotwords(words=event.words, replaced_at=event.at)
