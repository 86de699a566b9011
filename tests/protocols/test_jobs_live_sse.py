"""What is special to watching a job by Server-Sent Events: ids, the heartbeat, slow readers, and the end of the hub."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from httpx_sse import EventSource, ServerSentEvent
from httpx_sse._decoders import SSEDecoder
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Scope
from tests.protocols.jobs_serving import GRANTS, A, Server, SseReader, begun, serve, web
from tests.store.facts import store as new_store

from asr_hub.errors import Overloaded
from asr_hub.hub.job_watch import JobWatches
from asr_hub.protocols.jobs_sse import JobEvents, event, id_of
from asr_hub.protocols.sse import EventSettings
from asr_hub.store.kernel import HubStore
from asr_hub.store.slices.jobs import JobCut, JobDone, JobFailed, SegmentHeard
from asr_hub.wire.jobs import JobError, JobProgress

pytestmark = pytest.mark.e2e

SCOPE: Scope = {"type": "http", "method": "GET"}


async def ask(server: Server, last: str | None = None) -> tuple[int, list[ServerSentEvent]]:
    headers = {"X-API-Key": "key", **({} if last is None else {"Last-Event-ID": last})}
    async with (
        web() as http,
        http.stream("GET", f"{server.url}/api/v1/asr/events/{A}", headers=headers) as response,
    ):
        if response.status_code != 200:
            return response.status_code, []
        return 200, [one async for one in EventSource(response).aiter_sse()]


@given(
    message=st.builds(
        JobProgress,
        status=st.sampled_from(["queued", "processing", "done", "failed", "cancelled"]),
        progress=st.floats(0, 100),
        seconds=st.none() | st.floats(0, 1e6),
        error=st.none() | st.builds(JobError),
        updated_at=st.floats(0, 1e11),
    ),
    retry=st.none() | st.integers(0, 10_000),
)
def test_one_message_is_one_event_whatever_the_failure_says(message: JobProgress, retry: int | None) -> None:
    # Lines end at CR, LF or both, and at nothing else that Unicode has.
    lines = event(message, retry).decode().replace("\r", "\n").split("\n")
    decoder = SSEDecoder()
    (got,) = [sse for line in lines if (sse := decoder.decode(line)) is not None and sse.data]
    assert (got.event, got.id, got.retry) == ("job", id_of(message), retry)
    assert msgspec.json.decode(got.data, type=JobProgress) == message


async def test_event_source_that_comes_back_after_the_end_learns_that_it_has_seen_it() -> None:
    async with serve() as server:
        server.tell(*begun(), JobFailed(job=A, code="c", message="m", at=5.0))
        status, events = await ask(server)
        assert (status, [(one.id, one.retry) for one in events]) == (200, [("failed-5000", 1000)])
        assert await ask(server, events[-1].id) == (204, [])
        # It was tried again meanwhile, and came to the same end.
        server.tell(*begun(), JobFailed(job=A, code="c", message="m", at=9.0))
        status, events = await ask(server, events[-1].id)
        assert (status, [one.id for one in events]) == (200, ["failed-9000"])
        assert len(server.watches) == 0


@pytest.mark.parametrize("last", ["", "0", "done-", "failed-5000\xff", "x" * 5000])
async def test_an_id_that_nobody_was_told_is_none(last: str) -> None:
    async with serve() as server:
        server.tell(*begun(), JobDone(job=A, at=5.0))
        headers = [(b"X-API-Key", b"key"), (b"Last-Event-ID", last.encode("latin-1"))]
        async with web() as http:
            response = await http.get(f"{server.url}/api/v1/asr/events/{A}", headers=headers)
        assert response.status_code == 200
        assert "event: job" in response.text


async def test_a_quiet_job_has_a_heart() -> None:
    async with serve(events_settings=EventSettings(heartbeat=0.01)) as server:
        server.tell(*begun())
        headers = {"X-API-Key": "key"}
        async with (
            web() as http,
            http.stream("GET", f"{server.url}/api/v1/asr/events/{A}", headers=headers) as response,
        ):
            lines = response.aiter_lines()
            while await anext(lines) != ":":
                pass
            server.tell(JobDone(job=A))
            rest = [line async for line in lines]
        assert "event: job" in rest


async def test_other_methods_are_refused_and_open_nothing() -> None:
    async with serve() as server, web(headers={"X-API-Key": "key"}) as http:
        server.tell(*begun())
        for method in ("HEAD", "POST", "DELETE"):
            assert (await http.request(method, f"{server.url}/api/v1/asr/events/{A}")).status_code == 405
        assert len(server.watches) == 0


async def test_the_route_is_in_the_openapi_document() -> None:
    async with serve() as server, web() as http:
        paths = (await http.get(f"{server.url}/openapi.json")).json()["paths"]
    responses = paths["/api/v1/asr/events/{id}"]["get"]["responses"]
    assert {"200", "204", "401", "403", "404", "429", "503"} <= set(responses)
    assert "text/event-stream" in responses["200"]["content"]


async def test_streams_end_with_the_hub_and_none_begins() -> None:
    async with serve() as server:
        server.tell(*begun())
        async with SseReader(server) as watching:
            assert await watching.next() is not None
            server.events.close()
            assert await watching.next() is None
        assert await ask(server) == (503, [])
        await server.until_nobody_watches()


# A reader that does not read, at the ASGI.


class Slow:
    """An ASGI client that takes the next piece when it is let."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.is_blocked = asyncio.Event()
        self.may = asyncio.Event()
        self._never = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self._never.wait()
        raise AssertionError

    async def send(self, message: Any) -> None:
        if body := message.get("body"):
            self.sent.append(body)
            self.is_blocked.set()
            await self.may.wait()


