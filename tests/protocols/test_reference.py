"""The client in the reference works as it stands there."""

from __future__ import annotations

import asyncio
import re
import sys
import wave
from pathlib import Path

import pytest
from tests.protocols.echo_hub import EchoHub
from tests.protocols.serving import serve

from asr_hub.wire.schema import PATH

pytestmark = pytest.mark.e2e


async def run(tmp_path: Path, hub: EchoHub) -> tuple[int | None, str, str]:
    (code,) = re.findall(r"```python\n(.*?)```", (PATH.parent / "protocol.md").read_text(encoding="utf-8"), re.DOTALL)
    with wave.open(str(tmp_path / "a.wav"), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(8000)
        wav.writeframes(bytes(16_000))
    async with serve(hub) as server:
        script = tmp_path / "client.py"
        assert "127.0.0.1:8765" in code
        script.write_text(code.replace("127.0.0.1:8765", f"127.0.0.1:{server.port}"), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, script, tmp_path / "a.wav"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()


async def test_the_clients_file_comes_back_as_text(tmp_path: Path) -> None:
    hub = EchoHub()
    assert await run(tmp_path, hub) == (0, "16000 bytes\n", "")
    (session,) = hub.sessions.values()
    assert (session.format.sample_rate, len(session.audio)) == (8000, 16_000)


async def test_the_clients_user_is_told_of_an_error(tmp_path: Path) -> None:
    hub = EchoHub()
    hub.max_sessions = 0
    code, out, err = await run(tmp_path, hub)
    assert (code, out) == (1, "")
    assert "no room; come back later" in err
