"""What is taken for text that nobody said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from asr_hub.model import Hypothesis
from asr_hub.sound import Sound
from asr_hub.text.phantom import Evidence, PhantomLimits, why_phantom
from asr_hub.text.phantom_phrases import CREDITS, FAREWELLS, LANGUAGES, OPENINGS, SOUNDS
from asr_hub.wording import letters

pytestmark = pytest.mark.unit

SPEECH = Sound(seconds=2.5, sounding=1.2, level=-28, loudest=-20, movement=18, tone=0.78, hiss=0.1)
KNOWN = Evidence(sound=SPEECH, speech_share=0.5)
PLAIN = "turn on the light in the kitchen"
THANKS = "Thanks for watching!"
LOOP = "and then we go " * 6


def heard(text: str, **more: object) -> Hypothesis:
    return replace(Hypothesis(text=text, start=0, end=2500, is_final=True), **more)


def sounding(**more: object) -> Evidence:
    return replace(KNOWN, sound=replace(SPEECH, **more))


@pytest.mark.parametrize(
    ("text", "evidence", "because"),
    [
        ("", KNOWN, ""),
        (PLAIN, KNOWN, ""),
        (PLAIN, Evidence(), ""),
        (THANKS, KNOWN, ""),
        (THANKS, Evidence(), ""),
        ("♪ ♪", KNOWN, "no letter"),
        ("… . !", KNOWN, "no letter"),
        ("七", KNOWN, ""),
        ("Subtitles by the Amara.org community", KNOWN, "a credit line"),
        ("字幕由Amara.org社区提供。", KNOWN, "a credit line"),
        ("Subtitles by my own hand", KNOWN, ""),
        ("Subtitles by my own hand", sounding(loudest=-55), "a known phantom; quiet"),
        ("[Music]", KNOWN, "a sound"),
        ("(applause).", KNOWN, "a sound"),
        ("[Music] [Music](applause)", KNOWN, "a sound"),
        ("[Music] turn it on [Music]", KNOWN, ""),
        ("【音楽】", KNOWN, "a sound"),
        ("♪ Music ♪", KNOWN, "a sound"),
        ("music", KNOWN, ""),
        ("[turn it on]", KNOWN, ""),
        ("[turn it on]", replace(KNOWN, speech_share=0.1), "in brackets; speech in 10%"),
        (PLAIN, sounding(loudest=-75, level=-80), "silence: -75 dBFS"),
        (PLAIN, replace(KNOWN, speech_share=0.02), "speech in 2%"),
        (PLAIN, sounding(movement=3.0), "a steady sound"),
        ("mhm", sounding(movement=3.0), ""),
        ("you", sounding(movement=3.0), "a known phantom; steady"),
        (PLAIN, sounding(tone=0.995), "a tone"),
        (PLAIN, sounding(movement=None), ""),
        (PLAIN * 2, KNOWN, ""),
        (PLAIN * 6, KNOWN, "156 characters in 2.5 s"),
        (THANKS, sounding(loudest=-55), "a known phantom; quiet"),
        (THANKS, replace(KNOWN, speech_share=0.1), "a known phantom; speech in 10%"),
        (THANKS, replace(KNOWN, other=""), "a known phantom; another engine heard nothing"),
        (THANKS, replace(KNOWN, other="thanks for watching"), ""),
        (THANKS, replace(KNOWN, no_speech=0.9), "a known phantom; no speech"),
        (THANKS, replace(sounding(seconds=20.0), speech_share=0.9), "a known phantom; 17 characters in 18.0 s"),
        (THANKS, sounding(hiss=0.002, sounding=2.4), "a known phantom; no consonants"),
        ("bye bye", sounding(hiss=0.002), ""),
        (PLAIN, replace(KNOWN, no_speech=0.9), ""),
        (PLAIN, replace(KNOWN, no_speech=0.9, other=""), ""),
        (PLAIN, replace(sounding(loudest=-55), no_speech=0.9, other=""), "quiet"),
        (LOOP, replace(KNOWN, speech_share=0.8), "repetition; 66 characters"),
        (LOOP, replace(sounding(seconds=10.0), speech_share=0.8), ""),
        ("no no no no no no no", sounding(loudest=-55), "repetition; quiet"),
        ("ha ha ha", sounding(loudest=-55), ""),
    ],
)
def test_text_of_no_speech_is_told_from_speech(text: str, evidence: Evidence, because: str) -> None:
    found = why_phantom(heard(text), evidence)
    assert found.startswith(because) and bool(found) == bool(because)


def test_an_engine_that_is_unsure_and_holds_that_nobody_spoke_is_believed() -> None:
    doubtful = heard(PLAIN, confidence=0.3, tags={"no_speech": "0.9"})
    assert why_phantom(doubtful, KNOWN).startswith("no speech: probability 0.90")
    assert not why_phantom(replace(doubtful, confidence=0.9), KNOWN)
    assert not why_phantom(replace(doubtful, tags={}), KNOWN)
    assert not why_phantom(replace(doubtful, tags={"no_speech": "perhaps"}), KNOWN)


def test_being_unsure_alone_loses_no_thanks() -> None:
    assert not why_phantom(heard("Okay.", confidence=0.1), KNOWN)


def test_limits_say_where_doubt_begins() -> None:
    assert not why_phantom(heard(PLAIN), sounding(movement=3.0), PhantomLimits(steady=2.0, almost_steady=2.0))
    assert why_phantom(heard(PLAIN), sounding(loudest=-55), PhantomLimits(signs=1))


def test_phrases_are_known_in_many_languages() -> None:
    assert len(LANGUAGES) >= 20
    assert len(CREDITS) + len(FAREWELLS) + len(OPENINGS) >= 200
    assert not CREDITS & FAREWELLS


def test_what_people_say_too_is_kept_where_they_speak() -> None:
    speaking = replace(sounding(seconds=5.0), speech_share=0.6)
    for phrase in FAREWELLS:
        assert not why_phantom(heard(phrase), speaking), phrase
        assert why_phantom(heard(phrase), sounding(loudest=-60)), phrase


def test_a_phrase_within_a_text_is_no_phantom() -> None:
    for phrase in sorted(FAREWELLS | SOUNDS):
        assert not why_phantom(heard(f"I said {phrase} to him"), sounding(loudest=-60))


shares = st.none() | st.floats(0, 1)
loud = st.floats(-100, 0)
sounds = st.none() | st.builds(
    Sound,
    seconds=st.floats(0, 60), sounding=st.floats(0, 60), level=loud, loudest=loud,
    movement=st.none() | st.floats(0, 40), tone=st.floats(0, 1), hiss=st.floats(0, 1),
)  # fmt: skip
evidences = st.builds(
    Evidence, sound=sounds, speech_share=shares, no_speech=shares, other=st.none() | st.text(max_size=5)
)


@given(text=st.text() | st.sampled_from(sorted(FAREWELLS)), evidence=evidences, confidence=shares)
def test_any_text_gets_an_answer(text: str, evidence: Evidence, confidence: float | None) -> None:
    because = why_phantom(heard(text, confidence=confidence), evidence)
    assert not (because and not text.strip())
    if text.strip() and not any(map(str.isalnum, letters(text))):
        assert because == "no letter in it"
