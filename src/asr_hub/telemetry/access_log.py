"""One line of `access.log` for each HTTP request: who asked for what, and what came of it."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from asr_hub.telemetry import logs
from asr_hub.telemetry.log_files import ACCESS

MAX_PATH = 200
"""Characters of a path that are written."""

PRINCIPAL = "principal"
"""What the state of a request calls the name of its key: `request.state.principal`."""

_Message = MutableMapping[str, Any]
_App = Callable[[_Message, Callable[[], Awaitable[_Message]], Callable[[_Message], Awaitable[None]]], Awaitable[None]]

_SESSION = re.compile(r"(?<=/sessions/)/*([^/]+)")
_NAME = re.compile(r"[0-9a-f]{12}")

_log = logs.get(ACCESS)
_logger = logging.getLogger(ACCESS)


class AccessLog:
    """
    An ASGI application around another. The line is written when the answer has ended, however it did.

    It has no query, where a token may stand, and a session by its public name, for its id lets in who knows it.
    `status` is null where the client left before there was one.
    """

    def __init__(self, app: _App, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._clock = clock

    async def __call__(
        self, scope: _Message, receive: Callable[[], Awaitable[_Message]], send: Callable[[_Message], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http" or not _logger.isEnabledFor(logging.INFO):
            await self._app(scope, receive, send)
            return
        begun = self._clock()
        status: int | None = None
        size = 0

        async def counted(message: _Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        # Made here: what routes copy of the scope then has the same one.
        state = scope.setdefault("state", {})
        method, path = scope["method"], shown(scope["path"])
        try:
            await self._app(scope, receive, counted)
        except Exception:
            status = status or 500
            raise
        finally:
            _log.info(
                "request",
                method=method,
                path=path,
                status=status,
                ms=round((self._clock() - begun) * 1000, 1),
                bytes=size,
                principal=state.get(PRINCIPAL) or None,
            )


def shown(path: str) -> str:
    """A path as it may be written: cut where it is far too long, with the public name of a session for its id."""
    return _SESSION.sub(_public, path)[:MAX_PATH]


def _public(match: re.Match[str]) -> str:
    session = match[1]
    if _NAME.fullmatch(session):
        return session
    # As `hub.names.public_name` has it.
    return hashlib.sha256(session.encode("utf-8", "backslashreplace")).hexdigest()[:12]
