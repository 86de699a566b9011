"""Raw audio that is all there, heard at once: a session that lasts as long as one call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from asr_hub.errors import ProtocolError, unwrapped
from asr_hub.model import AudioFormat
from asr_hub.protocols.dialogue import Dialogue
from asr_hub.protocols.grpc import translate
from asr_hub.protocols.whole_audio import give_up, heard
from asr_hub.v1 import asr_hub_pb2 as pb
from asr_hub.wire.conversation import Limits
from asr_hub.wire.messages import AnyServerMessage, Close, Final, Start, Warning

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

    async def tell(message: AnyServerMessage) -> None:
        match message:
            case Final() as final:
                translate.fill(answer.finals.add(), final, skip=("seq", "skipped"))
            case Warning() as warning:
                translate.fill(answer.warnings.add(), warning, skip=("seq", "skipped"))
            case _:
                pass

    try:
        dialogue.take(start)
        with unwrapped():
            speak = _speak(dialogue, start.format, audio, limits)
            answer.audio_offset = await heard(dialogue, speak, tell, stopping)
    finally:
        give_up(dialogue)
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
