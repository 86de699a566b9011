"""The shared beat: moves the new audio of all sessions through their pipelines, with one call of the VAD for all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from asr_hub.audio.operators.base import Scored, Vad
from asr_hub.hub.session import LiveSession
from asr_hub.model import AudioFrame

REST = 8
"""
Times as long as its last rounds held the event loop the pump rests, so that it leaves most of a core to the sockets and
the store. The VAD's thread does not count: audio that waits would not get less.
"""

SLICE = 64
"""Sessions of one round. The VAD gains nothing from larger batches: it is at its best from 16 windows on."""

LONGEST_REST_S = 0.2


class Pump:
    """
    Waits until a session has work, then runs a round over all that have.

    The beat is `tick` seconds, and slower under load: partials come later then, and nothing else does.

    One task and one worker thread for all sessions. A session that receives a frame is marked, nothing else; frames
    that arrive within one tick are processed together.
    """

    def __init__(self, vad: Vad | None, *, tick: float, on_error: Callable[[LiveSession, Exception], None]) -> None:
        self._vad = vad
        self._tick = tick
        self._on_error = on_error
        self._marked: dict[str, LiveSession] = {}
        self._work = asyncio.Event()
        self._held = 0.0
        """Seconds that the event loop was held since the last rest."""

    def mark(self, session: LiveSession) -> None:
        """`session` may have work. Cheap, and called for every frame that arrives."""
        self._marked[session.id] = session
        self._work.set()

    async def run(self) -> None:
        """Run until cancelled."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="vad") as thread:
            due = loop.time()
            while True:
                await self._work.wait()
                # A beat, not a delay: a hub that was idle answers at once, a busy one gathers what came in one tick.
                began = max(due, loop.time())
                await asyncio.sleep(began - loop.time())
                self._work.clear()
                is_ahead = await self._beat(thread)
                rested = loop.time() + min(REST * self._held, LONGEST_REST_S)
                due = rested if is_ahead else max(began + self._tick, rested)
                self._held = 0.0

    async def _beat(self, thread: ThreadPoolExecutor) -> bool:
        """One round over all sessions that have work; whether some have more."""
        marked, self._marked = self._marked, {}
        busy = [session for session in marked.values() if session.has_work]
        for first in range(0, len(busy), SLICE):
            await self._round(busy[first : first + SLICE], thread)
            # The sockets of a thousand sessions do not wait until all of them are through.
            await asyncio.sleep(0)
        # A sender that is ahead goes on at once, and together with whoever has come meanwhile.
        ahead = [session for session in busy if session.has_work]
        for session in ahead:
            self.mark(session)
        return bool(ahead)

    async def _round(self, busy: list[LiveSession], thread: ThreadPoolExecutor) -> None:
        began = time.monotonic()
        taken: list[tuple[LiveSession, list[AudioFrame]]] = []
        for session in busy:
            try:
                taken.append((session, session.take()))
            except Exception as exc:  # noqa: BLE001 - the edge of one session: its failure must not stop the others
                self._on_error(session, exc)
        heard = [(session, frames) for session, frames in taken if frames]
        self._held += time.monotonic() - began
        scored = await self._score(heard, thread)
        began = time.monotonic()
        for (session, frames), scores in zip(heard, scored, strict=True):
            self._settle(session, frames, scores)
        for session, frames in taken:
            if not frames:
                self._settle(session, [], None)
        self._held += time.monotonic() - began

    async def _score(
        self, heard: list[tuple[LiveSession, list[AudioFrame]]], thread: ThreadPoolExecutor
    ) -> list[list[Scored] | None]:
        """What the VAD makes of each one's frames; nothing for a session that is not cut by it."""
        cut = [(session, frames) for session, frames in heard if session.pipeline.state is not None]
        if self._vad is None or not cut:
            return [None] * len(heard)
        if len(cut) < len(heard):
            scored = iter(await self._score(cut, thread))
            return [next(scored) if session.pipeline.state is not None else None for session, _ in heard]
        work = [(session.pipeline.state, frames) for session, frames in heard]
        try:
            return list(await asyncio.get_running_loop().run_in_executor(thread, self._vad.score, work))
        except Exception as exc:  # noqa: BLE001 - the edge of one session, once it is known which one it is
            if len(heard) == 1:
                self._on_error(heard[0][0], exc)
                return [None]
        return [(await self._score([one], thread))[0] for one in heard]

    def _settle(self, session: LiveSession, frames: list[AudioFrame], scores: list[Scored] | None) -> None:
        if session.is_over:
            return
        try:
            if frames:
                session.hear(session.pipeline.cut(scores) if scores is not None else session.pipeline.pass_on(frames))
            session.obey()
        except Exception as exc:  # noqa: BLE001 - the edge of one session: its failure must not stop the others
            self._on_error(session, exc)