def parts(settings: EventSettings | None = None) -> tuple[HubStore, JobWatches, JobEvents]:
    store = new_store()
    watches = JobWatches(store)

    class Nobody:
        def admit(self, secret: str | None) -> Any:
            raise AssertionError

    return store, watches, JobEvents(watches, Nobody(), settings=settings)


async def test_a_reader_that_is_slow_is_told_the_last_and_not_everything() -> None:
    store, watches, events = parts()
    for one in (*begun(), JobCut(job=A, seconds=9.0, segments=500)):
        store.dispatch(one)
    slow = Slow()
    response = await events.watch(A, last=None, grant=GRANTS["key"])
    answering = asyncio.create_task(response(SCOPE, slow.receive, slow.send))
    await slow.is_blocked.wait()
    for done in range(1, 501):
        store.dispatch(SegmentHeard(job=A, done=done))
        await asyncio.sleep(0)
    assert len(slow.sent) == 1
    store.dispatch(JobDone(job=A))
    slow.may.set()
    await answering
    assert len(slow.sent) == 2
    assert b'"status":"done"' in slow.sent[1]
    assert (len(watches), len(events)) == (0, 0)
    await watches.aclose()
    store.close()


@pytest.mark.parametrize("how", ["stalled", "closed"])
async def test_a_reader_that_does_not_read_is_cut(how: str) -> None:
    store, watches, events = parts(EventSettings(stall_timeout=0.01 if how == "stalled" else 60.0))
    for one in begun():
        store.dispatch(one)
    slow = Slow()
    response = await events.watch(A, last=None, grant=GRANTS["key"])
    answering = asyncio.create_task(response(SCOPE, slow.receive, slow.send))
    await slow.is_blocked.wait()
    if how == "closed":
        events.close()
        with pytest.raises(Overloaded):
            await events.watch(A, last=None, grant=GRANTS["key"])
    await answering
    assert (len(watches), len(events)) == (0, 0)
    await watches.aclose()
    store.close()


async def test_the_hub_may_stop_while_it_is_not_known_how_the_job_stands() -> None:
    store = new_store()
    asked, gate = asyncio.Event(), asyncio.Event()

    async def lookup(id: str) -> None:
        asked.set()
        await gate.wait()

    watches = JobWatches(store, lookup)
    events = JobEvents(watches, None)  # type: ignore[arg-type]
    waiting = asyncio.create_task(events.watch(A, last=None, grant=GRANTS["key"]))
    await asked.wait()
    for one in begun():
        store.dispatch(one)
    events.close()
    gate.set()
    with pytest.raises(Overloaded) as caught:
        await waiting
    assert caught.value.code == "draining"
    assert len(watches) == 0
    await watches.aclose()
    store.close()
