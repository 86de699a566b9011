"""
Partials for clients that append what they are told, and can be told nothing else afterwards.

Whole words only, and the space belongs to the word that follows it.
"""

from __future__ import annotations

import re
from typing import Literal

from asr_hub.model import Hypothesis

Policy = Literal["final_only", "stable", "native"]
"""
Which partials are told: none; the words that will not change any more, as far as the engine says so; or everything,
which reads wrong wherever the engine changes its mind.
"""


class Growing:
    """
    The text of one utterance as an appending client sees it.

    `partial` and `final` return what is to be appended, which may be nothing. A final that does not go on from what was
    told adds only the words after as many as were told: the client keeps what it has, and a dialect that has a field
    for the whole text says there what was really heard.
    """

    __slots__ = ("_policy", "told")

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.told = ""
        """All that was appended so far."""

    def partial(self, hypothesis: Hypothesis) -> str:
        """What may be told of a partial."""
        match self._policy:
            case "final_only":
                return ""
            case "stable":
                # The last word of a prefix may be cut in the middle, unless something follows it.
                return self._append(_whole_words(hypothesis.text, hypothesis.stable))
            case "native":
                return self._append(_whole_words(hypothesis.text, len(hypothesis.text)))

    def final(self, hypothesis: Hypothesis) -> str:
        """The rest of the utterance."""
        return self._append(hypothesis.text)

    def _append(self, text: str) -> str:
        if text.startswith(self.told) and _is_boundary(text, len(self.told)):
            rest = text[len(self.told) :]
        else:
            rest = _after(text, len(_WORD.findall(self.told)))
            if rest and self.told and not rest[0].isspace() and _is_spaced(text):
                rest = f" {rest}"
        self.told += rest
        return rest


_WORD = re.compile(r"\S+")


def _whole_words(text: str, stable: int) -> str:
    """The beginning of `text` of at most `stable` characters that ends with a word. Chinese has no words to cut."""
    if stable >= len(text):
        return text
    at = stable
    while at > 0 and not _is_boundary(text, at):
        at -= 1
    return text[:at].rstrip()


def _is_boundary(text: str, at: int) -> bool:
    """Whether no word goes on over this place."""
    if at in (0, len(text)):
        return True
    before, after = text[at - 1], text[at]
    return before.isspace() or after.isspace() or not (_joins(before) and _joins(after))


def _joins(character: str) -> bool:
    """Whether it makes one word with its neighbours: not where a script writes without spaces."""
    return character < "⺀" or "가" <= character <= "힣"


def _is_spaced(text: str) -> bool:
    return any(map(_joins, text))


def _after(text: str, words: int) -> str:
    """What follows that many words, with the space before it."""
    end = 0
    for number, found in enumerate(_WORD.finditer(text)):
        if number == words:
            break
        end = found.end()
    else:
        return ""
    return text[end:]
