"""What clients call their files: made fit for people to see, and for the header of an answer."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

MAX_NAME = 200
"""Characters"""

UNNAMED = "audio"


def shown_name(given: str) -> str:
    """The last part of a path, in one line of printable characters, not too long; `UNNAMED` where nothing is left."""
    last = re.split(r"[/\\]", given)[-1]
    # Controls, what turns the direction of writing round, halves of surrogates: nothing that people could see.
    seen = "".join(character for character in last if unicodedata.category(character)[0] != "C" or character.isspace())
    name = " ".join(seen.split())
    if not name.strip(". "):
        return UNNAMED
    if len(name) <= MAX_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > _LONGEST_ENDING:
        return name[:MAX_NAME]
    return f"{stem[: MAX_NAME - len(ending) - 1]}.{ending}"


def attachment(name: str) -> str:
    """A `Content-Disposition` that has a browser save a file under this name (RFC 6266, and RFC 8187 beyond ASCII)."""
    plain = "".join(character if _is_plain(character) else "_" for character in name)
    header = f'attachment; filename="{plain}"'
    if plain == name:
        return header
    return f"{header}; filename*=UTF-8''{quote(name.encode('utf-8', 'replace'), safe='')}"


def _is_plain(character: str) -> bool:
    return character.isascii() and character.isprintable() and character not in '"\\%'


_LONGEST_ENDING = 10
"""Characters"""
