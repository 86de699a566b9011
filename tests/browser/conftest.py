"""The page in a real Chromium, on a real hub: one browser for all, and each scenario in a window of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import pytest
from tests.chromium import CHROMIUM, chromium, write_microphone
from tests.node import CLIENTS, node, packages
from tests.speech import ROOT, clip, clips, silence

from asr_hub.hub.hub import Hub
from asr_hub.model import HUB_RATE
from asr_hub.protocols.site import is_built
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.store.event import Event
from asr_hub.store.slices.transcripts import UtteranceFinalized

HERE = Path(__file__).parent

Fact = TypeVar("Fact", bound=Event)

LEAD = 1.5
"""Seconds of quiet before the first word: a page takes a while to listen."""


class Spoken(NamedTuple):
    """What the microphone of the browser hears, once for each page that listens."""

    file: Path
    seconds: float
    text: str
    """In small letters"""


class Browse(Protocol):
    """Runs a script of this folder in a new window at an address; what it tells, and nothing may have gone wrong."""

    async def __call__(self, script: str, url: str, **options: Any) -> dict[str, Any]: ...


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Spoken:
    """A sentence of the shared clips, or of the demo's where they are not here."""
    if clips():
        known = clip("google_samples/audio_silence_padding.wav")
        pcm, text = known.pcm(), (known.text or "").lower()
    else:
        sample = packaged_clip("self_test")
        pcm, text = sample.pcm, sample.text
        assert sample.rate == HUB_RATE, ROOT
    heard = silence(LEAD) + pcm + silence(2.0)
    file = write_microphone(tmp_path_factory.mktemp("microphone") / "spoken.wav", heard, HUB_RATE)
    return Spoken(file, len(heard) / 2 / HUB_RATE, text)


@pytest.fixture(scope="session")
def browser(spoken: Spoken, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Skips, and says why, where the page cannot be shown."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: `apt-get install chromium`")
    if not is_built():
        pytest.skip("the page is not built: `make web`, which needs Node.js 20")
    packages(CLIENTS)
    with chromium(tmp_path_factory.mktemp("profile"), spoken.file) as address:
        yield address


@pytest.fixture
def browse(browser: str) -> Browse:
    return partial(_browse, browser)


async def _browse(browser: str, script: str, url: str, **options: Any) -> dict[str, Any]:
    told: dict[str, Any] = await node(
        str(HERE / script), browser, url, json.dumps(options), seconds=200, CLIENTS=str(CLIENTS)
    )
    assert told["faults"] == [], "\n".join(told["faults"])
    return told


def facts_of(hub: Hub, kind: type[Fact]) -> Iterator[Fact]:
    """The facts of one kind, as the hub's journal has them."""
    return (entry.event for entry in hub.store.journal.entries() if isinstance(entry.event, kind))


def finals_of(hub: Hub) -> dict[str, list[str]]:
    """What the hub said last of each utterance, by session."""
    found: dict[str, list[str]] = {}
    for it in facts_of(hub, UtteranceFinalized):
        if it.hypothesis.text:
            found.setdefault(it.session, []).append(it.hypothesis.text)
    return found
