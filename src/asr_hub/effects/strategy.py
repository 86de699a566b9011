"""What is done with an utterance beside giving it to its engine: by the configuration, the same for all sessions."""

from __future__ import annotations

import msgspec

from asr_hub.model import ProviderName

LONGEST_BACKOFF_S = 1.0


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long an engine is waited for, and how often it is asked."""

    attempts: int = 2
    """How often one utterance is given to an engine that fails."""
    deaths: int = 8
    """
    The same, where the engine's process ended meanwhile and no other engine can hear it: that may be the fault of
    another's utterance.
    """
    backoff_s: float = 0.05
    """Seconds before it is asked again; twice as long each time, at most `LONGEST_BACKOFF_S`."""
    stall_s: float = 30.0
    """Seconds for which an engine may take no audio; then it is taken for dead and the utterance is given anew."""
    stall_with_heir_s: float = 10.0
    """The same, where another engine can hear the utterance."""
    final_rtf: float = 4.0
    """Seconds more, per second of the utterance, within which its final must come."""


class Accurate(msgspec.Struct, frozen=True, kw_only=True):
    """The second pass: the whole utterance again."""

    providers: tuple[ProviderName, ...]
    """One reads it anew; where there are more, they and the first pass vote word by word."""
    budget_s: float = 15.0


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Who hears what fits. A condition that is not set fits everything."""

    providers: tuple[ProviderName, ...]
    """In the order of preference."""
    languages: tuple[str, ...] = ()
    """BCP 47; the region does not matter."""
    max_sample_rate: int | None = None
    """Hertz of the session's audio."""
    min_waiting: int = 0
    """Utterances that wait for a slot of the default provider."""
    min_waiting_s: float = 0.0
    """How long the first of them waits, in seconds."""
    prefer: str = "order"
    """`order`, `load` (the most free slots) or `cost` (the cheapest)."""


class Identify(msgspec.Struct, frozen=True, kw_only=True):
    """Which language is spoken, where the client does not say."""

    allowed: tuple[str, ...]
    after: int = 2
    """Utterances in a row that must be heard in a language before it is taken for the session's."""
    provider: ProviderName | None = None
    """Who tells; none: whoever hears the utterance."""


class Hedge(msgspec.Struct, frozen=True, kw_only=True):
    """A second engine is asked for a final that is late."""

    provider: ProviderName
    share: float = 0.05
    """Of the finals of a provider, at most so many are asked for twice."""
    min_ms: int = 200
    """Of lateness, whatever the engine's own times say."""


class Shadow(msgspec.Struct, frozen=True, kw_only=True):
    """An engine on trial: it hears what the others hear, and nobody is told what it says."""

    provider: ProviderName
    every: int = 1
    """It hears one of so many utterances of a session."""


class Strategy(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. By default: one engine, one pass."""

    patience: Patience = Patience()
    accurate: Accurate | None = None
    corrected_by: ProviderName = ProviderName("")
    """The language model of the corrected pass."""
    corrected_budget_s: float | None = None
    """Seconds for a language model to correct a final; none where there is no such pass."""
    routes: tuple[Route, ...] = ()
    costs: dict[ProviderName, float] = {}
    """Of an hour of audio, in any unit."""
    identify: Identify | None = None
    hedge: Hedge | None = None
    shadow: Shadow | None = None
    refuse_garbage: bool = True
    suppress_phantoms: bool = True
    match_hotwords: bool = True
    polish: bool = False
    speakers: bool = False
