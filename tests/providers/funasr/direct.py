"""FunASR driven directly, without the hub's code: what the provider's finals must equal, word for word."""

from __future__ import annotations

import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

MODELS = Path(__file__).parents[2] / "models"

STEP = 9600
"""Samples of one step of a streaming model: 600 ms."""


def paraformer(pcm: bytes, *, model: Path = MODELS / "tiny-paraformer") -> str:
    """The text of one utterance."""
    return str(_auto_model(model).generate(input=_samples(pcm))[0]["text"])


def sensevoice(pcm: bytes, *, model: Path = MODELS / "tiny-sensevoice", **options: Any) -> str:
    """The text of one utterance, without its tags. `options` are the engine's: `language`, `use_itn`."""
    text = str(_auto_model(model).generate(input=_samples(pcm), **options)[0]["text"])
    return re.sub(r"<\|[^|]*\|>", "", text).strip()


def streaming(pcm: bytes, *, model: Path = MODELS / "tiny-paraformer-streaming") -> str:
    """The text of one utterance, given in steps from its first sample. English: a space between the steps."""
    samples = _samples(pcm)
    cache: dict[str, Any] = {}
    texts = []
    for start in range(0, len(samples), STEP):
        result = _auto_model(model).generate(
            input=samples[start : start + STEP],
            cache=cache,
            is_final=start + STEP >= len(samples),
            chunk_size=[0, 10, 5],
            encoder_chunk_look_back=4,
            decoder_chunk_look_back=1,
        )
        texts.append(str(result[0]["text"]))
    return " ".join(text for text in texts if text)


def _samples(pcm: bytes) -> Any:
    return np.frombuffer(pcm, "<i2").astype(np.float32) / 32768


@cache
def _auto_model(model: Path) -> Any:
    with warnings.catch_warnings():
        # Of the SDK's own imports.
        warnings.simplefilter("ignore")
        from funasr import AutoModel

        return AutoModel(
            model=str(model), device="cpu", ncpu=1, disable_update=True, disable_pbar=True, log_level="ERROR"
        )
