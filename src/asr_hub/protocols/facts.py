"""What a protocol may ask of the hub beside its sessions: how it is, what it has, and what an operator changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from asr_hub.access.grant import Grant

Health = Literal["starting", "ready", "failed", "unloaded", "stopped", "retiring"]


class View(BaseModel):
    """A body of HTTP. What its fields say of themselves stands in OpenAPI too."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class BreakerView(View):
    """Whether utterances go to an engine. One that keeps failing is passed over for a pause."""

    state: Literal["closed", "open", "half-open"]
    """They do while it is closed."""
    until: float | None = None
    """Seconds since the epoch: while it is open, when a clip with a known answer is tried."""
    reason: str | None = None
    """Of the last opening"""
    last_code: str | None = None
    """Of the last failure, as errors are called on the wire."""
    openings: int = 0


class ScoreView(View):
    """How an engine does, since the hub started."""

    finals: int
    p50_ms: int | None = None
    """From the end of an utterance to its final: half of the last 100 were as fast; none before there are 20."""
    p95_ms: int | None = None
    """Likewise, 95 of 100."""
    hedged: int = 0
    """Finals that were late, so that another engine was asked besides."""
    lost: int = 0
    """Of these, those in which the other one answered first."""
    won: int = 0
    """Finals of others that this one was asked for besides and answered first."""
    skipped: int = 0
    """Utterances that it should have heard on trial and did not."""
    promoted_at: float | None = None
    """Seconds since the epoch"""


class ComparisonView(View):
    """An engine on trial beside one that clients hear."""

    primary: str
    """The one that clients hear; what it says is taken for right."""
    utterances: int
    words: int
    """Of the primary"""
    wer: float | None = None
    """Word errors per word of the primary."""
    cer: float | None = None
    """Likewise, of characters."""
    latency_ms: float | None = None
    """The mean of the last 100; the one on trial hears whole utterances, as fast as it can."""
    primary_latency_ms: float | None = None


class ProviderView(View):
    """One engine, as the store has it."""

    name: str
    kind: str
    health: Health
    is_default: bool
    slots_used: int
    slots: int
    error: str | None = None
    """Why it is not ready, and what to do."""
    note: str | None = None
    """What people should know of it, though it goes on."""
    capabilities: dict[str, object] | None = None
    is_shadow: bool = False
    """It is on trial: it hears what the others hear, and no client is told what it says."""
    breaker: BreakerView | None = None
    """None where it never failed."""
    score: ScoreView | None = None
    """None before it said anything."""
    comparisons: list[ComparisonView] = []
    """Of one that is or was on trial, with each that it was compared to."""


class FormatView(View):
    """How a session's raw audio is written."""

    sample_rate: int
    """Hertz"""
    channels: int
    encoding: str


class SessionView(View):
    """One live session. Its id is a secret of its client and is never shown; `name` is good for looking at it only."""

    name: str
    phase: str
    provider: str
    protocol: str
    """Of the connection that opened it."""
    format: FormatView
    language: str | None = None
    """BCP 47"""
    hotwords: int
    """How many it has of its own."""
    opened_at: float
    """Seconds since the epoch"""
    updated_at: float
    """Seconds since the epoch: the last fact about it."""
    audio_seconds: float
    """Of audio that the hub has taken."""
    heard_seconds: float
    """Where in the audio somebody was last heard."""
    utterances: int
    pending: int
    """Utterances that are over and have no final yet."""
    has_publisher: bool
    viewers: int
    warnings: int
    principal: str | None = None
    """The name of the key it was opened with; told to administrators."""


class SuppressedView(View):
    """What the engine said and the hub kept back, as nobody said it."""

    text: str
    reason: str
    is_undone: bool
    """Somebody wanted it all the same."""


class ReplacementView(View):
    """A hotword in the place of words that sound like it."""

    heard: str
    hotword: str
    similarity: float
    """0 to 1"""
    position: int
    """Of the first word, from 0, in what the engine said."""
    is_undone: bool
    """Somebody wanted what the engine said."""


class ReadingView(View):
    """What one look at an utterance read."""

    text: str
    provider: str
    pass_name: Literal["fast", "accurate", "corrected"]
    revision: int


class FailureView(View):
    """An engine that gave up on an utterance, or a later pass that came to nothing."""

    provider: str
    code: str
    message: str
    retryable: bool


