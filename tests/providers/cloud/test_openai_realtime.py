"""OpenAI's Realtime transcription by the real SDK, against a server that checks every message."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.providers.cloud.hearing import text
from tests.providers.cloud.openai_server import KEY, Fault, OpenAIServer, Refusal, running
from tests.providers.cloud.test_owed import speech

from asr_hub.errors import ConfigError, Overloaded, ProviderError, ProviderUnavailable
from asr_hub.model import AudioFrame, Hypothesis, ProviderName
from asr_hub.providers.base import RecognitionOptions
from asr_hub.providers.cloud.openai_realtime import OpenAIRealtime
from asr_hub.providers.cloud.stream import BACKLOG_S

pytestmark = pytest.mark.engine

RATE = 24_000
PCM = speech(RATE)
TEXT = text(PCM, RATE)


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenAIServer]:
    monkeypatch.setenv("CLOUD_KEY", KEY)
    async with running() as server:
        yield server


async def started(server: OpenAIServer, **settings: Any) -> OpenAIRealtime:
    where = {"base_url": server.url, "api_key_env": "CLOUD_KEY"}
    provider = OpenAIRealtime(ProviderName("cloud"), {**where, **settings})
    await provider.start()
    return provider


async def listened(
    server: OpenAIServer, options: RecognitionOptions | None = None, **settings: Any
) -> tuple[list[Hypothesis], list[str]]:
    provider = await started(server, **settings)
    try:
        async with provider.stream(options or RecognitionOptions(sample_rate=RATE), {}) as stream:
            await stream.push(AudioFrame(PCM, 0, RATE))
            await stream.end_utterance()
            return [hypothesis async for hypothesis in stream], list(stream.warnings)
    finally:
        await provider.aclose()


async def test_the_session_is_configured_as_asked(server: OpenAIServer) -> None:
    options = RecognitionOptions(sample_rate=RATE, language="en-GB", hotwords=("Frobnitz", "Zorbatron"))
    hypotheses, warnings = await listened(server, options, prompt="Names:")
    assert hypotheses[-1].text == TEXT and warnings == []
    session = server.sessions[-1]
    assert session["audio"]["input"]["transcription"] == {
        "model": "gpt-4o-mini-transcribe",
        "language": "en",
        "prompt": "Names: Frobnitz, Zorbatron",
    }
    assert session["include"] == ["item.input_audio_transcription.logprobs"]


async def test_each_model_gets_hotwords_as_it_takes_them(server: OpenAIServer) -> None:
    options = RecognitionOptions(sample_rate=RATE, hotwords=("Frobnitz",))
    await listened(server, options, model="gpt-transcribe", prompt="Names:")
    expected = {"model": "gpt-transcribe", "keywords": ["Frobnitz"], "prompt": "Names:"}
    assert server.sessions[-1]["audio"]["input"]["transcription"] == expected
    _, warnings = await listened(server, options, model="gpt-realtime-whisper", delay="low")
    expected = {"model": "gpt-realtime-whisper", "delay": "low"}
    assert server.sessions[-1]["audio"]["input"]["transcription"] == expected
    assert warnings == ["gpt-realtime-whisper takes no hotwords"]


async def test_partials_grow_and_what_they_say_stays(server: OpenAIServer) -> None:
    (*partials, final), _ = await listened(server)
    assert [partial.text for partial in partials] == [" ".join(TEXT.split()[: n + 1]) for n in range(7)]
    assert all(partial.stable == len(partial.text) for partial in partials)
    assert final.confidence == pytest.approx(0.905, abs=0.001)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault.DROP, "lost"),
        (Fault.MALFORMED, "no event"),
        (Fault.MISSHAPEN, "no event"),
        (Fault.FAILED, "out of luck"),
    ],
)
async def test_a_conversation_that_goes_wrong_is_an_error(server: OpenAIServer, fault: Fault, words: str) -> None:
    server.next.append(fault)
    with pytest.raises(ProviderError, match=words) as raised:
        await listened(server)
    assert "cloud" in str(raised.value)


async def test_a_server_that_ends_the_utterance_itself_is_found_out_while_people_speak(server: OpenAIServer) -> None:
    server.next.append(Fault.EARLY)
    provider = await started(server)
    async with provider.stream(RecognitionOptions(sample_rate=RATE), {}) as stream:
        await stream.push(AudioFrame(PCM, 0, RATE))
        with pytest.raises(ProviderError, match="cloud: the server ended the utterance by itself"):
            _ = [hypothesis async for hypothesis in stream]
        with pytest.raises(ProviderError, match="by itself"):
            await stream.push(AudioFrame(PCM, 0, RATE))
    await provider.aclose()


@pytest.mark.parametrize("fault", [Fault.UNKNOWN_EVENT, Fault.LATE_DELTA])
async def test_what_is_not_known_or_comes_too_late_is_passed_over(server: OpenAIServer, fault: Fault) -> None:
    server.next.append(fault)
    hypotheses, _ = await listened(server)
    assert hypotheses[-1].text == TEXT and "stray" not in hypotheses[0].text


async def test_a_final_that_does_not_come_is_waited_for_so_long(server: OpenAIServer) -> None:
    server.next.append(Fault.NO_DONE)
    with pytest.raises(ProviderError, match=r"within 0\.3 s") as raised:
        await listened(server, timeout_s=0.3, self_test="off")
    assert raised.value.code == "provider-timeout"


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (Refusal(401, KEY), ProviderUnavailable),
        (Refusal(403), ProviderUnavailable),
        (Refusal(429, retry_after="9"), Overloaded),
        (Refusal(500), ProviderError),
    ],
)
async def test_a_refused_connection_has_its_own_error(
    server: OpenAIServer, refusal: Refusal, kind: type[Exception]
) -> None:
    server.next.append(refusal)
    with pytest.raises(kind) as raised:
        await listened(server)
    assert type(raised.value) is kind and str(refusal.status) in str(raised.value) + "429"
    assert KEY not in "".join(traceback.format_exception(raised.value))
    if isinstance(raised.value, Overloaded):
        assert raised.value.retry_after == 9.0


async def test_an_error_event_is_told_in_the_servers_words(server: OpenAIServer) -> None:
    with pytest.raises(ProviderError, match="Invalid model"):
        await listened(server, model="no-such-model")
    assert len(server.complaints) == 1
    server.complaints.clear()


async def test_a_server_that_stops_reading_stops_the_speaker(server: OpenAIServer) -> None:
    provider = await started(server)
    second = bytes(2 * RATE)
    async with provider.stream(RecognitionOptions(sample_rate=RATE), {}) as stream:
        # The audio that waits is bounded: the connection is not made yet, and nothing else runs.
        pushed = 0

        async def push() -> None:
            nonlocal pushed
            for at in range(10 * BACKLOG_S):
                await stream.push(AudioFrame(second, at * RATE, RATE))
                pushed += 1

        pushing = asyncio.create_task(push())
        await asyncio.sleep(0)
        assert pushed == BACKLOG_S
        pushing.cancel()
        await asyncio.wait((pushing,))
    await provider.aclose()


async def test_a_local_server_is_reached_without_a_proxy(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    hypotheses, _ = await listened(server)
    assert hypotheses[-1].text == TEXT


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"api_key": KEY}, "environment"),
        ({"model": "gpt-4o-transcribe-diarize"}, "speakers"),
        ({"delay": "soon"}, "delay"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as raised:
        OpenAIRealtime(ProviderName("cloud"), settings)
    assert KEY not in str(raised.value)
