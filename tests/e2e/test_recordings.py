"""Recordings over HTTP: begun, looked at, downloaded, uploaded to another hub, and kept from those who may not."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import yaml
from tests.client import Client
from tests.hubs import scripted, until_empty
from tests.recordings.made import NAME, recorded
from tests.speech import silence, tone
from tests.store.facts import A, ended, final, opened, started

from asr_hub.access.keys import new_key
from asr_hub.app import Serving, serving
from asr_hub.config.schema import Config
from asr_hub.hub.names import public_name
from asr_hub.model import SessionId
from asr_hub.recordings.packing import packed
from asr_hub.store.journal import read, replay, written
from asr_hub.store.root import ROOT

pytestmark = pytest.mark.e2e

SPEECH = silence(0.4) + tone(0.8) + silence(1.0)
MONO = {"sample_rate": 16000, "channels": 1, "encoding": "pcm_s16le"}


def recording(folder: Path, mode: str = "on", **more: Any) -> Config:
    return scripted(recorder={"mode": mode, "folder": str(folder), **more})


async def speak(client: Client, pcm: bytes, block: int = 6400) -> None:
    for at in range(0, len(pcm), block):
        await client.send(pcm[at : at + block])


async def said(running: Serving, pcm: bytes = SPEECH, **start: Any) -> str:
    """The id of a session that has been spoken in, and is over."""
    async with Client(running.stream_url, **start) as client:
        await speak(client, pcm)
        await client.send({"type": "close"})
        await client.wait_for("closed")
        await until_empty(running.hub)
        return client.session or ""


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def over(http: httpx.AsyncClient, count: int = 1) -> list[dict[str, Any]]:
    """The recordings, once so many are over."""
    async with asyncio.timeout(20):
        while True:
            listed: list[dict[str, Any]] = (await http.get("/v1/recordings")).json()["recordings"]
            if len(listed) >= count and not any(one["is_live"] for one in listed):
                return listed


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Serving]:
    async with serving(recording(tmp_path / "recordings")) as made:
        yield made


@pytest.fixture
async def http(running: Serving) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=running.url) as client:
        yield client


async def fold(http: httpx.AsyncClient, past: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The answer of `actions`, and all actions of it, page by page."""
    first = (await http.get(f"{past}/actions", params={"limit": 3})).json()
    actions, page = list(first["actions"]), first
    while page["more"]:
        page = (await http.get(f"{past}/actions", params={"after": actions[-1]["seq"], "limit": 3})).json()
        actions += page["actions"]
    return first, actions


async def test_a_session_is_recorded_from_its_first_fact_to_its_last(running: Serving, http: httpx.AsyncClient) -> None:
    id = await said(running)
    (view,) = await over(http)
    name = public_name(SessionId(id))
    assert view["session"] == name and view["name"].endswith(name)
    assert (view["origin"], view["why_ended"], view["provider"]) == ("recorded", "closed", "scripted")
    assert view["text"] and view["facts"] > 5 and view["lost_audio_ms"] == 0
    assert view["audio_ms"] == 2200
    past = f"/v1/recordings/{view['name']}"
    told, actions = await fold(http, past)
    assert (told["first"], told["last"]) == (0, view["facts"])
    assert [one["seq"] for one in actions] == list(range(1, view["facts"] + 1))
    kinds = [one["action"]["type"] for one in actions]
    assert kinds[0] == "[Session] Opened" and kinds[-1] == "[Session] Closed"
    assert id not in json.dumps(actions), "nobody may attach with what a recording tells"


