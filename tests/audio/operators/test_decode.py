from __future__ import annotations

import numpy as np
import pytest

from asr_hub.audio.operators.decode import Decode
from asr_hub.errors import UnsupportedAudio
from asr_hub.model import AudioFormat, Encoding

pytestmark = pytest.mark.unit


def decode(raw: bytes, encoding: Encoding, channels: int = 1) -> list[int]:
    pcm = Decode(AudioFormat(16_000, channels, encoding)).process(raw).pcm
    return np.frombuffer(pcm, "<i2").tolist()  # type: ignore[no-any-return]


def test_mono_s16_is_passed_on_without_a_copy() -> None:
    raw = b"\1\2\3\4"
    assert Decode(AudioFormat()).process(raw).pcm is raw


def test_frames_count_samples_from_the_start() -> None:
    step = Decode(AudioFormat(48_000, 2))
    first, second = step.process(bytes(400)), step.process(bytes(40))
    assert (first.start, first.samples, second.start, second.rate) == (0, 100, 100, 48_000)


def test_channels_are_mixed() -> None:
    raw = np.array([[100, 300], [-32768, -32768], [32767, 32767], [1000, -1000]], "<i2").tobytes()
    assert decode(raw, Encoding.PCM_S16LE, 2) == [200, -32768, 32767, 0]


def test_three_channels_are_mixed() -> None:
    assert decode(np.array([[3, 30, 300]], "<i2").tobytes(), Encoding.PCM_S16LE, 3) == [111]


def test_floats_are_scaled_clipped_and_cleaned() -> None:
    raw = np.array([0.0, 0.5, -1.0, 1.0, 7.0, -7.0, np.nan, np.inf, -np.inf, 1e-6], "<f4").tobytes()
    assert decode(raw, Encoding.PCM_F32LE) == [0, 16384, -32768, 32767, 32767, -32768, 0, 32767, -32768, 0]


def test_16_bit_audio_survives_the_way_over_floats() -> None:
    samples = np.arange(-32768, 32768, dtype="<i2")
    raw = (samples.astype("<f4") / 32768).tobytes()
    assert decode(raw, Encoding.PCM_F32LE) == samples.tolist()


@pytest.mark.parametrize(
    ("encoding", "codes", "values"),
    [
        # ITU-T G.711, tables 1a and 2a, times 4 and 8: the ends of the range and the codes around zero.
        (Encoding.MULAW, [0x00, 0x80, 0xFF, 0x7F, 0xFE, 0x7E, 0x8F], [-32124, 32124, 0, 0, 8, -8, 16764]),
        (Encoding.ALAW, [0x2A, 0xAA, 0xD5, 0x55, 0xD4, 0x54, 0x80], [-32256, 32256, 8, -8, 24, -24, 5504]),
    ],
)
def test_telephone_codes(encoding: Encoding, codes: list[int], values: list[int]) -> None:
    assert decode(bytes(codes), encoding) == values


@pytest.mark.parametrize("encoding", [Encoding.MULAW, Encoding.ALAW])
def test_telephone_codes_agree_with_ffmpeg(encoding: Encoding) -> None:
    import av

    codec = av.CodecContext.create({"mulaw": "pcm_mulaw", "alaw": "pcm_alaw"}[encoding], "r")
    assert isinstance(codec, av.AudioCodecContext)
    codec.sample_rate, codec.layout = 8000, "mono"  # type: ignore[assignment]
    codes = bytes(range(256))
    (frame,) = codec.decode(av.Packet(codes))
    assert decode(codes, encoding) == frame.to_ndarray().ravel().tolist()


def test_telephone_channels_are_mixed() -> None:
    assert decode(bytes([0x80, 0x00, 0xFE, 0xFE]), Encoding.MULAW, 2) == [0, 8]


@pytest.mark.parametrize(
    ("format", "size"),
    [(AudioFormat(), 3), (AudioFormat(channels=2), 6), (AudioFormat(encoding=Encoding.PCM_F32LE), 6)],
)
def test_a_broken_sample_frame_is_refused(format: AudioFormat, size: int) -> None:
    with pytest.raises(UnsupportedAudio, match="whole samples") as caught:
        Decode(format).process(bytes(size))
    assert caught.value.code == "odd-byte-count"
