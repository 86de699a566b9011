"""The tables of `benchmarks.engines`, in Markdown."""

from __future__ import annotations

import os
import platform
import statistics
from collections import Counter
from collections.abc import Sequence
from importlib import metadata
from typing import NamedTuple

from benchmarks.engine_alone import Heard
from benchmarks.engine_hub import Delays, Run, percentile
from benchmarks.engine_memory import Need, Short
from benchmarks.processes import gpus

LIVE = (
    "provider", "version", "device", "RTF finals, one by one", "RTF engine alone, one by one", "RTF with partials",
    "first partial ms p50, p95 (of)", "final ms p50, p95 (of)", "utterances",
)  # fmt: skip
FAST = (
    "provider", "at once", "utterances/s hub", "utterances/s engine", "RTFx hub", "RTFx engine", "speed hub / engine",
    "CPU hub / engine", "of it the hub's process", "same text",
)  # fmt: skip
MEMORY = (
    "provider", "RSS loaded, most (MiB)", "counted one by one, all at once", "budget", "what the provider said",
    "restarts", "failed tries", "answered",
)  # fmt: skip

_PACKAGES = ("faster-whisper", "ctranslate2", "funasr", "torch", "vosk", "sherpa-onnx", "transformers")
_TOLD = 4
"""Lines of one kind that are shown."""


class Rtf(NamedTuple):
    """CPU seconds for a second of audio, one utterance at a time."""

    hub: float
    alone: float


def table(heads: Sequence[str], rows: Sequence[str]) -> list[str]:
    return [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *rows, ""]


def machine() -> str:
    packages = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    load = f"load {os.getloadavg()[0]:.1f}"
    return (
        f"{', '.join(gpus()) or 'No GPU'}; {platform.machine()}, {os.cpu_count()} cores, {load}, "
        f"Python {platform.python_version()}; {packages}."
    )


def live_row(name: str, version: str, device: str, one: Rtf, delays: Delays) -> str:
    rtf = delays.engine_cpu_s / delays.audio_s
    return (
        f"| {name} | {version} | {device} | {one.hub:.4f} | {one.alone:.4f} | {rtf:.4f} "
        f"| {_delays(delays.first_ms)} | {_delays(delays.final_ms)} | {len(delays.final_ms)} |"
    )


def fast_row(name: str, batch: int, pairs: Sequence[tuple[Run, Heard]], audio: float, *, is_made: bool) -> str:
    count = len(pairs[0][0].texts)
    hub = count / statistics.median(run.wall_s for run, _ in pairs)
    engine = count / statistics.median(heard.wall_s for _, heard in pairs)
    wall = [heard.wall_s / run.wall_s for run, heard in pairs]
    cpu = [(run.engine_cpu_s + run.hub_cpu_s) / heard.cpu_s for run, heard in pairs]
    share = statistics.median(run.hub_cpu_s / (run.engine_cpu_s + run.hub_cpu_s) for run, _ in pairs)
    run, heard = pairs[0]
    same = sum(_bare(mine) == _bare(its) for mine, its in zip(run.texts, heard.texts, strict=True))
    each = audio / count
    text = "made" if is_made else f"{same} of {count}"
    return (
        f"| {name} | {batch} | {hub:.2f} | {engine:.2f} | {hub * each:.1f} | {engine * each:.1f} "
        f"| {_spread(wall)} | {_spread(cpu)} | {share:.0%} | {text} |"
    )


def memory_row(name: str, rss: tuple[float, float], need: Need | None, short: Short | None) -> str:
    """`need` is None for engines that hear one utterance at a time."""
    begin = f"| {name} | {rss[0]:.0f}, {rss[1]:.0f} |"
    if need is None:
        return f"{begin} - | - | hears one at a time | - | - | - |"
    begin = f"{begin} {need.one:.0f}, {need.many:.0f} |"
    if short is None:
        return f"{begin} - | nothing, and nothing failed, with the least that was tried | - | - | - |"
    # The first ones tell how it shrank; while it splits what failed, more follow.
    story = "; ".join(short.notes[:_TOLD]) + (f"; and {more} more" if (more := len(short.notes) - _TOLD) > 0 else "")
    failed = "; ".join(f"{count} x {why}" for why, count in Counter(short.failures).most_common(_TOLD))
    return (
        f"{begin} {short.budget_mb} | {story or 'nothing'} | {short.restarts} | {failed or 'none'} "
        f"| {short.answered} of {short.asked} |"
    )


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _delays(values: Sequence[float]) -> str:
    middle, late = percentile(values, 0.5), percentile(values, 0.95)
    return "none" if middle is None or late is None else f"{middle:.0f}, {late:.0f} ({len(values)})"


def _bare(text: str | None) -> str:
    return "".join((text or "").split())


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "is not here"
