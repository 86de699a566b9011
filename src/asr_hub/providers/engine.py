"""What an engine process needs from an engine. Used in the zygote and its workers only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from asr_hub.providers.worker_messages import Begin, Heard


class Engine(Protocol):
    """
    A loaded engine that hears one utterance after the other.

    It is loaded once and then forked: loading must start no thread. Whatever raises a HubError ends the worker and is
    told to the hub under its code; any other exception is told as `provider`.
    """

    version: str
    """Of the engine, for people."""

    def begin(self, begin: Begin) -> None:
        """Start an utterance. What a former utterance left must not change what is heard in this one."""
        ...

    def hear(self, pcm: bytes) -> Iterable[Heard]:
        """Take the next audio, cut anywhere, and give what is newly understood."""
        ...

    def end(self) -> Iterable[Heard]:
        """End the utterance. The last one given is the final."""
        ...
