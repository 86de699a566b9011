"""Audio that is all there, heard at once: a session that lasts as long as one request or call."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from asr_hub.errors import Conflict, HubError, Overloaded, error_of
from asr_hub.protocols.dialogue import Dialogue
from asr_hub.wire.messages import AnyServerMessage, Closed, Error


async def heard(
    dialogue: Dialogue,
    speak: Coroutine[Any, Any, None],
    tell: Callable[[AnyServerMessage], Awaitable[None]],
    stopping: asyncio.Event,
) -> int:
    """
    What `speak` says into a session that was started, told to its end, `Ready` first; `speak` closes it.

    Returns how many samples per channel were heard. Raises what `speak` raises in a group, and HubError, also where the
    engine failed on an utterance: an answer that lacks words nobody knows of is no answer.
    """
    async with asyncio.TaskGroup() as group:
        others = (
            group.create_task(speak, name="whole audio: speak"),
            group.create_task(_stop(stopping), name="whole audio: stop"),
        )
        samples = await _collect(dialogue, tell)
        for other in others:
            other.cancel()
    return samples


def give_up(dialogue: Dialogue) -> None:
    """Nobody waits for this session any more."""
    attachment = dialogue.attachment
    if attachment is not None and not attachment.is_over:
        # Somebody may have taken it over, who does wait for it.
        with contextlib.suppress(Conflict):
            attachment.abandon()
    dialogue.leave()


async def _stop(stopping: asyncio.Event) -> None:
    await stopping.wait()
    raise Overloaded("the hub restarts; ask again", code="shutting-down", retry_after=1.0)


async def _collect(dialogue: Dialogue, tell: Callable[[AnyServerMessage], Awaitable[None]]) -> int:
    samples = 0
    while messages := await dialogue.read():
        for encoded in messages:
            message = _decoder.decode(encoded)
            match message:
                case Error():
                    raise error_of(message.code, message.message)
                case Closed(reason="close", audio_offset=samples):
                    pass
                case Closed(reason="shutdown"):
                    raise Overloaded("the hub shuts down; ask another, or come back later", code="draining")
                case Closed():
                    reason = message.reason
                    raise HubError(f"the session was closed before all was heard ({reason}); try again", retryable=True)
            await tell(message)
    return samples


_decoder: msgspec.json.Decoder[AnyServerMessage] = msgspec.json.Decoder(AnyServerMessage)
