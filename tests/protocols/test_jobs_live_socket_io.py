"""What is special to watching jobs over Socket.IO: many on one connection, its bounds, slow readers, the end."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from tests.protocols.jobs_serving import GRANTS, A, B, Server, begun, serve, web
from tests.protocols.socket_io.serving import Client

from asr_hub.hub.job_watch import Found
from asr_hub.protocols.socket_io.jobs import MAX_WATCHES
from asr_hub.store.slices.jobs import JobCut, JobDone, JobRecord, SegmentHeard
from asr_hub.wire.conversation import Limits

pytestmark = pytest.mark.e2e


class Watcher(Client):
    def __init__(self, server: Server, secret: str = "key") -> None:
        super().__init__(server.url, "/v1/jobs")
        self._secret = secret

    async def connect(self, **options: Any) -> None:
        await super().connect(auth={"token": self._secret}, **options)


async def test_one_connection_watches_many_jobs_and_each_until_its_end() -> None:
    async with serve() as server, Watcher(server) as client:
        jobs = [f"{number:032x}" for number in range(5)]
        for job in jobs:
            server.tell(*begun(job))
            assert (await client.call("watch_job", {"id": job}))["job"]["id"] == job
        server.tell(JobDone(job=jobs[3]), JobCut(job=jobs[1], seconds=1.0, segments=2))
        told = [await client.wait_for("job", count=count) for count in (1, 2)]
        assert [(one["id"], one["status"]) for one in told] == [(jobs[3], "done"), (jobs[1], "processing")]
        assert len(server.watches) == 4


async def test_a_job_that_is_not_watched_any_more_is_not_told() -> None:
    async with serve() as server, Watcher(server) as client:
        server.tell(*begun(A), *begun(B))
        for job in (A, B):
            await client.call("watch_job", {"id": job})
        assert await client.call("unwatch_job", {"id": A}) == {"ok": True}
        assert await client.call("unwatch_job", {"id": A}) == {"ok": True}
        server.tell(JobDone(job=A), JobDone(job=B))
        assert (await client.wait_for("job"))["id"] == B
        assert len(client.of("job")) == 1
        assert len(server.watches) == 0


async def test_a_job_that_is_asked_for_twice_is_watched_once() -> None:
    async with serve() as server, Watcher(server) as client:
        server.tell(*begun())
        for _ in range(3):
            assert (await client.call("watch_job", {"id": A}))["job"]["status"] == "processing"
        assert len(server.watches) == 1
        server.tell(JobDone(job=A))
        await client.wait_for("job")
        await client.call("unwatch_job", {"id": A})
        assert len(client.of("job")) == 1


async def test_a_connection_watches_only_so_many_jobs() -> None:
    async with serve() as server, Watcher(server) as client:
        jobs = [f"{number:032x}" for number in range(MAX_WATCHES + 1)]
        for job in jobs:
            server.tell(*begun(job))
        for job in jobs[:-1]:
            assert (await client.call("watch_job", {"id": job}))["ok"]
        refused = await client.call("watch_job", {"id": jobs[-1]})
        assert (refused["code"], "unwatch_job" in refused["message"]) == ("too-many-watches", True)
        await client.call("unwatch_job", {"id": jobs[0]})
        assert (await client.call("watch_job", {"id": jobs[-1]}))["ok"]


@pytest.mark.parametrize(
    ("event", "args", "code"),
    [
        ("watch_job", (), "wrong-type"),
        ("watch_job", (A,), "wrong-type"),
        ("watch_job", ({"id": 7},), "wrong-type"),
        ("watch_job", ({"id": A, "also": 1},), "wrong-type"),
        ("watch_job", ({"id": A}, {"id": B}), "wrong-type"),
        ("unwatch_job", ([A],), "wrong-type"),
        ("watch_job", ({"id": b"\x00"},), "wrong-type"),
        ("watch_jobs", ({"id": A},), "unknown-message"),
        ("watch_job", ({"id": "\x00" * 32},), "unknown-job"),
    ],
)
async def test_what_is_no_wish_is_named(event: str, args: tuple[Any, ...], code: str) -> None:
    async with serve() as server, Watcher(server) as client:
        server.tell(*begun())
        refused = await client.call(event, *args)
        assert refused["code"] == code
        assert (await client.wait_for("error")) == refused
        assert (await client.call("watch_job", {"id": A}))["ok"]


async def test_who_is_refused_too_often_is_hung_up_on() -> None:
    async with serve() as server, Watcher(server) as client:
        for _ in range(Limits().max_errors + 1):
            await client.emit("watch_job", {"id": B})
        await client.gone()
        assert client.of("error")[-1]["code"] == "too-many-errors"
        await server.until_nobody_watches()


async def test_a_key_that_is_taken_back_watches_nothing_new() -> None:
    async with serve() as server, Watcher(server) as client:
        server.tell(*begun(A), *begun(B))
        assert (await client.call("watch_job", {"id": A}))["ok"]
        del server.door.grants["key"]
        assert (await client.call("watch_job", {"id": B}))["code"] == "unauthorized"
        server.door.grants["key"] = GRANTS["key"]


async def test_who_leaves_before_it_is_known_how_the_job_stands_leaves_nothing() -> None:
    asked, gate = asyncio.Event(), asyncio.Event()

    async def lookup(id: str) -> Found | None:
        asked.set()
        await gate.wait()
        return Found(JobRecord(id=id, principal="key", state="processing"))

    async with serve(lookup=lookup) as server:
        async with Watcher(server) as client:
            await client.emit("watch_job", {"id": A})
            await asked.wait()
        gate.set()
        await server.until_nobody_watches()


async def test_the_hub_stops_and_says_so() -> None:
    async with AsyncExitStack() as clients:
        async with serve(is_left=False) as server:
            server.tell(*begun())
            client = await clients.enter_async_context(Watcher(server))
            await client.call("watch_job", {"id": A})
        await client.gone()
        assert client.of("error")[-1]["code"] == "shutting-down"
        assert len(server.watches) == 0


class Poller:
    """Engine.IO by hand: asks for what there is when it is told to."""

    def __init__(self, http: httpx.AsyncClient, server: Server) -> None:
        self._http = http
        self._url = f"{server.url}/socket.io/?EIO=4&transport=polling"

    async def get(self) -> list[str]:
        response = await self._http.get(self._url, timeout=30)
        assert response.status_code == 200, response.text
        return response.text.split("\x1e")

    async def post(self, text: str) -> None:
        response = await self._http.post(self._url, content=text.encode())
        assert response.status_code == 200, response.text

    async def connect(self) -> None:
        (opened,) = await self.get()
        self._url += f"&sid={json.loads(opened[1:])['sid']}"
        await self.post('40/v1/jobs,{"token":"key"}')
        await self.get()


async def test_a_reader_that_is_slow_is_told_the_last_and_not_everything() -> None:
    async with serve() as server, web() as http:
        server.tell(*begun(), JobCut(job=A, seconds=9.0, segments=500))
        poller = Poller(http, server)
        await poller.connect()
        await poller.post(f'42/v1/jobs,1["watch_job",{{"id":"{A}"}}]')
        for done in range(1, 501):
            server.tell(SegmentHeard(job=A, done=done))
            await asyncio.sleep(0)
        server.tell(JobDone(job=A))
        told: list[dict[str, Any]] = []
        while not told or told[-1]["status"] != "done":
            packets = await poller.get()
            told += [json.loads(one[len("42/v1/jobs,") :])[1] for one in packets if one.startswith("42/v1/jobs,")]
        assert len(told) <= 2
        await poller.post("1")
        await server.until_nobody_watches()
