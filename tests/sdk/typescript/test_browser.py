"""The TypeScript client in a real browser: its microphone hears a clip, and a line that breaks costs nothing."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.chromium import CHROMIUM, needs_chromium, write_microphone
from tests.hubs import scripted
from tests.node import CLIENTS, node, packages
from tests.sdk.typescript.conftest import line
from tests.speech import silence

from asr_hub.access.keys import new_key
from asr_hub.app import serving
from asr_hub.config.schema import Config
from asr_hub.providers.known_clip import packaged_clip

pytestmark = pytest.mark.e2e

LEAD = 2.0
"""Seconds of quiet before the first word: the page takes a while to listen."""

SPHINX = Config.model_validate(
    {"provider": "sphinx", "providers": {"sphinx": {"kind": "pocketsphinx"}}, "server": {"port": 0}}
)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def pages(folder: Path) -> Iterator[str]:
    """The files of a folder on a port of this machine; its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """The demo's sentences as a microphone hears them: after a while, and with quiet after them."""
    known = packaged_clip("demo")
    heard = silence(LEAD, rate=known.rate) + known.pcm + silence(4.0, rate=known.rate)
    return write_microphone(tmp_path / "microphone.wav", heard, known.rate)


async def browse(page: str, *what: str) -> dict[str, Any]:
    script, clients = Path(__file__).with_name("browser.mjs"), packages(CLIENTS)
    told: dict[str, Any] = await node(str(script), CHROMIUM or "", page, *what, seconds=240, CLIENTS=str(clients))
    assert told["faults"] == []
    return told


@needs_chromium
async def test_the_page_hears_what_is_said_into_the_microphone_though_the_line_breaks(sdk: Path, clip: Path) -> None:
    known, cuts = packaged_clip("demo"), (150_000, 300_000)
    # To the end of the clip and a second more, at the 16 kHz of the session.
    spoken = int((LEAD + len(known.pcm) / 2 / known.rate + 1) * 16_000)
    async with serving(SPHINX) as hub, line(hub.port, cut_at=cuts) as broken:
        with pages(sdk) as site:
            page = f"{site}/examples/browser.html?hub=http://127.0.0.1:{broken.port}"
            told = await browse(page, "speak", str(clip), str(spoken))
        assert broken.cuts == list(cuts)
        assert known.is_heard_in(" ".join(told["finals"]))
        assert told["status"] == ""
        assert [message["type"] for message in told["messages"]].count("ready") == 1 + len(cuts)
        numbered = [message for message in told["messages"] if message["type"] != "ready"]
        assert numbered[0]["seq"] == 1
        for before, after in pairwise(numbered):
            assert after["seq"] == before["seq"] + 1 + after.get("skipped", 0)
        closed = numbered[-1]
        assert closed["type"] == "closed"
        assert closed["audio_offset"] >= spoken
        assert hub.hub.sessions == 0


@needs_chromium
async def test_a_page_brings_its_key_and_a_wrong_one_is_refused(sdk: Path) -> None:
    made = new_key()
    keys = {"page": {"id": made.id, "hash": made.sha256}}
    async with serving(scripted(access={"keys": keys})) as hub:
        with pages(sdk) as site:
            told = await browse(f"{site}/examples/browser.html", "open", hub.url, made.secret)
        by_socket, wrong_by_socket, by_http, wrong_by_http = told["told"]
        assert by_socket["audio_offset"] == 32_000
        assert by_socket["texts"] == by_http["texts"] != []
        # A browser does not say to a page why a WebSocket was refused.
        assert wrong_by_socket["error"] == "ConnectionFailed"
        assert (wrong_by_http["error"], wrong_by_http["code"]) == ("HubError", "unauthorized")


@needs_chromium
async def test_a_microphone_that_is_stopped_leaves_nothing_in_the_browser(sdk: Path, clip: Path) -> None:
    with pages(sdk) as site:
        told = await browse(f"{site}/examples/browser.html", "hear", str(clip), "6")
    assert told["seconds"] > 6 * 0.02
    assert told["left"] == 0
