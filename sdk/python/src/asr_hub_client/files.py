"""Audio from files, in blocks."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from importlib import import_module
from os import PathLike, fspath
from typing import Any

from asr_hub_client.errors import MissingExtra, UnreadableAudio
from asr_hub_client.messages import AudioFormat

BLOCK_SECONDS = 0.2


def read_audio(path: str | PathLike[str]) -> tuple[AudioFormat, Iterator[bytes]]:
    """
    The format of a file, and its samples in blocks.

    A WAV of 16 bits is read as it is; whatever else PyAV knows is decoded to 16 kHz, one channel, if the extra `files`
    is installed. Raises UnreadableAudio, MissingExtra, OSError.
    """
    try:
        wav = wave.open(fspath(path))  # noqa: SIM115  closed by _wav_blocks
    except (wave.Error, EOFError):
        return _decoded(path)
    if wav.getsampwidth() != 2:
        wav.close()
        return _decoded(path)
    return AudioFormat(wav.getframerate(), wav.getnchannels()), _wav_blocks(wav)


def _wav_blocks(wav: wave.Wave_read) -> Iterator[bytes]:
    with wav:
        frames = max(int(wav.getframerate() * BLOCK_SECONDS), 1)
        whole = 2 * wav.getnchannels()
        while block := wav.readframes(frames):
            # A file that was cut off may end within a sample.
            if block := block[: len(block) - len(block) % whole]:
                yield block


def _decoded(path: str | PathLike[str]) -> tuple[AudioFormat, Iterator[bytes]]:
    try:
        av: Any = import_module("av")
    except ImportError:
        raise MissingExtra(f"{fspath(path)} is no 16-bit WAV, and to decode it", "files") from None
    format = AudioFormat()
    try:
        container = av.open(fspath(path))
    except av.error.FFmpegError as exc:
        if isinstance(exc, OSError) and exc.filename is not None and isinstance(exc, FileNotFoundError):
            raise
        raise UnreadableAudio(f"{fspath(path)} cannot be decoded: {exc}") from exc
    if not container.streams.audio:
        container.close()
        raise UnreadableAudio(f"{fspath(path)} has no audio")
    return format, _av_blocks(av, container, fspath(path))


def _av_blocks(av: Any, container: Any, path: str) -> Iterator[bytes]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=AudioFormat().sample_rate)
    with container:
        try:
            for frame in (*container.decode(audio=0), None):
                for block in resampler.resample(frame):
                    yield block.to_ndarray().tobytes()
        except av.error.FFmpegError as exc:
            raise UnreadableAudio(f"{path} cannot be decoded: {exc}") from exc
