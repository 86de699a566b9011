"""The commands against a real hub: what it answers is what they read."""

from __future__ import annotations

import asyncio
import json
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.hubs import scripted, until
from tests.speech import silence
from typer.testing import CliRunner, Result

from asr_hub.access.keys import new_key
from asr_hub.app import serving
from asr_hub.cli import jobs
from asr_hub.cli.jobs import app
from asr_hub.config.schema import Config
from asr_hub.model import HUB_RATE
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.store.slice import State
from asr_hub.store.slices.jobs import select_jobs

pytestmark = pytest.mark.e2e

CLIP = packaged_clip("self_test")


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "PAUSE_S", 0.1)
    for name in ("ASR_HUB_URL", "ASR_HUB_KEY"):
        monkeypatch.delenv(name, raising=False)


def written(path: Path, times: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, HUB_RATE, 0, "NONE", ""))
        file.writeframes(silence(0.5) + (CLIP.pcm + silence(3.0)) * times)
    return path


def configured(folder: Path, *, port: int = 0, cost: float = 0.0, **sections: Any) -> Config:
    good = {"kind": "scripted", "settings": {"transcript": ["grüezi", "mitenand"], "faults": {"cost": cost}}}
    bad = {"kind": "scripted", "settings": {"faults": {"fail_after_ms": 300}}}
    return scripted(
        providers={"scripted": good, "bad": bad},
        server={"port": port},
        jobs={"enabled": "on", "folder": str(folder), "attempts": 1, "segments_at_once": 1},
        **sections,
    )


async def call(url: str, *arguments: str, key: str | None = None) -> Result:
    env = {"ASR_HUB_URL": url, "ASR_HUB_KEY": key}
    return await asyncio.to_thread(CliRunner().invoke, app, list(arguments), env=env)


def heard(segments: int) -> Callable[[State], bool]:
    return lambda state: any(job.segments_done >= segments for job in select_jobs(state))


async def test_a_file_goes_in_and_its_text_comes_out(tmp_path: Path) -> None:
    file = written(tmp_path / "grüezi [1].wav")
    async with serving(configured(tmp_path / "jobs")) as hub:
        done = await call(hub.url, "submit", "--watch", "--language", "de-CH", str(file))
        assert done.exit_code == 0, done.stderr
        id = done.stdout.strip()
        assert f"{file.name}: done, " in done.stderr
        text = await call(hub.url, "export", id)
        assert "grüezi mitenand" in text.stdout
        assert (await call(hub.url, "export", id, "--format", "srt")).stdout.startswith("1\n00:00:0")
        refused = await call(hub.url, "export", id, "--format", "doc")
        assert (refused.exit_code, refused.stdout) == (2, "")
        again = await call(hub.url, "submit", "--language", "de-CH", str(file))
        assert again.stdout.strip() == id
        assert "is a job already: done" in again.stderr
        (listed,) = json.loads((await call(hub.url, "list", "--state", "done", "--since", "1d", "--json")).stdout)[
            "jobs"
        ]
        assert (listed["task_id"], listed["name"]) == (id, file.name)
        assert id in (await call(hub.url, "list", "--text", "mitenand")).stdout
        assert (await call(hub.url, "list", "--text", "nobody said this")).stdout == "0 of 0 jobs\n"
        (line,) = (await call(hub.url, "history", "export")).stdout.splitlines()
        assert json.loads(line)["task_id"] == id
        assert "mitenand" not in line


async def test_what_fails_is_told_and_can_be_tried_again(tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.wav"
    rubbish.write_bytes(b"this is no audio " * 100)
    (tmp_path / "empty.wav").write_bytes(b"")
    async with serving(configured(tmp_path / "jobs")) as hub:
        failed = await call(hub.url, "submit", "-w", "--provider", "bad", str(written(tmp_path / "a.wav")))
        assert failed.exit_code == 1
        id = failed.stdout.strip()
        assert "a.wav: failed: provider" in failed.stderr
        retried = await call(hub.url, "retry", id)
        assert (retried.exit_code, retried.stderr) == (0, f"{id}: queued\n")
        assert (await call(hub.url, "watch", id)).exit_code == 1
        assert (await call(hub.url, "cancel", id)).stderr == f"{id}: failed\n"
        no_audio = await call(hub.url, "submit", "-w", str(rubbish), str(tmp_path / "empty.wav"))
        assert no_audio.exit_code == 1
        assert "rubbish.wav: failed: " in no_audio.stderr
        assert "empty.wav: the file is empty" in no_audio.stderr
        for wrong in (["--provider", "nobody"], ["--language", "?"], ["--format", "doc"], ["--webhook", "ftp://x"]):
            done = await call(hub.url, "submit", *wrong, str(tmp_path / "a.wav"))
            assert (done.exit_code, done.stdout) == (2, ""), wrong
            assert done.stderr.startswith("error: ")


async def test_a_key_sees_its_own_jobs(tmp_path: Path) -> None:
    mine, yours, admin = new_key(), new_key(), new_key()
    keys = {
        name: {"id": key.id, "hash": key.sha256, "scopes": scopes}
        for name, key, scopes in (
            ("mine", mine, ["speak", "watch"]),
            ("yours", yours, ["speak", "watch"]),
            ("admin", admin, ["admin"]),
        )
    }
    async with serving(configured(tmp_path / "jobs", access={"keys": keys})) as hub:
        refused = await call(hub.url, "submit", str(written(tmp_path / "a.wav")))
        assert refused.exit_code == 2
        assert "--key or ASR_HUB_KEY" in refused.stderr
        id = (await call(hub.url, "submit", "-w", str(tmp_path / "a.wav"), key=mine.secret)).stdout.strip()
        assert id in (await call(hub.url, "list", key=mine.secret)).stdout
        assert id not in (await call(hub.url, "list", key=yours.secret)).stdout
        assert id in (await call(hub.url, "list", "--all", key=admin.secret)).stdout
        assert (await call(hub.url, "list", "--all", key=yours.secret)).exit_code == 2
        for command in (["watch", id], ["cancel", id], ["retry", id], ["export", id]):
            done = await call(hub.url, *command, key=yours.secret)
            assert done.exit_code == 2
            assert "no job" in done.stderr or "no such job" in done.stderr


async def test_watching_goes_on_after_the_hub_was_started_again(tmp_path: Path) -> None:
    folder = tmp_path / "jobs"
    file = written(tmp_path / "long.wav", times=6)
    async with serving(configured(folder, cost=0.2)) as hub:
        watching = asyncio.create_task(call(hub.url, "submit", "--watch", str(file)))
        await until(hub.hub, heard(1))
        url, port = hub.url, hub.port
    # The hub that comes back is quicker: the rest is heard at once.
    async with serving(configured(folder, port=port)):
        done = await watching
        assert done.exit_code == 0, done.stderr
        assert "does not answer any more" in done.stderr
        assert "long.wav: done, " in done.stderr
        text = (await call(url, "export", done.stdout.strip())).stdout
        assert text.count("grüezi") >= 6
