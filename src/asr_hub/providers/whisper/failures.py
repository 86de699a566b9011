"""What the engine's errors mean. CTranslate2 raises RuntimeError for everything; only the text tells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from asr_hub.errors import OutOfMemory, ProviderError
from asr_hub.providers.host.engine import Broken

_NO_MEMORY = ("out of memory", "bad_alloc", "alloc_failed", "cannot allocate memory", "mkl_malloc")
_BROKEN = ("cuda", "cublas", "cudnn", "driver", "launch failure", "device-side", "illegal memory access", "libcu")


@contextmanager
def named() -> Iterator[None]:
    """
    Give the errors of a call of the engine their meaning.

    OutOfMemory: a smaller batch may do. Broken: the device or its libraries fail, and the process with them. Anything
    else of the engine is a ProviderError.
    """
    try:
        yield
    except MemoryError as exc:
        raise OutOfMemory("no memory for this batch; set max_batch lower, or take a smaller model") from exc
    except RuntimeError as exc:
        raise _meaning(str(exc)) from exc
    except ValueError as exc:
        raise ProviderError(f"the engine refused its input: {exc}") from exc


def _meaning(message: str) -> Exception:
    lower = message.lower()
    if any(sign in lower for sign in _NO_MEMORY):
        return OutOfMemory(f"no memory for this batch ({message}); set max_batch lower, or take a smaller model")
    if any(sign in lower for sign in _BROKEN):
        return Broken(message)
    return ProviderError(f"the engine failed: {message}")
