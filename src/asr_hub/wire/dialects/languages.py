"""Languages as clients of other services name them."""

from __future__ import annotations

from collections.abc import Iterable

ANY = frozenset({"", "auto", "multi", "und", "*"})
"""What stands for any language, in lower case."""


def spoken(codes: Iterable[str]) -> str | None:
    """
    The one language that is named, as BCP 47; nothing where it is to be found out: none is named, or several.

    Google calls Chinese by the tag of Mandarin, `cmn-Hans-CN`, which engines know as `zh`.
    """
    named = tuple(dict.fromkeys(code.strip().replace("_", "-") for code in codes if code.strip()))
    if len(named) != 1 or named[0].lower() in ANY:
        return None
    primary, *rest = named[0].split("-")
    return "-".join(("zh", *rest)) if primary.lower() == "cmn" else named[0]
