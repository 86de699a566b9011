"""What was said, changed before it is written: every text of a fact or a state goes through a hook."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from immutables import Map
from msgspec.structs import replace

from asr_hub.errors import ConfigError
from asr_hub.model import Hypothesis, Word
from asr_hub.store.event import Event
from asr_hub.store.slice import State
from asr_hub.telemetry import logs

TEXTS = frozenset(
    {
        "text",
        "message",
        "last_message",
        "phrase",
        "heard",
        "hotword",
        "hotwords",
        "hotword_weights",
        "words",
        "weights",
        "tags",
        "self_test",
    }
)
"""Fields, of whatever struct, that hold what somebody or something said, or words that people say."""

NAMES = frozenset(
    {
        "session", "id", "job", "provider", "primary", "over", "to", "instead_of", "heard_by", "by", "name", "kind",
        "protocol", "language", "identified", "principal", "tenant", "code", "last_code", "version",
        "default_provider", "resolution", "reason", "routed", "applied", "needs_restart", "promoted_over", "speaker",
        "executor", "state", "changed",
    }
)  # fmt: skip
"""Fields with texts of the hub itself: names, codes, and reasons that it gives."""

Hook = Callable[[str], str]
"""Text in, text out. Called on a thread of its own, for one text after the other."""

T = TypeVar("T")

_log = logs.get("asr_hub.recordings")


class Redaction:
    """
    Puts texts through a hook. A hook that raises, or gives no text, leaves an empty one: nothing leaks by accident.

    A hypothesis whose text the hook has changed keeps the times of its words and loses their texts. The hook sees
    partial hypotheses as well, which hold the beginnings of what it looks for.
    """

    def __init__(self, hook: Hook) -> None:
        self._hook = hook
        self.failures = 0
        """Texts that the hook did not give back."""

    def event(self, event: Event) -> Event:
        found: Event = self._walk(event)
        return found

    def state(self, state: State) -> State:
        return Map({name: self._walk(part) for name, part in state.items()})

    def text(self, text: str) -> str:
        if not text:
            return text
        try:
            changed = self._hook(text)
        except Exception as exc:  # noqa: BLE001 - foreign code: whatever it raises, the recording goes on
            self._fail(type(exc).__name__)
            return ""
        if not isinstance(changed, str):
            self._fail(type(changed).__name__)
            return ""
        return changed

    def _fail(self, kind: str) -> None:
        self.failures += 1
        if self.failures == 1:
            _log.warning("recorder.redaction", kind=kind)

    def _walk(self, value: Any) -> Any:  # Any: whatever stands in a fact or a state
        if isinstance(value, Hypothesis):
            return self._hypothesis(value)
        if isinstance(value, msgspec.Struct):
            return self._struct(value)
        if isinstance(value, tuple):
            return _same(value, tuple(self._walk(one) for one in value))
        if isinstance(value, Map):
            changed = {key: new for key, one in value.items() if (new := self._walk(one)) is not one}
            return value.update(changed) if changed else value
        return value

    def _struct(self, value: msgspec.Struct) -> msgspec.Struct:
        changed: dict[str, Any] = {}
        for name in value.__struct_fields__:
            old = getattr(value, name)
            new = self._said(old) if name in TEXTS else self._walk(old)
            if new is not old:
                changed[name] = new
        return replace(value, **changed) if changed else value

    def _said(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, tuple):
            return _same(value, tuple(self._said(one) for one in value))
        if isinstance(value, Mapping):
            # Words and their weights, or what an engine says of an utterance: `emotion`, `event` …
            return {self.text(key): self.text(one) if isinstance(one, str) else one for key, one in value.items()}
        return self._walk(value)

    def _hypothesis(self, it: Hypothesis) -> Hypothesis:
        text = self.text(it.text)
        if text == it.text:
            words = tuple(_word(word, self.text(word.text)) for word in it.words)
            stable = it.stable
        else:
            words = tuple(_word(word, "") for word in it.words)
            stable = len(text) if it.stable >= len(it.text) else min(it.stable, len(text))
        alternatives = tuple(replace(one, text=self.text(one.text)) for one in it.alternatives)
        return replace(it, text=text, words=words, stable=stable, alternatives=alternatives, tags=self._said(it.tags))


WITHHELD = Redaction(lambda _: "")
"""Says nothing of what was said."""


def hook_of(hook: str | None) -> Hook | None:
    """The function of `package.module:function`. Raises ConfigError where there is none."""
    if hook is None:
        return None
    module, _, name = hook.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as exc:
        raise ConfigError(
            f"recorder.redact: {hook!r} cannot be had ({type(exc).__name__}: {exc}); write `package.module:function`"
        ) from exc
    if not callable(found):
        raise ConfigError(f"recorder.redact: {hook!r} is no function; write `package.module:function`")
    called: Hook = found
    return called


def _word(word: Word, text: str) -> Word:
    return word if text == word.text else replace(word, text=text)


def _same(old: tuple[T, ...], new: tuple[T, ...]) -> tuple[T, ...]:
    return old if all(one is other for one, other in zip(old, new, strict=True)) else new
