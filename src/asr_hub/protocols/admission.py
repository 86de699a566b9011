"""How HTTP and WebSocket carry a key, and how a route asks for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl

from fastapi import Request

from asr_hub.access.grant import Grant, Scope
from asr_hub.errors import ProtocolError
from asr_hub.protocols.port import DoorPort

TOKEN = "token"
"""The query parameter that carries a token, for clients that cannot set a header: EventSource, browsers' WebSocket."""

SUBPROTOCOL_KEY = "asr-hub.key"
"""The subprotocol that says: the next one offered is a key or token. For browsers' WebSocket, which sets no header."""

MAX_FIELDS = 64
"""Parameters of a query."""

_SCHEMES = ("bearer", "token")


def secret_of(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """
    The key or token of a request: `Authorization: Bearer KEY` (or `Token KEY`), `X-API-Key: KEY`, or `?token=TOKEN`.

    RFC 6750, 2.1 and 2.3. The names of `headers` are in lower case, or looked up without regard to it.
    """
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower().rstrip(";") in _SCHEMES and value.strip():
        return value.strip()
    return headers.get("x-api-key") or query.get(TOKEN) or None


def offered_secret(subprotocols: str) -> str | None:
    """The key or token in a `Sec-WebSocket-Protocol`: what follows `asr-hub.key`."""
    offered = [one.strip() for one in subprotocols.split(",")]
    if SUBPROTOCOL_KEY not in offered:
        return None
    return next(iter(offered[offered.index(SUBPROTOCOL_KEY) + 1 :]), None) or None


def query_of(query: str) -> dict[str, str]:
    """The parameters of a request's query, the last of each name. Raises ProtocolError for far too many."""
    try:
        return dict(parse_qsl(query, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise ProtocolError(f"more than {MAX_FIELDS} parameters in the query; send fewer", code="bad-value") from None


def admitted(door: DoorPort, scope: Scope | None = None) -> Callable[[Request], Awaitable[Grant]]:
    """A FastAPI dependency: who asks, with `scope` granted. Raises Unauthorized, Forbidden, RateLimited."""

    async def admit(request: Request) -> Grant:
        grant = door.admit(secret_of(request.headers, request.query_params))
        # For the access log.
        request.state.principal = grant.name
        if scope is not None:
            grant.must(scope)
        return grant

    return admit


def roaming(door: DoorPort, scope: Scope) -> Callable[[Request], Awaitable[Grant]]:
    """The same for what concerns more than one session: a grant for one session is refused with Forbidden."""
    admit = admitted(door, scope)

    async def admit_roaming(request: Request) -> Grant:
        grant = await admit(request)
        grant.must_roam()
        return grant

    return admit_roaming
