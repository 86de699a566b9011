"""What torch raises, as what it means to the host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from asr_hub.errors import OutOfMemory
from asr_hub.providers.host.engine import Broken

_NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "alloc_failed",
    # oneDNN's.
    "could not create a primitive",
)
_DEVICE_LOST = (
    "unspecified launch failure",
    "device-side assert",
    "illegal memory access",
    "cuda error",
    "cudnn_status",
)


@contextmanager
def told() -> Iterator[None]:
    """
    Raise `OutOfMemory` where memory ran out, and `Broken` where the device cannot be used any more.

    torch has one type for both, and for mistakes: RuntimeError. A CUDA error is reported by whatever call comes next
    and is never healed in the same process.
    """
    try:
        yield
    except MemoryError as exc:
        raise OutOfMemory("the engine has no memory for this batch") from exc
    except RuntimeError as exc:
        said = str(exc).lower()
        # Memory first: its message may begin with `CUDA error` as well.
        if any(part in said for part in _NO_MEMORY):
            raise OutOfMemory(f"the device has no memory for this batch: {_first_line(exc)}") from exc
        if any(part in said for part in _DEVICE_LOST):
            raise Broken(f"the device failed: {_first_line(exc)}") from exc
        raise


def _first_line(exc: Exception) -> str:
    return str(exc).partition("\n")[0][:200]
