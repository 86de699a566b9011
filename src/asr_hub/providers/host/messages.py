"""
What the hub and the process that hosts an engine say to each other: many streams over one socket.

Frames are those of `worker_messages`. A stream's number is the hub's choice and is not used again in the life of one
process; messages of a stream that the other end has forgotten are passed over, since both ends may end a stream.
"""

from __future__ import annotations

from typing import Any

import msgspec

from asr_hub.providers.worker_messages import Begin, Failed, Heard


class LoadEngine(msgspec.Struct, frozen=True, kw_only=True, tag="load-engine"):
    """The first message: which engine, and how."""

    target: str
    """`module:function`, called with the settings, returns a WholeEngine or a StreamingEngine."""
    settings: dict[str, Any]
    max_batch: int
    """Clips or streams that may share one call of the engine."""
    first_batch: int
    """The same, to begin with: fewer where a former process died of more."""
    partial_s: float
    """Seconds of new audio after which a partial is due. WholeEngine only."""
    memory_mb: int | None = None
    """MiB that the process may take beyond what its imports take. Held by the kernel where the engine is on the CPU."""
    is_streaming: bool


class EngineLoaded(msgspec.Struct, frozen=True, kw_only=True, tag="engine-loaded"):
    """The engine hears."""

    version: str
    device: str
    languages: tuple[str, ...]


class Open(msgspec.Struct, frozen=True, tag="open"):
    """An utterance begins."""

    stream: int
    begin: Begin


class StreamAudio(msgspec.Struct, frozen=True, tag="stream-audio"):
    stream: int
    pcm: bytes


class StreamEnd(msgspec.Struct, frozen=True, tag="stream-end"):
    """The utterance is over: its final is due."""

    stream: int


class Drop(msgspec.Struct, frozen=True, tag="drop"):
    """Nobody waits for this stream any more."""

    stream: int


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """Are you there? Answered by the thread that calls the engine, between two calls."""


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    """The answer."""


class StreamHeard(msgspec.Struct, frozen=True, tag="stream-heard"):
    """A partial, or the final; after a final the stream is over."""

    stream: int
    heard: Heard


class StreamTook(msgspec.Struct, frozen=True, tag="stream-took"):
    """So many bytes of the stream's audio have been taken in: as many more may be sent."""

    stream: int
    audio: int


class StreamFailed(msgspec.Struct, frozen=True, tag="stream-failed"):
    """The stream is over. `code` is one of the codes of `errors.py`."""

    stream: int
    code: str
    message: str


class Noted(msgspec.Struct, frozen=True, tag="noted"):
    """Something people should know about the engine, which goes on."""

    code: str
    message: str
    batch: int | None = None
    """How many share a call from here on, where that has changed."""


ToHost = LoadEngine | Open | StreamAudio | StreamEnd | Drop | Ping
FromHost = EngineLoaded | Failed | StreamHeard | StreamTook | StreamFailed | Noted | Pong
