"""sherpa-onnx driven directly, without the hub's code: what the provider's finals must equal, word for word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import sherpa_onnx

MODELS = Path(__file__).parents[2] / "models"
WHOLE = MODELS / "tiny-sherpa-sensevoice"
STREAMING = MODELS / "tiny-sherpa-paraformer-streaming"
TRANSDUCER = MODELS / "tiny-sherpa-transducer"
TAIL_S = 1.28
"""Seconds of silence behind an utterance: two chunks of the streaming model."""


def decode(pcm: bytes) -> str:
    """The text of one utterance, by the model that hears whole ones."""
    recognizer = sherpa_onnx.OfflineRecognizer.from_sense_voice(
        model=str(WHOLE / "model.int8.onnx"), tokens=str(WHOLE / "tokens.txt"), language="auto", use_itn=True
    )
    stream = recognizer.create_stream()
    stream.accept_waveform(16_000, _samples(pcm))
    recognizer.decode_stream(stream)
    return " ".join(stream.result.text.split())


def decode_streaming(pcm: bytes) -> str:
    """The text of one utterance, by the model that hears audio as it comes."""
    recognizer = sherpa_onnx.OnlineRecognizer.from_paraformer(
        tokens=str(STREAMING / "tokens.txt"),
        encoder=str(STREAMING / "encoder.int8.onnx"),
        decoder=str(STREAMING / "decoder.int8.onnx"),
        num_threads=1,
    )
    stream = recognizer.create_stream()
    stream.accept_waveform(16_000, np.concatenate([_samples(pcm), np.zeros(int(TAIL_S * 16_000), np.float32)]))
    stream.input_finished()
    while recognizer.is_ready(stream):
        recognizer.decode_stream(stream)
    return " ".join(recognizer.get_result(stream).split())


def _samples(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, np.int16).astype(np.float32) / np.float32(32768)
