"""What the hub says of itself where a client of Wyoming asks with `describe`."""

from __future__ import annotations

from typing import Any

import msgspec

NAME = "ASR Hub"

COMMON = (
    *("af", "am", "ar", "as", "az", "ba", "be", "bg", "bn", "bo", "br", "bs", "ca", "cs", "cy", "da", "de", "el", "en"),
    *(
        "es",
        "et",
        "eu",
        "fa",
        "fi",
        "fo",
        "fr",
        "gl",
        "gu",
        "ha",
        "haw",
        "he",
        "hi",
        "hr",
        "ht",
        "hu",
        "hy",
        "id",
        "is",
    ),
    *("it", "ja", "jv", "ka", "kk", "km", "kn", "ko", "la", "lb", "ln", "lo", "lt", "lv", "mg", "mi", "mk", "ml", "mn"),
    *("mr", "ms", "mt", "my", "nb", "ne", "nl", "nn", "no", "oc", "pa", "pl", "ps", "pt", "ro", "ru", "sa", "sd", "si"),
    *("sk", "sl", "sn", "so", "sq", "sr", "su", "sv", "sw", "ta", "te", "tg", "th", "tk", "tl", "tr", "tt", "uk", "ur"),
    *("uz", "vi", "yi", "yo", "yue", "zh"),
)
"""
For a model that hears any language: Home Assistant offers those languages alone that are named, and none otherwise.
"""


class Model(msgspec.Struct, frozen=True):
    """What a client may name in `transcribe`."""

    name: str
    languages: tuple[str, ...] = ()
    """BCP 47. Empty: any."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What there is for clients."""

    version: str
    models: tuple[Model, ...]
    phrases: tuple[str, ...] = ()
    """Wake words"""
    ends_utterances: bool = True
    """The hub knows when somebody has stopped speaking. Otherwise the client must, and says it with `audio-stop`."""


def info(offer: Offer) -> dict[str, Any]:
    """
    The data of `info`.

    Home Assistant uses the first program of a kind, and all languages of its models together. Fields that other clients
    cannot read `info` without are there even where they say nothing.
    """
    program = {
        **_artifact(NAME, "All speech engines of this hub", offer.version),
        "models": [
            {
                **_artifact(model.name, None, None),
                "languages": list(model.languages or COMMON),
            }
            for model in offer.models
        ],
        "supports_transcript_streaming": True,
        "requires_external_vad": not offer.ends_utterances,
        "prefers_auto_gain_enabled": False,
        "prefers_noise_reduction_enabled": False,
    }
    wake = {
        **_artifact(NAME, "The wake words of this hub", offer.version),
        "models": [{**_artifact(phrase, None, None), "languages": [], "phrase": phrase} for phrase in offer.phrases],
    }
    others: dict[str, Any] = {kind: [] for kind in ("tts", "handle", "intent", "mic", "snd")}
    return {"asr": [program], "wake": [wake] if offer.phrases else [], **others}


def _artifact(name: str, description: str | None, version: str | None) -> dict[str, Any]:
    return {
        "name": name,
        "attribution": {"name": NAME, "url": ""},
        "installed": True,
        "description": description,
        "version": version,
    }
