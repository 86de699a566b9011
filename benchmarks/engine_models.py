"""Which providers are measured, with which models: the tiny ones of the tests, a folder of yours, or a made one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
from tests.contract.cases import MODELS
from tests.phrases import phrases

from asr_hub.model import HUB_RATE
from asr_hub.providers.known_clip import packaged_clip

MADE = {"whisper-large-v3-turbo": "faster-whisper", "paraformer-large": "funasr paraformer"}
"""The models that can be made, and which of the subjects is measured with them."""

TOKENS = 24
"""Of an utterance, for models whose random weights would never end a text."""


LONG = 4
"""Utterances in a long one."""

LONGEST = 2 * 10 * HUB_RATE
"""Bytes: of longer ones, Whisper is asked for timestamps, which random weights do not write."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A provider with a model."""

    name: str
    kind: str
    settings: dict[str, Any] = {}
    """The same for the provider and for the engine alone. `model` is a folder; none: it is made for the run."""
    is_made: bool = False
    """Random weights: no text means anything."""
    has_batches: bool = True
    """Whether the engine gains, and takes memory, by hearing several utterances in one call."""


# Finals without word times and without a second try, so that both sides are asked for the same work; and nothing is
# kept back, however often random weights repeat themselves.
_WHISPER = {"language": "en", "word_times": False, "temperatures": [0.0], "compression_ratio_threshold": 100.0}

SUBJECTS: tuple[Subject, ...] = (
    Subject(name="faster-whisper", kind="faster-whisper", settings={"model": MODELS / "tiny-whisper", **_WHISPER}),
    Subject(name="funasr sense-voice", kind="funasr", settings={"model": MODELS / "tiny-sensevoice"}),
    Subject(name="funasr paraformer", kind="funasr", settings={"model": MODELS / "tiny-paraformer"}),
    Subject(name="funasr streaming", kind="funasr", settings={"model": MODELS / "tiny-paraformer-streaming"}),
    Subject(name="vosk", kind="vosk", settings={"model": MODELS / "tiny-vosk"}, has_batches=False),
    Subject(name="sherpa-onnx", kind="sherpa-onnx", settings={"model": MODELS / "tiny-sherpa-sensevoice"}),
    Subject(
        name="sherpa-onnx streaming",
        kind="sherpa-onnx",
        settings={"model": MODELS / "tiny-sherpa-paraformer-streaming", "tail_s": 1.28},
    ),
    Subject(name="transformers", kind="transformers", settings={"max_new_tokens": TOKENS}, is_made=True),
)


def ready(subject: Subject, folder: Path, *, device: str, made: str, scale: float) -> Subject:
    """`subject` on `device`, with its model: made in `folder` where none is there or `made` names one."""
    settings = {**subject.settings, "device": device}
    if made or "model" not in settings:
        # In a process of its own: neither the SDK nor its memory stays here.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            settings["model"] = pool.submit(
                _make, made, folder / f"made-{made or subject.kind}", device, scale
            ).result()
    is_made = subject.is_made or bool(made)
    settings["model"] = os.fspath(settings["model"])
    return msgspec.structs.replace(
        subject,
        settings=settings if not is_made else {**settings, "self_test": "answers"},
        is_made=is_made,
        name=f"{subject.kind} {made}" if made else subject.name,
    )


@cache
def spoken() -> tuple[bytes, ...]:
    """
    Utterances of 1 to 6 seconds: mono, signed 16 bit, 16 kHz.

    The held-out phrases of the tests where they are here; elsewhere the packaged clips, in pieces of several lengths.
    """
    if phrases():
        return tuple(phrase.pcm() for phrase in phrases())
    demo, command = packaged_clip("demo").pcm, packaged_clip("self_test").pcm
    pieces = [demo[at : at + 2 * HUB_RATE * seconds] for seconds in (2, 3, 4, 6) for at in range(0, 320_000, 64_000)]
    return (command, *pieces)


def some(count: int) -> Sequence[bytes]:
    """`count` utterances, the same ones each time."""
    there = spoken()
    return [there[place % len(there)] for place in range(count)]


def joined(count: int) -> Sequence[bytes]:
    """`count` long utterances, of several in a row: a batch of them takes memory even of a tiny model."""
    there = some(count + LONG - 1)
    return [b"".join(there[place : place + LONG])[:LONGEST] for place in range(count)]


def _make(made: str, folder: Path, device: str, scale: float) -> Path:
    if made == "whisper-large-v3-turbo":
        from benchmarks import made_whisper

        return made_whisper.make(folder, scale=scale, tokens=TOKENS, is_half=device.startswith("cuda"))
    if made == "paraformer-large":
        from benchmarks import made_paraformer

        return made_paraformer.make(folder, scale=scale)
    from tests.providers.transformers.checkpoints import whisper

    return whisper(folder)
