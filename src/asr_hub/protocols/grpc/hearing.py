"""Raw audio that is all there, heard at once: a session that lasts as long as one call."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from asr_hub.errors import Conflict, HubError, Overloaded, ProtocolError, error_of, unwrapped
from asr_hub.model import AudioFormat
from asr_hub.protocols.dialogue import Dialogue
from asr_hub.protocols.grpc import translate
from asr_hub.v1 import asr_hub_pb2 as pb
from asr_hub.wire.conversation import Limits
from asr_hub.wire.messages import Close, Closed, Error, Final, Start, Warning

PIECE_S = 1.0
"""Seconds of audio that the session is given at a time."""


async def hear_whole(
    dialogue: Dialogue, start: Start, audio: bytes, *, limits: Limits, stopping: asyncio.Event
) -> pb.RecognizeResponse:
    """
    Open a session, hear the audio as fast as there is room, and give all finals when it is closed.

    Whatever ends the wait ends the session: what it has not heard is dropped. Raises HubError, also where the engine
    failed on an utterance: an answer that lacks words nobody knows of is no answer.
    """
    if not audio:
        raise ProtocolError("there is no audio; put raw samples into `audio`", code="empty-audio")
    answer = pb.RecognizeResponse()
    try:
        dialogue.take(start)
        with unwrapped():
            async with asyncio.TaskGroup() as group:
                others = (
                    group.create_task(_speak(dialogue, start.format, audio, limits), name="grpc speak"),
                    group.create_task(_stop(stopping), name="grpc stop"),
                )
                await _collect(dialogue, answer)
                for other in others:
                    other.cancel()
    finally:
        _give_up(dialogue)
    return answer


async def _speak(dialogue: Dialogue, format: AudioFormat, audio: bytes, limits: Limits) -> None:
    for piece in pieces(audio, format, limits.max_audio_bytes):
        await dialogue.hear(piece)
    if not dialogue.is_over:
        dialogue.take(Close())


def pieces(audio: bytes, format: AudioFormat, most: int) -> Iterator[bytes]:
    """The audio in order, cut between samples, in pieces of at most `most` bytes."""
    frame = format.bytes_per_frame
    size = max(min(int(PIECE_S * format.sample_rate) * frame, most // frame * frame), frame)
    for at in range(0, len(audio), size):
        yield audio[at : at + size]


async def _stop(stopping: asyncio.Event) -> None:
    await stopping.wait()
    raise Overloaded("the hub restarts; ask again", code="shutting-down", retry_after=1.0)


async def _collect(dialogue: Dialogue, answer: pb.RecognizeResponse) -> None:
    while messages := await dialogue.read():
        for encoded in messages:
            match translate.decode(encoded):
                case Final() as final:
                    translate.fill(answer.finals.add(), final, skip=("seq", "skipped"))
                case Warning() as warning:
                    translate.fill(answer.warnings.add(), warning, skip=("seq", "skipped"))
                case Error() as error:
                    raise error_of(error.code, error.message)
                case Closed(reason="close", audio_offset=offset):
                    answer.audio_offset = offset
                case Closed(reason="shutdown"):
                    raise Overloaded("the hub shuts down; ask another, or come back later", code="draining")
                case Closed(reason=reason):
                    raise HubError(f"the session was closed before all was heard ({reason}); try again", retryable=True)
                case _:
                    pass


def _give_up(dialogue: Dialogue) -> None:
    """Nobody waits for this session any more."""
    attachment = dialogue.attachment
    if attachment is not None and not attachment.is_over:
        # Somebody may have taken it over, who does wait for it.
        with contextlib.suppress(Conflict):
            attachment.abandon()
    dialogue.leave()
