"""A hub that has something of everything: what its views are looked at with."""

from __future__ import annotations

import contextlib
import wave
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import httpx
from tests.client import Client
from tests.hubs import until

from asr_hub.app import Serving, serving
from asr_hub.config.schema import Config
from asr_hub.hub.names import public_name
from asr_hub.model import SessionId
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.store.slices.jobs import select_job


class Filled(NamedTuple):
    """A hub with one recording, one file, and two sessions that live."""

    hub: Serving
    recording: str
    """Its name"""
    job: str
    """Its id"""
    session: str
    """The id of one that lives, with what was said in it."""

    journal: Path
    """Of the recording"""

    @property
    def routes(self) -> dict[str, str]:
        """Each view, with something to look at."""
        return {
            "watch": f"watch/{self.session}",
            "files": f"files/{self.job}",
            "time": f"time/recordings/{self.recording}",
            "hub": "hub",
        }


def config(folder: Path) -> Config:
    """A real engine, and one that hears what it likes; everything is recorded."""
    return Config.model_validate(
        {
            "provider": "sphinx",
            "providers": {"sphinx": {"kind": "pocketsphinx"}, "scripted": {"kind": "scripted"}},
            "server": {"port": 0},
            "recognition": {"polish": True, "shadow": {"provider": "scripted"}},
            "hotwords": ["Zermatt", {"text": "Täsch", "weight": 2}],
            "recorder": {"mode": "on", "folder": str(folder / "recordings"), "audio": True},
            "jobs": {"folder": str(folder / "jobs")},
        }
    )


@contextlib.asynccontextmanager
async def filled(folder: Path) -> AsyncIterator[Filled]:
    async with serving(config(folder)) as hub, httpx.AsyncClient(base_url=hub.url, timeout=60) as http:
        recording = await _spoken(hub)
        job = await _heard(hub, http)
        async with Client(hub.stream_url) as first, Client(hub.stream_url, provider="scripted") as second:
            for client in (first, second):
                await client.send(packaged_clip("self_test").pcm)
                await client.send({"type": "finalize"})
                await client.wait_for("final")
            journal = folder / "recordings" / recording / "journal.jsonl"
            yield Filled(hub, recording, job, first.session or "", journal)


async def _spoken(hub: Serving) -> str:
    """A session from its first word to its last."""
    async with Client(hub.stream_url, language="en") as client:
        pcm = packaged_clip("demo").pcm
        for at in range(0, len(pcm), 32_000):
            await client.send(pcm[at : at + 32_000])
        await client.send({"type": "close"})
        await client.wait_for("closed")
        session = public_name(SessionId(client.session or ""))
    async with httpx.AsyncClient(base_url=hub.url) as http:
        found = (await http.get("/v1/recordings")).json()["recordings"]
    return next(one["name"] for one in found if one["session"] == session)


async def _heard(hub: Serving, http: httpx.AsyncClient) -> str:
    """A file, when it has been heard."""
    clip = packaged_clip("self_test")
    body = BytesIO()
    with wave.open(body, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(clip.rate)
        file.writeframes(clip.pcm)
    answer = await http.post("/api/v1/asr/submit", files={"audio": ("morning.wav", body.getvalue())})
    id: str = answer.json()["task_id"]
    await until(hub.hub, lambda state: (it := select_job(state, id)) is not None and it.is_over, seconds=60)
    return id
