"""Pipecat's speech-to-text services, unmodified."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pipecat.frames.frames import (
    ErrorFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
)
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.services.nvidia.stt import NvidiaSegmentedSTTService, NvidiaSTTService
from pipecat.services.openai.stt import OpenAIRealtimeSTTService, OpenAISTTService
from pipecat.services.stt_service import STTService
from pipecat.transcriptions.language import Language
from pipeline import final, interim, talking
from running import KEY, Hub
from utterances import FAST, FAST_PAUSE, FAST_SPEECH, PAUSE, SPEECH, said, silence, tone, words


def deepgram(hub: Hub, key: str = KEY, **more: Any) -> DeepgramSTTService:
    return DeepgramSTTService(api_key=key, base_url=hub.url, **more)


def openai(hub: Hub, key: str = KEY, **more: Any) -> OpenAISTTService:
    return OpenAISTTService(api_key=key, base_url=f"{hub.url}/v1", **more)


def realtime(hub: Hub, key: str = KEY, **more: Any) -> OpenAIRealtimeSTTService:
    return OpenAIRealtimeSTTService(api_key=key, base_url=f"{hub.url.replace('http', 'ws', 1)}/v1/realtime", **more)


def nvidia(hub: Hub, key: str = KEY, **more: Any) -> NvidiaSTTService:
    return NvidiaSTTService(server=hub.riva, use_ssl=False, api_key=key, **more)


def nvidia_files(hub: Hub, key: str = KEY, **more: Any) -> NvidiaSegmentedSTTService:
    return NvidiaSegmentedSTTService(server=hub.riva, use_ssl=False, api_key=key, **more)


async def test_deepgram(hub: Hub) -> None:
    async with talking(deepgram(hub)) as talk:
        await talk.say_as_one_turn(SPEECH)
        frames = await talk.until(TranscriptionFrame)
        assert final(frames) == [said()]
        assert said().startswith(interim(frames)[0])
        # Pipecat asks for the final of the turn, and takes only an answer to that for one.
        assert frames[-1].finalized is True


async def test_deepgram_where_the_hub_ended_the_utterance_before_pipecat_did(hub: Hub) -> None:
    async with talking(deepgram(hub)) as talk:
        await talk.say_as_one_turn(SPEECH + PAUSE)
        assert final(await talk.until(TranscriptionFrame)) == [said()]
        await talk.say_as_one_turn(silence(0.2) + SPEECH)
        # 3 s of the first turn, and the silence.
        assert final(await talk.until(TranscriptionFrame)) == [said(3.2)]


async def test_openai(hub: Hub) -> None:
    async with talking(openai(hub)) as talk:
        await talk.say_as_one_turn(SPEECH)
        assert final(await talk.until(TranscriptionFrame)) == [said()]
        await talk.say_as_one_turn(SPEECH)
        assert len(final(await talk.until(TranscriptionFrame))) == 1


@pytest.mark.parametrize("model", ["gpt-transcribe", "whisper-1"])
async def test_openai_with_everything_that_pipecat_can_ask_for(hub: Hub, model: str) -> None:
    settings = OpenAISTTService.Settings(
        model=model, language=Language.EN_US, prompt="Of numbers.", temperature=0.2, keywords=["Zermatt"]
    )
    async with talking(openai(hub, settings=settings, include_prob_metrics=True)) as talk:
        await talk.say_as_one_turn(SPEECH)
        assert final(await talk.until(TranscriptionFrame)) == [said()]


async def test_realtime_with_turns_of_pipecat(hub: Hub) -> None:
    # The blocks begin with the turn: half a second lies across one of them.
    turn = silence(0.5, FAST) + tone(1.0, FAST)
    async with talking(realtime(hub), rate=FAST) as talk:
        await talk.say_as_one_turn(turn)
        frames = await talk.until(TranscriptionFrame)
        assert final(frames) == [words(0.4, 1.6)]
        assert "".join(interim(frames)) == words(0.4, 1.6)
        await talk.say_as_one_turn(turn)
        assert final(await talk.until(TranscriptionFrame)) == [words(2.0, 3.2)]


async def test_realtime_with_turns_of_the_hub(hub: Hub) -> None:
    async with talking(realtime(hub, turn_detection={"type": "server_vad"}), rate=FAST) as talk:
        await talk.say(FAST_SPEECH + FAST_PAUSE)
        frames = await talk.until(TranscriptionFrame)
        assert final(frames) == [said()]
        assert {type(frame) for frame in frames} >= {ProposedUserStartedSpeakingFrame, ProposedUserStoppedSpeakingFrame}
        await talk.say(FAST_SPEECH + FAST_PAUSE)
        assert final(await talk.until(TranscriptionFrame)) == [said(2.8)]


async def test_realtime_at_the_rate_of_telephones(hub: Hub) -> None:
    async with talking(realtime(hub, turn_detection={"type": "server_vad"}), rate=8000) as talk:
        await talk.say(silence(0.6, 8000) + tone(1.0, 8000) + silence(1.2, 8000))
        assert said() in final(await talk.until(TranscriptionFrame))[0]


async def test_nvidia(hub: Hub) -> None:
    async with talking(nvidia(hub)) as talk:
        await talk.say(SPEECH + PAUSE)
        frames = await talk.until(TranscriptionFrame)
        assert final(frames) == [said()]
        assert said().startswith(interim(frames)[0].strip())
        await talk.say(SPEECH + PAUSE)
        assert final(await talk.until(TranscriptionFrame)) == [said(2.8)]


async def test_nvidia_with_everything_that_pipecat_can_ask_for(hub: Hub) -> None:
    settings = NvidiaSTTService.Settings(
        boosted_lm_words=["Zermatt"], word_time_offsets=True, speaker_diarization=True, diarization_max_speakers=2
    )
    async with talking(nvidia(hub, settings=settings)) as talk:
        await talk.say(SPEECH + PAUSE)
        assert final(await talk.until(TranscriptionFrame)) == [said()]


async def test_nvidia_with_whole_turns(hub: Hub) -> None:
    async with talking(nvidia_files(hub)) as talk:
        await talk.say_as_one_turn(SPEECH)
        assert final(await talk.until(TranscriptionFrame)) == [said()]


@pytest.mark.parametrize("service", [deepgram, realtime])
async def test_settings_change_while_the_pipeline_runs(hub: Hub, service: Callable[[Hub], STTService]) -> None:
    async with talking(stt := service(hub)) as talk:
        await talk.say_as_one_turn(SPEECH)
        assert len(final(await talk.until(TranscriptionFrame))) == 1
        await talk.change(stt.Settings(language=Language.DE))
        await talk.say_as_one_turn(SPEECH)
        assert len(final(await talk.until(TranscriptionFrame))) == 1


@pytest.mark.parametrize(
    ("service", "told"),
    [(deepgram, "401"), (openai, "401"), (realtime, "401"), (nvidia_files, "this key is not known")],
)
async def test_a_wrong_key_is_told(hub: Hub, service: Callable[[Hub, str], STTService], told: str) -> None:
    async with talking(service(hub, "wrong")) as talk:
        await talk.say_as_one_turn(SPEECH)
        assert told in (await talk.until(ErrorFrame))[-1].error
