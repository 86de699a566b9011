"""How receivers are told, and what the hub makes of those that do not behave."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace
from standardwebhooks import Webhook, WebhookVerificationError

from asr_hub.errors import ConfigError, HubError, ProtocolError
from asr_hub.jobs.job import Failure, Handling, Job, JobId, JobState, Wish
from asr_hub.jobs.webhook import (
    MOST_RETRY_AFTER_S,
    Webhooks,
    body_of,
    delays,
    event_of,
    id_of,
    secret_of,
    signature,
)
from asr_hub.model import ProviderName

pytestmark = pytest.mark.unit

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OLD_SECRET = "whsec_" + base64.b64encode(bytes(range(100, 124))).decode()
NOW = 1_700_000_000
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "webhooks.md"

JOB = Job(
    id=JobId("0123456789abcdef0123456789abcdef"),
    principal="phone",
    name="call.mp3",
    sha256="ab" * 32,
    size=1000,
    wish=Wish(provider=ProviderName("scripted"), hotwords=("secret hotword",)),
    handling=Handling(webhook="https://example.com/?token=abc"),
    state=JobState.DONE,
    created_at=NOW - 60.0,
    updated_at=NOW - 1.0,
    finished_at=NOW + 0.25,
    runs=1,
)

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Receiver:
    """A server on loopback that keeps every request, and answers each with the next of its answers."""

    def __init__(self, *answers: Answering) -> None:
        self.url = ""
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.lines: list[str] = []
        self._answers = list(answers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers["content-length"]))
            self.lines.append(head[0])
            self.requests.append((headers, body))
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiver(*answers: Answering) -> AsyncIterator[Receiver]:
    here = Receiver(*answers)
    server = await asyncio.start_server(here.serve, "127.0.0.1", 0)
    here.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?a=b"
    try:
        yield here
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def hooks(secret: str = SECRET, *, timeout_s: float = 10.0, **more: Any) -> AsyncIterator[Webhooks]:
    made = Webhooks(secret, allow_private=True, timeout_s=timeout_s, **more)
    try:
        yield made
    finally:
        made.close()


def says(head: str, body: str = "") -> Answering:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()

    return answer


def raw(data: bytes) -> Answering:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return answer


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def stuck_in_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx")
    await writer.drain()
    await reader.read()


async def stuck_in_the_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
    await writer.drain()
    await reader.read()


def endless(head: bytes, piece: bytes) -> Answering:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()

    return answer


async def test_a_message_arrives_as_it_is_and_the_package_of_the_specification_verifies_it() -> None:
    body = body_of(JOB, "job.done")
    now = int(time.time())
    async with receiver(says("204 No Content")) as here, hooks() as webhooks:
        await webhooks.send(here.url, body, id=id_of(JOB), timestamp=now)
    assert here.lines == ["POST /hook?a=b HTTP/1.1"]
    headers, came = here.requests[0]
    assert came == body
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == id_of(JOB)
    assert headers["webhook-timestamp"] == str(now)
    assert Webhook(SECRET).verify(came, headers) == json.loads(body)
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD_SECRET).verify(came, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(came + b" ", headers)


def test_the_signature_is_the_one_that_openssl_makes() -> None:
    digest = subprocess.run(
        ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{bytes(range(32)).hex()}", "-binary"],
        input=b"msg_1.1700000000.{}",
        capture_output=True,
        check=True,
    ).stdout
    assert signature(secret_of(SECRET), "msg_1", NOW, b"{}") == "v1," + base64.b64encode(digest).decode()


async def test_while_a_secret_is_replaced_receivers_of_both_can_verify() -> None:
    body = body_of(JOB, "job.done")
    async with receiver(says("200 OK")) as here, hooks(f"{SECRET} {OLD_SECRET}") as webhooks:
        await webhooks.send(here.url, body, id="a", timestamp=int(time.time()))
    headers, came = here.requests[0]
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (SECRET, OLD_SECRET):
        Webhook(secret).verify(came, headers)


def _example() -> Callable[[bytes, dict[str, str], str], bool]:
    code = PAGE.read_text().split("<!-- example: verify -->\n```python\n")[1].split("```")[0]
    assert len(code.strip().splitlines()) <= 11
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  (what the page tells people to run)
    verify: Callable[[bytes, dict[str, str], str], bool] = names["verify"]
    return verify


async def test_the_example_of_the_page_takes_what_the_hub_signed_and_nothing_else() -> None:
    verify = _example()
    body = body_of(JOB, "job.done")
    now = int(time.time())
    async with receiver(says("200 OK")) as here, hooks(f"{OLD_SECRET} {SECRET}") as webhooks:
        await webhooks.send(here.url, body, id="a", timestamp=now)
        await webhooks.send(here.url, body, id="a", timestamp=now - 3600)
    (headers, came), (late, _) = here.requests
    assert verify(came, headers, SECRET)
    assert verify(came, headers, OLD_SECRET)
    assert not verify(came + b" ", headers, SECRET)
    assert not verify(came, {**headers, "webhook-id": "b"}, SECRET)
    assert not verify(came, {**headers, "webhook-timestamp": str(now + 1)}, SECRET)
    assert not verify(came, headers, "whsec_" + base64.b64encode(bytes(32)).decode())
    assert not verify(came, late, SECRET)


def test_the_page_tells_the_waits_and_names_that_there_are() -> None:
    page = PAGE.read_text()
    from asr_hub.config.schema import Webhooks as Settings

    assert f"`jobs.webhooks.timeout_s` ({Settings().timeout_s:g} seconds)" in page
    assert Settings().secret_env in page
    assert Settings().attempts == 8
    assert "eight times in all: after 5 seconds, 5 minutes, 30 minutes, 2, 5, 10 and 14 hours" in page
    usual = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600)
    assert all(0.8 < wait / told < 1.2 for wait, told in zip(delays(8, "a"), usual, strict=True))


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "202 Accepted", "204 No Content", "299 Whatever"])
async def test_two_hundred_and_something_is_taken(status: str) -> None:
    async with receiver(says(status)) as here, hooks() as webhooks:
        await webhooks.send(here.url, b"{}", id="a", timestamp=NOW)


@pytest.mark.parametrize(
    ("status", "again"),
    [
        ("301 Moved Permanently\r\nLocation: http://127.0.0.1:1/", False),
        ("302 Found\r\nLocation: http://169.254.169.254/latest/meta-data/", False),
        ("307 Temporary Redirect\r\nLocation: /again", False),
        ("304 Not Modified", False),
        ("400 Bad Request", False),
        ("401 Unauthorized", False),
        ("404 Not Found", False),
        ("405 Method Not Allowed", False),
        ("410 Gone", False),
        ("422 Unprocessable Content", False),
        ("408 Request Timeout", True),
        ("425 Too Early", True),
        ("429 Too Many Requests", True),
        ("500 Internal Server Error", True),
        ("502 Bad Gateway", True),
        ("503 Service Unavailable", True),
        ("599 Whatever", True),
        ("999 Whatever", True),
    ],
    ids=lambda value: str(value)[:3],
)
async def test_any_other_status_is_told_and_whether_to_try_again(status: str, again: bool) -> None:
    async with receiver(says(status, "what a private server says")) as here, hooks() as webhooks:
        with pytest.raises(HubError, match=status[:3]) as failed:
            await webhooks.send(here.url, b"{}", id="a", timestamp=NOW)
        assert len(here.requests) == 1
    assert failed.value.code == "webhook-failed"
    assert failed.value.retryable is again
    assert "private server" not in str(failed.value)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("99999999999999999999", MOST_RETRY_AFTER_S),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), 0.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\u0663", None),
        ("", None),
        ("9" * 5000, MOST_RETRY_AFTER_S),
    ],
    ids=lambda value: ascii(value)[:20],
)
async def test_when_a_receiver_asks_to_come_back_later_that_is_told(written: str, seconds: float | None) -> None:
    busy = raw(f"HTTP/1.1 503 Busy\r\nRetry-After: {written}\r\nContent-Length: 0\r\n\r\n".encode())
    async with receiver(busy) as here, hooks() as webhooks:
        with pytest.raises(HubError) as failed:
            await webhooks.send(here.url, b"{}", id="a", timestamp=NOW)
    assert failed.value.retryable
    assert failed.value.retry_after == seconds


HEADERS = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(20)) + b"\r\n"


@pytest.mark.parametrize(
    ("answer", "timeout_s"),
    [
        pytest.param(silent, 0.1, id="silent"),
        pytest.param(stuck_in_the_head, 0.1, id="stuck-in-the-head"),
        pytest.param(endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), 10.0, id="endless-100"),
        pytest.param(raw(b""), 10.0, id="closes"),
        pytest.param(raw(b"HTTP/1.1 200"), 10.0, id="closes-in-the-head"),
        pytest.param(raw(b"\x00\xff garbage \r\n\r\n"), 10.0, id="garbage"),
        pytest.param(raw(b"SSH-2.0-OpenSSH_9.6\r\n"), 10.0, id="another-protocol"),
        pytest.param(raw(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), 10.0, id="bad-length"),
        pytest.param(raw(b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n"), 10.0, id="bad-header"),
        pytest.param(raw(HEADERS), 10.0, id="huge-headers"),
        pytest.param(endless(b"HTTP/1.1 200 OK\r\nX: ", b"a" * 1000), 10.0, id="endless-header"),
    ],
)
async def test_a_receiver_that_gives_no_answer_is_tried_again_later(answer: Answering, timeout_s: float) -> None:
    async with receiver(answer) as here, hooks(timeout_s=timeout_s) as webhooks:
        with pytest.raises(HubError) as failed:
            await webhooks.send(here.url, b"{}", id="a", timestamp=NOW)
        assert len(here.requests) == 1
    assert failed.value.code == "webhook-failed"
    assert failed.value.retryable
    assert failed.value.retry_after is None


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(stuck_in_the_body, id="stuck-in-the-body"),
        pytest.param(endless(b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 1000), id="endless-body"),
        pytest.param(
            endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 1000), id="endless-chunks"
        ),
        pytest.param(raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), id="bad-chunk"),
        pytest.param(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), id="closes-in-the-body"),
        pytest.param(
            raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone"), id="bad-compression"
        ),
    ],
)
async def test_what_comes_after_the_status_changes_nothing(answer: Answering) -> None:
    async with receiver(answer) as here, hooks() as webhooks:
        await webhooks.send(here.url, b"{}", id="a", timestamp=NOW)


async def test_a_second_attempt_is_taken_where_the_first_was_not() -> None:
    async with receiver(says("500 Internal Server Error"), says("200 OK")) as here, hooks() as webhooks:
        with pytest.raises(HubError):
            await webhooks.send(here.url, b"{}", id="a", timestamp=NOW)
        await webhooks.send(here.url, b"{}", id="a", timestamp=NOW + 5)
    first, second = (headers for headers, _ in here.requests)
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-timestamp"] != second["webhook-timestamp"]
    assert first["webhook-signature"] != second["webhook-signature"]


async def test_nobody_there_is_tried_again_later() -> None:
    async with receiver(silent) as gone:
        url = gone.url
    async with hooks() as webhooks:
        with pytest.raises(HubError) as failed:
            await webhooks.send(url, b"{}", id="a", timestamp=NOW)
    assert failed.value.retryable


async def test_a_name_that_leads_into_a_private_network_is_given_up() -> None:
    async def inside(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async with receiver(says("200 OK")) as here:
        webhooks = Webhooks(SECRET, allow_private=False, timeout_s=10.0, resolve=inside)
        try:
            with pytest.raises(ProtocolError) as refused:
                await webhooks.send(here.url.replace("127.0.0.1", "example.com"), b"{}", id="a", timestamp=NOW)
            with pytest.raises(ProtocolError):
                await webhooks.send(here.url, b"{}", id="a", timestamp=NOW)
            with pytest.raises(ProtocolError):
                webhooks.check(here.url)
            webhooks.check("https://example.com/")
        finally:
            webhooks.close()
        assert here.requests == []
    assert refused.value.code == "webhook-refused"
    assert not refused.value.retryable


async def test_a_message_that_is_called_back_leaves_nothing_open() -> None:
    came = asyncio.Event()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        await reader.read()

    async with receiver(never) as here, hooks() as webhooks, asyncio.timeout(30):
        task = asyncio.create_task(webhooks.send(here.url, b"{}", id="a", timestamp=NOW))
        await came.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_many_messages_are_under_way_at_the_same_time_and_not_too_many() -> None:
    active: list[int] = []

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        active.append(1)
        for _ in range(20):
            await asyncio.sleep(0)
        most.append(len(active))
        active.pop()
        await says("200 OK")(reader, writer)

    most: list[int] = []
    async with receiver(slow) as here, hooks() as webhooks:
        await asyncio.gather(*(webhooks.send(here.url, b"{}", id=str(number), timestamp=NOW) for number in range(100)))
    assert sorted(int(headers["webhook-id"]) for headers, _ in here.requests) == list(range(100))
    assert 1 < max(most) <= 32


@pytest.mark.parametrize("id", ["", "a.b", "a b", "a\r\nX: y", "ä", "a" * 129])
async def test_an_id_that_could_forge_a_signature_or_a_header_is_not_sent(id: str) -> None:
    async with hooks() as webhooks:
        with pytest.raises(ValueError, match="id of a webhook"):
            await webhooks.send("http://127.0.0.1:1/", b"{}", id=id, timestamp=NOW)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "  ",
        "whsec_",
        "hunter2hunter2hunter2hunter2hunter2",
        "whsec_not?base-64!not?base-64!not?base-64!",
        "whsec_" + "ä" * 32,
        "whsec_" + base64.b64encode(b"hunter2").decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        SECRET + " hunter2",
        "whsk_" + base64.b64encode(bytes(32)).decode(),
        SECRET + "\n" + "whsec_####",
    ],
)
def test_a_secret_that_is_none_is_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(ConfigError, match=r"jobs\.webhooks\.secret_env .*; make one: ") as refused:
        secret_of(value)
    for word in value.split():
        assert word not in str(refused.value).replace("`whsec_`", "").replace("echo whsec_$", "")


@given(st.lists(st.binary(min_size=24, max_size=64), min_size=1, max_size=4), st.booleans())
def test_secrets_are_read_with_and_without_their_padding(secrets: list[bytes], padded: bool) -> None:
    written = [base64.b64encode(secret).decode() for secret in secrets]
    value = " ".join("whsec_" + (one if padded else one.rstrip("=")) for one in written)
    assert secret_of(value) == tuple(secrets)


@given(
    st.lists(st.binary(min_size=24, max_size=64), min_size=1, max_size=3),
    st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True),
    st.integers(0, 2**40),
    st.binary(max_size=200),
)
def test_each_signature_is_that_of_one_secret(secrets: list[bytes], id: str, timestamp: int, body: bytes) -> None:
    signed = signature(secrets, id, timestamp, body).split(" ")
    content = id.encode() + b"." + str(timestamp).encode() + b"." + body
    assert [base64.b64decode(one.removeprefix("v1,")) for one in signed] == [
        hmac.digest(secret, content, "sha256") for secret in secrets
    ]
    assert all(len(base64.b64decode(one.partition(",")[2])) == hashlib.sha256().digest_size for one in signed)


def test_the_waits_are_those_of_the_specification_a_fifth_more_or_less() -> None:
    proposed = [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400, 86400]
    for id in ("a", "b", "c"):
        waits = delays(11, id)
        assert len(waits) == len(proposed)
        for wait, usual in zip(waits, proposed, strict=True):
            assert 0.8 * usual <= wait <= 1.2 * usual
    assert delays(8, "a") == delays(8, "a")
    assert delays(8, "a") != delays(8, "b")
    assert delays(1, "a") == ()


def test_a_message_says_how_a_job_ended_and_nothing_of_what_was_said() -> None:
    body = json.loads(body_of(JOB, event_of(JOB)))
    assert body == {
        "type": "job.done",
        "timestamp": "2023-11-14T22:13:20.250Z",
        "data": {
            "task_id": JOB.id,
            "status": "done",
            "name": "call.mp3",
            "result_url": f"/api/v1/asr/result/{JOB.id}",
        },
    }


def test_a_failed_job_tells_why() -> None:
    failure = Failure(code="unsupported-audio", message="it is no audio", retryable=False)
    job = replace(JOB, state=JobState.FAILED, failure=failure)
    body = json.loads(body_of(job, event_of(job)))
    assert body["type"] == "job.failed"
    assert body["data"] == {
        "task_id": JOB.id,
        "status": "failed",
        "name": "call.mp3",
        "error": {"code": "unsupported-audio", "message": "it is no audio", "retryable": False},
    }


def test_a_cancelled_job_has_neither_result_nor_error() -> None:
    job = replace(JOB, state=JobState.CANCELLED, finished_at=None)
    body = json.loads(body_of(job, event_of(job)))
    assert body["type"] == "job.cancelled"
    assert body["timestamp"] == "2023-11-14T22:13:19.000Z"
    assert set(body["data"]) == {"task_id", "status", "name"}


@given(st.text(max_size=50) | st.text("\ud800\udcff a.", max_size=10))
@example("\udcff.mp3")
def test_any_name_of_a_file_can_be_told(name: str) -> None:
    body = json.loads(body_of(replace(JOB, name=name), "job.done"))
    if not re.search("[\ud800-\udfff]", name):
        assert body["data"]["name"] == name


def test_each_end_of_a_job_has_an_id_of_its_own() -> None:
    again = replace(JOB, runs=2)
    failed = replace(JOB, state=JobState.FAILED)
    assert len({id_of(JOB), id_of(again), id_of(failed)}) == 3
    assert id_of(JOB) == id_of(replace(JOB, updated_at=NOW + 100.0))
