"""What is special to watching a job over WebSocket: keys of browsers, a client that speaks, slow readers, the end."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.protocols.jobs_serving import A, Server, WebSocketReader, begun, serve
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from asr_hub.protocols.origins import Pages
from asr_hub.protocols.websocket import LaneSettings
from asr_hub.store.slices.jobs import JobCut, JobDone, SegmentHeard
from asr_hub.wire.conversation import Limits

pytestmark = pytest.mark.e2e


def link(server: Server, path: str = f"/v1/jobs/{A}", **options: Any) -> connect:
    return connect(f"ws://127.0.0.1:{server.port}{path}", **{"additional_headers": {"X-API-Key": "key"}, **options})


async def hear(client: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await client.recv())
    return message


async def closed(client: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed):
        while True:
            await client.recv()
    return client.close_code


@pytest.mark.parametrize(
    "options",
    [
        {"subprotocols": ["asr-hub.v1", "asr-hub.key", "key"], "additional_headers": {}},
        {"additional_headers": {"Authorization": "Bearer key"}},
    ],
)
async def test_keys_come_as_for_a_session(options: dict[str, Any]) -> None:
    async with serve() as server:
        server.tell(*begun())
        async with link(server, **options) as client:
            assert (await hear(client))["status"] == "processing"
        async with link(server, f"/v1/jobs/{A}?token=key", additional_headers={}) as client:
            assert (await hear(client))["status"] == "processing"


async def test_a_foreign_origin_is_refused() -> None:
    async with serve(lane_settings=LaneSettings(pages=Pages(()))) as server:
        with pytest.raises(InvalidStatus) as caught:
            async with link(server, origin="https://elsewhere.example"):  # type: ignore[arg-type]
                pass
        assert caught.value.response.status_code == 403


@pytest.mark.parametrize(
    "said", ['{"type":"start"}', '{"type":"attach","session":"s"}', "}", b"\x01\x00" * 160, b"", b"RIFF"]
)
async def test_whoever_watches_says_nothing_and_is_told_so(said: str | bytes) -> None:
    async with serve() as server:
        server.tell(*begun())
        async with link(server) as client:
            assert (await hear(client))["status"] == "processing"
            await client.send(said)
            error = await hear(client)
            assert (error["type"], error["code"]) == ("error", "viewer-may-not")
            assert "/api/v1/asr/cancel/" in error["message"]
            server.tell(JobDone(job=A))
            assert (await hear(client))["status"] == "done"
            assert await closed(client) == 1000


async def test_who_says_too_much_is_hung_up_on() -> None:
    async with serve() as server:
        server.tell(*begun())
        async with link(server) as client:
            for _ in range(Limits().max_errors + 1):
                await client.send("x")
            assert await closed(client) == 1008
        await server.until_nobody_watches()


@pytest.mark.parametrize("path", ["/v1/jobs/", "/v1/jobs/a/b", "/v1/jobs/%2e%2e", "/v1/jobs/" + "a" * 5000])
async def test_a_path_that_names_no_job_is_an_unknown_job(path: str) -> None:
    async with serve() as server, link(server, path) as client:
        error = await hear(client)
        assert (error["type"], error["code"]) == ("error", "unknown-job")
        assert len(error["message"]) < 300
        assert await closed(client) == 1008


async def test_a_reader_that_is_slow_is_told_the_last_and_not_everything() -> None:
    async with serve() as server:
        server.tell(*begun(), JobCut(job=A, seconds=9.0, segments=500))
        async with link(server) as client:
            assert (await hear(client))["segments_done"] == 0
            (lane,) = server.uvicorn.server_state.connections
            lane.pause_writing()  # type: ignore[union-attr]
            for done in range(1, 501):
                server.tell(SegmentHeard(job=A, done=done))
                await asyncio.sleep(0)
            lane.resume_writing()  # type: ignore[union-attr]
            assert (await hear(client))["segments_done"] == 500
            server.tell(JobDone(job=A))
            assert (await hear(client))["status"] == "done"


async def test_a_reader_that_does_not_read_is_hung_up_on() -> None:
    async with serve(lane_settings=LaneSettings(stall_timeout=0.01, resolution=0.01)) as server:
        server.tell(*begun())
        async with link(server) as client:
            await hear(client)
            (lane,) = server.uvicorn.server_state.connections
            lane.pause_writing()  # type: ignore[union-attr]
            error = await hear(client)
            assert (error["code"], "connect again" in error["message"]) == ("slow-client", True)
            assert await closed(client) == 1013
        await server.until_nobody_watches()


async def test_a_reader_that_is_gone_without_a_word_is_found_out() -> None:
    settings = LaneSettings(ping_interval=0.01, ping_timeout=0.01, resolution=0.01)
    async with serve(lane_settings=settings) as server:
        server.tell(*begun())
        async with link(server) as client:
            await hear(client)
            client.transport.pause_reading()
            await server.until_nobody_watches()
            client.transport.abort()


async def test_the_hub_stops_and_says_so() -> None:
    async with serve() as server:
        server.tell(*begun())
        async with link(server) as client:
            await hear(client)
            await server.uvicorn.shutdown()
            error = await hear(client)
            assert (error["code"], "connect again" in error["message"]) == ("shutting-down", True)
            assert await closed(client) == 1012


async def test_sessions_have_their_path_beside_it() -> None:
    async with serve() as server:
        async with link(server, "/v1/stream") as client:
            await client.send('{"type":"start"}')
            assert (await hear(client))["type"] == "ready"
        server.tell(*begun())
        async with WebSocketReader(server) as watching:
            assert await watching.next() is not None


async def test_the_client_in_the_reference_works_as_it_stands_there(tmp_path: Path) -> None:
    reference = Path(__file__).parents[2] / "docs" / "reference" / "jobs-live.md"
    (code,) = re.findall(r"```python\n(.*?)```", reference.read_text(encoding="utf-8"), re.DOTALL)
    async with serve() as server:
        server.tell(*begun(), JobDone(job=A))
        code = code.replace("127.0.0.1:8765/v1/jobs/{job}", f"127.0.0.1:{server.port}/v1/jobs/{{job}}?token=key")
        script = tmp_path / "client.py"
        script.write_text(code, encoding="utf-8")
        for job, wanted in ((A, (0, b"done 100 %\n", b"")), ("b" * 32, (1, b"", b"no such job"))):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, script, job), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
            out, err = await process.communicate()
            assert (process.returncode, out, err[: len(wanted[2])]) == wanted
