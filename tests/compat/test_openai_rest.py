"""OpenAI's REST API: the clients of OpenAI, unchanged, against the hub."""

from __future__ import annotations

import asyncio
import gc
import json
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import pytest_asyncio
from openai import APIError, AsyncOpenAI
from tests.audio_files import wav
from tests.hubs import scripted, until, until_empty
from tests.node import node
from tests.speech import clip, needs_clips, silence, tone

from asr_hub.access.keys import new_key
from asr_hub.app import Serving, serving
from asr_hub.store.slices.sessions import select_live_count

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

WORDS = ["one", "two", "three", "four", "five"]
SPOKEN = wav(tone(1.0) + silence(1.0) + tone(0.6) + silence(0.6))
"""Two utterances, the second with the pre-roll before it."""

FIRST, SECOND = "one two three four five", "five one two three"
TEXT = f"{FIRST} {SECOND}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Serving]:
    async with serving(scripted({"transcript": WORDS})) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(hub: Serving) -> AsyncIterator[AsyncOpenAI]:
    async with client_of(hub) as made:
        yield made


def client_of(hub: Serving, *, key: str = "none", base: str = "/v1", retries: int = 0) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{hub.url}{base}", api_key=key, max_retries=retries)


async def transcribed(client: AsyncOpenAI, audio: bytes = SPOKEN, **asked: Any) -> Any:
    return await client.audio.transcriptions.create(**{"model": "whisper-1", "file": ("a.wav", audio), **asked})


async def test_the_text_alone(client: AsyncOpenAI) -> None:
    told = await transcribed(client)
    assert told.text == TEXT
    assert (told.usage.type, told.usage.seconds) == ("duration", 4)
    # The session of the hub.
    assert told._request_id
    assert await transcribed(client, response_format="text") == f"{TEXT}\n"


async def test_subtitles(client: AsyncOpenAI) -> None:
    srt = await transcribed(client, response_format="srt")
    assert srt.startswith("1\n00:00:00,000 --> ") and FIRST in srt and SECOND in srt
    vtt = await transcribed(client, response_format="vtt")
    assert vtt.startswith("WEBVTT\n\n00:00:00.000 --> ") and FIRST in vtt and SECOND in vtt


async def test_times_of_segments_and_words(client: AsyncOpenAI) -> None:
    told = await transcribed(client, response_format="verbose_json", language="en")
    assert (told.task, told.language, told.duration, told.text) == ("transcribe", "en", 3.2, TEXT)
    assert [one.text for one in told.segments] == [FIRST, f" {SECOND}"]
    assert told.segments[0].start == 0.0 and told.segments[1].start > 1.5
    assert told.words is None
    both = ["word", "segment"]
    told = await transcribed(client, response_format="verbose_json", timestamp_granularities=both)
    assert [one.word for one in told.words] == TEXT.split()
    assert (told.words[0].start, told.words[0].end) == (0.0, 0.2)
    assert len(told.segments) == 2
    told = await transcribed(client, response_format="verbose_json", timestamp_granularities=["word"])
    assert len(told.words) == 9 and told.segments is None


async def test_who_said_it_where_nobody_knows(client: AsyncOpenAI) -> None:
    told = await transcribed(
        client, response_format="diarized_json", chunking_strategy="auto", model="gpt-4o-transcribe-diarize"
    )
    assert [(one.speaker, one.text) for one in told.segments] == [("unknown", FIRST), ("unknown", f" {SECOND}")]
    assert (told.text, told.duration) == (TEXT, 3.2)


@pytest.mark.parametrize("audio", [SPOKEN, wav(silence(1.0))], ids=["speech", "silence"])
async def test_a_stream_grows_and_ends_with_the_whole_text(client: AsyncOpenAI, audio: bytes) -> None:
    events = [event async for event in await transcribed(client, audio, stream=True)]
    assert [event.type for event in events[:-1]] == ["transcript.text.delta"] * (len(events) - 1)
    assert events[-1].type == "transcript.text.done"
    assert events[-1].text == "".join(event.delta for event in events[:-1]) == (TEXT if audio is SPOKEN else "")
    if audio is SPOKEN:
        assert len(events) > 3


