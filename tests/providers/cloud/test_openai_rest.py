"""OpenAI's transcription requests by the real SDK, against a server that checks each of them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.providers.cloud.hearing import text
from tests.providers.cloud.openai_server import KEY, Fault, OpenAIServer, Refusal, running
from tests.providers.cloud.test_owed import speech

from asr_hub.errors import ConfigError, Overloaded, ProviderError, ProviderTimeout, ProviderUnavailable, TooLarge
from asr_hub.model import AudioFrame, Hypothesis, ProviderName
from asr_hub.providers.base import RecognitionOptions, Suppressed
from asr_hub.providers.cloud.openai_rest import OpenAIRest

pytestmark = pytest.mark.engine

RATE = 16_000
PCM = speech(RATE)
TEXT = text(PCM, RATE)
NAME = ProviderName("cloud")


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenAIServer]:
    monkeypatch.setenv("CLOUD_KEY", KEY)
    async with running() as server:
        yield server


async def started(server: OpenAIServer, **settings: Any) -> OpenAIRest:
    where = {"base_url": server.url, "api_key_env": "CLOUD_KEY", "max_retries": 0}
    provider = OpenAIRest(NAME, {**where, **settings})
    await provider.start()
    return provider


async def heard(server: OpenAIServer, options: RecognitionOptions | None = None, **settings: Any) -> Hypothesis:
    provider = await started(server, **settings)
    try:
        (final,) = await provider.transcribe(PCM, options or RecognitionOptions())
        return final
    finally:
        await provider.aclose()


async def listened(server: OpenAIServer, **settings: Any) -> list[Hypothesis]:
    provider = await started(server, **settings)
    try:
        async with provider.stream(RecognitionOptions(), {}) as stream:
            await stream.push(AudioFrame(PCM, 0))
            await stream.end_utterance()
            return [hypothesis async for hypothesis in stream]
    finally:
        await provider.aclose()


async def test_what_was_asked_for_is_in_the_request(server: OpenAIServer) -> None:
    options = RecognitionOptions(language="zh-TW", hotwords=("Frobnitz", " Zorba  tron ", "Frobnitz"))
    assert (await heard(server, options, prompt="Names:", temperature=0.2)).text == TEXT
    asked = server.asked[-1]
    assert (asked.pcm, asked.rate) == (PCM, RATE)
    assert asked.fields == {
        "model": ["gpt-4o-mini-transcribe"],
        "response_format": ["json"],
        "language": ["zh"],
        "prompt": ["Names: Frobnitz, Zorba tron"],
        "temperature": ["0.2"],
        "include[]": ["logprobs"],
    }


async def test_whisper_is_asked_for_words_and_gpt_transcribe_gets_keywords(server: OpenAIServer) -> None:
    options = RecognitionOptions(hotwords=("Frobnitz", "Zorbatron"))
    await heard(server, options, model="whisper-1")
    assert server.asked[-1].fields["timestamp_granularities[]"] == ["word", "segment"]
    assert server.asked[-1].fields["prompt"] == ["Frobnitz, Zorbatron"]
    await heard(server, options, model="gpt-transcribe")
    assert server.asked[-1].fields["keywords[]"] == ["Frobnitz", "Zorbatron"]
    assert "prompt" not in server.asked[-1].fields


async def test_telephone_audio_is_sent_as_it_is(server: OpenAIServer) -> None:
    assert (await heard(server, RecognitionOptions(sample_rate=8000))).text == text(PCM, 8000)
    assert server.asked[-1].rate == 8000


async def test_hotwords_that_do_not_fit_are_left_out_and_told(server: OpenAIServer) -> None:
    provider = await started(server)
    options = RecognitionOptions(hotwords=("short", "x" * 101, *(f"word number {i:03}" for i in range(90))))
    async with provider.stream(options, {}) as stream:
        await stream.push(AudioFrame(PCM, 0))
        await stream.end_utterance()
        _ = [hypothesis async for hypothesis in stream]
        (warning,) = stream.warnings
    await provider.aclose()
    assert "left out" in warning
    sent = server.asked[-1].fields["prompt"][0]
    assert sent.startswith("short, word number 000, ") and len(sent.replace(", ", "")) <= 800 and "xx" not in sent


@pytest.mark.parametrize(
    ("refusal", "kind", "words"),
    [
        (Refusal(401, f"Incorrect API key provided: {KEY}"), ProviderUnavailable, "CLOUD_KEY"),
        (Refusal(403, f"Project of {KEY} has no access"), ProviderUnavailable, "has no access"),
        (Refusal(429, "You exceeded your quota", "insufficient_quota"), ProviderUnavailable, "credit"),
        (Refusal(429, "Rate limit", "rate_limit_exceeded", "7"), Overloaded, "rate limit"),
        (Refusal(429, "Rate limit", "rate_limit_exceeded", "never"), Overloaded, "rate limit"),
        (Refusal(404, "The model does not exist", "model_not_found"), ProviderError, "does not exist"),
        (Refusal(400, f"Bad\n\x1b[31mfile of {KEY}"), ProviderError, r'400\): "Bad \[31mfile of \*\*\*"'),
        (Refusal(413, "Maximum content size"), TooLarge, "endpointing"),
        (Refusal(500, "x" * 10_000), ProviderError, "failed"),
        (Refusal(503, "busy", None, "3"), ProviderError, "busy"),
        (Refusal(504, "upstream"), ProviderTimeout, "upstream"),
    ],
)
@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe"])
async def test_a_refusal_has_its_own_error_and_no_key_in_it(
    server: OpenAIServer, model: str, refusal: Refusal, kind: type[Exception], words: str
) -> None:
    server.next.append(refusal)
    with pytest.raises(kind, match=words) as raised:
        await listened(server, model=model)
    assert type(raised.value) is kind and "cloud" in str(raised.value) and len(str(raised.value)) < 600
    assert KEY not in "".join(traceback.format_exception(raised.value))
    if isinstance(raised.value, Overloaded):
        assert raised.value.retry_after == (7.0 if refusal.retry_after == "7" else 5.0)
    assert server.requests == 1


async def test_a_server_error_is_tried_again_and_a_refused_key_is_not(server: OpenAIServer) -> None:
    server.next += [Refusal(500, retry_after="0.01"), Refusal(429, retry_after="0.01")]
    assert (await heard(server, max_retries=2)).text == TEXT
    assert server.requests == 3
    server.next.append(Refusal(401))
    with pytest.raises(ProviderUnavailable):
        await heard(server, max_retries=2)
    assert server.requests == 4


@pytest.mark.parametrize("fault", [Fault.MALFORMED, Fault.MISSHAPEN, Fault.DROP, Fault.REDIRECT])
async def test_an_answer_that_is_none_is_an_error(server: OpenAIServer, fault: Fault) -> None:
    server.next.append(fault)
    with pytest.raises(ProviderError, match="cloud"):
        await listened(server, model="whisper-1")


@pytest.mark.parametrize("fault", [Fault.MALFORMED, Fault.MISSHAPEN, Fault.DROP, Fault.NO_DONE, Fault.FAILED])
async def test_deltas_that_end_badly_are_an_error_after_what_was_heard(server: OpenAIServer, fault: Fault) -> None:
    server.next.append(fault)
    provider = await started(server)
    partials = []
    async with provider.stream(RecognitionOptions(), {}) as stream:
        await stream.push(AudioFrame(PCM, 0))
        await stream.end_utterance()
        with pytest.raises(ProviderError, match="out of luck" if fault is Fault.FAILED else "cloud"):
            async for hypothesis in stream:
                partials.append(hypothesis)
    await provider.aclose()
    assert partials and not any(partial.is_final for partial in partials)


@pytest.mark.parametrize("fault", [Fault.UNKNOWN_EVENT, Fault.LATE_DELTA])
async def test_what_is_not_known_or_comes_too_late_is_passed_over(server: OpenAIServer, fault: Fault) -> None:
    server.next.append(fault)
    assert (await listened(server))[-1].text == TEXT


async def test_text_without_speech_is_kept_back_with_the_models_reason(server: OpenAIServer) -> None:
    provider = await started(server, model="whisper-1")
    server.next.append(Fault.PHANTOM)
    async with provider.stream(RecognitionOptions(), {}) as stream:
        await stream.push(AudioFrame(PCM, 0))
        await stream.end_utterance()
        (final,) = [hypothesis async for hypothesis in stream]
        suppressed = stream.suppressed
    await provider.aclose()
    assert (final.text, final.words, final.confidence) == ("", (), None)
    assert isinstance(suppressed, Suppressed) and suppressed.text == TEXT and "0.91" in suppressed.reason


async def test_words_that_do_not_come_are_told(server: OpenAIServer) -> None:
    provider = await started(server, model="local-whisper")
    server.next.append(Fault.NO_WORDS)
    async with provider.stream(RecognitionOptions(), {}) as stream:
        await stream.push(AudioFrame(PCM, 0))
        await stream.end_utterance()
        (final,) = [hypothesis async for hypothesis in stream]
        assert final.text == TEXT and not final.words and "word times" in stream.warnings[0]
    await provider.aclose()


async def test_an_utterance_that_is_too_long_is_refused_while_it_comes(server: OpenAIServer) -> None:
    provider = await started(server, max_upload_mb=0.1)
    with pytest.raises(TooLarge, match="endpointing"):
        async with provider.stream(RecognitionOptions(), {}) as stream:
            for at in range(1000):
                await stream.push(AudioFrame(bytes(32_000), at * RATE))
                await asyncio.sleep(0)
    await provider.aclose()
    assert server.requests == 0


async def test_at_the_start_the_key_is_tried(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = await started(server)
    assert await provider.self_test() == "7 models, gpt-4o-mini-transcribe among them"
    assert server.lists == 1 and server.requests == 0
    await provider.aclose()
    monkeypatch.setenv("CLOUD_KEY", "sk-wrong-key")
    with pytest.raises(ProviderUnavailable, match="CLOUD_KEY") as raised:
        await started(server)
    assert "sk-wrong-key" not in "".join(traceback.format_exception(raised.value))


async def test_a_server_without_a_list_of_models_will_do(server: OpenAIServer) -> None:
    server.models_answer = Refusal(404)
    provider = await started(server)
    assert "no list of models" in await provider.self_test()
    await provider.aclose()
    server.models_answer = Refusal(500)
    with pytest.raises(ProviderError, match="500"):
        await started(server)


async def test_a_server_of_ones_own_needs_no_key_and_gets_none_of_the_vendors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-vendor")
    async with running(key="no-key") as server:
        provider = OpenAIRest(NAME, {"base_url": server.url, "model": "local-model"})
        await provider.start()
        (final,) = await provider.transcribe(PCM, RecognitionOptions())
        assert final.text == TEXT
        await provider.aclose()


async def test_neither_proxy_nor_environment_takes_local_audio_elsewhere(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "OPENAI_BASE_URL"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    assert (await heard(server)).text == TEXT


async def test_the_vendor_is_the_vendor_whatever_the_environment_says(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    provider = OpenAIRest(NAME, {"self_test": "off"})
    await provider.start()
    assert str(provider.client.sdk.base_url) == "https://api.openai.com/v1/"
    await provider.aclose()


@pytest.mark.parametrize("value", [None, "", "  ", "sk-\u00e9", "sk-a\nb"])
async def test_the_vendor_is_not_asked_without_a_usable_key(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("OPENAI_API_KEY", value)
    with pytest.raises(ProviderUnavailable, match="OPENAI_API_KEY"):
        await OpenAIRest(NAME, {}).start()


async def test_without_the_sdk_it_says_what_to_install(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ProviderUnavailable, match=r"pip install 'asr-hub\[openai\]'"):
        await started(server)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"api_key": KEY}, "environment"),
        ({"token": KEY}, "environment"),
        ({"api_key_env": KEY}, "NAME"),
        ({"api_key_env": "lowercase"}, "NAME"),
        ({"base_url": f"https://user:{KEY}@example.org/v1"}, "password"),
        ({"base_url": "ftp://example.org"}, "http"),
        ({"base_url": "http://[::1"}, "URL"),
        ({"base_url": "http://127.0.0.1:99999/v1"}, "URL"),
        ({"model": "gpt-4o-transcribe-diarize"}, "speakers"),
        ({"max_streams": 0}, "max_streams"),
        ({"max_retries": -1}, "max_retries"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"answer": "loud"}, "answer"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_wrong_settings_are_named_and_keys_in_them_are_not_shown(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as raised:
        OpenAIRest(NAME, settings)
    assert KEY not in str(raised.value)


def test_the_models_name_says_what_it_can_do_and_the_settings_may_say_otherwise() -> None:
    def can(**settings: Any) -> tuple[bool, bool, bool]:
        able = OpenAIRest(NAME, settings).capabilities
        return able.partials, able.words, able.confidence

    assert can() == (True, False, True)
    assert can(model="gpt-transcribe") == (True, False, False)
    assert can(model="Systran/faster-whisper-small") == (False, True, True)
    assert can(model="parakeet") == (False, False, False)
    assert can(model="parakeet", answer="words") == (False, True, True)
    assert can(model="my-whisper", answer="text") == (False, False, False)


def test_importing_the_providers_imports_no_sdk() -> None:
    modules = ", ".join(f"asr_hub.providers.cloud.{name}" for name in ("openai_rest", "openai_realtime", "google"))
    check = "not {'openai', 'google.cloud', 'google.auth', 'grpc', 'soundfile'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", f"import sys, {modules}; assert {check}"], check=True)
