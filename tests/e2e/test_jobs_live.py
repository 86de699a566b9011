"""A file on its way, watched live over every protocol, with a real hub: its engine, its database, its decoder."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.audio_files import wav
from tests.hubs import scripted
from tests.protocols.jobs_serving import READERS, Reader, Refused, web
from tests.speech import silence, tone

from asr_hub.app import Serving, serving

pytestmark = pytest.mark.e2e

TALK = wav((tone(4.0) + silence(1.5)) * 3)


def config(folder: Path) -> Any:
    return scripted(jobs={"folder": str(folder), "longest_segment_s": 5, "segments_at_once": 1, "concurrency": 1})


async def submitted(http: httpx.AsyncClient, language: str) -> str:
    answer = await http.post("/api/v1/asr/submit", files={"audio": ("a.wav", TALK)}, data={"language": language})
    assert answer.status_code == 202, answer.text
    id: str = answer.json()["task_id"]
    return id


async def watched(reader: type[Reader], hub: Serving, job: str) -> list[dict[str, Any]]:
    """Everything that is told until the end."""
    told: list[dict[str, Any]] = []
    async with reader(hub, job, None) as watching:
        while (message := await watching.next()) is not None:
            told.append(message)
    return told


async def test_a_file_is_watched_to_its_end_and_told_alike(tmp_path: Path) -> None:
    async with serving(config(tmp_path)) as hub, web(base_url=hub.url, timeout=60) as http:
        # The second waits for the first.
        first, second = await submitted(http, "en"), await submitted(http, "de")
        both = [watched(reader, hub, job) for job in (second, first) for reader in READERS]
        for told in (everything := await asyncio.gather(*both)):
            progress = [message["progress"] for message in told]
            assert progress == sorted(progress)
            assert (told[-1]["status"], told[-1]["progress"]) == ("done", 100.0)
            assert told[-1]["segments_done"] == told[-1]["segments"] > 1
            assert told[-1]["seconds"] == pytest.approx(16.5)
            assert told[-1] in (everything[0][-1], everything[-1][-1])
    # The slice of the next hub has not heard of it.
    async with serving(config(tmp_path)) as hub, web(base_url=hub.url, timeout=60) as http:
        for reader in READERS:
            assert await watched(reader, hub, first) == [everything[-1][-1]]
        assert (await http.delete(f"/api/v1/asr/task/{first}")).status_code == 204
        for reader in READERS:
            with pytest.raises(Refused, match="unknown-job"):
                await watched(reader, hub, first)


async def test_a_job_that_is_cancelled_and_tried_again_is_watched_anew(tmp_path: Path) -> None:
    async with serving(config(tmp_path)) as hub, web(base_url=hub.url, timeout=60) as http:
        await submitted(http, "en")
        job = await submitted(http, "de")
        async with READERS[1](hub, job, None) as watching:
            assert await watching.next() is not None
            assert (await http.post(f"/api/v1/asr/cancel/{job}")).status_code == 202
            while (message := await watching.next()) is not None:
                last = message
        assert last["status"] in ("cancelled", "done")
        if last["status"] == "cancelled":
            assert (await http.post(f"/api/v1/asr/retry/{job}")).status_code == 202
        assert (await watched(READERS[1], hub, job))[-1]["status"] == "done"
