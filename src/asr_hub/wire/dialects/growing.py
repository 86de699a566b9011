"""
Partials for clients that append what they are told, and can be told nothing else afterwards.

Whole words only, but for those of `native`, and the space belongs to the word that follows it.
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
                return self._append(_whole_words(hypothesis.text, hypothesis.stable))
            case "native":
                return self._append(hypothesis.text.rstrip())

    def final(self, hypothesis: Hypothesis) -> str:
        """The rest of the utterance."""
        return self._append(hypothesis.text)

    def _append(self, text: str) -> str:
        goes_on = text.startswith(self.told)
        rest = text[len(self.told) :] if goes_on else _after(text, len(_WORD.findall(self.told)))
        self.told += rest
        return rest


_WIDE = "(?![가-힣])[⺀-\U0010ffff]"
"""A character that is no part of a longer word: in Chinese and Japanese each letter counts as one."""

_MARKS = rf"(?:{_WIDE}(?<![\w\s]))*"
_WORD = re.compile(rf"{_MARKS}(?:{_WIDE}(?<=\w)|(?:(?!{_WIDE})\S)+){_MARKS}")


def _whole_words(text: str, stable: int) -> str:
    """The longest beginning of `text` within `stable` characters that ends with a word which cannot go on."""
    at = min(stable, len(text))
    # Nothing after it says that the last word is whole: what is stable may still grow.
    while at > 0 and _joins(text[at - 1]) and (at == len(text) or _joins(text[at])):
        at -= 1
    return text[:at].rstrip()


def _joins(character: str) -> bool:
    """Whether it makes one word with its neighbours: not where a script writes without spaces."""
    return not character.isspace() and (character < "⺀" or "가" <= character <= "힣")


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
