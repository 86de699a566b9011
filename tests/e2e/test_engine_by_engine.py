"""
Every local engine behind the same hub and the same client: what it hears is what it hears alone, and the only thing
that changes between them is a line of the configuration.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.client import Client
from tests.contract.cases import CASES, CLIP_TEXT, KEY_VARIABLE, settings_of
from tests.e2e.test_hub_equals_engine import through_the_hub, utterances
from tests.phrases import Phrase, phrases, real_phrases
from tests.speech import needs_clips, silence, tone

from asr_hub.app import Serving, serving
from asr_hub.config.schema import Config
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.providers.registry import available

pytestmark = [pytest.mark.e2e, pytest.mark.engine]

ROOT = Path(__file__).parents[2]
CLIP = packaged_clip("self_test")

LOCAL = [name for name, case in CASES.items() if not case.server and case.kind not in ("scripted", "pocketsphinx")]


def _whisper(pcm: bytes) -> str:
    from tests.providers.whisper.direct import decode

    return decode(pcm)


def _sense_voice(pcm: bytes) -> str:
    from tests.providers.funasr.direct import sensevoice

    return sensevoice(pcm, language="auto")


def _paraformer(pcm: bytes) -> str:
    from tests.providers.funasr.direct import paraformer

    return paraformer(pcm)


def _streaming(pcm: bytes) -> str:
    from tests.providers.funasr.direct import streaming

    return streaming(pcm)


def _vosk(pcm: bytes) -> str:
    from tests.providers.vosk.direct import decode

    return decode(pcm)


def _sherpa(pcm: bytes) -> str:
    from tests.providers.sherpa.direct import decode

    return decode(pcm)


def _sherpa_streaming(pcm: bytes) -> str:
    from tests.providers.sherpa.direct import decode_streaming

    return decode_streaming(pcm)


ALONE: dict[str, Callable[[bytes], str]] = {
    "faster-whisper": _whisper,
    "funasr sense-voice": _sense_voice,
    "funasr paraformer": _paraformer,
    "funasr streaming": _streaming,
    "vosk": _vosk,
    "sherpa-onnx": _sherpa,
    "sherpa-onnx streaming": _sherpa_streaming,
}
"""Each engine by its own SDK, without a line of the hub's; in processes of their own."""


ALONE_IN_ITS_BATCH: dict[str, dict[str, Any]] = {"sherpa-onnx": {"max_batch": 1}}
"""
The scales of an int8 model of onnxruntime are those of the whole batch, so that what is unclear in one utterance may be
heard otherwise beside another: by the library, and so by the hub.
"""


def config(*names: str, **settings: Any) -> Config:
    """The first of these providers is the default."""
    providers = {
        name.replace(" ", "-"): {
            "kind": CASES[name].kind,
            "settings": {**CASES[name].settings, "max_streams": 8, **settings},
        }
        for name in names
    }
    return Config.model_validate(
        {"provider": names[0].replace(" ", "-"), "providers": providers, "server": {"port": 0}}
    )


@asynccontextmanager
async def hub(*names: str, **settings: Any) -> AsyncIterator[Serving]:
    async with serving(config(*names, **settings)) as running, httpx.AsyncClient(base_url=running.url) as http:
        assert (await http.get("/ready")).status_code == 200, (await http.get("/v1/providers")).text
        yield running


@pytest.fixture(scope="module")
def alone() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield pool


def test_every_local_engine_is_compared() -> None:
    # These two say nothing that a person could read: their own tests compare them with their library.
    assert set(ALONE) | {"transformers", "sherpa-onnx transducer"} == set(LOCAL)


