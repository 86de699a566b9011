"""One call of an engine: an answer for each utterance, or why there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from asr_hub.errors import OutOfMemory
from asr_hub.providers.host.engine import Broken
from asr_hub.providers.host.memory import give_back

T = TypeVar("T")


def attempt(call: Callable[[], Sequence[T]], count: int, what: str) -> Sequence[T] | Exception:
    """
    What `call` answers for `count` utterances, which are called `what` where it answers for another number.

    An exception is given back, not raised, and holds nothing: the frames it comes from keep the batch in memory, which
    would be lacking to a smaller one. Lack of memory becomes `OutOfMemory`, whatever it was. Raises `Broken`.
    """
    try:
        answers = call()
    except Broken:
        raise
    except (OutOfMemory, MemoryError) as exc:
        failure: Exception = OutOfMemory(str(exc) or "the device has no memory for this utterance")
    except Exception as exc:  # noqa: BLE001 - the edge of an engine: its failure is told to the streams it concerns
        failure = exc.with_traceback(None)
        failure.__context__ = failure.__cause__ = None
    else:
        if len(answers) == count:
            return answers
        return RuntimeError(f"{count} {what} were given and {len(answers)} were answered")
    if isinstance(failure, OutOfMemory):
        give_back()
    return failure