async def test_silence_has_no_text_in_any_format(client: AsyncOpenAI) -> None:
    audio = wav(silence(1.0))
    assert (await transcribed(client, audio)).text == ""
    assert await transcribed(client, audio, response_format="srt") == ""
    told = await transcribed(client, audio, response_format="verbose_json")
    assert (told.text, told.segments, told.duration) == ("", [], 1.0)


async def test_a_stream_says_who_spoke_at_its_end(client: AsyncOpenAI) -> None:
    asked = {"stream": True, "response_format": "diarized_json", "chunking_strategy": "auto"}
    events = [event async for event in await transcribed(client, **asked)]
    assert [event.type for event in events[-3:]] == ["transcript.text.segment"] * 2 + ["transcript.text.done"]
    assert events[-2].text.strip() == SECOND


async def test_events_have_no_ids_and_no_comments(hub: Serving) -> None:
    async with httpx.AsyncClient() as http:
        told = await http.post(
            f"{hub.url}/v1/audio/transcriptions", data={"stream": "true"}, files={"file": ("a.wav", SPOKEN)}
        )
    assert told.headers["content-type"].startswith("text/event-stream")
    assert told.headers["x-request-id"]
    blocks = told.text.split("\n\n")
    assert blocks[-2:] == ["data: [DONE]", ""]
    assert all(block.startswith("data: {") and "\n" not in block for block in blocks[:-2])


async def test_names_with_brackets_and_without_and_fields_that_nobody_knows(hub: Serving) -> None:
    told = []
    async with httpx.AsyncClient() as http:
        for brackets in ("", "[]"):
            form: dict[str, Any] = {
                f"timestamp_granularities{brackets}": ["word", "segment"],
                f"keywords{brackets}": ["Zermatt", "Täsch"],
                f"languages{brackets}": "de",
                "chunking_strategy[type]": "server_vad",
                "chunking_strategy[threshold]": "0.5",
                "response_format": "verbose_json",
                "known_speaker_references[]": "data:audio/wav;base64," + "A" * 400_000,
                "invented": "x",
                "prompt": "",
            }
            answer = await http.post(
                f"{hub.url}/v1/audio/transcriptions", data=form, files={"file": ("a.wav", SPOKEN, "audio/x-wav")}
            )
            told.append(answer.json())
    assert told[0] == told[1]
    assert (told[0]["language"], len(told[0]["words"])) == ("de", 9)


