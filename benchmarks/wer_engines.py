"""
How well does each local engine hear, through the hub, the phrases that its tiny model was not trained on?

Every held-out phrase, synthesised or real, goes through a hub on loopback, over a real WebSocket, as fast as the hub
takes it. `python -m benchmarks.wer_engines [--engine NAME…] [--limit N]` writes benchmarks/results/wer-engines.md.

* test_phrase: a new phrase by a voice of the training; test_variant: by another variant of such a voice; real: people.
* digits: every word is a number; commands: everything else.

The models are those of the tests, of 0.3 to 6 MB and 80 words: the figures tell whether an engine is used as it should
be, and nothing about how good it is with published weights.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
from collections import defaultdict
from importlib import metadata
from pathlib import Path

import jiwer
from tests.client import Client
from tests.phrases import Phrase, phrases, real_phrases

from asr_hub import __version__
from asr_hub.app import Serving, serving
from asr_hub.config.schema import Config
from asr_hub.errors import HubError
from asr_hub.providers import registry
from benchmarks.engine_models import SUBJECTS, Subject
from benchmarks.wer import NORMAL

RESULTS = Path(__file__).parent / "results"
SPLITS = ("test_phrase", "test_variant", "real")
NUMBERS = frozenset({
    "zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty", "thirty", "forty",
    "fifty", "sixty", "seventy", "eighty", "ninety", "hundred",
})  # fmt: skip
AT_ONCE = 8
TAIL = bytes(16_000)
"""Half a second of silence, so that what was said last is followed by something."""

Pairs = list[tuple[str, str]]
"""What was said and what was heard."""


async def hear(hub: Serving, phrase: Phrase) -> str:
    """What the hub makes of one phrase."""
    pcm = phrase.pcm() + TAIL
    async with Client(hub.stream_url, partials=False) as client:
        for at in range(0, len(pcm), 6400):
            await client.send(pcm[at : at + 6400])
        await client.send({"type": "close"})
        await client.wait_for("closed", seconds=600)
        errors = client.of("error")
        if errors:
            raise RuntimeError(f"the hub answered {errors[0]}")
        return " ".join(text for text in client.finals if text)


async def measure(subject: Subject, said: tuple[Phrase, ...]) -> tuple[str, dict[tuple[str, str], Pairs]]:
    """The version of engine and model, and what was heard, by split and class."""
    heard: dict[tuple[str, str], Pairs] = defaultdict(list)
    gate = asyncio.Semaphore(AT_ONCE)
    async with serving(_config(subject)) as running:

        async def one(phrase: Phrase) -> None:
            async with gate:
                text = await hear(running, phrase)
            heard[phrase.split, _class(phrase.text)].append((phrase.text, text))

        async with asyncio.TaskGroup() as tasks:
            for phrase in said:
                tasks.create_task(one(phrase))
    return await _version(subject), heard


def table(name: str, heard: dict[tuple[str, str], Pairs]) -> list[str]:
    parts = [(split, kind) for split in SPLITS for kind in ("digits", "commands")]
    rows = [_row(name, *part, heard[part]) for part in parts if part in heard]
    rows.append(_row(name, "**all**", "", [pair for pairs in heard.values() for pair in pairs]))
    return rows


def _row(name: str, split: str, kind: str, pairs: Pairs) -> str:
    said, heard = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    out = jiwer.process_words(said, heard, reference_transform=NORMAL, hypothesis_transform=NORMAL)
    words = out.hits + out.substitutions + out.deletions
    exact = sum(NORMAL(one) == NORMAL(other) for one, other in pairs)
    return (
        f"| {name} | {split} | {kind} | {len(pairs)} | {words} | {out.wer:.3f} | {exact} "
        f"| {out.substitutions} | {out.deletions} | {out.insertions} |"
    )


def _class(text: str) -> str:
    return "digits" if NUMBERS.issuperset(text.lower().split()) else "commands"


def _settings(subject: Subject) -> dict[str, object]:
    """The provider's own, not those under which it is compared with its engine: as people use it."""
    return {"model": os.fspath(subject.settings["model"]), "device": "cpu", "max_streams": AT_ONCE}


def _config(subject: Subject) -> Config:
    provider = {"kind": subject.kind, "settings": {**_settings(subject), "wait_s": 60.0}}
    return Config.model_validate({"provider": "engine", "providers": {"engine": provider}, "server": {"port": 0}})


async def _version(subject: Subject) -> str:
    provider = registry.load(subject.kind, "engine", _settings(subject))
    try:
        await provider.start()
        return str(getattr(provider, "version", ""))
    finally:
        await provider.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = {subject.name: subject for subject in SUBJECTS if not subject.is_made}
    parser.add_argument("--engine", nargs="+", choices=sorted(known), metavar="NAME", help=", ".join(sorted(known)))
    parser.add_argument("--limit", type=int, help="phrases of each split")
    options = parser.parse_args()
    said = (*phrases(), *real_phrases())
    if not said:
        raise SystemExit("The shared clips are not here: set ASR_HUB_DATA to the folder that holds synthesised/.")
    said = tuple(phrase for split in SPLITS for phrase in [p for p in said if p.split == split][: options.limit])
    rows, versions, absent = [], [], []
    for name in options.engine or known:
        try:
            version, heard = asyncio.run(measure(known[name], said))
        except HubError as exc:
            absent.append(f"Not measured: {name}: {exc}")
            continue
        versions.append(f"* {name}: {version}")
        rows += table(name, heard)
        print(rows[-1], flush=True)
    text = _report(rows, versions, absent)
    print(text)
    if options.limit is None and options.engine is None:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "wer-engines.md").write_text(text)


def _report(rows: list[str], versions: list[str], absent: list[str]) -> str:
    return "\n".join(
        [
            "# benchmarks.wer_engines",
            *(__doc__ or "").splitlines(),
            "",
            f"asr-hub {__version__}; jiwer {metadata.version('jiwer')}; Python {platform.python_version()}.",
            "Lower-cased, without punctuation; each provider by its own default settings, on the CPU.",
            "",
            *versions,
            *absent,
            "",
            "| engine | split | class | phrases | words | WER | exact | substituted | deleted | inserted |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    main()
