"""The page as a whole: what a first visit costs, and every view for everybody: light, dark, on a phone, by keyboard."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.browser.conftest import Browse
from tests.hubs import scripted

from asr_hub.app import serving
from asr_hub.protocols.site import POLICY

pytestmark = pytest.mark.e2e

BUDGET = 250_000
"""Bytes of compressed script that a first visit may load."""

ROUTES = {name: name for name in ("live", "watch", "files", "time", "hub")}

IMAGES = Path(__file__).parents[2] / "docs" / "images"

MAX_IMAGE = 150_000
"""Bytes"""


async def test_a_first_visit_is_small_and_loads_nothing_from_elsewhere(browse: Browse) -> None:
    async with serving(scripted()) as hub:
        told = await browse("first_load.mjs", hub.url)
    assert 0 < told["loaded"]["Script"] < BUDGET
    assert told["policy"] == POLICY


async def test_every_view_is_for_everybody(browse: Browse) -> None:
    options: dict[str, Any] = {"routes": ROUTES}
    if os.environ.get("ASR_HUB_SCREENSHOTS") == "1":
        IMAGES.mkdir(exist_ok=True)
        options["screenshots"] = str(IMAGES)
    async with serving(scripted()) as hub:
        told = (await browse("views.mjs", hub.url, **options))["told"]
    assert told == {view: {"violations": [], "overflows": []} for view in told}
    assert len(told) == 2 * len(ROUTES)
    assert [path.name for path in IMAGES.glob("*.png") if path.stat().st_size > MAX_IMAGE] == []
