from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.audio.shapes import Heard, cuts, joined, noise, through, utterances, voice

from asr_hub.audio.operators.base import Output, SpeechEnd
from asr_hub.audio.operators.endpoint import EndpointSettings
from asr_hub.audio.operators.light import LightVad
from asr_hub.audio.operators.silero import SileroVad
from asr_hub.audio.pipeline import Pipeline
from asr_hub.errors import UnsupportedAudio
from asr_hub.model import AudioFormat, Encoding, EndpointReason

pytestmark = pytest.mark.engine

SILERO = SileroVad()
LIGHT = LightVad()
SHORT = EndpointSettings(min_silence=0.3, pre_roll=0.2)


def scene(rate: int) -> bytes:
    """Two utterances between quiet."""
    quiet = noise(round(0.9 * rate), level=15)
    return quiet + voice(0.8, rate=rate) + quiet + voice(1.1, rate=rate, pitch=170) + quiet


def pieces(raw: bytes, sizes: list[int], width: int) -> list[bytes]:
    """`raw` in messages of these many sample frames, over and over."""
    out, at = [], 0
    while at < len(raw):
        size = width * sizes[len(out) % len(sizes)]
        out.append(raw[at : at + size])
        at += size
    return out


def listen(format: AudioFormat, raw: bytes, sizes: list[int], vad: SileroVad | LightVad = SILERO) -> list[Heard]:
    pipeline = Pipeline(format, 16_000, vad, SHORT)
    outputs = through(pipeline, vad, pieces(raw, sizes, format.bytes_per_frame))
    return utterances(outputs + pipeline.finalize(EndpointReason.CLOSE))


@pytest.mark.parametrize("vad", [SILERO, LIGHT], ids=["silero", "light"])
@settings(max_examples=12, deadline=None)
@given(sizes=cuts(largest=7000), rate=st.sampled_from([16_000, 8_000, 48_000, 44_100]))
def test_the_cut_of_the_input_does_not_matter(vad: SileroVad | LightVad, sizes: list[int], rate: int) -> None:
    """Resampling, VAD and endpointing together: the same utterances, sample for sample, however the audio came."""
    raw = scene(rate)
    whole = listen(AudioFormat(rate), raw, [len(raw)], vad)
    assert len(whole) >= 2
    assert [one.key() for one in listen(AudioFormat(rate), raw, sizes, vad)] == [one.key() for one in whole]


@pytest.mark.parametrize("onset_ms", range(0, 1500, 77))
def test_the_beginning_of_speech_is_in_the_utterance_wherever_it_falls(onset_ms: int) -> None:
    quiet = noise(16 * onset_ms, level=15)
    heard = listen(AudioFormat(), quiet + voice(0.6) + noise(16_000, level=15), [640])
    assert heard[0].first <= 16 * onset_ms and heard[0].last >= 16 * (onset_ms + 600)


def test_utterances_are_pieces_of_the_stream() -> None:
    raw = scene(16_000)
    for one in listen(AudioFormat(), raw, [320]):
        assert joined(one.frames) == raw[2 * one.first : 2 * one.last]


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("channels", [1, 2])
def test_every_encoding_is_heard(encoding: Encoding, channels: int) -> None:
    samples = np.repeat(np.frombuffer(scene(16_000), "<i2"), channels)
    match encoding:
        case Encoding.PCM_S16LE:
            raw = samples.tobytes()
        case Encoding.PCM_F32LE:
            raw = (samples / 32768).astype("<f4").tobytes()
        case _:
            import av

            codec = av.CodecContext.create(f"pcm_{encoding}", "w")
            assert isinstance(codec, av.AudioCodecContext)
            codec.sample_rate, codec.layout, codec.format = 16_000, "mono", "s16"  # type: ignore[assignment]
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate = 16_000
            raw = b"".join(bytes(packet) for packet in codec.encode(frame))
    assert len(listen(AudioFormat(16_000, channels, encoding), raw, [640])) == 2


