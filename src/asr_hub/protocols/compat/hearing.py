"""A file of a client, heard at once: a session that lasts as long as one request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

from asr_hub.errors import UnsupportedAudio, unwrapped
from asr_hub.model import Hypothesis
from asr_hub.protocols.dialogue import Dialogue
from asr_hub.protocols.whole_audio import give_up, heard
from asr_hub.wire.conversation import Limits
from asr_hub.wire.messages import AnyServerMessage, Close, Final, Ready, Revision

CUT_OFF = "truncated-audio"
"""The error that comes after all the samples of a file that breaks off: what was said until there is worth having."""


T = TypeVar("T")


class Taken:
    """What a session says of a file: the newest reading of each utterance."""

    def __init__(self) -> None:
        self.session = ""
        self.provider = ""
        self._readings: dict[int, Hypothesis] = {}

    @property
    def readings(self) -> tuple[Hypothesis, ...]:
        """In the order of the utterances."""
        return tuple(self._readings[number] for number in sorted(self._readings))

    async def tell(self, message: AnyServerMessage) -> None:
        match message:
            case Ready():
                self.session, self.provider = message.session, message.provider
            case Final() | Revision():
                self._readings[message.utterance] = message.hypothesis
            case _:
                pass


async def hear_file(
    dialogue: Dialogue,
    samples: AsyncGenerator[bytes, None],
    tell: Callable[[AnyServerMessage], Awaitable[None]],
    *,
    limits: Limits,
    stopping: asyncio.Event,
    receive: Receive,
) -> int:
    """
    Hear the samples in a session that was started, as fast as it has room, and tell all that it says, `Ready` first.

    Returns how many samples per channel were heard. `receive` is that of the request, which has come whole: a client
    that goes away ends the session at once, as whatever ends this does. Raises HubError, also where the engine failed
    on an utterance: an answer that lacks words nobody knows of is no answer. ConnectionResetError: the client is gone.
    """
    speak = _speak(dialogue, samples, limits.max_audio_bytes)
    try:
        return await while_there(receive, heard(dialogue, speak, tell, stopping))
    finally:
        give_up(dialogue)
        await samples.aclose()


async def while_there(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """
    What `work` returns, for a client whose request has come whole; given up where the client goes away.

    Raises what `work` raises, and ConnectionResetError: the client is gone.
    """
    with unwrapped():
        async with asyncio.TaskGroup() as group:
            leaving = group.create_task(_leave(receive), name="file: client")
            try:
                return await work
            finally:
                leaving.cancel()


async def _speak(dialogue: Dialogue, samples: AsyncGenerator[bytes, None], most: int) -> None:
    try:
        async for pcm in samples:
            for at in range(0, len(pcm), most):
                await dialogue.hear(pcm[at : at + most])
    except UnsupportedAudio as error:
        if error.code != CUT_OFF:
            raise
    if not dialogue.is_over:
        dialogue.take(Close())


async def _leave(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    raise ConnectionResetError("the client is gone")
