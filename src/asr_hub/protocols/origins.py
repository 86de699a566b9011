"""Which web pages may talk to the hub: one rule for WebSocket, HTTP and Socket.IO."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from asr_hub.errors import Forbidden, HubError
from asr_hub.protocols.http import answer

ANY = "*"
"""In the list of allowed origins: every page there is."""


class Pages:
    """
    Web pages that may use the hub, by their origins.

    Without a list those are the pages of this machine, on any port, and the hub's own. The name under which its own
    page was opened is not trusted where anybody is let in: whoever owns a name can have it lead to this machine, and
    be the same origin then (DNS rebinding). The address itself is, and any name where nobody gets in without a key.
    """

    def __init__(self, origins: Iterable[str] | None = None, *, is_locked: Callable[[], bool] = lambda: False) -> None:
        """`is_locked`: nobody gets in without a key."""
        self._origins = None if origins is None else frozenset(origins)
        self._is_locked = is_locked

    def accept(self, origin: str | None, host: str | None) -> bool:
        """
        Whether a request with this `Origin` and `Host` is to be served.

        Without an origin the client is no browser: it could send whatever it likes, so it is not asked. `null`, the
        origin of files and sandboxes, is nobody's.
        """
        if origin is None:
            return True
        if self._origins is not None:
            return ANY in self._origins or origin in self._origins
        if _LOCAL_PAGE.fullmatch(origin) is not None:
            return True
        page = _PAGE.fullmatch(origin)
        if page is None or host is None or page["authority"] != host.lower():
            return False
        return self._is_locked() or _is_address(page["host"])

    def check(self, origin: str | None, host: str | None) -> None:
        """Raises Forbidden for a page that is not accepted."""
        if not self.accept(origin, host):
            raise Forbidden(
                "this web page may not use the hub; add its origin to `server.origins` of the hub's configuration",
                code="foreign-origin",
            )


class OriginGate:
    """
    ASGI around an application: tells browsers which pages may read its answers (CORS), and refuses the other pages.

    A page that may not use the hub can change nothing here, and opens no WebSocket. It can still send a GET, as a link
    can, and cannot read what comes. Nothing is buffered, so that streams stay streams.
    """

    def __init__(self, app: ASGIApp, pages: Pages) -> None:
        self._app = app
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = _only(scope, b"origin")
        if origin is None:
            await self._app(scope, receive, send)
        elif not self._pages.accept(origin, _only(scope, b"host")):
            await self._refuse(scope, receive, send, origin)
        elif scope["type"] == "http" and _is_preflight(scope):
            await _preflight(scope, origin)(scope, receive, send)
        else:
            await self._app(scope, receive, _readable(send, origin))

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, origin: str) -> None:
        if scope["type"] == "http" and scope["method"] in _SAFE and not _is_preflight(scope):
            await self._app(scope, receive, send)
            return
        try:
            self._pages.check(origin, _only(scope, b"host"))
        except HubError as error:
            response = answer(error)
            if scope["type"] == "websocket":
                await WebSocket(scope, receive, send).send_denial_response(response)
            else:
                await response(scope, receive, send)


_SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing (RFC 9110, 9.2.1)."""

_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"

_READABLE = "Retry-After, WWW-Authenticate, Location"
"""Headers of an answer that a page may read."""

_LOCAL_PAGE = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.ASCII)


_PAGE = re.compile(r"https?://(?P<authority>(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?)", re.ASCII)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _only(scope: Scope, wanted: bytes) -> str | None:
    """A header; more than one is none that anybody allowed."""
    if scope["type"] not in ("http", "websocket"):
        return None
    given = [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]
    return ", ".join(given) if given else None


def _is_preflight(scope: Scope) -> bool:
    """A browser asks whether a page may send a request (Fetch, 3.3.2)."""
    return scope["method"] == "OPTIONS" and b"access-control-request-method" in dict(scope["headers"])


def _preflight(scope: Scope, origin: str) -> Response:
    wanted = dict(scope["headers"]).get(b"access-control-request-headers", b"authorization, content-type")
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": wanted.decode("latin-1"),
            "Access-Control-Max-Age": "600",
            "Vary": "Origin, Access-Control-Request-Headers",
        },
    )


def _readable(send: Send, origin: str) -> Send:
    async def passing(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = _READABLE
            headers.add_vary_header("Origin")
        await send(message)

    return passing
