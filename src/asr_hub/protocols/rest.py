"""REST: how the hub is, which engines it has, which sessions run. OpenAPI under /docs."""

from __future__ import annotations

from typing import Literal, Protocol

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel

from asr_hub import __version__
from asr_hub.errors import (
    ClientError,
    Conflict,
    HubError,
    NotFound,
    Overloaded,
    ProviderError,
    RateLimited,
    TooLarge,
    Unauthorized,
)
from asr_hub.protocols.page import PAGE


class ProviderView(BaseModel):
    """One engine, as the store has it."""

    name: str
    kind: str
    health: Literal["starting", "ready", "failed", "unloaded", "stopped"]
    is_default: bool
    slots_used: int
    slots: int
    error: str | None = None
    """Why it is not ready, and what to do."""
    note: str | None = None
    """What people should know of it, though it goes on."""
    capabilities: dict[str, object] | None = None


class SessionView(BaseModel):
    """One live session. Its id is a secret of its client and is not shown whole."""

    session: str
    phase: str
    provider: str
    protocol: str
    opened_at: float
    audio_seconds: float
    utterances: int
    viewers: int


class HealthView(BaseModel):
    status: Literal["ok", "degraded", "draining"]
    version: str
    sessions: int
    max_sessions: int
    default_provider: str
    resolved: str | None = None
    """What `auto` was resolved to, and why."""
    providers: dict[str, str]


_WELL = ("ready", "unloaded")
"""Health of a provider that would hear a new session."""


class HubFacts(Protocol):
    """What REST can ask of the hub."""

    def health(self) -> HealthView: ...

    def providers(self) -> list[ProviderView]: ...

    def sessions(self) -> list[SessionView]: ...


_STATUS: tuple[tuple[type[HubError], int], ...] = (
    (Unauthorized, 401),
    (NotFound, 404),
    (Conflict, 409),
    (TooLarge, 413),
    (RateLimited, 429),
    (Overloaded, 503),
    (ClientError, 400),
    (ProviderError, 502),
    (HubError, 500),
)


def status_of(error: HubError) -> int:
    """The HTTP status of an error: the first class above that it belongs to."""
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def application(facts: HubFacts) -> FastAPI:
    """The HTTP side of the hub's port."""
    api = FastAPI(
        title="ASR Hub",
        version=__version__,
        description="Live transcripts are on the WebSocket `/v1/stream`; see docs/reference/protocol.md.",
    )

    @api.exception_handler(HubError)
    async def refused(request: Request, error: HubError) -> JSONResponse:
        headers = {"Retry-After": str(round(error.retry_after))} if error.retry_after is not None else None
        body = {"error": {"code": error.code, "message": str(error), "retryable": error.retryable}}
        return JSONResponse(body, status_of(error), headers)

    @api.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def page() -> str:
        return PAGE

    @api.get("/health")
    async def health() -> HealthView:
        """How the hub is. Answers 200 as long as the process lives."""
        return facts.health()

    @api.get(
        "/ready", responses={503: {"description": "Not ready: the default provider is not up, or the hub drains."}}
    )
    async def ready(response: Response) -> HealthView:
        """Whether a new session would be heard now: 200, or 503."""
        view = facts.health()
        if view.status == "draining" or view.providers.get(view.default_provider) not in _WELL:
            response.status_code = 503
        return view

    @api.get("/v1/providers")
    async def providers() -> list[ProviderView]:
        """The engines of this hub, their health and what they can do."""
        return facts.providers()

    @api.get("/v1/sessions")
    async def sessions() -> list[SessionView]:
        """The live sessions."""
        return facts.sessions()

    return api
