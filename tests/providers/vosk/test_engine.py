"""The Vosk engine in this process: the real engine, a tiny trained model, known answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.providers.vosk.direct import MODEL, decode
from tests.providers.vosk.phrases import phrases
from tests.speech import needs_clips, silence

pytest.importorskip("vosk", reason="Vosk has no wheel for this Python")

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.providers.vosk.engine import VoskEngine, load
from asr_hub.providers.vosk.settings import missing
from asr_hub.providers.worker_messages import Begin, Heard

pytestmark = pytest.mark.engine

CLIP = packaged_clip("self_test").pcm
SAID = "go forward ten meters"
STEP = 6400
"""Bytes of 0.2 s"""


@pytest.fixture(scope="module")
def engine() -> VoskEngine:
    return load({"model": str(MODEL)})


@pytest.fixture
def dynamic(tmp_path: Path) -> str:
    """The tiny model with a graph that is put together at run time."""
    for part, place in (("am", MODEL), ("conf", MODEL)):
        (tmp_path / part).symlink_to(place / part)
    (tmp_path / "graph").symlink_to(Path(__file__).parent / "dynamic_graph")
    return str(tmp_path)


def _pieces(pcm: bytes) -> Iterator[bytes]:
    for at in range(0, len(pcm), STEP):
        yield pcm[at : at + STEP]


def _hear(engine: VoskEngine, pcm: bytes, **begin: Any) -> tuple[list[Heard], Heard]:
    stream = engine.begin(Begin(sample_rate=16_000, **begin))
    whole = len(pcm) // STEP * STEP
    partials = [heard for piece in _pieces(pcm[:whole]) for heard in engine.step([stream], [piece]) if heard]
    (final,) = engine.end([stream], [pcm[whole:]])
    engine.drop(stream)
    return partials, final


def test_the_words_come_with_times_and_confidence(engine: VoskEngine) -> None:
    _, final = _hear(engine, CLIP)
    assert final.text == SAID
    assert [(word.text, word.start, word.end) for word in final.words] == [
        ("go", 0, 750),
        ("forward", 750, 1110),
        ("ten", 1110, 1350),
        ("meters", 1350, 2340),
    ]
    assert all(0.9 < (word.confidence or 0) <= 1 for word in final.words) and (final.confidence or 0) > 0.9
    assert final.end == 2350


def test_partials_grow_to_the_final(engine: VoskEngine) -> None:
    partials, _ = _hear(engine, CLIP)
    texts = list(dict.fromkeys(partial.text for partial in partials))
    assert texts == ["", "go", "go forward", "go forward ten", SAID]
    assert all(partial.stable == 0 for partial in partials)


def test_without_partials_steps_say_nothing(engine: VoskEngine) -> None:
    partials, final = _hear(engine, CLIP, partials=False)
    assert partials == [] and final.text == SAID


def test_a_pause_inside_the_utterance_loses_no_word_and_no_time(engine: VoskEngine) -> None:
    pause = silence(2.0)
    partials, final = _hear(engine, CLIP + pause + CLIP + pause)
    assert final.text == f"{SAID} {SAID}"
    times = [time for word in final.words for time in (word.start, word.end)]
    assert times == sorted(times) and final.words[5].start >= 4300
    # What stood before the pause is frozen while the rest grows.
    assert any(partial.stable == len(SAID) and partial.text.startswith(f"{SAID} ") for partial in partials)


def test_word_times_in_partials_are_the_users_choice() -> None:
    partials, _ = _hear(load({"model": str(MODEL), "partial_words": True}), CLIP + silence(0.4))
    growing = [partial for partial in partials if partial.text and not partial.stable]
    assert growing and all([word.text for word in partial.words] == partial.text.split() for partial in growing)


def test_other_readings_come_with_the_final_and_without_confidence() -> None:
    _, final = _hear(load({"model": str(MODEL), "max_alternatives": 5}), CLIP[: len(CLIP) // 2])
    assert final.alternatives and final.text
    texts = [other.text for other in final.alternatives]
    assert final.text not in texts and len(set(texts)) == len(texts)
    assert final.confidence is None and all(word.confidence is None for word in final.words)
    assert [word.text for word in final.words] == final.text.split()


def test_silence_is_heard_as_nothing(engine: VoskEngine) -> None:
    assert _hear(engine, silence(2.0))[1].text == ""
    assert _hear(engine, b"")[1].text == ""


def test_streams_on_several_threads_hear_their_own_audio() -> None:
    engine = load({"model": str(MODEL), "threads": 4})
    streams = [engine.begin(Begin(sample_rate=16_000)) for _ in range(8)]
    audio = [CLIP if number % 2 else silence(len(CLIP) / 32_000) for number in range(8)]
    for at in range(0, len(CLIP), STEP):
        engine.step(streams, [pcm[at : at + STEP] for pcm in audio])
    finals = engine.end(streams, [b""] * 8)
    assert [final.text for final in finals] == ["", SAID] * 4


def test_the_text_is_the_engines_own(engine: VoskEngine) -> None:
    assert _hear(engine, CLIP)[1].text == decode(CLIP)


@needs_clips
def test_phrases_are_heard_as_the_engine_hears_them(engine: VoskEngine) -> None:
    heard = {phrase.file: _hear(engine, phrase.pcm())[1].text for phrase in phrases()[:20]}
    assert heard == {phrase.file: decode(phrase.pcm()) for phrase in phrases()[:20]}
    assert sum(heard[phrase.file] == phrase.text for phrase in phrases()[:20]) >= 18


def test_a_grammar_hears_nothing_but_its_phrases(dynamic: str) -> None:
    assert _hear(load({"model": dynamic}), CLIP)[1].text == SAID
    assert _hear(load({"model": dynamic, "grammar": ["go forward"]}), CLIP)[1].text == "go forward"
    assert _hear(load({"model": dynamic, "grammar": ["seven eight", "[unk]"]}), CLIP)[1].text == ""


def test_a_word_of_the_grammar_that_the_dictionary_lacks_is_named(dynamic: str) -> None:
    with pytest.raises(ConfigError, match="zorbatron"):
        load({"model": dynamic, "grammar": ["go forward", "stop the zorbatron"]})


def test_hotwords_are_a_grammar_only_where_that_was_chosen(dynamic: str) -> None:
    hotwords = ("Go forward", "zorbatron nine")
    assert _hear(load({"model": dynamic}), CLIP, hotwords=hotwords)[1].text == SAID
    _, final = _hear(load({"model": dynamic, "hotwords_as_grammar": True}), CLIP, hotwords=hotwords)
    assert final.text == "go forward"
    assert final.warnings == ("hotwords: the model's dictionary lacks zorbatron",)
    assert _hear(load({"model": dynamic, "hotwords_as_grammar": True}), CLIP, hotwords=("seven eight",))[1].text == ""


def test_phrases_of_the_hub_come_before_the_settings(dynamic: str) -> None:
    engine = load({"model": dynamic, "grammar": ["turn left"]})
    assert _hear(engine, CLIP, phrases=(SAID, "stop the music"))[1].text == SAID


@pytest.mark.parametrize("setting", ["grammar", "hotwords_as_grammar"])
def test_a_fixed_graph_says_that_it_takes_no_grammar(setting: str) -> None:
    engine = load({"model": str(MODEL), setting: ["turn left"] if setting == "grammar" else True})
    _, final = _hear(engine, CLIP, hotwords=("turn left",))
    assert final.text == SAID
    (warning,) = final.warnings
    assert warning.startswith(f"{setting} does nothing") and "HCLr.fst" in warning


def test_a_folder_that_is_no_model_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ProviderUnavailable, match=r"am/final\.mdl"):
        load({"model": str(tmp_path)})
    with pytest.raises(ProviderUnavailable, match="nowhere"):
        load({"model": str(tmp_path / "nowhere")})
    assert missing({}) and missing({"model": str(tmp_path)})
    assert missing({"model": str(MODEL)}) is None


def test_weights_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    for part in ("conf", "graph"):
        (tmp_path / part).symlink_to(MODEL / part)
    (tmp_path / "am").mkdir()
    (tmp_path / "am" / "final.mdl").write_bytes(b"no model")
    with pytest.raises(ProviderUnavailable, match="cannot load"):
        load({"model": str(tmp_path)})


def test_settings_that_cannot_be_kept_are_refused() -> None:
    with pytest.raises(ConfigError, match="16000 Hz"):
        load({"model": str(MODEL), "sample_rate": 8000})
    with pytest.raises(ConfigError, match="CPU"):
        load({"model": str(MODEL), "device": "cuda"})
