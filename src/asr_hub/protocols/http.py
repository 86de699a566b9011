"""The HTTP side of the hub's port: the routes of several files under one roof, and one shape of error for all."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from asr_hub import __version__
from asr_hub.errors import HubError, ProtocolError
from asr_hub.wire.status import status


def application(*routers: APIRouter) -> FastAPI:
    """An ASGI application with these routes. OpenAPI is at /openapi.json, its pages at /docs."""
    api = FastAPI(
        title="ASR Hub",
        version=__version__,
        description="Live transcripts are on the WebSocket `/v1/stream`; see docs/reference/protocol.md.",
    )
    api.add_exception_handler(HubError, _refused)
    api.add_exception_handler(RequestValidationError, _invalid)
    for router in routers:
        api.include_router(router)
    return api


def answer(error: HubError) -> JSONResponse:
    """An error as HTTP tells it: its status, `Retry-After` in whole seconds, and a body with its code and message."""
    headers: Mapping[str, str] | None = None
    if error.retry_after is not None:
        headers = {"Retry-After": str(round(error.retry_after))}
    body = {"error": {"code": error.code, "message": str(error), "retryable": error.retryable}}
    return JSONResponse(body, status(error).http, headers)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    return answer(error if isinstance(error, HubError) else HubError(str(error)))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        return answer(HubError(str(error)))
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return answer(ProtocolError(f"{where}: {first['msg']}", code="bad-value"))
