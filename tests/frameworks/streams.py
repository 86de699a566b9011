"""Audio into LiveKit's plug-ins, and what they tell."""

from __future__ import annotations

import asyncio

from livekit import rtc
from livekit.agents import stt
from livekit.agents.types import APIConnectOptions
from utterances import RATE, pieces

AT_ONCE = APIConnectOptions(max_retry=0, timeout=20)
"""An error is told instead of tried again."""

START = stt.SpeechEventType.START_OF_SPEECH
INTERIM = stt.SpeechEventType.INTERIM_TRANSCRIPT
FINAL = stt.SpeechEventType.FINAL_TRANSCRIPT
END = stt.SpeechEventType.END_OF_SPEECH


def frame(pcm: bytes, rate: int = RATE) -> rtc.AudioFrame:
    return rtc.AudioFrame(pcm, rate, 1, len(pcm) // 2)


def say(stream: stt.RecognizeStream, pcm: bytes, rate: int = RATE) -> None:
    for piece in pieces(pcm, rate):
        stream.push_frame(frame(piece, rate))


async def until(stream: stt.RecognizeStream, *kinds: stt.SpeechEventType) -> list[stt.SpeechEvent]:
    """All events up to the last of these, which come in any order."""
    events: list[stt.SpeechEvent] = []
    async with asyncio.timeout(20):
        while not set(kinds) <= {event.type for event in events}:
            events.append(await anext(stream))
    return events


def texts(events: list[stt.SpeechEvent], kind: stt.SpeechEventType) -> list[str]:
    return [event.alternatives[0].text for event in events if event.type == kind]


def order(events: list[stt.SpeechEvent]) -> list[stt.SpeechEventType]:
    return [event.type for event in events if event.type in (START, FINAL, END)]
