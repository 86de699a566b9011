"""A real hub, real gRPC clients: the generated code, code that plain protoc makes, health and reflection."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from tests.client import Client
from tests.hubs import scripted, until, until_empty
from tests.node import packages
from tests.protocols.grpc.client import PATIENCE, Call, Stub, client, connected, failed
from tests.speech import silence, tone

from asr_hub.access.grant import Grant, Scope
from asr_hub.access.keys import new_key
from asr_hub.access.tokens import Tokens
from asr_hub.app import Serving, serving
from asr_hub.config.schema import Config
from asr_hub.errors import ConfigError
from asr_hub.protocols.grpc.server import SERVICE
from asr_hub.store.slices.sessions import select_sessions
from asr_hub.v1 import asr_hub_pb2 as pb

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
SPEECH = silence(0.5) + tone(1.0) + silence(1.0)
MORE = tone(0.6, hertz=330) + silence(1.0)


def grpc_config(settings: dict[str, Any] | None = None, **sections: Any) -> Config:
    return scripted(settings, **{"server": {"port": 0, "grpc_port": 0}, **sections})


@pytest.fixture
async def hub() -> AsyncIterator[Serving]:
    async with serving(grpc_config()) as running:
        yield running


@pytest.fixture
async def stub(hub: Serving) -> AsyncIterator[Stub]:
    async with connected(hub.grpc_port) as connection:
        yield connection


async def heard_over_websocket(hub: Serving, pcm: bytes) -> list[tuple[str, int, int]]:
    async with Client(hub.stream_url) as native:
        await native.send(pcm)
        await native.send({"type": "close"})
        await native.wait_for("closed")
        found = [m["hypothesis"] for m in native.of("final")]
        return [(one["text"], one["start"], one["end"]) for one in found]


def heard(finals: Any) -> list[tuple[str, int, int]]:
    return [(one.hypothesis.text, one.hypothesis.start, one.hypothesis.end) for one in finals]


# One session, whatever the protocol.


async def test_speech_becomes_partials_an_endpoint_and_a_final(hub: Serving, stub: Stub) -> None:
    call = Call(stub)
    ready = await call.start()
    assert (ready.role, ready.provider, ready.version) == (pb.ROLE_PUBLISHER, "scripted", 1)
    assert ready.format == pb.AudioFormat(sample_rate=16000, channels=1, encoding=pb.ENCODING_PCM_S16LE)
    await call.speak(SPEECH)
    await call.until("final")
    await call.close()
    await call.rest()
    kinds = [m.WhichOneof("message") for m in call.messages if m.WhichOneof("message") != "audio_ack"]
    assert kinds[:2] == ["ready", "speech_started"]
    assert "partial" in kinds
    assert [kind for kind in kinds if kind in ("endpoint", "final", "closed")] == ["endpoint", "final", "closed"]
    assert kinds[-2:] == ["final", "closed"]
    (final,) = call.of("final")
    assert final.reason == pb.ENDPOINT_REASON_SILENCE
    assert final.hypothesis.is_final
    assert getattr(final.hypothesis, "pass") == pb.PASS_FAST
    assert hub.hub.sessions == 0


async def test_every_way_hears_the_same(hub: Serving, stub: Stub) -> None:
    pcm = SPEECH + MORE
    wanted = await heard_over_websocket(hub, pcm)
    assert len(wanted) == 2
    call = Call(stub)
    await call.start(partials=False)
    await call.speak(pcm)
    await call.close()
    await call.rest()
    assert not call.of("partial")
    assert heard(call.of("final")) == wanted
    answer = await stub.Recognize(pb.RecognizeRequest(audio=pcm))
    assert heard(answer.finals) == wanted
    assert answer.audio_offset == len(pcm) // 2
    assert hub.hub.sessions == 0


async def test_finalize_and_clear_are_answered_and_configure_holds(stub: Stub) -> None:
    call = Call(stub)
    await call.start()
    await call.say(audio=silence(0.5) + tone(1.0))
    await call.say(finalize=pb.Finalize())
    assert (await call.until("final")).final.reason == pb.ENDPOINT_REASON_FINALIZE
    await call.say(clear=pb.Clear())
    assert (await call.until("endpoint")).endpoint.reason == pb.ENDPOINT_REASON_CLEAR
    await call.say(configure=pb.Configure(partials=False, levels=True))
    before = len(call.of("partial"))
    await call.speak(SPEECH)
    await call.until("final")
    assert len(call.of("partial")) == before
    assert call.of("levels")


async def test_a_cut_client_comes_back_and_misses_nothing(hub: Serving, stub: Stub) -> None:
    pcm = SPEECH + MORE + SPEECH
    wanted = await heard_over_websocket(hub, pcm)
    first = Call(stub)
    await first.start()
    await first.speak(pcm[:90_000])
    await first.until("final")
    first.call.cancel()
    second = Call(stub)
    ready = await second.attach(first.session, seq=first.seq, take_over=True)
    await second.speak(pcm[2 * ready.audio_offset :])
    await second.close()
    await second.rest()
    assert heard(first.of("final") + second.of("final")) == wanted
    assert second.messages[0].seq == first.seq


async def test_a_second_publisher_is_refused_with_the_word_of_the_native_protocol(stub: Stub) -> None:
    first, second = Call(stub), Call(stub)
    await first.start()
    await second.say(attach=pb.Attach(session=first.session))
    end = await second.ended()
    assert (end.code, end.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "second-publisher")
    third = Call(stub)
    await third.attach(first.session, take_over=True)
    end = await first.ended()
    assert (end.code, end.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "taken-over")


async def test_a_viewer_over_grpc_sees_what_a_publisher_over_websocket_says(hub: Serving, stub: Stub) -> None:
    async with Client(hub.stream_url) as native:
        watching = stub.Watch(pb.WatchRequest(session=str(native.session)))
        ready = (await watching.read()).message
        assert ready.ready.role == pb.ROLE_VIEWER
        await native.send(SPEECH)
        final = await native.wait_for("final")
        late = stub.Watch(pb.WatchRequest(session=str(native.session), seq=final["seq"]))
        assert (await late.read()).message.seq == final["seq"]
        await native.send({"type": "close"})
        await native.wait_for("closed")
        seen = await rest(watching)
        assert seen[-1].WhichOneof("message") == "closed"
        assert [(m.seq, m.final.hypothesis.text) for m in seen if m.HasField("final")] == [
            (m["seq"], m["hypothesis"]["text"]) for m in native.of("final")
        ]
        assert not any(m.HasField("final") for m in await rest(late))


async def rest(watching: Any) -> list[pb.ServerMessage]:
    async with asyncio.timeout(PATIENCE):
        seen = []
        while (response := await watching.read()) is not grpc.aio.EOF:
            seen.append(response.message)
    return seen


@pytest.mark.parametrize(
    ("session", "seq", "code", "reason"),
    [
        ("nobody", None, grpc.StatusCode.NOT_FOUND, "unknown-session"),
        ("", None, grpc.StatusCode.INVALID_ARGUMENT, "bad-value"),
        (None, 999, grpc.StatusCode.INVALID_ARGUMENT, "stale-seq"),
    ],
)
async def test_who_watches_wrongly_is_told(
    stub: Stub, session: str | None, seq: int | None, code: grpc.StatusCode, reason: str
) -> None:
    call = Call(stub)
    await call.start()
    watching = stub.Watch(pb.WatchRequest(session=call.session if session is None else session, seq=seq))
    assert (await watching.read()).message.error.code == reason
    end = await failed(watching)
    assert (end.code, end.reason) == (code, reason)


async def test_who_goes_in_the_middle_leaves_nothing() -> None:
    async with serving(grpc_config(sessions={"resume_window_s": 0.2})) as hub, connected(hub.grpc_port) as stub:
        call = Call(stub)
        await call.start()
        await call.speak(silence(0.5) + tone(1.0))
        call.call.cancel()
        await until_empty(hub.hub, seconds=PATIENCE)


async def test_a_recognize_that_is_cancelled_ends_its_session_though_the_engine_hangs() -> None:
    # A session that was left would live for ten minutes, and one that was only closed for as long as the engine.
    config = grpc_config(
        {"faults": {"hang_after_ms": 10_000}}, sessions={"resume_window_s": 600, "audio_buffer_s": 0.5}
    )
    async with serving(config) as hub, connected(hub.grpc_port) as stub:
        call = stub.Recognize(pb.RecognizeRequest(audio=(tone(1.0) + silence(0.2)) * 25))
        # Ten seconds are heard, and two of what follows fill the buffers.
        await until(hub.hub, lambda state: any(it.audio_offset >= 208_000 for it in select_sessions(state)))
        call.cancel()
        await until_empty(hub.hub)


# What goes wrong.


async def test_one_session_too_many_is_refused_with_a_time_to_come_back() -> None:
    async with serving(grpc_config(sessions={"max_sessions": 1})) as hub, connected(hub.grpc_port) as stub:
        first, second = Call(stub), Call(stub)
        await first.start()
        await second.say(start=pb.Start())
        for end in (await second.ended(), await failed(stub.Recognize(pb.RecognizeRequest(audio=SPEECH)))):
            assert (end.code, end.reason, end.retry_after) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "overloaded", 5.0)


async def test_an_engine_that_fails_fails_a_recognize_and_is_told_in_a_stream() -> None:
    config = grpc_config({"faults": {"fail_after_ms": 400}})
    async with serving(config) as hub, connected(hub.grpc_port) as stub:
        end = await failed(stub.Recognize(pb.RecognizeRequest(audio=SPEECH)))
        assert (end.code, end.reason) == (grpc.StatusCode.UNAVAILABLE, "provider")
        await until_empty(hub.hub, seconds=PATIENCE)
        call = Call(stub)
        await call.start()
        await call.speak(SPEECH)
        error = (await call.until("error")).error
        assert (error.code, error.scope) == ("provider", pb.ERROR_SCOPE_SESSION)
        await call.close()
        await call.rest()


@pytest.mark.parametrize(
    ("start", "code", "reason"),
    [
        ({"provider": "nobody"}, grpc.StatusCode.NOT_FOUND, "unknown-provider"),
        ({"format": pb.AudioFormat(sample_rate=1)}, grpc.StatusCode.INVALID_ARGUMENT, "unsupported-rate"),
        ({"format": pb.AudioFormat(channels=0)}, grpc.StatusCode.INVALID_ARGUMENT, "unsupported-channels"),
    ],
)
async def test_what_the_hub_cannot_do_is_named(stub: Stub, start: Any, code: grpc.StatusCode, reason: str) -> None:
    end = await failed(stub.Recognize(pb.RecognizeRequest(config=pb.Start(**start), audio=SPEECH)))
    assert (end.code, end.reason) == (code, reason)


async def test_a_file_that_was_sent_as_it_is_is_recognised_as_one(tmp_path: Path, stub: Stub) -> None:
    path = wav(tmp_path / "a.wav", SPEECH)
    end = await failed(stub.Recognize(pb.RecognizeRequest(audio=path.read_bytes())))
    assert (end.code, end.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "container-in-raw-audio")


def wav(path: Path, pcm: bytes) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(pcm)
    return path


async def test_a_hub_that_drains_finishes_what_was_said_and_refuses_the_rest(hub: Serving, stub: Stub) -> None:
    call = Call(stub)
    await call.start()
    await call.say(audio=silence(0.5) + tone(1.0))
    await call.until("partial")
    drain = asyncio.create_task(hub.hub.drain(PATIENCE))
    await call.rest()
    await drain
    assert (call.of("closed")[0].reason, len(call.of("final"))) == ("shutdown", 1)
    end = await failed(stub.Recognize(pb.RecognizeRequest(audio=SPEECH)))
    assert (end.code, end.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "draining")


# Keys.


async def test_keys_tokens_and_limits_of_the_configuration_hold() -> None:
    secret = "s" * 32
    keys = {name: new_key() for name in ("phone", "rare", "old")}
    access: dict[str, Any] = {name: {"id": key.id, "hash": key.sha256} for name, key in keys.items()}
    access["rare"]["requests_per_minute"] = 1
    access["old"]["expires_at"] = "2001-01-01T00:00:00Z"
    maker = Tokens(secret.encode(), max_ttl=60, now=lambda: 1_000_000_000.0)
    token = maker.issue(Grant(name="phone"), scopes=(Scope.SPEAK,), session=None, ttl=60).secret
    config = grpc_config(access={"keys": access, "tokens": {"secret": secret}})
    async with serving(config) as hub, connected(hub.grpc_port) as stub:

        async def refused(secret: str) -> tuple[grpc.StatusCode, str, bool]:
            end = await failed(stub.Recognize(request, metadata=(("authorization", f"Bearer {secret}"),)))
            return end.code, end.reason, end.retry_after is not None

        request = pb.RecognizeRequest(audio=SPEECH)
        assert await refused("wrong") == (grpc.StatusCode.UNAUTHENTICATED, "unauthorized", False)
        assert await refused(keys["old"].secret) == (grpc.StatusCode.UNAUTHENTICATED, "expired", False)
        assert await refused(token) == (grpc.StatusCode.UNAUTHENTICATED, "expired", False)
        metadata = (("authorization", f"Bearer {keys['rare'].secret}"),)
        assert (await stub.Recognize(request, metadata=metadata)).finals
        assert await refused(keys["rare"].secret) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "rate-limited", True)
        call = Call(stub, metadata=(("x-api-key", keys["phone"].secret),))
        await call.start()
        end = await failed(stub.ListSessions(pb.ListSessionsRequest(), metadata=(("x-api-key", keys["phone"].secret),)))
        assert (end.code, end.reason) == (grpc.StatusCode.PERMISSION_DENIED, "missing-scope")


# What the hub knows.


async def test_providers_sessions_and_hotwords(hub: Serving, stub: Stub) -> None:
    (provider,) = (await stub.ListProviders(pb.ListProvidersRequest())).providers
    assert (provider.name, provider.health, provider.is_default) == ("scripted", "ready", True)
    assert provider.capabilities["streaming"] is True
    call = Call(stub)
    await call.start(language="en", hotwords=["one", "two"])
    await call.speak(SPEECH)
    await call.until("final")
    (session,) = (await stub.ListSessions(pb.ListSessionsRequest())).sessions
    assert (session.provider, session.protocol, session.language, session.hotwords) == ("scripted", "grpc", "en", 2)
    assert session.format.encoding == pb.ENCODING_PCM_S16LE
    assert call.session not in str(session)
    by_name = await stub.GetSession(pb.GetSessionRequest(session=session.name))
    by_id = await stub.GetSession(pb.GetSessionRequest(session=call.session))
    assert by_name.session.name == by_id.session.name == session.name
    assert not by_name.transcript
    assert [one.text for one in by_id.transcript] == call.texts
    words = await stub.SetHotwords(pb.SetHotwordsRequest(hotwords=["Zermatt", "Davos"]))
    assert list(words.hotwords) == ["Zermatt", "Davos"]
    assert await stub.GetHotwords(pb.GetHotwordsRequest()) == pb.GetHotwordsResponse(hotwords=words.hotwords)
    await stub.CloseSession(pb.CloseSessionRequest(session=session.name))
    await call.rest()
    assert call.of("closed")
    end = await failed(stub.GetSession(pb.GetSessionRequest(session=session.name)))
    assert (end.code, end.reason) == (grpc.StatusCode.NOT_FOUND, "unknown-session")
    end = await failed(stub.SetHotwords(pb.SetHotwordsRequest(hotwords=[""])))
    assert end.code is grpc.StatusCode.INVALID_ARGUMENT


# Health and reflection.


async def test_health_is_that_of_the_hub_and_of_the_service(hub: Serving) -> None:
    async with client(hub.grpc_port) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        watching = health.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        async with asyncio.timeout(PATIENCE):
            # The first look may come before the hub has been asked.
            while (await watching.read()).status != health_pb2.HealthCheckResponse.SERVING:
                pass
            for name in ("", SERVICE):
                answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
                assert answer.status == health_pb2.HealthCheckResponse.SERVING
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await health.Check(health_pb2.HealthCheckRequest(service="nobody"))
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND
            await hub.hub.drain(1)
            assert (await watching.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watching.cancel()


async def test_a_hub_whose_engine_does_not_start_serves_nobody() -> None:
    config = grpc_config({"faults": {"start": "no model here"}})
    async with serving(config) as hub, client(hub.grpc_port) as channel:
        watching = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        async with asyncio.timeout(PATIENCE):
            while (await watching.read()).status != health_pb2.HealthCheckResponse.NOT_SERVING:
                pass
        watching.cancel()


async def test_reflection_tells_the_whole_service(hub: Serving) -> None:
    def ask() -> tuple[list[str], list[str]]:
        with grpc.insecure_channel(f"127.0.0.1:{hub.grpc_port}") as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            file = database.FindFileContainingSymbol(SERVICE)
            return list(database.get_services()), [method.name for method in file.service[0].method]

    services, methods = await asyncio.to_thread(ask)
    assert {SERVICE, "grpc.health.v1.Health"} <= set(services)
    assert methods == [method.name for method in pb.DESCRIPTOR.services_by_name["AsrHubService"].methods]


# Clients that are not ours.

FOREIGN = """
import sys, grpc
from asr_hub.v1 import asr_hub_pb2 as pb, asr_hub_pb2_grpc as stubs
assert pb.__file__.startswith(sys.argv[2]), pb.__file__
pcm = open(sys.argv[3], "rb").read()
with grpc.insecure_channel(sys.argv[1]) as channel:
    stub = stubs.AsrHubServiceStub(channel)
    said = [pb.StreamRequest(start=pb.Start()), pb.StreamRequest(audio=pcm), pb.StreamRequest(close=pb.Close())]
    for response in stub.Stream(iter(said)):
        print(response.message.WhichOneof("message"), response.message.final.hypothesis.text)
    print("recognised", stub.Recognize(pb.RecognizeRequest(audio=pcm)).finals[0].hypothesis.text)
