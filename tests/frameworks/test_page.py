"""Each line that docs/how-to/clients/frameworks.md gives for a plug-in."""

from __future__ import annotations

import re

import pytest
from livekit.agents import stt
from livekit.plugins import deepgram, openai
from pipecat.frames.frames import TranscriptionFrame
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.services.nvidia.stt import NvidiaSegmentedSTTService, NvidiaSTTService
from pipecat.services.openai.stt import OpenAIRealtimeSTTService, OpenAISTTService
from pipecat.services.stt_service import STTService
from pipeline import final, talking
from running import KEY, ROOT, Hub
from streams import AT_ONCE, FINAL, frame, say, texts, until
from utterances import PAUSE, SPEECH, said

PAGE = (ROOT / "docs" / "how-to" / "clients" / "frameworks.md").read_text()
LINES = re.findall(r"^\| (?:Pipecat|LiveKit).*\| `(.+)` \|$", PAGE, re.MULTILINE)
PLUG_INS = {
    "DeepgramSTTService": DeepgramSTTService,
    "NvidiaSTTService": NvidiaSTTService,
    "NvidiaSegmentedSTTService": NvidiaSegmentedSTTService,
    "OpenAIRealtimeSTTService": OpenAIRealtimeSTTService,
    "OpenAISTTService": OpenAISTTService,
    "deepgram": deepgram,
    "openai": openai,
}


def test_there_is_a_line_for_each_plug_in() -> None:
    assert [re.match(r"[\w.]+", line)[0] for line in LINES] == [
        *("DeepgramSTTService", "OpenAISTTService", "OpenAIRealtimeSTTService"),
        *("NvidiaSTTService", "NvidiaSegmentedSTTService"),
        *("deepgram.STT", "openai.STT", "openai.STT"),
    ]


@pytest.mark.usefixtures("session")
@pytest.mark.parametrize("line", LINES)
async def test_each_line_is_all_that_its_plug_in_needs(hub: Hub, line: str) -> None:
    for written, real in (
        ("127.0.0.1:8765", hub.url.partition("//")[2]),
        ("127.0.0.1:50051", hub.riva),
        ('"none"', repr(KEY)),
    ):
        line = line.replace(written, real)
    plug_in: STTService | stt.STT = eval(line, dict(PLUG_INS))
    if isinstance(plug_in, STTService):
        async with talking(plug_in) as talk:
            await talk.say_as_one_turn(SPEECH)
            if isinstance(plug_in, NvidiaSTTService):
                await talk.say(PAUSE)
            heard = final(await talk.until(TranscriptionFrame))[0]
    elif plug_in.capabilities.streaming:
        async with plug_in.stream(conn_options=AT_ONCE) as stream:
            say(stream, SPEECH + PAUSE)
            heard = texts(await until(stream, FINAL), FINAL)[0]
    else:
        heard = (await plug_in.recognize(frame(SPEECH), conn_options=AT_ONCE)).alternatives[0].text
    assert said() in heard
    if isinstance(plug_in, openai.STT):
        await plug_in.aclose()
