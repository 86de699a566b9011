"""NVIDIA Riva's speech recognition, over gRPC on a port of its own."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

from asr_hub.access.certificate import Pair
from asr_hub.protocols.compat.calling import Calls, asking, calls_port
from asr_hub.protocols.compat.ports import Compat, Models
from asr_hub.protocols.compat.riva_words import RivaWords, asked_model, models

SERVICE = "nvidia.riva.asr.RivaSpeechRecognition"


def riva_port(
    compat: Compat, *, host: str, port: int, tls: Pair | None, stopping: asyncio.Event
) -> AbstractAsyncContextManager[int]:
    """The service on its port, until the block is left. `stopping` ends its calls. Raises ConfigError."""
    calls = Calls(RivaWords(), compat, stopping, protocol="riva")
    methods = {
        "Recognize": calls.whole(),
        "StreamingRecognize": calls.streaming(),
        "GetRivaSpeechRecognitionConfig": asking(lambda request: models(_named(compat.models, asked_model(request)))),
    }
    return calls_port({SERVICE: methods}, compat, host=host, port=port, tls=tls, name="riva")


def _named(models: Models, name: str) -> tuple[str, ...]:
    """The models that are asked about. Raises NotFound where names are strict and this is none."""
    if not name:
        return models.names
    models.provider(name)
    return (name,)
