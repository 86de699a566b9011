"""REST beside a live hub: sessions looked at and closed, hotwords, reload, and what OpenAPI promises of each answer."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import yaml
from tests.attentive import KIND, Attentive
from tests.client import Client
from tests.hubs import scripted
from tests.speech import silence, tone

from asr_hub.access.grant import Grant, Scope
from asr_hub.app import Serving, serving
from asr_hub.config.loader import load
from asr_hub.errors import Forbidden, NotFound
from asr_hub.hub.facts import StoreFacts
from asr_hub.hub.names import public_name
from asr_hub.model import ProviderName, SessionId
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.store.slices.hotwords import HotwordsReplaced
from asr_hub.wire.messages import Start

pytestmark = pytest.mark.e2e

SPEECH = silence(0.4) + tone(0.8) + silence(1.0)
ENGINE = ProviderName("scripted")
ATTENTIVE = {"providers": {"scripted": {"kind": KIND}}}


async def speak(client: Client, pcm: bytes, block: int = 6400) -> None:
    for at in range(0, len(pcm), block):
        await client.send(pcm[at : at + block])


@pytest.fixture
async def http(hub: Serving) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=hub.url) as client:
        yield client


async def test_sessions_are_listed_by_a_name_that_is_not_their_id(hub: Serving, http: httpx.AsyncClient) -> None:
    async with Client(hub.stream_url, language="en") as one, Client(hub.stream_url, hotwords=["Brig", "Visp"]) as two:
        listed = await http.get("/v1/sessions")
        for client in (one, two):
            assert client.session is not None
            assert client.session not in listed.text
            error = await client.first({"type": "attach", "session": listed.json()[0]["name"], "role": "viewer"})
            assert error["code"] == "unknown-session"
        assert [(session["language"], session["hotwords"]) for session in listed.json()] == [("en", 0), (None, 2)]
        assert listed.json()[0]["format"] == {"sample_rate": 16000, "channels": 1, "encoding": "pcm_s16le"}


async def test_a_session_is_looked_at_by_name_and_its_words_by_id(hub: Serving, http: httpx.AsyncClient) -> None:
    async with Client(hub.stream_url) as client:
        await speak(client, SPEECH)
        final = await client.wait_for("final")
        assert client.session is not None
        name = public_name(SessionId(client.session))
        by_id, by_name = [(await http.get(f"/v1/sessions/{key}")).json() for key in (client.session, name)]
        assert by_name["transcript"] is None
        assert final["hypothesis"]["text"] not in json.dumps(by_name)
        (said,) = by_id["transcript"]
        assert (said["number"], said["text"], said["reason"]) == (1, final["hypothesis"]["text"], "silence")
        assert said["start_ms"] < said["end_ms"] and said["latency_ms"] >= 0
        assert by_id | {"transcript": None} == by_name
        assert (by_id["name"], by_id["utterances"], by_id["pending"], by_id["viewers"]) == (name, 1, 0, 0)
        assert by_id["audio_seconds"] > 0 and by_id["has_publisher"]


@pytest.mark.parametrize(("by", "reason"), [("id", "close"), ("name", "admin")])
async def test_a_session_is_closed_after_what_was_said(
    hub: Serving, http: httpx.AsyncClient, by: str, reason: str
) -> None:
    async with Client(hub.stream_url) as client:
        await speak(client, silence(0.4) + tone(0.8))
        await client.wait_for("partial")
        assert client.session is not None
        key = client.session if by == "id" else public_name(SessionId(client.session))
        for _ in range(2):
            answer = await http.delete(f"/v1/sessions/{key}")
            if answer.status_code == 404:
                break
            assert (answer.status_code, answer.json()["phase"]) == (202, "closing")
        closed = await client.wait_for("closed")
        assert closed["reason"] == reason
        assert len(client.of("closed")) == 1
        assert client.finals[0]
        gone = await http.get(f"/v1/sessions/{key}")
        assert (gone.status_code, gone.json()["error"]["code"]) == (404, "unknown-session")


@pytest.mark.parametrize("name", ["nobody", "0123456789ab", "%20", "a" * 2000])
async def test_a_session_that_is_not_there_is_404(http: httpx.AsyncClient, name: str) -> None:
    for method in ("GET", "DELETE"):
        answer = await http.request(method, f"/v1/sessions/{name}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown-session")


async def test_who_may_look_and_who_may_close(hub: Serving) -> None:
    ann = Grant(name="ann", scopes=frozenset({Scope.SPEAK, Scope.WATCH}))
    bob = Grant(name="bob", scopes=frozenset({Scope.SPEAK, Scope.WATCH}))
    speaker = Grant(name="ann", scopes=frozenset({Scope.SPEAK}))
    admin = Grant(name="root", scopes=frozenset({Scope.ADMIN}))
    elsewhere = Grant(name="ann", session="another")
    facts = StoreFacts(hub.hub, hub.reload)
    held = hub.hub.open(Start(), protocol="t", on_messages=lambda: None, on_room=lambda: None, grant=ann)
    id, name = held.session, public_name(held.session)

    assert facts.session(id, bob).transcript == []
    assert facts.session(id, bob).principal is None
    assert (facts.session(name, admin).transcript, facts.session(name, admin).principal) == (None, "ann")
    assert [view.principal for view in facts.sessions()] == ["ann"]
    for grant, by in ((speaker, id), (admin, id), (bob, name), (elsewhere, id), (elsewhere, name)):
        with pytest.raises(Forbidden):
            facts.session(by, grant)
    with pytest.raises(NotFound):
        facts.session("f" * len(name), admin)
    # Whether there is such a name is not told to who may not see sessions.
    with pytest.raises(Forbidden):
        facts.session("f" * len(name), bob)
    for grant, by in ((bob, id), (bob, name), (ann, name), (elsewhere, id)):
        with pytest.raises(Forbidden):
            facts.close(by, grant)
    assert facts.session(id, bob).phase == "idle"
    assert facts.close(id, speaker).phase == "closing"
    held.detach()


async def test_hotwords_that_are_replaced_are_heard_in_the_next_utterance() -> None:
    config = scripted(**ATTENTIVE, hotwords=["Zermatt"])
    async with (
        serving(config) as hub,
        httpx.AsyncClient(base_url=hub.url) as http,
        Client(hub.stream_url, hotwords=["Brig", "Visp"]) as client,
    ):
        engine = hub.hub.engines.get(ENGINE)
        assert isinstance(engine, Attentive)
        engine.asked.clear()
        assert (await http.get("/v1/hotwords")).json() == {"hotwords": ["Zermatt"]}
        await speak(client, SPEECH)
        await client.wait_for("final")
        answer = await http.put("/v1/hotwords", json={"hotwords": ["Visp", "Täsch", "Visp"]})
        assert answer.json() == {"hotwords": ["Visp", "Täsch"]}
        await speak(client, SPEECH)
        await client.wait_until(lambda m: m["type"] == "final" and m["utterance"] == 2)
        assert [options.hotwords for options in engine.asked] == [
            ("Brig", "Visp", "Zermatt"),
            ("Brig", "Visp", "Täsch"),
        ]
        facts = [e.event.words for e in hub.hub.store.journal.entries() if isinstance(e.event, HotwordsReplaced)]
        assert facts == [("Zermatt",), ("Visp", "Täsch")]


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/v1/hotwords", {"text": "Brig", "weight": 10.5}),
        ("/v1/hotwords/ann", {"text": "Brig", "weight": 0}),
        ("/v1/hotwords/ann", "x" * 101),
        ("/v1/hotwords/" + "a" * 65, "Brig"),
        ("/v1/hotwords/a%09b", "Brig"),
    ],
)
async def test_a_list_that_cannot_be_is_refused(http: httpx.AsyncClient, path: str, word: object) -> None:
    answer = await http.put(path, json={"hotwords": [word]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad-value")
    assert (await http.get(path)).json() == {"hotwords": []}


async def test_an_engine_that_knows_no_hotwords_says_so_once(hub: Serving, http: httpx.AsyncClient) -> None:
    async with Client(hub.stream_url) as client:
        await speak(client, SPEECH)
        await client.wait_for("final")
        assert not client.of("warning")
        await http.put("/v1/hotwords", json={"hotwords": ["Zermatt"]})
        for number in (2, 3):
            await speak(client, SPEECH)
            await client.wait_until(lambda m, number=number: m["type"] == "final" and m["utterance"] == number)
        (warning,) = client.of("warning")
        assert warning["code"] == "not-as-asked" and "Zermatt" not in warning["message"]


async def test_a_hub_that_was_started_without_a_file_says_so(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/config/reload")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no-config-file")
    assert "--config" in answer.json()["error"]["message"]


def written(path: Path, **sections: Any) -> Path:
    path.write_text(yaml.safe_dump(scripted(**sections).model_dump(mode="json", exclude_none=True)))
    return path


async def test_a_file_that_changed_is_applied_and_one_that_is_wrong_is_not(tmp_path: Path) -> None:
    path = written(tmp_path / "hub.yaml")
    async with (
        serving(load(path), read=lambda: load(path)) as hub,
        httpx.AsyncClient(base_url=hub.url, timeout=60) as http,
        Client(hub.stream_url) as client,
    ):
        await speak(client, silence(0.4) + tone(0.8))
        await client.wait_for("partial")
        written(path, provider="other", providers={"other": {"kind": KIND}}, server={"port": 0, "drain_s": 1})
        answer = await http.post("/v1/config/reload")
        assert answer.json() == {
            "applied": ["provider", "providers.other", "providers.scripted"],
            "needs_restart": ["server.drain_s"],
        }
        warning = await client.wait_for("warning")
        assert warning["code"] == "provider-removed"
        await speak(client, silence(1.0))
        await client.wait_for("final")
        await speak(client, SPEECH)
        await client.wait_until(lambda m: m["type"] == "final" and m["utterance"] == 2)
        assert [m["hypothesis"]["provider"] for m in client.of("final")] == ["scripted", "other"]
        assert (await http.get("/health")).json()["default_provider"] == "other"

        path.write_text("sessions:\n  max_session: 3\n")
        before = (await http.get("/v1/providers")).json()
        refused = await http.post("/v1/config/reload")
        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == (409, "config")
        assert f"{path}:2" in error["message"] and "max_sessions" in error["message"]
        assert (await http.get("/v1/providers")).json() == before


@pytest.mark.engine
async def test_a_real_engine_that_is_replaced_while_somebody_speaks_loses_no_word(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"

    def sphinx(streams: int) -> str:
        engine = {"kind": "pocketsphinx", "settings": {"max_streams": streams}}
        return yaml.safe_dump({"provider": "sphinx", "providers": {"sphinx": engine}, "server": {"port": 0}})

    path.write_text(sphinx(2))
    pcm = packaged_clip("self_test").pcm
    half = len(pcm) // 4 * 2
    async with (
        serving(load(path), read=lambda: load(path)) as hub,
        httpx.AsyncClient(base_url=hub.url, timeout=120) as http,
        Client(hub.stream_url) as client,
    ):
        before = hub.hub.engines.get(ProviderName("sphinx"))
        await speak(client, pcm[:half])
        await client.wait_for("partial")
        path.write_text(sphinx(3))
        assert (await http.post("/v1/config/reload")).json()["applied"] == ["providers.sphinx"]
        assert hub.hub.engines.get(ProviderName("sphinx")) is not before
        await speak(client, pcm[half:] + silence(1.0))
        await client.wait_for("final")
        await speak(client, pcm + silence(1.0))
        await client.wait_until(lambda m: m["type"] == "final" and m["utterance"] == 2)
        assert client.finals == ["go forward ten meters"] * 2
        assert not client.of("warning", "error")
        (provider,) = (await http.get("/v1/providers")).json()
        assert (provider["slots"], provider["slots_used"], provider["health"]) == (3, 0, "ready")


WALK: list[tuple[str, str, dict[str, Any]]] = [
    ("get", "/health", {}),
    ("get", "/ready", {}),
    ("get", "/v1/providers", {}),
    ("get", "/v1/sessions", {}),
    ("post", "/v1/sessions", {"json": {"language": "en"}}),
    ("post", "/v1/sessions/{session}/audio", {"content": SPEECH}),
    ("post", "/v1/sessions/{session}/finalize", {}),
    ("patch", "/v1/sessions/{session}", {"json": {"language": "de"}}),
    ("post", "/v1/sessions/{session}/clear", {}),
    ("get", "/v1/sessions/{session}", {}),
    ("delete", "/v1/sessions/{session}", {}),
    ("get", "/v1/sessions/{session}/events", {}),
    ("put", "/v1/hotwords", {"json": {"hotwords": ["Brig"]}}),
    ("get", "/v1/hotwords", {}),
    ("put", "/v1/hotwords/{tenant}", {"json": {"hotwords": [{"text": "Brig", "weight": 2}]}}),
    ("get", "/v1/hotwords/{tenant}", {}),
    ("get", "/v1/hotwords-of", {}),
    ("post", "/v1/config/reload", {}),
    ("get", "/v1/config", {}),
    ("post", "/v1/tokens", {"json": {}}),
]
"""Every operation of the hub once, in an order in which each succeeds: the session is that of `POST /v1/sessions`."""

ELSEWHERE = {
    ("post", "/v1/sessions/{session}/utterances/{number}/undo"),
    ("post", "/v1/providers/{name}/promote"),
}
"""They need a hub of their own: see test_recognition_api.py."""

IN_OTHER_WALKS = re.compile(r"/api/|/v1/recordings|/v1/sessions/\{session\}/(recording|actions|state|causes)")
"""What concerns files is walked in test_jobs_schema.py, and recordings and the past in test_recordings.py."""


async def test_every_route_answers_what_its_document_says(tmp_path: Path) -> None:
    file = written(tmp_path / "hub.yaml")
    async with (
        serving(load(file), read=lambda: load(file)) as hub,
        httpx.AsyncClient(base_url=hub.url, timeout=60) as http,
    ):
        whole = (await http.get("/openapi.json")).json()
        there = {(m, path) for path, item in whole["paths"].items() for m in item if not IN_OTHER_WALKS.match(path)}
        assert {(method, path) for method, path, _ in WALK} | ELSEWHERE == there
        session = ""
        for method, path, request in WALK:
            answer = await http.request(method, path.format(session=session, tenant="ann"), **request)
            assert answer.is_success, (method, path, answer.text)
            responses = whole["paths"][path][method]["responses"]
            ((media, body),) = responses[str(answer.status_code)]["content"].items()
            assert answer.headers["content-type"].partition(";")[0] == media, (method, path)
            if media == "application/json":
                schema = {**body["schema"], "components": whole["components"]}
                jsonschema.Draft202012Validator(schema).validate(answer.json())
                session = answer.json()["session"] if (method, path) == ("post", "/v1/sessions") else session
            else:
                assert "event: closed" in answer.text


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("POST", "/health", 405)])
async def test_what_has_no_route_has_the_shape_of_every_error(
    http: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await http.request(method, path)
    error = answer.json()["error"]
    assert answer.status_code == status
    assert error["code"] in ("not-found", "method-not-allowed") and path in error["message"]
    assert not error["retryable"]


async def test_every_operation_of_the_whole_hub_documents_its_errors(http: httpx.AsyncClient) -> None:
    whole = (await http.get("/openapi.json")).json()
    for path, item in whole["paths"].items():
        for method, operation in item.items():
            default = operation["responses"]["default"]["content"]["application/json"]["schema"]
            # Audio's says where to send from as well.
            is_sent = path == "/v1/sessions/{session}/audio"
            wanted = "AudioErrorView" if is_sent else "ErrorView"
            assert default == {"$ref": f"#/components/schemas/{wanted}"}, (method, path)
            assert "422" not in operation["responses"], (method, path)


async def test_sighup_reads_the_file_again(tmp_path: Path) -> None:
    path = written(tmp_path / "hub.yaml")
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "asr_hub", "serve", "--config", str(path), "--port", "0"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert child.stderr is not None
    stderr = child.stderr

    async def line(pattern: str) -> re.Match[str]:
        async with asyncio.timeout(60):
            while text := (await stderr.readline()).decode():
                if found := re.search(pattern, text):
                    return found
        raise AssertionError("the hub ended")

    try:
        url = (await line(r"url=(http://\S+)")).group(1)
        written(path, sessions={"max_sessions": 7}, logging={"level": "debug"})
        child.send_signal(signal.SIGHUP)
        told = await line(r"config\.reloaded.*")
        assert "logging.level" in told.group(0) and "sessions.max_sessions" in told.group(0)
        async with httpx.AsyncClient(base_url=url) as http:
            assert (await http.get("/health")).json()["max_sessions"] == 7
        path.write_text("sessions: 3\n")
        child.send_signal(signal.SIGHUP)
        assert "hub.yaml:1" in (await line(r"warning\s.*config\.refused.*")).group(0)
        child.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await child.wait() == 0
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
