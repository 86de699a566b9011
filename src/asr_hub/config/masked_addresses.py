"""Addresses to look at: where they lead, without what lets somebody in there."""

from __future__ import annotations

import re

COVERED = "•••"
"""In place of a secret."""

_SECRET_NAME = re.compile(r"(api.?|access.?)?(keys?|tokens?|secrets?|password)", re.IGNORECASE)
"""What follows such a part of a path"""

HOOK = re.compile(r"hook|callback|notif|alert|/bot\d+:", re.IGNORECASE)
"""In the name of a setting, or in an address: who knows the path may post there."""

_ADDRESS = re.compile(r"\b([a-z][a-z0-9+.-]*)://(\S+?)(?=[,;|][a-z][a-z0-9+.-]*://|\s|$)", re.IGNORECASE)
_BARE = re.compile(r"(?<![\w./:•@-])((?:[\w-]+\.)+[\w-]+(?::\d+)?)/[^\s•]\S*")
"""Without its scheme."""
_BARE_USER = re.compile(r"(?<![^\s\"'=])[^\s/@:]+:[^\s@]+@(?=\w)")
_PARAMETER = re.compile(r"([?&])([^=&\s]+)=[^&\s]+")
_PART = re.compile(r"([?#&;])([^?#&;]*)")
_UUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_CHANGE = re.compile(r"(?=[a-z][A-Z]|[A-Za-z][0-9]|[0-9][A-Za-z])")
_RUN = re.compile(r"[A-Za-z0-9]+")

_KEY_CHARS, _KEY_CHANGES = 16, 4
"""A key is so long, and turns so often between letters and digits, small and capital; the name of a model does not."""


def masked_addresses(text: str, *, is_hook: bool) -> str:
    """
    A text in whose addresses is covered: who logs in, what parameters say, and what in the path looks like a key.

    Of an address that is called a hook, here or by `is_hook`, the whole path is covered.
    """
    text = _ADDRESS.sub(lambda found: f"{found[1]}://{_address(found[2], is_hook=is_hook)}", text)
    if "://" not in text:
        text = _BARE_USER.sub(f"{COVERED}@", text)
    text = _BARE.sub(lambda it: f"{it[1]}/{COVERED}" if is_hook or HOOK.search(it[0]) else it[0], text)
    return _PARAMETER.sub(rf"\1\2={COVERED}", text)


def _address(rest: str, *, is_hook: bool) -> str:
    """What stands behind `://`."""
    user, rest = _without_user(rest)
    end = min((at for mark in "?#;" if (at := rest.find(mark)) >= 0), default=len(rest))
    head, tail = rest[:end], rest[end:]
    host, slash, path = head.partition("/")
    if path and (is_hook or HOOK.search(head)):
        path = COVERED
    return f"{user}{host}{slash}{_path(path)}{_PART.sub(_part, tail)}"


def _without_user(rest: str) -> tuple[str, str]:
    """People forget to escape passwords: what stands before the last `@` is one, a slash in it or not."""
    head = re.split(r"[?#]", rest, maxsplit=1)[0]
    port = head.partition("/")[0].rpartition(":")[2] if ":" in head.partition("/")[0] else ""
    if "@" not in head and ("@" not in rest or not port or port.isdigit() or head.startswith("[")):
        return "", rest
    behind = head.rpartition("@")[2] + rest[len(head) :] if "@" in head else rest.rpartition("@")[2]
    return f"{COVERED}@", behind


def _path(path: str) -> str:
    parts = path.split("/")
    names = ["", *parts]
    return "/".join(
        COVERED if part and (_is_key(part) or _SECRET_NAME.fullmatch(name)) else part
        for name, part in zip(names, parts, strict=False)
    )


def _part(found: re.Match[str]) -> str:
    mark, part = found.groups()
    name, _, value = part.partition("=")
    if not part:
        return mark
    return f"{mark}{name}={COVERED}" if value.strip("=") and not _is_key(name) else f"{mark}{COVERED}"


def _is_key(text: str) -> bool:
    if _UUID.fullmatch(text):
        return True
    changes = (len(_CHANGE.findall(run)) for run in _RUN.findall(text))
    return len(text) >= _KEY_CHARS and max(changes, default=0) >= _KEY_CHANGES