@pytest.mark.parametrize(
    ("asked", "code", "param"),
    [
        ({"file": ("a.wav", b"no audio at all " * 99)}, "malformed_audio", None),
        ({"file": ("a.wav", b"")}, "empty_file", None),
        ({"file": ("a.wav", wav(b""))}, "empty_audio", None),
        ({"response_format": "yaml"}, "invalid_value", "response_format"),
        ({"timestamp_granularities": ["letter"]}, "invalid_value", "timestamp_granularities"),
        ({"temperature": 17}, "invalid_value", "temperature"),
        ({"language": "en glish"}, "invalid_value", "language"),
        ({"extra_body": {"stream": "perhaps"}}, "invalid_value", "stream"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_what_is_wrong_is_told_as_openai_tells_it(
    client: AsyncOpenAI, asked: dict[str, Any], code: str, param: str | None
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await transcribed(client, **asked)
    error = caught.value
    assert (error.code, error.param, error.type) == (code, param, "invalid_request_error")
    assert error.request_id and error.response.headers["x-should-retry"] == "false"


async def test_what_is_cut_off_is_heard_as_far_as_it_goes(client: AsyncOpenAI) -> None:
    assert (await transcribed(client, SPOKEN[:40_000])).text.startswith(FIRST)


async def test_a_body_that_is_too_large_is_refused_before_it_comes(hub: Serving) -> None:
    reader, writer = await asyncio.open_connection(hub.host, hub.port)
    try:
        writer.write(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: hub\r\nContent-Length: 99999999999\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 413 ")
        assert b'"code":"too_large"' in await reader.readuntil(b"}}")
    finally:
        writer.close()
        await writer.wait_closed()


async def test_models(hub: Serving, client: AsyncOpenAI) -> None:
    assert [one.id async for one in client.models.list()] == ["scripted"]
    # Any name is the default provider, unless names are strict.
    assert (await client.models.retrieve("openai/whisper-large")).id == "openai/whisper-large"


async def test_models_are_providers_and_their_aliases_under_a_path_of_their_own() -> None:
    providers = {
        "first": {"kind": "scripted", "settings": {"transcript": ["one"]}},
        "second": {"kind": "scripted", "settings": {"transcript": ["two"]}},
    }
    dialects = {"openai": {"prefix": "/oai"}, "models": {"whisper-1": "second"}, "strict_models": True}
    config = scripted(provider="first", providers=providers, dialects=dialects)
    audio = wav(tone(0.2))
    async with serving(config) as hub, client_of(hub, base="/oai/v1") as client:
        assert [one.id async for one in client.models.list()] == ["whisper-1", "first", "second"]
        assert set((await transcribed(client, audio)).text.split()) == {"two"}
        assert set((await transcribed(client, audio, model="first")).text.split()) == {"one"}
        for ask in (transcribed(client, audio, model="gpt-transcribe"), client.models.retrieve("gpt-transcribe")):
            with pytest.raises(openai.NotFoundError) as caught:
                await ask
            assert caught.value.code == "model_not_found"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_translations_are_those_of_a_provider_that_translates(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="task: translate"):
        await client.audio.translations.create(model="whisper-1", file=("a.wav", SPOKEN))
    providers = {
        "scripted": {"kind": "scripted", "settings": {}},
        "english": {"kind": "tests.compat.english:English", "settings": {"task": "translate", "transcript": WORDS}},
    }
    async with serving(scripted(providers=providers)) as hub, client_of(hub) as client:
        told = await client.audio.translations.create(model="whisper-1", file=("a.wav", SPOKEN))
        assert told.text == TEXT
        verbose = await client.audio.translations.create(
            model="whisper-1", file=("a.wav", SPOKEN), response_format="verbose_json"
        )
        assert (verbose.language, verbose.text) == ("english", TEXT)


async def test_keys() -> None:
    key, busy, watcher = new_key(), new_key(), new_key()
    access = {
        "keys": {
            "speaker": {"id": key.id, "hash": key.sha256, "scopes": ["speak"]},
            "busy": {"id": busy.id, "hash": busy.sha256, "scopes": ["speak"], "requests_per_minute": 1},
            "watcher": {"id": watcher.id, "hash": watcher.sha256, "scopes": ["watch"]},
        }
    }
    async with serving(scripted({"transcript": WORDS}, access=access)) as hub:
        async with client_of(hub, key="wrong") as client:
            for ask in (transcribed(client), client.models.list()):
                with pytest.raises(openai.AuthenticationError) as refused:
                    await ask
                assert refused.value.code == "invalid_api_key"
        async with client_of(hub, key=key.secret) as client:
            assert (await transcribed(client)).text == TEXT
            assert [one.id async for one in client.models.list()] == ["scripted"]
        async with client_of(hub, key=watcher.secret) as client:
            with pytest.raises(openai.PermissionDeniedError) as forbidden:
                await transcribed(client)
            assert forbidden.value.code == "missing_scope"
        async with client_of(hub, key=busy.secret) as client:
            await client.models.list()
            with pytest.raises(openai.RateLimitError) as limited:
                await transcribed(client)
            assert limited.value.type == "rate_limit_error"
            assert int(limited.value.response.headers["retry-after"]) > 0


async def test_an_engine_that_fails_is_told_before_the_answer_and_in_the_middle_of_a_stream() -> None:
    async with serving(scripted({"faults": {"fail_after_ms": 600}})) as hub, client_of(hub) as client:
        with pytest.raises(openai.InternalServerError) as failed:
            await transcribed(client)
        assert (failed.value.status_code, failed.value.type) == (502, "server_error")
        assert failed.value.response.headers["x-should-retry"] == "true"
        # The session, as its journal and the log call it.
        assert failed.value.request_id and not failed.value.request_id.startswith("req_")
        with pytest.raises(APIError) as broken:
            async for _ in await transcribed(client, stream=True):
                pass
        assert not isinstance(broken.value, openai.APIStatusError)
        assert broken.value.body is not None
        await until_empty(hub.hub)


async def test_a_client_that_goes_away_leaves_nothing_and_one_too_many_is_told_when_to_come_back() -> None:
    hangs = scripted({"faults": {"hang_after_ms": 400}}, sessions={"max_sessions": 1})
    async with serving(hangs) as hub, client_of(hub) as client, httpx.AsyncClient() as http:
        for asked in ({}, {"stream": True}):
            asking = asyncio.create_task(_all_events(client, asked))
            await until(hub.hub, lambda state: select_live_count(state) == 1)
            (session,) = (await http.get(f"{hub.url}/v1/sessions")).json()
            assert session["protocol"] == "openai"
            with pytest.raises(openai.InternalServerError) as full:
                await transcribed(client)
            assert full.value.status_code == 503
            assert int(full.value.response.headers["retry-after"]) > 0
            asking.cancel()
            await asyncio.wait((asking,))
            await until_empty(hub.hub)


async def _all_events(client: AsyncOpenAI, asked: dict[str, Any]) -> None:
    told = await transcribed(client, **asked)
    if asked:
        async for _ in told:
            pass


async def test_npm_openai(hub: Serving, tmp_path: Path) -> None:
    path = tmp_path / "spoken.wav"
    path.write_bytes(SPOKEN)
    told = await node("openai_rest.mjs", f"{hub.url}/v1", "none", str(path))
    assert (told["json"]["text"], told["text"]) == (TEXT, f"{TEXT}\n")
    assert told["srt"].startswith("1\n") and told["vtt"].startswith("WEBVTT\n")
    assert [one["word"] for one in told["verbose_json"]["words"]] == TEXT.split()
    assert [one["speaker"] for one in told["diarized_json"]["segments"]] == ["unknown", "unknown"]
    *deltas, done = told["events"]
    assert "".join(event["delta"] for event in deltas) == done["text"] == TEXT
    assert told["models"] == ["scripted"]
    assert (told["refused"]["status"], told["refused"]["code"]) == (400, "malformed_audio")
    assert told["refused"]["id"]


async def test_speech_recognition_is_told_of_the_hub_by_the_environment(
    hub: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    with warnings.catch_warnings():
        # It reads modules that Python is about to drop.
        warnings.simplefilter("ignore", DeprecationWarning)
        import speech_recognition
    monkeypatch.setenv("OPENAI_BASE_URL", f"{hub.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    audio = speech_recognition.AudioData(tone(1.0) + silence(0.5), 16_000, 2)
    recognizer = speech_recognition.Recognizer()
    assert await asyncio.to_thread(recognizer.recognize_openai, audio) == FIRST
    with warnings.catch_warnings():
        # It leaves its client's connection to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@needs_clips
@pytest.mark.data
@pytest.mark.engine
async def test_pocketsphinx_hears_a_real_file() -> None:
    config = scripted(provider="pocketsphinx", providers={"pocketsphinx": {"kind": "pocketsphinx"}})
    audio = wav(clip("goforward.raw").pcm())
    async with serving(config) as hub, client_of(hub) as client:
        events = [event async for event in await transcribed(client, audio, stream=True)]
        assert events[-1].text.startswith("go forward ten")
        assert json.loads(events[-1].to_json())["usage"]["type"] == "duration"
