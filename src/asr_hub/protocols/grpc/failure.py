"""An error as gRPC tells it: a status, and the details that google.rpc has for it."""

from __future__ import annotations

from typing import Any, NoReturn

import grpc
from google.rpc import error_details_pb2, status_pb2

from asr_hub.errors import HubError
from asr_hub.wire.status import status

DOMAIN = "asr-hub"
"""Of the reasons in ErrorInfo."""

_MAX_TEXT = 500
"""Characters: a status travels twice, percent-encoded, in headers for which peers keep 8 KiB."""


async def abort(context: Any, error: HubError) -> NoReturn:
    """
    End a call with the status of an error. Raises what ends the call.

    `grpc-status-details-bin` says more: ErrorInfo has the error's code as its reason, RetryInfo the time to come back.
    """
    code = getattr(grpc.StatusCode, status(error).grpc)
    text = shortened(str(error))
    told = status_pb2.Status(code=code.value[0], message=text)
    info = error_details_pb2.ErrorInfo(reason=error.code, domain=DOMAIN)
    info.metadata["retryable"] = "true" if error.retryable else "false"
    told.details.add().Pack(info)
    if error.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(error.retry_after * 1000))
        told.details.add().Pack(retry)
    await context.abort(code, text, (("grpc-status-details-bin", told.SerializeToString()),))
    raise error


def shortened(text: str) -> str:
    """At most `_MAX_TEXT` characters: the beginning and the end."""
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT // 2]}…{text[1 - _MAX_TEXT // 2 :]}"
