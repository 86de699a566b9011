"""The real sherpa-onnx tells voices apart, and says by name what is wrong with a model or with audio."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.speech import clip, needs_clips, silence, tone

pytest.importorskip("sherpa_onnx", reason="sherpa-onnx has no wheel for this Python")

import sherpa_onnx
from tests.providers.sherpa.talk import MODEL, THRESHOLD, talk

from asr_hub.audio.operators.resample import Resample
from asr_hub.audio.speakers import SessionSpeakers, Telling
from asr_hub.errors import ConfigError, Overloaded, ProviderUnavailable, UnsupportedAudio
from asr_hub.model import HUB_RATE, AudioFrame
from asr_hub.providers.sherpa.speakers import SherpaSpeakers, look

pytestmark = pytest.mark.engine

TELLING = Telling(threshold=THRESHOLD)
READERS = (("2609", "156975"), ("367", "130732"))
"""Of LibriSpeech."""


@asynccontextmanager
async def started(**settings: Any) -> AsyncIterator[SherpaSpeakers]:
    engine = SherpaSpeakers({"model": str(MODEL), **settings})
    await engine.start()
    try:
        yield engine
    finally:
        await engine.aclose()


async def test_two_voices_that_take_turns_are_told_apart() -> None:
    speakers = SessionSpeakers(TELLING)
    async with started() as engine:
        told = [speakers.label(await engine.embed(said.pcm, HUB_RATE), said.seconds) for said in talk()]
    assert [label.speaker for label in told] == ["1", "2", "1", "2", "2", "1"]
    assert {said.speaker for said in talk()} == {"deep", "high"}


@needs_clips
@pytest.mark.data
async def test_two_real_people_who_take_turns_are_told_apart() -> None:
    """Whom the tiny model happens to tell apart: of ten pairs of these readers it takes two for one person."""
    speakers = SessionSpeakers(Telling(threshold=0.3))
    files = [f"{reader}-{chapter}-{turn:04}.flac" for turn in range(3) for reader, chapter in READERS]
    async with started(longest_s=8) as engine:
        told = [speakers.label(await engine.embed(clip(file).pcm(), HUB_RATE), 3.0).speaker for file in files]
    assert told == ["1", "2"] * 3


async def test_one_voice_lies_nearer_than_two_in_every_pair() -> None:
    async with started() as engine:
        voices = [(said.speaker, await engine.embed(said.pcm, HUB_RATE)) for said in talk()]
    pairs = [(a == b, cosine(x, y)) for (a, x), (b, y) in itertools.combinations(voices, 2)]
    assert min(c for same, c in pairs if same) > THRESHOLD > max(c for same, c in pairs if not same)


async def test_an_embedding_is_what_the_sdk_gives_and_the_same_each_time() -> None:
    said = talk()[0]
    config = sherpa_onnx.SpeakerEmbeddingExtractorConfig(model=str(MODEL))
    extractor = sherpa_onnx.SpeakerEmbeddingExtractor(config)
    stream = extractor.create_stream()
    stream.accept_waveform(HUB_RATE, np.frombuffer(said.pcm, np.int16).astype(np.float32) / 32768)
    stream.input_finished()
    async with started(max_streams=3) as engine, asyncio.TaskGroup() as group:
        tasks = [group.create_task(engine.embed(said.pcm, HUB_RATE)) for _ in range(6)]
    assert {task.result() for task in tasks} == {tuple(extractor.compute(stream))}


async def test_telephone_audio_is_heard_at_the_rate_of_the_model() -> None:
    """Two utterances of the same voice, one of them narrow: nearer than those of two."""
    first, other, again = talk()[:3]
    narrow = Resample(HUB_RATE, 8_000)
    frames = [*narrow.process(AudioFrame(again.pcm, 0, HUB_RATE)), *narrow.flush()]
    async with started() as engine:
        telephone = await engine.embed(b"".join(frame.pcm for frame in frames), 8_000)
        wide, stranger = [await engine.embed(said.pcm, HUB_RATE) for said in (first, other)]
    assert cosine(telephone, wide) > cosine(telephone, stranger)


async def test_no_more_than_the_beginning_of_a_long_utterance_is_heard() -> None:
    said = talk()[0].pcm * 3
    async with started(longest_s=2) as engine:
        assert await engine.embed(said, HUB_RATE) == await engine.embed(said[: 2 * 2 * HUB_RATE], HUB_RATE)


async def test_audio_that_tells_no_voice_is_refused_by_name() -> None:
    async with started() as engine:
        with pytest.raises(UnsupportedAudio, match=r"0\.49 s.*at least 0\.5 s"):
            await engine.embed(tone(0.49), HUB_RATE)
        with pytest.raises(UnsupportedAudio, match="whole samples"):
            await engine.embed(silence(1.0) + b"\0", HUB_RATE)
        assert len(await engine.embed(silence(0.5), HUB_RATE)) == look(str(MODEL)).size


async def test_who_waits_too_long_is_told_that_the_engine_is_busy() -> None:
    long = talk()[0].pcm * 100
    async with started(max_streams=1, wait_s=0, longest_s=600) as engine:
        heard = asyncio.create_task(engine.embed(long, HUB_RATE))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="speaker engine"):
            await engine.embed(long, HUB_RATE)
        await heard


async def test_what_is_closed_or_was_never_started_says_so_and_can_be_started_again() -> None:
    engine = SherpaSpeakers({"model": str(MODEL)})
    await engine.aclose()
    with pytest.raises(ProviderUnavailable, match="not started"):
        await engine.embed(silence(1.0), HUB_RATE)
    for _ in range(2):
        await engine.start()
        assert await engine.embed(tone(1.0), HUB_RATE)
        await engine.aclose()
    with pytest.raises(ProviderUnavailable, match="closed"):
        await engine.embed(silence(1.0), HUB_RATE)


async def test_closing_waits_for_who_is_being_heard() -> None:
    engine = SherpaSpeakers({"model": str(MODEL), "max_streams": 1, "longest_s": 600})
    await engine.start()
    heard = asyncio.create_task(engine.embed(talk()[0].pcm * 20, HUB_RATE))
    await asyncio.sleep(0)
    await engine.aclose()
    assert len(await heard) == look(str(MODEL)).size


async def test_models_that_would_end_the_process_are_refused_before_the_sdk_sees_them(tmp_path: Path) -> None:
    whole = MODEL.read_bytes()
    broken = {
        "stranger": (whole.replace(b"wespeaker", b"nobodyist"), "no model of voices"),
        "lacking": (whole.replace(b"output_dim", b"output_dxm"), "lack output_dim"),
        "no-number": (whole.replace(b"16000", b"16kHz"), "lack sample_rate"),
        "other-size": (whole.replace(b"output_dim\x12\x0264", b"output_dim\x12\x0265"), "no voice"),
        "cut-off": (whole[: len(whole) // 2], "model.onnx"),
        "no-model": (b"not a model at all", "model.onnx"),
    }
    for name, (content, told) in broken.items():
        assert content != whole
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.onnx").write_bytes(content)
        engine = SherpaSpeakers({"model": str(tmp_path / name)})
        with pytest.raises(ProviderUnavailable, match=told):
            await engine.start()
        await engine.aclose()


async def test_a_model_is_found_by_its_file_its_folder_or_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASR_HUB_MODELS", str(tmp_path))
    folder = tmp_path / "sherpa-onnx" / "voices"
    folder.mkdir(parents=True)
    (folder / "some.onnx").symlink_to(MODEL)
    for name in (str(folder / "some.onnx"), str(folder), "voices"):
        assert look(name).path == folder / "some.onnx" and look(name).rate == HUB_RATE
    (folder / "other.onnx").symlink_to(MODEL)
    with pytest.raises(ProviderUnavailable, match=r"other\.onnx, some\.onnx; let `model` name one"):
        look("voices")


async def test_a_gpu_that_the_sdk_cannot_use_is_told() -> None:
    with pytest.raises(ProviderUnavailable, match=r"\+cuda"):
        await SherpaSpeakers({"model": str(MODEL), "provider": "cuda"}).start()


@pytest.mark.parametrize("wrong", [{"model": 3}, {"threads": 0}, {"longest_s": 0}, {"wait_s": -1}, {"modle": "x"}])
def test_a_wrong_setting_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"recognition\.speakers: .*{next(iter(wrong))}"):
        SherpaSpeakers({"model": "x", **wrong})


def cosine(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return float(np.dot(one, other) / np.linalg.norm(one) / np.linalg.norm(other))
