from __future__ import annotations

import io

import av
import numpy as np
import pytest
from tests.audio.shapes import noise, voice
from tests.speech import clips, needs_clips

from asr_hub.audio.plausible import Plausible, check_format
from asr_hub.errors import UnsupportedAudio
from asr_hub.model import AudioFormat, Encoding

pytestmark = pytest.mark.unit

S16 = AudioFormat()
STEREO = AudioFormat(channels=2)
F32 = AudioFormat(encoding=Encoding.PCM_F32LE)
MULAW = AudioFormat(8_000, encoding=Encoding.MULAW)


def verdict(format: AudioFormat, raw: bytes, *, message: int = 640) -> str:
    """The code of what is found, or nothing."""
    plausible = Plausible(format)
    size = message * format.bytes_per_frame
    try:
        for at in range(0, len(raw), size):
            plausible.check(raw[at : at + size])
    except UnsupportedAudio as exc:
        assert len(str(exc)) > 40
        return exc.code
    return ""


def room(samples: int = 16_000) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Something like speech in a quiet room, as numbers."""
    speech = np.frombuffer(voice(samples / 16_000), "<i2").astype(int)
    return (speech + np.frombuffer(noise(samples, level=20), "<i2")).clip(-32768, 32767).astype("<i2")


HEADS = {
    "wav": b"RIFF\x24\0\0\0WAVEfmt ",
    "rf64": b"RF64\xff\xff\xff\xffWAVEds64",
    "avi": b"RIFF\x24\0\0\0AVI LIST",
    "ogg": b"OggS\0\2\0\0\0\0\0\0",
    "flac": b"fLaC\0\0\0\x22\x10\0\x10\0",
    "mp3": b"ID3\4\0\0\0\0\0\x23TS",
    "adif": b"ADIF\0\0\0\0\0\0\0\0",
    "webm": b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\1\x42\xf7\x81",
    "mp4": b"\0\0\0\x20ftypM4A \0\0\0\0",
    "aiff": b"FORM\0\0\0\0AIFFCOMM",
    "caf": b"caff\0\1\0\0desc\0\0\0\0",
    "au": b".snd\0\0\0\x18\0\0\0\0",
    "amr": b"#!AMR\n\x3c\0\0\0\0\0",
    "wma": b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa",
}


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("format", [S16, F32, MULAW])
@pytest.mark.parametrize("message", [4, 640])
def test_a_file_in_place_of_samples_is_named(name: str, format: AudioFormat, message: int) -> None:
    raw = HEADS[name] + noise(4000)
    assert verdict(format, raw[: len(raw) // 8 * 8], message=message) == "container-in-raw-audio"


@pytest.mark.parametrize(("codec", "container"), [("libmp3lame", "mp3"), ("aac", "adts")])
def test_an_mpeg_stream_without_a_tag_is_named(codec: str, container: str) -> None:
    buffer = io.BytesIO()
    options = {"id3v2_version": "0", "write_xing": "0"} if container == "mp3" else {}
    with av.open(buffer, "w", format=container, options=options) as out:
        stream = out.add_stream(codec, rate=16_000)
        frame = av.AudioFrame.from_ndarray(room().reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = 16_000
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"  # type: ignore[assignment]
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    raw = buffer.getvalue()
    assert raw[0] == 0xFF
    assert verdict(S16, raw[: len(raw) // 2 * 2]) == "container-in-raw-audio"


FOUND = {
    "floats as integers": (S16, lambda x: (x / 32768).astype("<f4"), "float32-as-int16"),
    "quiet floats as integers": (S16, lambda x: (x / 32768 / 50).astype("<f4"), "float32-as-int16"),
    "floats as stereo integers": (STEREO, lambda x: (x / 32768).astype("<f4"), "float32-as-int16"),
    "big endian": (S16, lambda x: x.astype(">i2"), "wrong-byte-order"),
    "quiet big endian": (S16, lambda x: (x // 200).astype(">i2"), "wrong-byte-order"),
    "big endian stereo": (STEREO, lambda x: np.stack([x, x // 2], 1).astype(">i2"), "wrong-byte-order"),
    "integers as floats": (F32, lambda x: x, "int16-as-float32"),
    "floats that go to 32768": (F32, lambda x: x.astype("<f4"), "float32-not-normalised"),
}


@pytest.mark.parametrize("case", FOUND)
def test_what_is_sent_in_place_of_the_declared(case: str) -> None:
    format, change, code = FOUND[case]
    assert verdict(format, change(room(32_000)).tobytes()) == code


def harmless() -> dict[str, tuple[AudioFormat, bytes]]:
    time = np.arange(16_000)
    tone = 12_000 * np.sin(time * 0.3)
    square = np.where(time // 20 % 2, 15_000, -17_000).astype("<i2")
    codes = np.random.default_rng(1).normal(0, 20, 16_000).astype(np.int8).view(np.uint8)
    x = room()
    return {
        "silence": (S16, bytes(32_000)),
        "one sample": (S16, bytes(31_000) + b"\1\0" + bytes(998)),
        "faint noise": (S16, noise(16_000, level=0.6)),
        "noise": (S16, noise(16_000)),
        "loud noise": (S16, noise(16_000, level=20_000)),
        "tone": (S16, tone.astype("<i2").tobytes()),
        "high tone": (S16, (20_000 * np.sin(time * 3.0)).astype("<i2").tobytes()),
        "alternating": (S16, np.where(time % 2, 9000, -9000).astype("<i2").tobytes()),
        "square wave": (S16, square.tobytes()),
        "random bytes": (S16, np.random.default_rng(2).bytes(32_000)),
        "mulaw bytes": (S16, codes.tobytes()),
        "8 bit as 16": (S16, (x // 256 * 256).astype("<i2").tobytes()),
        "12 bit as 16": (S16, (x // 16 * 16).astype("<i2").tobytes()),
        "clipped": (S16, (x.astype(int) * 50).clip(-32768, 32767).astype("<i2").tobytes()),
        "offset": (S16, (x // 4 + 9000).astype("<i2").tobytes()),
        "one silent channel": (STEREO, np.stack([x, 0 * x], 1).tobytes()),
        "float silence": (F32, bytes(64_000)),
        "float speech": (F32, (x / 32768).astype("<f4").tobytes()),
        "float overload": (F32, (x / 10_000).astype("<f4").tobytes()),
        "float denormals": (F32, (np.frombuffer(noise(16_000), "<i2") * 1e-41).astype("<f4").tobytes()),
        "floats with gaps": (F32, np.where(time % 7 == 0, np.nan, x / 32768).astype("<f4").tobytes()),
        "mulaw": (MULAW, codes.tobytes()),
        "short": (S16, b"RI"),
    }


@pytest.mark.parametrize("case", harmless())
def test_what_real_clients_send_is_let_through(case: str) -> None:
    format, raw = harmless()[case]
    assert verdict(format, raw) == ""
    assert verdict(format, raw, message=len(raw)) == ""


def test_only_the_first_second_is_looked_at() -> None:
    assert verdict(S16, bytes(32_000) + room().astype(">i2").tobytes()) == ""
    assert verdict(S16, noise(16_000, level=30) + HEADS["wav"] + noise(100)) == ""


@pytest.mark.parametrize(("format", "size"), [(S16, 641), (STEREO, 642), (F32, 643), (AudioFormat(channels=3), 8)])
def test_an_odd_byte_count_is_named_at_any_time(format: AudioFormat, size: int) -> None:
    plausible = Plausible(format)
    for _ in range(30):
        plausible.check(bytes(4800))
    with pytest.raises(UnsupportedAudio, match="whole sample") as caught:
        plausible.check(bytes(size))
    assert caught.value.code == "odd-byte-count"


@pytest.mark.parametrize(
    ("format", "code"),
    [
        (AudioFormat(7_999), "unsupported-rate"),
        (AudioFormat(192_001), "unsupported-rate"),
        (AudioFormat(0), "unsupported-rate"),
        (AudioFormat(channels=0), "unsupported-channels"),
        (AudioFormat(channels=9), "unsupported-channels"),
    ],
)
def test_formats_beyond_reason_are_refused(format: AudioFormat, code: str) -> None:
    with pytest.raises(UnsupportedAudio, match="declare") as caught:
        check_format(format)
    assert caught.value.code == code


@pytest.mark.parametrize("format", [AudioFormat(8_000), AudioFormat(192_000, 8), MULAW])
def test_reasonable_formats_are_taken(format: AudioFormat) -> None:
    check_format(format)


@pytest.mark.data
@needs_clips
def test_no_real_clip_is_refused_and_most_broken_ones_are() -> None:
    every = [clip for clip in clips() if clip.kind != "malformed" and 1 < clip.seconds < 60 and ".raw" not in clip.file]
    swapped = floats = 0
    for clip in every[::5]:
        x = np.frombuffer(clip.pcm(), "<i2")[: 2 * 16_000]
        for y in (x, x // 64, (x.astype(int) * 8).clip(-32768, 32767), x // 256 * 256):
            assert verdict(S16, y.astype("<i2").tobytes()) == "", clip.file
        assert verdict(F32, (x / 32768).astype("<f4").tobytes()) == "", clip.file
        swapped += verdict(S16, x.astype(">i2").tobytes()) == "wrong-byte-order"
        floats += verdict(S16, (x / 32768).astype("<f4").tobytes()) == "float32-as-int16"
    assert swapped > 0.8 * len(every[::5]) and floats > 0.9 * len(every[::5])
