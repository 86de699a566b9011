"""A file through a job is what the engine hears of its segments, on its own clock, whatever container it came in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.providers.direct import decode_timed
from tests.speech import clip, clips, needs_clips

from asr_hub.app import Serving, cutting_of, serving
from asr_hub.config.schema import Config
from asr_hub.jobs.cutting import FileCutter
from asr_hub.jobs.job import Channels, Segment
from asr_hub.jobs.ports import Cut
from asr_hub.model import HUB_RATE, Hypothesis, Word
from asr_hub.text.align import align
from asr_hub.text.joining import Piece, join_all

TINY_VOSK = Path(__file__).parents[1] / "models" / "tiny-vosk"

pytestmark = [pytest.mark.e2e, pytest.mark.engine, pytest.mark.data, pytest.mark.slow, needs_clips]


def config(folder: Path) -> Config:
    return Config.model_validate(
        {
            "provider": "sphinx",
            "providers": {
                "sphinx": {"kind": "pocketsphinx", "settings": {"max_streams": 2}},
                "vosk": {"kind": "vosk", "settings": {"model": str(TINY_VOSK)}},
            },
            "server": {"port": 0},
            "jobs": {"folder": str(folder), "segments_at_once": 2},
        }
    )


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Serving]:
    async with serving(config(tmp_path / "jobs")) as running:
        yield running


@pytest.fixture(scope="module")
def engines() -> Iterator[ProcessPoolExecutor]:
    """Processes for the engine driven directly."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


async def transcribed(hub: Serving, path: Path, **fields: str) -> dict[str, Any]:
    """A file on its way through a job, to the end."""
    async with httpx.AsyncClient(base_url=hub.url, timeout=60) as http:
        sent = await http.post(
            "/api/v1/asr/submit", files={"audio": (path.name, await asyncio.to_thread(path.read_bytes))}, data=fields
        )
        assert sent.status_code == 202, sent.text
        events = f"/api/v1/asr/events/{sent.json()['task_id']}"
        async with http.stream("GET", events, timeout=1500) as response:
            async for _ in response.aiter_bytes():
                pass
        result: dict[str, Any] = (await http.get(sent.json()["result_url"])).json()
    assert result["status"] == "done", result
    return result


@pytest.mark.timeout(1800)
async def test_a_long_file_reads_as_its_segments_do_alone_and_keeps_its_clock(
    hub: Serving, engines: ProcessPoolExecutor, tmp_path: Path
) -> None:
    whole = clip("longform_shared.flac")
    loop = asyncio.get_running_loop()
    result = await transcribed(hub, whole.path)
    async with FileCutter(cutting_of(config(tmp_path))) as cutter:
        cut = await cutter.cut(whole.path, tmp_path / "spool", Channels.MIX)
    alone = await asyncio.gather(
        *(loop.run_in_executor(engines, decode_timed, cut.spool.read(segment)) for segment in cut.segments)
    )
    pieces = [_piece(cut, segment, *heard) for segment, heard in zip(cut.segments, alone, strict=True)]
    wanted = [hypothesis.text for hypothesis in join_all(pieces) if hypothesis.text]
    assert [segment["text"] for segment in result["segments"]] == wanted
    assert sum(len(text.split()) for text in wanted) > 900

    # No drift: the readings of the file are laid over single clips, heard alone, where those lie in the file.
    said = [
        (word["text"], word["start_ms"], word["end_ms"]) for segment in result["segments"] for word in segment["words"]
    ]
    pcm = whole.pcm()
    apart: list[int] = []
    parts = [one for one in clips() if "libri_test_other" in one.file]
    for part in parts[::6]:
        its = part.pcm()
        at = pcm.find(its)
        assert at >= 0 and at % 2 == 0, part.file
        begins = at // 2 * 1000 // HUB_RATE
        _, words = await loop.run_in_executor(engines, decode_timed, its)
        there = [word for word in said if begins - 200 <= word[1] < begins + len(its) // 32]
        steps = align([word for word, _, _ in words], [word for word, _, _ in there])
        apart += [
            abs(there[step.heard][1] - begins - words[step.reference][1])
            for step in steps
            if step.reference is not None
            and step.heard is not None
            and words[step.reference][0] == there[step.heard][0]
        ]
    apart.sort()
    assert len(apart) > 40
    assert apart[len(apart) * 9 // 10] <= 200, apart


def _piece(cut: Cut, segment: Segment, text: str, words: tuple[tuple[str, int, int], ...]) -> Piece:
    begins = segment.start * 1000 // cut.spool.rate
    ends = segment.end * 1000 // cut.spool.rate
    timed = tuple(Word(word, begins + start, begins + end) for word, start, end in words)
    hypothesis = Hypothesis(text=text, start=begins, end=ends, words=timed, is_final=True)
    if not segment.overlap:
        return Piece(hypothesis)
    return Piece(hypothesis, begins, (segment.start + segment.overlap) * 1000 // cut.spool.rate)


async def test_every_container_of_an_utterance_gives_the_same_words(hub: Serving) -> None:
    containers = [one for one in clips() if "sr_formats" in one.file]
    assert len(containers) == 14
    results = await asyncio.gather(*(transcribed(hub, one.path, provider="vosk") for one in containers))
    texts = {one.file: result["text"] for one, result in zip(containers, results, strict=True)}
    assert set(texts.values()) == {"one two three"}, texts