"""


async def run(*command: str | Path, **environment: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    try:
        async with asyncio.timeout(2 * PATIENCE):
            out, err = await process.communicate()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_a_client_that_plain_protoc_makes_is_served(tmp_path: Path, hub: Serving) -> None:
    outputs = [f"--python_out={tmp_path}", f"--grpc_python_out={tmp_path}"]
    await run(sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT / 'protos'}", *outputs, "asr_hub/v1/asr_hub.proto")
    # Without this the installed package would be found before a folder of the same name.
    (tmp_path / "asr_hub" / "__init__.py").touch()
    (tmp_path / "client.py").write_text(FOREIGN, encoding="utf-8")
    (tmp_path / "speech.raw").write_bytes(SPEECH)
    out = await run(
        *(sys.executable, tmp_path / "client.py", f"127.0.0.1:{hub.grpc_port}", str(tmp_path), tmp_path / "speech.raw"),
        PYTHONPATH=str(tmp_path),
    )
    ((text, _, _),) = await heard_over_websocket(hub, SPEECH)
    lines = out.splitlines()
    assert lines[0].strip() == "ready"
    assert lines[-3:] == [f"final {text}", "closed ", f"recognised {text}"]


async def test_the_example_prints_what_the_hub_hears(tmp_path: Path, hub: Serving) -> None:
    path = wav(tmp_path / "speech.wav", SPEECH)
    out = await run(sys.executable, ROOT / "examples" / "grpc_client.py", path, f"127.0.0.1:{hub.grpc_port}")
    assert out.splitlines() == [text for text, _, _ in await heard_over_websocket(hub, SPEECH)]


def test_the_protos_pass_buf() -> None:
    buf = packages() / "node_modules" / ".bin" / "buf"
    done = subprocess.run([buf, "lint"], cwd=ROOT / "protos", capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


# The configuration.


async def test_without_its_port_grpc_is_not_served() -> None:
    async with serving(scripted()) as hub, httpx.AsyncClient(base_url=hub.url) as http:
        assert (await http.get("/health")).json()["status"] == "ok"
        assert hub.grpc_port is None


async def test_a_port_that_is_taken_stops_the_hub_from_starting(hub: Serving) -> None:
    config = scripted(server={"port": 0, "grpc_port": hub.grpc_port})
    with pytest.raises(ConfigError, match=r"server\.grpc_port"):
        async with serving(config):
            pass


def test_where_grpc_is_not_installed_the_command_that_brings_it_is_named() -> None:
    code = """
import asyncio, sys
sys.modules["grpc"] = None
from tests.hubs import scripted
from asr_hub.app import serving
from asr_hub.errors import ConfigError

async def main():
    try:
        async with serving(scripted(server={"port": 0, "grpc_port": 0})):
            pass
    except ConfigError as exc:
        print(exc)

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    assert "pip install 'asr-hub[grpc]'" in done.stdout