@needs_clips
@pytest.mark.data
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", ALONE)
async def test_text_through_the_hub_is_the_text_of_the_engine_alone(name: str, alone: ProcessPoolExecutor) -> None:
    loop = asyncio.get_running_loop()
    said = [*phrases()[:100], *real_phrases()]
    gate = asyncio.Semaphore(6)
    heard_something = 0

    async with hub(name, **ALONE_IN_ITS_BATCH.get(name, {})) as running:

        async def check(place: int, phrase: Phrase) -> None:
            nonlocal heard_something
            pcm = phrase.pcm() + silence(0.5)
            async with gate:
                # Partials of some sessions mix with the finals of others.
                heard = await through_the_hub(
                    running, pcm, ("20 ms", "100 ms", "1 s", "random")[place % 4], partials=place % 3 == 0
                )
                there = utterances(pcm)
                expected = [await loop.run_in_executor(alone, ALONE[name], one) for one in there]
            assert heard == expected, phrase
            heard_something += any(heard)

        async with asyncio.TaskGroup() as tasks:
            for place, phrase in enumerate(said):
                tasks.create_task(check(place, phrase))
    assert heard_something >= 90


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("scripted",)])
async def test_the_same_client_hears_the_same_clip_from_every_provider(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`examples/live.py` and `asr-hub transcribe` unchanged; one line of YAML differs."""
    import wave

    case = CASES[name]
    if not (able := available(case.kind)).ok:
        pytest.skip(f"{able.reason}: {able.remedy}")
    clip = tmp_path / "clip.wav"
    with wave.open(str(clip), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(CLIP.rate)
        file.writeframes(silence(0.5) + CLIP.pcm + silence(1.0))
    if case.server == "openai":
        from tests.providers.cloud.openai_server import KEY

        monkeypatch.setenv(KEY_VARIABLE, KEY)
    async with settings_of(case) as given:
        settings = {**given, "wait_s": 30.0}
        # What a model says that was never trained is garbage, and is compared here as it is.
        doubt = {"refuse_garbage": case.text is not None, "suppress_phantoms": case.text is not None}
        there = Config.model_validate(
            {
                "provider": "x",
                "providers": {"x": {"kind": case.kind, "settings": settings}},
                "server": {"port": 0},
                "recognition": doubt,
            }
        )
        async with serving(there) as running:
            live = await _run(sys.executable, str(ROOT / "examples" / "live.py"), str(clip), running.stream_url)
        file_of_it = tmp_path / "hub.yaml"
        # The hub of a command line names its provider by `--provider`, the configuration another one as the default.
        file_of_it.write_text(
            yaml.safe_dump(
                {
                    "provider": "scripted",
                    "providers": {"x": {"kind": case.kind, "settings": settings}, "scripted": {"kind": "scripted"}},
                    "recognition": doubt,
                }
            )
        )
        text = await _run(
            sys.executable, "-m", "asr_hub", "transcribe", str(clip), "--provider", "x", "--config", str(file_of_it)
        )
    assert live.strip() and live.split() == text.split()
    if case.text == CLIP_TEXT and not case.server:
        assert live.strip() == case.text


async def _run(*command: str) -> str:
    child = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, "NO_COLOR": "1"}
    )
    async with asyncio.timeout(240):
        out, err = await child.communicate()
    assert child.returncode == 0, err.decode()
    return out.decode()


async def test_a_real_pair_is_swapped_inside_a_session_without_losing_a_word() -> None:
    pair = ("vosk", "faster-whisper")
    async with hub(*pair) as running, Client(running.stream_url) as client:
        for turn in range(6):
            await client.send(CLIP.pcm + silence(1.0))
            # Told in the middle of an utterance: it goes to its end where it began, the next one is the other's.
            await client.send(CLIP.pcm[: len(CLIP.pcm) // 4 * 2])
            await client.send({"type": "configure", "provider": pair[(turn + 1) % 2]})
            await client.send(CLIP.pcm[len(CLIP.pcm) // 4 * 2 :] + silence(1.0))
        await client.send({"type": "close"})
        await client.wait_for("closed")
        finals = client.of("final")
    assert [final["hypothesis"]["text"] for final in finals] == [CLIP.text] * 12
    assert {final["hypothesis"]["provider"] for final in finals} == set(pair)
    assert not client.of("error")


async def test_a_scripted_pair_is_swapped_at_any_moment_and_every_word_comes_once() -> None:
    providers = {
        "a": {"kind": "scripted", "settings": {"block_ms": 200}},
        "b": {"kind": "scripted", "settings": {"block_ms": 200}},
    }
    shape = {
        "provider": "a",
        "providers": providers,
        "server": {"port": 0},
        "audio": {"vad": "light", "tick_ms": 10},
    }
    said = [tone(0.6 + 0.1 * n, hertz=200 + 13 * n) + silence(1.0) for n in range(12)]

    async def hear(moments: random.Random | None) -> list[Any]:
        async with serving(Config.model_validate(shape)) as running, Client(running.stream_url) as client:
            for n, pcm in enumerate(said):
                swap = moments.randrange(0, len(pcm) // 3200) if moments is not None else -1
                for block, at in enumerate(range(0, len(pcm), 3200)):
                    if block == swap:
                        await client.send({"type": "configure", "provider": "ba"[n % 2]})
                    await client.send(pcm[at : at + 3200])
                await client.wait_until(lambda m, n=n: m["type"] == "final" and m["utterance"] == n + 1)
            await client.send({"type": "close"})
            await client.wait_for("closed")
            assert not client.of("error")
            return client.of("final")

    steady = [final["hypothesis"]["text"] for final in await hear(None)]
    assert len(steady) == 12 and all(steady)
    for seed in range(3):
        finals = await hear(random.Random(seed))
        assert [final["hypothesis"]["text"] for final in finals] == steady
        assert {final["hypothesis"]["provider"] for final in finals} == {"a", "b"}
