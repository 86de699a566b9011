"""The routes of files over jobs in memory: who may do what, what a form may be, and what is left of one that breaks."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import msgspec
import pytest
from fastapi import FastAPI
from tests.protocols.memory_jobs import SAID, Files, Keys, files

from asr_hub.access.grant import Scope
from asr_hub.errors import Overloaded
from asr_hub.jobs.job import Channels, Failure, Handling, JobState, Wish
from asr_hub.model import ProviderName
from asr_hub.protocols import jobs_rest, jobs_upload
from asr_hub.protocols.http import application
from asr_hub.protocols.jobs_port import UploadSettings

pytestmark = pytest.mark.unit

WAV = b"RIFF\x24\0\0\0WAVEfmt " + bytes(range(256)) * 20

SUBMIT, TRANSCRIBE = "/api/v1/asr/submit", "/api/asr/transcribe"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Files]:
    async with files(tmp_path) as made:
        yield made


@pytest.fixture
async def http(hub: Files) -> AsyncIterator[httpx.AsyncClient]:
    async with client(hub.app(), "ann") as one:
        yield one


def client(app: FastAPI, key: str | None) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {key}"} if key is not None else {}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://hub", headers=headers)


async def sent(
    http: httpx.AsyncClient, audio: bytes = WAV, name: str = "talk.wav", path: str = SUBMIT, **fields: Any
) -> httpx.Response:
    return await http.post(path, files={"audio": (name, audio)}, data=fields)


async def job_of(http: httpx.AsyncClient, audio: bytes = WAV, **fields: Any) -> str:
    answer = await sent(http, audio, **fields)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["task_id"])


def everything(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def refusal(answer: httpx.Response) -> tuple[int, str]:
    error = answer.json()["error"]
    assert error["message"] and isinstance(error["retryable"], bool)
    return answer.status_code, error["code"]


# A file comes in.


async def test_a_file_becomes_a_job_with_what_was_sent_and_asked(hub: Files, http: httpx.AsyncClient) -> None:
    answer = await sent(
        http,
        language="en",
        provider="scripted",
        batch_size="3",
        priority="7",
        hotwords=["Brig, Visp", "Täsch", "Brig"],
        formats="srt,json",
        channels="split",
    )
    assert answer.status_code == 202
    told = answer.json()
    (job,) = hub.store.jobs.values()
    assert told == {
        "task_id": job.id,
        "status": "queued",
        "position": 0,
        "estimated_wait": None,
        "is_new": True,
        "provider": "scripted",
        "result_url": f"/api/v1/asr/result/{job.id}",
    }
    assert answer.headers["location"] == told["result_url"]
    assert (job.name, job.size, job.sha256) == ("talk.wav", len(WAV), hashlib.sha256(WAV).hexdigest())
    assert job.principal == "ann"
    assert job.wish == Wish(
        provider=ProviderName("scripted"), language="en", hotwords=("Brig", "Visp", "Täsch"), channels=Channels.SPLIT
    )
    assert job.handling == Handling(batch_size=3, priority=7, formats=("srt", "json"))
    assert hub.audio.files[job.sha256] == WAV
    assert not hub.left


async def test_a_priority_is_a_number_or_a_word(hub: Files, http: httpx.AsyncClient) -> None:
    for word, priority in (("high", 10), ("normal", 50), ("low", 90), ("", 50), ("100", 100)):
        id = await job_of(http, WAV + word.encode(), priority=word)
        assert hub.store.jobs[id].handling.priority == priority


async def test_the_same_file_with_the_same_options_is_the_same_job(hub: Files, http: httpx.AsyncClient) -> None:
    id = await job_of(http)
    again = await sent(http)
    assert (again.status_code, again.json()["task_id"], again.json()["is_new"]) == (202, id, False)
    hub.store.finish(id)
    done = await sent(http)
    assert (done.status_code, done.json()["status"], done.json()["is_new"]) == (200, "done", False)
    assert await job_of(http, language="de") != id
    assert not hub.left


BAD_WISHES: list[tuple[dict[str, Any], int, str]] = [
    ({"provider": "nobody"}, 404, "unknown-provider"),
    ({"provider": "x" * 200}, 400, "bad-value"),
    ({"provider": "a\nb"}, 400, "bad-value"),
    ({"language": "fr"}, 404, "unsupported-language"),
    ({"language": "../etc"}, 400, "bad-value"),
    ({"priority": "0"}, 400, "bad-value"),
    ({"priority": "101"}, 400, "bad-value"),
    ({"priority": "soon"}, 400, "bad-value"),
    ({"priority": "9" * 5000}, 400, "bad-value"),
    ({"priority": "٣"}, 400, "bad-value"),
    ({"priority": ["1", "2"]}, 400, "bad-value"),
    ({"batch_size": "-1"}, 400, "bad-value"),
    ({"batch_size": "257"}, 400, "bad-value"),
    ({"channels": "left"}, 400, "bad-value"),
    ({"formats": "docx"}, 400, "bad-value"),
    ({"formats": ",".join(map(str, range(20)))}, 400, "bad-value"),
    ({"hotwords": "x" * 101}, 400, "bad-value"),
    ({"hotwords": "a\0b"}, 400, "bad-value"),
    ({"hotwords": [str(number) for number in range(501)]}, 400, "bad-value"),
    ({"hotwords": "x" * (jobs_upload.MAX_FIELD_BYTES + 1)}, 413, "too-large"),
    ({"webhook": "https://example.org/told"}, 400, "webhooks-off"),
    ({"surprise": "1"}, 400, "unknown-field"),
    ({"format": "srt"}, 400, "unknown-field"),
]


async def test_a_wish_that_cannot_be_fulfilled_is_named_and_makes_no_job(hub: Files, http: httpx.AsyncClient) -> None:
    for fields, status, code in BAD_WISHES:
        assert refusal(await sent(http, **fields)) == (status, code), str(fields)[:80]
        assert not hub.store.jobs and not hub.audio.files and not hub.left


WEBHOOKS = [
    ("https://example.org/told", None),
    ("http://127.0.0.1/told", "webhook-refused"),
    ("file:///etc/passwd", "webhook-refused"),
    ("https://example.org/" + "x" * 3000, "bad-value"),
]


async def test_a_webhook_is_looked_at_before_there_is_a_job(tmp_path: Path) -> None:
    async with files(tmp_path, webhooks=True) as hub, client(hub.app(), "ann") as http:
        for webhook, outcome in WEBHOOKS:
            answer = await sent(http, webhook=webhook)
            if outcome is None:
                ((id, job),) = hub.store.jobs.items()
                assert job.handling.webhook == webhook
                await http.delete(f"/api/v1/asr/task/{id}")
            else:
                assert refusal(answer) == (400, outcome)
            assert not hub.store.jobs


NAMES = [
    ("../../etc/passwd", "passwd"),
    ("/etc/passwd", "passwd"),
    ("C:\\Windows\\talk.wav", "talk.wav"),
    ("..", "audio"),
    (".", "audio"),
    ("", "audio"),
    ("a\tb.wav", "a b.wav"),
    ("über 東京.wav", "über 東京.wav"),
    ("\u202egnp.wav", "gnp.wav"),
    ("x" * 300 + ".wav", "x" * 196 + ".wav"),
    ("%2e%2e%2fpasswd", "%2e%2e%2fpasswd"),
]


async def test_a_name_is_for_people_and_leads_nowhere(hub: Files, http: httpx.AsyncClient, tmp_path: Path) -> None:
    before = everything(tmp_path)
    for given, shown in NAMES:
        quoted = given.replace("\\", "\\\\").encode()
        body = form(part(b'name="audio"; filename="' + quoted + b'"', WAV))
        answer = await http.post(SUBMIT, content=body, headers=FORM)
        assert answer.status_code == 202, answer.text
        ((id, job),) = hub.store.jobs.items()
        assert job.name == shown
        assert everything(tmp_path) == before
        told = await http.get(f"/api/v1/asr/audio/{id}")
        assert told.headers["content-disposition"].startswith("attachment;")
        await http.delete(f"/api/v1/asr/task/{id}")


async def test_a_name_cannot_add_a_header(hub: Files, http: httpx.AsyncClient) -> None:
    id = await job_of(http, name='a".wav; x="\r\nSet-Cookie: b=c')
    answer = await http.get(f"/api/v1/asr/audio/{id}")
    assert "set-cookie" not in answer.headers
    assert answer.headers["content-disposition"].count('"') == 2


# Forms that are none.

FORM = {"content-type": "multipart/form-data; boundary=b"}


def part(disposition: bytes, data: bytes = b"1", *more: bytes) -> bytes:
    headers = b"".join(line + b"\r\n" for line in (b"Content-Disposition: form-data; " + disposition, *more))
    return headers + b"\r\n" + data


def form(*parts: bytes, boundary: bytes = b"b") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + one + b"\r\n" for one in parts) + b"--" + boundary + b"--\r\n"


FILE = part(b'name="audio"; filename="a.wav"', WAV)

MALFORMED: list[tuple[str, bytes, dict[str, str], int, str]] = [
    ("no content type", form(FILE), {}, 415, "not-a-form"),
    ("json", b"{}", {"content-type": "application/json"}, 415, "not-a-form"),
    ("urlencoded", b"a=b", {"content-type": "application/x-www-form-urlencoded"}, 415, "not-a-form"),
    ("compressed", form(FILE), {**FORM, "content-encoding": "gzip"}, 415, "not-a-form"),
    ("no boundary", form(FILE), {"content-type": "multipart/form-data"}, 400, "bad-form"),
    ("empty boundary", form(FILE), {"content-type": "multipart/form-data; boundary="}, 400, "bad-form"),
    ("endless boundary", form(FILE), {"content-type": f"multipart/form-data; boundary={'b' * 4000}"}, 400, "bad-form"),
    ("another boundary", form(FILE, boundary=b"c"), FORM, 400, "bad-form"),
    ("nothing", b"", FORM, 400, "bad-form"),
    ("noise", bytes(range(256)) * 10, FORM, 400, "bad-form"),
    ("no end", form(FILE)[:-6], FORM, 400, "bad-form"),
    ("cut in a header", b"--b\r\nContent-Disp", FORM, 400, "bad-form"),
    ("no parts", b"--b--\r\n", FORM, 400, "missing-audio"),
    ("no file", form(part(b'name="language"', b"en")), FORM, 400, "missing-audio"),
    ("two files", form(FILE, FILE), FORM, 400, "two-files"),
    ("empty file", form(part(b'name="audio"; filename="a.wav"', b"")), FORM, 415, "empty-file"),
    ("no name", form(FILE, part(b'filename="x"')), FORM, 400, "bad-form"),
    ("no disposition", form(FILE, b"X-Other: y\r\n\r\n1"), FORM, 400, "bad-form"),
    ("not UTF-8", form(FILE, part(b'name="language"', b"\xff\xfe")), FORM, 400, "bad-utf8"),
    ("field is not UTF-8", form(FILE, part(b'name="\xff"')), FORM, 400, "unknown-field"),
    ("parts without end", form(FILE, *[part(b'name="hotwords"', b"a")] * 5000), FORM, 400, "too-many-parts"),
    ("huge header", form(part(b'name="audio"; filename="' + b"x" * 100_000 + b'"', WAV)), FORM, 400, "bad-form"),
    (
        "many headers",
        form(part(b'name="audio"', WAV, *[b"X-%d: y" % number for number in range(100)])),
        FORM,
        400,
        "bad-form",
    ),
    (
        "a form in a form",
        form(
            part(b'name="audio"', b"1"), part(b'name="x"', form(FILE, boundary=b"c"), b"Content-Type: multipart/mixed")
        ),
        FORM,
        400,
        "unknown-field",
    ),
]


@pytest.mark.parametrize("path", [SUBMIT, TRANSCRIBE])
async def test_what_is_no_form_is_named_and_leaves_nothing(
    hub: Files, http: httpx.AsyncClient, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    for name, body, headers, status, code in MALFORMED:
        assert refusal(await http.post(path, content=body, headers=headers)) == (status, code), name
        assert not hub.store.jobs and not hub.left, name
    assert not [record for record in caplog.records if record.name.startswith("python_multipart")]


async def test_what_follows_the_last_boundary_is_dropped(hub: Files, http: httpx.AsyncClient) -> None:
    answer = await http.post(SUBMIT, content=form(FILE) + b"noise" * 100, headers=FORM)
    assert answer.status_code == 202
    assert hub.audio.files[hashlib.sha256(WAV).hexdigest()] == WAV


# Bodies that do not come as they should.


async def call(
    app: FastAPI,
    body: Iterable[bytes] | AsyncIterator[bytes],
    *,
    headers: dict[str, str] = FORM,
    key: str = "ann",
    path: str = SUBMIT,
    then: Callable[[], Awaitable[None]] | None = None,
) -> tuple[int, bytes, int]:
    """The status, the body and how many pieces were read before. The client goes away after its last piece."""
    pieces = aiter(body) if isinstance(body, AsyncIterator) else None
    waiting = iter(()) if pieces is not None else iter(body)  # type: ignore[arg-type]
    read = 0
    out: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        nonlocal read
        await asyncio.sleep(0)
        piece = await anext(pieces, None) if pieces is not None else next(waiting, None)
        if piece is None:
            if then is not None:
                await then()
            return {"type": "http.disconnect"}
        read += not out
        return {"type": "http.request", "body": piece, "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        out.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [
            (name.encode(), value.encode()) for name, value in {"authorization": f"Bearer {key}", **headers}.items()
        ],
    }
    await app(scope, receive, send)  # type: ignore[arg-type]
    return out[0]["status"], b"".join(message.get("body", b"") for message in out[1:]), read


async def test_a_client_that_goes_away_leaves_nothing(hub: Files) -> None:
    whole = form(FILE)
    seen: list[list[str]] = []

    async def gone() -> None:
        seen.append(hub.left)

    for end in (0, 10, len(whole) // 2, len(whole) - 1):
        await call(hub.app(), [whole[:end]], then=gone)
    assert any(seen), "the file was on the disk while it came"
    assert not hub.left and not hub.store.jobs


async def test_a_request_that_is_cancelled_leaves_nothing(hub: Files) -> None:
    stuck = asyncio.Event()

    async def never() -> None:
        stuck.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(call(hub.app(), [form(FILE)[:2000]], then=never))
    await stuck.wait()
    assert hub.left
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not hub.left and not hub.store.jobs


async def test_a_file_that_says_it_is_too_large_is_not_read(tmp_path: Path) -> None:
    async with files(tmp_path, max_file_bytes=1024) as hub:
        for length in ("99999999999", "9" * 500):
            headers = {**FORM, "content-length": length}
            status, body, read = await call(hub.app(), [], headers=headers)
            assert (status, json.loads(body)["error"]["code"], read) == (413, "too-large", 0)
        assert not hub.left


async def test_a_file_that_turns_out_too_large_is_refused_where_it_does(tmp_path: Path) -> None:
    async with files(tmp_path, max_file_bytes=100_000) as hub:
        begun = form(part(b'name="audio"', b"x")).removesuffix(b"\r\n--b--\r\n")

        async def endless() -> AsyncIterator[bytes]:
            yield begun
            while True:
                yield b"x" * 10_000

        status, body, read = await call(hub.app(), endless())
        assert (status, json.loads(body)["error"]["code"]) == (413, "too-large")
        assert read == 11
        assert not hub.left and not hub.store.jobs
        assert (
            await client(hub.app(), "ann").post(
                SUBMIT, content=form(part(b'name="audio"', b"y" * 100_000)), headers=FORM
            )
        ).status_code == 202


async def test_an_endless_preamble_and_endless_headers_are_not_read_for_ever(tmp_path: Path) -> None:
    async with files(tmp_path, max_file_bytes=1024) as hub:
        for begun, piece in (
            (b"--b\r\nX: ", b"y" * 1000),
            (b"", b"y" * 1000),
            (b"", b"\r\n" * 500),
            (b"--b\r\n", b"X: y\r\n" * 100),
        ):

            async def endless(begun: bytes = begun, piece: bytes = piece) -> AsyncIterator[bytes]:
                yield begun
                while True:
                    yield piece

            status, body, _ = await call(hub.app(), endless())
            assert status in (400, 413), body
            assert json.loads(body)["error"]["code"] in ("bad-form", "too-large")
        assert not hub.left


async def test_a_file_that_comes_too_slowly_is_given_up(hub: Files) -> None:
    hub.jobs.uploads = UploadSettings(folder=hub.folder, max_bytes=1 << 20, grace_s=0.0)

    async def never() -> None:
        await asyncio.Event().wait()

    status, body, _ = await call(hub.app(), [form(FILE)[:500]], then=never)
    assert (status, json.loads(body)["error"]["code"]) == (400, "too-slow")
    assert not hub.left


async def test_one_file_too_many_at_once_is_told_to_come_back(hub: Files) -> None:
    hub.jobs.uploads = UploadSettings(folder=hub.folder, max_bytes=1 << 20, at_once=1)
    app = hub.app()
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def held() -> None:
        reached.set()
        await go_on.wait()

    first = asyncio.create_task(call(app, [form(FILE)[:500]], then=held))
    await reached.wait()
    status, body, _ = await call(app, [form(FILE)])
    assert (status, json.loads(body)["error"]["code"]) == (503, "overloaded")
    go_on.set()
    await first
    assert (await sent(client(app, "ann"))).status_code == 202


async def test_a_folder_that_cannot_be_written_is_the_hubs_trouble_and_no_defect(
    hub: Files, http: httpx.AsyncClient
) -> None:
    hub.folder.rmdir()
    answer = await sent(http)
    assert refusal(answer) == (503, "disk-full")
    assert answer.headers["retry-after"] == "60"


async def test_a_database_that_does_not_answer_is_told(hub: Files, http: httpx.AsyncClient) -> None:
    hub.store.refusal = Overloaded("the database does not answer", retry_after=3)
    answer = await sent(http)
    assert refusal(answer) == (503, "overloaded")
    assert answer.headers["retry-after"] == "3"
    assert not hub.left


async def test_a_large_file_is_hashed_as_it_comes(tmp_path: Path) -> None:
    async with files(tmp_path, max_file_bytes=8 << 20) as hub, client(hub.app(), "ann") as http:
        audio = bytes(range(251)) * ((4 << 20) // 251)
        id = await job_of(http, audio)
        assert hub.store.jobs[id].sha256 == hashlib.sha256(audio).hexdigest()
        assert hub.audio.files[hub.store.jobs[id].sha256] == audio


# Who may.

ANY_JOB = "0" * 32

ROUTES: list[tuple[str, str, set[Scope]]] = [
    ("POST", SUBMIT, {Scope.SPEAK, Scope.ADMIN}),
    ("POST", TRANSCRIBE, {Scope.SPEAK, Scope.ADMIN}),
    ("GET", f"/api/v1/asr/result/{ANY_JOB}", {Scope.WATCH, Scope.ADMIN}),
    ("GET", f"/api/v1/asr/result/{ANY_JOB}?format=srt", {Scope.WATCH, Scope.ADMIN}),
    ("GET", f"/api/v1/asr/audio/{ANY_JOB}", {Scope.WATCH, Scope.ADMIN}),
    ("HEAD", f"/api/v1/asr/audio/{ANY_JOB}", {Scope.WATCH, Scope.ADMIN}),
    ("POST", f"/api/v1/asr/retry/{ANY_JOB}", {Scope.SPEAK, Scope.ADMIN}),
    ("POST", f"/api/v1/asr/cancel/{ANY_JOB}", {Scope.SPEAK, Scope.ADMIN}),
    ("DELETE", f"/api/v1/asr/task/{ANY_JOB}", {Scope.SPEAK, Scope.ADMIN}),
    ("GET", "/api/v1/asr/history", {Scope.WATCH, Scope.ADMIN}),
    ("GET", "/api/v1/asr/history?all=true", {Scope.ADMIN}),
    ("GET", "/api/v1/asr/queue/status", {Scope.WATCH, Scope.ADMIN}),
    ("GET", "/api/v1/stats", {Scope.ADMIN}),
    ("GET", "/api/asr/models", set(Scope)),
    ("GET", "/api/asr/formats", set(Scope)),
]


async def test_a_route_asks_for_a_key_and_its_scope(hub: Files) -> None:
    app = hub.app()
    for method, path, scopes in ROUTES:
        async with client(app, None) as http:
            assert (await http.request(method, path)).status_code == 401, path
        for scope in Scope:
            async with client(app, f"bob:{scope}") as http:
                answer = await http.request(method, path)
                assert (answer.status_code == 403) == (scope not in scopes), (path, answer.text)
        async with client(app, "bob@") as http:
            answer = await http.request(method, path)
            assert (answer.status_code == 403) == (scopes != set(Scope)), path


async def test_a_body_is_not_read_before_it_is_known_who_sends_it(hub: Files) -> None:
    for key, status in (("", 401), ("bob:watch", 403)):
        got, _, read = await call(hub.app(), [form(FILE)], key=key)
        assert (got, read) == (status, 0)


NO_IDS = ("x", "..", "0" * 31, "0" * 33, "%00" * 16, "A" * 32, "'; drop table jobs; --", "\u0660" * 32)

PER_JOB = [
    ("GET", "/api/v1/asr/result/{}"),
    ("GET", "/api/v1/asr/result/{}?format=srt"),
    ("GET", "/api/v1/asr/audio/{}"),
    ("POST", "/api/v1/asr/retry/{}"),
    ("POST", "/api/v1/asr/cancel/{}"),
    ("DELETE", "/api/v1/asr/task/{}"),
]


async def test_a_job_of_somebody_else_is_as_one_that_was_never_there(hub: Files) -> None:
    app = hub.app()
    async with client(app, "ann") as ann, client(app, "bob") as bob, client(app, "admin") as admin:
        for method, path in PER_JOB:
            id = await job_of(ann)
            hub.store.fail(id, Failure(code="provider", message="gone"))
            if "format" in path:
                hub.store.finish(id)
            before = dict(hub.store.jobs)
            answers = {(await bob.request(method, path.format(id))).text}
            for other in (ANY_JOB, *NO_IDS):
                answer = await bob.request(method, path.format(other))
                if answer.json()["error"]["code"] != "not-found":  # a path with `..` in it is another one
                    assert refusal(answer) == (404, "unknown-job"), other
                    answers.add(answer.text)
            assert len(answers) == 1
            assert hub.store.jobs == before
            assert (await (ann if method == "POST" else admin).request(method, path.format(id))).is_success
            if id in hub.store.jobs:
                assert (await ann.delete(f"/api/v1/asr/task/{id}")).is_success


async def test_an_administrator_sees_whose_a_job_is_and_others_do_not(hub: Files) -> None:
    app = hub.app()
    async with client(app, "ann") as ann, client(app, "admin") as admin:
        id = await job_of(ann)
        assert (await ann.get(f"/api/v1/asr/result/{id}")).json()["principal"] is None
        assert (await admin.get(f"/api/v1/asr/result/{id}")).json()["principal"] == "ann"


async def test_without_jobs_every_route_says_so_but_health(hub: Files) -> None:
    app = application(jobs_rest.router(None, hub.facts, hub.keys, linger=0.0))
    async with client(app, "admin") as http:
        for method, path, _ in ROUTES:
            answer = await http.request(method, path)
            assert answer.status_code == 503, path
            if method != "HEAD":
                assert refusal(answer) == (503, "jobs-unavailable")
                assert "asr-hub[jobs]" in answer.json()["error"]["message"]
        assert (await http.get("/api/v1/health")).json()["status"] == "ok"


async def test_a_hub_that_drains_takes_no_file_and_still_tells_what_it_has(hub: Files, http: httpx.AsyncClient) -> None:
    id = await job_of(http)
    hub.hub.is_draining = True
    for path in (SUBMIT, TRANSCRIBE):
        answer = await sent(http, path=path)
        assert refusal(answer) == (503, "draining")
        assert answer.headers["retry-after"] == "5"
    assert refusal(await http.post(f"/api/v1/asr/retry/{id}")) == (503, "draining")
    assert (await http.get(f"/api/v1/asr/result/{id}")).json()["status"] == "queued"
    assert (await http.get("/api/v1/asr/history")).json()["total"] == 1


# What a key may use.


async def test_a_key_that_has_used_up_its_audio_sends_no_file(hub: Files) -> None:
    hub.keys.limit("ann", 60.0)
    async with client(hub.app(), "ann") as http:
        id = await job_of(http)
        hub.store.cut(id, 90.0)
        answer = await sent(http, WAV + b"1")
        assert refusal(answer) == (429, "audio-quota")
        assert float(answer.headers["retry-after"]) > 0
        assert (await http.get(f"/api/v1/asr/result/{id}")).is_success
        # 30 s are owed, and a minute's worth comes back in an hour.
        hub.keys.now += 2_400
        assert (await sent(http, WAV + b"1")).status_code == 202


async def test_a_file_counts_with_its_length_and_once(hub: Files) -> None:
    hub.keys.limit("ann", 60.0)
    async with client(hub.app(), "ann") as http:
        # By its size this would be a minute and more.
        large = WAV + bytes(900_000)
        id = await job_of(http, large)
        hub.store.cut(id, 1.0)
        for _ in range(5):
            assert (await sent(http, large)).status_code == 202
        meter = hub.keys.meters["ann"]
        meter.hear(59.0)
        meter.give_back(59.0)
        second = await job_of(http, large + b"1")
        hub.store.fail(second, Failure(code="malformed-audio", message="no audio"))
        third = await job_of(http, large + b"2")
        await http.delete(f"/api/v1/asr/task/{third}")
        meter.hear(59.0)


@pytest.mark.parametrize("is_sent_again", [False, True])
async def test_a_file_that_is_cancelled_before_it_is_decoded_costs_when_it_begins_anew(
    hub: Files, is_sent_again: bool
) -> None:
    hub.keys.limit("ann", 60.0)
    async with client(hub.app(), "ann") as http:
        # By its size about half a minute.
        large = WAV + bytes(900_000)
        for _ in range(3):
            id = await job_of(http, large)
            assert (await http.post(f"/api/v1/asr/cancel/{id}")).is_success
            again = await (sent(http, large) if is_sent_again else http.post(f"/api/v1/asr/retry/{id}"))
            assert again.is_success, again.text
            assert (await http.post(f"/api/v1/asr/cancel/{id}")).is_success
        again = await (sent(http, large) if is_sent_again else http.post(f"/api/v1/asr/retry/{id}"))
        assert again.is_success
        hub.store.cut(id, 90.0)
        assert refusal(await sent(http, WAV + b"1")) == (429, "audio-quota")


async def test_a_file_that_is_refused_costs_nothing(hub: Files) -> None:
    hub.keys.limit("ann", 60.0)
    async with client(hub.app(), "ann") as http:
        for _ in range(100):
            assert refusal(await sent(http, WAV * 50, priority="x")) == (400, "bad-value")
        hub.store.refusal = Overloaded("the database does not answer")
        for _ in range(100):
            assert refusal(await sent(http, WAV * 50)) == (503, "overloaded")
        hub.keys.meters["ann"].hear(60.0)


# What comes of it.


async def test_a_job_is_told_as_it_goes(hub: Files, http: httpx.AsyncClient) -> None:
    first, id = await job_of(http), await job_of(http, WAV + b"1")
    waits = (await http.get(f"/api/v1/asr/result/{id}")).json()
    assert (waits["status"], waits["position"], waits["progress"], waits["text"]) == ("queued", 1, 0.0, None)
    hub.store.cut(id, 12.5)
    runs = (await http.get(f"/api/v1/asr/result/{id}")).json()
    assert (runs["status"], runs["position"], runs["progress"], runs["duration"]) == ("processing", None, 25.0, 12.5)
    hub.store.finish(id)
    done = (await http.get(f"/api/v1/asr/result/{id}")).json()
    assert (done["status"], done["progress"], done["duration"], done["language"]) == ("done", 100.0, 2.5, "en")
    assert done["text"] == "Go forward. Ten meters."
    assert [(one["text"], one["start_ms"], one["end_ms"]) for one in done["sentences"]] == [
        ("Go forward.", 100, 700),
        ("Ten meters.", 1_000, 2_000),
    ]
    (segment,) = done["segments"]
    assert [word["text"] for word in segment["words"]] == ["Go", "forward.", "Ten", "meters."]
    assert segment["words"][0] == {"text": "Go", "start_ms": 100, "end_ms": 200, "confidence": 0.5}
    assert done["retry_url"] is None and done["error"] is None
    assert first != id


async def test_a_result_is_had_in_every_format_by_its_address(hub: Files, http: httpx.AsyncClient) -> None:
    id = await job_of(http, name="über.talk.wav")
    known = [one["name"] for one in (await http.get("/api/asr/formats")).json()["outputs"]]
    for name in known:
        assert refusal(await http.get(f"/api/v1/asr/result/{id}?format={name}")) == (409, "not-done")
    hub.store.finish(id)
    formats = (await http.get(f"/api/v1/asr/result/{id}")).json()["formats"]
    assert list(formats) == known and {"txt", "json", "srt", "vtt"} <= set(known)
    for name, url in formats.items():
        answer = await http.get(url)
        assert answer.status_code == 200
        assert "Ten" in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"
        ending = "json" if name == "verbose_json" else name
        assert f"_ber.talk.{ending}" in answer.headers["content-disposition"]
        if ending == "json":
            assert answer.headers["content-type"] == "application/json"
            json.loads(answer.text)
    assert (await http.get(formats["vtt"])).headers["content-type"] == "text/vtt; charset=utf-8"
    for bad in ("docx", "SRT", "x" * 32, "%00"):
        assert refusal(await http.get(f"/api/v1/asr/result/{id}?format={bad}")) == (400, "bad-value")


async def test_only_the_formats_that_were_asked_for_are_offered(hub: Files, http: httpx.AsyncClient) -> None:
    id = await job_of(http, formats=["srt", "vtt, srt"])
    hub.store.finish(id)
    assert list((await http.get(f"/api/v1/asr/result/{id}")).json()["formats"]) == ["srt", "vtt"]


async def test_a_job_that_failed_says_why_and_is_tried_again(hub: Files, http: httpx.AsyncClient) -> None:
    id = await job_of(http)
    assert refusal(await http.post(f"/api/v1/asr/retry/{id}")) == (409, "not-failed")
    hub.store.fail(id, Failure(code="malformed-audio", message="that is no audio", retryable=False))
    failed = (await http.get(f"/api/v1/asr/result/{id}")).json()
    assert failed["error"] == {"code": "malformed-audio", "message": "that is no audio", "retryable": False}
    again = await http.post(failed["retry_url"])
    assert (again.status_code, again.json()["status"], again.json()["error"]) == (202, "queued", None)


async def test_a_job_is_stopped_and_forgotten(hub: Files, http: httpx.AsyncClient) -> None:
    id = await job_of(http)
    stopped = await http.post(f"/api/v1/asr/cancel/{id}")
    assert (stopped.status_code, stopped.json()["status"]) == (202, "cancelled")
    assert stopped.json()["retry_url"] == f"/api/v1/asr/retry/{id}"
    gone = await http.delete(f"/api/v1/asr/task/{id}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert refusal(await http.get(f"/api/v1/asr/result/{id}")) == (404, "unknown-job")
    assert not hub.audio.files


async def test_history_is_ones_own_in_pages_the_newest_first(hub: Files) -> None:
    app = hub.app()
    async with client(app, "ann") as ann, client(app, "bob") as bob, client(app, "admin") as admin:
        ids = [await job_of(ann, WAV + bytes([number]), name=f"talk {number}.wav") for number in range(5)]
        await job_of(bob, WAV)
        hub.store.finish(ids[1])
        hub.store.fail(ids[2], Failure(code="provider", message="gone"))
        seen: list[str] = []
        after: dict[str, Any] = {}
        while True:
            page = (await ann.get("/api/v1/asr/history", params={"limit": 2, **after})).json()
            assert page["total"] == 5 and len(page["jobs"]) <= 2
            seen += [job["task_id"] for job in page["jobs"]]
            if page["next"] is None:
                break
            after = {"after": page["next"]}
        assert seen == ids[::-1]

        async def found(who: httpx.AsyncClient = ann, **query: Any) -> list[str]:
            answer = await who.get("/api/v1/asr/history", params=query)
            assert answer.status_code == 200, answer.text
            return [job["task_id"] for job in answer.json()["jobs"]]

        assert await found(state=["done", "failed"]) == [ids[2], ids[1]]
        assert await found(state="done,failed") == [ids[2], ids[1]]
        assert await found(text="talk 3") == [ids[3]]
        assert await found(since=hub.store.jobs[ids[3]].created_at) == [ids[4], ids[3]]
        assert await found(until="1970-01-01T00:16:42Z") == [ids[0]]
        assert await found(until="1970-01-01 00:16:42+00:00") == [ids[0]]
        assert len(await found(bob)) == 1 and len(await found(admin)) == 0
        assert len(await found(admin, all=True)) == 6


BAD_SEARCHES: list[dict[str, Any]] = [
    {"limit": 0},
    {"limit": 201},
    {"limit": "x"},
    {"after": "nobody"},
    {"after": "\0"},
    {"text": "\0"},
    {"text": "x" * 201},
    {"state": "gone"},
    {"since": "yesterday"},
    {"since": "1e400"},
    {"since": "9" * 16},
    {"since": "٣"},
    {"until": "9999-99-99"},
    {"until": "12:00"},
    {"all": "perhaps"},
]


async def test_a_search_that_means_nothing_is_named(http: httpx.AsyncClient) -> None:
    for query in BAD_SEARCHES:
        assert refusal(await http.get("/api/v1/asr/history", params=query)) == (400, "bad-value"), query


async def test_the_queue_and_the_statistics_add_up(hub: Files) -> None:
    async with client(hub.app(), "admin") as http:
        ids = [await job_of(http, WAV + bytes([number])) for number in range(3)]
        hub.store.finish(ids[0])
        hub.store.cut(ids[1], 5.0)
        queue = (await http.get("/api/v1/asr/queue/status")).json()
        assert queue == {"queued": {"scripted": 1}, "processing": {"scripted": 1}, "workers": 1, "speed": 20.0}
        stats = (await http.get("/api/v1/stats")).json()
        assert stats["jobs"] == {"queued": 1, "processing": 1, "done": 1, "failed": 0, "cancelled": 0}
        assert stats["audio_hours"] == pytest.approx(2.5 / 3600)
        assert (stats["audio_files"], stats["audio_bytes"]) == (3, 3 * (len(WAV) + 1))
        assert stats["queue"] == queue and stats["kept_jobs"] == 10_000


async def test_models_are_told_with_what_they_can_do(http: httpx.AsyncClient) -> None:
    (model,) = (await http.get("/api/asr/models")).json()["models"]
    assert (model["name"], model["is_default"], model["is_ready"]) == ("scripted", True, True)
    assert model["languages"] == ["en", "de"]


# The file again.


async def test_a_file_comes_back_whole_and_in_parts(hub: Files, http: httpx.AsyncClient) -> None:
    id = await job_of(http)
    url = f"/api/v1/asr/audio/{id}"
    whole = await http.get(url)
    assert (whole.status_code, whole.content) == (200, WAV)
    assert whole.headers["content-type"] == "audio/wav"
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["x-content-type-options"] == "nosniff"
    etag = whole.headers["etag"]
    size = len(WAV)
    for asked, begin, end in (("0-0", 0, 1), ("5-1999", 5, 2000), ("-7", size - 7, size), ("9-", 9, size)):
        some = await http.get(url, headers={"range": f"bytes={asked}", "if-range": etag})
        assert (some.status_code, some.content) == (206, WAV[begin:end])
        assert some.headers["content-range"] == f"bytes {begin}-{end - 1}/{size}"
        assert some.headers["content-length"] == str(end - begin)
    beyond = await http.get(url, headers={"range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["content-range"], beyond.content) == (416, f"bytes */{size}", b"")
    known = await http.get(url, headers={"if-none-match": etag})
    assert (known.status_code, known.content) == (304, b"")
    head = await http.head(url, headers={"range": "bytes=0-3"})
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(size))


async def test_a_part_of_a_file_is_all_that_is_read(hub: Files, http: httpx.AsyncClient) -> None:
    id = await job_of(http, WAV * 20)
    hub.audio.read_bytes = 0
    await http.get(f"/api/v1/asr/audio/{id}", headers={"range": "bytes=50000-50099"})
    assert hub.audio.read_bytes == 100 + 12


async def test_a_file_that_is_gone_is_404(hub: Files, http: httpx.AsyncClient) -> None:
    id = await job_of(http)
    hub.audio.files.clear()
    assert (await http.get(f"/api/v1/asr/audio/{id}")).status_code == 404


async def test_what_a_browser_would_run_is_sent_as_mere_bytes(http: httpx.AsyncClient) -> None:
    for audio in (b"<html><script>alert(1)</script>", b"%PDF-1.7", b"MZ", b"#!/bin/sh"):
        answer = await http.get(f"/api/v1/asr/audio/{await job_of(http, audio)}")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment")


# A client that waits.


async def once(hub: Files) -> str:
    """The one job, as soon as it is there."""
    await hub.store.submitted.wait()
    hub.store.submitted.clear()
    (id,) = hub.store.jobs
    return id


async def test_a_client_that_waits_is_told_the_text(hub: Files, http: httpx.AsyncClient) -> None:
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(sent(http, path=TRANSCRIBE, language="en", priority="low"))
        id = await once(hub)
        hub.store.cut(id, 2.5)
        hub.store.finish(id)
    answer = asked.result()
    assert (answer.status_code, answer.json()["text"]) == (200, "Go forward. Ten meters.")
    assert hub.store.jobs[id].handling.priority == 1
    again = await sent(http, path=TRANSCRIBE, language="en", format="srt")
    assert again.status_code == 200 and "00:00:00,100 --> " in again.text
    assert not hub.left


async def test_a_wait_that_is_too_long_says_where_to_ask(hub: Files) -> None:
    async with client(hub.app(patience=0.0), "ann") as http:
        answer = await sent(http, path=TRANSCRIBE)
        assert (answer.status_code, answer.json()["status"]) == (202, "queued")
        assert (await http.get(answer.json()["result_url"])).is_success


FAILURES = [
    (Failure(code="malformed-audio", message="no audio"), 415),
    (Failure(code="too-large", message="too long"), 413),
    (Failure(code="provider", message="it died", retryable=True), 502),
    (Failure(code="decode-timeout", message="too slow"), 502),
    (Failure(code="unsupported-language", message="not heard"), 404),
]


async def test_a_client_that_waits_is_told_what_went_wrong(hub: Files, http: httpx.AsyncClient) -> None:
    for failure, status in FAILURES:
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(sent(http, path=TRANSCRIBE))
            id = await once(hub)
            hub.store.fail(id, failure)
        assert refusal(asked.result()) == (status, failure.code)
        assert asked.result().json()["error"]["message"] == failure.message
        await http.delete(f"/api/v1/asr/task/{id}")


async def test_a_job_that_is_cancelled_keeps_nobody_waiting(hub: Files, http: httpx.AsyncClient) -> None:
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(sent(http, path=TRANSCRIBE))
        await http.post(f"/api/v1/asr/cancel/{await once(hub)}")
    assert refusal(asked.result()) == (409, "cancelled")


async def test_a_client_that_hangs_up_while_it_waits_leaves_the_job(hub: Files) -> None:
    app = hub.app()
    whole = form(FILE)
    out: list[dict[str, Any]] = []
    messages = [{"type": "http.request", "body": whole, "more_body": False}, {"type": "http.disconnect"}]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        out.append(message)

    headers = [(b"authorization", b"Bearer ann"), *((k.encode(), v.encode()) for k, v in FORM.items())]
    scope = {"type": "http", "method": "POST", "path": TRANSCRIBE, "query_string": b"", "headers": headers}
    await app(scope, receive, send)  # type: ignore[arg-type]
    (job,) = hub.store.jobs.values()
    assert job.state is JobState.QUEUED
    assert not hub.left and not hub.jobs._waiting


async def test_a_format_that_is_none_is_told_before_anything_is_heard(hub: Files, http: httpx.AsyncClient) -> None:
    assert refusal(await sent(http, path=TRANSCRIBE, format="docx")) == (400, "bad-value")
    assert not hub.store.jobs


# What OpenAPI says.


def test_every_operation_is_described_and_has_the_one_error_model() -> None:
    app = application(jobs_rest.router(None, None, Keys()))  # type: ignore[arg-type]
    whole = json.loads(json.dumps(app.openapi()))
    ids = []
    for path, item in whole["paths"].items():
        for method, operation in item.items():
            ids.append(operation["operationId"])
            assert operation["summary"] and operation["description"] and operation["tags"], (method, path)
            assert "422" not in operation["responses"], (method, path)
            for status, response in operation["responses"].items():
                if int(status) >= 400 if status.isdigit() else True:
                    if status == "416":
                        continue
                    (schema,) = [media["schema"] for media in response["content"].values()]
                    assert schema == {"$ref": "#/components/schemas/ErrorView"}, (method, path, status)
    assert len(ids) == len(set(ids))
    for schema in whole["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


async def test_what_a_route_answers_is_what_it_says(hub: Files) -> None:
    app = hub.app()
    whole = json.loads(json.dumps(app.openapi()))
    async with client(app, "admin") as http:
        id = await job_of(http)
        hub.store.finish(id)
        for path, method in (
            ("/api/v1/asr/result/{task_id}", "get"),
            ("/api/v1/asr/history", "get"),
            ("/api/v1/asr/queue/status", "get"),
            ("/api/v1/stats", "get"),
            ("/api/v1/health", "get"),
            ("/api/asr/models", "get"),
            ("/api/asr/formats", "get"),
            ("/api/v1/asr/cancel/{task_id}", "post"),
        ):
            answer = await http.request(method, path.format(task_id=id))
            told = whole["paths"][path][method]["responses"][str(answer.status_code)]
            schema = told["content"]["application/json"]["schema"]
            jsonschema.Draft202012Validator({**schema, "components": whole["components"]}).validate(answer.json())
    assert msgspec.structs.asdict(SAID)["duration_ms"] == 2_500
