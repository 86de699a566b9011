"""A job is watched live, and told alike over every protocol that tells it."""

from __future__ import annotations

import asyncio

import pytest
from tests.protocols.jobs_serving import READERS, A, B, Reader, Refused, begun, serve
from websockets.asyncio.client import connect

from asr_hub.errors import Overloaded
from asr_hub.hub.job_watch import Found
from asr_hub.store.slices.jobs import JobCut, JobDone, JobFailed, JobQueued, JobRecord, JobStarted, SegmentHeard

pytestmark = pytest.mark.e2e

EVERY = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)


@EVERY
async def test_how_it_stands_comes_first_then_what_changes_then_the_end(reader: type[Reader]) -> None:
    async with serve() as server:
        server.tell(*begun(), JobCut(job=A, seconds=60.0, segments=4, at=3.0))
        async with reader(server) as watching:
            assert await watching.next() == {
                "type": "job",
                "id": A,
                "status": "processing",
                "progress": 0.0,
                "segments": 4,
                "segments_done": 0,
                "seconds": 60.0,
                "position": None,
                "error": None,
                "updated_at": 3.0,
            }
            for done in (1, 2, 3):
                server.tell(SegmentHeard(job=A, done=done))
                message = await watching.next()
                assert message is not None
                assert (message["segments_done"], message["progress"]) == (done, 25.0 * done)
            server.tell(*begun(B), JobDone(job=B), JobDone(job=A))
            message = await watching.next()
            assert message is not None
            assert (message["id"], message["status"], message["progress"]) == (A, "done", 100.0)
            assert await watching.next() is None
            await server.until_nobody_watches()


@EVERY
async def test_a_failure_is_told_with_its_reason(reader: type[Reader]) -> None:
    async with serve() as server:
        server.tell(*begun())
        async with reader(server) as watching:
            await watching.next()
            server.tell(JobFailed(job=A, code="provider", message="it died"))
            message = await watching.next()
            assert message is not None
            assert (message["status"], message["error"]) == ("failed", {"code": "provider", "message": "it died"})
            assert await watching.next() is None


@EVERY
async def test_a_job_that_is_over_long_since_is_told_once(reader: type[Reader]) -> None:
    async def lookup(id: str) -> Found | None:
        return Found(JobRecord(id=id, principal="key", state="done", segments=4, segments_done=4))

    async with serve(lookup=lookup) as server, reader(server) as watching:
        message = await watching.next()
        assert message is not None and message["status"] == "done"
        assert await watching.next() is None
        await server.until_nobody_watches()


@EVERY
async def test_who_waits_in_the_queue_is_told_his_place(reader: type[Reader]) -> None:
    async def lookup(id: str) -> Found | None:
        return Found(JobRecord(id=id, principal="key"), position=2)

    async with serve(lookup=lookup) as server:
        server.tell(JobQueued(job=A, principal="key"))
        async with reader(server) as watching:
            message = await watching.next()
            assert message is not None and (message["status"], message["position"]) == ("queued", 2)
            server.tell(JobStarted(job=A))
            message = await watching.next()
            assert message is not None and (message["status"], message["position"]) == ("processing", None)


STATUS = {"SseReader": (401, 403, 404, 503), "WebSocketReader": (401, 1008, 1008, 503)}
"""No key, a key without the scope, an unknown job, jobs off."""


async def refused(watching: Reader) -> Refused:
    with pytest.raises(Refused) as caught:
        async with watching:
            pass
    return caught.value


@EVERY
async def test_who_may_not_is_told_why_and_a_foreign_job_looks_as_none(reader: type[Reader]) -> None:
    statuses = STATUS.get(reader.__name__, (None,) * 4)
    async with serve() as server:
        server.tell(*begun())
        for secret, job, code, status in (
            (None, A, "unauthorized", statuses[0]),
            ("wrong", A, "unauthorized", statuses[0]),
            ("speaker", A, "missing-scope", statuses[1]),
            ("key", B, "unknown-job", statuses[2]),
            ("key", "nothing", "unknown-job", statuses[2]),
            ("other", A, "unknown-job", statuses[2]),
        ):
            error = await refused(reader(server, job, secret))
            assert (error.code, error.status) == (code, status), (secret, job)
        foreign, unknown = await refused(reader(server, A, "other")), await refused(reader(server, B, "other"))
        assert foreign.message == unknown.message
        await server.until_nobody_watches()
        async with reader(server, A, "admin") as watching:
            assert await watching.next() is not None


@EVERY
async def test_a_hub_without_jobs_says_what_to_do(reader: type[Reader]) -> None:
    async with serve(is_on=False) as server:
        error = await refused(reader(server))
        assert (error.code, error.status) == ("jobs-unavailable", STATUS.get(reader.__name__, (None,) * 4)[3])
        assert "asr-hub[jobs]" in error.message


@EVERY
async def test_a_database_that_is_away_is_told(reader: type[Reader]) -> None:
    async def lookup(id: str) -> Found | None:
        raise Overloaded("the database does not answer", code="database-away")

    async with serve(lookup=lookup) as server:
        assert (await refused(reader(server))).code == "database-away"
        await server.until_nobody_watches()


@EVERY
async def test_a_reader_that_leaves_leaves_nothing(reader: type[Reader]) -> None:
    async with serve() as server:
        server.tell(*begun())
        async with reader(server) as watching:
            await watching.next()
            assert len(server.watches) == 1
        await server.until_nobody_watches()
        server.tell(JobDone(job=A))


@EVERY
async def test_many_who_watch_one_job_are_told_the_same(reader: type[Reader]) -> None:
    async with serve() as server:
        server.tell(*begun())
        async with reader(server) as first, reader(server) as second, reader(server) as third:
            every = (first, second, third)
            before = [await one.next() for one in every]
            server.tell(JobDone(job=A))
            after = [await one.next() for one in every]
            assert before == [before[0]] * 3
            assert after == [after[0]] * 3 != before


async def test_who_leaves_before_it_is_known_how_the_job_stands_leaves_nothing() -> None:
    has_asked, never = asyncio.Event(), asyncio.Event()

    async def lookup(id: str) -> Found | None:
        has_asked.set()
        await never.wait()
        return None

    async with serve(lookup=lookup) as server:
        url = f"ws://127.0.0.1:{server.port}/v1/jobs/{A}"
        async with connect(url, additional_headers={"X-API-Key": "key"}):
            await has_asked.wait()
        await server.until_nobody_watches()
