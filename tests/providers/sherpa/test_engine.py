"""The sherpa-onnx engine in this process: the real engine, tiny trained models, known answers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.providers.vosk.phrases import phrases
from tests.speech import needs_clips, noise, silence

pytest.importorskip("sherpa_onnx", reason="sherpa-onnx has no wheel for this Python")

from tests.providers.sherpa.direct import STREAMING, TAIL_S, TRANSDUCER, WHOLE, decode, decode_streaming

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.providers.host.engine import Clip
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.providers.sherpa.engine import load
from asr_hub.providers.sherpa.settings import missing
from asr_hub.providers.sherpa.streaming import SherpaStreaming
from asr_hub.providers.sherpa.whole import SherpaWhole
from asr_hub.providers.worker_messages import Begin, Heard

pytestmark = pytest.mark.engine

CLIP = packaged_clip("self_test").pcm
BEGIN = Begin(sample_rate=16_000)
STEP = 3200
"""Bytes of 0.1 s"""


@pytest.fixture(scope="module")
def whole() -> SherpaWhole:
    engine = load({"model": str(WHOLE)})
    assert isinstance(engine, SherpaWhole)
    return engine


@pytest.fixture(scope="module")
def streaming() -> SherpaStreaming:
    engine = load({"model": str(STREAMING)})
    assert isinstance(engine, SherpaStreaming)
    return engine


def _clip(pcm: bytes, **begin: Any) -> Clip:
    return Clip(pcm=pcm, begin=Begin(sample_rate=16_000, **begin))


def _hear(engine: SherpaStreaming, audio: list[bytes], **begin: Any) -> tuple[list[Heard], list[Heard]]:
    """Partials of all, and the finals in order; all are heard at the same time."""
    streams = [engine.begin(Begin(sample_rate=16_000, **begin)) for _ in audio]
    partials = []
    for at in range(0, max(map(len, audio)), STEP):
        live = [number for number, pcm in enumerate(audio) if at + STEP <= len(pcm)]
        pieces = [audio[number][at : at + STEP] for number in live]
        partials += [heard for heard in engine.step([streams[number] for number in live], pieces) if heard]
    finals = engine.end(streams, [pcm[len(pcm) // STEP * STEP :] for pcm in audio])
    for stream in streams:
        engine.drop(stream)
    return partials, list(finals)


def test_a_whole_utterance_has_words_with_times_language_and_tags(whole: SherpaWhole) -> None:
    (heard,) = whole.recognise([_clip(CLIP)])
    assert heard.text == "go forward ten meters"
    assert [(word.text, word.start, word.end) for word in heard.words] == [
        ("go", 540, 720),
        ("forward", 720, 1120),
        ("ten", 1140, 1540),
        ("meters", 1620, 2020),
    ]
    assert heard.language == "en" and heard.tags == {"emotion": "neutral", "event": "speech"}
    assert "en" in whole.languages and whole.device == "cpu"


def test_a_batch_hears_what_each_clip_alone_says(whole: SherpaWhole) -> None:
    clips = [_clip(pcm) for pcm in (CLIP, silence(0.03), CLIP[: len(CLIP) // 2], noise(1.0), silence(2.0))]
    together = whole.recognise(clips)
    assert [heard.text for heard in together] == [whole.recognise([clip])[0].text for clip in clips]
    assert together[0].text == "go forward ten meters" and not together[1].text and not together[4].text


def test_clips_of_like_length_share_a_batch(whole: SherpaWhole) -> None:
    assert whole.bucket(_clip(silence(3.0))) == whole.bucket(_clip(silence(3.1)))
    assert whole.bucket(_clip(silence(3.0))) != whole.bucket(_clip(silence(6.0)))


def test_a_stream_gives_partials_whose_frozen_beginning_stays(streaming: SherpaStreaming) -> None:
    partials, (final,) = _hear(streaming, [CLIP])
    assert final.text == decode_streaming(CLIP) and final.text.startswith("go forward ten")
    texts = [partial.text for partial in partials if partial.text]
    assert texts[0] == "go forward"
    for partial in partials:
        assert final.text.startswith(partial.text[: partial.stable])
    assert any(partial.stable == len("go forward ten") for partial in partials)


def test_streams_in_one_run_hear_their_own_audio(streaming: SherpaStreaming) -> None:
    audio = [CLIP, silence(1.5), CLIP[len(CLIP) // 4 :], CLIP + CLIP, b""]
    _, together = _hear(streaming, audio)
    alone = [_hear(streaming, [pcm])[1][0] for pcm in audio]
    assert [heard.text for heard in together] == [heard.text for heard in alone]
    assert together[1].text == together[4].text == ""


def _transducer(**settings: Any) -> SherpaStreaming:
    engine = load({"model": str(TRANSDUCER), "options": {"feature_dim": 40}, **settings})
    assert isinstance(engine, SherpaStreaming)
    return engine


def test_a_transducer_tells_times_and_probabilities() -> None:
    (final,) = _hear(_transducer(), [CLIP])[1]
    assert final.text == "G OW F AO R ER D T EH N M IY ER Z"
    assert [(word.text, word.start, word.end) for word in final.words[:3]] == [
        ("G", 360, 400),
        ("OW", 400, 560),
        ("F", 560, 600),
    ]
    assert all(0 < (word.confidence or 0) <= 1 for word in final.words) and 0 < (final.confidence or 0) <= 1


def test_a_transducers_streams_share_one_run() -> None:
    engine = _transducer()
    audio = [CLIP, silence(1.5), CLIP[len(CLIP) // 4 :], CLIP + CLIP]
    together = [heard.text for heard in _hear(engine, audio)[1]]
    assert together == [_hear(engine, [pcm])[1][0].text for pcm in audio]
    assert together[1] == "" and together[0] != together[2]


def test_hotwords_are_favoured_where_the_search_looks_wide() -> None:
    wide = _transducer(decoding="modified_beam_search", hotwords_score=3.0)
    assert _hear(wide, [CLIP])[1][0].text == "G OW F AO R ER D T EH N M IY ER Z"
    (final,) = _hear(wide, [CLIP], hotwords=("d eh n", "\u6c34"))[1]
    assert final.text == "G OW F AO R ER D EH N M IY ER Z"
    assert final.warnings == ("hotwords: the model cannot spell \u6c34",)


def test_the_weight_of_a_hotword_decides_how_much_it_is_favoured() -> None:
    wide = _transducer(decoding="modified_beam_search", hotwords_score=0.3)
    heard = {
        weight: _hear(wide, [CLIP], hotwords=("d eh n",), hotword_weights={"d eh n": weight})[1][0].text
        for weight in (0.1, 10.0)
    }
    assert heard == {0.1: "G OW F AO R ER D T EH N M IY ER Z", 10.0: "G OW F AO R ER D EH N M IY ER Z"}


def test_hotwords_need_the_pieces_that_the_model_spells_with(tmp_path: Path) -> None:
    for file in TRANSDUCER.iterdir():
        if file.name != "bpe.vocab":
            (tmp_path / file.name).symlink_to(file)
    with pytest.raises(ConfigError, match=r"bpe\.vocab"):
        _transducer(model=str(tmp_path), decoding="modified_beam_search", modeling_unit="bpe")


def test_the_tail_is_measured_on_the_model(streaming: SherpaStreaming) -> None:
    assert streaming.tail_s == TAIL_S
    cut = load({"model": str(STREAMING), "tail_s": 0})
    assert isinstance(cut, SherpaStreaming)
    (final,) = _hear(cut, [CLIP])[1]
    assert len(final.text) < len(_hear(streaming, [CLIP])[1][0].text)


@needs_clips
def test_phrases_are_heard_as_the_engine_hears_them(whole: SherpaWhole, streaming: SherpaStreaming) -> None:
    some = phrases()[:12]
    heard = whole.recognise([_clip(phrase.pcm()) for phrase in some])
    assert [one.text for one in heard] == [decode(phrase.pcm()) for phrase in some]
    assert sum(one.text == phrase.text for one, phrase in zip(heard, some, strict=True)) >= 8
    finals = _hear(streaming, [phrase.pcm() for phrase in some])[1]
    assert [final.text for final in finals] == [decode_streaming(phrase.pcm()) for phrase in some]
    assert sum(final.text == phrase.text for final, phrase in zip(finals, some, strict=True)) >= 8


def test_an_option_that_the_sdk_does_not_have_is_named() -> None:
    with pytest.raises(ConfigError, match="blank_penalty"):
        load({"model": str(WHOLE), "options": {"blank_penalty": 1.0}})


def test_a_gpu_that_the_sdk_cannot_use_is_refused() -> None:
    with pytest.raises(ProviderUnavailable, match="built for the CPU"):
        load({"model": str(WHOLE), "device": "cuda"})
    with pytest.raises(ConfigError, match="tpu"):
        load({"model": str(WHOLE), "device": "tpu"})


def test_weights_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(WHOLE, folder)
    raw = (WHOLE / "model.int8.onnx").read_bytes()
    # The notes stay whole; the network is not.
    (folder / "model.int8.onnx").write_bytes(raw.replace(b"MatMulInteger", b"MatMulIntegex"))
    with pytest.raises(ProviderUnavailable, match="cannot load the sense-voice model"):
        load({"model": str(folder)})


def test_why_weights_are_not_here_is_told_without_the_engine(tmp_path: Path) -> None:
    assert missing({"model": str(WHOLE)}) is None
    assert "no .onnx file" in (missing({"model": str(tmp_path)}) or "")
    assert missing({}) and missing({"model": "a-model-that-is-nowhere"}) and missing({"model": 3})
