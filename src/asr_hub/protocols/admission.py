"""How HTTP carries a key, and how a route asks for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from fastapi import Request

from asr_hub.access.grant import Grant, Scope
from asr_hub.protocols.port import DoorPort

TOKEN = "token"
"""The query parameter that carries a token, for clients that cannot set a header: EventSource, browsers' WebSocket."""

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


def admitted(door: DoorPort, scope: Scope | None = None) -> Callable[[Request], Awaitable[Grant]]:
    """A FastAPI dependency: who asks, with `scope` granted. Raises Unauthorized, Forbidden, RateLimited."""

    async def admit(request: Request) -> Grant:
        grant = door.admit(secret_of(request.headers, request.query_params))
        if scope is not None:
            grant.must(scope)
        return grant

    return admit
