"""Google's own client of Speech-to-Text, v1 and v2, unmodified, against the hub."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
import wave
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.api_core.exceptions import GoogleAPICallError, InvalidArgument, MethodNotImplemented, Unauthenticated
from google.cloud import speech_v1 as v1
from google.cloud import speech_v2 as v2
from google.cloud.speech_v1.services.speech.transports import SpeechGrpcAsyncIOTransport as AsyncTransportV1
from google.cloud.speech_v1.services.speech.transports import SpeechGrpcTransport as TransportV1
from google.cloud.speech_v2.services.speech.transports import SpeechGrpcAsyncIOTransport as AsyncTransportV2
from google.cloud.speech_v2.services.speech.transports import SpeechGrpcTransport as TransportV2
from tests.hubs import scripted, until
from tests.speech import silence, tone

from asr_hub.access.keys import new_key
from asr_hub.app import Serving, serving
from asr_hub.config.schema import Config
from asr_hub.store.slices.sessions import select_sessions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

WORDS = ("one", "two", "three", "four", "five")
SPEECH = silence(0.4) + tone(1.0) + silence(1.2)
SAID = "three four five one two"
MORE = " five one two three four five"
"""The same once more, right after it."""
RATE = 16_000
RECOGNIZER = "projects/p/locations/global/recognizers/_"


def google_config(**sections: Any) -> Config:
    google = {"port": 0, **sections.pop("google", {})}
    return scripted({"transcript": WORDS}, dialects={"google": google}, **sections)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Serving]:
    async with serving(google_config()) as running:
        yield running


@pytest.fixture
def address(hub: Serving) -> str:
    return f"127.0.0.1:{hub.dialects['google']}"


@pytest.fixture
def first(address: str) -> Iterator[v1.SpeechClient]:
    with closing(grpc.insecure_channel(address)) as channel:
        yield v1.SpeechClient(transport=TransportV1(host=address, channel=channel))


@pytest.fixture
def second(address: str) -> Iterator[v2.SpeechClient]:
    with closing(grpc.insecure_channel(address)) as channel:
        yield v2.SpeechClient(transport=TransportV2(host=address, channel=channel))


def config_v1(**fields: Any) -> v1.RecognitionConfig:
    usual = {"encoding": v1.RecognitionConfig.AudioEncoding.LINEAR16, "sample_rate_hertz": RATE}
    return v1.RecognitionConfig(**{**usual, "language_code": "en-US", **fields})


def config_v2(**fields: Any) -> v2.RecognitionConfig:
    encoding = v2.ExplicitDecodingConfig.AudioEncoding.LINEAR16
    usual = {
        "explicit_decoding_config": {"encoding": encoding, "sample_rate_hertz": RATE, "audio_channel_count": 1},
        "language_codes": ["en-US"],
        "model": "long",
    }
    return v2.RecognitionConfig(**{**usual, **fields})


def wav(pcm: bytes) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm)
    return out.getvalue()


def chunks(pcm: bytes, size: int = 3200) -> Iterator[bytes]:
    return (pcm[at : at + size] for at in range(0, len(pcm), size))


def streamed_v1(client: v1.SpeechClient, audio: Iterable[bytes], *, config: Any = None, **fields: Any) -> list[Any]:
    wanted = v1.StreamingRecognitionConfig(config=config or config_v1(), **fields)
    requests = (v1.StreamingRecognizeRequest(audio_content=piece) for piece in audio)
    return list(client.streaming_recognize(config=wanted, requests=requests))


def requests_v2(audio: Iterable[bytes], *, config: Any = None, **features: Any) -> Iterator[Any]:
    wanted = v2.StreamingRecognitionConfig(config=config or config_v2(), streaming_features=features)
    yield v2.StreamingRecognizeRequest(recognizer=RECOGNIZER, streaming_config=wanted)
    for piece in audio:
        yield v2.StreamingRecognizeRequest(audio=piece)


def streamed_v2(client: v2.SpeechClient, audio: Iterable[bytes], **fields: Any) -> list[Any]:
    return list(client.streaming_recognize(requests=requests_v2(audio, **fields)))


def finals(responses: Iterable[Any]) -> list[str]:
    return [it.alternatives[0].transcript for one in responses for it in one.results if it.is_final]


# v1.


async def test_v1_streams_with_partials_words_and_events(first: v1.SpeechClient) -> None:
    config = config_v1(enable_word_time_offsets=True)
    responses = await asyncio.to_thread(
        streamed_v1, first, chunks(SPEECH), config=config, interim_results=True, enable_voice_activity_events=True
    )
    assert finals(responses) == [SAID]
    partials = [it for one in responses for it in one.results if not it.is_final]
    assert partials
    assert all(SAID.startswith(it.alternatives[0].transcript) and 0 <= it.stability < 1 for it in partials)
    (final,) = (it for one in responses for it in one.results if it.is_final)
    word = final.alternatives[0].words[1]
    assert (word.word, word.start_time, word.end_time) == ("four", timedelta(seconds=0.6), timedelta(seconds=0.8))
    assert final.language_code == "en-us"
    assert final.result_end_time > timedelta(seconds=1.3)
    events = v1.StreamingRecognizeResponse.SpeechEventType
    told = [(one.speech_event_type, one.speech_event_time) for one in responses if one.speech_event_type]
    assert [event for event, _ in told] == [events.SPEECH_ACTIVITY_BEGIN, events.SPEECH_ACTIVITY_END]
    assert timedelta() < told[0][1] < told[1][1] < timedelta(seconds=2.6)


async def test_v1_tells_what_is_left_at_the_half_close(first: v1.SpeechClient) -> None:
    pcm = SPEECH + silence(0.4) + tone(1.0)
    assert finals(await asyncio.to_thread(streamed_v1, first, chunks(pcm))) == [SAID, MORE]


async def test_where_nothing_is_said_the_calls_end_well_and_empty(
    first: v1.SpeechClient, second: v2.SpeechClient
) -> None:
    assert await asyncio.to_thread(streamed_v1, first, chunks(silence(1.0))) == []
    assert await asyncio.to_thread(streamed_v2, second, chunks(silence(1.0))) == []
    audio = v1.RecognitionAudio(content=silence(1.0))
    assert not (await asyncio.to_thread(lambda: first.recognize(config=config_v1(), audio=audio))).results


async def test_v1_ends_after_a_single_utterance(first: v1.SpeechClient) -> None:
    pcm = SPEECH + SPEECH + SPEECH
    responses = await asyncio.to_thread(streamed_v1, first, chunks(pcm), single_utterance=True)
    event = v1.StreamingRecognizeResponse.SpeechEventType.END_OF_SINGLE_UTTERANCE
    assert [one.speech_event_type == event for one in responses] == [True, False]
    assert finals(responses) == [SAID]


async def test_v1_recognizes_whole_audio_raw_and_in_files(first: v1.SpeechClient) -> None:
    def hear(content: bytes, **fields: Any) -> list[str]:
        audio = v1.RecognitionAudio(content=content)
        answer = first.recognize(config=config_v1(**fields), audio=audio)
        return [one.alternatives[0].transcript for one in answer.results]

    assert await asyncio.to_thread(hear, SPEECH + SPEECH) == [SAID, MORE]
    assert await asyncio.to_thread(hear, wav(SPEECH)) == [SAID]
    kinds = v1.RecognitionConfig.AudioEncoding
    (text,) = await asyncio.to_thread(hear, wav(SPEECH), encoding=kinds.ENCODING_UNSPECIFIED, sample_rate_hertz=0)
    assert text.split()[1:4] == ["four", "five", "one"]


async def test_v1_async(address: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        client = v1.SpeechAsyncClient(transport=AsyncTransportV1(host=address, channel=channel))
        answer = await client.recognize(config=config_v1(), audio=v1.RecognitionAudio(content=SPEECH))
        assert [one.alternatives[0].transcript for one in answer.results] == [SAID]

        async def requests() -> AsyncIterator[Any]:
            yield v1.StreamingRecognizeRequest(
                streaming_config=v1.StreamingRecognitionConfig(config=config_v1(), interim_results=True)
            )
            for piece in chunks(SPEECH):
                yield v1.StreamingRecognizeRequest(audio_content=piece)

        responses = [one async for one in await client.streaming_recognize(requests=requests())]
        assert finals(responses) == [SAID]


# v2.


async def test_v2_streams_with_partials_words_and_events(second: v2.SpeechClient) -> None:
    config = config_v2(features={"enable_word_time_offsets": True})
    responses = await asyncio.to_thread(
        streamed_v2, second, chunks(SPEECH), config=config, interim_results=True, enable_voice_activity_events=True
    )
    assert finals(responses) == [SAID]
    assert any(not it.is_final for one in responses for it in one.results)
    (final,) = (it for one in responses for it in one.results if it.is_final)
    word = final.alternatives[0].words[0]
    assert (word.word, word.start_offset, word.end_offset) == ("three", timedelta(seconds=0.4), timedelta(seconds=0.6))
    events = v2.StreamingRecognizeResponse.SpeechEventType
    told = [one.speech_event_type for one in responses if one.speech_event_type]
    assert told == [events.SPEECH_ACTIVITY_BEGIN, events.SPEECH_ACTIVITY_END]


async def test_v2_recognizes_raw_audio_and_finds_out_what_a_file_is(second: v2.SpeechClient) -> None:
    def hear(content: bytes, **fields: Any) -> list[str]:
        request = v2.RecognizeRequest(recognizer=RECOGNIZER, config=config_v2(**fields), content=content)
        return [one.alternatives[0].transcript for one in second.recognize(request=request).results]

    assert await asyncio.to_thread(hear, SPEECH + SPEECH) == [SAID, MORE]
    config = v2.RecognitionConfig(auto_decoding_config={}, language_codes=["auto"])
    request = v2.RecognizeRequest(recognizer=RECOGNIZER, config=config, content=wav(SPEECH))
    answer = await asyncio.to_thread(second.recognize, request=request)
    (one,) = answer.results
    assert one.alternatives[0].transcript.split()[1:4] == ["four", "five", "one"]
    assert one.language_code == ""
    responses = await asyncio.to_thread(streamed_v2, second, chunks(wav(SPEECH)), config=config)
    assert finals(responses)[0].split()[1:4] == ["four", "five", "one"]


async def test_v2_async(address: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        client = v2.SpeechAsyncClient(transport=AsyncTransportV2(host=address, channel=channel))

        async def requests() -> AsyncIterator[Any]:
            for one in requests_v2(chunks(SPEECH)):
                yield one

        assert finals([one async for one in await client.streaming_recognize(requests=requests())]) == [SAID]


# What is refused, and how.


async def test_what_is_wrong_is_an_invalid_argument(first: v1.SpeechClient, second: v2.SpeechClient) -> None:
    def wrong_v1(**fields: Any) -> None:
        with pytest.raises(InvalidArgument):
            first.recognize(**{"config": config_v1(), "audio": v1.RecognitionAudio(content=SPEECH), **fields})

    await asyncio.to_thread(wrong_v1, audio=v1.RecognitionAudio(uri="gs://bucket/file.flac"))
    await asyncio.to_thread(wrong_v1, audio=v1.RecognitionAudio())
    await asyncio.to_thread(wrong_v1, config=config_v1(encoding=7))
    await asyncio.to_thread(wrong_v1, config=config_v1(sample_rate_hertz=3))
    await asyncio.to_thread(wrong_v1, config=config_v1(language_code="?"))
    await asyncio.to_thread(wrong_v1, config=config_v1(sample_rate_hertz=0))

    def wrong_v2(*requests: Any) -> None:
        with pytest.raises(InvalidArgument, match="config"):
            list(second.streaming_recognize(requests=iter(requests)))

    start, audio = tuple(requests_v2([SPEECH[:3200]]))
    await asyncio.to_thread(wrong_v2, audio)
    await asyncio.to_thread(wrong_v2, start, start)
    await asyncio.to_thread(wrong_v2)


async def test_operations_are_not_kept(first: v1.SpeechClient, second: v2.SpeechClient) -> None:
    def long() -> None:
        first.long_running_recognize(config=config_v1(), audio=v1.RecognitionAudio(content=SPEECH))

    def batch() -> None:
        second.batch_recognize(request=v2.BatchRecognizeRequest(recognizer=RECOGNIZER))

    for call in (long, batch):
        with pytest.raises(MethodNotImplemented, match="/v1/asr/submit"):
            await asyncio.to_thread(call)
    with pytest.raises(GoogleAPICallError):
        await asyncio.to_thread(lambda: second.list_recognizers(parent="projects/p/locations/global"))


async def test_boosted_phrases_are_hotwords(hub: Serving, address: str) -> None:
    adaptation = {"phrase_sets": [{"phrases": [{"value": "Smetana", "boost": 20}, {"value": "$MONTH"}], "boost": 5}]}
    config = config_v1(speech_contexts=[{"phrases": ["Kinsky", "Vltava"]}], adaptation=adaptation)
    wanted = ("Kinsky", "Vltava", "Smetana")

    async def requests(done: asyncio.Event) -> AsyncIterator[Any]:
        yield v1.StreamingRecognizeRequest(streaming_config=v1.StreamingRecognitionConfig(config=config))
        await done.wait()

    async with grpc.aio.insecure_channel(address) as channel:
        client = v1.SpeechAsyncClient(transport=AsyncTransportV1(host=address, channel=channel))
        done = asyncio.Event()
        call = await client.streaming_recognize(requests=requests(done))
        await until(hub.hub, lambda state: any(it.hotwords == wanted for it in select_sessions(state)))
        done.set()
        assert [one async for one in call] == []


async def test_a_key_in_the_metadata(tmp_path: Path) -> None:
    key = new_key()
    access = {"keys": {"phone": {"id": key.id, "hash": key.sha256}}}
    async with serving(google_config(access=access)) as hub:
        address = f"127.0.0.1:{hub.dialects['google']}"
        with closing(grpc.insecure_channel(address)) as channel:
            client = v1.SpeechClient(transport=TransportV1(host=address, channel=channel))

            def hear(*metadata: tuple[str, str]) -> int:
                audio = v1.RecognitionAudio(content=SPEECH)
                return len(client.recognize(config=config_v1(), audio=audio, metadata=metadata).results)

            assert await asyncio.to_thread(hear, ("x-goog-api-key", key.secret)) == 1
            assert await asyncio.to_thread(hear, ("authorization", f"Bearer {key.secret}")) == 1
            for wrong in ((), (("x-goog-api-key", "wrong"),)):
                with pytest.raises(Unauthenticated):
                    await asyncio.to_thread(hear, *wrong)


def authority(folder: Path) -> tuple[Path, Path]:
    """
    A certificate for localhost that is its own authority, and its private key.

    Among the roots that gRPC takes from a file no other one can be its own issuer.
    """
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    secret, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(secret, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    certificate.write_bytes(made.public_bytes(pem))
    key.write_bytes(secret.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return certificate, key


UNCHANGED = """
import json, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.api_core.exceptions import Unauthenticated
from google.cloud import speech_v1, speech_v2

