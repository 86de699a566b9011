"""How the server ended a gRPC call."""

from __future__ import annotations

from collections.abc import Coroutine
from importlib import import_module
from typing import Any


class FirstStatus:
    """
    The first status that a call of grpc.aio has, which is the server's.

    A write that fails after it makes the client replace it by INTERNAL, so that the reason of a refusal is lost:
    https://github.com/grpc/grpc/issues/36066
    """

    def __init__(self, call: Any) -> None:  # grpc.aio.Call: the SDK is not importable before the start
        self._kept: tuple[Any, ...] = ()
        call.add_done_callback(self._keep)

    @property
    def is_ok(self) -> bool:
        return bool(self._kept) and self._kept[0].name == "OK"

    def error(self, raised: Exception) -> Exception:
        """What `raised` by the call should have been, as an error of google.api_core."""
        if self._kept:
            code, details, trailing = self._kept
            aio = import_module("grpc.aio")
            raised = aio.AioRpcError(code, aio.Metadata(), trailing or aio.Metadata(), details=details)
        error: Exception = import_module("google.api_core.exceptions").from_grpc_error(raised)
        return error

    def _keep(self, call: Any) -> None:
        if not self._kept:
            self._kept = tuple(_result(ask) for ask in (call.code(), call.details(), call.trailing_metadata()))


def _result(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine gives that has nothing to wait for: the call is done. A task would be too late."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    return None
