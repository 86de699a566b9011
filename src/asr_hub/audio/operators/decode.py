"""Raw audio bytes become mono 16-bit frames at the rate they came with."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from asr_hub.errors import UnsupportedAudio
from asr_hub.model import AudioFormat, AudioFrame, Encoding


class Decode:
    """
    Reads raw audio in one `AudioFormat`: expands it to 16 bit and mixes its channels down to one.

    Mono 16-bit audio is passed on as it is, without a copy.
    """

    name: ClassVar[str] = "decode"

    def __init__(self, format: AudioFormat) -> None:
        self._format = format
        self._bytes_per_frame = format.bytes_per_frame
        self._rate = format.sample_rate
        self._read = _READERS[format.encoding]
        self._is_plain = format.encoding is Encoding.PCM_S16LE and format.channels == 1
        self._position = 0

    def process(self, raw: bytes) -> AudioFrame:
        """
        The next piece of the stream as one frame, its `start` counted in samples per channel.

        NaN becomes silence, infinities and what lies beyond full scale are clipped. Raises UnsupportedAudio
        (`odd-byte-count`) where `raw` does not hold whole sample frames.
        """
        if len(raw) % self._bytes_per_frame:
            raise UnsupportedAudio(
                f"{len(raw)} bytes are not whole sample frames of {self._bytes_per_frame} bytes "
                f"({self._format.encoding}, {self._format.channels} channels): send whole samples",
                code="odd-byte-count",
            )
        pcm = bytes(raw) if self._is_plain else self._read(raw, self._format.channels).tobytes()
        frame = AudioFrame(pcm, self._position, self._rate)
        self._position = frame.end
        return frame


def _read_s16(raw: bytes, channels: int) -> npt.NDArray[np.int16]:
    return _mix(np.frombuffer(raw, "<i2"), channels)


def _read_f32(raw: bytes, channels: int) -> npt.NDArray[np.int16]:
    samples = np.nan_to_num(np.frombuffer(raw, "<f4"), nan=0.0, posinf=1.0, neginf=-1.0)
    np.clip(samples, -1.0, 1.0, out=samples)
    if channels > 1:
        samples = samples.reshape(-1, channels).mean(axis=1)
    return to_s16(samples)


def _read_mulaw(raw: bytes, channels: int) -> npt.NDArray[np.int16]:
    return _mix(_MULAW.take(np.frombuffer(raw, np.uint8)), channels)


def _read_alaw(raw: bytes, channels: int) -> npt.NDArray[np.int16]:
    return _mix(_ALAW.take(np.frombuffer(raw, np.uint8)), channels)


def to_s16(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    """Finite samples of full scale 1.0 as 16 bit, rounded to the nearest and clipped, without dither."""
    scaled = samples * np.float32(32768.0)
    np.rint(scaled, out=scaled)
    np.clip(scaled, -32768.0, 32767.0, out=scaled)
    return scaled.astype("<i2")


def _mix(samples: npt.NDArray[np.int16], channels: int) -> npt.NDArray[np.int16]:
    if channels == 1:
        return samples
    total = samples.reshape(-1, channels).sum(axis=1, dtype=np.int32)
    mixed: npt.NDArray[np.int16] = (total // channels).astype("<i2")
    return mixed


def _mulaw_table() -> npt.NDArray[np.int16]:
    """ITU-T G.711, mu-law: one sample for each of the 256 codes, scaled to 16 bit."""
    code = ~np.arange(256) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code >> 4) & 7)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype("<i2")


def _alaw_table() -> npt.NDArray[np.int16]:
    """ITU-T G.711, A-law: one sample for each of the 256 codes, scaled to 16 bit."""
    code = np.arange(256) ^ 0x55
    exponent, mantissa = (code >> 4) & 7, (code & 0x0F) << 4
    magnitude = np.where(exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype("<i2")


_MULAW: npt.NDArray[np.int16] = _mulaw_table()
_ALAW: npt.NDArray[np.int16] = _alaw_table()
_READERS: dict[Encoding, Callable[[bytes, int], npt.NDArray[np.int16]]] = {
    Encoding.PCM_S16LE: _read_s16,
    Encoding.PCM_F32LE: _read_f32,
    Encoding.MULAW: _read_mulaw,
    Encoding.ALAW: _read_alaw,
}
