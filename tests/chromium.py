"""A real Chromium whose microphone plays a file."""

from __future__ import annotations

import shutil
import subprocess
import threading
import wave
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soxr

CHROMIUM = shutil.which("chromium")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: `apt-get install chromium`")

RATE = 48_000
"""Hertz. What Chromium's pretended microphone gives; a file at another rate it resamples by repeating samples."""

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows"),
    *("--disable-renderer-backgrounding", "--mute-audio", "--use-fake-ui-for-media-stream"),
    "--use-fake-device-for-media-stream",
)


def write_microphone(path: Path, pcm: bytes, rate: int) -> Path:
    """Mono 16-bit audio as a file that `--use-file-for-fake-audio-capture` plays without a fault."""
    samples = soxr.resample(np.frombuffer(pcm, dtype=np.int16), rate, RATE)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return path


@contextmanager
def chromium(profile: Path, microphone: Path) -> Iterator[str]:
    """One for many pages: the address for Playwright's `connectOverCDP`. Each page that listens hears the file once."""
    process = subprocess.Popen(
        [
            *(CHROMIUM or "chromium", *FLAGS, f"--use-file-for-fake-audio-capture={microphone}%noloop"),
            *(f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with process.stderr as told:
        said = list(_until_ready(told))
        # What it goes on to say would fill the pipe and stop it.
        reader = threading.Thread(target=told.read)
        reader.start()
        try:
            assert said and said[-1].startswith(_READY), "Chromium ended: " + "".join(said)
            yield said[-1].removeprefix(_READY).strip()
        finally:
            process.terminate()
            process.wait()
            reader.join()


_READY = "DevTools listening on "


def _until_ready(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield line
        if line.startswith(_READY):
            return
