from __future__ import annotations

import asyncio

import pytest

from asr_hub.providers import trial
from asr_hub.providers.trial import Trial

pytestmark = pytest.mark.unit


async def test_two_are_never_on_trial_at_once_until_one_has_passed() -> None:
    turn = asyncio.Lock()
    first, second = Trial(turn), Trial(turn)
    async with first:
        waiting = asyncio.create_task(second.__aenter__())
        for _ in range(5):
            await asyncio.sleep(0)
        assert first.is_on and not waiting.done()
        first.passed()
        await waiting
        assert second.is_on and not first.is_on
    await second.__aexit__()
    assert not turn.locked()


async def test_nobody_waits_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "TRIAL_S", 0.05)
    turn = asyncio.Lock()
    await turn.acquire()
    late = Trial(turn)
    async with late:
        assert not late.is_on
    assert turn.locked()


async def test_who_goes_on_for_long_gives_the_turn_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "TRIAL_S", 0.05)
    turn = asyncio.Lock()
    async with Trial(turn):
        async with asyncio.timeout(5):
            await turn.acquire()
        turn.release()


async def test_an_error_gives_the_turn_back() -> None:
    turn = asyncio.Lock()
    with pytest.raises(ZeroDivisionError):
        async with Trial(turn):
            raise ZeroDivisionError
    assert not turn.locked()
