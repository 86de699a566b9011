from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.hub.names import public_name
from asr_hub.model import SessionId
from asr_hub.telemetry import logs
from asr_hub.telemetry.access_log import MAX_PATH, AccessLog, shown
from asr_hub.telemetry.log_files import close_files, configure_files

pytestmark = pytest.mark.unit

SESSION = "c2Vzc2lvbi1pZC10aGF0LW5vYm9keS1rbm93cw"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    handlers, level, hub_level = root.handlers[:], root.level, logging.getLogger("asr_hub").level
    logs.configure("warning", stream=io.StringIO())
    configure_files(tmp_path, max_bytes=2**20, keep=1)
    yield tmp_path
    close_files()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("asr_hub").setLevel(hub_level)


def application() -> FastAPI:
    api = FastAPI()

    @api.get("/v1/sessions/{session}/events")
    async def events(session: str) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"one"
            yield b"three"

        return StreamingResponse(pieces())

    @api.get("/named")
    async def named(request: Request) -> str:
        request.state.principal = "phone"
        return "yes"

    @api.get("/broken")
    async def broken() -> None:
        raise RuntimeError("of the route")

    return api


async def asked(folder: Path, *paths: str) -> list[dict[str, Any]]:
    times = iter(range(1000))
    transport = httpx.ASGITransport(
        AccessLog(application(), clock=lambda: next(times) / 100), raise_app_exceptions=False
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
        for path in paths:
            await http.get(path)
    close_files()
    return [json.loads(line) for line in (folder / "access.log").read_text().splitlines()]


async def test_a_request_is_one_line_with_what_came_of_it(folder: Path) -> None:
    (entry,) = await asked(folder, f"/v1/sessions/{SESSION}/events?token=a-secret&after=3")
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "level": "info",
        "logger": "asr_hub.http",
        "event": "request",
        "method": "GET",
        "path": f"/v1/sessions/{public_name(SessionId(SESSION))}/events",
        "status": 200,
        "ms": 10.0,
        "bytes": 8,
        "principal": None,
    }


async def test_it_names_the_key_and_what_was_not_found_or_broke(folder: Path) -> None:
    named, missing, broken = await asked(folder, "/named", "/no%0Awhere", "/broken")
    assert (named["principal"], named["status"]) == ("phone", 200)
    assert (missing["path"], missing["status"]) == ("/no\nwhere", 404)
    assert (broken["path"], broken["status"]) == ("/broken", 500)


async def test_who_leaves_before_the_answer_is_written_without_a_status(folder: Path) -> None:
    async def never(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    async def nothing() -> dict[str, Any]:
        return {}

    async def taken(message: Any) -> None: ...

    scope = {"type": "http", "method": "POST", "path": "/api/v1/asr/submit"}
    asking = asyncio.create_task(AccessLog(never)(scope, nothing, taken))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    close_files()
    (entry,) = map(json.loads, (folder / "access.log").read_text().splitlines())
    assert (entry["method"], entry["status"], entry["bytes"]) == ("POST", None, 0)


async def test_without_files_nothing_is_counted(folder: Path) -> None:
    close_files()
    reached = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        reached.append((scope, send))

    async def taken(message: Any) -> None: ...

    scope = {"type": "http", "method": "GET", "path": "/"}
    await AccessLog(inner)(scope, taken, taken)  # type: ignore[arg-type]
    assert reached == [({"type": "http", "method": "GET", "path": "/"}, taken)]
    assert (folder / "access.log").read_bytes() == b""


@given(st.text(st.characters(exclude_characters="/"), min_size=13, max_size=60), st.sampled_from(["", "/", "/events"]))
def test_the_id_of_a_session_is_never_in_it(session: str, rest: str) -> None:
    for start in ("/v1/sessions/", "/v1/sessions//", "/v9/sessions/"):
        path = shown(f"{start}{session}{rest}")
        assert session not in path
        assert len(path) <= MAX_PATH


def test_what_is_public_stays_readable() -> None:
    job = "9f" * 16
    for path in ("/v1/sessions", "/v1/sessions/3f9c0a17be52", f"/api/v1/asr/result/{job}"):
        assert shown(path) == path
    assert len(shown("/" + "x" * 5000)) == MAX_PATH
