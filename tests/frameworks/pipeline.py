"""One of Pipecat's services in a pipeline of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    STTUpdateSettingsFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.settings import STTSettings
from pipecat.services.stt_service import STTService
from pipecat.workers.runner import WorkerRunner
from utterances import RATE, pieces, silence


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
