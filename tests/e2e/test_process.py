"""The hub as a process: the commands, and what signals do."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from tests.client import Client
from tests.hubs import scripted
from tests.speech import silence, tone

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]


class Process:
    """`asr-hub serve` as a child of the test."""

    def __init__(self, child: asyncio.subprocess.Process, url: str) -> None:
        self.child = child
        self.url = url

    async def ended(self) -> int:
        async with asyncio.timeout(30):
            return await self.child.wait()


async def run(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "asr_hub",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
    )


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    config = tmp_path / "hub.yaml"
    config.write_text(yaml.safe_dump(scripted().model_dump(mode="json", exclude_none=True)))
    child = await run("serve", "--config", str(config), "--port", "0")
    assert child.stdout is not None
    async with asyncio.timeout(30):
        while found := re.search(rb"stream=(ws://\S+)", line := await child.stdout.readline()) is None:
            assert line, "the hub ended before it served"
    found = re.search(rb"stream=(ws://\S+)", line)
    assert found is not None
    yield Process(child, found.group(1).decode())
    if child.returncode is None:
        child.kill()
        await child.wait()


async def test_sigterm_finishes_the_utterance_and_then_the_process(process: Process) -> None:
    async with Client(process.url) as client:
        await client.send(silence(0.5) + tone(1.0))
        await client.wait_for("partial")
        process.child.send_signal(signal.SIGTERM)
        closed = await client.wait_for("closed")
        assert closed["reason"] == "shutdown"
        assert client.of("final")[-1]["hypothesis"]["text"]
    assert await process.ended() == 0


async def test_ctrl_c_ends_an_idle_hub(process: Process) -> None:
    process.child.send_signal(signal.SIGINT)
    assert await process.ended() == 0


async def output(*arguments: str) -> tuple[int | None, str]:
    child = await run(*arguments)
    async with asyncio.timeout(120):
        out, _ = await child.communicate()
    return child.returncode, out.decode()


async def test_a_taken_port_is_named(process: Process) -> None:
    port = process.url.rsplit(":", 1)[1].split("/")[0]
    code, text = await output("serve", "--port", port)
    assert code == 2
    assert "server.port" in text


@pytest.mark.engine
async def test_the_demo_hears_its_sample() -> None:
    code, text = await output("demo", "--once")
    assert code == 0, text
    assert "play some music in the living room" in text
    assert "modest" in text


async def test_the_example_prints_what_is_said(process: Process, tmp_path: Path) -> None:
    import wave

    sample = tmp_path / "sample.wav"
    with wave.open(str(sample), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(silence(0.5) + tone(1.0) + silence(1.0))
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "examples" / "live.py"), str(sample), process.url, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        out, _ = await child.communicate()
    assert child.returncode == 0
    assert len(out.decode().strip().splitlines()) == 1
