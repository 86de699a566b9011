from __future__ import annotations

import io
import wave
from pathlib import Path
from tempfile import NamedTemporaryFile

import av
import numpy as np
import pytest
from tests.audio.shapes import assert_in_row, joined, noise, voice
from tests.speech import ROOT, needs_clips

from asr_hub.audio.files import MOST_APART, Limits, decode, decode_apart, probe
from asr_hub.errors import ClientError, NotFound, TooLarge, UnsupportedAudio
from asr_hub.model import AudioFrame

pytestmark = pytest.mark.unit

KINDS = {
    # name: container, codec, rate, channels, sample format
    "wav": ("wav", "pcm_s16le", 44_100, 2, "s16"),
    "wav 24 bit": ("wav", "pcm_s24le", 48_000, 1, "s32"),
    "wav float": ("wav", "pcm_f32le", 16_000, 1, "flt"),
    "wav mulaw": ("wav", "pcm_mulaw", 8_000, 1, "s16"),
    "flac": ("flac", "flac", 44_100, 2, "s16"),
    "aiff": ("aiff", "pcm_s16be", 22_050, 1, "s16"),
    "mp3": ("mp3", "libmp3lame", 44_100, 2, "s16p"),
    "aac": ("adts", "aac", 44_100, 1, "fltp"),
    "m4a": ("ipod", "aac", 44_100, 2, "fltp"),
    "mp4": ("mp4", "aac", 48_000, 1, "fltp"),
    "ogg opus": ("ogg", "libopus", 48_000, 1, "s16"),
    "webm opus": ("webm", "libopus", 48_000, 2, "s16"),
    "mkv": ("matroska", "pcm_s16le", 16_000, 1, "s16"),
    "wma": ("asf", "wmav2", 44_100, 1, "fltp"),
    "amr": ("amr", "libopencore_amrnb", 8_000, 1, "s16"),
    "caf": ("caf", "pcm_s16le", 16_000, 1, "s16"),
    "au": ("au", "pcm_s16be", 16_000, 1, "s16"),
}


def encoded(kind: str, seconds: float = 2.0, **options: str) -> bytes:
    """A file of this kind, with something like speech in it."""
    container, codec, rate, channels, sample_format = KINDS[kind]
    samples = np.repeat(np.frombuffer(voice(seconds, rate=rate), "<i2"), channels).reshape(1, -1)
    layout = "mono" if channels == 1 else "stereo"
    # A named file: the muxer of mp4 opens it a second time to move its index to the beginning.
    with NamedTemporaryFile() as file, av.open(file.name, "w", format=container, options=options) as out:
        stream = out.add_stream(codec, rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.layout, stream.format = layout, sample_format  # type: ignore[assignment]
        if codec in ("libopencore_amrnb", "wmav2"):
            stream.bit_rate = 12_200 if codec == "libopencore_amrnb" else 64_000
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="s16", layout=layout)
        frame.sample_rate = rate
        fit = av.AudioResampler(format=sample_format, layout=layout, rate=rate, frame_size=stream.frame_size or 1024)
        for part in [*fit.resample(frame), *fit.resample(None)]:
            for packet in stream.encode(part):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
        out.close()
        return Path(file.name).read_bytes()


def code_of(source: bytes, **limits: float) -> tuple[str, float]:
    """The code of the error a file ends with, and the seconds that came before it."""
    got = []
    with pytest.raises(ClientError) as caught:
        got.extend(decode(source, limits=Limits(**limits)))  # type: ignore[arg-type]
    assert len(str(caught.value)) > 20
    return caught.value.code, sum(frame.samples for frame in got) / 16_000


def likeness(pcm: bytes, other: bytes) -> float:
    """Correlation of the loudness over time, in windows of 20 ms. A codec may begin 100 ms late, or early."""
    shifts = [640 * windows for windows in range(6)]
    return max(max(_likeness(pcm[shift:], other), _likeness(pcm, other[shift:])) for shift in shifts)


def _likeness(pcm: bytes, other: bytes) -> float:
    size = min(len(pcm), len(other)) // 640 * 640
    one, two = (np.frombuffer(x[:size], "<i2").astype(float).reshape(-1, 320).std(axis=1) for x in (pcm, other))
    return float(np.corrcoef(one, two)[0, 1])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file(kind: str) -> None:
    raw = encoded(kind)
    got = list(decode(raw))
    assert got[0].start == 0 and {frame.rate for frame in got} == {16_000}
    assert_in_row(got)
    assert all(frame.samples == 8000 for frame in got[:-1])
    # Codecs pad to their own frames, and the lossy ones begin a little later.
    assert got[-1].end / 16_000 == pytest.approx(2.0, abs=0.12)
    assert likeness(joined(got), voice(2.0)) > 0.7
    facts = probe(raw)
    assert facts.channels == KINDS[kind][3]
    assert facts.seconds is None or facts.seconds == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000])
def test_the_wanted_rate(rate: int) -> None:
    got = list(decode(encoded("flac"), rate, block=0.1))
    assert got[-1].end == 2 * rate and got[0].samples == rate // 10


