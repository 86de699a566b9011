"""What the letters of a text tell by themselves, in any language."""

from __future__ import annotations

import unicodedata
import zlib

FASTEST = 40.0
"""Characters a second: nobody speaks faster, in any script."""

LONGEST_LOOP = 40
"""Words, or characters of a script without spaces, that are looked for as one sequence."""

_LOOKED_AT = 1000
"""Words or characters of a text in which loops are looked for."""


def letters(text: str) -> str:
    """The letters, their marks, and the digits of `text`, in one case and one width."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return folded if folded.isalnum() else "".join(c for c in folded if unicodedata.category(c)[0] in "LMN")


def compression_ratio(text: str) -> float:
    """How many times smaller `text` gets: about 1 for speech, above 2 where it repeats itself."""
    raw = text.encode(errors="surrogatepass")
    return len(raw) / len(zlib.compress(raw)) if raw else 0.0


def looped(text: str, times: int) -> float:
    """
    Share of `text` that is one sequence, said `times` times in a row or more.

    Words are compared; single characters where there are fewer than two spaces.
    """
    units = [letters(word) for word in text.split()]
    if len(units) < 3:
        units = list(letters(text))
    units = units[:_LOOKED_AT]
    longest = 0
    for period in range(1, min(LONGEST_LOOP, len(units) // times) + 1):
        run = 0
        for one, next_ in zip(units, units[period:], strict=False):
            run = run + 1 if one == next_ else 0
            if run >= period * (times - 1):
                longest = max(longest, run + period)
    return longest / len(units) if units else 0.0
