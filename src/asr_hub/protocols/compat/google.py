"""Google Speech-to-Text v1 and v2, over gRPC on one port of their own."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

from asr_hub.access.certificate import Pair
from asr_hub.protocols.compat.calling import Calls, calls_port, refusing
from asr_hub.protocols.compat.google_v1 import GoogleV1
from asr_hub.protocols.compat.google_v2 import GoogleV2
from asr_hub.protocols.compat.ports import Compat

V1 = "google.cloud.speech.v1.Speech"
V2 = "google.cloud.speech.v2.Speech"

_WITHOUT_FILES = "the hub keeps no operations here; stream the audio, or send files as jobs to `POST /v1/asr/submit`"


def google_port(
    compat: Compat, *, host: str, port: int, tls: Pair | None, stopping: asyncio.Event
) -> AbstractAsyncContextManager[int]:
    """The services on their port, until the block is left. `stopping` ends their calls. Raises ConfigError."""
    v1 = Calls(GoogleV1(), compat, stopping, protocol="google")
    v2 = Calls(GoogleV2(), compat, stopping, protocol="google")
    services = {
        V1: {
            "Recognize": v1.whole(),
            "StreamingRecognize": v1.streaming(),
            "LongRunningRecognize": refusing(_WITHOUT_FILES),
        },
        V2: {
            "Recognize": v2.whole(),
            "StreamingRecognize": v2.streaming(),
            "BatchRecognize": refusing(_WITHOUT_FILES),
        },
    }
    return calls_port(services, compat, host=host, port=port, tls=tls, name="google")
