"""
What does the hub cost on top of an engine, at how many utterances at once, and how late are partials and finals?

`python -m benchmarks.engines [--provider NAME…] [--device cpu|cuda] [--model DIR…] [--batches 1,2,4,8,16,32,64]`
`                             [--made whisper-large-v3-turbo|paraformer-large] [--made-scale 1] [--seconds N]`

* at the pace of speech: a few people talk at the same time, with partials. First partial: from the first sample;
  final: from the last one. Wall time.
* as fast as possible: N utterances at once through the provider, against the engine driven by its own SDK at batches
  of N, in a process of its own. Finals only, the same audio and options, in rounds that take turns. The ratios are
  hub / engine alone: of utterances per second, and of CPU seconds, those of the hub's own process among them.
* no memory: the engine is given less than its largest batch takes, on the CPU by `memory_mb`, on a GPU by filling it
  up. Every utterance must be answered all the same.

One thread for each engine. RTF: CPU seconds of the engine's process for a second of audio. RTFx: seconds of audio in a
second. With `--made`, weights are random and the length of a text is set by the weights, for both sides.
Exits with 1 where an utterance was not answered.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import msgspec

from asr_hub.errors import HubError
from asr_hub.model import HUB_RATE
from asr_hub.providers.hosted import Hosted
from benchmarks.engine_alone import Alone, Heard
from benchmarks.engine_hub import Run, as_fast_as_possible, at_the_pace_of_speech, started
from benchmarks.engine_memory import need, run_short
from benchmarks.engine_models import MADE, SUBJECTS, Subject, joined, ready, some
from benchmarks.engine_tables import FAST, LIVE, MEMORY, Rtf, fast_row, live_row, machine, memory_row, table
from benchmarks.processes import gpus, memory_mb

RESULTS = Path(__file__).parent / "results"
ROUNDS = 3
WAVES = 2
"""Utterances of a round, at least: so many for each stream."""


class Wanted(NamedTuple):
    """What was asked for on the command line."""

    subjects: tuple[Subject, ...]
    device: str
    batches: tuple[int, ...]
    seconds: float
    made: str
    scale: float
    talkers: int


class Tables(NamedTuple):
    """Rows, by table."""

    live: list[str]
    fast: list[str]
    memory: list[str]
    problems: list[str]
    """Utterances that nobody heard: what the exit status is about."""
    absent: list[str]


def main() -> int:
    wanted, name = _wanted()
    if wanted.device != "cpu" and not gpus():
        print("There is no GPU here: nvidia-smi finds none. Run with --device cpu, or on a machine with one.")
        return 2
    # As the provider's process has it; read when the libraries are loaded.
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    os.environ.update({"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"})
    tables = Tables([], [], [], [], [])
    for subject in wanted.subjects:
        asyncio.run(_measure(subject, wanted, tables))
    text = _report(wanted, tables)
    print(text)
    if name:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"engines-{name}.md").write_text(text)
    return 1 if tables.problems else 0


async def _measure(subject: Subject, wanted: Wanted, tables: Tables) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _tell(f"{subject.name}: loading")
        subject = ready(subject, folder, device=wanted.device, made=wanted.made, scale=wanted.scale)
        alone = stack.enter_context(Alone(subject))
        try:
            async with started(subject, max(wanted.batches)) as provider:
                loaded = memory_mb(provider.pid, "VmRSS")
                one = await _compare(subject, provider, alone, wanted, tables)
                tables.live.append(await _live(subject, provider, wanted, one))
                most = memory_mb(provider.pid, "VmHWM")
            await _short(subject, wanted, tables, rss=(loaded, most))
        except HubError as exc:
            tables.absent.append(f"{subject.name}: {exc}")


async def _compare(subject: Subject, provider: Hosted, alone: Alone, wanted: Wanted, tables: Tables) -> Rtf:
    """Adds a row for each batch; what one utterance at a time costs."""
    await as_fast_as_possible(provider, some(2), 1)
    await asyncio.wrap_future(alone.hear(some(2), 1))
    one = Rtf(0.0, 0.0)
    for batch in sorted(wanted.batches):
        _tell(f"{subject.name}: {batch} at once")
        clips = some(_count(wanted.seconds, batch))
        audio = sum(map(len, clips)) / 2 / HUB_RATE
        pairs: list[tuple[Run, Heard]] = []
        for turn in range(ROUNDS):
            if turn % 2:
                there = await asyncio.wrap_future(alone.hear(clips, batch))
                pairs.append((await as_fast_as_possible(provider, clips, batch), there))
            else:
                here = await as_fast_as_possible(provider, clips, batch)
                pairs.append((here, await asyncio.wrap_future(alone.hear(clips, batch))))
        tables.fast.append(fast_row(subject.name, batch, pairs, audio, is_made=subject.is_made))
        unheard = sum(text is None for run, _ in pairs for text in run.texts)
        if unheard:
            tables.problems.append(f"{subject.name}, {batch} at once: {unheard} utterances were not answered")
        if batch == min(wanted.batches):
            one = Rtf(
                statistics.median(run.engine_cpu_s for run, _ in pairs) / audio,
                statistics.median(heard.cpu_s for _, heard in pairs) / audio,
            )
    return one


async def _live(subject: Subject, provider: Hosted, wanted: Wanted, one: Rtf) -> str:
    _tell(f"{subject.name}: at the pace of speech")
    clips = some(max(2 * wanted.talkers, round(wanted.seconds / 2)))
    delays = await at_the_pace_of_speech(provider, clips, wanted.talkers)
    return live_row(subject.name, provider.version, provider.device, one, delays)


async def _short(subject: Subject, wanted: Wanted, tables: Tables, *, rss: tuple[float, float]) -> None:
    if not subject.has_batches:
        tables.memory.append(memory_row(subject.name, rss, None, None))
        return
    _tell(f"{subject.name}: with too little memory")
    batch = max(wanted.batches)
    clips = joined(WAVES * batch)
    wants = await need(subject, clips, batch)
    short = await run_short(subject, clips, batch, wants)
    tables.memory.append(memory_row(subject.name, rss, wants, short))
    if short is not None and short.answered < short.asked:
        tables.problems.append(
            f"{subject.name}, {short.budget_mb} MiB: {short.asked - short.answered} utterances were not answered"
        )


def _report(wanted: Wanted, tables: Tables) -> str:
    scale = f", at {wanted.scale:g} of its width and depth" if wanted.scale != 1 else ""
    model = f"Made weights of the shape of {wanted.made}{scale}." if wanted.made else "The tiny models of the tests."
    lines = [
        "# benchmarks.engines",
        *(__doc__ or "").splitlines(),
        "",
        f"{machine()} {model} {ROUNDS} rounds; medians, with the smallest and the largest.",
        "",
        f"## At the pace of speech: {wanted.talkers} talkers, with partials",
        "",
        *table(LIVE, tables.live),
        "## As fast as possible",
        "",
        *table(FAST, tables.fast),
        f"## With too little memory, {max(wanted.batches)} at once",
        "",
        *table(MEMORY, tables.memory),
        *(f"Not measured: {line}\n" for line in tables.absent),
        f"Every utterance answered: {'NO: ' + '; '.join(tables.problems) if tables.problems else 'yes'}",
        "",
    ]
    return "\n".join(lines)


def _wanted() -> tuple[Wanted, str]:
    """What to measure, and the name of the file of results; no name where it is only a part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [subject.name for subject in SUBJECTS]
    parser.add_argument("--provider", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument(
        "--model", nargs="+", metavar="DIR", help="one for each --provider, of the kind of the tiny one"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1")
    parser.add_argument("--made", choices=sorted(MADE), default="")
    parser.add_argument("--made-scale", type=float, default=1.0, help="of width and depth")
    parser.add_argument("--batches", default="1,2,4,8,16,32,64")
    parser.add_argument("--seconds", type=float, default=24.0, help="of audio in a round, about")
    parser.add_argument("--talkers", type=int, default=4)
    options = parser.parse_args()
    chosen = options.provider or ([MADE[options.made]] if options.made else names)
    if options.model and len(options.model) != len(chosen):
        parser.error(f"--model needs {len(chosen)} folders, one for each of {', '.join(chosen)}")
    if options.made and (options.model or chosen != [MADE[options.made]]):
        parser.error(f"--made {options.made} is for {MADE[options.made]} alone, and makes the model itself")
    by_name = {subject.name: subject for subject in SUBJECTS}
    folders = options.model or [None] * len(chosen)
    subjects = tuple(_with(by_name[name], folder) for name, folder in zip(chosen, folders, strict=True))
    batches = tuple(int(size) for size in options.batches.split(","))
    wanted = Wanted(
        subjects, options.device, batches, options.seconds, options.made, options.made_scale, options.talkers
    )
    is_part = bool(options.provider) or options.made_scale != 1
    return wanted, "" if is_part else "-".join(filter(None, (options.device.partition(":")[0], options.made)))


def _with(subject: Subject, folder: str | None) -> Subject:
    return msgspec.structs.replace(subject, settings={**subject.settings, "model": folder}) if folder else subject


def _count(seconds: float, batch: int) -> int:
    """Utterances of a round: enough for every stream, and no batch half full."""
    usual = sum(map(len, some(16))) / 16 / 2 / HUB_RATE
    waves = max(WAVES, round(seconds / usual / batch))
    return waves * batch


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
