"""The file jobs of a running hub, over HTTP: sent, watched through cut connections and restarts, and fetched."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from asr_hub.errors import (
    ClientError,
    ConfigError,
    Conflict,
    Forbidden,
    HubError,
    NotFound,
    Overloaded,
    ProtocolError,
    ProviderUnavailable,
    RateLimited,
    TooLarge,
    Unauthorized,
    UnsupportedAudio,
)
from asr_hub.wire.jobs import JobError, JobProgress

API = "/api/v1/asr"

UPLOADS = 4
"""How often a file is sent, where the connection breaks on the way."""

MAX_ANSWER = 64 * 2**20
"""Bytes of an answer that is read whole: a result of twelve hours has less."""

MAX_EVENT = 2**20
"""Bytes of one event"""

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
"""Seconds of quiet. The hub says something every ten, and a file that has come is answered in less."""

Query = Mapping[str, str | Sequence[str]]
"""Of `GET history`: the names and values of its parameters."""

T = TypeVar("T")


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long a hub that was there may be away."""

    total_s: float = 120.0
    pause_s: float = 1.0
    """Between two tries"""


class Submitted(msgspec.Struct, frozen=True):
    """What the hub says of a file that it has taken."""

    task_id: str
    status: str
    position: int = 0
    estimated_wait: float | None = None
    is_new: bool = True


