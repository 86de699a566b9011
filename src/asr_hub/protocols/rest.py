"""REST: how the hub is, which engines it has, which sessions run, and what an operator changes. OpenAPI under /docs."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from asr_hub.access.grant import Grant, Scope
from asr_hub.errors import ProtocolError, TooLarge
from asr_hub.protocols.admission import admitted, roaming
from asr_hub.protocols.facts import (
    HealthView,
    HotwordsView,
    HubFacts,
    ProviderView,
    ReloadView,
    SessionDetails,
    SessionView,
    TenantsView,
)
from asr_hub.protocols.openapi import errors
from asr_hub.protocols.port import DoorPort

MAX_BODY_BYTES = 1 << 20
"""Of a JSON body: as many hotwords as there may be, escaped, have room in it."""

_WELL = ("ready", "unloaded")
"""Health of a provider that would hear a new session."""

_Name = Annotated[str, Path(description="The session's public `name`, or its whole id.", examples=["3f9c0a17be52"])]

_Number = Annotated[int, Path(description="The utterance's `number`, from 1.", ge=1)]

_Provider = Annotated[str, Path(description="The provider's name in the configuration.", examples=["whisper"])]

_Tenant = Annotated[str, Path(description="The name of an API key, or the `sub` of tokens.", examples=["mobile-app"])]

_HOTWORDS_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/HotwordsView"}}},
    }
}


def router(facts: HubFacts, door: DoorPort) -> APIRouter:
    """Health for everybody; what the hub knows for those whom the door lets in."""
    api = APIRouter(generate_unique_id_function=attrgetter("name"))
    _add_health(api, facts)
    _add_sessions(api, facts, door)
    _add_operation(api, facts, door)
    return api


def _add_health(api: APIRouter, facts: HubFacts) -> None:
    @api.get("/health", tags=["hub"], summary="How the hub is")
    async def health() -> HealthView:
        """Answers 200 as long as the process lives."""
        return facts.health()

    @api.get(
        "/ready",
        tags=["hub"],
        summary="Whether a new session would be heard now",
        responses={
            503: {
                "model": HealthView,
                "description": "Not ready: the default provider is not up, or the hub drains.",
            }
        },
    )
    async def ready(response: Response) -> HealthView:
        """200, or 503 with the same body."""
        view = facts.health()
        if view.status == "draining" or view.providers.get(view.default_provider) not in _WELL:
            response.status_code = 503
        return view


def _add_sessions(api: APIRouter, facts: HubFacts, door: DoorPort) -> None:
    @api.get(
        "/v1/sessions",
        tags=["sessions"],
        summary="The live sessions",
        responses=errors(401, 403, 429),
        dependencies=[Depends(roaming(door, Scope.ADMIN))],
    )
    async def sessions() -> list[SessionView]:
        """Oldest first. Needs the scope `admin`."""
        return facts.sessions()

    @api.get(
        "/v1/sessions/{session}",
        tags=["sessions"],
        summary="One live session",
        responses=errors(401, 403, 404, 429),
    )
    async def session(session: _Name, grant: Grant = Depends(admitted(door))) -> SessionDetails:
        """
        By its id, which only its client knows, with what was said so far: needs the scope `watch`. By its name,
        without: needs `admin`.
        """
        return facts.session(session, grant)

    @api.delete(
        "/v1/sessions/{session}",
        tags=["sessions"],
        summary="Close a session",
        status_code=202,
        responses=errors(401, 403, 404, 429),
    )
    async def close(session: _Name, grant: Grant = Depends(admitted(door))) -> SessionView:
        """
        What was said until now is heard to its end; then the session closes, and everybody attached is told. For the
        key that opened it, by id, and for the scope `admin`, by name or id.
        """
        return facts.close(session, grant)

    @api.post(
        "/v1/sessions/{session}/utterances/{number}/undo",
        tags=["sessions"],
        summary="Take back what the hub made of an utterance",
        status_code=202,
        responses=errors(400, 401, 403, 404, 409, 429),
    )
    async def undo(session: _Name, number: _Number, grant: Grant = Depends(admitted(door))) -> SessionView:
        """
        Everybody attached is told, as a `revision`, what the engine said: with the text that the hub kept back, and
        without the hotwords that it put in. For the key that opened the session, by id, and for the scope `admin`, by
        name or id. 409 where the hub changed nothing, or it is undone already.
        """
        return facts.undo(session, number, grant)


def _add_operation(api: APIRouter, facts: HubFacts, door: DoorPort) -> None:
    @api.get(
        "/v1/providers",
        tags=["hub"],
        summary="The engines of this hub",
        responses=errors(401, 429),
        dependencies=[Depends(admitted(door))],
    )
    async def providers() -> list[ProviderView]:
        """Their health, what they can do, how they do, and whether utterances go to them now."""
        return facts.providers()

    @api.post(
        "/v1/providers/{name}/promote",
        tags=["operation"],
        summary="Make an engine the default",
        responses=errors(401, 403, 404, 409, 429, 503),
        dependencies=[Depends(roaming(door, Scope.ADMIN))],
    )
    async def promote(name: _Provider) -> ProviderView:
        """
        New sessions that name no provider are heard by it, and so are those that run, from their next utterance on. One
        that was on trial changes places with the former default. It holds until the configuration is read again, or the
        hub ends. Needs the scope `admin`.
        """
        return facts.promote(name)

    @api.get(
        "/v1/hotwords",
        tags=["operation"],
        summary="The hotwords of every session",
        responses=errors(401, 403, 429),
        dependencies=[Depends(roaming(door, Scope.ADMIN))],
    )
    async def hotwords() -> HotwordsView:
        """Beside those, a session has its own, and those of its key. Needs the scope `admin`."""
        return HotwordsView.of(facts.hotwords())

    @api.put(
        "/v1/hotwords",
        tags=["operation"],
        summary="Replace the hotwords of every session",
        responses=errors(400, 401, 403, 413, 429),
        dependencies=[Depends(roaming(door, Scope.ADMIN))],
        openapi_extra=_HOTWORDS_BODY,
    )
    async def set_hotwords(request: Request) -> HotwordsView:
        """
        At most 500, of 1 to 100 printable characters; sessions that run hear with them from their next utterance on.
        They hold until they are replaced again or the hub ends. Needs the scope `admin`.
        """
        # Read here and not by FastAPI, which takes a body of any size, and before it has asked who sends it.
        wanted = _words(await _body(request))
        return HotwordsView.of(facts.set_hotwords(wanted))

    @api.get(
        "/v1/hotwords-of",
        tags=["operation"],
        summary="Which keys have hotwords of their own",
        responses=errors(401, 403, 429),
        dependencies=[Depends(roaming(door, Scope.ADMIN))],
    )
    async def tenants() -> TenantsView:
        """By name. Needs the scope `admin`."""
        return TenantsView(tenants=list(facts.tenants()))

    @api.get(
        "/v1/hotwords/{tenant:path}",
        tags=["operation"],
        summary="The hotwords of one key's sessions",
        responses=errors(401, 403, 429),
        dependencies=[Depends(roaming(door, Scope.ADMIN))],
    )
    async def hotwords_of(tenant: _Tenant) -> HotwordsView:
        """Empty where it has none of its own. Needs the scope `admin`."""
        return HotwordsView.of(facts.hotwords(tenant))

    @api.put(
        "/v1/hotwords/{tenant:path}",
        tags=["operation"],
        summary="Replace the hotwords of one key's sessions",
        responses=errors(400, 401, 403, 413, 429),
        dependencies=[Depends(roaming(door, Scope.ADMIN))],
        openapi_extra=_HOTWORDS_BODY,
    )
    async def set_hotwords_of(request: Request, tenant: _Tenant) -> HotwordsView:
        """
        Of the sessions that this key has opened and will open; as `PUT /v1/hotwords` otherwise. An empty list takes
        them away. Needs the scope `admin`.
        """
        wanted = _words(await _body(request))
        return HotwordsView.of(facts.set_hotwords(wanted, tenant))

    @api.get(
        "/v1/config",
        tags=["operation"],
        summary="The configuration in force",
        responses=errors(401, 403, 429),
        dependencies=[Depends(roaming(door, Scope.ADMIN))],
    )
    async def config() -> dict[str, Any]:
        """
        Every key with its value, as the last reload left it; what was promoted and which hotwords were replaced since
        stands elsewhere. Secrets are covered. Needs the scope `admin`.
        """
        return dict(facts.config())

    @api.post(
        "/v1/config/reload",
        tags=["operation"],
        summary="Read the configuration again",
        responses=errors(401, 403, 409, 429, 503),
        dependencies=[Depends(roaming(door, Scope.ADMIN))],
    )
    async def reload() -> ReloadView:
        """
        Answers when everything that a running hub can take is in force, engines that are new or changed included: that
        may take as long as their start. What is wrong is told with 409, and then nothing has changed. Needs the scope
        `admin`.
        """
        return await facts.reload()


async def _body(request: Request) -> bytes:
    """Raises TooLarge, ProtocolError where it broke off."""
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY_BYTES:
                raise TooLarge(f"the body has more than {MAX_BODY_BYTES} bytes; send less")
    except ClientDisconnect:
        raise ProtocolError("the body broke off") from None
    return bytes(body)


def _words(body: bytes) -> dict[str, float]:
    """Raises ProtocolError."""
    try:
        return HotwordsView.model_validate_json(body, strict=True).weights()
    except ValidationError as exc:
        first: Any = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise ProtocolError(
            f'{where}: {first["msg"]}; send {{"hotwords": ["word", {{"text": "word", "weight": 2}}, …]}}',
            code="bad-json" if first["type"] == "json_invalid" else "bad-value",
        ) from None
