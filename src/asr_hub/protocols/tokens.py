"""Short-lived tokens over HTTP, for whoever cannot keep a key or send a header: a page with an EventSource."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal, Protocol

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from asr_hub.access.grant import Grant, Scope
from asr_hub.access.tokens import Token
from asr_hub.errors import ProtocolError, TooLarge
from asr_hub.model import SessionId
from asr_hub.protocols.admission import admitted
from asr_hub.protocols.facts import View
from asr_hub.protocols.openapi import errors
from asr_hub.protocols.port import DoorPort

MAX_BODY_BYTES = 4096
"""Of a request."""


class TokenRequest(BaseModel):
    """What a token is to be good for."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    session: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """The id of the one session that it is good for; any where there is none."""
    scopes: Annotated[list[Literal["speak", "watch", "admin"]], Field(min_length=1, max_length=3)] = ["watch"]
    """None that the caller does not have."""
    ttl_s: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 60.0
    """How long it is good for, in seconds; at most what the hub allows."""


class TokenView(View):
    """A token. It is shown once, and cannot be taken back."""

    token: str
    """To be sent like a key, or as `?token=`."""
    expires_at: int
    """Seconds since the epoch"""


class TokenPort(Protocol):
    """What makes tokens."""

    def issue(self, grant: Grant, *, scopes: Collection[Scope], session: SessionId | None, ttl: float) -> Token:
        """A token for somebody who is in. Raises Forbidden, ProtocolError."""
        ...


def router(tokens: TokenPort, door: DoorPort) -> APIRouter:
    """`POST /v1/tokens`."""
    api = APIRouter(prefix="/v1/tokens", tags=["access"])

    @api.post(
        "",
        status_code=201,
        summary="A token for a short while",
        responses=errors(400, 401, 403, 413, 429),
        openapi_extra={"requestBody": {"content": {"application/json": {"schema": TokenRequest.model_json_schema()}}}},
    )
    async def issue(request: Request, response: Response, grant: Grant = Depends(admitted(door))) -> TokenView:
        """
        It is good for what the caller may do, or for less, and uses up the caller's allowance. It is looked at when
        somebody comes with it: a connection that is there when it expires stays.
        """
        wanted = await _read(request)
        made = tokens.issue(
            grant,
            scopes=frozenset(map(Scope, wanted.scopes)),
            session=SessionId(wanted.session) if wanted.session is not None else None,
            ttl=wanted.ttl_s,
        )
        response.headers["Cache-Control"] = "no-store"
        return TokenView(token=made.secret, expires_at=made.expires_at)

    return api


async def _read(request: Request) -> TokenRequest:
    """
    What the body asks for; an empty one asks for the defaults. Raises ProtocolError, TooLarge.

    FastAPI would read a body of any size, and before it had asked who sends it.
    """
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge(f"the body has more than {MAX_BODY_BYTES} bytes; send less")
    try:
        return TokenRequest.model_validate_json(bytes(body) or b"{}")
    except ValidationError as exc:
        # Not what was there: it may be a key in the wrong place.
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        code = "bad-json" if first["type"] == "json_invalid" else "bad-value"
        raise ProtocolError(f"{where}: {first['msg']}", code=code) from None
