"""What is no speech, and what is, against what a model may write for it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from tests.audio.made import sounds
from tests.phrases import phrases, real_phrases
from tests.speech import Clip, clips, needs_clips

from asr_hub.audio.operators.silero import SileroVad
from asr_hub.audio.speechiness import measure
from asr_hub.model import HUB_RATE, AudioFrame, Hypothesis
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.text.phantom import Evidence, why_phantom

RATES = (16_000, 8_000)

ORDINARY = "we could meet tomorrow afternoon"
THANKS = ("Thank you.", "you", "ご視聴ありがとうございました", "Продолжение следует...", "Untertitel von Stephanie")
LOOP = "I think so. " * 12
WRITTEN = (*THANKS, LOOP, "[Musik]", "♪♪")

MOVING = {"arpeggio", "melody"}
"""Sounds that are a sign, and no proof: a voice may sing so."""

CLICKS = {"clicks"}
"""Told from speech by the VAD alone."""


def heard(text: str, seconds: float) -> Hypothesis:
    return Hypothesis(text=text, start=0, end=round(1000 * seconds), is_final=True)


@cache
def evidence(pcm: bytes, rate: int, *, vad: bool) -> Evidence:
    return Evidence(sound=measure(pcm, rate), speech_share=_speech_share(pcm, rate) if vad else None)


def _speech_share(pcm: bytes, rate: int) -> float:
    vad = SileroVad(gate=None)
    state = vad.open(rate)
    scored = [*vad.score([(state, [AudioFrame(pcm, 0, rate)])])[0], *vad.flush(state)]
    return sum(one.speech >= 0.5 for one in scored) / len(scored)


def why(text: str, pcm: bytes, rate: int, *, vad: bool) -> str:
    return why_phantom(heard(text, len(pcm) / 2 / rate), evidence(pcm, rate, vad=vad))


@pytest.mark.unit
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("dbfs", [-16.0, -45.0])
def test_nothing_is_said_in_noise_and_tones(rate: int, dbfs: float) -> None:
    for name, pcm in sounds(rate, dbfs=dbfs).items():
        for text in WRITTEN:
            assert why(text, pcm, rate, vad=False) or name in CLICKS, (name, text)
        assert why(ORDINARY, pcm, rate, vad=False) or name in MOVING | CLICKS, name


@pytest.mark.unit
def test_nothing_is_said_where_the_vad_hears_nothing() -> None:
    for name in MOVING | CLICKS:
        for text in WRITTEN:
            assert why(text, sounds()[name], 16_000, vad=True), (name, text)


@pytest.mark.unit
@pytest.mark.parametrize("text", [*WRITTEN, ORDINARY])
def test_nothing_is_said_in_silence(text: str) -> None:
    assert why(text, bytes(32_000), 16_000, vad=False)
    assert why(text, sounds(dbfs=-85.0)["white noise"], 16_000, vad=False)


@pytest.mark.unit
@pytest.mark.parametrize("name", ["self_test", "demo"])
@pytest.mark.parametrize("vad", [True, False])
def test_what_is_said_in_the_packaged_clips_is_kept(name: str, vad: bool) -> None:
    known = packaged_clip(name)
    assert why(known.text, known.pcm, known.rate, vad=vad) == ""
    assert why("Thank you.", known.pcm[: 4 * known.rate], known.rate, vad=vad) == ""


def _rate(clip: Clip) -> int:
    return 8_000 if clip.rate == 8_000 else 16_000


SPOKEN = [
    clip
    for clip in clips()
    if clip.text and clip.seconds < 12 and clip.kind in {"speech", "tts", "wakeword_positive", "wakeword_negative"}
]


@pytest.mark.data
@needs_clips
@pytest.mark.parametrize("language", sorted({str(clip.language) for clip in SPOKEN}))
def test_what_people_say_is_kept(language: str) -> None:
    for clip in [clip for clip in SPOKEN if str(clip.language) == language][::2]:
        pcm, rate = clip.pcm(_rate(clip)), _rate(clip)
        assert why(clip.text or "", pcm, rate, vad=False) == "", clip.file
        assert why("Thank you.", pcm, rate, vad=False) == "", clip.file


@pytest.mark.data
@needs_clips
def test_what_people_say_is_kept_by_the_vad_too() -> None:
    for clip in SPOKEN[::40]:
        pcm, rate = clip.pcm(_rate(clip)), _rate(clip)
        assert why(clip.text or "", pcm, rate, vad=True) == "", clip.file


@pytest.mark.data
@needs_clips
def test_what_a_synthesiser_says_is_kept() -> None:
    """Their vowels put nearly all of the energy into a few tones."""
    lost = {}
    for phrase in phrases():
        pcm = phrase.pcm() + bytes(HUB_RATE)
        if because := why(phrase.text, pcm, HUB_RATE, vad=False):
            lost[phrase.path.name] = because
    assert len(phrases()) >= 100
    assert lost == {}


@needs_clips
def test_a_short_word_is_kept_though_the_engine_takes_it_for_two() -> None:
    short = [phrase for phrase in real_phrases() if "fsdd" in phrase.path.parts[-2]]
    assert len(short) >= 10
    for phrase in short:
        pcm = phrase.pcm() + bytes(HUB_RATE)
        for text in (phrase.text, "eight two", "turn off", "sixteen"):
            for vad in (False, True):
                assert not why(text, pcm, HUB_RATE, vad=vad), phrase.path.name


@needs_clips
def test_what_people_say_softly_or_in_noise_is_kept() -> None:
    for number, clip in enumerate(SPOKEN[::8]):
        pcm, rate = clip.pcm(_rate(clip)), _rate(clip)
        voice = np.frombuffer(pcm, "<i2").astype(np.float64)
        noise = np.random.default_rng(number).normal(size=voice.size) * voice.std()
        soft = np.rint(voice / voice.std() * 32768 * 10 ** (-45 / 20)).clip(-32768, 32767).astype("<i2").tobytes()
        noisy = np.rint((voice + noise) / 2).clip(-32768, 32767).astype("<i2").tobytes()
        assert why(clip.text or "", soft, rate, vad=False) == "", clip.file
        assert why(clip.text or "", noisy, rate, vad=False) == "", clip.file
