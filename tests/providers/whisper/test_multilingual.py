"""Languages, tasks and repetition, with a model of random weights: what it says is nonsense, how it is asked is not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.providers.whisper.engines import clip, engine, hear
from tests.providers.whisper.random_model import make
from tests.speech import noise, silence, tone

from asr_hub.errors import NotFound
from asr_hub.providers.whisper.engine import WhisperEngine

pytestmark = pytest.mark.engine

TALKS: dict[str, Any] = {"no_repeat_ngram_size": 2, "compression_ratio_threshold": 1e9}
"""Settings under which the model says various things, and all of it counts."""
SOUNDS = [tone(1.0), tone(1.5, hertz=900), noise(1.2, level=0.3)]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("whisper") / "five", languages=("en", "zh", "de", "jw", "yue"))


@pytest.fixture
def talker(model: Path) -> WhisperEngine:
    return engine(model, **TALKS)


def test_languages_are_told_as_bcp_47(talker: WhisperEngine) -> None:
    assert talker.languages == ("en", "zh", "de", "jv", "yue")


def test_the_language_is_detected_where_nobody_says_it(talker: WhisperEngine) -> None:
    heard = [hear(talker, pcm) for pcm in SOUNDS]
    assert all(h.text and h.language in talker.languages for h in heard)
    detected = heard[0].language
    assert hear(talker, SOUNDS[0], language=detected).text == heard[0].text
    assert hear(talker, SOUNDS[0], language=detected).language is None


def test_a_language_that_is_said_is_obeyed(talker: WhisperEngine) -> None:
    texts = {language: hear(talker, SOUNDS[0], language=language).text for language in talker.languages}
    assert len(set(texts.values())) > 1
    assert hear(talker, SOUNDS[0], language="zh-TW").text == texts["zh"]
    assert hear(talker, SOUNDS[0], language="cmn").text == texts["zh"]
    with pytest.raises(NotFound, match="does not hear 'fr', only en, zh, de, jv, yue"):
        hear(talker, SOUNDS[0], language="fr")


def test_languages_of_one_batch_may_differ(talker: WhisperEngine) -> None:
    wanted = (None, "zh", "de", None, "en", "yue")
    clips = [clip(SOUNDS[i % 3], language=language) for i, language in enumerate(wanted)]
    assert len({talker.bucket(one) for one in clips}) == 1
    assert list(talker.recognise(clips)) == [talker.recognise([one])[0] for one in clips]


def test_only_the_chosen_languages_are_detected_and_allowed(model: Path) -> None:
    free = {hear(engine(model, **TALKS), pcm).language for pcm in SOUNDS}
    for only in ("de", "jv"):
        chosen = engine(model, **TALKS, languages=[only])
        assert chosen.languages == (only,)
        assert {hear(chosen, pcm).language for pcm in SOUNDS} == {only} != free
        with pytest.raises(NotFound, match=f"does not hear 'zh', only {only}"):
            hear(chosen, SOUNDS[0], language="zh")


def test_a_default_language_is_not_detected(model: Path) -> None:
    heard = hear(engine(model, **TALKS, language="de"), SOUNDS[0])
    assert heard.language is None
    assert heard.text == hear(engine(model, **TALKS), SOUNDS[0], language="de").text


def test_translating_is_another_task(model: Path) -> None:
    translated = hear(engine(model, **TALKS, task="translate"), SOUNDS[0], language="de").text
    assert translated and translated != hear(engine(model, **TALKS), SOUNDS[0], language="de").text


def test_each_character_is_a_word_where_no_spaces_are_written(talker: WhisperEngine) -> None:
    heard = [hear(talker, pcm, language="zh") for pcm in SOUNDS]
    assert any(character in h.text for h in heard for character in "打开灯")
    for h in heard:
        assert "".join(word.text for word in h.words).replace(" ", "") == h.text.replace(" ", "")
        assert not any(re.search("[打开灯]{2}", word.text) for word in h.words)
    assert any(re.search("[打开灯]{2}", h.text) for h in heard)


def test_a_loop_is_held_back_and_never_shown(model: Path) -> None:
    looping = engine(model)
    heard = hear(looping, SOUNDS[0], language="en")
    assert (heard.text, heard.words) == ("", ())
    assert len(heard.suppressed) > 200 and heard.suppressed_because.startswith("repetition, ")
    assert hear(looping, SOUNDS[0], language="en", is_final=False).text == ""


def test_text_that_is_too_unlikely_is_held_back(model: Path) -> None:
    heard = hear(engine(model, **TALKS, min_confidence=0.9), SOUNDS[0], language="en")
    assert heard.text == "" and heard.suppressed
    assert re.fullmatch(r"confidence 0\.\d\d is below 0\.90", heard.suppressed_because)


def test_a_loop_is_tried_again_by_chance(model: Path) -> None:
    # Ten draws, of which each is a loop again once in five times.
    again = hear(engine(model, temperatures=[0.0, *[2.0] * 10], best_of=1), SOUNDS[0], language="en")
    assert again.text and not again.suppressed


def test_long_clips_are_decoded_with_timestamps_to_their_end(model: Path) -> None:
    timed = engine(model, **TALKS, timestamps_from_s=5.0)
    plain = engine(model, **TALKS, timestamps_from_s=30.0)
    pcm = noise(12.0, level=0.3)
    heard = hear(timed, pcm, language="en")
    assert heard.text and heard.text != hear(plain, pcm, language="en").text
    times = [time for word in heard.words for time in (word.start, word.end)]
    assert times == sorted(times) and times[-1] <= 12_000


def test_what_the_model_left_unheard_is_heard_in_another_round(tmp_path: Path) -> None:
    model = make(tmp_path / "model", languages=("en", "zh"), seed=1, times_to_s=4)
    stops_early = engine(model, **TALKS, timestamps_from_s=5.0)
    heard = hear(stops_early, noise(27.0, level=0.3), language="en")
    # Of the 224 tokens of one decoding, times are more than half.
    assert len(heard.words) > 112 and heard.text == " ".join(word.text for word in heard.words)
    times = [time for word in heard.words for time in (word.start, word.end)]
    assert times == sorted(times) and times[-1] <= 27_000


@pytest.mark.parametrize("pcm", [silence(1.0), noise(1.0, level=0.0005), tone(0.09)], ids=["silence", "hum", "90 ms"])
def test_what_cannot_be_speech_is_not_decoded(talker: WhisperEngine, pcm: bytes) -> None:
    heard = hear(talker, pcm)
    assert (heard.text, heard.suppressed) == ("", "")


def test_what_is_too_quiet_is_a_setting(model: Path) -> None:
    assert hear(engine(model, **TALKS, hush_dbfs=-120.0), noise(1.0, level=0.0005)).text
