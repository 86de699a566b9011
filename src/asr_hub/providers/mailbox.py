"""Where an engine leaves hypotheses for the one who iterates over a stream."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator

from asr_hub.bell import Bell
from asr_hub.errors import HubError
from asr_hub.model import Hypothesis

MOST_WAITING = 64


class Mailbox:
    """
    Hypotheses in order, up to the final. Bounded: beyond 64 unread ones a partial replaces the newest partial.

    `put` and `fail` never wait. The iteration ends after the final, or raises the failure once all before it is read.
    """

    def __init__(self) -> None:
        self.failure: HubError | None = None
        self._waiting: deque[Hypothesis] = deque()
        self._news = Bell()

    def put(self, hypothesis: Hypothesis) -> None:
        if len(self._waiting) >= MOST_WAITING and not self._waiting[-1].is_final:
            self._waiting.pop()
        self._waiting.append(hypothesis)
        self._news.ring()

    def fail(self, failure: HubError) -> None:
        if self.failure is None:
            self.failure = failure
        self._news.ring()

    async def __aiter__(self) -> AsyncIterator[Hypothesis]:
        while True:
            while self._waiting:
                hypothesis = self._waiting.popleft()
                yield hypothesis
                if hypothesis.is_final:
                    return
            if self.failure is not None:
                raise self.failure
            await self._news.wait()
