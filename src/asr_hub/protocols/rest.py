"""REST: how the hub is, which engines it has, which sessions run. OpenAPI under /docs."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Response
from fastapi.responses import HTMLResponse

from asr_hub.access.grant import Scope
from asr_hub.protocols.admission import admitted
from asr_hub.protocols.facts import HealthView, HubFacts, ProviderView, SessionView
from asr_hub.protocols.page import PAGE
from asr_hub.protocols.port import DoorPort

_WELL = ("ready", "unloaded")
"""Health of a provider that would hear a new session."""


def router(facts: HubFacts, door: DoorPort) -> APIRouter:
    """Health for everybody; what the hub knows for those whom the door lets in."""
    api = APIRouter()

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

    @api.get("/v1/providers", dependencies=[Depends(admitted(door))])
    async def providers() -> list[ProviderView]:
        """The engines of this hub, their health and what they can do."""
        return facts.providers()

    @api.get("/v1/sessions", dependencies=[Depends(admitted(door, Scope.ADMIN))])
    async def sessions() -> list[SessionView]:
        """The live sessions."""
        return facts.sessions()

    return api
