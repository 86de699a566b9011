"""What a protocol may ask of the hub beside its sessions: how it is, what it has, and what an operator changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from asr_hub.access.grant import Grant

Health = Literal["starting", "ready", "failed", "unloaded", "stopped", "retiring"]


class View(BaseModel):
    """A body of HTTP. What its fields say of themselves stands in OpenAPI too."""

    model_config = ConfigDict(use_attribute_docstrings=True)


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

    async def reload(self) -> ReloadView:
        """
        Read the configuration again, and do what it says where a running hub can. One at a time.

        Waits for engines that are new or changed to start. For ADMIN: the caller checks it. Raises Conflict (a file
        that is wrong, or none there), ProviderUnavailable (an engine does not start); then nothing has changed.
        """
        ...