class Limits(msgspec.Struct, frozen=True):
    """What the hub takes."""

    max_bytes: int
    """Of one file"""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A job as the hub tells it, as far as it is shown."""

    task_id: str
    status: str
    name: str = ""
    provider: str = ""
    progress: float = 0.0
    """Per cent"""
    created_at: float = 0.0
    """Seconds since the epoch"""
    duration: float | None = None
    """Seconds of audio"""
    position: int | None = None
    error: JobError | None = None


class Page(msgspec.Struct, frozen=True):
    """Some of the jobs, as the hub told them."""

    jobs: list[dict[str, Any]]
    next: str | None = None
    total: int = 0


class JobsClient:
    """
    A connection to the jobs of one hub; a context manager.

    Every call raises a HubError with what the hub said, and ProviderUnavailable where it does not answer: at once where
    it never has, else when its patience is over. `on_trouble` is told before that, once for each time it is away.
    """

    def __init__(
        self,
        url: str,
        key: str | None,
        *,
        patience: Patience = Patience(),
        on_trouble: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Raises ConfigError where that is no address of a hub."""
        self._url = _checked_url(url)
        self._patience = patience
        self._on_trouble = on_trouble
        self._was_there = False
        self._is_missed = False
        self._http = httpx.AsyncClient(
            base_url=self._url,
            headers=_headers(key),
            timeout=_TIMEOUT,
            limits=httpx.Limits(max_connections=None),
            # Certificates are read where there is one to be checked.
            verify=self._url.scheme == "https",
            # Nobody means a proxy for a hub on the same machine.
            mounts=dict.fromkeys(("all://127.0.0.1", "all://localhost", "all://[::1]")),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def limits(self) -> Limits:
        """What it takes; and whether it is there, takes files, and knows the key."""
        return await self._patiently(lambda: self._ask("GET", "/api/asr/formats", Limits))

    async def submit(
        self, file: Path, fields: Mapping[str, str], on_bytes: Callable[[int], None] = lambda _: None
    ) -> Submitted:
        """
        Send a file, piece by piece; `on_bytes` is told how many bytes of it are sent, from 0 again at each try.

        A file that the hub has already is no second job, so it is sent again where the connection breaks.
        Raises OSError where it cannot be read.
        """
        is_begun = False

        def read(size: int) -> None:
            nonlocal is_begun
            is_begun = is_begun or size > 0
            on_bytes(size)

        async def send() -> Submitted:
            nonlocal is_begun
            is_begun = False
            with file.open("rb") as source:
                audio = (file.name, _Counted(source, read), "application/octet-stream")
                return await self._ask("POST", f"{API}/submit", Submitted, data=fields, files={"audio": audio})

        for left in reversed(range(UPLOADS)):
            try:
                return await self._patiently(send, may_go_on=lambda: not is_begun)
            except HubError as exc:
                pause = max(self._patience.pause_s, exc.retry_after or 0.0)
                if not (is_begun and exc.retryable and left) or pause > self._patience.total_s:
                    raise
                self._tell(f"{exc}; sending {file.name} again")
            await asyncio.sleep(pause)
        raise AssertionError("the last try returns or raises")

    async def task(self, id: str) -> Task:
        return await self._patiently(lambda: self._ask("GET", f"{API}/result/{_part(id)}", Task))

    async def follow(self, id: str) -> AsyncGenerator[JobProgress, None]:
        """
        How a job goes on, until it is over: from the hub's events, and by asking where these break off.

        A hub that is started again goes on with its jobs, and so does this.
        """
        while True:
            # Whatever is wrong with the events: asking tells whether it is wrong with the job or the hub too.
            with contextlib.suppress(httpx.TransportError, HubError):
                async with contextlib.aclosing(self._events(id)) as events:
                    async for progress in events:
                        yield progress
                        if _is_over(progress.status):
                            return
            progress = _as_progress(await self.task(id))
            yield progress
            if _is_over(progress.status):
                return
            await asyncio.sleep(self._patience.pause_s)

    async def pages(self, query: Query) -> AsyncGenerator[Page, None]:
        """The jobs that a query finds, the newest first, page by page."""
        after: dict[str, str] = {}
        while True:
            page = await self._page({**query, **after})
            yield page
            if page.next is None or page.next == after.get("after"):
                return
            after = {"after": page.next}

    async def cancel(self, id: str) -> Task:
        return await self._patiently(lambda: self._ask("POST", f"{API}/cancel/{_part(id)}", Task))

    async def retry(self, id: str) -> Task:
        return await self._patiently(lambda: self._ask("POST", f"{API}/retry/{_part(id)}", Task))

    async def document(self, id: str, format: str, write: Callable[[bytes], object]) -> None:
        """What was said, in one of the formats, piece by piece. It breaks off where the connection does."""
        request = self._http.build_request("GET", f"{API}/result/{_part(id)}", params={"format": format})
        response = await self._patiently(lambda: self._sent(request))
        try:
            async for piece in response.aiter_bytes():
                write(piece)
        except httpx.TransportError as exc:
            raise self._away(exc) from None
        finally:
            await response.aclose()

    async def _page(self, query: Query) -> Page:
        return await self._patiently(lambda: self._ask("GET", f"{API}/history", Page, params=query))

    async def _events(self, id: str) -> AsyncGenerator[JobProgress, None]:
        request = self._http.build_request(
            "GET", f"{API}/events/{_part(id)}", headers={"Accept": "text/event-stream", "Cache-Control": "no-store"}
        )
        response = await self._sent(request)
        try:
            async for data in _data_of(response.aiter_bytes()):
                with contextlib.suppress(msgspec.DecodeError):
                    yield msgspec.json.decode(data, type=JobProgress)
        finally:
            await response.aclose()

    async def _ask(self, method: str, path: str, kind: type[T], **of_request: Any) -> T:
        response = await self._sent(self._http.build_request(method, path, **of_request))
        try:
            return msgspec.json.decode(await _body(response), type=kind)
        except msgspec.DecodeError:
            raise ConfigError(f"{self._url} is no hub, or one of another version: it does not answer as one") from None
        finally:
            await response.aclose()

    async def _sent(self, request: httpx.Request) -> httpx.Response:
        """An answer to be read and closed. Raises HubError for a refusal, and httpx.TransportError."""
        response = await self._http.send(request, stream=True)
        self._was_there = True
        if response.is_success:
            self._is_missed = False
            return response
        try:
            raise _refusal(response, await _body(response), self._url)
        finally:
            await response.aclose()

    async def _patiently(self, ask: Callable[[], Awaitable[T]], may_go_on: Callable[[], bool] = lambda: True) -> T:
        """Ask again where the hub is away or has no room, until it has been so for too long."""
        loop = asyncio.get_running_loop()
        until: float | None = None
        while True:
            try:
                return await ask()
            except (httpx.TransportError, HubError) as exc:
                error = exc if isinstance(exc, HubError) else self._away(exc)
                if not self._was_there or not error.retryable or not may_go_on():
                    raise error from None
                pause = max(self._patience.pause_s, error.retry_after or 0.0)
                until = until or loop.time() + self._patience.total_s
                if loop.time() + pause > until:
                    raise error from None
                self._tell(f"{error}; trying again for {self._patience.total_s:.0f} s")
            await asyncio.sleep(pause)

    def _tell(self, trouble: str) -> None:
        """Once, however many calls wait."""
        if not self._is_missed:
            self._is_missed = True
            self._on_trouble(trouble)

    def _away(self, error: httpx.TransportError) -> ProviderUnavailable:
        why = str(error) or type(error).__name__
        if self._was_there:
            return ProviderUnavailable(
                f"the hub at {self._url} does not answer any more ({why}); "
                "its jobs are written down, and it goes on with them when it runs again"
            )
        if "CERTIFICATE_VERIFY_FAILED" in why:
            return ProviderUnavailable(
                f"the certificate of {self._url} is signed by nobody that is known here; "
                "name it in SSL_CERT_FILE, where it is the hub's own"
            )
        return ProviderUnavailable(
            f"no hub answers at {self._url} ({why}); start one with `asr-hub serve`, "
            "or name another with --url or ASR_HUB_URL"
        )


class _Counted:
    """A file that tells how much of it was read: all that httpx wants of one."""

    def __init__(self, file: BinaryIO, on_bytes: Callable[[int], None]) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._on_bytes = on_bytes
        on_bytes(0)

    def read(self, size: int = -1) -> bytes:
        """Raises UnsupportedAudio where the file is no longer as long as it was: so much was promised to the hub."""
        data = self._file.read(size)
        done = self._file.tell()
        if done > self._size or (not data and done < self._size):
            raise UnsupportedAudio("changed while it was sent; send it when it is whole")
        self._on_bytes(done)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def fileno(self) -> int:
        return self._file.fileno()

    def __iter__(self) -> Any:
        return iter(self._file)


async def _data_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The `data` of each event (WHATWG HTML, 9.2), as the hub writes it. Raises ProtocolError."""
    waiting, data = b"", b""
    async for piece in pieces:
        *lines, waiting = (waiting + piece).split(b"\n")
        for line in lines:
            field, _, value = line.rstrip(b"\r").partition(b":")
            if field == b"data":
                data += value.removeprefix(b" ")
            elif not field and not value and data:
                yield data
                data = b""
        if len(waiting) + len(data) > MAX_EVENT:
            raise ProtocolError(f"an event of the hub has more than {MAX_EVENT} bytes")


async def _body(response: httpx.Response) -> bytes:
    """Raises ProtocolError where it is far too large."""
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > MAX_ANSWER:
            raise ProtocolError(f"the answer has more than {MAX_ANSWER} bytes; is that a hub?")
    return bytes(body)


class _Said(msgspec.Struct):
    code: str
    message: str
    retryable: bool = False


class _Refused(msgspec.Struct):
    error: _Said


_KINDS: Mapping[int, type[HubError]] = {
    400: ProtocolError,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    415: UnsupportedAudio,
    429: RateLimited,
    503: Overloaded,
}


def _refusal(response: httpx.Response, body: bytes, url: httpx.URL) -> HubError:
    """What the hub said, or something before it, as the error it was."""
    status = response.status_code
    kind = _KINDS.get(status, ClientError if status < 500 else ProviderUnavailable)
    try:
        said = msgspec.json.decode(body, type=_Refused).error
    except msgspec.DecodeError:
        is_gone = status in (502, 503, 504)
        return kind(f"{url} answered {status} {response.reason_phrase}, not as a hub does", retryable=is_gone)
    message, after = said.message, response.headers.get("Retry-After", "")
    if status == 401:
        message += "; keys come from --key or ASR_HUB_KEY"
    return kind(
        message,
        code=said.code,
        retryable=said.retryable,
        retry_after=float(after) if after.isascii() and after.isdigit() and len(after) < 6 else 0.0,
    )


def _as_progress(task: Task) -> JobProgress:
    return JobProgress(
        id=task.task_id,
        status=task.status,
        progress=int(task.progress),
        seconds=task.duration,
        position=task.position,
        error=task.error,
    )


def _is_over(status: str) -> bool:
    return status in ("done", "failed", "cancelled")


def _part(id: str) -> str:
    """An id as a part of a path, whatever somebody took for one."""
    return quote(id, safe="") or "-"


def _headers(key: str | None) -> dict[str, str]:
    """Raises ConfigError."""
    if key is None:
        return {}
    if not (key.isascii() and key.isprintable() and key.strip() == key):
        raise ConfigError("the key of --key or ASR_HUB_KEY has characters that no key has; copy it anew")
    return {"Authorization": f"Bearer {key}"}


def _checked_url(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigError(f"--url {url}: is no address of a hub; one is such as http://127.0.0.1:8765")
    return parsed
