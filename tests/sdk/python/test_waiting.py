"""Waiting between tries, and for the first of several things."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub_client.backoff import CAP, delay
from asr_hub_client.errors import LinkBroken, refused_over_http
from asr_hub_client.links.link import Address
from asr_hub_client.messages import AudioFormat, Configure
from asr_hub_client.state import SessionState, Unanswered
from asr_hub_client.tasks import Bell, first_of

pytestmark = pytest.mark.unit


@given(st.integers(0, 10**6), st.floats(0, 1), st.none() | st.floats(0, 100))
def test_a_pause_is_bounded_and_never_shorter_than_the_hub_asks(
    attempt: int, chance: float, retry_after: float | None
) -> None:
    pause = delay(attempt, retry_after=retry_after, chance=lambda: chance)
    assert (retry_after or 0) <= pause <= max(CAP, retry_after or 0)


def test_the_first_try_is_at_once_and_the_next_ones_spread() -> None:
    assert delay(0, retry_after=None, chance=lambda: 1.0) == 0
    assert [delay(n, retry_after=None, chance=lambda: 1.0) for n in range(1, 6)] == [0.5, 1.0, 2.0, 4.0, 5.0]
    assert delay(5, retry_after=None, chance=lambda: 0.1) == pytest.approx(0.5)


async def test_an_error_that_says_more_comes_before_a_broken_connection() -> None:
    async def breaks(error: Exception) -> None:
        raise error

    for errors in ([LinkBroken("cut"), KeyError("why")], [KeyError("why"), LinkBroken("cut")]):
        with pytest.raises(KeyError):
            await first_of(*(breaks(error) for error in errors))


async def test_what_is_not_first_is_cancelled() -> None:
    cancelled = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    await first_of(endless(), asyncio.sleep(0))
    assert cancelled.is_set()


async def test_a_bell_wakes_all_who_wait() -> None:
    bell, seen = Bell(), [0]
    waiting = [asyncio.create_task(bell.until(lambda: seen[0] > 1)) for _ in range(3)]
    for _ in range(2):
        await asyncio.sleep(0)
        seen[0] += 1
        bell.ring()
    await asyncio.gather(*waiting)


@given(st.integers(400, 599), st.binary(max_size=100), st.text(max_size=10))
def test_any_http_answer_is_a_named_error(status: int, body: bytes, retry_after: str) -> None:
    error = refused_over_http(status, body, {"retry-after": retry_after})
    assert error.code
    assert str(error)


def test_a_state_without_commands_is_read() -> None:
    text = (
        '{"session":"abc","seq":1,"format":{"sample_rate":16000,"channels":1,"encoding":"pcm_s16le"},'
        '"audio_offset":3,"audio":"AAA=","resume_window":60.0}'
    )
    state = msgspec.json.decode(text, type=SessionState)
    assert (state.audio, state.commands) == (bytes(2), ())


def test_secrets_are_not_shown() -> None:
    state = SessionState(
        session="abcdefghijkl",
        seq=1,
        format=AudioFormat(),
        audio_offset=3,
        audio=b"secret",
        commands=(Unanswered(at=3, command=Configure(hotwords=("secret",))),),
        resume_window=60.0,
    )
    assert "ghijkl" not in repr(state)
    assert "secret" not in repr(state)
    assert "ah_1" not in repr(Address("http://hub", None, "ah_1", None, 10.0))
