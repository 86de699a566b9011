"""What a client of OpenAI's Realtime API says about its session, and what that is in the hub's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from asr_hub.errors import ProtocolError
from asr_hub.model import AudioFormat, Encoding
from asr_hub.wire.conversation import check_hotwords, check_language
from asr_hub.wire.dialects.languages import spoken

PCM_RATE = 24_000
"""Hertz, unless a client says otherwise."""


class BadField(ProtocolError):
    """A field has a value that cannot be; `param` says which, as a path."""

    code = "invalid-value"

    def __init__(self, message: str, *, param: str) -> None:
        super().__init__(message)
        self.param = param


class Format(msgspec.Struct, frozen=True, omit_defaults=True):
    """How audio is written."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
    rate: int | None = None
    """Hertz, of PCM. OpenAI takes 24000 alone; the hub takes what it takes elsewhere."""


class Transcription(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who is to hear, and what is known of what will be said."""

    model: str | None = None
    language: str | None = None
    languages: list[str] | None = None
    keywords: list[str] | None = None
    """Hotwords; none weighs more than another."""
    prompt: str | None = None
    """Not used: a text is no list of words."""
    delay: str | None = None
    """Not used: partials come as soon as there are any."""


class TurnDetection(msgspec.Struct, frozen=True, omit_defaults=True):
    """The server ends turns. When it does is the hub's configuration: the numbers are only told back."""

    type: Literal["server_vad", "semantic_vad"]
    threshold: float | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None
    idle_timeout_ms: int | None = None
    eagerness: str | None = None


class NoiseReduction(msgspec.Struct, frozen=True, omit_defaults=True):
    """Not used; told back."""

    type: str | None = None
    strength: float | None = None


class Input(msgspec.Struct, frozen=True):
    """What comes in."""

    format: Format = Format("audio/pcm", PCM_RATE)
    transcription: Transcription | None = None
    noise_reduction: NoiseReduction | None = None
    turn_detection: TurnDetection | None = None
    """None: the client ends turns, with `input_audio_buffer.commit`."""


class Audio(msgspec.Struct, frozen=True):
    input: Input = Input()


class Session(msgspec.Struct, frozen=True):
    """
    The settings of a transcription session, as both sides say them.

    What the hub does not know is not kept.
    """

    type: Literal["transcription"] = "transcription"
    audio: Audio = Audio()
    include: list[str] = []
    """Not used: the hub has no logprobs."""

    @property
    def format(self) -> AudioFormat:
        """How its audio is written."""
        given = self.audio.input.format
        if given.type == "audio/pcm":
            return AudioFormat(sample_rate=given.rate or PCM_RATE)
        return AudioFormat(
            sample_rate=_TELEPHONE, encoding=Encoding.MULAW if given.type == "audio/pcmu" else Encoding.ALAW
        )

    @property
    def has_turns(self) -> bool:
        """Whether the server says when a turn is over."""
        return self.audio.input.turn_detection is not None

    @property
    def model(self) -> str | None:
        return self._heard.model

    @property
    def language(self) -> str | None:
        """BCP 47; None where it is for the engine to find out, as with several languages."""
        heard = self._heard
        return spoken((heard.language,) if heard.language else heard.languages or ())

    @property
    def hotwords(self) -> tuple[str, ...]:
        stripped = (word.strip() for word in self._heard.keywords or ())
        return tuple(dict.fromkeys(word for word in stripped if word))

    @property
    def _heard(self) -> Transcription:
        return self.audio.input.transcription or Transcription()


def first(model: str | None) -> Session:
    """The settings before the client has said any. `model` is that of its URL."""
    transcription = Transcription(model=model) if model else None
    return Session(audio=Audio(Input(transcription=transcription, turn_detection=TurnDetection("server_vad"))))


def updated(session: Session, update: Mapping[str, Any]) -> Session:
    """
    The settings with those of an update: what is absent stays, null is off. Raises BadField, ProtocolError.

    An object of another `type` takes the place of the one before it, so that the rate of PCM is not that of G.711.
    """
    if (kind := update.get("type", "transcription")) != "transcription":
        raise BadField(
            f"a session of type {str(kind)[:32]!r} cannot be had: this hub transcribes; say `transcription`",
            param="session.type",
        )
    try:
        new = msgspec.convert(_merged(msgspec.to_builtins(session), update), Session)
    except msgspec.ValidationError as exc:
        reason, _, path = str(exc).partition(" - at `$")
        raise BadField(f"session: {reason}", param=f"session{path.rstrip('`')}") from None
    check_language(new.language)
    check_hotwords(new.hotwords)
    return new


def _merged(old: Mapping[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for name, value in update.items():
        before = merged.get(name)
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(before, Mapping) and _is_alike(before, value):
            merged[name] = _merged(before, value)
        else:
            merged[name] = value
    return merged


def _is_alike(before: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    return "type" not in value or before.get("type") == value["type"]


_TELEPHONE = 8000
"""Hertz of G.711"""
