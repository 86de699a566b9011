"""
What does a GPU give the engines that the hub batches: the same text as a CPU, at how many streams, how soon?

`python -m benchmarks.gpu [--subject NAME…] [--devices cpu,cuda] [--streams 1,16,64] [--cpu-streams 1,16]`
`                         [--threads N] [--alone] [--short MIB] [--folder DIR]`

* as fast as possible: N streams through the provider, finals only, no pause. RTFx: seconds of audio in a second.
  With `--alone`, on a GPU, at the most streams: against the engine driven by its own SDK in batches of as many.
* at the pace of speech: N people talk at the same time, with partials. First partial: from the first sample; final:
  from the last one; wall time. Busy: CPU seconds of the engine's process in a second, waiting for the GPU among them.
* with `--short`, on a GPU: the engine may take so much above its weights. Every utterance must be answered all the
  same.
* same text: of the utterances heard at the most streams on each device, how many read the same.

Models named `tiny` are the trained ones of the tests: their text means something, and they are too small to tell what
a GPU is worth. The others have the published shape and random weights: their times are real, their text is not.
Without a GPU it runs on the CPU alone, and says so. Exits with 1 where an utterance was not answered.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from tests.contract.cases import MODELS

from asr_hub.errors import HubError
from asr_hub.model import HUB_RATE
from asr_hub.providers.base import Condition, State
from asr_hub.providers.hosted import Hosted
from benchmarks.engine_alone import Alone
from benchmarks.engine_hub import Run, as_fast_as_possible, at_the_pace_of_speech, percentile, started
from benchmarks.engine_models import SUBJECTS as TINY
from benchmarks.engine_models import TOKENS, Subject, some
from benchmarks.engine_tables import machine, table
from benchmarks.processes import gpus, memory_mb

SOON_S = 5.0
FEWEST = 3
"""Utterances of one talker."""

_LOOK_S = 0.1

_FASTER = next(subject.settings for subject in TINY if subject.kind == "faster-whisper")
_MADE = ("paraformer-large-streaming", "paraformer-large", "sense-voice-small")
_WHISPER = {"max_new_tokens": TOKENS}

SUBJECTS: dict[str, Subject] = {
    **{
        name: Subject(name=name, kind="funasr", settings={"model": MODELS / name})
        for name in ("tiny-paraformer-streaming", "tiny-paraformer", "tiny-sensevoice")
    },
    **{name: Subject(name=name, kind="funasr", is_made=True) for name in _MADE},
    **{
        name: Subject(name=name, kind="transformers", settings=_WHISPER, is_made=True)
        for name in ("whisper-small", "whisper-large-v3-turbo", "whisper-large-v3")
    },
    "tiny-whisper": Subject(name="tiny-whisper", kind="faster-whisper", settings=_FASTER),
    "faster-whisper-large-v3-turbo": Subject(
        name="faster-whisper-large-v3-turbo",
        kind="faster-whisper",
        settings={key: value for key, value in _FASTER.items() if key != "model"},
        is_made=True,
    ),
}
SLOW = ("whisper-large-v3", "faster-whisper-large-v3-turbo")
"""Only where they are asked for."""

GPU_ONLY = ("whisper-large-v3-turbo", *SLOW)
"""A CPU takes seconds for each utterance: not measured there where there is a GPU."""

FAST = (
    "device", "streams", "utterances", "utterances/s", "RTFx", "engine's CPU s for a second of audio",
    "engine alone RTFx", "hub / alone",
)  # fmt: skip
LIVE = (
    "device", "streams", "first partial ms p50, p95 (of)", "final ms p50, p95 (of)", "busy", "streams if all busy",
)  # fmt: skip


class Wanted(NamedTuple):
    """What was asked for on the command line."""

    names: tuple[str, ...]
    devices: tuple[str, ...]
    streams: tuple[int, ...]
    cpu_streams: tuple[int, ...]
    threads: int
    is_compared: bool
    """Whether the engine is also driven alone."""
    short_mb: int
    """MiB on top of the weights, for those that have too little. 0: not tried."""
    folder: str
    """Where made models stay for the next run. Empty: they do not."""

    def streams_on(self, device: str) -> tuple[int, ...]:
        return self.cpu_streams if device == "cpu" else self.streams


class Place(NamedTuple):
    """A model on a device."""

    subject: Subject
    device: str
    budget_mb: int = 0
    """0: as much as there is."""


class Engine(NamedTuple):
    """Loaded."""

    provider: Hosted
    told: list[Condition]
    """What the provider has said."""
    alone: Alone | None
    """The same engine by its own SDK."""


class Rows(NamedTuple):
    """Of one model."""

    fast: list[str]
    live: list[str]
    notes: list[str]
    texts: dict[str, list[str | None]]
    """By device."""
    problems: list[str]

    def add(self, table: list[str], row: str) -> None:
        """Shown at once, too: whoever breaks a run off keeps what is there."""
        table.append(row)
        _tell(row)

    def note(self, line: str) -> None:
        self.add(self.notes, line)


def main() -> int:
    wanted = _wanted()
    os.environ.update({"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"})
    print("# benchmarks.gpu", *(__doc__ or "").splitlines(), "", sep="\n")
    without = "" if gpus() else " There is no GPU here: the CPU alone is measured."
    print(f"{machine()} {wanted.threads} threads on the CPU.{without}\n", flush=True)
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        models = _models(wanted, Path(wanted.folder or folder))
        asyncio.run(_measure(wanted, models, problems))
    print(f"Every utterance answered: {'NO: ' + '; '.join(problems) if problems else 'yes'}")
    return 1 if problems else 0


async def _measure(wanted: Wanted, models: Mapping[str, Path], problems: list[str]) -> None:
    """One engine after the other: those that load meanwhile would take the cores of the one that is measured."""
    for name in wanted.names:
        rows = Rows([], [], [], {}, problems)
        for place in _places(name, models[name], wanted):
            async with AsyncExitStack() as stack:
                try:
                    engine = await _enter(stack, place, wanted)
                except HubError as exc:
                    rows.note(f"{place.device}: not measured: {exc}")
                    continue
                if place.budget_mb:
                    await _short(place, engine, wanted, rows)
                else:
                    await _on(place, engine, wanted, rows)
        print(_section(name, rows), flush=True)


def _places(name: str, model: Path, wanted: Wanted) -> Iterator[Place]:
    for device in wanted.devices[name in GPU_ONLY and len(wanted.devices) > 1 :]:
        place = Place(_placed(SUBJECTS[name], model, device), device)
        yield place
        if wanted.short_mb and device != "cpu":
            weights = sum(file.stat().st_size for file in model.glob("model.*")) >> 20
            yield place._replace(budget_mb=weights + wanted.short_mb)


def _placed(subject: Subject, model: Path, device: str) -> Subject:
    settings = {**subject.settings, "model": os.fspath(model), "device": device}
    if subject.is_made:
        settings["self_test"] = "answers"
    return msgspec.structs.replace(subject, settings=settings)


async def _enter(stack: AsyncExitStack, place: Place, wanted: Wanted) -> Engine:
    """Loaded, until `stack` is left. Raises HubError where it cannot run here."""
    most = max(wanted.streams_on(place.device))
    settings: dict[str, Any] = {"memory_mb": place.budget_mb} if place.budget_mb else {}
    if place.device == "cpu":
        settings["threads"] = wanted.threads
    told: list[Condition] = []
    began = time.perf_counter()
    provider = await stack.enter_async_context(started(place.subject, most, told.append, **settings))
    await as_fast_as_possible(provider, some(2), 1)
    alone = None
    if wanted.is_compared and place.device != "cpu" and not place.budget_mb:
        alone = stack.enter_context(Alone(place.subject))
        try:
            await asyncio.wrap_future(alone.hear(some(2), 1))
        except Exception as exc:  # noqa: BLE001 - each SDK raises its own; the hub is measured all the same
            _tell(f"{place.subject.name}: not without the hub: {type(exc).__name__}: {exc}")
            alone = None
    _tell(f"{place.subject.name} on {place.device}: loaded in {time.perf_counter() - began:.1f} s")
    return Engine(provider, told, alone)


async def _on(place: Place, engine: Engine, wanted: Wanted, rows: Rows) -> None:
    device, provider, name = place.device, engine.provider, place.subject.name
    streams = wanted.streams_on(device)
    one = most = _used(device, provider)
    runs: dict[int, tuple[Run, float]] = {}
    for count in streams:
        clips = some(max(FEWEST, 2 * count))
        if device != "cpu":
            # A GPU's libraries choose and load what they run when they first see a size.
            await as_fast_as_possible(provider, clips[:count], count)
        async with _watched(device, provider) as seen:
            run = await as_fast_as_possible(provider, clips, count)
        most = max(most, *seen)
        runs[count] = run, sum(map(len, clips)) / 2 / HUB_RATE
        if unheard := sum(text is None for text in run.texts):
            rows.problems.append(f"{name} on {device}, {count} at once: {unheard} not answered")
        ratio = await _alone(engine, clips, count) if engine.alone and count == max(streams) else None
        rows.add(rows.fast, _fast_row(device, count, *runs[count], ratio))
    rows.texts[device] = runs[max(streams)][0].texts
    rows.note(
        f"{device}: {provider.version}; memory with one utterance at a time {one:.0f} MiB, with {max(streams)} "
        f"{most:.0f} MiB"
    )
    for count in streams:
        rows.add(rows.live, await _live(device, provider, count, runs[count], wanted))


async def _live(device: str, provider: Hosted, count: int, fast: tuple[Run, float], wanted: Wanted) -> str:
    rtfx = fast[1] / fast[0].wall_s
    # Whole utterances are heard again for each partial; who cannot hear them once in their time is not asked to.
    if rtfx < count:
        return f"| {device} | {count} | falls behind: {rtfx:.1f} s of audio in a second | - | - | - |"
    began = time.perf_counter()
    delays = await at_the_pace_of_speech(provider, some(max(FEWEST, 2 * count)), count)
    busy = delays.engine_cpu_s / (time.perf_counter() - began)
    cores = wanted.threads if device == "cpu" else 1
    return (
        f"| {device} | {count} | {_delays(delays.first_ms)} | {_delays(delays.final_ms)} | {busy:.2f} "
        f"| {cores * delays.audio_s / delays.engine_cpu_s:.0f} |"
    )


async def _alone(engine: Engine, clips: Sequence[bytes], count: int) -> tuple[float, float]:
    """RTFx of the engine without the hub, and the hub's speed over it."""
    assert engine.alone is not None
    heard = await asyncio.wrap_future(engine.alone.hear(clips[:count], count))
    if heard.wall_s < SOON_S:
        # The first call of a size is slower, which counts in short ones.
        heard = await asyncio.wrap_future(engine.alone.hear(clips[:count], count))
    here = await as_fast_as_possible(engine.provider, clips[:count], count)
    audio = sum(map(len, clips[:count])) / 2 / HUB_RATE
    return audio / heard.wall_s, heard.wall_s / here.wall_s