async def test_the_state_at_an_action_is_what_folding_gives(
    running: Serving, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await said(running)
    (view,) = await over(http)
    folder = running.hub.recorder.library.path(view["name"]) if running.hub.recorder else Path()
    with (folder / "journal.jsonl").open("rb") as file:
        opened = read(file)
        states = [opened.state]
        for entry in opened.entries:
            states.append(ROOT.reduce(states[-1], entry.event))
    for at, state in enumerate(states):
        told = (await http.get(f"/v1/recordings/{view['name']}/state", params={"at": at})).json()
        assert told == {"at": at, "state": json.loads(written(dict(state)))}
    beyond = await http.get(f"/v1/recordings/{view['name']}/state", params={"at": len(states)})
    assert beyond.status_code == 404
    monkeypatch.setattr("asr_hub.hub.recordings.MOST_STATE_BYTES", 1000)
    large = await http.get(f"/v1/recordings/{view['name']}/state", params={"at": 1})
    assert (large.status_code, large.json()["error"]["code"]) == (413, "too-large")


WALK: list[tuple[str, str]] = [
    ("put", "/v1/sessions/{session}/recording"),
    ("get", "/v1/sessions/{session}/actions"),
    ("get", "/v1/sessions/{session}/state"),
    ("get", "/v1/sessions/{session}/causes"),
    ("delete", "/v1/sessions/{session}/recording"),
    ("get", "/v1/recordings"),
    ("get", "/v1/recordings/{name}"),
    ("get", "/v1/recordings/{name}/actions"),
    ("get", "/v1/recordings/{name}/state"),
    ("get", "/v1/recordings/{name}/causes"),
    ("get", "/v1/recordings/{name}/audio"),
    ("get", "/v1/recordings/{name}/file"),
    ("post", "/v1/recordings"),
    ("delete", "/v1/recordings/{name}"),
    ("get", "/v1/sessions/{session}/actions/events"),
]
"""Every operation about recordings and the past once; the last is read by the tests of what follows."""


async def test_every_route_answers_what_its_document_says(running: Serving, http: httpx.AsyncClient) -> None:
    whole = (await http.get("/openapi.json")).json()
    ours = re.compile(r"/v1/recordings|/v1/sessions/\{session\}/(recording|actions|state|causes)")
    assert {(m, path) for path, item in whole["paths"].items() for m in item if ours.match(path)} == set(WALK)
    async with Client(running.stream_url) as client:
        await speak(client, SPEECH)
        await client.wait_for("final")
        name, at, file = "", 0, b""
        for method, path in WALK[:-1]:
            where = path.format(session=client.session, name=name)
            params = {"at": at} if path.endswith(("state", "causes")) else {}
            answer = await http.request(method, where, params=params, content=file if method == "post" else None)
            assert answer.is_success, (method, path, answer.text)
            responses = whole["paths"][path][method]["responses"]
            if answer.status_code == 204:
                assert "content" not in responses["204"]
                continue
            ((media, body),) = responses[str(answer.status_code)]["content"].items()
            assert answer.headers["content-type"].partition(";")[0] == media, (method, path)
            if media == "application/json":
                schema = {**body["schema"], "components": whole["components"]}
                jsonschema.Draft202012Validator(schema).validate(answer.json())
            if path.endswith("recording"):
                name = answer.json()["name"]
            if path.endswith("actions"):
                at = answer.json()["actions"][0]["seq"]
            file = answer.content if path.endswith("file") else file


async def test_its_audio_is_what_the_engine_heard(running: Serving, http: httpx.AsyncClient) -> None:
    pcm = silence(0.3) + tone(1.1) + silence(5.0) + tone(0.7) + silence(1.2)
    await said(running, pcm)
    (view,) = await over(http)
    where = f"/v1/recordings/{view['name']}/audio"
    whole = await http.get(where)
    assert whole.headers["content-type"] == "audio/wav"
    assert whole.content[44:] == pcm
    part = await http.get(where, headers={"Range": "bytes=1000-70001"})
    assert part.status_code == 206 and part.content == whole.content[1000:70002]
    again = await http.get(where, headers={"If-None-Match": whole.headers["etag"]})
    assert again.status_code == 304


async def test_a_recording_travels_to_another_hub(running: Serving, http: httpx.AsyncClient, tmp_path: Path) -> None:
    await said(running)
    (view,) = await over(http)
    past = f"/v1/recordings/{view['name']}"
    file = (await http.get(f"{past}/file")).content
    assert zipfile.ZipFile(io.BytesIO(file)).testzip() is None
    async with (
        serving(recording(tmp_path / "there", "off")) as there,
        httpx.AsyncClient(base_url=there.url) as other,
    ):
        assert (await other.get("/v1/recordings")).json() == {"mode": "off", "recordings": []}
        assert not (tmp_path / "there").exists()
        sent = await other.post("/v1/recordings", content=file)
        assert sent.status_code == 201, sent.text
        taken = sent.json()
        assert {**taken, "origin": "recorded", "bytes": 0} == {**view, "bytes": 0}
        twice = (await other.post("/v1/recordings", content=file)).json()
        assert twice["name"] == f"{view['name']}-2"
        for path in ("actions", "state?at=4", "causes?at=4"):
            assert (await other.get(f"{past}/{path}")).content == (await http.get(f"{past}/{path}")).content
        assert (await other.get(f"{past}/audio")).content == (await http.get(f"{past}/audio")).content
        assert (await other.delete(past)).status_code == 204
        assert (await other.get(past)).json()["error"]["code"] == "unknown-recording"
        assert [one["name"] for one in (await other.get("/v1/recordings")).json()["recordings"]] == [twice["name"]]


async def test_what_is_no_recording_is_refused_by_name(running: Serving, http: httpx.AsyncClient) -> None:
    for body in (b"PK\x05\x06", b"not a zip at all" * 100):
        refused = await http.post("/v1/recordings", content=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad-recording")
    for name in ("../../etc/passwd", "20260101-000000-0123456789ab", "x"):
        assert (await http.get(f"/v1/recordings/{name}/file")).status_code == 404


async def test_one_asks_for_a_recording_and_ends_it(tmp_path: Path) -> None:
    async with (
        serving(recording(tmp_path / "recordings", "ask")) as running,
        httpx.AsyncClient(base_url=running.url) as http,
        Client(running.stream_url) as client,
    ):
        await speak(client, SPEECH)
        await client.wait_for("final")
        where = f"/v1/sessions/{client.session}/recording"
        begun = (await http.put(where)).json()
        assert begun["is_live"] and begun["ended_at"] is None
        assert (await http.put(where)).json()["name"] == begun["name"]
        assert (await http.delete(f"/v1/recordings/{begun['name']}")).status_code == 409
        finals = len(client.finals)
        await speak(client, SPEECH)
        await client.wait_until(lambda _: len(client.finals) > finals)
        ended = (await http.delete(where)).json()
        assert (ended["is_live"], ended["why_ended"]) == (False, "asked")
        assert (await http.delete(where)).json()["error"]["code"] == "not-recorded"
        state = (await http.get(f"/v1/recordings/{ended['name']}/state", params={"at": 0})).json()["state"]
        (transcript,) = state["transcripts"].values()
        assert transcript["utterances"]["1"]["final"]["text"] == client.finals[0]
        assert ended["text"].startswith(client.finals[0])
        # The time of its audio is that of the session: what came before is silence.
        wav = (await http.get(f"/v1/recordings/{ended['name']}/audio")).content[44:]
        heard = len(SPEECH)
        assert wav[:heard] == bytes(heard) and wav[heard:] and SPEECH.startswith(wav[heard:])


async def test_nothing_is_written_where_nothing_is_recorded(tmp_path: Path) -> None:
    async with (
        serving(recording(tmp_path / "recordings", "off")) as running,
        httpx.AsyncClient(base_url=running.url) as http,
        Client(running.stream_url) as client,
    ):
        await speak(client, SPEECH)
        await client.wait_for("final")
        refused = await http.put(f"/v1/sessions/{client.session}/recording")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "recorder-off")
    assert not (tmp_path / "recordings").exists()


async def test_two_sessions_side_by_side_hold_nothing_of_each_other(tmp_path: Path) -> None:
    config = recording(tmp_path / "recordings")
    async with (
        serving(config) as running,
        httpx.AsyncClient(base_url=running.url) as http,
    ):
        async with (
            Client(running.stream_url, hotwords=["Zermatt"]) as one,
            Client(running.stream_url, hotwords=["Brig"]) as two,
        ):
            for _ in range(2):
                await asyncio.gather(speak(one, SPEECH), speak(two, silence(0.2) + SPEECH))
            for client in (one, two):
                await client.send({"type": "close"})
            for client in (one, two):
                await client.wait_for("closed")
        views = {view["session"]: view for view in await over(http, 2)}
        for mine, other, word, foreign in ((one, two, b"Zermatt", b"Brig"), (two, one, b"Brig", b"Zermatt")):
            folder = tmp_path / "recordings" / views[public_name(SessionId(mine.session or ""))]["name"]
            data = all_bytes(folder)
            assert word in data and foreign not in data
            for secret in (mine.session, other.session, public_name(SessionId(other.session or ""))):
                assert secret is not None and secret.encode() not in data


async def test_a_live_session_tells_its_past(running: Serving, http: httpx.AsyncClient) -> None:
    async with Client(running.stream_url) as client:
        await speak(client, SPEECH)
        final = (await client.wait_for("final"))["hypothesis"]["text"]
        past = f"/v1/sessions/{client.session}"
        told, actions = await fold(http, past)
        numbers = [one["seq"] for one in actions]
        assert numbers == sorted(numbers) and told["first"] < numbers[0] and told["has_text"]
        event = next(one for one in actions if one["action"]["type"] == "[Transcript] Finalized")
        assert event["action"]["hypothesis"]["text"] == final
        state = (await http.get(f"{past}/state", params={"at": event["seq"]})).json()["state"]
        name = public_name(SessionId(client.session or ""))
        assert list(state["sessions"]) == list(state["transcripts"]) == [name]
        assert state["transcripts"][name]["utterances"]["1"]["final"]["text"] == final
        causes = (await http.get(f"{past}/causes", params={"at": event["seq"]})).json()["causes"]
        links = [cause["link"] for cause in causes]
        assert sorted(links) == ["began", "endpoint", "final", "heard", "opened"] and links[-1] == "final"
        # By name an administrator sees what happens, and not what is said.
        by_name = (await http.get(f"/v1/sessions/{name}/actions")).json()
        assert [one["seq"] for one in by_name["actions"]][: len(numbers)] == numbers
        assert not by_name["has_text"] and final not in json.dumps(by_name)
        blind = (await http.get(f"/v1/sessions/{name}/state", params={"at": event["seq"]})).json()
        assert final not in json.dumps(blind)


async def events(http: httpx.AsyncClient, session: str, last: str | None = None) -> AsyncIterator[tuple[str, str, Any]]:
    headers = {"Last-Event-ID": last} if last is not None else {}
    async with http.stream("GET", f"/v1/sessions/{session}/actions/events", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        async for line in answer.aiter_lines():
            if line and not line.startswith(":"):
                key, _, value = line.partition(": ")
                fields[key] = value
            elif not line and "data" in fields:
                yield fields.get("event", ""), fields.get("id", ""), json.loads(fields["data"])
                fields = {}


async def test_the_actions_of_a_live_session_are_followed_to_its_end(running: Serving, http: httpx.AsyncClient) -> None:
    async with Client(running.stream_url) as client:
        assert client.session is not None
        seen: list[tuple[str, str, Any]] = []

        async def follow() -> None:
            async for event in events(http, client.session or ""):
                seen.append(event)

        following = asyncio.create_task(follow())
        await speak(client, SPEECH)
        await client.wait_for("final")
        _, actions = await fold(http, f"/v1/sessions/{client.session}")
        async with asyncio.timeout(10):
            resumed = events(http, client.session, str(actions[3]["seq"]))
            assert (await anext(resumed))[2] == actions[4]
            await resumed.aclose()
        await client.send({"type": "close"})
        await client.wait_for("closed")
        async with asyncio.timeout(10):
            await following
    assert [event for event, _, _ in seen[:-1]] == ["action"] * (len(seen) - 1) and seen[-1][0] == "end"
    assert [data for _, _, data in seen[: len(actions)]] == actions
    assert [int(id) for _, id, _ in seen[:-1]] == [data["seq"] for _, _, data in seen[:-1]]
    assert seen[-2][2]["action"]["type"] == "[Session] Closed"


async def test_followers_end_with_the_hub(tmp_path: Path) -> None:
    async with httpx.AsyncClient() as http:
        async with serving(recording(tmp_path)) as running, Client(running.stream_url) as client:
            http.base_url = httpx.URL(running.url)
            stream = events(http, client.session or "")
            await anext(stream)
            following = asyncio.create_task(_drain(stream))
        async with asyncio.timeout(10):
            await following


async def _drain(stream: AsyncIterator[object]) -> None:
    async for _ in stream:
        pass


async def test_only_administrators_see_recordings(tmp_path: Path) -> None:
    keys = {name: new_key() for name in ("anna", "ben", "root")}
    scopes = {"anna": ["speak", "watch"], "ben": ["speak", "watch"], "root": ["watch", "admin"]}
    access = {
        "required": "on",
        "keys": {name: {"id": it.id, "hash": it.sha256, "scopes": scopes[name]} for name, it in keys.items()},
    }
    config = scripted(recorder={"mode": "ask", "folder": str(tmp_path)}, access=access)
    heads = {name: {"Authorization": f"Bearer {it.secret}"} for name, it in keys.items()}
    async with serving(config) as running, httpx.AsyncClient(base_url=running.url) as http:
        start = await http.post("/v1/sessions", json={"format": MONO}, headers=heads["anna"])
        assert start.status_code < 300, start.text
        id = start.json()["session"]
        name = public_name(SessionId(id))
        assert (await http.put(f"/v1/sessions/{id}/recording")).status_code == 401
        for who, by in (("ben", id), ("ben", name), ("anna", name)):
            assert (await http.put(f"/v1/sessions/{by}/recording", headers=heads[who])).status_code == 403, who
        begun = await http.put(f"/v1/sessions/{id}/recording", headers=heads["anna"])
        assert begun.status_code == 200
        view = begun.json()
        past = f"/v1/recordings/{view['name']}"
        paths = ("", "/file", "/audio", "/actions", "/state?at=0", "/causes?at=1")
        for path in ("/v1/recordings", *(f"{past}{path}" for path in paths)):
            assert (await http.get(path)).status_code == 401, path
            assert (await http.get(path, headers=heads["ben"])).status_code == 403, path
        assert (await http.post("/v1/recordings", content=b"", headers=heads["anna"])).status_code == 403
        assert (await http.delete(past, headers=heads["anna"])).status_code == 403
        assert (await http.get(past, headers=heads["root"])).json()["principal"] == "anna"
        for path in ("actions", "state?at=1", "causes?at=1", "actions/events"):
            assert (await http.get(f"/v1/sessions/{name}/{path}", headers=heads["anna"])).status_code == 403, path
        assert (await http.get(f"/v1/sessions/{id}/actions", headers=heads["ben"])).status_code == 200
        # Hotwords of everybody and of a key are no more told here than at /v1/hotwords.
        for where in ("/v1/hotwords", "/v1/hotwords/anna"):
            put = await http.put(where, json={"hotwords": ["Kandersteg"]}, headers=heads["root"])
            assert put.status_code < 300, put.text
        seen = {"anna": False, "ben": False, "root": True}
        for who, sees in seen.items():
            actions = await http.get(f"/v1/sessions/{id}/actions", headers=heads[who])
            at = actions.json()["last"]
            state = await http.get(f"/v1/sessions/{id}/state?at={at}", headers=heads[who])
            assert actions.status_code == state.status_code == 200
            assert ("Kandersteg" in actions.text, "Kandersteg" in state.text) == (sees, sees), who
        ended = await http.delete(f"/v1/sessions/{name}/recording", headers=heads["root"])
        assert ended.status_code == 200


async def test_a_hub_that_is_killed_leaves_a_recording_that_can_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    config = recording(folder)
    (tmp_path / "hub.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True)))
    command = [sys.executable, "-m", "asr_hub", "serve", "--config", str(tmp_path / "hub.yaml")]
    process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        async with asyncio.timeout(30):
            while b"stream=" not in (line := await process.stderr.readline()):
                assert line
        url = line.decode().partition("stream=")[2].split()[0]
        async with Client(url) as client:
            await speak(client, silence(0.2) + tone(5.0) + silence(1.0))
            await client.wait_for("final")
            http = url.replace("ws", "http", 1).replace("/v1/stream", "")
            async with httpx.AsyncClient(base_url=http) as asked, asyncio.timeout(10):
                while not (await asked.get("/v1/recordings")).json()["recordings"][0]["text"]:
                    pass
            os.kill(process.pid, signal.SIGKILL)
            text = client.finals[0]
    finally:
        if process.returncode is None and process.pid:
            process.kill()
        await process.wait()
    (made,) = folder.iterdir()
    with (made / "journal.jsonl").open("ab") as file:
        file.write(b'{"seq": 99')
    async with serving(config) as running, httpx.AsyncClient(base_url=running.url) as http_:
        (view,) = await over(http_)
        assert (view["why_ended"], view["text"]) == ("broken-off", text[:200])
        assert view["audio_ms"] >= 4000
        _, actions = await fold(http_, f"/v1/recordings/{view['name']}")
        assert len(actions) == view["facts"] > 5
        assert (await http_.get(f"/v1/recordings/{view['name']}/file")).status_code == 200
    for piece in (made / "audio").iterdir():
        assert hashlib.sha256(piece.read_bytes()).hexdigest() == piece.name
    assert replay((made / "journal.jsonl").read_bytes().splitlines())


async def test_a_redaction_that_is_configured_leaves_no_byte_of_what_it_veils(tmp_path: Path) -> None:
    recorder = {"mode": "on", "folder": str(tmp_path), "redact": "tests.recordings.made:veiled", "audio": False}
    config = scripted({"transcript": ["to", "Kandersteg"]}, recorder=recorder, hotwords=["Kandersteg"])
    async with serving(config) as running, httpx.AsyncClient(base_url=running.url) as http:
        async with Client(running.stream_url) as client:
            await speak(client, SPEECH)
            assert "Kandersteg" in (await client.wait_for("final"))["hypothesis"]["text"]
            await client.send({"type": "close"})
            await client.wait_for("closed")
        (view,) = await over(http)
        assert "[place]" in view["text"] and not view["has_audio"] and view["unread_texts"] == 0
        answer = await http.get(f"/v1/recordings/{view['name']}/audio")
        assert answer.json()["error"]["code"] == "no-audio"
    data = all_bytes(tmp_path)
    assert b"[place]" in data and b"Kandersteg" not in data


async def test_a_recording_that_is_damaged_is_looked_at_and_deleted_as_others_are(tmp_path: Path) -> None:
    made = recorded(tmp_path, [opened(A), started(1), ended(1), final(1, "turn on")], audio=[(0, SPEECH)])
    lost = recorded(tmp_path, [opened(A)], name="20260201-120000-0123456789ab")
    for folder, line in ((made.path, 3), (lost.path, 0)):
        lines = (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)
        (folder / "journal.jsonl").write_bytes(b"".join([*lines[:line], b"rot\n", *lines[line + 1 :]]))
    past = f"/v1/recordings/{made.path.name}"
    async with (
        serving(recording(tmp_path, "off", keep={"days": 36_500})) as running,
        httpx.AsyncClient(base_url=running.url) as http,
    ):
        assert (await http.get(past)).json()["damage"] is None, "nobody has looked"
        assert len((await http.get(f"{past}/actions")).json()["actions"]) == 2
        assert (await http.get(f"{past}/state", params={"at": 2})).status_code == 200
        beyond = await http.get(f"{past}/state", params={"at": 3})
        assert beyond.status_code == 404 and "from 0 to 2" in beyond.text
        assert "line 4" in (await http.get(past)).json()["damage"]
        assert (await http.get(f"{past}/audio")).content[44:] == SPEECH
        file = (await http.get(f"{past}/file")).content
        assert (await http.post("/v1/recordings", content=file)).json()["error"]["code"] == "bad-recording"
        refused = await http.get(f"/v1/recordings/{lost.path.name}/actions")
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad-recording")
        assert "line 1" in (await http.get(f"/v1/recordings/{lost.path.name}")).json()["damage"]
        for name in (made.path.name, lost.path.name):
            assert (await http.delete(f"/v1/recordings/{name}")).status_code == 204
        assert (await http.get("/v1/recordings")).json()["recordings"] == []


async def test_a_name_that_comes_back_is_that_of_the_new_recording(
    running: Serving, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    for index, story in enumerate(([opened(A), started(1), ended(1)], [opened(A)])):
        file = b"".join(packed(recorded(tmp_path / str(index), story)))
        sent = await http.post("/v1/recordings", content=file)
        past = sent.headers["Location"]
        assert past.endswith(NAME)
        assert len((await http.get(f"{past}/actions")).json()["actions"]) == len(story)
        assert (await http.delete(past)).status_code == 204
