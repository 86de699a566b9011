"""JSON that clients send in text frames: what is not known of it is ignored."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from asr_hub.errors import ProtocolError, TooLarge

MAX_CHARS = 256 * 1024
"""Of one text frame."""

T = TypeVar("T")


def read(text: str, kind: type[T]) -> T:
    """
    One text frame. Numbers and booleans may be written as text.

    Raises ProtocolError (`bad-json`, `wrong-type`), TooLarge.
    """
    if len(text) > MAX_CHARS:
        raise TooLarge(
            f"a text frame has at most {MAX_CHARS} characters; send audio in binary frames", code="text-too-large"
        )
    try:
        return msgspec.convert(msgspec.json.decode(text), kind, strict=False)
    except msgspec.ValidationError as exc:
        raise ProtocolError(str(exc)[:_MAX_REASON], code="wrong-type") from None
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        raise ProtocolError(f"a text frame is not JSON: {str(exc)[:_MAX_REASON]}", code="bad-json") from None


_MAX_REASON = 200
"""Characters"""
