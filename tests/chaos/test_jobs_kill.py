"""Hubs are killed while they work at files; what `submit` answered is done all the same, once."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.chaos.jobs_server import JOBS, LANES, Hub, Place, Tape, Watch, configuration, recorded, submit
from tests.chaos.matrix import IS_FULL
from tests.jobs.postgres import Postgres, programs

pytestmark = [pytest.mark.chaos, pytest.mark.e2e]

KILLS = 20 if IS_FULL else 6
KILLS_OF_TWO = 20 if IS_FULL else 1
OUTAGES = 6 if IS_FULL else 2

PAUSE_S = 0.2
"""Seconds between two questions of a client."""

MOMENTS = ("upload", "sent", "answered", "cutting", "hearing", "ending")
"""Where a hub is killed: see `Trial.kill`."""


class Trial:
    """Files are submitted to hubs that are killed."""

    def __init__(self, folder: Path, *, hubs: int = 1, database: str | None = None, seed: int, **jobs: Any) -> None:
        path = configuration(folder, database=database, **jobs)
        self.watch = Watch()
        self.hubs = [Hub(path, self.watch) for _ in range(hubs)]
        self.database = database or f"sqlite:///{folder}/jobs/jobs.sqlite"
        self.chance = random.Random(seed)
        self.tasks: dict[str, str] = {}
        """The job of each file that was answered, by its hash."""
        self.unanswered: list[Tape] = []
        self.kills = 0
        self.refused = 0
        self.in_hand: list[tuple[float, frozenset[Place]]] = []
        """When a hub was killed, and what it had begun of what is not written down."""
        self._numbers = itertools.count(1)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Sequence[Hub]]:
        try:
            await asyncio.gather(*(hub.start() for hub in self.hubs))
            yield self.hubs
            for hub in self.hubs:
                await hub.stop()
        except BaseException:
            print("\n".join(map(str, self.watch.troubles)))
            raise
        finally:
            for hub in self.hubs:
                await hub.kill()

    def tape(self) -> Tape:
        return self.watch.add(Tape(next(self._numbers), self.chance.randint(4, 10)))

    async def send(
        self, hub: Hub, tape: Tape, *, share: float = 1.0, then: Callable[[], Awaitable[object]] | None = None
    ) -> bool:
        """Whether it was answered. `then` is done when this share of it is sent."""
        is_known, is_tried = tape.sha256 in self.tasks, tape in self.unanswered
        if not is_known and not is_tried:
            self.unanswered.append(tape)
        try:
            answer = await submit(hub, tape, share=share, then=then)
        except httpx.TransportError:
            return False
        told = answer.json()
        if answer.status_code == 503:
            assert told["error"]["code"] == "jobs-unavailable", told
            self.refused += 1
            return False
        assert answer.status_code in (200, 202), told
        if is_known:
            assert (told["task_id"], told["is_new"]) == (self.tasks[tape.sha256], False)
            return True
        # One that was tried may have been taken, though nobody was told.
        assert told["is_new"] or is_tried
        self.tasks[tape.sha256] = told["task_id"]
        self.unanswered.remove(tape)
        return True

    async def send_again(self, hub: Hub) -> None:
        """What was not answered, and one that was."""
        again = list(self.unanswered)
        if self.tasks:
            again.append(self.watch.tapes[self.chance.choice(sorted(self.tasks))])
        for tape in again:
            await self.insist(hub, tape)

    async def insist(self, hub: Hub, tape: Tape) -> None:
        """As a client whose file has to be taken: it comes again where it was not answered."""
        async with asyncio.timeout(120):
            while True:
                if await self.send(hub, tape):
                    return
                await asyncio.sleep(PAUSE_S)

    async def kill(self, moment: str, hub: Hub) -> Hub:
        """
        A new file is sent to `hub`, and a hub is killed: while the file comes in, when all of it is sent, when it is
        answered, while it is decoded, while segments are heard, or when its last one was heard. Returns which.
        """
        tape, watch = self.tape(), self.watch
        if moment == "upload":
            await self.send(hub, tape, share=self.chance.random(), then=lambda: self._kill(hub.life))
            return hub
        if moment == "sent":
            await self.send(hub, tape, then=lambda: self._kill(hub.life, within=0.05))
            return hub
        before = len(watch.begun)
        assert await self.send(hub, tape)
        if moment == "answered":
            return await self._kill(hub.life)
        if moment == "cutting":
            started = await watch.until_logged("job.started", job=self.tasks[tape.sha256])
            return await self._kill(started.life, within=0.3)
        if moment == "hearing":
            count = before + self.chance.randint(1, tape.segments)
            return await self._kill(await self.heard(count), within=0.15)
        places = set(tape.marks.values())
        await watch.until(lambda: watch.ended.keys() >= places or None)
        last = max((watch.ended[place] for place in places), key=lambda one: one.at)
        return await self._kill(last.life, within=0.03)

    async def heard(self, count: int) -> int:
        """In which life so many segments, of all, are begun."""
        begun = self.watch.begun
        return (await self.watch.until(lambda: begun[count - 1] if len(begun) >= count else None)).life

    async def _kill(self, life: int, *, within: float = 0.0) -> Hub:
        hub = next(hub for hub in self.hubs if hub.life == life)
        # This waits for nothing: any moment will do.
        await asyncio.sleep(self.chance.uniform(0, within))
        await hub.kill()
        at = time.monotonic()
        self.kills += 1
        in_hand = self.watch.begun_in(life) - await self.note()
        if len(self.hubs) == 1:
            assert len(in_hand) <= JOBS * LANES
        self.in_hand.append((at, in_hand))
        return hub

    async def note(self) -> frozenset[Place]:
        """What is written down now."""
        found = await asyncio.to_thread(recorded, self.database)
        self.watch.note(found)
        return found

    async def all_done(self, hub: Hub) -> None:
        """Every file that was sent is one job, which gets done, with what is in it."""
        async with httpx.AsyncClient(base_url=hub.url, timeout=60) as client, asyncio.timeout(120):
            while True:
                answer = await client.get("/api/v1/asr/history", params={"limit": 200})
                if answer.status_code == 200:
                    page = answer.json()
                    states = {job["status"] for job in page["jobs"]}
                    assert states <= {"queued", "processing", "done"}, page
                    if states == {"done"}:
                        break
                assert answer.status_code in (200, 503), answer.text
                await asyncio.sleep(PAUSE_S)
            assert page["total"] == len(page["jobs"])
            assert {job["sha256"]: job["task_id"] for job in page["jobs"]} == self.tasks
            assert self.tasks.keys() == self.watch.tapes.keys()
            for sha256, id in self.tasks.items():
                result = (await client.get(f"/api/v1/asr/result/{id}")).json()
                assert result["text"] == self.watch.tapes[sha256].text, self.watch.about(id)
        assert await self.note() == self.watch.places
        self.watch.check()

    def _pause(self, since: float, places: Container[Place]) -> float | None:
        """Seconds until somebody went on with one of these."""
        return next((one.at - since for one in self.watch.begun if one.at > since and one.place in places), None)

    def __str__(self) -> str:
        watch = self.watch
        pauses = sorted(pause for at, places in self.in_hand if (pause := self._pause(at, places)) is not None)
        gone_on = f", gone on with after {pauses[0]:.1f} to {pauses[-1]:.1f} s" if pauses else ""
        return (
            f"{self.kills} kills, {watch.lives} starts, {len(self.tasks)} jobs of {len(watch.places)} segments; "
            f"{sum(len(places) for _, places in self.in_hand)} in hand at a kill{gone_on}; {watch.again} heard again; "
            f"{self.refused} submits refused"
        )


def moments(chance: random.Random, kills: int) -> list[str]:
    chosen = list(itertools.islice(itertools.cycle(MOMENTS), kills))
    chance.shuffle(chosen)
    return chosen


@pytest.mark.timeout(900)
async def test_a_hub_that_is_killed_at_any_moment_does_every_job_once(tmp_path: Path) -> None:
    trial = Trial(tmp_path, seed=6)
    async with trial.running() as (hub,):
        for moment in moments(trial.chance, KILLS):
            await trial.kill(moment, hub)
            await hub.start()
            await trial.send_again(hub)
        await trial.all_done(hub)
    assert not [*(tmp_path / "jobs" / "spools").iterdir()]
    print(f"\none hub on SQLite: {trial}")


@pytest.fixture
def database() -> Iterator[Postgres]:
    installed = programs()
    if installed is None:
        pytest.skip("there is no PostgreSQL server here")
    server = Postgres(installed)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.mark.timeout(900)
async def test_of_two_hubs_on_one_database_one_is_killed_and_every_job_is_done_once(
    tmp_path: Path, database: Postgres
) -> None:
    trial = Trial(tmp_path, hubs=2, database=database.url, seed=7)
    async with trial.running() as hubs:
        for hub in hubs:
            await trial.insist(hub, trial.tape())
        killed = await trial.kill("hearing", hubs[0])
        (other,) = (hub for hub in hubs if hub is not killed)
        await trial.send_again(other)
        # Nobody starts the other one again.
        await trial.all_done(other)
        for moment in moments(trial.chance, KILLS_OF_TWO - 1):
            await killed.start()
            killed = await trial.kill(moment, trial.chance.choice(hubs))
            (other,) = (hub for hub in hubs if hub is not killed)
            await trial.send_again(other)
        await trial.all_done(other)
    print(f"\ntwo hubs on PostgreSQL: {trial}")


@pytest.mark.timeout(900)
async def test_two_hubs_outlive_their_database_and_do_every_job_once(tmp_path: Path, database: Postgres) -> None:
    # Neither takes the other one for dead, however busy this machine is.
    trial = Trial(tmp_path, hubs=2, database=database.url, seed=8, dead_after_s=60)
    async with trial.running() as hubs:
        for _ in range(OUTAGES):
            before = len(trial.watch.begun)
            for hub in hubs:
                await trial.insist(hub, trial.tape())
            await trial.heard(before + trial.chance.randint(1, 6))
            await asyncio.to_thread(database.kill)
            for hub in hubs:
                assert not await trial.send(hub, trial.tape())
            await asyncio.to_thread(database.start)
            for hub in hubs:
                await trial.send_again(hub)
        await trial.all_done(hubs[0])
    assert trial.watch.lives == len(hubs)
    assert trial.watch.again == 0
    print(f"\nPostgreSQL killed {OUTAGES} times under two hubs: {trial}")