async def _short(place: Place, engine: Engine, wanted: Wanted, rows: Rows) -> None:
    """With a budget little above the weights."""
    batch = max(wanted.streams_on(place.device))
    clips = some(2 * batch)
    run = await as_fast_as_possible(engine.provider, clips, batch)
    notes = [it.message for it in engine.told if it.code == "out-of-memory"]
    restarts = sum(it.state is State.FAILED for it in engine.told)
    answered = sum(text is not None for text in run.texts)
    story = f"{'; '.join(notes[:3])}; {len(notes)} in all" if notes else "nothing"
    rows.note(
        f"{place.device}, `memory_mb: {place.budget_mb}`, {batch} streams: the provider said: {story}; restarts "
        f"{restarts}, failed tries {len(run.failures)}{': ' + run.failures[0] if run.failures else ''}; answered "
        f"{answered} of {len(clips)} in {run.wall_s:.1f} s; "
        f"{_used(place.device, engine.provider):.0f} MiB of the device in use"
    )
    if answered < len(clips):
        rows.problems.append(f"{place.subject.name}, {place.budget_mb} MiB: {len(clips) - answered} not answered")


def _models(wanted: Wanted, folder: Path) -> dict[str, Path]:
    """Those that are not there are made in processes of their own: neither the SDK nor its memory stays here."""
    from benchmarks import gpu_models

    there = {name: Path(SUBJECTS[name].settings.get("model", folder / name)) for name in wanted.names}
    lacking = [name for name, model in there.items() if not model.is_dir()]
    if lacking:
        _tell(f"making {', '.join(lacking)}")
        with ProcessPoolExecutor(len(lacking), mp_context=get_context("spawn")) as pool:
            [*pool.map(gpu_models.make, lacking, map(there.get, lacking), [wanted.devices[-1]] * len(lacking))]
    return there


