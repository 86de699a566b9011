"""Google Speech-to-Text by the real SDK, against a gRPC server that checks every message."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.providers.cloud.google_server import Fault, GoogleServer, Refusal, running
from tests.providers.cloud.hearing import hear, text
from tests.providers.cloud.test_owed import speech

from asr_hub.errors import ConfigError, Overloaded, ProviderError, ProviderTimeout, ProviderUnavailable
from asr_hub.model import AudioFrame, Hypothesis, ProviderName
from asr_hub.providers.base import RecognitionOptions
from asr_hub.providers.cloud.google import Google

pytestmark = pytest.mark.engine

RATE = 16_000
PCM = speech(RATE)
TEXT = text(PCM, RATE)
Code = grpc.StatusCode


@pytest.fixture
async def server() -> AsyncIterator[GoogleServer]:
    async with running() as server:
        yield server


async def listened(
    server: GoogleServer, options: RecognitionOptions | None = None, pcm: bytes = PCM, **settings: Any
) -> list[Hypothesis]:
    where = {"project": "a-project", "api_endpoint": server.endpoint}
    provider = Google(ProviderName("cloud"), {**where, **settings})
    await provider.start()
    try:
        async with provider.stream(options or RecognitionOptions(), {}) as stream:
            await stream.push(AudioFrame(pcm, 0, (options or RecognitionOptions()).sample_rate))
            await stream.end_utterance()
            return [hypothesis async for hypothesis in stream]
    finally:
        await provider.aclose()


async def test_the_stream_is_configured_as_asked(server: GoogleServer) -> None:
    options = RecognitionOptions(language="de-DE", hotwords=("Frobnitz", "x" * 101), sample_rate=8000)
    final = (await listened(server, options, model="chirp_2", location="us-central1", boost=5))[-1]
    assert (final.text, final.language) == (text(PCM, 8000), "de-DE")
    (asked,) = server.asked
    config = asked.config
    assert asked.recognizer == "projects/a-project/locations/us-central1/recognizers/_"
    assert (config.model, list(config.language_codes)) == ("chirp_2", ["de-DE"])
    assert config.explicit_decoding_config.sample_rate_hertz == 8000
    assert config.features.enable_word_time_offsets and not config.features.enable_word_confidence
    ((phrase,),) = [phrase_set.inline_phrase_set.phrases for phrase_set in config.adaptation.phrase_sets]
    assert (phrase.value, phrase.boost) == ("Frobnitz", 5.0)


async def test_a_weight_is_a_boost_within_what_the_server_takes(server: GoogleServer) -> None:
    weights = {"a  b": 1.5, "c": 9.0, "d": 0.5}
    options = RecognitionOptions(hotwords=("a  b", "c", "d", "e"), hotword_weights=weights)
    await listened(server, options, boost=4)
    (phrases,) = [found.inline_phrase_set.phrases for found in server.asked[-1].config.adaptation.phrase_sets]
    assert [(phrase.value, phrase.boost) for phrase in phrases] == [("a b", 6.0), ("c", 20.0), ("d", 2.0), ("e", 4.0)]


async def test_a_session_without_a_language_hears_those_of_the_settings(server: GoogleServer) -> None:
    await listened(server, language_codes=["en-GB", "fr-FR"])
    assert list(server.asked[-1].config.language_codes) == ["en-GB", "fr-FR"]


async def test_chirp_3_is_not_asked_for_word_times(server: GoogleServer) -> None:
    assert (await listened(server, model="chirp_3"))[-1].words == ()


async def test_results_that_end_within_the_utterance_are_one_final(server: GoogleServer) -> None:
    pcm = speech(RATE, 2.7)
    *partials, final = await listened(server, pcm=pcm)
    words = final.text.split()
    assert final.text == text(pcm, RATE) and len(words) == 14
    assert final.confidence == 0.5 and all(word.confidence == 0.75 for word in final.words)
    shown = [partial.text for partial in partials]
    assert {" ".join(words[:n]) for n in range(1, 14)} <= set(shown)
    (newest,) = [partial for partial in partials if len(partial.text.split()) == 13]
    assert newest.text[: newest.stable].split() == words[:12]


@pytest.mark.parametrize("seconds", [2.0, 2.1, 4.0, 5.3])
async def test_an_utterance_too_long_for_one_stream_goes_on_in_another(server: GoogleServer, seconds: float) -> None:
    pcm = speech(RATE, seconds)
    final = (await listened(server, pcm=pcm, max_stream_s=2.0))[-1]
    expected = []
    for at in range(0, len(pcm), 4 * RATE):
        shift = at // 2 * 1000 // RATE
        words = hear(pcm[at : at + 4 * RATE], RATE)
        expected += [(word.text, shift + word.start, shift + word.end) for word in words]
    assert [(word.text, word.start, word.end) for word in final.words] == expected
    assert final.text == " ".join(word for word, _, _ in expected) and final.end == round(seconds * 1000)
    assert server.streams == -(-len(pcm) // (4 * RATE))


async def test_responses_that_say_nothing_are_passed_over(server: GoogleServer) -> None:
    server.next.append(Fault.EMPTY_RESPONSE)
    assert (await listened(server))[-1].text == TEXT


@pytest.mark.parametrize(
    ("refusal", "kind", "words"),
    [
        (Refusal(Code.UNAUTHENTICATED, "who?"), ProviderUnavailable, "GOOGLE_APPLICATION_CREDENTIALS"),
        (Refusal(Code.PERMISSION_DENIED, "speech.recognizers.recognize"), ProviderUnavailable, "speech.recognizers"),
        (Refusal(Code.RESOURCE_EXHAUSTED, "Quota exceeded"), Overloaded, "Quota exceeded"),
        (Refusal(Code.RESOURCE_EXHAUSTED, "Quota exceeded", 2.5), Overloaded, "Quota exceeded"),
        (Refusal(Code.INVALID_ARGUMENT, "model is unknown"), ProviderError, "model is unknown"),
        (Refusal(Code.UNAVAILABLE, "try later"), ProviderError, "try later"),
        (Refusal(Code.DEADLINE_EXCEEDED, "slow"), ProviderTimeout, "slow"),
        (Refusal(Code.INTERNAL, "broken"), ProviderError, "broken"),
    ],
)
async def test_a_refusal_has_its_own_error(
    server: GoogleServer, refusal: Refusal, kind: type[Exception], words: str
) -> None:
    server.next.append(refusal)
    with pytest.raises(kind, match=words) as raised:
        await listened(server)
    assert type(raised.value) is kind and "cloud" in str(raised.value)
    if isinstance(raised.value, Overloaded):
        assert raised.value.retry_after == (refusal.retry_after or 5.0)


async def test_a_stream_that_the_server_ends_too_soon_is_an_error(server: GoogleServer) -> None:
    server.next.append(Fault.EARLY_END)
    with pytest.raises(ProviderError, match="before the utterance was over"):
        await listened(server, pcm=speech(RATE, 30.0))


async def test_without_credentials_it_says_where_they_belong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for content in (None, "{", '{"type": "service_account"}'):
        file = tmp_path / "credentials.json"
        if content is not None:
            file.write_text(content)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        with pytest.raises(ProviderUnavailable, match="GOOGLE_APPLICATION_CREDENTIALS"):
            await Google(ProviderName("cloud"), {"project": "a-project"}).start()


async def test_without_the_sdk_it_says_what_to_install(server: GoogleServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud.speech_v2", None)
    with pytest.raises(ProviderUnavailable, match=r"pip install 'asr-hub\[google\]'"):
        await listened(server)


async def test_a_local_server_is_reached_without_a_proxy(server: GoogleServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("grpc_proxy", "http://127.0.0.1:9")
    assert (await listened(server))[-1].text == TEXT


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "project"),
        ({"project": "../else"}, "project"),
        ({"project": "p", "location": "a b"}, "location"),
        ({"project": "p", "credentials": "secret-of-mine"}, "GOOGLE_APPLICATION_CREDENTIALS"),
        ({"project": "p", "language_codes": []}, "language_codes"),
        ({"project": "p", "boost": 0}, "boost"),
        ({"project": "p", "max_stream_s": 301}, "max_stream_s"),
        ({"project": "p", "max_streams": 0}, "max_streams"),
        ({"project": "p", "self_test": "models"}, "self_test"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as raised:
        Google(ProviderName("cloud"), settings)
    assert "secret-of-mine" not in str(raised.value)


def test_a_region_has_its_own_address() -> None:
    assert Google(ProviderName("g"), {"project": "p"}).settings.endpoint == "speech.googleapis.com"
    there = Google(ProviderName("g"), {"project": "p", "location": "us-central1"}).settings.endpoint
    assert there == "us-central1-speech.googleapis.com"
