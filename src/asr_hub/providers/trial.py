"""Which of several utterances ended an engine's process: they are tried one after the other."""

from __future__ import annotations

import asyncio
import contextlib

TRIAL_S = 5.0
"""Seconds that one utterance is alone among its like, and that another waits for it, at the most."""


class Trial:
    """
    `async with` holds `turn`, so that no two suspects are heard at once, until the engine has outlived the utterance.

    `passed` says that it has. A speaker who goes on for long does not hold up the others: after `TRIAL_S` the turn is
    given on, and who has waited so long goes ahead without it.
    """

    def __init__(self, turn: asyncio.Lock) -> None:
        self._turn = turn
        self._has_turn = False
        self._end: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TRIAL_S):
                await self._turn.acquire()
            self._has_turn = True
            self._end = asyncio.get_running_loop().call_later(TRIAL_S, self.passed)

    async def __aexit__(self, *exc: object) -> None:
        self.passed()

    @property
    def is_on(self) -> bool:
        """It has its turn, and the engine has not answered."""
        return self._has_turn

    def passed(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None
        if self._has_turn:
            self._has_turn = False
            self._turn.release()
