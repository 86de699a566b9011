"""The engine hears what was said: held-out phrases through the real faster-whisper and a tiny model."""

from __future__ import annotations

import math
from typing import Any

import jiwer
import pytest
from tests.providers.vosk.phrases import Phrase, phrases
from tests.providers.whisper.direct import decode, segments
from tests.providers.whisper.engines import clip, engine, hear
from tests.speech import noise, silence, tone

from asr_hub.errors import NotFound
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.providers.whisper.engine import WhisperEngine

pytestmark = pytest.mark.engine

FORTY = phrases()[:40]
SIX = tuple(FORTY[i] for i in (0, 1, 3, 5, 12, 18) if FORTY)
"""Phrases that the model gets right: of two to five seconds, by several voices."""
TIMER = "set a timer for six seconds"

data = pytest.mark.data
needs_phrases = pytest.mark.skipif(not FORTY, reason="the shared synthesised phrases are not here")


@pytest.fixture
def tiny() -> WhisperEngine:
    return engine()


@data
@needs_phrases
def test_held_out_phrases_are_heard(tiny: WhisperEngine) -> None:
    heard = [hear(tiny, phrase.pcm()).text for phrase in FORTY]
    assert jiwer.wer([phrase.text for phrase in FORTY], heard) < 0.12
    assert heard[18] == TIMER


@data
@needs_phrases
@pytest.mark.parametrize("phrase", SIX, ids=lambda phrase: phrase.text)
def test_known_phrases_are_exact_with_times_and_confidence(tiny: WhisperEngine, phrase: Phrase) -> None:
    pcm = phrase.pcm()
    heard = hear(tiny, pcm)
    assert heard.text == phrase.text == " ".join(word.text for word in heard.words)
    times = [time for word in heard.words for time in (word.start, word.end)]
    assert times == sorted(times) and heard.start == times[0] > 0 and times[-1] <= len(pcm) / 32
    # More than half of the clip is speech, and no word takes it all.
    assert times[-1] - times[0] > len(pcm) / 32 / 3
    assert all(word.end - word.start < 1500 for word in heard.words)
    assert 0.5 < (heard.confidence or 0) < 1
    assert all(0.3 < (word.confidence or 0) <= 1 for word in heard.words)
    assert heard.language is None and not heard.suppressed


def test_a_human_is_heard_without_any_shared_data(tiny: WhisperEngine) -> None:
    known = packaged_clip("self_test")
    heard = hear(tiny, known.pcm)
    assert heard.text == known.text == "go forward ten meters"
    (segment,) = segments(known.pcm)
    assert heard.confidence == pytest.approx(math.exp(segment.avg_logprob))


@data
@needs_phrases
def test_a_batch_hears_what_each_alone_hears(tiny: WhisperEngine) -> None:
    clips = [clip(phrase.pcm()) for phrase in FORTY[:6]]
    assert len({tiny.bucket(one) for one in clips}) == 1
    together = tiny.recognise(clips)
    alone = [tiny.recognise([one])[0] for one in clips]
    assert [heard.text for heard in together] == [heard.text for heard in alone]
    assert [heard.words for heard in together] == [heard.words for heard in alone]


@data
@needs_phrases
@pytest.mark.parametrize(
    "how", [{}, {"hotwords": ("thirty minutes", "kitchen")}, {"context": "go back"}], ids=lambda how: "".join(how)
)
def test_the_text_is_faster_whispers_own(tiny: WhisperEngine, how: dict[str, str | tuple[str, ...]]) -> None:
    context = how.get("context")
    for phrase in FORTY[4:10]:
        pcm = phrase.pcm()
        expected = decode(pcm, hotwords=tuple(how.get("hotwords", ())), initial_prompt=context)
        assert hear(tiny, pcm, **how).text == expected


@data
@needs_phrases
def test_long_audio_is_faster_whispers_too(tiny: WhisperEngine) -> None:
    pcm = b"".join(phrase.pcm() for phrase in FORTY)[: 26 * 32_000]
    heard = hear(tiny, pcm)
    assert heard.text == decode(pcm) and len(heard.text.split()) > 3
    assert heard.words and heard.words[-1].end <= 26_000


@data
@needs_phrases
def test_partials_are_greedy_and_without_times(tiny: WhisperEngine) -> None:
    spoken = [phrase.pcm() for phrase in FORTY[20:26]]
    heard = [hear(tiny, pcm, is_final=False) for pcm in spoken]
    assert [h.text for h in heard] == [decode(pcm, beam_size=1) for pcm in spoken]
    assert [h.text for h in heard] != [hear(tiny, pcm).text for pcm in spoken]
    assert not any(h.words for h in heard) and all(h.confidence for h in heard)


@data
@needs_phrases
def test_hotwords_change_what_is_heard() -> None:
    # This phrase is at the edge: "five nine five" becomes what was said, "five eight five".
    pcm = FORTY[7].pcm()
    plain, hot = hear(engine(), pcm).text, hear(engine(), pcm, hotwords=("thirty minutes", "kitchen")).text
    assert plain != hot
    assert hear(engine(prompt="thirty minutes, kitchen"), pcm).text == hot


