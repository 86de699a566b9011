"""A streamed chat completion, read strictly: its text, and whether it was told to the end."""

from __future__ import annotations

import msgspec

from asr_hub.errors import CorrectionFailed

_DONE = "[DONE]"
_QUOTES = {'"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019", "\u201e": "\u201c", "\u00ab": "\u00bb"} | {
    "\u300c": "\u300d",
    "`": "`",
}


class Delta(msgspec.Struct, frozen=True):
    """The next piece of a message."""

    content: str | None = None
    refusal: str | None = None


class Choice(msgspec.Struct, frozen=True):
    """One of the answers; only one is asked for."""

    delta: Delta = Delta()
    finish_reason: str | None = None
    index: int = 0


class Chunk(msgspec.Struct, frozen=True):
    """`chat.completion.chunk`. What is not there is nothing; some servers end with a chunk without choices."""

    choices: tuple[Choice, ...]


class Failed(msgspec.Struct, frozen=True):
    """What some servers send in place of a chunk."""

    error: msgspec.Raw


class Answer:
    """The text of the first choice while it comes."""

    def __init__(self, most_chars: int) -> None:
        self._most_chars = most_chars
        self._parts: list[str] = []
        self._chars = 0
        self.is_over = False

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def take(self, event: str) -> None:
        """Raises CorrectionFailed for what is no chunk, a refusal, an answer cut short, and one that is too long."""
        if not event.strip():
            return
        if event.strip() == _DONE:
            self.is_over = True
            return
        for choice in _chunk(event).choices:
            if choice.index == 0:
                self._take(choice)

    def _take(self, choice: Choice) -> None:
        if choice.delta.refusal or choice.finish_reason == "content_filter":
            raise CorrectionFailed("the model refuses to correct", reason="refused")
        content = choice.delta.content or ""
        self._chars += len(content)
        if self._chars > self._most_chars:
            raise CorrectionFailed(f"the model says more than {self._most_chars} characters", reason="oversized")
        self._parts.append(content)
        if choice.finish_reason not in (None, "", "stop"):
            raise CorrectionFailed("the model's answer was cut short", reason="incomplete")
        self.is_over = self.is_over or choice.finish_reason == "stop"


def tidied(text: str, original: str, mark: str) -> str:
    """An answer without what models put around it: white space, the marks of the dictation, quotes around the whole."""
    text = text.strip()
    if text.startswith(f"<{mark}>") and text.endswith(f"</{mark}>"):
        text = text.removeprefix(f"<{mark}>").removesuffix(f"</{mark}>").strip()
    closing = _QUOTES.get(text[:1])
    is_whole = closing is not None and len(text) > 2 and text.endswith(closing) and closing not in text[1:-1]
    return text[1:-1].strip() if is_whole and not original.startswith(text[0]) else text


def _chunk(event: str) -> Chunk:
    try:
        return msgspec.json.decode(event, type=Chunk)
    except (msgspec.DecodeError, UnicodeError):
        pass
    try:
        msgspec.json.decode(event, type=Failed)
    except (msgspec.DecodeError, UnicodeError):
        raise CorrectionFailed("the server streams what is no chat completion", reason="garbage") from None
    # What the server says may quote the dictation, which is never logged.
    raise CorrectionFailed("the server failed in the middle of its answer", reason="failed")
