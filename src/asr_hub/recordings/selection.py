"""Which facts are the past of one session: its own, and those of the hub that no other session is in."""

from __future__ import annotations

from immutables import Map
from msgspec.structs import replace

from asr_hub.model import SessionId
from asr_hub.store.event import Event, SessionEvent
from asr_hub.store.root import ROOT
from asr_hub.store.slice import State
from asr_hub.store.slices import breakers, hotwords, providers, scores, sessions, system, transcripts
from asr_hub.store.slices.breakers import AttemptFailed
from asr_hub.store.slices.hotwords import HotwordsReplaced

NOBODY = SessionId("")
"""Whose utterance it was that an engine failed in, where it was that of another session."""

OF_THE_HUB: frozenset[type[Event]] = frozenset(
    {
        system.HubStarted,
        system.ProviderResolved,
        system.Reconfigured,
        system.DrainStarted,
        system.HubStopped,
        providers.ProviderStarting,
        providers.ProviderReady,
        providers.ProviderFailed,
        providers.ProviderUnloaded,
        providers.ProviderNoted,
        providers.ProviderStopped,
        providers.ProviderRetired,
        providers.ProviderRemoved,
        breakers.AttemptSucceeded,
        breakers.BreakerOpened,
        breakers.BreakerHalfOpened,
        breakers.BreakerClosed,
        breakers.BreakerReset,
        scores.ProviderPromoted,
    }
)
"""Rare, and about no session, key or file."""


def is_told_to_all(event: Event) -> bool:
    """Whether every session may be told of it; each `Selection` says what."""
    return type(event) in OF_THE_HUB or type(event) in (HotwordsReplaced, AttemptFailed)


class Selection:
    """
    What of a hub's facts and state is told of one session, which goes by `name` in it.

    The id of a session is a secret of its client, and is in nothing that is told. What is left out changes nothing of
    what is kept: the facts selected lead from a state selected to a state that `Root.reduce` gives.
    """

    def __init__(self, session: SessionId, *, name: str, principal: str = "", has_lists: bool = True) -> None:
        """`principal`: the name of the key whose hotwords it prefers. `has_lists`: with those, and everybody's."""
        self.session = session
        self.name = SessionId(name)
        self._principal = principal
        self._has_lists = has_lists

    def of(self, event: Event) -> Event | None:
        """The fact as it is told; None where it is not."""
        if isinstance(event, SessionEvent):
            if event.session == self.session:
                return replace(event, session=self.name)
            if type(event) is AttemptFailed:
                # The breakers count it, and nobody is told whose it was or what was said about it.
                return replace(event, session=NOBODY, utterance=0, message="")
            return None
        if type(event) is HotwordsReplaced:
            return event if self._has_lists and event.tenant in ("", self._principal) else None
        return event if type(event) in OF_THE_HUB else None

    def state(self, state: State) -> State:
        """What of a state the facts that follow go on from."""
        known = providers.providers.part(state)
        held = breakers.breakers.part(state)
        words = hotwords.hotwords.part(state)
        parts = {
            sessions.sessions.name: self._session(state),
            transcripts.transcripts.name: self._transcript(state),
            providers.providers.name: Map({name: replace(record, used=0) for name, record in known.items()}),
            breakers.breakers.name: Map({name: replace(one, last_message="") for name, one in held.items()}),
            hotwords.hotwords.name: self._lists(words),
            system.system.name: system.system.part(state),
        }
        return ROOT.initial.update(parts)

    def _session(self, state: State) -> Map[SessionId, sessions.Session]:
        record = sessions.select_session(state, self.session)
        return Map() if record is None else Map({self.name: replace(record, id=self.name)})

    def _transcript(self, state: State) -> Map[SessionId, transcripts.Transcript]:
        transcript = transcripts.select_transcript(state, self.session)
        return Map() if transcript is None else Map({self.name: transcript})

    def _lists(self, words: hotwords.Hotwords) -> hotwords.Hotwords:
        if not self._has_lists:
            return hotwords.Hotwords()
        theirs = words.tenants.get(self._principal)
        return replace(words, tenants=Map() if theirs is None else Map({self._principal: theirs}))