def test_finalize_loses_no_sample_and_positions_go_on() -> None:
    """Each finalize comes in the middle of speech and of every block and window."""
    rate, raw = 44_100, voice(6.0, rate=44_100)
    pipeline = Pipeline(AudioFormat(rate), 16_000, SILERO, SHORT)
    outputs: list[Output] = []
    for at in range(0, len(raw), 2 * 50_001):
        outputs += through(pipeline, SILERO, [raw[at : at + 2 * 50_001]])
        outputs += pipeline.finalize(EndpointReason.FINALIZE)
        assert pipeline.position == round(min(at // 2 + 50_001, len(raw) // 2) * 16_000 / rate)
    heard = utterances(outputs)
    assert len(heard) == 6
    assert heard[0].first == 0 and heard[-1].last == 96_000
    assert all(before.last == after.first for before, after in itertools.pairwise(heard))


def test_finalize_outside_speech_gives_nothing() -> None:
    pipeline = Pipeline(AudioFormat(48_000), 16_000, SILERO)
    assert pipeline.finalize(EndpointReason.FINALIZE) == []
    assert through(pipeline, SILERO, [noise(48_000, level=15)]) == []
    assert pipeline.finalize(EndpointReason.FINALIZE) == []


def test_clear_drops_the_utterance_and_what_is_on_its_way() -> None:
    pipeline = Pipeline(AudioFormat(48_000), 16_000, SILERO, SHORT)
    opened = through(pipeline, SILERO, [voice(1.0, rate=48_000)])
    assert pipeline.is_open
    (end,) = pipeline.clear()
    assert isinstance(end, SpeechEnd) and end.reason is EndpointReason.CLEAR
    assert not pipeline.is_open and pipeline.position == 16_000
    again = through(pipeline, SILERO, [voice(1.0, rate=48_000)]) + pipeline.finalize(EndpointReason.CLOSE)
    _, second = utterances([*opened, end, *again])
    assert second.first >= 16_000 and second.last == 32_000


@settings(max_examples=20, deadline=None)
@given(cuts(largest=7000))
def test_without_a_vad_everything_is_one_utterance(sizes: list[int]) -> None:
    raw = noise(48_000, level=100)
    pipeline = Pipeline(AudioFormat(24_000), 16_000, None)
    assert pipeline.state is None
    outputs = [o for piece in pieces(raw, sizes, 2) for o in pipeline.pass_on(pipeline.take(piece))]
    (heard,) = utterances(outputs + pipeline.finalize(EndpointReason.FINALIZE))
    assert (heard.first, heard.last) == (0, 32_000)
    assert heard.end is not None and (heard.end.at, heard.end.reason) == (32_000, EndpointReason.FINALIZE)
    assert pipeline.finalize(EndpointReason.CLOSE) == []


def test_without_a_vad_clear_ends_the_utterance_and_positions_go_on() -> None:
    pipeline = Pipeline(AudioFormat(24_000), 16_000, None)
    outputs = pipeline.pass_on(pipeline.take(noise(24_000))) + pipeline.clear()
    outputs += pipeline.pass_on(pipeline.take(noise(24_000))) + pipeline.finalize(EndpointReason.CLOSE)
    first, second = utterances(outputs)
    assert first.end is not None and first.end.reason is EndpointReason.CLEAR
    assert (second.first, second.last) == (16_000, 32_000)


def test_frames_of_one_call_are_joined() -> None:
    pipeline = Pipeline(AudioFormat(), 16_000, SILERO)
    outputs = through(pipeline, SILERO, [voice(1.0)])
    assert [type(output).__name__ for output in outputs] == ["SpeechStart", "AudioFrame"]


def test_levels_are_read_once_and_only_when_wanted() -> None:
    silent = Pipeline(AudioFormat(48_000), 16_000, None)
    silent.take(noise(48_000))
    assert silent.levels() is None
    pipeline = Pipeline(AudioFormat(48_000), 16_000, None, levels=True)
    pipeline.take(noise(48_000, level=3276.8))
    reading = pipeline.levels()
    assert reading is not None and reading.at % 4000 == 0
    assert pipeline.levels() is None
    pipeline.measure(False)
    pipeline.take(noise(48_000))
    assert pipeline.levels() is None


def test_nothing_and_broken_audio() -> None:
    pipeline = Pipeline(AudioFormat(), 16_000, SILERO)
    assert pipeline.take(b"") == []
    with pytest.raises(UnsupportedAudio):
        pipeline.take(b"\0\0\0")
