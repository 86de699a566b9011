"""The memory of an engine's process: held to a budget, and given back after a batch that was too large."""

from __future__ import annotations

import ctypes
import gc
import resource
import sys

from asr_hub.errors import ProviderUnavailable


def hold_to(megabytes: int) -> None:
    """Have the kernel refuse this process more memory. Raises ProviderUnavailable where it has more already."""
    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[5])
    taken = pages * resource.getpagesize() >> 20
    if taken >= megabytes:
        raise ProviderUnavailable(
            f"the model takes {taken} MiB and its budget is {megabytes} MiB; raise `memory_mb` or take a smaller model"
        )
    resource.setrlimit(resource.RLIMIT_DATA, (megabytes << 20, megabytes << 20))


def give_back() -> None:
    """Return to the system what a failed batch has left in the heap: it would be lacking to the smaller ones."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