endpoint, key, pcm = sys.argv[1], sys.argv[2], sys.stdin.buffer.read()
told = []
for secret in (key, "wrong"):
    options = {"api_endpoint": endpoint, "api_key": secret}
    first = speech_v1.SpeechClient(client_options=options)
    config = speech_v1.RecognitionConfig(encoding="LINEAR16", sample_rate_hertz=16000, language_code="en-US")
    second = speech_v2.SpeechClient(client_options=options)
    decoding = {"encoding": "LINEAR16", "sample_rate_hertz": 16000, "audio_channel_count": 1}
    wanted = {"config": {"explicit_decoding_config": decoding, "language_codes": ["en-US"]}}
    recognizer = "projects/p/locations/global/recognizers/_"
    requests = [
        speech_v2.StreamingRecognizeRequest(recognizer=recognizer, streaming_config=wanted),
        speech_v2.StreamingRecognizeRequest(audio=pcm),
    ]
    try:
        answer = first.recognize(config=config, audio=speech_v1.RecognitionAudio(content=pcm))
        told.append(answer.results[0].alternatives[0].transcript)
        for one in second.streaming_recognize(requests=iter(requests)):
            told.append(one.results[0].alternatives[0].transcript)
    except Unauthenticated:
        told.append("unauthenticated")
print(json.dumps(told))
"""


async def test_over_tls_only_the_endpoint_and_the_key_of_a_client_change(tmp_path: Path) -> None:
    key = new_key()
    certificate, secret = authority(tmp_path)
    access = {"keys": {"phone": {"id": key.id, "hash": key.sha256}}}
    tls = {"certificate": str(certificate), "key": str(secret)}
    async with serving(google_config(google={"tls": tls}, access=access)) as hub:
        # gRPC reads its roots once in a process.
        client = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            UNCHANGED,
            f"localhost:{hub.dialects['google']}",
            key.secret,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(certificate)},
        )
        out, _ = await client.communicate(SPEECH)
    assert json.loads(out) == [SAID, SAID, "unauthenticated"]
