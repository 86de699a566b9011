"""Hubs are killed while they work at files; what `submit` answered is done all the same, once."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from tests.chaos.jobs_server import JOBS, LANES, Hub, Tape, Watch, configuration, recorded, submit
from tests.chaos.matrix import IS_FULL

pytest.importorskip("dbos", reason="needs pip install 'asr-hub[jobs]'")

pytestmark = [pytest.mark.chaos, pytest.mark.e2e]

KILLS = 20 if IS_FULL else 6

MOMENTS = ("upload", "sent", "answered", "cutting", "hearing", "ending")
"""Where a hub is killed: see `Trial.kill`."""


class Trial:
    """Files are submitted to hubs that are killed."""

    def __init__(self, folder: Path, *, hubs: int, database: str | None = None, seed: int) -> None:
        path = configuration(folder, database=database)
        self.watch = Watch()
        self.hubs = [Hub(path, self.watch) for _ in range(hubs)]
        self.database = database or f"sqlite:///{folder}/jobs/jobs.sqlite"
        self.chance = random.Random(seed)
        self.tasks: dict[str, str] = {}
        """The job of each file that was answered, by its hash."""
        self.unanswered: list[Tape] = []
        self.kills = 0
        self.refused = 0
        self.lost: list[int] = []
        """Segments that were in hand at each kill."""
        self.pauses: list[float] = []
        """Seconds from each start to the first segment that was heard."""
        self._numbers = itertools.count(1)

    def tape(self) -> Tape:
        return self.watch.add(Tape(next(self._numbers), self.chance.randint(4, 10)))

    async def send(self, hub: Hub, tape: Tape, **cut: object) -> bool:
        """Whether it was answered."""
        is_first = tape not in self.unanswered
        if is_first and tape.sha256 not in self.tasks:
            self.unanswered.append(tape)
        try:
            answer = await submit(hub, tape, **cut)  # type: ignore[arg-type]
        except httpx.TransportError:
            return False
        told = answer.json()
        if answer.status_code == 503:
            assert told["code"] == "jobs-unavailable"
            self.refused += 1
            return False
        assert answer.status_code in (200, 202), told
        if tape.sha256 in self.tasks:
            assert (told["task_id"], told["is_new"]) == (self.tasks[tape.sha256], False)
        else:
            # One that was not answered may have been taken.
            assert told["is_new"] or not is_first
            self.tasks[tape.sha256] = told["task_id"]
            self.unanswered.remove(tape)
        return True

    async def again(self, hub: Hub) -> None:
        """Send once more what was not answered, and one that was."""
        for tape in tuple(self.unanswered):
            assert await self.send(hub, tape)
        if self.tasks:
            assert await self.send(hub, self.watch.tapes[self.chance.choice(sorted(self.tasks))])

    async def kill(self, moment: str, hub: Hub) -> Hub:
        """
        A new file is sent to `hub`, and somebody is killed: while it comes in, when all of it is sent, when it is
        answered, while a file is decoded, while segments are heard, or when the last of a file was heard.
        """
        tape = self.tape()
        watch, killed = self.watch, self._ended
        match moment:
            case "upload":
                await self.send(hub, tape, share=self.chance.random(), then=lambda: killed(hub))
            case "sent":
                await self.send(hub, tape, then=lambda: killed(hub, within=0.05))
            case "answered":
                assert await self.send(hub, tape)
                await killed(hub)
            case "cutting":
                assert await self.send(hub, tape)
                started = await watch.until_logged("job.started", job=self.tasks[tape.sha256])
                await killed(hub := self._of(started.life), within=0.3)
            case "hearing":
                before = len(watch.begun)
                assert await self.send(hub, tape)
                count = before + self.chance.randint(1, tape.segments)
                at = await watch.until(lambda: watch.begun[count - 1] if len(watch.begun) >= count else None)
                await killed(hub := self._of(at.life), within=0.15)
            case "ending":
                assert await self.send(hub, tape)
                places = sorted(tape.marks.values())
                await watch.until(lambda: watch.ended.keys() >= set(places) or None)
                last = max((watch.ended[place] for place in places), key=lambda one: one.at)
                await killed(hub := self._of(last.life), within=0.03)
        return hub

    async def note(self) -> frozenset:
        found = await asyncio.to_thread(recorded, self.database)
        self.watch.note(found)
        return found

    async def _ended(self, hub: Hub, *, within: float = 0.0) -> None:
        # This is no waiting: any moment will do.
        await asyncio.sleep(self.chance.uniform(0, within))
        await hub.kill()
        self.kills += 1
        lost = self.watch.in_hand(hub.life, await self.note())
        assert lost <= JOBS * LANES
        self.lost.append(lost)

    def _of(self, life: int) -> Hub:
        return next(hub for hub in self.hubs if hub.life == life)

    async def all_done(self, hub: Hub) -> None:
        """Every file that was sent is one job, which gets done, with what is in it."""
        async with httpx.AsyncClient(base_url=hub.url, timeout=60) as client, asyncio.timeout(120):
            while True:
                page = (await client.get("/api/v1/asr/history", params={"limit": 200})).json()
                if all(job["status"] == "done" for job in page["jobs"]):
                    break
                assert not [job for job in page["jobs"] if job["status"] in ("failed", "cancelled")]
                await asyncio.sleep(0.2)
            assert page["total"] == len(page["jobs"]) == len(self.watch.tapes)
            assert {job["sha256"]: job["task_id"] for job in page["jobs"]} == self.tasks
            for sha256, id in self.tasks.items():
                result = (await client.get(f"/api/v1/asr/result/{id}")).json()
                assert result["text"] == self.watch.tapes[sha256].text
        assert await self.note() == self.watch.places
        self.watch.check()

    def __str__(self) -> str:
        watch = self.watch
        return (
            f"{self.kills} kills, {watch.lives} lives, {len(self.tasks)} jobs of {len(watch.places)} segments: "
            f"{watch.again} heard again, of {sum(self.lost)} in hand; {self.refused} submits refused; first segment "
            f"after {min(self.pauses, default=0):.1f} to {max(self.pauses, default=0):.1f} s"
        )


@asynccontextmanager
async def running(trial: Trial) -> AsyncIterator[Sequence[Hub]]:
    try:
        await asyncio.gather(*(hub.start() for hub in trial.hubs))
        yield trial.hubs
    finally:
        for hub in trial.hubs:
            await hub.kill()


def moments(chance: random.Random, kills: int) -> list[str]:
    chosen = list(itertools.islice(itertools.cycle(MOMENTS), kills))
    chance.shuffle(chosen)
    return chosen


@pytest.mark.timeout(900)
async def test_a_hub_that_is_killed_at_any_moment_does_every_job_once(tmp_path: Path) -> None:
    trial = Trial(tmp_path, hubs=1, seed=6)
    async with running(trial) as (hub,):
        for moment in moments(trial.chance, KILLS):
            await trial.kill(moment, hub)
            await hub.start()
            await trial.again(hub)
        await trial.all_done(hub)
        await hub.stop()
    assert not [*(tmp_path / "jobs" / "spools").iterdir()]
    print(f"\none hub on SQLite: {trial}")
