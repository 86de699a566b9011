"""
How well does the hub hear the shared clips of real speech, set by set?

Every English clip with a human reference goes through a hub on loopback, over a real WebSocket, as fast as the hub
takes it. `python -m benchmarks.wer [--config FILE] [--limit N]` writes benchmarks/results/wer-<provider>.md.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import time
from collections import defaultdict
from importlib import metadata
from pathlib import Path

import jiwer
from tests.client import Client
from tests.speech import Clip, clips

from asr_hub import __version__
from asr_hub.app import serving
from asr_hub.config.loader import load

RESULTS = Path(__file__).parent / "results"

NORMAL = jiwer.Compose(
    [
        jiwer.ToLowerCase(),
        jiwer.SubstituteRegexes({r"[^a-z' ]": " "}),
        jiwer.RemoveMultipleSpaces(),
        jiwer.Strip(),
        jiwer.ReduceToListOfListOfWords(),
    ]
)


async def hear(url: str, clip: Clip) -> str:
    """What the hub makes of one clip."""
    pcm = clip.pcm()
    async with Client(url, partials=False) as client:
        for at in range(0, len(pcm), 6400):
            await client.send(pcm[at : at + 6400])
        await client.send({"type": "close"})
        await client.wait_for("closed", seconds=600)
        return " ".join(text for text in client.finals if text)


async def measure(config: Path | None, limit: int | None) -> str:
    wanted = [c for c in clips() if c.language == "en" and c.text and c.check and c.kind == "speech"][:limit]
    heard: dict[str, list[tuple[str, str]]] = defaultdict(list)
    seconds: dict[str, float] = defaultdict(float)
    gate = asyncio.Semaphore(2)
    began = time.monotonic()
    async with serving(load(config)) as running:
        provider = running.hub.default

        async def one(clip: Clip) -> None:
            async with gate:
                text = await hear(running.stream_url, clip)
            folder = clip.path.parent.name
            heard[folder].append((clip.text or "", text))
            seconds[folder] += clip.seconds

        async with asyncio.TaskGroup() as tasks:
            for clip in wanted:
                tasks.create_task(one(clip))
    took = time.monotonic() - began
    rows = [_row(name, heard[name], seconds[name]) for name in sorted(heard)]
    everything = [pair for pairs in heard.values() for pair in pairs]
    rows.append(_row("**all**", everything, sum(seconds.values())))
    engines = ", ".join(f"{name} {metadata.version(name)}" for name in ("pocketsphinx", "onnxruntime", "soxr"))
    return "\n".join(
        [
            f"# Word error rate through the hub: {provider}",
            "",
            f"asr-hub {__version__}; {engines}; jiwer {metadata.version('jiwer')}; Python {platform.python_version()}.",
            "",
            f"Configuration: {config.name if config else 'the defaults'}.",
            f"{sum(seconds.values()):.0f} s of audio in {took:.0f} s.",
            "Lower-cased, without punctuation; digits are not spelt out.",
            "",
            "| set | clips | seconds | words | WER | substituted | deleted | inserted |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _row(name: str, pairs: list[tuple[str, str]], seconds: float) -> str:
    references, hypotheses = [r for r, _ in pairs], [h for _, h in pairs]
    out = jiwer.process_words(references, hypotheses, reference_transform=NORMAL, hypothesis_transform=NORMAL)
    words = out.hits + out.substitutions + out.deletions
    return (
        f"| {name} | {len(pairs)} | {seconds:.0f} | {words} | {out.wer:.3f} "
        f"| {out.substitutions} | {out.deletions} | {out.insertions} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    table = asyncio.run(measure(options.config, options.limit))
    print(table)
    if options.limit is None:
        RESULTS.mkdir(exist_ok=True)
        name = options.config.stem if options.config else "default"
        (RESULTS / f"wer-{name}.md").write_text(table)


if __name__ == "__main__":
    main()
