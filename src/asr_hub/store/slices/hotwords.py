"""Hotwords: the words to prefer in every session, and in those of one key, beside what a session brings itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec
from immutables import Map
from msgspec.structs import replace

from asr_hub.store.event import Event
from asr_hub.store.slice import Slice, State

MOST = 500
"""Given to an engine with one utterance: those of the session first, then those of its key, then everybody's."""


class HotwordsReplaced(Event, frozen=True, tag="[Hotwords] Replaced"):
    """These hold from the next utterance of each session on, in the place of those before."""

    words: tuple[str, ...]
    weights: dict[str, float] = msgspec.field(default_factory=dict)
    """Those other than 1, by word."""
    tenant: str = ""
    """The name of the key whose sessions prefer them; empty: every session."""


class WordList(msgspec.Struct, frozen=True, kw_only=True):
    """What the sessions of one key prefer."""

    words: tuple[str, ...] = ()
    """In the order in which they were given."""
    weights: dict[str, float] = {}
    """Those other than 1, by word."""
    replaced_at: float | None = None
    """Seconds since the epoch"""


class Hotwords(WordList, frozen=True, kw_only=True):
    """What every session prefers, and what those of each key do."""

    tenants: Map[str, WordList] = Map()
    """By the name of the key; only those that have words."""


class Preferred(NamedTuple):
    """What one session prefers, of all lists together."""

    words: tuple[str, ...]
    """Each once, at most `MOST`."""
    weights: dict[str, float]
    """Those other than 1, by word."""


hotwords: Slice[Hotwords] = Slice("hotwords", Hotwords(), part_type=Hotwords)


def select_word_list(state: State, tenant: str = "") -> WordList:
    """That of every session, or that of one key alone."""
    part = hotwords.part(state)
    return part.tenants.get(tenant, _EMPTY) if tenant else part


def select_hotwords(state: State, tenant: str = "") -> tuple[str, ...]:
    """The words of one list."""
    return select_word_list(state, tenant).words


def select_tenants(state: State) -> tuple[str, ...]:
    """The keys that have a list, by name."""
    return tuple(sorted(hotwords.part(state).tenants))


def select_preferred(
    state: State, *, own: tuple[str, ...] = (), own_weights: Mapping[str, float] | None = None, tenant: str = ""
) -> Preferred:
    """
    `own`, those of the session; then those of its key, then everybody's.

    A word that is on several lists has the place and the weight of the first of them. Within a list the heavier ones
    come first: an engine that takes few takes those.
    """
    part = hotwords.part(state)
    lists = [(own, own_weights or {})]
    if tenant and (theirs := part.tenants.get(tenant)) is not None:
        lists.append((theirs.words, theirs.weights))
    lists.append((part.words, part.weights))
    found: dict[str, float] = {}
    for words, weights in lists:
        for word in heaviest_first(words, weights):
            if len(found) == MOST:
                break
            found.setdefault(word, weights.get(word, 1.0))
    return Preferred(tuple(found), {word: weight for word, weight in found.items() if weight != 1.0})


def heaviest_first(words: Iterable[str], weights: Mapping[str, float]) -> Iterable[str]:
    """Words of the same weight stay in order."""
    return sorted(words, key=lambda word: -weights.get(word, 1.0)) if weights else words


_EMPTY = WordList()


@hotwords.on(HotwordsReplaced)
def _replaced(part: Hotwords, event: HotwordsReplaced) -> Hotwords:
    if not event.tenant:
        return replace(part, words=event.words, weights=event.weights, replaced_at=event.at)
    if not event.words:
        return replace(part, tenants=part.tenants.delete(event.tenant)) if event.tenant in part.tenants else part
    theirs = WordList(words=event.words, weights=event.weights, replaced_at=event.at)
    return replace(part, tenants=part.tenants.set(event.tenant, theirs))
