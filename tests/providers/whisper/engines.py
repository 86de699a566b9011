"""Loaded engines for tests, and what they are asked."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from tests.providers.whisper.direct import TINY

from asr_hub.model import HUB_RATE
from asr_hub.providers.host.engine import Clip
from asr_hub.providers.whisper.engine import WhisperEngine, load
from asr_hub.providers.worker_messages import Begin, Heard


def engine(model: Path = TINY, **settings: Any) -> WhisperEngine:
    """An engine on the CPU; one for equal settings. By default without chance."""
    return _engine(str(model), msgspec.json.encode({"temperatures": [0.0], **settings}))


@cache
def _engine(model: str, settings: bytes) -> WhisperEngine:
    return load({"model": model, "device": "cpu", **msgspec.json.decode(settings)})


def clip(
    pcm: bytes,
    *,
    is_final: bool = True,
    context: str = "",
    language: str | None = None,
    hotwords: tuple[str, ...] = (),
) -> Clip:
    begin = Begin(sample_rate=HUB_RATE, language=language, hotwords=hotwords)
    return Clip(pcm=pcm, begin=begin, context=context, is_final=is_final)


def hear(using: WhisperEngine, pcm: bytes, **how: Any) -> Heard:
    (heard,) = using.recognise([clip(pcm, **how)])
    return heard