@asynccontextmanager
async def _watched(device: str, provider: Hosted) -> AsyncIterator[list[float]]:
    """MiB in use, looked at again and again meanwhile."""
    seen = [_used(device, provider)]

    async def look() -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            seen.append(await asyncio.to_thread(_used, device, provider))

    watching = asyncio.create_task(look())
    try:
        yield seen
    finally:
        watching.cancel()
        await asyncio.wait((watching,))
    seen.append(_used(device, provider))


def _used(device: str, provider: Hosted) -> float:
    """MiB of the device that the engine's process has; on the CPU, the most that it has had. 0: nobody tells."""
    if device == "cpu":
        return memory_mb(provider.pid, "VmHWM")
    asked = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    lines = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()
    taken = dict(line.split(", ") for line in lines if ", " in line)
    told = taken.get(str(provider.pid), "")
    return float(told) if told.isdecimal() else 0.0


def _fast_row(device: str, count: int, run: Run, audio: float, ratio: tuple[float, float] | None) -> str:
    alone, share = (f"{ratio[0]:.1f}", f"{ratio[1]:.2f}") if ratio else ("-", "-")
    return (
        f"| {device} | {count} | {len(run.texts)} | {len(run.texts) / run.wall_s:.1f} | {audio / run.wall_s:.1f} "
        f"| {run.engine_cpu_s / audio:.4f} | {alone} | {share} |"
    )


