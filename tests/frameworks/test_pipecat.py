"""Pipecat's speech-to-text services, unmodified, in a pipeline of their own each."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    STTUpdateSettingsFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.services.nvidia.stt import NvidiaSegmentedSTTService, NvidiaSTTService
from pipecat.services.openai.stt import OpenAIRealtimeSTTService, OpenAISTTService
from pipecat.services.settings import STTSettings
from pipecat.services.stt_service import STTService
from pipecat.transcriptions.language import Language
from pipecat.workers.runner import WorkerRunner
from running import KEY, Hub

from speech import FAST, FAST_PAUSE, FAST_SPEECH, PAUSE, RATE, SPEECH, pieces, said, silence, tone, words


class Ear(FrameProcessor):
    """Notes what the service says to either side."""

    def __init__(self, heard: asyncio.Queue[Frame]) -> None:
        super().__init__()
        self._heard = heard

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, InputAudioRawFrame):
            self._heard.put_nowait(frame)
        await self.push_frame(frame, direction)


class Talk:
    """A pipeline that runs."""

    def __init__(self, worker: PipelineWorker, heard: asyncio.Queue[Frame], rate: int) -> None:
        self._worker = worker
        self._heard = heard
        self._rate = rate

    async def say(self, pcm: bytes) -> None:
        for piece in pieces(pcm, self._rate):
            await self._worker.queue_frame(InputAudioRawFrame(piece, sample_rate=self._rate, num_channels=1))

    async def say_as_one_turn(self, pcm: bytes) -> None:
        """The same, with what Pipecat's own VAD says around it, which is a little late on both sides."""
        late = 2 * round(0.8 * self._rate)
        await self.say(pcm[:late])
        await self._worker.queue_frame(VADUserStartedSpeakingFrame(start_secs=0.2))
        await self.say(pcm[late:] + silence(0.2, self._rate))
        await self._worker.queue_frame(VADUserStoppedSpeakingFrame(stop_secs=0.2))

    async def change(self, settings: STTSettings) -> None:
        await self._worker.queue_frame(STTUpdateSettingsFrame(delta=settings))

    async def until(self, kind: type[Frame], *, times: int = 1) -> list[Frame]:
        """All frames up to so many of this kind. No other error may be among them."""
        frames: list[Frame] = []
        async with asyncio.timeout(20):
            while sum(isinstance(frame, kind) for frame in frames) < times:
                frames.append(await self._heard.get())
                assert isinstance(frames[-1], kind) or not isinstance(frames[-1], ErrorFrame), frames[-1]
        return frames


@contextlib.asynccontextmanager
async def talking(service: STTService, *, rate: int = RATE) -> AsyncIterator[Talk]:
    heard: asyncio.Queue[Frame] = asyncio.Queue()
    worker = PipelineWorker(
        Pipeline([Ear(heard), service, Ear(heard)]),
        params=PipelineParams(audio_in_sample_rate=rate),
        cancel_on_idle_timeout=False,
        enable_rtvi=False,
    )
    started = asyncio.Event()

    @worker.event_handler("on_pipeline_started")
    async def _started(*_: object) -> None:
        started.set()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    try:
        async with asyncio.timeout(20):
            await started.wait()
        yield Talk(worker, heard, rate)
        await worker.queue_frame(EndFrame())
    except BaseException:
        await worker.cancel()
        raise
    finally:
        async with asyncio.timeout(20):
            await running


def final(frames: Sequence[Frame]) -> list[str]:
    """Riva ends each with a space."""
    return [frame.text.strip() for frame in frames if isinstance(frame, TranscriptionFrame)]


def interim(frames: Sequence[Frame]) -> list[str]:
    return [frame.text for frame in frames if isinstance(frame, InterimTranscriptionFrame)]


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
