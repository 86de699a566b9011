"""
The engines by their own SDKs, without a line of the hub's: what the hub's throughput is measured against.

`Alone` keeps one loaded engine in a process of its own. It is asked what the provider asks its engine: the same
options, finals only, and as many utterances in a call as the SDK takes.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.engine_models import Subject

Samples = npt.NDArray[np.float32]
Hear = Callable[[Sequence[bytes]], list[str]]
"""One call: the texts of a batch of utterances."""

RATE = 16_000


class Heard(NamedTuple):
    texts: list[str]
    wall_s: float
    cpu_s: float
    """Of the process."""


class Alone:
    """A context manager. Raises what keeps the engine from loading with the first `hear`."""

    def __init__(self, subject: Subject) -> None:
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_load, initargs=(subject,))

    def __enter__(self) -> Alone:
        return self

    def __exit__(self, *exc: object) -> None:
        self._pool.shutdown()

    def hear(self, clips: Sequence[bytes], batch: int) -> Future[Heard]:
        """`batch` utterances at a time."""
        return self._pool.submit(_hear, clips, batch)


_loaded: list[Hear] = []
"""The engine of this process."""


def _load(subject: Subject) -> None:
    with warnings.catch_warnings():
        # Of the SDKs' own imports.
        warnings.simplefilter("ignore")
        _loaded.append(_ENGINES[subject.kind](subject.settings))


def _hear(clips: Sequence[bytes], batch: int) -> Heard:
    (hear,) = _loaded
    texts: list[str] = []
    began, cpu = time.perf_counter(), time.process_time()
    for at in range(0, len(clips), batch):
        texts += hear(clips[at : at + batch])
    return Heard(texts, time.perf_counter() - began, time.process_time() - cpu)


# The SDKs have no types: Any.


def _whisper(settings: dict[str, Any]) -> Hear:
    from faster_whisper import WhisperModel
    from faster_whisper.audio import pad_or_trim
    from faster_whisper.tokenizer import Tokenizer
    from faster_whisper.transcribe import get_suppressed_tokens

    device, _, number = settings["device"].partition(":")
    model = WhisperModel(
        settings["model"],
        device=device,
        device_index=int(number or 0),
        compute_type="float16" if device == "cuda" else "int8",
        cpu_threads=1,
        local_files_only=True,
    )
    multilingual = model.model.is_multilingual
    tokenizer = Tokenizer(model.hf_tokenizer, multilingual, task="transcribe", language="en")
    prompt = model.get_prompt(tokenizer, [], without_timestamps=True)
    silenced = list(get_suppressed_tokens(tokenizer, [-1]))

    def hear(clips: Sequence[bytes]) -> list[str]:
        features = np.stack([pad_or_trim(model.feature_extractor(_samples(clip))[..., :-1]) for clip in clips])
        results = model.model.generate(
            model.encode(features),
            [prompt] * len(clips),
            beam_size=5,
            suppress_tokens=silenced,
            return_scores=True,
            return_no_speech_prob=True,
        )
        return [tokenizer.decode(result.sequences_ids[0]) for result in results]

    return hear


def _funasr(settings: dict[str, Any]) -> Hear:
    from funasr import AutoModel

    model = AutoModel(
        model=settings["model"],
        device=settings["device"],
        ncpu=1,
        disable_update=True,
        disable_pbar=True,
        log_level="ERROR",
    )
    if type(model.model).__name__ == "ParaformerStreaming":
        return lambda clips: [" ".join(_chunks(model, clip)) for clip in clips]

    def hear(clips: Sequence[bytes]) -> list[str]:
        results = model.generate(input=[_samples(clip) for clip in clips], batch_size=len(clips), language="auto")
        return [result["text"].rpartition("|>")[2] for result in results]

    return hear


def _chunks(model: Any, clip: bytes) -> Iterator[str]:
    """The SDK takes one utterance at a time, in steps of 600 ms."""
    samples, cache = _samples(clip), dict[str, Any]()
    for at in range(0, len(samples), 9600):
        (result,) = model.generate(
            input=samples[at : at + 9600],
            cache=cache,
            is_final=at + 9600 >= len(samples),
            chunk_size=[0, 10, 5],
            encoder_chunk_look_back=4,
            decoder_chunk_look_back=1,
        )
        yield result["text"]


def _vosk(settings: dict[str, Any]) -> Hear:
    import vosk

    vosk.SetLogLevel(-1)
    model = vosk.Model(settings["model"])

    def one(clip: bytes) -> str:
        recognizer = vosk.KaldiRecognizer(model, RATE)
        recognizer.SetWords(True)
        pieces = (clip[at : at + 6400] for at in range(0, len(clip), 6400))
        parts = [json.loads(recognizer.Result())["text"] for piece in pieces if recognizer.AcceptWaveform(piece)]
        return " ".join([*parts, json.loads(recognizer.FinalResult())["text"]]).replace("[unk]", "")

    return lambda clips: [one(clip) for clip in clips]


def _sherpa(settings: dict[str, Any]) -> Hear:
    import sherpa_onnx

    def file(name: str) -> str:
        return f"{settings['model']}/{name}"

    device = settings["device"].partition(":")[0]
    if "streaming" in settings["model"]:
        online = sherpa_onnx.OnlineRecognizer.from_paraformer(
            tokens=file("tokens.txt"),
            encoder=file("encoder.int8.onnx"),
            decoder=file("decoder.int8.onnx"),
            num_threads=1,
            provider=device,
        )
        return lambda clips: _sherpa_streaming(online, clips, settings["tail_s"])
    offline = sherpa_onnx.OfflineRecognizer.from_sense_voice(
        model=file("model.int8.onnx"),
        tokens=file("tokens.txt"),
        language="auto",
        use_itn=True,
        num_threads=1,
        provider=device,
    )

    def hear(clips: Sequence[bytes]) -> list[str]:
        streams = [offline.create_stream() for _ in clips]
        for stream, clip in zip(streams, clips, strict=True):
            stream.accept_waveform(RATE, _samples(clip))
        offline.decode_streams(streams)
        return [stream.result.text for stream in streams]

    return hear


def _sherpa_streaming(recognizer: Any, clips: Sequence[bytes], tail_s: float) -> list[str]:
    """All streams in one run of the network, as long as they have audio."""
    streams = [recognizer.create_stream() for _ in clips]
    for stream, clip in zip(streams, clips, strict=True):
        stream.accept_waveform(RATE, np.concatenate([_samples(clip), np.zeros(int(tail_s * RATE), np.float32)]))
        stream.input_finished()
    while there := [stream for stream in streams if recognizer.is_ready(stream)]:
        recognizer.decode_streams(there)
    return [recognizer.get_result(stream) for stream in streams]


def _transformers(settings: dict[str, Any]) -> Hear:
    import torch
    import transformers

    torch.set_num_threads(1)
    processor = transformers.AutoProcessor.from_pretrained(settings["model"], local_files_only=True)
    model = transformers.AutoModelForSpeechSeq2Seq.from_pretrained(
        settings["model"], dtype=torch.float32 if settings["device"] == "cpu" else "auto", local_files_only=True
    )
    model = model.to(settings["device"]).eval()

    def hear(clips: Sequence[bytes]) -> list[str]:
        audio = [_samples(clip) for clip in clips]
        inputs = processor(audio=audio, sampling_rate=RATE, return_tensors="pt", return_attention_mask=True)
        with torch.inference_mode():
            tokens = model.generate(
                **inputs.to(model.device, model.dtype), do_sample=False, max_new_tokens=settings["max_new_tokens"]
            )
        return list(processor.batch_decode(tokens, skip_special_tokens=True))

    return hear


_ENGINES: dict[str, Callable[[dict[str, Any]], Hear]] = {
    "faster-whisper": _whisper,
    "funasr": _funasr,
    "vosk": _vosk,
    "sherpa-onnx": _sherpa,
    "transformers": _transformers,
}


def _samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, np.int16).astype(np.float32) / np.float32(32768)
