"""NVIDIA's own client of Riva, unmodified, against the hub."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import pytest_asyncio
import riva.client as riva
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc as stubs
from tests.hubs import scripted, until, until_empty
from tests.speech import silence, tone

from asr_hub.access.certificate import self_signed
from asr_hub.access.keys import new_key
from asr_hub.app import Serving, serving
from asr_hub.config.schema import Config
from asr_hub.errors import ConfigError
from asr_hub.store.slices.sessions import select_sessions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

WORDS = ("one", "two", "three", "four", "five")
SPEECH = silence(0.4) + tone(1.0) + silence(1.2)
"""`three` to `five`, `one`, `two`: a word for each 200 ms since the session began."""
SAID = "three four five one two"
MORE = "five one two three four five "
"""The same once more, right after it."""
RATE = 16_000


def riva_config(
    *,
    tls: dict[str, Any] | None = None,
    riva: dict[str, Any] | None = None,
    dialects: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    **sections: Any,
) -> Config:
    wanted = {"riva": {"port": 0, "tls": tls, **(riva or {})}, "models": {"parakeet": "scripted"}, **(dialects or {})}
    return scripted({"transcript": WORDS, **(settings or {})}, dialects=wanted, **sections)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Serving]:
    async with serving(riva_config()) as running:
        yield running


@contextmanager
def client(hub: Serving, **auth: Any) -> Iterator[riva.ASRService]:
    made = riva.Auth(**{"uri": f"127.0.0.1:{hub.dialects['riva']}", **auth})
    with closing(made.channel):
        yield riva.ASRService(made)


@pytest.fixture
def asr(hub: Serving) -> Iterator[riva.ASRService]:
    with client(hub) as made:
        yield made


def config(**fields: Any) -> Any:
    usual = {"encoding": riva.AudioEncoding.LINEAR_PCM, "sample_rate_hertz": RATE, "audio_channel_count": 1}
    return riva.RecognitionConfig(**{**usual, "language_code": "en-US", **fields})


def wav(path: Path, pcm: bytes, *, rate: int = RATE) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)
    return path


def chunks(pcm: bytes, size: int = 3200) -> Iterator[bytes]:
    return (pcm[at : at + size] for at in range(0, len(pcm), size))


async def streamed(asr: riva.ASRService, audio: Iterable[bytes], *, interim: bool = False, **fields: Any) -> list[Any]:
    """All results of a stream."""
    wanted = riva.StreamingRecognitionConfig(config=config(**fields), interim_results=interim)

    def hear() -> list[Any]:
        return [result for one in asr.streaming_response_generator(audio, wanted) for result in one.results]

    return await asyncio.to_thread(hear)


async def whole(asr: riva.ASRService, audio: bytes, **fields: Any) -> list[Any]:
    answer = await asyncio.to_thread(asr.offline_recognize, audio, config(**fields))
    return list(answer.results)


async def refused(asr: riva.ASRService, audio: Iterable[bytes], **fields: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        await streamed(asr, audio, **fields)
    return caught.value.code(), caught.value.details() or ""


def texts(results: list[Any]) -> list[str]:
    return [result.alternatives[0].transcript for result in results]


async def test_a_stream_is_told_as_it_grows_and_its_finals_end_in_a_space(asr: riva.ASRService) -> None:
    results = await streamed(asr, chunks(SPEECH), interim=True, enable_word_time_offsets=True)
    *partials, final = results
    assert partials
    assert all(not one.is_final and SAID.startswith(one.alternatives[0].transcript) for one in partials)
    assert all(0 <= one.stability < 1 for one in partials)
    assert final.is_final
    (best,) = final.alternatives
    assert best.transcript == f"{SAID} "
    assert [(w.word, w.start_time, w.end_time) for w in best.words][:2] == [("three", 400, 600), ("four", 600, 800)]
    assert list(best.language_code) == ["en-US"]


async def test_without_being_asked_a_stream_tells_no_partials_and_no_words(asr: riva.ASRService) -> None:
    (final,) = await streamed(asr, chunks(SPEECH))
    assert (final.is_final, len(final.alternatives[0].words)) == (True, 0)


async def test_what_is_left_at_the_half_close_is_told_before_the_call_ends_well(asr: riva.ASRService) -> None:
    speech = silence(0.4) + tone(1.0)
    assert texts(await streamed(asr, chunks(SPEECH + speech))) == [f"{SAID} ", MORE]


async def test_where_nothing_is_said_the_call_ends_well_and_empty(asr: riva.ASRService) -> None:
    assert await streamed(asr, chunks(silence(1.0))) == []
    assert await streamed(asr, ()) == []
    assert await whole(asr, silence(1.0)) == []


async def test_the_header_of_a_file_in_the_first_chunk_is_not_heard(asr: riva.ASRService, tmp_path: Path) -> None:
    path = wav(tmp_path / "speech.wav", SPEECH)
    wanted = riva.StreamingRecognitionConfig(config=config(enable_word_time_offsets=True))
    riva.add_audio_file_specs_to_config(wanted, path)

    def hear() -> list[Any]:
        with riva.AudioChunkFileIterator(path, 1600) as audio:
            return [result for one in asr.streaming_response_generator(audio, wanted) for result in one.results]

    (final,) = await asyncio.to_thread(hear)
    best = final.alternatives[0]
    assert (best.transcript, best.words[0].start_time) == (f"{SAID} ", 400)


async def test_a_header_that_says_another_rate_is_refused(asr: riva.ASRService, tmp_path: Path) -> None:
    audio = wav(tmp_path / "fast.wav", SPEECH, rate=44_100).read_bytes()
    code, text = await refused(asr, chunks(audio))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "44100 Hz" in text


async def test_whole_audio_raw_and_in_a_file(asr: riva.ASRService, tmp_path: Path) -> None:
    assert texts(await whole(asr, SPEECH + SPEECH)) == [f"{SAID} ", MORE]
    file = wav(tmp_path / "speech.wav", SPEECH).read_bytes()
    assert texts(await whole(asr, file)) == [f"{SAID} "]
    unknown = {"encoding": riva.AudioEncoding.ENCODING_UNSPECIFIED, "sample_rate_hertz": 0}
    (result,) = await whole(asr, file, **unknown)
    assert result.alternatives[0].transcript.split()[1:4] == ["four", "five", "one"]


async def test_the_models_are_told(hub: Serving, asr: riva.ASRService) -> None:
    def ask(name: str) -> list[str]:
        request = pb.RivaSpeechRecognitionConfigRequest(model_name=name)
        answer = asr.stub.GetRivaSpeechRecognitionConfig(request)
        assert all(one.parameters["streaming"] == "True" for one in answer.model_config)
        return [one.model_name for one in answer.model_config]

    assert await asyncio.to_thread(ask, "") == ["parakeet", "scripted"]
    assert await asyncio.to_thread(ask, "parakeet") == ["parakeet"]


async def test_the_first_message_has_to_be_the_config(asr: riva.ASRService) -> None:
    def say(*requests: Any) -> grpc.StatusCode:
        with pytest.raises(grpc.RpcError) as caught:
            list(asr.stub.StreamingRecognize(iter(requests)))
        assert caught.value.details()
        code: grpc.StatusCode = caught.value.code()
        return code

    audio = pb.StreamingRecognizeRequest(audio_content=SPEECH[:3200])
    start = pb.StreamingRecognizeRequest(streaming_config=riva.StreamingRecognitionConfig(config=config()))
    for said in ((audio,), (), (start, start)):
        assert await asyncio.to_thread(say, *said) is grpc.StatusCode.INVALID_ARGUMENT
    code, _ = await refused(asr, (), encoding=17)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    code, _ = await refused(asr, (), sample_rate_hertz=3)
    assert code is grpc.StatusCode.INVALID_ARGUMENT


async def test_boosted_phrases_are_hotwords(hub: Serving) -> None:
    wanted = riva.StreamingRecognitionConfig(config=config())
    riva.add_word_boosting_to_config(wanted, ["Kinsky", "Smetana"], 20.0)
    wanted_words = ("Kinsky", "Smetana")
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{hub.dialects['riva']}")
    async with channel:
        call = stubs.RivaSpeechRecognitionStub(channel).StreamingRecognize()
        await call.write(pb.StreamingRecognizeRequest(streaming_config=wanted))
        await call.write(pb.StreamingRecognizeRequest(audio_content=SPEECH[:3200]))
        await until(hub.hub, lambda state: any(it.hotwords == wanted_words for it in select_sessions(state)))
        await call.done_writing()
        assert [one async for one in call] == []


async def test_a_client_that_goes_in_mid_utterance_is_heard_to_its_end_by_who_watches(hub: Serving) -> None:
    wanted = riva.StreamingRecognitionConfig(config=config(), interim_results=True)
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{hub.dialects['riva']}")
    async with channel, httpx.AsyncClient(base_url=hub.url, trust_env=False) as http:
        call = stubs.RivaSpeechRecognitionStub(channel).StreamingRecognize()
        await call.write(pb.StreamingRecognizeRequest(streaming_config=wanted))
        await call.write(pb.StreamingRecognizeRequest(audio_content=silence(0.4) + tone(1.0)))
        assert await call.read()
        found: list[str] = []
        await until(hub.hub, lambda state: bool(found.extend(it.id for it in select_sessions(state)) or found))
        (one,) = (await http.get("/v1/sessions")).json()
        assert (one["protocol"], one["provider"]) == ("riva", "scripted")
        async with http.stream("GET", f"/v1/sessions/{found[0]}/events") as events:
            call.cancel()
            told = (await events.aread()).decode()
        assert f'"text":"{SAID}"' in told
        assert '"type":"closed"' in told
        await until_empty(hub.hub)


async def test_a_key_is_asked_for_and_brought_over_tls(tmp_path: Path) -> None:
    key = new_key()
    access = {"keys": {"phone": {"id": key.id, "hash": key.sha256}}}
    pair = self_signed(["localhost"])
    roots, secret = tmp_path / "roots.pem", tmp_path / "key.pem"
    roots.write_bytes(pair.certificate)
    secret.write_bytes(pair.key)
    async with serving(riva_config(tls={"certificate": str(roots), "key": str(secret)}, access=access)) as hub:
        uri = f"localhost:{hub.dialects['riva']}"
        with client(
            hub, uri=uri, ssl_root_cert=roots, metadata_args=[["authorization", f"Bearer {key.secret}"]]
        ) as asr:
            assert texts(await whole(asr, SPEECH)) == [f"{SAID} "]
            assert texts(await streamed(asr, chunks(SPEECH))) == [f"{SAID} "]
        with client(hub, uri=uri, ssl_root_cert=roots, metadata_args=[["authorization", "Bearer wrong"]]) as asr:
            code, _ = await refused(asr, chunks(SPEECH))
            assert code is grpc.StatusCode.UNAUTHENTICATED
        with client(hub, uri=uri, ssl_root_cert=roots) as asr, pytest.raises(grpc.RpcError) as caught:
            await whole(asr, SPEECH)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_stream_that_runs_when_the_hub_stops_is_told() -> None:
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(serving(riva_config()))
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{hub.dialects['riva']}")
        async with channel:
            call = stubs.RivaSpeechRecognitionStub(channel).StreamingRecognize()
            wanted = riva.StreamingRecognitionConfig(config=config(), interim_results=True)
            await call.write(pb.StreamingRecognizeRequest(streaming_config=wanted))
            await call.write(pb.StreamingRecognizeRequest(audio_content=silence(0.4) + tone(1.0)))
            assert await call.read()
            await stack.aclose()
            assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "restarts" in (await call.details() or "")


async def test_a_call_whose_engine_fails_ends_with_unavailable() -> None:
    async with serving(riva_config(settings={"faults": {"fail_after_ms": 400}})) as hub:
        with client(hub) as asr:
            code, _ = await refused(asr, chunks(SPEECH))
            assert code is grpc.StatusCode.UNAVAILABLE
            with pytest.raises(grpc.RpcError) as caught:
                await whole(asr, SPEECH)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_names_of_models_may_be_strict() -> None:
    async with serving(riva_config(dialects={"strict_models": True})) as hub:
        with client(hub) as asr:
            code, text = await refused(asr, chunks(SPEECH), model="whisper-1")
            assert code is grpc.StatusCode.NOT_FOUND
            assert "parakeet" in text
            assert texts(await streamed(asr, chunks(SPEECH), model="parakeet")) == [f"{SAID} "]


async def test_a_port_that_is_taken_is_named(hub: Serving) -> None:
    taken = riva_config(riva={"port": hub.dialects["riva"]})
    with pytest.raises(ConfigError, match=r"`dialects\.riva\.port`"):
        async with serving(taken):
            pass


async def test_the_client_with_asyncio(hub: Serving) -> None:
    auth = riva.Auth(uri=f"127.0.0.1:{hub.dialects['riva']}", use_aio=True)
    async with auth.channel:
        answer = await riva.ASRService(auth).offline_recognize(SPEECH, config())
    assert texts(answer.results) == [f"{SAID} "]


@pytest.mark.parametrize("method", ["Recognize", "StreamingRecognize", "GetRivaSpeechRecognitionConfig"])
async def test_what_is_no_protobuf_is_an_invalid_argument(hub: Serving, method: str) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{hub.dialects['riva']}") as channel:
        path = f"/nvidia.riva.asr.RivaSpeechRecognition/{method}"
        if method == "StreamingRecognize":
            call = channel.stream_stream(path)(iter([b"\xff\xff\xff"]))
        else:
            call = channel.unary_unary(path)(b"\xff\xff\xff")
        assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_many_at_once_are_told_apart(hub: Serving) -> None:
    wanted = riva.StreamingRecognitionConfig(config=config(), interim_results=True)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{hub.dialects['riva']}") as channel:
        stub = stubs.RivaSpeechRecognitionStub(channel)

        async def one(words: int) -> list[str]:
            said = [pb.StreamingRecognizeRequest(streaming_config=wanted)]
            speech = silence(0.4) + tone(0.2 * words) + silence(1.2)
            said += [pb.StreamingRecognizeRequest(audio_content=piece) for piece in chunks(speech)]
            results = [it async for response in stub.StreamingRecognize(iter(said)) for it in response.results]
            return texts([it for it in results if it.is_final])

        heard = await asyncio.gather(*(one(words) for words in (3, 4, 5) * 8))
    whole = SAID.split()
    assert heard == [[f"{' '.join(whole[:words])} "] for words in (3, 4, 5)] * 8
    await until_empty(hub.hub)
