from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.audio.fsmn import folder
from tests.audio.shapes import cuts, frames, joined, noise, scores, voice

from asr_hub.audio.operators.base import Scored
from asr_hub.audio.operators.fsmn import MAX_BATCH, MAX_FRAMES, FsmnState, FsmnVad
from asr_hub.errors import ConfigError

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def vad(tmp_path_factory: pytest.TempPathFactory) -> FsmnVad:
    """A network of random numbers: it knows nothing of speech, and hears every difference."""
    return FsmnVad(folder(tmp_path_factory.mktemp("fsmn")))


def scene(seed: int, *, rate: int = 16_000) -> bytes:
    """Noise and a voice, of lengths that depend on `seed`."""
    speech = voice(0.5 + 0.13 * (seed % 5), rate=rate, pitch=100 + 17 * (seed % 6))
    return noise(rate // 3 + 31 * seed, level=15, seed=seed) + speech + noise(rate // 4 + 7 * seed, level=300)


def probabilities(scored: list[Scored]) -> list[float]:
    return [one.speech for one in scored]


def test_the_scores_follow_the_sound(vad: FsmnVad) -> None:
    heard = probabilities(scores(vad, frames(scene(0), [640])))
    assert np.std(heard) > 0.05 and min(heard) >= 0 and max(heard) <= 1


@pytest.mark.parametrize("rate", [16_000, 8_000, 24_000, 44_100, 48_000])
def test_every_sample_comes_back_once_in_windows(vad: FsmnVad, rate: int) -> None:
    pcm = scene(1, rate=rate)[: 2 * (rate // 2 + 101)]
    scored = scores(vad, frames(pcm, [rate // 50 + 3], rate=rate), rate=rate)
    assert joined(one.frame for one in scored) == pcm
    assert {one.frame.samples for one in scored[:-1]} == {rate // 100}
    assert [one.frame.start for one in scored] == list(range(0, len(pcm) // 2, rate // 100))
    assert {one.frame.rate for one in scored} == {rate}
    unmeasured = len(scored) - (round(len(pcm) / 2 * 16_000 / rate) - 400) // 160 - 1
    assert 2 <= unmeasured <= 3
    assert len(set(probabilities(scored[-unmeasured - 3 :]))) == 3


@settings(max_examples=40, deadline=None)
@given(sizes=cuts(largest=4000), seed=st.integers(0, 3), length=st.integers(0, 14_000))
def test_the_cut_of_the_input_does_not_matter(vad: FsmnVad, sizes: list[int], seed: int, length: int) -> None:
    pcm = scene(seed)[: 2 * length]
    once, cut = scores(vad, frames(pcm, [len(pcm)])), scores(vad, frames(pcm, sizes))
    assert [one.frame for one in cut] == [one.frame for one in once]
    assert probabilities(cut) == pytest.approx(probabilities(once), abs=1e-5)


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_a_session_is_heard_alike_alone_and_in_company(vad: FsmnVad, rate: int) -> None:
    pcm = scene(0, rate=rate)
    alone = scores(vad, frames(pcm, [rate // 25], rate=rate), rate=rate)
    rates = [16_000, 8_000, 16_000]
    others = [(vad.open(rates[i % 3]), frames(scene(i, rate=rates[i % 3]), [97 * i + 50])) for i in range(12)]
    state, pieces, together = vad.open(rate), frames(pcm, [rate // 25], rate=rate), []
    for i, piece in enumerate(pieces):
        work = [(its, [theirs[i]]) for n, (its, theirs) in enumerate(others) if i < len(theirs) and (i + n) % 3]
        work.insert(i % (len(work) + 1), (state, [piece]))
        at = next(n for n, (its, _) in enumerate(work) if its is state)
        together += vad.score(work)[at]
    together += vad.flush(state)
    assert [one.frame for one in together] == [one.frame for one in alone]
    assert probabilities(together) == pytest.approx(probabilities(alone), abs=1e-5)


def test_more_sessions_and_frames_than_one_run_takes(vad: FsmnVad) -> None:
    pieces = frames(scene(2)[: 2 * 160 * (MAX_FRAMES + 20)], [16_000 * 9])
    expected = probabilities(scores(vad, pieces))
    work = [(vad.open(16_000), pieces) for _ in range(MAX_BATCH + 3)]
    for scored in vad.score(work):
        assert len(scored) > MAX_FRAMES
        assert probabilities(scored) == pytest.approx(expected[: len(scored)], abs=1e-5)


def test_a_window_is_scored_when_35_ms_after_it_are_known(vad: FsmnVad) -> None:
    state, pcm = vad.open(16_000), noise(2000)
    given = [len(vad.score([(state, [piece])])[0]) for piece in frames(pcm, [160])]
    assert given == [0, 0, 0, 0, *[1] * 9]
    assert sum(given) == (2000 - 560) // 160


def test_after_a_flush_the_session_begins_afresh(vad: FsmnVad) -> None:
    state, first, second = vad.open(16_000), scene(3)[: 20_001 * 2], scene(1)
    vad.score([(state, frames(first, [320]))])
    vad.flush(state)
    again = vad.score([(state, frames(first + second, [20_001])[1:])])[0] + vad.flush(state)
    assert again[0].frame.start == 20_001
    assert probabilities(again) == pytest.approx(probabilities(scores(vad, frames(second, [320]))), abs=1e-5)


def test_little_audio_is_given_back(vad: FsmnVad) -> None:
    state = vad.open(16_000)
    assert vad.score([]) == [] and vad.score([(state, [])]) == [[]] and vad.flush(state) == []
    for samples in (1, 159, 160, 399):
        scored = scores(vad, frames(noise(samples), [50]))
        assert joined(one.frame for one in scored) == noise(samples)
        assert {one.speech for one in scored} == {0.0}
    measured = scores(vad, frames(noise(400), [50]))
    assert len(measured) == 3 and len({one.speech for one in measured}) == 1


def test_what_a_session_holds_does_not_grow(vad: FsmnVad) -> None:
    def held() -> int:
        return len(state._pcm) + 2 * len(state._waiting) * 160 + state.mels.nbytes + state.memory.nbytes

    state, sizes = vad.open(16_000), set()
    assert isinstance(state, FsmnState)
    for i in range(20):
        vad.score([(state, frames(noise(16_000 + i, seed=i), [16_000 + i]))])
        sizes.add(held())
    assert max(sizes) < 10_000


@pytest.mark.parametrize("rate", [0, 4_000, 11_025, 22_050 - 1])
def test_a_rate_without_whole_windows_is_refused(vad: FsmnVad, rate: int) -> None:
    with pytest.raises(ConfigError, match="multiple of 100"):
        vad.open(rate)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml: cannot be read"):
        FsmnVad(tmp_path / "nowhere")
