"""The examples run, and the package builds, installs without the hub, and works there."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.hubs import scripted
from tests.sdk.python.proxy import proxy
from tests.sdk.python.reach import PROTOCOLS
from tests.sdk.python.test_files import wav
from tests.speech import silence, tone

from asr_hub.app import Serving, serving
from asr_hub_client.session import Protocol

SDK = Path(__file__).parents[3] / "sdk" / "python"
EXAMPLES = sorted(path.name for path in (SDK / "examples").glob("*.py"))

pytestmark = pytest.mark.e2e

SPEECH = silence(0.5) + tone(1.0) + silence(1.0) + tone(0.6, hertz=330) + silence(1.0)

PATH = os.pathsep.join([str(SDK / "src")])


async def run(*arguments: str | Path, python: str | Path = sys.executable, path: str = PATH) -> str:
    """What a program prints. It runs beside the hub, and fails the test where it fails."""
    process = await asyncio.create_subprocess_exec(
        python,
        *map(str, arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def example(name: str, file: Path, url: str, *, python: str | Path = sys.executable, path: str = PATH) -> str:
    arguments = [url, file] if name == "live.py" else [file, url]
    return await run(SDK / "examples" / name, *arguments, python=python, path=path)


@pytest.mark.parametrize("name", EXAMPLES)
async def test_an_example_prints_what_was_said(hub: Serving, tmp_path: Path, name: str) -> None:
    file = wav(tmp_path / "speech.wav", SPEECH)
    expected = await example("transcribe.py", file, hub.url)
    assert len(expected.splitlines()) == 2
    printed = await example(name, file, hub.url)
    # A partial that is overwritten by its final may have the same words.
    lines = [line.split("\r")[-1] for line in printed.split("\n") if line]
    assert lines[-2:] == expected.splitlines()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_program_without_a_loop_leaves_no_warning(hub: Serving, tmp_path: Path, protocol: Protocol) -> None:
    file = wav(tmp_path / "speech.wav", SPEECH)
    address = f"{hub.url!r}, protocol={protocol!r}, grpc='127.0.0.1:{hub.grpc_port}'"
    use = f"with Client({address}) as hub: print(hub.transcribe_file({str(file)!r}).text)"
    program = f"from asr_hub_client import Client\n{use}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", program),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": PATH},
    )
    out, err = await process.communicate()
    assert (process.returncode, err.decode()) == (0, "")
    assert len(out.decode().splitlines()) == 2


async def test_the_example_for_lost_sessions_goes_on_with_another_hub(hub: Serving, tmp_path: Path) -> None:
    long = SPEECH * 6
    file = wav(tmp_path / "speech.wav", long)
    async with serving(scripted()) as other, proxy(hub.port) as wire:
        wire.targets = [hub.port, other.port]
        wire.limits = [len(long) // 2]
        printed = await example("survive.py", file, f"http://127.0.0.1:{wire.port}")
    assert 10 <= len(printed.splitlines()) <= 13
    assert hub.hub.sessions == 1


def test_the_readme_names_every_example_and_extra() -> None:
    readme = (SDK / "README.md").read_text()
    assert all(f"examples/{name}" in readme for name in EXAMPLES)
    project = (SDK / "pyproject.toml").read_text()
    extras = re.findall(r"^(\w+) = \[", project.split("[project.optional-dependencies]")[1].split("[tool")[0], re.M)
    assert all(f"`{extra}`" in readme or f"[{extra}]" in readme for extra in extras)


def test_the_client_imports_nothing_of_the_hub_and_no_extra() -> None:
    program = (
        "import sys, asr_hub_client; "
        "print(*sorted({name.split('.')[0] for name in sys.modules} & "
        "{'asr_hub', 'socketio', 'grpc', 'google', 'sounddevice', 'av', 'numpy', 'aiohttp'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": PATH}, capture_output=True, check=True
    )
    assert done.stdout.split() == []


@pytest.mark.slow
@pytest.mark.skipif(find_spec("hatchling") is None, reason="hatchling, which builds the package, is not installed")
async def test_the_wheel_installs_into_a_fresh_environment_without_the_hub(hub: Serving, tmp_path: Path) -> None:
    build = ["-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps", "--no-build-isolation"]
    await run(*build, "--wheel-dir", tmp_path, SDK, path=os.environ.get("PYTHONPATH", ""))
    (wheel,) = (tmp_path / name for name in os.listdir(tmp_path) if name.endswith(".whl"))
    names = zipfile.ZipFile(wheel).namelist()
    assert {"asr_hub_client/py.typed", "asr_hub_client/asr_hub_pb2.py", "asr_hub_client/links/grpc.py"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)

    await run("-m", "venv", tmp_path / "fresh")
    python = tmp_path / "fresh" / "bin" / "python"
    install = ["-m", "pip", "--disable-pip-version-check", "install", "--no-deps", "--no-index", wheel]
    await run(*install, python=python, path="")
    # What the client depends on is here already. A folder named so is searched for packages, and its own lists of
    # folders, one of which names the hub, are not read.
    site = next((tmp_path / "fresh" / "lib").glob("python*")) / "site-packages"
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    is_absent = "import importlib.util as it; raise SystemExit(it.find_spec('asr_hub') is not None)"
    await run("-c", is_absent, python=python, path="")

    file = wav(tmp_path / "speech.wav", SPEECH)
    assert (await example("transcribe.py", file, hub.url, python=python, path="")).strip()
