from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.audio.shapes import cuts, frames, joined, noise, scores, voice

from asr_hub.audio.operators.base import Scored
from asr_hub.audio.operators.silero import MAX_BATCH, SileroVad
from asr_hub.errors import ConfigError

pytestmark = pytest.mark.engine

GATED = SileroVad()
PLAIN = SileroVad(gate=None)
VADS = pytest.mark.parametrize("vad", [GATED, PLAIN], ids=["gated", "plain"])


def scene(seed: int, *, rate: int = 16_000) -> bytes:
    """Quiet, speech and quiet, of lengths that depend on `seed`."""
    quiet = [noise(rate * (1 + (seed * 7 + i) % 4) // 2 + 31 * seed, level=15, seed=seed + i) for i in range(2)]
    speech = voice(0.7 + 0.13 * (seed % 5), rate=rate, pitch=100 + 17 * (seed % 6))
    samples = np.frombuffer(quiet[0] + speech + quiet[1], "<i2").astype(int)
    samples += np.frombuffer(noise(samples.size, level=15, seed=99), "<i2")
    return samples.clip(-32768, 32767).astype("<i2").tobytes()


def probabilities(scored: list[Scored]) -> list[float]:
    return [one.speech for one in scored]


@VADS
@pytest.mark.parametrize("rate", [16_000, 8_000])
def test_speech_is_told_from_noise(vad: SileroVad, rate: int) -> None:
    heard = probabilities(scores(vad, frames(voice(1.5, rate=rate), [320], rate=rate), rate=rate))
    quiet = probabilities(scores(vad, frames(noise(2 * rate, level=300), [320], rate=rate), rate=rate))
    assert max(heard) > 0.9 and max(quiet) < 0.5


@VADS
@pytest.mark.parametrize(("rate", "window"), [(16_000, 512), (8_000, 256), (24_000, 768), (48_000, 1536)])
def test_every_sample_comes_back_once_in_windows(vad: SileroVad, rate: int, window: int) -> None:
    pcm = scene(1, rate=rate)[: 2 * (rate + 101)]
    scored = scores(vad, frames(pcm, [rate // 50], rate=rate), rate=rate)
    assert joined(one.frame for one in scored) == pcm
    assert {one.frame.samples for one in scored[:-1]} == {window}
    assert [one.frame.start for one in scored] == list(range(0, len(pcm) // 2, window))
    assert {one.frame.rate for one in scored} == {rate}
    assert all(0 <= one.speech <= 1 for one in scored)


@VADS
@pytest.mark.parametrize("rate", [16_000, 8_000, 48_000])
def test_a_session_is_heard_alike_alone_and_in_company(vad: SileroVad, rate: int) -> None:
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


@VADS
def test_more_sessions_than_one_batch_holds(vad: SileroVad) -> None:
    pieces = frames(voice(0.4), [512])
    work = [(vad.open(16_000), pieces) for _ in range(MAX_BATCH + 3)]
    expected = probabilities(scores(vad, pieces)[: len(pieces) - 1])
    for scored in vad.score(work):
        assert probabilities(scored)[: len(expected)] == pytest.approx(expected, abs=1e-5)


@VADS
@settings(max_examples=12, deadline=None)
@given(sizes=cuts(largest=4000), seed=st.integers(0, 3))
def test_the_cut_of_the_input_does_not_matter(vad: SileroVad, sizes: list[int], seed: int) -> None:
    pcm = scene(seed)[:80_000]
    once, cut = scores(vad, frames(pcm, [len(pcm)])), scores(vad, frames(pcm, sizes))
    assert [one.frame for one in cut] == [one.frame for one in once]
    assert probabilities(cut) == pytest.approx(probabilities(once), abs=1e-6)


def test_the_gate_spares_the_model_on_silence_only() -> None:
    pcm = noise(16_000 * 4, level=20) + scene(2)
    gated, plain = (probabilities(scores(vad, frames(pcm, [640]))) for vad in (GATED, PLAIN))
    assert sum(p == 0.0 for p in gated) > 60
    speech = [i for i, p in enumerate(plain) if p >= 0.5]
    assert speech and all(gated[i] >= 0.5 for i in speech)


def test_nothing_new_gives_nothing() -> None:
    state = PLAIN.open(16_000)
    assert PLAIN.score([]) == []
    assert PLAIN.score([(state, [])]) == [[]]
    assert PLAIN.flush(state) == []


@pytest.mark.parametrize("rate", [0, 44_100, 11_025])
def test_a_rate_without_whole_windows_is_refused(rate: int) -> None:
    with pytest.raises(ConfigError, match="multiple of 125"):
        PLAIN.open(rate)