def _section(name: str, rows: Rows) -> str:
    lines = [f"## {name}", "", *table(FAST, rows.fast), *table(LIVE, rows.live)]
    lines += [f"* {note}" for note in rows.notes]
    if len(rows.texts) > 1:
        one, other = rows.texts.values()
        same = sum(mine == its for mine, its in zip(one, other, strict=False))
        lines.append(f"* same text on {' and '.join(rows.texts)}: {same} of {min(len(one), len(other))}")
    return "\n".join([*lines, ""])


def _delays(values: Sequence[float]) -> str:
    middle, late = percentile(values, 0.5), percentile(values, 0.95)
    return "none" if middle is None or late is None else f"{middle:.0f}, {late:.0f} ({len(values)})"


def _wanted() -> Wanted:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [name for name in SUBJECTS if name not in SLOW]
    parser.add_argument("--subject", nargs="+", choices=sorted(SUBJECTS), metavar="NAME", default=names)
    parser.add_argument("--devices", default="cpu,cuda", help="the first is what the last is compared with")
    parser.add_argument("--streams", default="1,16,64")
    parser.add_argument("--cpu-streams", default="1,16", help="on the CPU")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of an engine on the CPU")
    parser.add_argument("--alone", action="store_true", help="also the engine without the hub, on a GPU")
    parser.add_argument("--short", type=int, default=0, metavar="MIB", help="also with so much above the weights")
    parser.add_argument("--folder", default="", help="where made models stay for the next run")
    chosen: Any = parser.parse_args()
    devices = tuple(name for name in chosen.devices.split(",") if name == "cpu" or gpus())
    return Wanted(
        tuple(chosen.subject),
        devices or ("cpu",),
        _numbers(chosen.streams),
        _numbers(chosen.cpu_streams),
        chosen.threads,
        chosen.alone,
        chosen.short,
        chosen.folder,
    )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


def _tell(line: str) -> None:
    print(f"{time.perf_counter():8.1f} {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
