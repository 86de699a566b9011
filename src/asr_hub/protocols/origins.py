"""Which web pages may talk to the hub: one rule for WebSocket, HTTP and Socket.IO."""

from __future__ import annotations

import re
from collections.abc import Collection

from asr_hub.errors import Forbidden

ANY = "*"
"""In the list of allowed origins: every page there is."""


def is_accepted(origin: str | None, allowed: Collection[str] | None) -> bool:
    """
    Whether a request with this `Origin` is to be served.

    `None` is a client that is no browser: it could send whatever it likes, so it is not asked. Without a list the pages
    of this machine are allowed, on any port. `null`, the origin of files and sandboxes, is nobody's.
    """
    if origin is None:
        return True
    if allowed is None:
        return _LOCAL_PAGE.fullmatch(origin) is not None
    return ANY in allowed or origin in allowed


def check_origin(origin: str | None, allowed: Collection[str] | None) -> None:
    """Raises Forbidden for a page that `is_accepted` does not accept."""
    if not is_accepted(origin, allowed):
        raise Forbidden(
            "this web page may not use the hub; add its origin to `server.origins` of the hub's configuration",
            code="foreign-origin",
        )


_LOCAL_PAGE = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.ASCII)
