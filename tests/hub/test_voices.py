"""Voices are remembered for as long as their session lives, and for so many sessions at most."""

from __future__ import annotations

import pytest

from asr_hub.audio.speakers import Telling
from asr_hub.errors import UnsupportedAudio
from asr_hub.hub import voices
from asr_hub.hub.voices import Voices
from asr_hub.model import SessionId

pytestmark = pytest.mark.unit

RATE = 16_000
ONE, OTHER = (bytes([byte]) * 2 * RATE for byte in (1, 2))
SHORT = bytes(10)
HERE, THERE = SessionId("here"), SessionId("there")


class Embedder:
    """Each first byte is a voice of its own."""

    async def start(self) -> None: ...

    async def aclose(self) -> None: ...

    async def embed(self, pcm: bytes, rate: int) -> tuple[float, ...]:
        if len(pcm) < RATE:
            raise UnsupportedAudio("too short")
        return tuple(float(place == pcm[0]) for place in range(8))


async def test_speakers_are_numbered_in_each_session_by_itself() -> None:
    known = Voices(Embedder(), Telling())
    heard = [await known(session, pcm, RATE, 1.0) for session in (HERE, THERE) for pcm in (ONE, OTHER, ONE)]
    assert heard == ["1", "2", "1"] * 2
    assert await known(HERE, SHORT, RATE, 1.0) is None


async def test_too_little_speech_founds_no_speaker_however_long_its_pauses_are() -> None:
    known = Voices(Embedder(), Telling(founding_s=1.0))
    assert await known(HERE, ONE, RATE, 0.4) is None
    assert await known(HERE, OTHER, RATE, 1.0) == "1"
    assert await known(HERE, OTHER, RATE, 0.4) == "1"


async def test_a_session_that_is_over_leaves_no_voice() -> None:
    known = Voices(Embedder(), Telling())
    assert [await known(HERE, pcm, RATE, 1.0) for pcm in (ONE, OTHER)] == ["1", "2"]
    known.forget(HERE)
    known.forget(HERE)
    assert not known._sessions
    assert await known(HERE, OTHER, RATE, 1.0) == "1"


async def test_of_too_many_sessions_the_one_heard_of_least_lately_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voices, "MAX_SESSIONS", 2)
    known = Voices(Embedder(), Telling())
    for session in (HERE, THERE, HERE, SessionId("third")):
        await known(session, ONE, RATE, 1.0)
    assert set(known._sessions) == {HERE, "third"}
    assert await known(HERE, OTHER, RATE, 1.0) == "2"


async def test_a_voice_without_a_direction_forgets_nobody() -> None:
    known = Voices(Embedder(), Telling())
    await known(HERE, ONE, RATE, 1.0)
    with pytest.raises(ValueError, match="no voice"):
        await known(HERE, bytes([9]) * 2 * RATE, RATE, 1.0)
    assert await known(HERE, OTHER, RATE, 1.0) == "2"