class UtteranceView(View):
    """What was said in one utterance that has its final, in the latest reading."""

    number: int
    text: str
    start_ms: int
    """Milliseconds of audio since the session began."""
    end_ms: int
    language: str | None = None
    provider: str
    reason: str | None = None
    """Why it ended."""
    latency_ms: int | None = None
    """From the end of the utterance's audio to its final."""
    speaker: str | None = None
    """Who speaks: `1` is who spoke first in the session."""
    routed: str | None = None
    """Why another engine than the session's heard it."""
    suppressed: SuppressedView | None = None
    replacements: list[ReplacementView] = []
    """Hotwords that the hub put in for an engine that knows none."""
    readings: list[ReadingView] = []
    """The final, and the last revisions of it, oldest first."""
    failures: list[FailureView] = []


class SessionDetails(SessionView):
    """One live session; what was said in it for those only who know its id."""

    transcript: list[UtteranceView] | None = None
    """The finals so far, at most the last 1000; none for who asked by name."""


class HealthView(View):
    """How the hub is."""

    status: Literal["ok", "degraded", "draining"]
    version: str
    sessions: int
    max_sessions: int
    default_provider: str
    resolved: str | None = None
    """What `auto` was resolved to, and why."""
    providers: dict[str, str]
    warning: str | None = None
    """What whoever runs the hub should mend, such as a port that is open to everybody."""


class HotwordView(View):
    """A word with a weight."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    text: str
    weight: float = 1.0
    """From 0.1 to 10: how many times as much as others it is preferred, where the engine can."""


class HotwordsView(View):
    """Words to prefer in every session, or in those of one key, beside their own."""

    hotwords: list[str | HotwordView]
    """A text alone has the weight 1."""

    @classmethod
    def of(cls, words: Mapping[str, float]) -> HotwordsView:
        return cls(
            hotwords=[word if weight == 1 else HotwordView(text=word, weight=weight) for word, weight in words.items()]
        )

    def weights(self) -> dict[str, float]:
        """Of each word, in order; of two that are the same the first."""
        words: dict[str, float] = {}
        for given in self.hotwords:
            text, weight = (given, 1.0) if isinstance(given, str) else (given.text, given.weight)
            words.setdefault(text, weight)
        return words


class TenantsView(View):
    """The keys that have hotwords of their own."""

    tenants: list[str]
    """Their names"""


class ReloadView(View):
    """What a configuration that was read again changed."""

    applied: list[str]
    """Keys whose new values hold now."""
    needs_restart: list[str]
    """Keys whose new values will hold after a restart."""


class HubFacts(Protocol):
    """What an operator can ask of the hub. A `name` is a session's public name, or its whole id for who knows it."""

    def health(self) -> HealthView: ...

    def providers(self) -> list[ProviderView]: ...

    def sessions(self) -> list[SessionView]:
        """The live ones, oldest first. For ADMIN: the caller checks it."""
        ...

    def session(self, name: str, grant: Grant) -> SessionDetails:
        """
        One live session: by id with WATCH, and with what was said; by name with ADMIN, without.

        Raises NotFound, Forbidden.
        """
        ...

    def close(self, name: str, grant: Grant) -> SessionView:
        """
        Ask a session to finish what was said, and close: by id for the key that opened it, or by either with ADMIN.

        Returns at once. Raises NotFound, Forbidden.
        """
        ...

    def undo(self, name: str, utterance: int, grant: Grant) -> SessionView:
        """
        Tell everybody attached what the engine said, without what the hub kept back or put in its place.

        By id for the key that opened the session, or by either with ADMIN. Raises NotFound, Forbidden, Conflict (there
        is nothing to undo).
        """
        ...

    def promote(self, name: str) -> ProviderView:
        """
        Make a provider the default in the place of the former.

        For ADMIN: the caller checks it. Raises NotFound, ProviderUnavailable, Conflict (it is the default already).
        """
        ...

    def hotwords(self, tenant: str = "") -> Mapping[str, float]:
        """Those of every session, or of the sessions of the key named `tenant`, in order; each with its weight."""
        ...

    def tenants(self) -> Sequence[str]:
        """The names of the keys that have hotwords of their own."""
        ...

    def set_hotwords(self, words: Mapping[str, float], tenant: str = "") -> Mapping[str, float]:
        """
        Put these in the place of those; running sessions hear with them from their next utterance on.

        For ADMIN: the caller checks it. Raises ProtocolError.
        """
        ...

    def config(self) -> Mapping[str, Any]:
        """
        The configuration in force, as the last reload left it, with every secret covered.

        For ADMIN: the caller checks it.
        """
        ...

    async def reload(self) -> ReloadView:
        """
        Read the configuration again, and do what it says where a running hub can. One at a time.

        Waits for engines that are new or changed to start. For ADMIN: the caller checks it. Raises Conflict (a file
        that is wrong, or none there), ProviderUnavailable (an engine does not start); then nothing has changed.
        """
        ...
