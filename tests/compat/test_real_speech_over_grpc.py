"""Real speech through the clients of Riva and Google, with one real engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import grpc
import pytest
import pytest_asyncio
import riva.client as riva
from google.cloud import speech_v1
from google.cloud.speech_v1.services.speech.transports import SpeechGrpcTransport
from tests.hubs import scripted
from tests.speech import clip, needs_clips

from asr_hub.app import Serving, serving

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.engine,
    pytest.mark.data,
    pytest.mark.asyncio(loop_scope="module"),
    needs_clips,
]

BEGIN = "go forward ten"
"""What the engine hears at the end of the clip depends on how it was cut."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Serving]:
    providers = {"sphinx": {"kind": "pocketsphinx"}}
    dialects = {"riva": {"port": 0}, "google": {"port": 0}}
    async with serving(scripted(provider="sphinx", providers=providers, dialects=dialects)) as running:
        yield running


def pcm() -> bytes:
    return clip("goforward.raw").pcm()


async def test_riva(hub: Serving) -> None:
    auth = riva.Auth(uri=f"127.0.0.1:{hub.dialects['riva']}")
    config = {"encoding": riva.AudioEncoding.LINEAR_PCM, "sample_rate_hertz": 16_000, "language_code": "en-US"}
    wanted = riva.StreamingRecognitionConfig(config=config, interim_results=True)
    audio = pcm()
    chunks = (audio[at : at + 3200] for at in range(0, len(audio), 3200))

    def hear() -> list[Any]:
        return list(riva.ASRService(auth).streaming_response_generator(chunks, wanted))

    with closing(auth.channel):
        responses = await asyncio.to_thread(hear)
    finals = [it.alternatives[0].transcript for one in responses for it in one.results if it.is_final]
    assert finals[0].startswith(BEGIN)


async def test_google(hub: Serving) -> None:
    address = f"127.0.0.1:{hub.dialects['google']}"
    config = {"encoding": "LINEAR16", "sample_rate_hertz": 16_000, "language_code": "en-US"}

    def hear(channel: Any) -> Any:
        client = speech_v1.SpeechClient(transport=SpeechGrpcTransport(host=address, channel=channel))
        return client.recognize(config=config, audio={"content": pcm()})

    with closing(grpc.insecure_channel(address)) as channel:
        answer = await asyncio.to_thread(hear, channel)
    assert answer.results[0].alternatives[0].transcript.startswith(BEGIN)
