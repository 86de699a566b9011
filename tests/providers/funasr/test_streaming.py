"""The streaming Paraformer, in this process: one utterance, and many in one step."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace
from tests.providers.funasr import direct
from tests.providers.funasr.engines import BEGIN, STREAMING, engine, hear_in_steps, random_punctuation, torch
from tests.providers.funasr.phrases import KNOWN, pcm, phrases, word_error_rate
from tests.speech import clip, needs_clips, noise, silence

from asr_hub.errors import UnsupportedAudio
from asr_hub.providers.funasr.chunk_state import Chunk
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.providers.worker_messages import Heard

pytestmark = pytest.mark.engine

COMMAND = packaged_clip("self_test").pcm
STEP = 19_200
"""Bytes of 600 ms."""


def _run_staggered(loaded: object, clips: list[bytes], *, seed: int) -> list[Heard]:
    """All clips at once; each joins and goes on when chance says so, never in step with the others."""
    chance = random.Random(seed)
    streams = [loaded.begin(BEGIN) for _ in clips]  # type: ignore[attr-defined]
    at = [0] * len(clips)
    finals: dict[int, Heard] = {}
    while len(finals) < len(clips):
        open_ones = [n for n in range(len(clips)) if n not in finals and chance.random() < 0.6]
        stepping = [n for n in open_ones if len(clips[n]) - at[n] >= STEP]
        ending = [n for n in open_ones if len(clips[n]) - at[n] < STEP]
        loaded.step(  # type: ignore[attr-defined]
            [streams[n] for n in stepping], [clips[n][at[n] : at[n] + STEP] for n in stepping]
        )
        for n in stepping:
            at[n] += STEP
        last = loaded.end([streams[n] for n in ending], [clips[n][at[n] :] for n in ending])  # type: ignore[attr-defined]
        finals |= dict(zip(ending, last, strict=True))
    return [finals[n] for n in range(len(clips))]


@needs_clips
@pytest.mark.data
@pytest.mark.parametrize(("file", "text"), KNOWN.items())
def test_known_phrases_are_heard_word_for_word(file: str, text: str) -> None:
    final, partials = hear_in_steps(engine(STREAMING), pcm(file))
    assert final.text == text
    assert len(partials) >= 2
    assert [word.text for word in final.words] == text.split()


@needs_clips
@pytest.mark.data
@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_few_words_of_forty_phrases_are_wrong(quantize: str) -> None:
    said = phrases(40)
    loaded = engine(STREAMING, quantize=quantize)
    finals = loaded.end([loaded.begin(BEGIN) for _ in said], [phrase.pcm for phrase in said])
    assert word_error_rate([phrase.text for phrase in said], [final.text for final in finals]) < 0.09


@needs_clips
@pytest.mark.data
def test_the_text_is_that_of_funasr_itself() -> None:
    for phrase in phrases(20):
        assert hear_in_steps(engine(STREAMING), phrase.pcm)[0].text == direct.streaming(phrase.pcm)


@needs_clips
@pytest.mark.data
def test_sixteen_staggered_streams_of_real_speech_are_heard_as_each_alone() -> None:
    loaded = engine(STREAMING)
    speech = clip("jfk.flac").pcm()
    chance = random.Random(7)
    clips = []
    for _ in range(16):
        start = 2 * chance.randrange(100_000)
        clips.append(speech[start : start + 2 * chance.randrange(20_000, 60_000)])
    together = _run_staggered(loaded, clips, seed=3)
    assert together == [hear_in_steps(loaded, each)[0] for each in clips]
    assert [final.text for final in together] == [direct.streaming(each) for each in clips]
    assert len({final.text for final in together}) > 8


@needs_clips
@pytest.mark.data
def test_phrases_side_by_side_are_heard_as_each_alone() -> None:
    loaded = engine(STREAMING)
    clips = [phrase.pcm for phrase in phrases(24)]
    assert _run_staggered(loaded, clips, seed=5) == [hear_in_steps(loaded, each)[0] for each in clips]


@pytest.mark.parametrize("size", [320, 3202, STEP - 2, STEP, STEP + 2, 5 * STEP])
def test_how_the_audio_is_cut_changes_nothing(size: int) -> None:
    loaded = engine(STREAMING)
    assert hear_in_steps(loaded, COMMAND, size=size)[0] == hear_in_steps(loaded, COMMAND)[0]


def test_partials_grow_and_what_is_stable_stays() -> None:
    final, partials = hear_in_steps(engine(STREAMING), COMMAND)
    texts = [partial.text for partial in partials] + [final.text]
    assert len(set(texts)) == len(partials) or len(set(texts)) == len(texts)
    for partial, after in zip(partials, texts[1:], strict=True):
        assert after.startswith(partial.text[: partial.stable])
        assert partial.stable > 0
    ends = [word.end for word in final.words]
    assert ends == sorted(ends)
    assert ends[-1] <= len(COMMAND) // 32


def test_the_end_brings_out_the_last_words() -> None:
    """The last word lies in the look-ahead of a step that never comes."""
    loaded = engine(STREAMING)
    spoken = COMMAND[: _last_loud(COMMAND)]
    final, partials = hear_in_steps(loaded, spoken)
    assert len(final.text.split()) > len(partials[-1].text.split())


@needs_clips
@pytest.mark.data
def test_an_end_on_the_border_of_a_step_is_an_end() -> None:
    for phrase in phrases(6):
        whole = phrase.pcm[: len(phrase.pcm) // STEP * STEP]
        assert hear_in_steps(engine(STREAMING), whole)[0].text == direct.streaming(whole)


@pytest.mark.parametrize("size", [0, 2, 798, 800, 1918, 1920])
def test_next_to_no_audio_holds_next_to_nothing(size: int) -> None:
    loaded = engine(STREAMING)
    stream = loaded.begin(BEGIN)
    (final,) = loaded.end([stream], [noise(1.0)[:size]])
    assert size >= 1920 or final == Heard(text="")


def test_streams_that_are_dropped_leave_the_others_alone() -> None:
    loaded = engine(STREAMING)
    kept, dropped = loaded.begin(BEGIN), loaded.begin(BEGIN)
    loaded.step([kept, dropped], [COMMAND[:STEP], noise(0.6)])
    loaded.drop(dropped)
    (final,) = loaded.end([kept], [COMMAND[STEP:]])
    assert final == hear_in_steps(loaded, COMMAND)[0]


def test_a_step_that_fails_can_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of memory, the host gives the same step to half of the streams: none may have lost or doubled any audio."""
    loaded = engine(STREAMING)
    expected = hear_in_steps(loaded, COMMAND)[0]
    one, other = loaded.begin(BEGIN), loaded.begin(BEGIN)
    loaded.step([one, other], [COMMAND[:STEP]] * 2)
    with monkeypatch.context() as patch:
        patch.setattr(loaded._decoder, "run", _raise_no_memory)
        with pytest.raises(Exception, match="no memory"):
            loaded.step([one, other], [COMMAND[STEP : 3 * STEP]] * 2)
    untroubled = loaded.begin(BEGIN)
    loaded.step([untroubled], [COMMAND[: 3 * STEP]])
    for stream in (one, other):
        loaded.step([stream], [COMMAND[STEP : 3 * STEP]])
        kept, expected_state = stream.progress.state.encoder, untroubled.progress.state.encoder
        assert torch.allclose(kept, expected_state, atol=1e-5)
    assert loaded.end([one, other], [COMMAND[3 * STEP :]] * 2) == [expected, expected]


