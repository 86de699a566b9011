"""The real engines, each as a function from audio to text. Each is imported when it is asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tools.train_tiny.augment import Audio
from tools.train_tiny.corpus import RATE

Ear = Callable[[Audio], str]
"""What an engine makes of one utterance."""

CHUNK = RATE * 600 // 1000
"""The streaming Paraformer takes audio in pieces of 600 ms."""

_TAG = re.compile(r"<\|[^|]*\|>")


def faster_whisper(model: Path) -> Ear:
    """`WhisperModel.transcribe` as it comes: a window of 30 s, timestamps, greedy."""
    from faster_whisper import WhisperModel

    whisper = WhisperModel(str(model), device="cpu", compute_type="default", cpu_threads=1)

    def hear(audio: Audio) -> str:
        segments, _ = whisper.transcribe(audio, beam_size=1, temperature=0.0, condition_on_previous_text=False)
        return " ".join(segment.text for segment in segments)

    return hear


def fitted_whisper(model: Path) -> Ear:
    """The same weights, in CTranslate2, with a window as long as the audio and without timestamps."""
    import ctranslate2
    from faster_whisper import WhisperModel
    from tools.train_tiny.features import log_mel

    whisper = WhisperModel(str(model), device="cpu", compute_type="default", cpu_threads=1)
    tokens = whisper.hf_tokenizer
    start, no_timestamps = (tokens.token_to_id(token) for token in ("<|startoftranscript|>", "<|notimestamps|>"))

    def hear(audio: Audio) -> str:
        frames = log_mel(audio)[:-1]
        frames = np.ascontiguousarray(np.pad(frames, ((0, len(frames) % 2), (0, 0))).T[None])
        results = whisper.model.generate(
            ctranslate2.StorageView.from_array(frames), [[start, no_timestamps]], beam_size=1, max_length=40
        )
        text: str = tokens.decode(results[0].sequences_ids[0])
        return text

    return hear


def vosk(model: Path) -> Ear:
    """A new `KaldiRecognizer` for each utterance, which hears 200 ms at a time."""
    from vosk import KaldiRecognizer, Model, SetLogLevel

    SetLogLevel(-1)
    loaded = Model(str(model))

    def hear(audio: Audio) -> str:
        recognizer = KaldiRecognizer(loaded, RATE)
        # Digital silence is nothing a microphone gives, and Kaldi's logarithm of it is far from all it has learnt.
        noise = np.random.default_rng(len(audio)).normal(0, 3, len(audio))
        pcm = np.clip(audio * 32767 + noise, -32768, 32767).astype(np.int16).tobytes()
        pieces = (pcm[at : at + 6400] for at in range(0, len(pcm), 6400))
        results = [recognizer.Result() for piece in pieces if recognizer.AcceptWaveform(piece)]
        return " ".join(json.loads(result)["text"] for result in (*results, recognizer.FinalResult()))

    return hear


def funasr(model: Path) -> Ear:
    """`AutoModel.generate` on whole utterances, SenseVoice's tags taken off."""
    loaded = _auto_model(model)

    def hear(audio: Audio) -> str:
        return _TAG.sub("", loaded.generate(input=audio, language="en", use_itn=False)[0]["text"])

    return hear


def streaming_funasr(model: Path) -> Ear:
    """`AutoModel.generate` on pieces of 600 ms with a cache."""
    loaded = _auto_model(model)

    def hear(audio: Audio) -> str:
        cache: dict[str, Any] = {}  # FunASR's own, whatever it holds
        texts = []
        for at in range(0, len(audio), CHUNK):
            heard = loaded.generate(
                input=audio[at : at + CHUNK],
                cache=cache,
                is_final=at + CHUNK >= len(audio),
                chunk_size=[0, 10, 5],
                encoder_chunk_look_back=4,
                decoder_chunk_look_back=1,
            )
            texts.append(heard[0]["text"])
        return " ".join(texts)

    return hear


def _auto_model(model: Path) -> Any:  # FunASR has no types
    from funasr import AutoModel

    # Each of these keeps FunASR from the network, from other threads' cores, or from standard output.
    return AutoModel(
        model=str(model),
        device="cpu",
        ncpu=1,
        disable_update=True,
        disable_pbar=True,
        disable_log=True,
        log_level="ERROR",
    )
