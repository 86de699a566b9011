"""What a process may take that works on somebody else's file: memory, what it writes, time of a processor."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def confine(*, memory_bytes: int, file_bytes: int) -> None:
    """
    From here on: no more memory than so much beyond what it has (Linux), no larger file than so many bytes, no core.

    Call it when all that the process needs for itself is loaded.
    """
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, file_bytes)
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + memory_bytes)


def confine_cpu(seconds: float) -> None:
    """From here on so many seconds of a processor, until it is called again; then SIGXCPU ends the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft, hard = int(used.ru_utime + used.ru_stime + seconds) + 1, resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def peak_bytes() -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _limit(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))
