"""
The tags that SenseVoice writes before a text: `<|en|><|HAPPY|><|Speech|><|woitn|>so it goes`.

Source: https://github.com/FunAudioLLM/SenseVoice, and the vocabulary of its model.
"""

from __future__ import annotations

import re
from typing import NamedTuple

LANGUAGES = ("zh", "yue", "en", "ja", "ko")
"""BCP 47, and the model's own names for them."""

EMOTIONS = ("HAPPY", "SAD", "ANGRY", "NEUTRAL", "FEARFUL", "DISGUSTED", "SURPRISED")
EVENTS = ("Speech", "BGM", "Applause", "Laughter", "Cry", "Sneeze", "Breath", "Cough", "Sing", "Speech_Noise")

TAG = re.compile(r"<\|([^|<>]{1,40})\|>")

_KINDS = dict.fromkeys(EMOTIONS, "emotion") | dict.fromkeys(EVENTS, "event")


class Tagged(NamedTuple):
    """A text without its tags."""

    text: str
    language: str | None
    tags: dict[str, str]
    """`emotion` and `event`, in lower case; only what the model is sure to have heard."""


def read_tags(text: str) -> Tagged:
    """Take the tags out of `text`. Of each kind the first one counts."""
    language: str | None = None
    tags: dict[str, str] = {}
    for name in TAG.findall(text):
        if name in LANGUAGES:
            language = language or name
        elif name in _KINDS:
            tags.setdefault(_KINDS[name], name.lower())
    return Tagged(re.sub(r" {2,}", " ", TAG.sub("", text)).strip(), language, tags)


def language_name(tag: str) -> str:
    """SenseVoice's name of a BCP 47 language: `auto` for one that it does not know."""
    parts = tag.lower().split("-")
    if parts[0] == "zh" and {"yue", "hk"} & set(parts[1:]):
        return "yue"
    return parts[0] if parts[0] in LANGUAGES else "auto"
