"""Which language is spoken in a session, told from what its utterances were heard in."""

from __future__ import annotations

from collections.abc import Sequence


class Languages:
    """
    With hysteresis: one utterance in another language changes nothing.

    `heard` is told the language of each utterance, in order, and answers with the session's new language when `after`
    utterances in a row were in one of the allowed languages that is not the session's now.
    """

    def __init__(self, allowed: Sequence[str], after: int) -> None:
        self.current: str | None = None
        self._allowed = {_base(tag): tag for tag in allowed}
        self._after = after
        self._candidate: str | None = None
        self._times = 0

    def heard(self, language: str | None) -> str | None:
        """`language` is BCP 47, or none where the engine could not tell: that says nothing."""
        if language is None:
            return None
        tag = self._allowed.get(_base(language))
        if tag is None or tag == self.current:
            self._candidate, self._times = None, 0
            return None
        if tag != self._candidate:
            self._candidate, self._times = tag, 0
        self._times += 1
        # The first language of a session has nothing to be weighed against.
        if self.current is not None and self._times < self._after:
            return None
        self.current, self._candidate, self._times = tag, None, 0
        return tag


def _base(language: str) -> str:
    return language.split("-")[0].lower()
