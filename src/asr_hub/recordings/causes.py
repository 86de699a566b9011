"""
Why a fact came: the facts that led to it, each with what it did.

Pure, and one pass over what came before. Facts do not name their causes; the rules here say which there can be.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from asr_hub.model import EndpointReason, ProviderName
from asr_hub.recordings.format import BadRecording
from asr_hub.recordings.links import LINKS
from asr_hub.store.event import Event, SessionEvent
from asr_hub.store.journal import Entry
from asr_hub.store.slices import breakers, hotwords, providers, scores, sessions, system, transcripts

MOST_CAUSES = 1000
"""Of one fact: what a hub writes has a few dozen."""

MOST_FAILURES = 16
"""Of one engine, before its breaker opened: the last."""

_BEFORE_THE_FINAL: tuple[type[Event], ...] = (
    transcripts.UtteranceRouted,
    breakers.AttemptFailed,
    transcripts.UtteranceHandedOn,
    transcripts.RecognitionFailed,
    transcripts.PassFailed,
    transcripts.TextSuppressed,
    transcripts.HotwordsMatched,
    scores.FinalHedged,
    scores.HedgeWon,
)
"""What happens to an utterance, and is why its text is what it is."""

_BEHIND_THE_FINAL: tuple[type[Event], ...] = (
    transcripts.UtteranceFinalized,
    transcripts.UtteranceCorrected,
    transcripts.DecisionUndone,
)

_OF_A_PROVIDER: dict[type[Event], tuple[type[Event], ...]] = {
    providers.ProviderStarting: (providers.ProviderFailed, providers.ProviderUnloaded, providers.ProviderStopped),
    providers.ProviderReady: (providers.ProviderStarting,),
    providers.ProviderFailed: (providers.ProviderStarting, providers.ProviderReady),
    providers.ProviderUnloaded: (providers.ProviderReady,),
    providers.ProviderRemoved: (providers.ProviderRetired,),
    breakers.BreakerHalfOpened: (breakers.BreakerOpened,),
    breakers.BreakerClosed: (breakers.BreakerHalfOpened,),
    breakers.BreakerReset: (providers.ProviderReady,),
}
"""The last of these, of the same provider, led to it."""

_OF_THE_SESSION: dict[type[Event], tuple[type[Event], ...]] = {
    sessions.SessionDetached: (sessions.SessionAttached,),
    sessions.WakeWordHeard: (sessions.SessionArmed,),
    sessions.SessionArmed: (sessions.WakeWordHeard, transcripts.UtteranceFinalized),
    sessions.LanguageIdentified: (transcripts.UtteranceFinalized,),
    sessions.SessionMoved: (system.Reconfigured, scores.ProviderPromoted, providers.ProviderRetired),
    sessions.SessionClosed: (sessions.CloseRequested,),
    sessions.CloseRequested: (system.DrainStarted,),
    system.ProviderResolved: (system.HubStarted,),
    system.HubStopped: (system.DrainStarted,),
}
"""The last of each of these led to it, where there was one."""


class Cause(NamedTuple):
    """A fact that led to another, and what it did."""

    seq: int
    link: str
    event: Event


def why(target: Entry, before: Iterable[Entry]) -> list[Cause]:
    """
    The facts that led to `target`, oldest first, and itself last. `before`: all that came before it, in order.

    Takes time and room as there are facts. Raises BadRecording where more than `MOST_CAUSES` led to it.
    """
    seen = _Seen(target)
    for entry in before:
        seen.look(entry)
    found = {entry.seq: entry for entry in seen.causes()}
    found[target.seq] = target
    if len(found) > MOST_CAUSES:
        raise _endless(target)
    return [Cause(seq, LINKS[type(entry.event)], entry.event) for seq, entry in sorted(found.items())]


class _Seen:
    """What of the past may have led to one fact, gathered in one pass."""

    def __init__(self, target: Entry) -> None:
        self._target = target
        self._utterance = _utterance_of(target.event)
        self._session = target.event.session if isinstance(target.event, SessionEvent) else None
        self._last: dict[type[Event], Entry] = {}
        """Of each kind"""
        self._of_provider: dict[tuple[type[Event], ProviderName], Entry] = {}
        self._failures: dict[ProviderName, list[Entry]] = {}
        """In a row"""
        self._settings: dict[str, Entry] = {}
        """Who set each thing that the session hears with now"""
        self._awake: Entry | None = None
        self._waits = False
        self._asked: deque[Entry] = deque()
        """Each `finalize` that no utterance ended for yet"""
        self._own: list[Entry] = []
        """What happened to the utterance"""
        self._partial: Entry | None = None
        self._base: list[Entry] = []
        """What the utterance was heard with"""
        self._has_begun = False
        self._late: list[Entry] = []
        """Providers that were set after it had begun"""
        self._breakers: dict[ProviderName, Entry] = {}
        """Open when the utterance was routed"""
        self._ended_for: Entry | None = None

    def look(self, entry: Entry) -> None:
        event = entry.event
        if isinstance(event, SessionEvent) and event.session != self._session:
            # Of another session only that an engine failed, which its breaker counts.
            if isinstance(event, breakers.AttemptFailed):
                self._look_at_provider(event.provider, entry)
            return
        if self._utterance is not None and _utterance_of(event) == self._utterance:
            self._look_at_own(entry)
        self._look_at_session(entry)
        if (name := _provider_of(event)) is not None:
            self._of_provider[type(event), name] = entry
            self._look_at_provider(name, entry)
        self._last[type(event)] = entry

    def causes(self) -> list[Entry]:
        event = self._target.event
        found = [self._last[sessions.SessionOpened]] if self._is_of_session else []
        if self._utterance is not None:
            found += self._of_utterance(event)
        for kind in _OF_THE_SESSION.get(type(event), ()):
            found += [self._last[kind]] if kind in self._last else []
        if type(event) is sessions.SessionClosed and event.reason == "expired":
            found += [self._last[kind] for kind in (sessions.SessionDetached,) if kind in self._last]
        return [*found, *self._of_the_provider(event)]

    # What comes by.

    def _look_at_own(self, entry: Entry) -> None:
        event = entry.event
        if not self._has_begun and isinstance(event, sessions.SpeechStarted | sessions.SpeechEnded):
            self._has_begun = True
            self._base = [*self._settings.values(), *([self._awake] if self._awake is not None else [])]
        if isinstance(event, sessions.SpeechEnded):
            self._ended_for = self._asker(event)
        if isinstance(event, transcripts.HypothesisRevised):
            self._partial = entry
            return
        if isinstance(event, transcripts.UtteranceHandedOn):
            # What the former engine guessed is no beginning of what the next one says.
            self._partial = None
        self._own.append(entry)
        if len(self._own) > MOST_CAUSES:
            raise _endless(self._target)

    def _look_at_session(self, entry: Entry) -> None:
        match entry.event:
            case sessions.SessionOpened(armed=armed):
                self._waits = armed
            case sessions.SessionConfigured() as event:
                self._configured(entry, event)
            case sessions.SessionMoved():
                self._settings["provider"] = entry
                self._late.append(entry)
            case sessions.LanguageIdentified():
                self._settings["identified"] = entry
            case hotwords.HotwordsReplaced(tenant=tenant):
                self._settings[f"hotwords of {tenant}"] = entry
            case sessions.WakeWordHeard():
                self._awake = entry
            case sessions.SessionArmed():
                self._awake = None
            case sessions.FinalizeRequested():
                self._asked.append(entry)
            case sessions.SpeechEnded(reason=EndpointReason.FINALIZE) as event if event.utterance != self._utterance:
                self._asker(event)
            case _:
                pass

    def _configured(self, entry: Entry, event: sessions.SessionConfigured) -> None:
        for name in ("provider", "language", "hotwords", "partials", "wait_for"):
            if getattr(event, name) is not None:
                self._settings[name] = entry
        if event.provider is not None:
            self._late.append(entry)

    def _look_at_provider(self, name: ProviderName, entry: Entry) -> None:
        match entry.event:
            case breakers.AttemptFailed():
                self._failures[name] = [*self._failures.get(name, ()), entry][-MOST_FAILURES:]
            case breakers.AttemptSucceeded() | breakers.BreakerClosed() | breakers.BreakerReset():
                self._failures.pop(name, None)
                self._breakers.pop(name, None)
            case breakers.BreakerOpened():
                self._breakers[name] = entry
            case _:
                pass

    def _asker(self, event: sessions.SpeechEnded) -> Entry | None:
        """Whose wish ended it. Each `finalize` is answered once and in order, unless a wake word is waited for."""
        match event.reason:
            case EndpointReason.FINALIZE if self._asked:
                if not self._waits:
                    return self._asked.popleft()
                asked = self._asked[-1]
                self._asked.clear()
                return asked
            case EndpointReason.CLOSE:
                return self._last.get(sessions.CloseRequested)
            case EndpointReason.CLEAR:
                return self._last.get(sessions.ClearRequested)
            case _:
                return None

    # What led to it.

    @property
    def _is_of_session(self) -> bool:
        return isinstance(self._target.event, SessionEvent) and sessions.SessionOpened in self._last

    def _of_utterance(self, event: Event) -> list[Entry]:
        began = [entry for entry in self._own if isinstance(entry.event, sessions.SpeechStarted)]
        if isinstance(event, sessions.SpeechStarted):
            return [self._awake] if self._awake is not None else []
        if isinstance(event, sessions.SpeechEnded):
            asker = self._asker(event)
            awake = [entry for entry in self._base if isinstance(entry.event, sessions.WakeWordHeard)]
            is_engine = event.reason is EndpointReason.ENGINE and self._partial is not None
            return [
                *awake,
                *began,
                *([asker] if asker else []),
                *([self._partial] if is_engine and self._partial else []),
            ]
        kinds: tuple[type[Event], ...] = (*_BEFORE_THE_FINAL, *_BEHIND_THE_FINAL, sessions.SpeechEnded)
        happened = [entry for entry in self._own if isinstance(entry.event, kinds)]
        found = [*self._heard_with(event), *began, *happened, *self._opened_breakers(event, happened)]
        if self._ended_for is not None:
            found.append(self._ended_for)
        if self._partial is not None and isinstance(event, _READINGS):
            found.append(self._partial)
        return found

    def _heard_with(self, event: Event) -> list[Entry]:
        """The settings it was begun with; and a provider chosen while it was spoken, where that one heard it."""
        matched = any(isinstance(entry.event, transcripts.HotwordsMatched) for entry in self._own)
        base = [
            entry
            for entry in self._base
            if matched
            or isinstance(event, transcripts.HotwordsMatched)
            or not isinstance(entry.event, hotwords.HotwordsReplaced)
        ]
        heard_by = _heard_by(event, self._own)
        if heard_by is None or any(isinstance(entry.event, _ELSEWHERE) for entry in self._own):
            return base
        known = {entry.seq for entry in base}
        late = [entry for entry in self._late if entry.seq not in known and _chosen(entry.event) == heard_by]
        chosen = [entry for entry in base if _chosen(entry.event) is not None]
        if late and (not chosen or _chosen(chosen[-1].event) != heard_by) and not self._began_with(heard_by):
            return [*(entry for entry in base if entry not in chosen), late[-1]]
        return base

    def _began_with(self, provider: ProviderName) -> bool:
        """Whether the session had this provider when the utterance began."""
        opened = self._last.get(sessions.SessionOpened)
        has_chosen = any(_chosen(entry.event) is not None for entry in self._base)
        return (
            not has_chosen
            and opened is not None
            and isinstance(opened.event, sessions.SessionOpened)
            and opened.event.provider == provider
        )

    def _opened_breakers(self, event: Event, happened: list[Entry]) -> list[Entry]:
        """Those of which a route says that they are why."""
        routes = [entry.event for entry in happened] + [event]
        named = {_broken(it.reason) for it in routes if isinstance(it, transcripts.UtteranceRouted)}
        return [entry for name, entry in self._breakers.items() if name in named]

    def _of_the_provider(self, event: Event) -> list[Entry]:
        name = _provider_of(event)
        if name is None:
            return []
        if isinstance(event, breakers.BreakerOpened):
            half = self._of_provider.get((breakers.BreakerHalfOpened, name))
            opened = self._of_provider.get((breakers.BreakerOpened, name))
            # Its self-test failed, or it failed too often.
            if half is not None and opened is not None and half.seq > opened.seq:
                return [opened, half]
            return list(self._failures.get(name, ()))
        found = [self._of_provider.get((kind, name)) for kind in _OF_A_PROVIDER.get(type(event), ())]
        there = [entry for entry in found if entry is not None]
        return [max(there)] if there else []


_READINGS = (
    transcripts.UtteranceFinalized,
    transcripts.UtteranceCorrected,
    transcripts.TextSuppressed,
    transcripts.HotwordsMatched,
    transcripts.DecisionUndone,
    scores.ShadowCompared,
)
"""They go on from what was heard before."""

_ELSEWHERE = (transcripts.UtteranceRouted, transcripts.UtteranceHandedOn, scores.HedgeWon)


_OPEN = re.compile(r"the breaker of (.+) is open$")


def _utterance_of(event: Event) -> int | None:
    number = getattr(event, "utterance", None)
    return number if isinstance(number, int) and number > 0 else None


def _provider_of(event: Event) -> ProviderName | None:
    """Of facts about a provider, whoever's utterance it was."""
    if isinstance(event, SessionEvent) and not isinstance(event, breakers.AttemptFailed):
        return None
    name: ProviderName | None = getattr(event, "provider", None)
    return name


def _chosen(event: Event) -> ProviderName | None:
    """The provider that a session was given."""
    match event:
        case sessions.SessionConfigured(provider=provider) | sessions.SessionMoved(provider=provider):
            return provider
        case _:
            return None


def _heard_by(event: Event, own: list[Entry]) -> ProviderName | None:
    """Whose reading it is, or follows from."""
    for it in (event, *(entry.event for entry in own)):
        if isinstance(it, transcripts.UtteranceFinalized):
            return it.heard_by or it.hypothesis.provider or None
    if isinstance(event, transcripts.HypothesisRevised):
        return event.hypothesis.provider or None
    return None


def _broken(reason: str) -> ProviderName | None:
    """Whose breaker it is that a route avoids."""
    found = _OPEN.search(reason)
    return None if found is None else ProviderName(found[1])


def _endless(target: Entry) -> BadRecording:
    return BadRecording(f"more than {MOST_CAUSES} actions led to action {target.seq}: no hub wrote this recording")
