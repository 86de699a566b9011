"""What OpenAPI says of errors: one model for all, and which a route answers with."""

from __future__ import annotations

from typing import Any

from asr_hub.protocols.facts import View


class ErrorBody(View):
    """Why a request was refused."""

    code: str
    """One of docs/reference/protocol.md, for programs."""
    message: str
    """What happened and what to do, for people."""
    retryable: bool
    """Whether the same request may succeed later; `Retry-After` says when, where that is known."""


class ErrorView(View):
    """The body of every answer that is an error."""

    error: ErrorBody


_MEANINGS = {
    400: "The request is malformed; the message says where.",
    401: "No key, or the wrong one.",
    403: "The key is known, and not good for this.",
    404: "There is no such thing, or no more.",
    409: "Not as things are now; the message says why.",
    413: "The body is too large.",
    415: "Not audio that the hub can take.",
    429: "Too many requests. Come back after `Retry-After` seconds.",
    502: "The engine failed.",
    503: "No room, or the engine is not ready. Come back after `Retry-After` seconds.",
    504: "The engine gave no answer in time.",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """
    The `responses` of a route that may answer with these errors.

    It names a default as well: without one FastAPI documents a 422, which this hub never answers.
    """
    known: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorView, "description": _MEANINGS[status]} for status in statuses
    }
    return {**known, "default": {"model": ErrorView, "description": "Any other error."}}