def test_samples_at_the_wanted_rate_are_exact() -> None:
    pcm = joined(decode(encoded("mkv")))
    assert pcm == voice(2.0)


def test_paths_and_open_files(tmp_path: Path) -> None:
    path, raw = tmp_path / "http:--a.flac", encoded("flac")
    path.write_bytes(raw)
    expected = joined(decode(raw))
    assert joined(decode(path)) == joined(decode(str(path))) == expected
    with path.open("rb") as file:
        assert joined(decode(file)) == expected
        assert not file.closed


def test_a_file_left_early_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(encoded("wav"))
    frames = decode(path)
    assert isinstance(next(frames), AudioFrame)
    frames.close()  # type: ignore[attr-defined]
    assert list(frames) == []


@pytest.mark.parametrize("place", ["/nowhere/at/all.wav", ".", "http://127.0.0.1:1/a.wav", "concat:a|b"])
def test_what_is_not_there(place: str) -> None:
    with pytest.raises(NotFound, match="no file"):
        next(decode(place))


def test_m4a_with_its_index_at_the_end_and_at_the_beginning() -> None:
    late, early = encoded("m4a"), encoded("m4a", movflags="faststart")
    assert late.index(b"moov") > late.index(b"mdat") and early.index(b"moov") < early.index(b"mdat")
    assert joined(decode(late)) == joined(decode(early)) != b""


