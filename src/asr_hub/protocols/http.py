"""The HTTP side of the hub's port: the routes of several files under one roof, and one shape of error for all."""

from __future__ import annotations

import json
import math

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from asr_hub import __version__
from asr_hub.errors import HubError, ProtocolError, Unauthorized
from asr_hub.protocols.openapi import errors
from asr_hub.wire.status import status


def application(*routers: APIRouter) -> FastAPI:
    """An ASGI application with these routes. OpenAPI is at /openapi.json, its pages at /docs."""
    api = FastAPI(
        title="ASR Hub",
        version=__version__,
        description="Live transcripts are on the WebSocket `/v1/stream`; see docs/reference/protocol.md.",
        responses=errors(),
    )
    api.add_exception_handler(HubError, _refused)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(HTTPException, _unrouted)
    for router in routers:
        api.include_router(router)
    return api


def answer(error: HubError) -> Response:
    """An error as HTTP tells it: its status, `Retry-After` in whole seconds, and a body with its code and message."""
    number, headers, body = told(error)
    return Response(body, number, headers, media_type="application/json")


def told(error: HubError) -> tuple[int, dict[str, str], bytes]:
    """
    The status, the headers and the JSON body of `answer`, for whoever answers without an application.

    401 names the way to bring a key (RFC 6750, 3).
    """
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = 'Bearer realm="asr-hub"'
    body = {"error": {"code": error.code, "message": str(error), "retryable": error.retryable}}
    return status(error).http, headers, json.dumps(body).encode()


async def _refused(request: Request, error: Exception) -> Response:
    return answer(error if isinstance(error, HubError) else HubError(str(error)))


async def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        return answer(HubError(str(error)))
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return answer(ProtocolError(f"{where}: {first['msg']}", code="bad-value"))


async def _unrouted(request: Request, error: Exception) -> Response:
    """No route, or none for this method: what Starlette says of itself, in the shape of all errors."""
    if not isinstance(error, HTTPException):
        return answer(HubError(str(error)))
    codes = {404: "not-found", 405: "method-not-allowed"}
    message = f"{error.detail}: {request.method} {request.url.path[:_MAX_PATH]}; /docs has what there is"
    body = {"error": {"code": codes.get(error.status_code, "protocol"), "message": message, "retryable": False}}
    return Response(json.dumps(body), error.status_code, error.headers, media_type="application/json")


_MAX_PATH = 100
"""Characters of a path that are told back."""
