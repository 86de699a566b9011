"""Whether an address lies on this machine: what `policy: local` needs to know before anything is constructed."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

_UNIX = ("unix:", "unix-abstract:", "http+unix:")
_PLAIN = re.compile(r"[A-Za-z0-9.:_\[\]-]+")
_BRACKETED = re.compile(r"\[([^\[\]]*)\](?::\d*)?")


def opens_outside(url_or_host: str | None) -> bool:
    """
    Whether a connection to `url_or_host` leaves this machine. None is the vendor's own address, and does.

    Takes `scheme://host…`, `host:port`, `host`, and the sockets `unix:…`. Inside are `localhost` and loopback
    addresses in their usual spelling. Whatever is odd counts as outside: parsers disagree about it.
    """
    if url_or_host is None:
        return True
    if url_or_host.startswith(_UNIX):
        return False
    host = _host(url_or_host)
    if host is None:
        return True
    if host.lower().rstrip(".") == "localhost":
        return False
    try:
        address = ip_address(host)
    except ValueError:
        return True
    return not (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _host(text: str) -> str | None:
    authority = text
    if not text.isprintable():
        return None
    if "://" in text:
        try:
            authority = urlsplit(text).netloc
        except ValueError:
            return None
    if not _PLAIN.fullmatch(authority):
        return None
    if bracketed := _BRACKETED.fullmatch(authority):
        return bracketed[1]
    if authority.count(":") > 1:
        return authority
    host, _, port = authority.partition(":")
    return host if not port or (port.isascii() and port.isdecimal()) else None
