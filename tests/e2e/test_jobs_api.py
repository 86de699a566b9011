"""Files over REST with a real hub: its engine, its database, its decoder, and clients over real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import json
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from tests.audio_files import wav
from tests.hubs import scripted, until
from tests.speech import silence, tone

from asr_hub.access.keys import new_key
from asr_hub.app import Serving, serving
from asr_hub.model import ProviderName
from asr_hub.providers.base import RecognitionOptions
from asr_hub.store.slices.jobs import select_job

pytestmark = pytest.mark.e2e

SAID = tone(2.0)
TALK = wav(SAID)

ANN, BOB, BOSS = (new_key() for _ in range(3))

ACCESS: dict[str, Any] = {
    "keys": {
        "ann": {"id": ANN.id, "hash": ANN.sha256, "scopes": ["speak", "watch"]},
        "bob": {"id": BOB.id, "hash": BOB.sha256, "scopes": ["speak", "watch"], "audio_s_per_hour": 5},
        "boss": {"id": BOSS.id, "hash": BOSS.sha256, "scopes": ["admin"]},
    },
    "tokens": {"secret": "t" * 32},
}


@asynccontextmanager
async def hub_with(folder: Path, **sections: Any) -> AsyncIterator[Serving]:
    async with serving(scripted(**{"jobs": {"folder": str(folder)}, **sections})) as running:
        yield running


@asynccontextmanager
async def client(hub: Serving, key: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
    async with httpx.AsyncClient(base_url=hub.url, timeout=60, headers=headers) as http:
        yield http


async def sent(http: httpx.AsyncClient, audio: bytes = TALK, to: str = "/api/v1/asr/submit", **fields: Any) -> Any:
    return await http.post(to, files={"audio": ("talk.wav", audio)}, data=fields)


async def over(hub: Serving, id: str) -> None:
    """Wait until a job is over."""

    def is_over(state: Any) -> bool:
        record = select_job(state, id)
        return record is not None and record.is_over

    await until(hub.hub, is_over, seconds=60)


async def test_a_file_is_heard_as_its_engine_alone_hears_it(tmp_path: Path) -> None:
    async with hub_with(tmp_path) as hub, client(hub) as http:
        answer = await sent(http, language="en", formats="srt, verbose_json")
        assert answer.status_code == 202, answer.text
        told = answer.json()
        await over(hub, told["task_id"])
        result = (await http.get(told["result_url"])).json()
        (alone,) = await hub.hub.engines.get(ProviderName("scripted")).transcribe(SAID, RecognitionOptions())
        assert (result["status"], result["progress"], result["duration"]) == ("done", 100.0, 2.0)
        assert result["text"] == alone.text != ""
        (segment,) = result["segments"]
        assert [word["text"] for word in segment["words"]] == alone.text.split()
        assert "-->" in (await http.get(result["formats"]["srt"])).text
        assert alone.text in (await http.get(result["formats"]["verbose_json"])).text
        assert (await http.get(result["audio_url"])).content == TALK

        again = await sent(http, language="en", formats="srt, verbose_json")
        assert (again.status_code, again.json()["task_id"], again.json()["is_new"]) == (200, told["task_id"], False)
        assert (await http.delete(f"/api/v1/asr/task/{told['task_id']}")).status_code == 204
        assert (await http.get(told["result_url"])).status_code == 404
        assert (await http.get("/api/v1/asr/history")).json() == {"jobs": [], "next": None, "total": 0}


async def test_channels_are_speakers_where_they_are_split(tmp_path: Path) -> None:
    left, right = tone(1.0), tone(1.0, hertz=330)
    both = b"".join(
        struct.pack("<hh", *pair)
        for pair in zip(_samples(left + silence(1.0)), _samples(silence(1.0) + right), strict=True)
    )
    async with hub_with(tmp_path) as hub, client(hub) as http:
        answer = await sent(http, wav(both, channels=2), "/api/asr/transcribe", channels="split")
        assert answer.status_code == 200, answer.text
        assert [one["speaker"] for one in answer.json()["segments"]] == ["1", "2"]
        assert [one["speaker"] for one in answer.json()["sentences"]] == ["1", "2"]


async def test_what_is_no_audio_fails_with_its_reason_and_can_be_tried_again(tmp_path: Path) -> None:
    async with hub_with(tmp_path) as hub, client(hub) as http:
        for audio, code in ((b"no audio at all" * 50, "malformed-audio"), (wav(b""), "empty-audio")):
            at_once = await sent(http, audio, "/api/asr/transcribe")
            assert (at_once.status_code, at_once.json()["error"]["code"]) == (415, code)
            (job, *_) = (await http.get("/api/v1/asr/history")).json()["jobs"]
            assert (job["status"], job["error"]["code"]) == ("failed", code)
            again = await http.post(job["retry_url"])
            assert again.status_code == 202, again.text
            await over(hub, job["task_id"])
            assert (await http.get(job["result_url"])).json()["status"] == "failed"


async def test_the_queue_the_history_and_the_statistics_are_as_the_document_says(tmp_path: Path) -> None:
    async with hub_with(tmp_path) as hub, client(hub) as http:
        ids = []
        for seconds in (0.4, 0.6, 0.8):
            answer = await sent(http, wav(tone(seconds)), "/api/asr/transcribe")
            assert answer.status_code == 200, answer.text
            ids.append(answer.json()["task_id"])
        whole = (await http.get("/openapi.json")).json()

        async def told(path: str, **query: Any) -> Any:
            answer = await http.get(path, params=query)
            assert answer.status_code == 200, answer.text
            schema = whole["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
            jsonschema.Draft202012Validator({**schema, "components": whole["components"]}).validate(answer.json())
            return answer.json()

        first = await told("/api/v1/asr/history", limit=2, state="done")
        rest = await told("/api/v1/asr/history", limit=2, state="done", after=first["next"])
        assert [job["task_id"] for job in first["jobs"] + rest["jobs"]] == ids[::-1]
        assert (first["total"], rest["next"]) == (3, None)
        assert (await told("/api/v1/asr/history", text="no such word"))["total"] == 0
        assert (await told("/api/v1/asr/history", text="TALK"))["total"] == 3
        bad = await http.get("/api/v1/asr/history", params={"after": "never said"})
        assert (bad.status_code, bad.json()["error"]["code"]) == (400, "bad-value")
        queue = await told("/api/v1/asr/queue/status")
        assert (queue["workers"], sum(queue["queued"].values())) == (1, 0)
        stats = await told("/api/v1/stats")
        assert (stats["jobs"]["done"], stats["audio_files"]) == (3, 3)
        assert stats["audio_hours"] == pytest.approx(1.8 / 3600, rel=0.01)
        assert (await told("/api/v1/health"))["status"] == "ok"
        assert [one["name"] for one in (await told("/api/asr/models"))["models"]] == ["scripted"]
        assert "mp3" in (await told("/api/asr/formats"))["inputs"]


async def test_only_its_key_reaches_a_job(tmp_path: Path) -> None:
    async with (
        hub_with(tmp_path, access=ACCESS) as hub,
        client(hub) as nobody,
        client(hub, ANN.secret) as ann,
        client(hub, BOB.secret) as bob,
        client(hub, BOSS.secret) as boss,
    ):
        assert (await sent(nobody)).status_code == 401
        answer = await sent(ann, to="/api/asr/transcribe")
        assert answer.status_code == 200, answer.text
        id = answer.json()["task_id"]
        for method, path in (
            ("GET", f"/api/v1/asr/result/{id}"),
            ("GET", f"/api/v1/asr/audio/{id}"),
            ("POST", f"/api/v1/asr/retry/{id}"),
            ("POST", f"/api/v1/asr/cancel/{id}"),
            ("DELETE", f"/api/v1/asr/task/{id}"),
        ):
            foreign, unknown = await bob.request(method, path), await bob.request(method, path.replace(id, "0" * 32))
            assert (foreign.status_code, foreign.content) == (404, unknown.content)
        # The same file with another key is another job.
        own = await sent(bob, to="/api/asr/transcribe")
        assert own.status_code == 200 and own.json()["task_id"] != id
        assert (await bob.get("/api/v1/asr/history")).json()["total"] == 1
        assert (await bob.get("/api/v1/asr/history?all=true")).status_code == 403
        assert (await boss.get("/api/v1/asr/history?all=true")).json()["total"] == 2
        assert (await boss.get(f"/api/v1/asr/result/{id}")).json()["principal"] == "ann"
        single = (await ann.post("/v1/tokens", json={"session": "s", "scopes": ["speak", "watch"]})).json()["token"]
        async with client(hub, single) as token:
            assert (await token.get(f"/api/v1/asr/result/{id}")).status_code == 403
            assert (await sent(token)).status_code == 403
        # Bob may send 5 s in an hour, and has sent 2.
        assert (await sent(bob, wav(tone(6.0)))).status_code == 429
        assert (await sent(bob, wav(tone(2.5)))).status_code == 202


async def test_a_file_that_breaks_off_leaves_nothing_and_one_that_is_too_large_is_told_so(tmp_path: Path) -> None:
    uploads = tmp_path / "uploads"
    begun = (
        b"POST /api/v1/asr/submit HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b"Content-Length: %d\r\n\r\n"
        b'--b\r\nContent-Disposition: form-data; name="audio"; filename="../../x"\r\n\r\n'
    )
    jobs = {"folder": str(tmp_path), "max_file_bytes": 1 << 16}
    async with hub_with(tmp_path, jobs=jobs) as hub, client(hub) as http:
        _, writer = await asyncio.open_connection(hub.host, hub.port)
        writer.write(begun % 50_000 + TALK[:20_000])
        await writer.drain()
        await _until_files(uploads, 1)
        writer.transport.abort()
        await _until_files(uploads, 0)

        # The answer comes while the body is still on its way.
        reader, writer = await asyncio.open_connection(hub.host, hub.port)
        writer.write(begun % 99_999_999 + TALK[:20_000])
        async with asyncio.timeout(30):
            status = await reader.readline()
        assert b" 413 " in status
        writer.transport.abort()

        async def endless() -> AsyncIterator[bytes]:
            yield begun.partition(b"\r\n\r\n")[2]
            for _ in range(1000):
                yield bytes(1 << 16)

        headers = {"content-type": "multipart/form-data; boundary=b"}
        answer = await http.post("/api/v1/asr/submit", content=endless(), headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too-large")
        assert (await http.get("/api/v1/asr/history")).json()["total"] == 0
        await _until_files(uploads, 0)


async def test_webhooks_that_lead_inside_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with hub_with(tmp_path / "without") as hub, client(hub) as http:
        answer = await sent(http, webhook="https://example.org/told")
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "webhooks-off")
    monkeypatch.setenv("ASR_HUB_WEBHOOK_SECRET", "whsec_" + "c2VjcmV0" * 4)
    async with hub_with(tmp_path / "with") as hub, client(hub) as http:
        for url in (
            "http://127.0.0.1:8765/v1/config/reload",
            "http://localhost/",
            "http://[::1]/",
            "http://169.254.169.254/latest/meta-data/",
            "http://10.0.0.1/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://user:password@example.org/",
            "file:///etc/passwd",
            "gopher://example.org/",
            "https://example.org/#fragment",
            "https://example.org:22/",
        ):
            answer = await sent(http, webhook=url)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "webhook-refused"), url
        assert (await http.get("/api/v1/asr/history")).json()["total"] == 0


async def test_a_hub_without_jobs_says_so(tmp_path: Path) -> None:
    async with (
        hub_with(tmp_path, jobs={"enabled": "off", "folder": str(tmp_path / "none")}) as hub,
        client(hub) as http,
    ):
        answer = await sent(http)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "jobs-unavailable")
        assert "jobs: {enabled: off}" in answer.json()["error"]["message"]
        assert (await http.get("/api/v1/health")).status_code == 200
        assert not (tmp_path / "none").exists()


async def test_a_job_outlives_its_hub(tmp_path: Path) -> None:
    async with hub_with(tmp_path) as hub, client(hub) as http:
        told = (await sent(http)).json()
    async with hub_with(tmp_path) as hub, client(hub) as http:
        answer = await sent(http, to="/api/asr/transcribe")
        assert (answer.status_code, answer.json()["task_id"]) == (200, told["task_id"])
        assert answer.json()["sha256"] == hashlib.sha256(TALK).hexdigest()
        assert json.loads((await http.get(f"{told['result_url']}?format=json")).text)["source"] == "talk.wav"


def _samples(pcm: bytes) -> Iterator[int]:
    return (sample for (sample,) in struct.iter_unpack("<h", pcm))


async def _until_files(folder: Path, count: int) -> None:
    """Wait until so many files lie there: the hub does that in its own time."""
    async with asyncio.timeout(30):
        while len(await asyncio.to_thread(lambda: list(folder.iterdir()))) != count:  # noqa: ASYNC110  no event of a disk
            await asyncio.sleep(0.01)
