"""An engine that takes hotwords and keeps how it was asked to listen. `KIND` names it in a configuration."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, MutableMapping
from typing import Any, ClassVar

from msgspec.structs import replace

from asr_hub.model import ProviderName
from asr_hub.providers.base import RecognitionOptions
from asr_hub.providers.scripted import Scripted, ScriptedStream

KIND = "tests.attentive:Attentive"


class Attentive(Scripted):
    made: ClassVar[deque[Attentive]] = deque(maxlen=16)
    """The latest of this process."""

    def __init__(self, name: ProviderName, settings: Mapping[str, Any]) -> None:
        super().__init__(name, settings)
        self.capabilities = replace(self.capabilities, hotwords=True)
        self.asked: list[RecognitionOptions] = []
        self.closed = asyncio.Event()
        self.made.append(self)

    def stream(self, options: RecognitionOptions, memory: MutableMapping[str, Any]) -> ScriptedStream:
        self.asked.append(options)
        return super().stream(options, memory)

    async def aclose(self) -> None:
        self.closed.set()
        await super().aclose()
