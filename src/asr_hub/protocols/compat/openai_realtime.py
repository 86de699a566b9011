"""Clients of OpenAI's Realtime API: `WS /v1/realtime`, and `POST /v1/realtime/client_secrets` for those in browsers."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import OrderedDict
from collections.abc import Collection
from typing import Any, Protocol

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.websockets import WebSocket

from asr_hub.access.grant import Grant, Scope
from asr_hub.access.tokens import Token
from asr_hub.errors import HubError, ProtocolError, TooLarge
from asr_hub.model import SessionId
from asr_hub.protocols.admission import secret_of
from asr_hub.protocols.compat.ports import Compat
from asr_hub.protocols.compat.websocket import chosen, converse
from asr_hub.wire.dialects.growing import Policy
from asr_hub.wire.dialects.openai_realtime import Realtime
from asr_hub.wire.dialects.openai_realtime_events import session_view
from asr_hub.wire.dialects.openai_realtime_session import BadField, Session, first, updated
from asr_hub.wire.dialects.openai_rest_answers import refusal

SUBPROTOCOL = "realtime"

KEY_SUBPROTOCOL = "openai-insecure-api-key."
"""Before the key, in a subprotocol: for browsers' WebSocket, which sets no header."""

MAX_BODY_BYTES = 64 * 1024
"""Of a request for a client secret."""

MAX_PREPARED = 1000
"""Client secrets whose settings are kept: the newest."""


class SecretsPort(Protocol):
    """What makes short-lived tokens."""

    @property
    def max_ttl(self) -> float:
        """Seconds: the longest life of a token."""
        ...

    def issue(self, grant: Grant, *, scopes: Collection[Scope], session: SessionId | None, ttl: float) -> Token:
        """A token for somebody who is in. Raises Forbidden, ProtocolError."""
        ...


class Expiry(msgspec.Struct, frozen=True):
    """When a client secret is good no more."""

    seconds: int = 600
    """From now on; as long as the hub allows where that is less."""
    anchor: str | None = None


class SecretWanted(msgspec.Struct, frozen=True):
    """The body of a request for a client secret."""

    session: dict[str, Any] = {}
    """The settings that whoever comes with it begins with."""
    expires_after: Expiry = Expiry()


def router(compat: Compat, tokens: SecretsPort, *, prefix: str, policy: Policy, stopping: asyncio.Event) -> APIRouter:
    """Both, below `prefix`."""
    api = APIRouter(prefix=f"{prefix}/v1/realtime", tags=["openai"], include_in_schema=False)
    prepared: OrderedDict[str, Session] = OrderedDict()

    @api.websocket("")
    async def realtime(ws: WebSocket) -> None:
        secret = _secret_of(ws)

        def make() -> Realtime:
            session = prepared.get(secret or "") or first(ws.query_params.get("model"))
            seed = secrets.token_hex(8)
            return Realtime(session, seed=seed, policy=policy, provider=compat.models.provider)

        await converse(
            ws,
            compat,
            make,
            protocol="realtime",
            secret=secret,
            stopping=stopping,
            subprotocol=chosen(ws, SUBPROTOCOL),
            refused=_refused,
        )

    @api.post("/client_secrets", summary="OpenAI: a key for a browser, for a short while")
    async def client_secrets(request: Request) -> Response:
        """It is one of the hub's own tokens, good for speaking alone."""
        try:
            grant = compat.door.admit(secret_of(request.headers, request.query_params))
            # For the access log.
            request.state.principal = grant.name
            wanted = await _wanted(request)
            session = updated(first(None), wanted.session)
            # JSON has whole numbers that are too large for a float.
            ttl = float(max(min(wanted.expires_after.seconds, tokens.max_ttl), 0))
            made = tokens.issue(grant, scopes=(Scope.SPEAK,), session=None, ttl=ttl)
        except HubError as error:
            return _refused(error)
        prepared[made.secret] = session
        if len(prepared) > MAX_PREPARED:
            prepared.popitem(last=False)
        view = {
            "value": made.secret,
            "expires_at": made.expires_at,
            "session": session_view(f"sess_{secrets.token_hex(8)}", session),
        }
        return Response(json.dumps(view), media_type="application/json", headers={"Cache-Control": "no-store"})

    return api


def _secret_of(ws: WebSocket) -> str | None:
    """The key of a header or of the query, else that of a subprotocol."""
    if secret := secret_of(ws.headers, ws.query_params):
        return secret
    offered: list[str] = ws.scope.get("subprotocols") or []
    keys = (one.removeprefix(KEY_SUBPROTOCOL) for one in offered if one.startswith(KEY_SUBPROTOCOL))
    return next(keys, None)


async def _wanted(request: Request) -> SecretWanted:
    """What the body asks for. Raises ProtocolError, TooLarge."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge(f"the body has more than {MAX_BODY_BYTES} bytes; send less")
    try:
        return msgspec.json.decode(bytes(body) or b"{}", type=SecretWanted)
    except msgspec.ValidationError as exc:
        # The value is not told: it may be a key in the wrong place.
        reason, _, path = str(exc).partition(" - at `$.")
        raise BadField(reason, param=path.rstrip("`")) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProtocolError("the body is not JSON", code="invalid-json") from None


def _refused(error: HubError) -> Response:
    """An error in OpenAI's shape; its clients find no message in another."""
    number, headers, body = refusal(error)
    return Response(body, number, headers, media_type="application/json")
