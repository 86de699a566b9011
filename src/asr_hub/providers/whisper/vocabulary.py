"""The tokens of a Whisper model, by what they are for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

from asr_hub.errors import ProviderUnavailable

ENGLISH = "en"
TRANSCRIBE = "transcribe"

_LANGUAGE = re.compile(r"<\|([a-z]{2,3})\|>")
_CODES = {"jv": "jw", "nb": "no", "cmn": "zh", "iw": "he", "in": "id", "fil": "tl", "ji": "yi"}
"""BCP 47 primary tags for which Whisper has another name."""
_TAGS = {"jw": "jv"}
"""Whisper's names that are not BCP 47."""
_CONTROLS = ("transcribe", "translate", "startoftranscript", "startofprev", "startoflm", "nospeech", "nocaptions")
_REMEMBERED = 512


class Encoding(Protocol):
    @property
    def ids(self) -> list[int]: ...


class RawTokenizer(Protocol):
    """What is used of `tokenizers.Tokenizer`."""

    def token_to_id(self, token: str) -> int | None: ...

    def encode(self, sequence: str, *, add_special_tokens: bool) -> Encoding: ...

    def decode(self, ids: Sequence[int]) -> str: ...

    def get_vocab(self) -> dict[str, int]: ...


class Vocabulary:
    """Raises ProviderUnavailable where the tokenizer is not one of Whisper."""

    def __init__(self, raw: RawTokenizer, *, is_multilingual: bool, marks: Iterable[int] = ()) -> None:
        self._raw = raw
        self.is_multilingual = is_multilingual
        self.end = self._need("endoftext")
        self.no_timestamps = self._need("notimestamps")
        self.first_timestamp = self.no_timestamps + 1
        self._start = self._need("startoftranscript")
        self._previous = self._id("startofprev")
        self.languages: Mapping[str, int] = _languages(raw) if is_multilingual else {}
        """Whisper's code of each language, with its token. Empty: English only."""
        controls = (token for name in _CONTROLS if (token := self._id(name)) is not None)
        self.silenced = tuple(sorted({*marks, *controls}))
        """Tokens that are never said: controls, and `marks` of what is no speech, such as notes and brackets."""
        self.encode = lru_cache(_REMEMBERED)(self._encode)

    def decode(self, tokens: Sequence[int]) -> str:
        return self._raw.decode([token for token in tokens if token < self.end])

    def start(self, language: str, task: str) -> tuple[int, ...]:
        """What tells the model language and task. `language` is Whisper's code."""
        if not self.is_multilingual:
            return (self._start,)
        return (self._start, self.languages[language], self._need(task))

    def prompt(self, told: Sequence[int], start: Sequence[int], *, timestamps: bool) -> list[int]:
        """Everything before the first token of the text."""
        before = (self._previous, *told) if told and self._previous is not None else ()
        return [*before, *start, *(() if timestamps else (self.no_timestamps,))]

    def code(self, tag: str) -> str | None:
        """Whisper's code for a BCP 47 tag; None where the model does not know the language."""
        primary = tag.split("-")[0].lower()
        code = _CODES.get(primary, primary)
        return code if code in (self.languages if self.is_multilingual else (ENGLISH,)) else None

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._raw.encode(text, add_special_tokens=False).ids)

    def _id(self, name: str) -> int | None:
        return self._raw.token_to_id(f"<|{name}|>")

    def _need(self, name: str) -> int:
        token = self._id(name)
        if token is None:
            raise ProviderUnavailable(
                f"faster-whisper: tokenizer.json has no <|{name}|>; it is not the one of this model: copy that one"
            )
        return token


def tag(code: str) -> str:
    """The BCP 47 tag of Whisper's `code`."""
    return _TAGS.get(code, code)


def _languages(raw: RawTokenizer) -> dict[str, int]:
    found = {match[1]: token for text, token in raw.get_vocab().items() if (match := _LANGUAGE.fullmatch(text))}
    return dict(sorted(found.items(), key=lambda item: item[1]))
