"""What the host does with the messages of its streams: one shape of work for both shapes of engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from asr_hub.errors import HubError
from asr_hub.providers.host.messages import Noted, StreamFailed, StreamHeard, StreamTook
from asr_hub.providers.worker_messages import Begin

Answer = StreamHeard | StreamTook | StreamFailed | Noted
Say = Callable[[Answer], None]


class Hearing(Protocol):
    """
    The streams of one engine, and whose turn it is. One thread calls all of it.

    Messages of streams that are not known, because they failed or were dropped, are passed over.
    """

    def open(self, stream: int, begin: Begin) -> None: ...

    def audio(self, stream: int, pcm: bytes) -> None: ...

    def end(self, stream: int) -> None: ...

    def drop(self, stream: int) -> None: ...

    @property
    def has_work(self) -> bool:
        """Whether `work` would call the engine now."""
        ...

    def work(self) -> None:
        """One call of the engine. Raises `Broken` where it cannot go on."""
        ...


def failed(stream: int, exc: Exception) -> StreamFailed:
    """What a stream is told of an exception of the engine."""
    if isinstance(exc, HubError):
        return StreamFailed(stream, exc.code, str(exc))
    if isinstance(exc, MemoryError):
        return StreamFailed(stream, "out-of-memory", "the engine has no memory left for this utterance")
    return StreamFailed(stream, "provider", f"the engine failed: {type(exc).__name__}: {exc}")
