"""Paraformer and SenseVoice hearing whole utterances, in this process: words, times, tags."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.providers.funasr import direct
from tests.providers.funasr.engines import (
    BEGIN,
    PARAFORMER,
    SENSEVOICE,
    engine,
    hear,
    random_contextual,
    random_punctuation,
    torch,
)
from tests.providers.funasr.phrases import KNOWN, pcm, phrases, word_error_rate
from tests.speech import needs_clips, noise, silence

from asr_hub.errors import UnsupportedAudio
from asr_hub.providers.host.engine import Clip
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.providers.worker_messages import Heard

pytestmark = pytest.mark.engine

WHOLE = pytest.mark.parametrize("model", [PARAFORMER, SENSEVOICE])

COMMAND = packaged_clip("self_test").pcm
SAID = "go forward ten meters"


@WHOLE
def test_the_packaged_command_is_heard(model: str) -> None:
    (heard,) = hear(engine(model), COMMAND)
    assert heard.text == SAID
    assert [word.text for word in heard.words] == SAID.split()


@needs_clips
@pytest.mark.data
@WHOLE
@pytest.mark.parametrize(("file", "text"), KNOWN.items())
def test_known_phrases_are_heard_word_for_word(model: str, file: str, text: str) -> None:
    assert hear(engine(model), pcm(file))[0].text == text


@needs_clips
@pytest.mark.data
@pytest.mark.parametrize(("model", "bound"), [(PARAFORMER, 0.05), (SENSEVOICE, 0.08)])
@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_few_words_of_forty_phrases_are_wrong(model: str, bound: float, quantize: str) -> None:
    said = phrases(40)
    heard = hear(engine(model, quantize=quantize), *(phrase.pcm for phrase in said))
    assert word_error_rate([phrase.text for phrase in said], [one.text for one in heard]) < bound


@needs_clips
@pytest.mark.data
@pytest.mark.parametrize(("model", "drive"), [(PARAFORMER, direct.paraformer), (SENSEVOICE, direct.sensevoice)])
def test_the_text_is_that_of_funasr_itself(model: str, drive: object) -> None:
    said = phrases(20)
    assert callable(drive)
    assert [one.text for one in hear(engine(model), *(p.pcm for p in said))] == [drive(p.pcm) for p in said]


@needs_clips
@pytest.mark.data
@WHOLE
def test_in_a_batch_each_is_heard_as_alone(model: str) -> None:
    loaded = engine(model)
    clips = [phrase.pcm for phrase in phrases(24)]
    alone = [hear(loaded, clip)[0] for clip in clips]
    # The shortest next to the longest: most padding.
    together = hear(loaded, *clips)
    assert [_without_confidence(one) for one in together] == [_without_confidence(one) for one in alone]


@WHOLE
def test_word_times_are_where_the_words_are(model: str) -> None:
    quiet = silence(0.6)
    (heard,) = hear(engine(model), quiet + COMMAND)
    (before,) = hear(engine(model), COMMAND)
    assert heard.text == SAID
    starts = [word.start for word in heard.words]
    assert starts == sorted(starts)
    for word, earlier in zip(heard.words, before.words, strict=True):
        assert word.start < word.end <= (len(quiet) + len(COMMAND)) // 32
        # The same word, as much later as there is silence before it, within three frames of 60 ms.
        assert word.start - earlier.start == pytest.approx(600, abs=200)


def test_word_times_fall_into_the_speech() -> None:
    """The packaged clip has silence on both ends: what is said lies between 0.5 and 2.3 seconds."""
    for model in (PARAFORMER, SENSEVOICE):
        words = hear(engine(model), COMMAND)[0].words
        loud = _loud_ms(COMMAND)
        assert words[0].start == pytest.approx(loud[0], abs=200)
        assert loud[1] - 700 < words[-1].start < loud[1]


def test_sensevoice_tells_language_emotion_and_event_and_keeps_them_out_of_the_text() -> None:
    (heard,) = hear(engine(SENSEVOICE), COMMAND)
    assert (heard.language, heard.tags) == ("en", {"emotion": "neutral", "event": "speech"})
    assert heard.confidence is not None
    assert 0.5 < heard.confidence <= 1
    assert all(word.confidence is not None and 0 < word.confidence <= 1 for word in heard.words)


def test_sensevoice_takes_the_asked_language_for_the_bucket() -> None:
    loaded = engine(SENSEVOICE)
    one = Clip(pcm=COMMAND, begin=replace(BEGIN, language="en-GB"))
    other = Clip(pcm=COMMAND, begin=replace(BEGIN, language="zh-TW"))
    assert loaded.bucket(one) != loaded.bucket(other)
    assert loaded.bucket(one) == loaded.bucket(Clip(pcm=COMMAND, begin=replace(BEGIN, language="en")))
    assert hear(loaded, COMMAND, begin=one.begin)[0].text == SAID


def test_sensevoice_is_asked_in_the_language_and_style_that_were_chosen() -> None:
    """The tiny model says the same either way, and is not equally sure of it."""
    plain = engine(SENSEVOICE)
    spoken = [hear(plain, COMMAND, begin=replace(BEGIN, language=tag))[0] for tag in (None, "en", "zh")]
    assert len({heard.confidence for heard in spoken}) == 3
    assert hear(engine(SENSEVOICE, language="zh"), COMMAND)[0] == spoken[2]
    styled = hear(engine(SENSEVOICE, use_itn=True), COMMAND)[0]
    assert styled.confidence != spoken[0].confidence
    names = plain._model._built.model.textnorm_dict
    assert plain._model._style == names["woitn"] != engine(SENSEVOICE, use_itn=True)._model._style == names["withitn"]


@WHOLE
def test_a_word_at_the_very_end_is_heard(model: str) -> None:
    """Cut within the last word: what FunASR hears of it is heard."""
    drive = direct.sensevoice if model == SENSEVOICE else direct.paraformer
    last = hear(engine(model), COMMAND)[0].words[-1]
    cuts = [COMMAND[: 32 * (last.start + more)] for more in (60, 120, 180, 240)]
    assert [hear(engine(model), cut)[0].text for cut in cuts] == [drive(cut) for cut in cuts]


def test_the_same_audio_is_heard_the_same_way_twice(tmp_path: Path) -> None:
    """Published models add noise to what they hear."""
    folder = Path(shutil.copytree(SENSEVOICE, tmp_path / "model"))
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("dither: 0.0", "dither: 1.0"))
    loaded = engine(str(folder))
    assert hear(loaded, COMMAND) == hear(loaded, COMMAND) == hear(engine(SENSEVOICE), COMMAND)


def test_clips_of_unlike_lengths_share_no_batch() -> None:
    loaded = engine(PARAFORMER)
    sizes = [loaded.bucket(Clip(pcm=silence(seconds), begin=BEGIN)) for seconds in (0.1, 0.9, 2.0, 2.2, 5.0, 29.0)]
    assert sizes[0] == sizes[1]
    assert sizes[2] == sizes[3]
    assert len(set(sizes)) == 4


@WHOLE
@pytest.mark.parametrize("size", [0, 2, 200, 798, 800, 1600])
def test_audio_shorter_than_a_frame_holds_nothing_and_ends_nothing(model: str, size: int) -> None:
    """Without a frame the library that makes the features would end the process."""
    heard = hear(engine(model), silence(1.0), b"\1\0" * (size // 2), COMMAND)
    assert heard[2].text == SAID
    assert size >= 800 or heard[1] == Heard(text="")


@WHOLE
def test_silence_and_noise_break_nothing(model: str) -> None:
    for clip in (silence(0.5), noise(1.0, level=0.9), b"\xff\x7f" * 8000):
        assert len(hear(engine(model), clip)) == 1


def test_audio_of_another_rate_is_refused() -> None:
    with pytest.raises(UnsupportedAudio, match="16000 Hz, not 8000"):
        hear(engine(PARAFORMER), COMMAND, begin=replace(BEGIN, sample_rate=8000))


@pytest.mark.parametrize("model", [PARAFORMER, SENSEVOICE])
def test_int8_is_int8(model: str) -> None:
    loaded = engine(model, quantize="int8")
    kinds = {type(module).__module__ for module in loaded._model._built.model.modules()}
    assert any("quantized.dynamic" in kind for kind in kinds)
    assert not any(type(module) is torch.nn.Linear for module in loaded._model._built.model.modules())
    assert hear(loaded, COMMAND)[0].text == SAID


def test_punctuation_comes_with_the_final_alone(tmp_path: Path) -> None:
    loaded = engine(PARAFORMER, punctuation=str(random_punctuation(tmp_path / "punc")))
    (final,) = hear(loaded, COMMAND)
    (partial,) = hear(loaded, COMMAND, is_final=False)
    assert partial.text == SAID
    assert final.text != SAID
    # Whatever the marks are: with their like taken out, it is what was said.
    assert "".join(char for char in final.text if char.isalpha() or char == " ").lower() == SAID
    assert [word.text for word in final.words] == SAID.split()


def test_a_text_that_looks_like_an_address_is_not_fetched(tmp_path: Path) -> None:
    loaded = engine(PARAFORMER, punctuation=str(random_punctuation(tmp_path / "punc")))
    assert loaded._punctuation.write("http://127.0.0.1:9/x").lower().startswith("http://127.0.0.1:9/x")


def test_silence_gets_no_punctuation(tmp_path: Path) -> None:
    loaded = engine(SENSEVOICE, punctuation=str(random_punctuation(tmp_path / "punc", "CTTransformerStreaming")))
    (final,) = hear(loaded, b"\1\0" * 100)
    assert final.text == ""


@pytest.mark.parametrize("kind", ["ContextualParaformer", "SeacoParaformer"])
def test_a_contextual_model_hears_and_takes_hotwords(tmp_path: Path, kind: str) -> None:
    folder = random_contextual(tmp_path / kind, kind)
    loaded = engine(str(folder))
    plain = hear(loaded, COMMAND, COMMAND)
    assert [one.text for one in plain] == [SAID, SAID] == [direct.paraformer(COMMAND, model=folder)] * 2
    assert [word.text for word in plain[0].words] == SAID.split()
    asked = replace(BEGIN, hotwords=("forward twenty", "mary"))
    assert loaded.bucket(Clip(pcm=COMMAND, begin=asked)) != loaded.bucket(Clip(pcm=COMMAND, begin=BEGIN))
    tokens = loaded._model._built.tokenizer
    ids = loaded._model._hotwords(asked.hotwords)
    assert [tokens.ids2tokens(each) for each in ids] == [["forward"], ["twenty"], ["mary"], ["<s>"]]
    # The bias is random: what matters is that two of a batch are heard alike with it.
    first, second = hear(loaded, COMMAND, COMMAND, begin=asked)
    assert first == second


@pytest.mark.parametrize("kind", ["ContextualParaformer", "SeacoParaformer"])
def test_hotwords_open_no_file_and_no_address(tmp_path: Path, kind: str) -> None:
    loaded = engine(str(random_contextual(tmp_path / kind, kind)))
    secret = tmp_path / "secret.txt"
    secret.write_text("mary\n")
    for hostile in (str(secret), "http://127.0.0.1:9/x", "http://127.0.0.1:9/x.txt", "  ", "\0"):
        ids = loaded._model._hotwords((hostile,))
        unknown = loaded._model._built.tokenizer.tokens2ids(["<unk>", "<s>"])
        assert ids is None or ids == [[each] for each in unknown]
        hear(loaded, COMMAND, begin=replace(BEGIN, hotwords=(hostile,)))


def _without_confidence(heard: Heard) -> Heard:
    """The last bits of a sum depend on how the matrices are cut."""
    rounded = tuple(type(word)(word.text, word.start, word.end) for word in heard.words)
    return replace(heard, confidence=None, words=rounded)


def _loud_ms(clip: bytes) -> tuple[int, int]:
    """Where the first and the last 20 ms with speech in them begin."""
    samples = torch.frombuffer(bytearray(clip), dtype=torch.int16).float()
    frames = samples[: len(samples) // 320 * 320].reshape(-1, 320)
    loud = (frames.square().mean(dim=1).sqrt() > 500).nonzero()[:, 0].tolist()
    return loud[0] * 20, loud[-1] * 20
