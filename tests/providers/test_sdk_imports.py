"""What is not configured costs nothing: no engine is imported that nobody asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from asr_hub.providers import registry

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[2]
SDKS = (
    "faster_whisper",
    "ctranslate2",
    "funasr",
    "torch",
    "vosk",
    "sherpa_onnx",
    "transformers",
    "openai",
    "grpc",
    "google.cloud.speech_v2",
    "pocketsphinx",
    "huggingface_hub",
)


def _imported_by(code: str) -> set[str]:
    """The SDKs that are in memory after `code` ran in a process of its own."""
    code += f"\nimport sys; print('IMPORTED', *(name for name in {SDKS!r} if name in sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120, check=True
    )
    return set(run.stdout.rpartition("IMPORTED")[2].split())


def test_importing_the_hub_imports_no_engine() -> None:
    assert _imported_by("import asr_hub, asr_hub.app, asr_hub.cli.main") == set()


def test_a_running_hub_has_imported_no_engine_that_it_does_not_run() -> None:
    code = """
import asyncio
from tests.hubs import scripted
from asr_hub.app import serving

async def main():
    async with serving(scripted()):
        pass

asyncio.run(main())
"""
    assert _imported_by(code) == set()


def test_a_hub_with_an_engine_in_its_own_process_imports_it_there_and_not_here() -> None:
    code = """
import asyncio
from tests.contract.cases import CASES
from asr_hub.app import serving
from asr_hub.config.schema import Config

async def main():
    kinds = {name.split()[0]: CASES[name] for name in ("vosk", "faster-whisper", "pocketsphinx")}
    providers = {name: {"kind": case.kind, "settings": case.settings} for name, case in kinds.items()}
    config = Config.model_validate({"provider": "vosk", "providers": providers, "server": {"port": 0}})
    async with serving(config) as hub:
        ready = [hub.hub.engines.get(name).name for name in hub.hub.engines.names]
        assert len(ready) == 3, ready

asyncio.run(main())
"""
    assert _imported_by(code) == set()


def test_looking_for_engines_imports_none() -> None:
    code = """
from asr_hub.providers import registry
for kind in registry.kinds():
    registry.available(kind)
    registry.missing_weights(kind, {})
    registry.leaves_machine(kind, {})
    registry.capabilities(kind)
registry.resolve_auto()
"""
    assert _imported_by(code) == set()


@pytest.mark.parametrize("kind", registry.BUILTIN)
def test_a_kind_without_its_engine_names_the_command_that_brings_it(kind: str) -> None:
    """In a process that finds no module outside the standard library but ours and those of the base install."""
    entry = registry.BUILTIN[kind]
    if entry.sdk in (None, "onnxruntime"):
        pytest.skip("needs no engine beyond the base install")
    code = f"""
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == {entry.sdk!r} else found(name, *rest)
from asr_hub.errors import ProviderUnavailable
import asr_hub.providers.registry as registry
registry.find_spec = importlib.util.find_spec
try:
    registry.load({kind!r}, "mine", {{}})
except ProviderUnavailable as exc:
    print(exc)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True)
    assert run.stdout.startswith("mine: ") and entry.install in run.stdout and entry.install.startswith("pip install")
