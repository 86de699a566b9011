"""
How fast is PocketSphinx here, and how late are its words? `python -m benchmarks.engine`

Per mode: RTF is CPU seconds of all engine processes per second of audio. First partial: wall time from the first push
of an utterance to its first text, the audio being pushed as fast as it is taken. Final: wall time from the end of the
utterance to its final. Medians over the utterances. WER where the clips say what was said.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from asr_hub.audio.files import decode
from asr_hub.model import HUB_RATE, AudioFrame, ProviderName
from asr_hub.providers.base import RecognitionOptions
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.providers.pocketsphinx import PocketSphinx

DATA = Path(os.environ.get("ASR_HUB_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
SETS = {"libri_test_other", "ps_librivox", "ljspeech"}
_PIECE = HUB_RATE // 10 * 2


class Utterance(NamedTuple):
    pcm: bytes
    text: str | None


class Took(NamedTuple):
    first_partial: float | None
    final: float
    text: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=12, help="clips of real speech, where they are present")
    asyncio.run(_run(parser.parse_args().clips))


async def _run(most: int) -> None:
    demo = packaged_clip("demo")
    spoken = [Utterance(demo.pcm, demo.text)]
    real = list(_real_speech(most))
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, pocketsphinx {version('pocketsphinx')}"
    )
    print(f"{'mode':34} {'clips':>5} {'audio s':>8} {'RTF':>6} {'first partial ms':>17} {'final ms':>9} {'WER':>6}")
    plain, quiet = RecognitionOptions(), RecognitionOptions(partials=False)
    wake = RecognitionOptions(wake_words=("good morning", "open the window"))
    commands = {"phrases": demo.sentences}
    for title, settings, options, utterances in (
        ("dictation, demo", {}, plain, spoken),
        ("dictation", {}, plain, real),
        ("dictation, no partials", {}, quiet, real),
        ("dictation, final: streaming", {"final": "streaming"}, plain, real),
        ("five phrases, demo", commands, plain, spoken),
        ("two wake words, demo", {}, wake, spoken),
    ):
        if utterances:
            await _measure(title, settings, options, utterances)


async def _measure(
    title: str, settings: dict[str, Any], options: RecognitionOptions, utterances: Sequence[Utterance]
) -> None:
    provider = PocketSphinx(ProviderName("bench"), {**settings, "max_streams": 1})
    await provider.start()
    try:
        await provider.self_test()
        before = _cpu_seconds(provider.pool.pids)
        took = [await _hear(provider, options, utterance.pcm) for utterance in utterances]
        cpu = _cpu_seconds(provider.pool.pids) - before
    finally:
        await provider.aclose()
    seconds = sum(len(utterance.pcm) for utterance in utterances) / 2 / HUB_RATE
    firsts = [each.first_partial for each in took if each.first_partial is not None]
    first = f"{statistics.median(firsts) * 1000:.0f}" if firsts else "-"
    final = statistics.median(each.final for each in took) * 1000
    wer = "-" if options.wake_words or settings.get("phrases") else _wer(utterances, took)
    print(f"{title:34} {len(took):5} {seconds:8.1f} {cpu / seconds:6.3f} {first:>17} {final:9.0f} {wer:>6}", flush=True)


async def _hear(provider: PocketSphinx, options: RecognitionOptions, pcm: bytes) -> Took:
    first: float | None = None
    began = time.perf_counter()
    ended = began
    async with provider.stream(options, {}) as stream:

        async def talk() -> float:
            for at in range(0, len(pcm), _PIECE):
                await stream.push(AudioFrame(pcm[at : at + _PIECE], at // 2))
            # The first pass has caught up with the speaker when a live utterance ends: only what follows is late.
            await stream.settled()
            now = time.perf_counter()
            await stream.end_utterance()
            return now

        talking = asyncio.create_task(talk())
        text = ""
        async for hypothesis in stream:
            if first is None and not hypothesis.is_final:
                first = time.perf_counter() - began
            text = hypothesis.text
        ended = await talking
    return Took(first, time.perf_counter() - ended, text)


def _real_speech(most: int) -> Iterator[Utterance]:
    catalogue = DATA / "catalogue.json"
    if not catalogue.is_file():
        return
    entries = [
        entry
        for entry in json.loads(catalogue.read_text())
        if entry["set"] in SETS and entry.get("reference_text") and 2 < entry["seconds"] < 8
    ]
    for entry in entries[:: max(1, len(entries) // most)][:most]:
        pcm = b"".join(frame.pcm for frame in decode(DATA / entry["file"], HUB_RATE))
        yield Utterance(pcm, entry["reference_text"])


def _wer(utterances: Iterable[Utterance], took: Iterable[Took]) -> str:
    try:
        import jiwer
    except ImportError:
        return "-"
    pairs = [(_plain(said.text), _plain(heard.text)) for said, heard in zip(utterances, took, strict=True) if said.text]
    return f"{jiwer.wer([said for said, _ in pairs], [heard for _, heard in pairs]):.3f}"


def _plain(text: str | None) -> str:
    return " ".join(re.sub(r"[^a-z' ]", " ", (text or "").lower()).split())


def _cpu_seconds(pids: Iterable[int]) -> float:
    """Of all threads, user and system: fields 14 and 15 of /proc/PID/stat."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / ticks
    return total


if __name__ == "__main__":
    main()
