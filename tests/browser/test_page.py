"""The page as a whole: what a first visit costs, every view for everybody, and the past of a session as it was."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.audio_files import wav
from tests.browser.conftest import Browse
from tests.browser.filled import Filled, filled
from tests.hubs import scripted

from asr_hub.app import serving
from asr_hub.protocols.site import POLICY
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.store.journal import read, written
from asr_hub.store.root import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

BUDGET = 250_000
"""Bytes of compressed script that a first visit may load."""

VIEWS = ("live", "watch", "files", "time", "hub")

IMAGES = Path(__file__).parents[2] / "docs" / "images"

MAX_IMAGE = 150_000
"""Bytes"""

IS_PICTURED = os.environ.get("ASR_HUB_SCREENSHOTS") == "1"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def full(browser: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Filled]:
    async with filled(tmp_path_factory.mktemp("filled")) as running:
        yield running


async def test_every_view_is_for_everybody_when_there_is_nothing_in_it(browse: Browse, tmp_path: Path) -> None:
    # Before the hub that is full: the database of jobs is one for a process.
    async with serving(scripted(jobs={"folder": str(tmp_path)})) as hub:
        told = (await browse("views.mjs", hub.url, themes=["light"], routes={name: name for name in VIEWS}))["told"]
    assert told == {f"{view} light": {"violations": [], "overflows": []} for view in VIEWS}


async def test_a_first_visit_is_small_and_loads_nothing_from_elsewhere(browse: Browse, full: Filled) -> None:
    told = await browse("first_load.mjs", full.hub.url)
    assert 0 < told["loaded"]["Script"] < BUDGET
    assert told["policy"] == POLICY


async def test_every_view_is_for_everybody_when_it_is_full(browse: Browse, full: Filled, tmp_path: Path) -> None:
    file = tmp_path / "spoken.wav"
    file.write_bytes(wav(packaged_clip("demo" if IS_PICTURED else "self_test").pcm))
    options: dict[str, Any] = {"file": str(file)}
    if IS_PICTURED:
        IMAGES.mkdir(exist_ok=True)
        options["screenshots"] = str(IMAGES)
    themes, routes = ["light", "dark"], {"live": "live", **full.routes}
    options["shown"] = {"watch": "final", "files": "segment", "time": "state", "hub": "engine"}
    told = (await browse("views.mjs", full.hub.url, themes=themes, routes=routes, **options))["told"]
    assert told == {f"{view} {theme}": {"violations": [], "overflows": []} for theme in themes for view in routes}
    assert [path.name for path in IMAGES.glob("*.png") if path.stat().st_size > MAX_IMAGE] == []


async def test_the_past_that_is_shown_is_what_folding_the_actions_gives(
    browse: Browse, full: Filled, tmp_path: Path
) -> None:
    with full.journal.open("rb") as lines:
        recording = read(lines)
        states = [recording.state]
        for entry in recording.entries:
            states.append(ROOT.reduce(states[-1], entry.event))
    last = len(states) - 1
    places = sorted({1, last // 4, last // 2, 3 * last // 4, last - 1, last})
    told = await browse("time.mjs", full.hub.url, recording=full.recording, places=places, folder=str(tmp_path))
    for place in places:
        assert told["states"][str(place)] == json.loads(written(dict(states[place].items())))
    assert told["seconds"] > 10
    assert told["causes"] > 1
    assert told["keyboard"] == {"cleared": "INPUT", "isAtLast": True}
    assert told["listed"] >= 2