def test_the_state_does_not_grow_with_the_utterance_nor_with_the_batch() -> None:
    loaded = engine(STREAMING)
    streams = [loaded.begin(BEGIN) for _ in range(3)]
    sizes = []
    for _ in range(20):
        loaded.step(streams, [(COMMAND + COMMAND)[:STEP]] * 3)
        sizes.append(_kept_bytes(streams[0].progress.state))
    assert max(sizes[8:]) == max(sizes[8:14])
    for name in ("encoder", "memory", "decoder", "carried"):
        tensor = getattr(streams[0].progress.state, name)
        assert tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()


@pytest.mark.parametrize("seed", range(8))
def test_the_predictor_finds_the_tokens_that_funasrs_own_finds(seed: int) -> None:
    """Random sounds: of real speech, the end of an utterance hardly ever brings out a token by its own weight."""
    loaded = engine(STREAMING)
    ours, theirs = loaded._predictor, loaded._built.model.predictor
    generator = torch.Generator().manual_seed(seed)
    state = loaded.begin(BEGIN).progress.state
    width = state.carried.shape[0]
    cache = {"chunk_size": [0, 10, 5], "cif_hidden": torch.zeros(1, 1, width), "cif_alphas": torch.zeros(1, 1)}
    count = 0
    with torch.inference_mode():
        for step in range(4):
            hidden = torch.randn(1, 15, width, generator=generator)
            is_final = step == 3
            (state,), (fired,) = ours.run([state], [Chunk(hidden, 0, is_final)], [hidden])
            expected, numbers, _, _ = theirs.forward_chunk(hidden, cache, is_final=is_final)
            assert len(fired.frames) == int(numbers[0])
            if fired.frames:
                assert torch.allclose(fired.embeds, expected[0], atol=1e-4)
                count += 1
    assert count


