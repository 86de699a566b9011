"""Recognises raw audio that is not what its format says, so that a client is told instead of misheard."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from asr_hub.errors import UnsupportedAudio
from asr_hub.model import AudioFormat, Encoding

RATES = (8_000, 192_000)
"""Hertz"""

CHANNELS = (1, 8)

LOOK_AT = (0.25, 0.5, 1.0)
"""Seconds of audio after which the samples are judged. Later audio is not looked at."""


def check_format(format: AudioFormat) -> None:
    """Raises UnsupportedAudio: `unsupported-rate`, `unsupported-channels`."""
    if not RATES[0] <= format.sample_rate <= RATES[1]:
        raise UnsupportedAudio(
            f"{format.sample_rate} Hz: declare a sample rate of {RATES[0]} to {RATES[1]} Hz", code="unsupported-rate"
        )
    if not CHANNELS[0] <= format.channels <= CHANNELS[1]:
        raise UnsupportedAudio(
            f"{format.channels} channels: declare {CHANNELS[0]} to {CHANNELS[1]}", code="unsupported-channels"
        )


class Plausible:
    """
    Looks at the first second of a session's raw audio.

    It judges only on evidence that real audio of the declared format cannot give: a wrong alarm would refuse a good
    client. A wrong sample rate is therefore not recognised: slow low voices and fast high ones overlap.
    """

    name: ClassVar[str] = "plausible"

    def __init__(self, format: AudioFormat) -> None:
        self._format = format
        self._head = bytearray()
        self._looks = [int(seconds * format.sample_rate) * format.bytes_per_frame for seconds in LOOK_AT]
        self._container_checked = 0

    @property
    def is_done(self) -> bool:
        """The first second was looked at: from now on `check` only counts bytes."""
        return not self._looks

    def check(self, raw: bytes) -> None:
        """
        Take the next message of raw audio, before it is used.

        Raises UnsupportedAudio with code `odd-byte-count` (a message must hold whole sample frames),
        `container-in-raw-audio`, `float32-as-int16`, `int16-as-float32`, `float32-not-normalised`, `wrong-byte-order`.
        """
        if len(raw) % self._format.bytes_per_frame:
            raise UnsupportedAudio(
                f"{len(raw)} bytes are not whole sample frames of {self._format.bytes_per_frame} bytes "
                f"({self._format.encoding}, {self._format.channels} channels): send whole samples in every message",
                code="odd-byte-count",
            )
        if not self._looks:
            return
        self._head += raw[: self._looks[-1] - len(self._head)]
        self._look_for_container()
        if len(self._head) >= self._looks[0]:
            self._looks = [size for size in self._looks if size > len(self._head)]
            _judge(bytes(self._head), self._format)
            if not self._looks:
                self._head = bytearray()

    def _look_for_container(self) -> None:
        """The magic numbers lie in the first bytes; the frame headers of an MPEG stream need a little more."""
        if self._container_checked >= _MPEG_HEAD or len(self._head) < 12:
            return
        self._container_checked = len(self._head)
        kind = container(bytes(self._head[:_MPEG_HEAD]))
        if kind is not None:
            raise UnsupportedAudio(
                f"this is a file ({kind}), not raw {self._format.encoding}: send the samples alone, "
                "or let `asr-hub transcribe` read the file",
                code="container-in-raw-audio",
            )


def container(head: bytes) -> str | None:
    """The name of the audio container that `head` (12 bytes or more) begins, if it begins one."""
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] in (b"WAVE", b"AVI "):
        return "wav" if head[8:12] == b"WAVE" else "avi"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if head[4:8] == b"ftyp":
        return "mp4"
    return _mpeg_audio(head)


_MAGIC = {
    b"OggS\0": "ogg",
    b"fLaC": "flac",
    b"ID3\2": "mp3",
    b"ID3\3": "mp3",
    b"ID3\4": "mp3",
    b"ADIF": "aac",
    b"\x1a\x45\xdf\xa3": "webm",
    b"caff\0\1": "caf",
    b".snd\0\0\0": "au",
    b"#!AMR": "amr",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "wma",
    b"wvpk": "wavpack",
    b"MAC \x96\x0f": "ape",
}

_MPEG_HEAD = 8192
_MPEG_FRAMES = 3
_BIT_RATES = {
    # ISO/IEC 11172-3 and 13818-3, layer III, kbit/s by index; MPEG-1 and MPEG-2.
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLE_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


def _mpeg_audio(head: bytes) -> str | None:
    """
    MP3 or AAC (ADTS) without a tag: frame headers that each point to the next.

    One sync word is 12 bits and comes up in any loud audio; three in a row at the right distance do not.
    """
    for name, length_of in (("mp3", _mp3_length), ("aac", _adts_length)):
        at = found = 0
        while found < _MPEG_FRAMES and at + 7 <= len(head):
            length = length_of(head[at : at + 7])
            if not length:
                break
            at += length
            found += 1
        if found == _MPEG_FRAMES:
            return name
    return None


def _mp3_length(header: bytes) -> int:
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    bit_rate, sample_rate = header[2] >> 4, header[2] >> 2 & 3
    if header[0] != 0xFF or header[1] >> 5 != 7 or layer != 1 or version == 1 or sample_rate == 3:
        return 0
    if bit_rate in (0, 15):
        return 0
    factor = 144_000 if version == 3 else 72_000
    return factor * _BIT_RATES[version == 3][bit_rate] // _SAMPLE_RATES[version][sample_rate] + (header[2] >> 1 & 1)


def _adts_length(header: bytes) -> int:
    if header[0] != 0xFF or header[1] & 0xF6 != 0xF0 or header[2] >> 2 & 15 > 12:
        return 0
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return length if length > 7 else 0


def _judge(head: bytes, format: AudioFormat) -> None:
    if format.encoding is Encoding.PCM_S16LE:
        if _is_float(head):
            raise UnsupportedAudio(
                'these are 32-bit floats, not 16-bit integers: declare "encoding": "pcm_f32le", or convert',
                code="float32-as-int16",
            )
        if _is_swapped(head, format.channels):
            raise UnsupportedAudio(
                "the two bytes of every sample are swapped (big endian): send 16-bit audio little endian",
                code="wrong-byte-order",
            )
    elif format.encoding is Encoding.PCM_F32LE:
        _judge_float(head)


_MIN_SAMPLES = 1000
"""Samples that are not zero, before anything is said about them."""


def _is_float(head: bytes) -> bool:
    """
    Whether 16-bit "samples" are halves of floats.

    Read as floats nearly all lie between 1e-6 and 1.5. For true 16-bit audio that would need every second sample to
    stay within 13,700..16,300 or -19,100..-16,400: never near zero, and yet changing sign.
    """
    samples = np.frombuffer(head[: len(head) // 4 * 4], "<f4")
    magnitude = np.abs(samples[samples != 0])
    if magnitude.size < _MIN_SAMPLES:
        return False
    audible = int(np.count_nonzero((magnitude > 1e-6) & (magnitude < 1.5)))
    has_both_signs = bool(samples.min() < 0 < samples.max())
    return audible > 0.99 * magnitude.size and np.unique(samples[:4000]).size > 4 and has_both_signs


def _is_swapped(head: bytes, channels: int) -> bool:
    """
    Whether the bytes of 16-bit samples come the other way round.

    Audio moves in small steps, and its low bytes are noise. Swapped audio is loud and rough as it comes and smooth when
    swapped back; or its low bytes (the true high ones) move far less than its high bytes do, around zero on both sides.
    8-bit audio written as 16-bit has still low bytes too, but all of one sign.
    """
    native = np.frombuffer(head[: len(head) // (2 * channels) * 2 * channels], "<i2").reshape(-1, channels)
    if np.count_nonzero(native) < _MIN_SAMPLES:
        return False
    rough, rough_swapped = _roughness(native), _roughness(native.byteswap())
    if float(native.std()) > 8000 and rough > 1.2 and rough_swapped < 0.6:
        return True
    low, high = (native & 0xFF).astype(np.int8), native >> 8
    both_signs = 0.05 < float((low < 0).mean()) < 0.95
    moves_more = float(high.std()) > max(2.0, 4 * float(low.std()))
    # Within one byte the low bytes only repeat the sign, and swapping changes nothing but the scale.
    repeats_sign = np.array_equal(low, np.where(high < 0, -1, 0))
    is_better_swapped = repeats_sign or rough_swapped < 0.7 * rough
    return both_signs and moves_more and is_better_swapped


def _roughness(samples: npt.NDArray[np.int16]) -> float:
    """Power of the differences between neighbours over the power of the samples: 0 is smooth, 2 is white noise."""
    values = samples.astype(np.float64)
    values -= values.mean(axis=0)
    return float(np.square(np.diff(values, axis=0)).sum() / max(1.0, np.square(values).sum()))


def _judge_float(head: bytes) -> None:
    samples = np.frombuffer(head, "<f4")
    values = samples[samples != 0]
    if values.size < _MIN_SAMPLES:
        return
    magnitude = np.abs(values)
    with np.errstate(invalid="ignore"):
        is_wild = ~((magnitude > 1e-12) & (magnitude < 1e6))
        is_loud = (magnitude > 2) & (magnitude < 1e6)
    integers = np.frombuffer(head, "<i2").reshape(-1, 1)
    # Halves of floats are rough; integers that were misread are audio, and smooth.
    if np.count_nonzero(is_wild) > 0.5 * values.size and _roughness(integers) < 1.2:
        raise UnsupportedAudio(
            'these are 16-bit integers, not 32-bit floats: declare "encoding": "pcm_s16le", or convert',
            code="int16-as-float32",
        )
    if np.count_nonzero(is_loud) > 0.5 * values.size and not np.count_nonzero(is_wild):
        raise UnsupportedAudio(
            "these floats go far beyond 1.0: divide 16-bit values by 32768 before sending them as floats",
            code="float32-not-normalised",
        )
