"""PocketSphinx driven directly, without the hub's code: what the provider's finals must equal, word for word."""

from __future__ import annotations

import re
from typing import Any

import pocketsphinx


def decode(pcm: bytes, *, rate: int = 16_000, **options: Any) -> str:
    """
    The text of one utterance in a decoder that has heard nothing else.

    `options` are the engine's own (`hmm`, `dict`, `lm`, `beam` …). This is what `final: whole` promises, whatever the
    session said before: the whole utterance in one call, so that the channel mean is that of the utterance.
    """
    decoder = pocketsphinx.Decoder(samprate=rate, loglevel="FATAL", **options)
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return "" if hypothesis is None else re.sub(r"\(\d+\)", "", hypothesis.hypstr).strip()


def decode_timed(pcm: bytes, *, rate: int = 16_000, **options: Any) -> tuple[str, tuple[tuple[str, int, int], ...]]:
    """The text, and each of its words with its beginning and end in milliseconds. Otherwise as `decode`."""
    decoder = pocketsphinx.Decoder(samprate=rate, loglevel="FATAL", **options)
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    if hypothesis is None:
        return "", ()
    words = [
        (re.sub(r"\(\d+\)$", "", segment.word), 10 * segment.start_frame, 10 * (segment.end_frame + 1))
        for segment in decoder.seg()
        if not segment.word.startswith(("<", "["))
    ]
    return " ".join(word for word, _, _ in words), tuple(words)