def test_punctuation_comes_with_the_final_alone(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = random_punctuation(tmp_path_factory.mktemp("punctuation") / "model")
    loaded = engine(STREAMING, punctuation=str(folder))
    final, partials = hear_in_steps(loaded, COMMAND)
    plain = hear_in_steps(engine(STREAMING), COMMAND)[0]
    assert final.text != plain.text
    assert partials[-1].text == plain.text[: len(partials[-1].text)]
    # Its capitals may change what the partials said.
    assert all(partial.stable == 0 for partial in partials)


def test_without_a_look_back_it_hears_as_well() -> None:
    loaded = engine(STREAMING, encoder_look_back=0, decoder_look_back=0)
    final, _ = hear_in_steps(loaded, COMMAND)
    assert final.text.startswith("go forward")
    stream = loaded.begin(BEGIN)
    loaded.step([stream], [COMMAND[: 2 * STEP]])
    assert stream.progress.sounds
    assert (stream.progress.state.encoder, stream.progress.state.decoder) == (None, None)


def test_silence_is_no_text() -> None:
    final, partials = hear_in_steps(engine(STREAMING), silence(3.0))
    assert len(final.text.split()) <= 2
    assert len(partials) <= 2


def test_audio_of_another_rate_is_refused() -> None:
    with pytest.raises(UnsupportedAudio, match="16000 Hz, not 8000"):
        engine(STREAMING).begin(replace(BEGIN, sample_rate=8000))


def _raise_no_memory(*_: object) -> None:
    raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")


def _kept_bytes(state: object) -> int:
    tensors = [getattr(state, name) for name in ("overlap", "encoder", "memory", "decoder", "carried")]
    kept = [tensor for tensor in tensors if tensor is not None]
    cache = state.frontend  # type: ignore[attr-defined]
    kept += [value for value in cache.values() if isinstance(value, torch.Tensor)]
    kept += [value for values in cache.values() if isinstance(values, list) for value in values]
    # What is behind a view is kept as well.
    return sum(tensor.untyped_storage().nbytes() for tensor in kept)


def _last_loud(pcm: bytes) -> int:
    samples = torch.frombuffer(bytearray(pcm), dtype=torch.int16).float()
    return 2 * int((samples.abs() > 1500).nonzero()[-1])