def test_what_shares_a_batch_and_what_cannot(tiny: WhisperEngine) -> None:
    short, long = tone(2.0), tone(12.0)
    one = tiny.bucket(clip(short))
    assert one == tiny.bucket(clip(tone(5.0), language="en-GB"))
    others = (
        clip(short, is_final=False),
        clip(long),
        clip(short, context="go back"),
        clip(short, hotwords=("kitchen",)),
        clip(short, language="de"),
    )
    assert len({one, *(tiny.bucket(other) for other in others)}) == 6
    assert tiny.bucket(clip(short, context="turn left")) == tiny.bucket(clip(short, context="turn right"))
    assert tiny.bucket(clip(long, is_final=False)) == tiny.bucket(clip(short, is_final=False))
    by_need = engine(window="adaptive", window_min_s=3, window_margin_s=0.5)
    assert by_need.bucket(clip(short)) != by_need.bucket(clip(tone(4.0))) == by_need.bucket(clip(tone(3.0)))


def test_hotwords_without_room_are_told(tiny: WhisperEngine) -> None:
    many = tuple(f"qqzx{i}" for i in range(100))
    (warning,) = hear(tiny, packaged_clip("self_test").pcm, hotwords=many).warnings
    assert warning.endswith("of the hotwords have no room in the prompt")
    assert not hear(tiny, packaged_clip("self_test").pcm, hotwords=many[:3]).warnings


def test_a_language_that_the_model_lacks_is_refused_alone(tiny: WhisperEngine) -> None:
    pcm = packaged_clip("self_test").pcm
    with pytest.raises(NotFound, match="does not hear 'de-CH', only en") as refused:
        tiny.recognise([clip(pcm, language="de-CH")])
    assert refused.value.code == "unsupported-language"
    assert hear(tiny, pcm, language="en-US").text == "go forward ten meters"


@pytest.mark.parametrize("is_final", [True, False])
@pytest.mark.parametrize(
    "pcm",
    [
        b"",
        bytes(1),
        bytes(1600),
        silence(1.0),
        silence(20.0),
        noise(1.0, level=0.0005),
        tone(0.09),
        noise(2.0, level=0.1),
        noise(3.0, level=0.01),
    ],
    ids=["none", "half a sample", "50 ms", "silence", "long silence", "hum", "90 ms", "noise", "low noise"],
)
def test_what_is_no_speech_has_no_text(tiny: WhisperEngine, pcm: bytes, is_final: bool) -> None:
    heard = hear(tiny, pcm, is_final=is_final)
    assert (heard.text, heard.words, heard.confidence) == ("", (), None)


def test_a_phantom_is_held_back_with_its_reason() -> None:
    pcm = packaged_clip("self_test").pcm
    haunted = engine(phantoms=["Go forward ten meters."])
    heard = hear(haunted, pcm)
    assert (heard.text, heard.words, heard.confidence) == ("", (), None)
    assert (heard.suppressed, heard.suppressed_because) == ("go forward ten meters", "a known phantom")
    partial = hear(haunted, pcm, is_final=False)
    assert (partial.text, partial.suppressed) == ("", "")


def test_what_the_model_takes_for_no_speech_is_held_back() -> None:
    heard = hear(engine(no_speech_threshold=0.0, log_prob_threshold=0.0), packaged_clip("self_test").pcm)
    assert heard.text == "" and heard.suppressed == "go forward ten meters"
    assert heard.suppressed_because.startswith("no speech: probability 0.")


def test_without_word_times_the_text_is_the_same() -> None:
    heard = hear(engine(word_times=False), packaged_clip("self_test").pcm)
    assert (heard.text, heard.words) == ("go forward ten meters", ())


@data
@needs_phrases
def test_a_short_window_hears_short_clips_too() -> None:
    adaptive = engine(window="adaptive", window_min_s=3, window_margin_s=0.5)
    heard = [hear(adaptive, phrase.pcm()).text for phrase in FORTY]
    assert jiwer.wer([phrase.text for phrase in FORTY], heard) < 0.12


@data
@needs_phrases
def test_a_doubtful_text_of_a_short_window_is_heard_again_in_the_full_one() -> None:
    adaptive: dict[str, Any] = {"window": "adaptive", "window_min_s": 3, "window_margin_s": 0.5}
    # Nothing is likely enough, so that every text is doubtful.
    never_sure = engine(**adaptive, log_prob_threshold=0.0)
    differ = [p for p in FORTY[6:12] if hear(engine(**adaptive), p.pcm()).text != hear(engine(), p.pcm()).text]
    assert differ
    for phrase in differ:
        assert hear(never_sure, phrase.pcm()).text == hear(engine(), phrase.pcm()).text


@data
@needs_phrases
def test_a_doubtful_text_is_drawn_again_and_the_better_one_kept() -> None:
    doubtful = engine(temperatures=[0.0, 1.0], log_prob_threshold=-0.2)
    heard = doubtful.recognise([clip(phrase.pcm()) for phrase in FORTY[:8]])
    before = engine().recognise([clip(phrase.pcm()) for phrase in FORTY[:8]])
    sure = [(now, then) for now, then in zip(heard, before, strict=True) if (then.confidence or 0) > 0.82]
    unsure = [(now, then) for now, then in zip(heard, before, strict=True) if (then.confidence or 0) < 0.81]
    assert sure and all(now == then for now, then in sure)
    assert unsure and all((now.confidence or 0) >= (then.confidence or 0) for now, then in unsure)