BROKEN = {
    "nothing": (b"", "empty-file"),
    "words": (b"hello, world. " * 100, "malformed-audio"),
    "zeros": (bytes(5000), "malformed-audio"),
    "a playlist": (b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\n/etc/hostname\n", "malformed-audio"),
    "a script": (b"ffconcat version 1.0\nfile /etc/hostname\n", "malformed-audio"),
    "a header": (
        b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\0\0\0\0",
        "empty-audio",
    ),
    "a wild rate": (
        b"RIFF\x28\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x44\xac\x10\0\0\x7d\0\0\2\0\x10\0data\4\0\0\0\1\0\1\0",
        "unsupported-rate",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_named(case: str) -> None:
    raw, code = BROKEN[case]
    assert code_of(raw) == (code, 0.0)
    if code != "empty-audio":
        with pytest.raises(UnsupportedAudio):
            probe(raw)


@pytest.mark.parametrize("kind", ["wav", "wav 24 bit", "flac", "aiff"])
def test_a_cut_file_gives_what_is_there_and_then_says_so(kind: str) -> None:
    raw = encoded(kind, 4.0)
    code, seconds = code_of(raw[: len(raw) // 2])
    assert code == "truncated-audio" and 1.0 < seconds < 3.0


def test_a_cut_m4a_with_its_index_first_gives_what_is_there_and_then_says_so() -> None:
    raw = encoded("m4a", 4.0, movflags="faststart")
    code, seconds = code_of(raw[: len(raw) * 2 // 3])
    assert code == "truncated-audio" and 1.0 < seconds < 3.5


def test_an_m4a_that_lost_its_index_is_malformed() -> None:
    raw = encoded("m4a")
    assert code_of(raw[: raw.index(b"moov") - 4]) == ("malformed-audio", 0.0)


@pytest.mark.parametrize("kind", ["mp3", "ogg opus", "webm opus"])
def test_a_cut_stream_decodes_to_what_is_there(kind: str) -> None:
    raw = encoded(kind, 4.0)
    got = list(decode(raw[: len(raw) // 2]))
    assert 1.0 < got[-1].end / 16_000 < 3.0


def test_a_wav_written_to_a_pipe_is_not_cut_off() -> None:
    raw = bytearray(encoded("wav float"))
    at = raw.index(b"data") + 4
    for size in (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80"):
        raw[at : at + 4] = size
        got = list(decode(bytes(raw)))
        assert got[-1].end == 32_000
        assert probe(bytes(raw)).seconds in (None, pytest.approx(2.0, abs=0.1))


def test_a_film_without_sound() -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as out:
        stream = out.add_stream("ffv1", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        image = av.VideoFrame(16, 16, "yuv420p")
        for packet in [*stream.encode(image), *stream.encode(None)]:
            out.mux(packet)
    assert code_of(buffer.getvalue()) == ("no-audio-stream", 0.0)


def test_limits() -> None:
    raw = encoded("flac", 3.0)
    assert code_of(raw, seconds=2.0) == ("too-large", 0.0)
    assert code_of(raw, bytes=1000)[0] == "too-large"
    with pytest.raises(TooLarge):
        probe(raw, limits=Limits(seconds=2.0))
    assert list(decode(raw, limits=Limits(seconds=3.0)))


def test_a_file_that_does_not_tell_its_length_stops_at_the_limit() -> None:
    code, seconds = code_of(encoded("aac", 6.0), seconds=2.0)
    assert code == "too-large" and seconds <= 2.5


@pytest.mark.parametrize("seed", range(6))
def test_damage_in_the_middle_never_leaks_a_foreign_error(seed: int) -> None:
    for kind in ("mp3", "flac", "m4a", "webm opus", "wav"):
        raw = bytearray(encoded(kind, 1.0))
        at = len(raw) * (seed + 1) // 8
        damage = noise(60, seed=seed)
        raw[at : at + len(damage)] = damage
        try:
            assert_in_row(list(decode(bytes(raw))))
        except ClientError as exc:
            assert exc.code in {"malformed-audio", "truncated-audio", "empty-audio", "no-audio-stream"}


@pytest.mark.data
@needs_clips
def test_one_utterance_in_fourteen_containers() -> None:
    files = sorted((ROOT / "speech/sr_formats").iterdir())
    heard = {path.name: joined(decode(path)) for path in files}
    first = heard["audio-mono-16-bit-44100Hz.wav"]
    assert len(heard) == 14
    for name, pcm in heard.items():
        assert len(pcm) == len(first), name
        assert likeness(pcm, first) > 0.98, name


@pytest.mark.data
@needs_clips
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("awful.wav", "unsupported-rate"),
        ("bad.wav", "malformed-audio"),
        ("evil.wav", "malformed-audio"),
        ("null.wav", "empty-audio"),
    ],
)
def test_malformed_wavs_are_named(name: str, code: str) -> None:
    assert code_of((ROOT / "speech/malformed_wav" / name).read_bytes()) == (code, 0.0)


def stereo(left: bytes, right: bytes, *, codec: str = "pcm_s16le", container: str = "wav") -> bytes:
    """A file with this on its two channels, at 16 kHz."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        stream = out.add_stream(codec, rate=16_000)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "stereo"  # type: ignore[assignment]
        both = np.stack([np.frombuffer(pcm, "<i2") for pcm in (left, right)], axis=1).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(both), format="s16", layout="stereo")
        frame.sample_rate = 16_000
        fit = av.AudioResampler(
            format=stream.format, layout="stereo", rate=16_000, frame_size=stream.frame_size or 1024
        )
        for part in [*fit.resample(frame), *fit.resample(None)]:
            for packet in stream.encode(part):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    return buffer.getvalue()


@pytest.mark.parametrize(("codec", "container"), [("pcm_s16le", "wav"), ("flac", "flac"), ("pcm_s16be", "aiff")])
def test_channels_apart_are_exact(codec: str, container: str) -> None:
    left, right = voice(1.3), noise(20_800)
    rows = list(decode_apart(stereo(left, right, codec=codec, container=container)))
    assert [joined(channel) for channel in zip(*rows, strict=True)] == [left, right]
    for channel in zip(*rows, strict=True):
        assert_in_row(channel)
        assert channel[0].start == 0 and all(frame.samples == 8000 for frame in channel[:-1])


def test_channels_apart_stay_side_by_side_at_another_rate() -> None:
    rows = list(decode_apart(stereo(voice(1.3), noise(20_800)), 24_000))
    assert all((one.start, one.samples) == (other.start, other.samples) for one, other in rows)
    assert rows[-1][0].end == 1.3 * 24_000


def test_one_channel_apart_is_what_is_mixed_down() -> None:
    raw = encoded("wav mulaw")
    assert b"".join(frame.pcm for (frame,) in decode_apart(raw)) == joined(decode(raw))


def test_a_file_that_changes_its_channels_keeps_those_it_begins_with() -> None:
    mono, both = encoded("aac"), stereo(voice(2.0), noise(32_000), codec="aac", container="adts")
    for raw, count in ((mono + both, 1), (both + mono, 2)):
        rows = list(decode_apart(raw))
        assert {len(row) for row in rows} == {count}
        assert rows[-1][0].end / 16_000 == pytest.approx(4.0, abs=0.4)


def test_a_cut_file_with_channels_apart_gives_what_is_there_and_then_says_so() -> None:
    raw = stereo(voice(2.0), noise(32_000))
    rows = []
    with pytest.raises(UnsupportedAudio) as caught:
        rows.extend(decode_apart(raw[: len(raw) // 2]))
    assert caught.value.code == "truncated-audio" and rows[-1][1].end == pytest.approx(16_000, abs=100)


def wav_of(channels: int, seconds: float = 0.2) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((channels, 2, 16_000, 0, "NONE", ""))
        file.writeframes(noise(round(seconds * 16_000) * channels))
    return buffer.getvalue()


@pytest.mark.parametrize("channels", [3, 8, 9, 12, 24, 64, 255])
def test_many_channels_are_mixed_or_named(channels: int) -> None:
    raw = wav_of(channels)
    if channels in (9, 64, 255):
        assert code_of(raw) == ("unsupported-channels", 0.0)
    else:
        assert sum(frame.samples for frame in decode(raw)) == 3200
    if channels <= MOST_APART:
        assert {len(row) for row in decode_apart(raw)} == {channels}
    else:
        with pytest.raises(UnsupportedAudio) as caught:
            next(decode_apart(raw))
        assert caught.value.code == "too-many-channels"
