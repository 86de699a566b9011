"""Asks servers for lists and files: with patience where a second try may help, and in words that say what to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from asr_hub import __version__
from asr_hub.errors import HubError, NotFound, ProviderUnavailable, Unauthorized

MAX_LIST_BYTES = 16 * 2**20
"""A longer list of files is none."""

_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_MAX_RETRY_AFTER_S = 30.0

T = TypeVar("T")


class Interrupted(Exception):
    """Nothing or not all of the answer came, and a second try may help."""

    def __init__(self, reason: str, *, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        """Seconds that the server asks for."""


class Patience(msgspec.Struct, frozen=True):
    """How often something is tried, and how long between: twice as long each time."""

    tries: int = 5
    """In a row without any progress."""
    first_wait_s: float = 0.25
    longest_wait_s: float = 8.0
    pause: Callable[[float], None] = time.sleep

    def wait(self, failures: int, retry_after: float = 0.0) -> None:
        """Wait after the n-th failure in a row."""
        self.pause(max(min(self.first_wait_s * 2 ** (failures - 1), self.longest_wait_s), retry_after))


class Web:
    """An HTTP client. `token` goes to the server of `token_for` only, never to where that one redirects."""

    def __init__(
        self, *, token: str = "", token_for: str = "", patience: Patience | None = None, timeout_s: float = 30.0
    ) -> None:
        self.patience = patience or Patience()
        self._token = token
        self._token_origin = _origin(token_for) if token_for else None
        self._client = httpx.Client(
            follow_redirects=True,
            max_redirects=5,
            timeout=httpx.Timeout(timeout_s, connect=10.0),
            # Compressed on the way, a file could not be continued where it broke off.
            headers={"User-Agent": f"asr-hub/{__version__}", "Accept-Encoding": "identity"},
        )

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.close()

    def json(self, url: str, shape: type[T]) -> tuple[T, str | None]:
        """
        A JSON answer in its shape, and the address of the next page where there is one.

        Raises NotFound and Unauthorized as `stream` does, ProviderUnavailable where no answer of this shape comes.
        """
        failures = 0
        while True:
            try:
                raw, following = self._whole(url)
                return msgspec.json.decode(raw, type=shape), following
            except Interrupted as exc:
                failures += 1
                if failures >= min(3, self.patience.tries):
                    raise ProviderUnavailable(f"{_host(url)} cannot be reached: {exc}") from exc
                self.patience.wait(failures, exc.retry_after)
            except (msgspec.DecodeError, UnicodeDecodeError) as exc:
                raise ProviderUnavailable(f"{url} did not answer as expected ({exc}); is the address right?") from exc

    @contextmanager
    def stream(self, url: str, headers: dict[str, str] | None = None) -> Iterator[httpx.Response]:
        """
        An answer whose body is yet to be read.

        Raises NotFound (404), Unauthorized (401, 403), ProviderUnavailable (other refusals), and Interrupted where a
        second try may help, also out of the block that reads.
        """
        try:
            with self._client.stream("GET", url, headers={**self._authorization(url), **(headers or {})}) as response:
                _check(response, url)
                yield response
        except httpx.UnsupportedProtocol as exc:
            raise ProviderUnavailable(f"{url} cannot be fetched: {exc}") from exc
        except httpx.TransportError as exc:
            raise Interrupted(str(exc) or type(exc).__name__) from exc
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as exc:
            raise ProviderUnavailable(f"{url} cannot be fetched: {exc}") from exc

    def _whole(self, url: str) -> tuple[bytes, str | None]:
        with self.stream(url) as response:
            raw = bytearray()
            for block in response.iter_bytes():
                raw += block
                if len(raw) > MAX_LIST_BYTES:
                    raise ProviderUnavailable(f"{url} answers with more than {MAX_LIST_BYTES} bytes; is it a list?")
            return bytes(raw), _next_page(response, url)

    def _authorization(self, url: str) -> dict[str, str]:
        if self._token and _origin(url) == self._token_origin:
            return {"Authorization": f"Bearer {self._token}"}
        return {}


def _check(response: httpx.Response, url: str) -> None:
    status = response.status_code
    if response.is_success or status == 416:
        return
    if status in _AGAIN:
        raise Interrupted(f"status {status}", retry_after=_retry_after(response))
    raise _refusal(status, url)


def _refusal(status: int, url: str) -> HubError:
    host = _host(url)
    if status in (401, 403):
        # The hub of Hugging Face answers 401 for what does not exist, too, to those who may not know.
        return Unauthorized(
            f"{host} does not give {urlsplit(url).path} to everybody ({status}): check the name; where the model is "
            "gated, accept its terms on its page and set HF_TOKEN to a token of yours"
        )
    if status == 404:
        return NotFound(f"{host} has no {urlsplit(url).path}; check the name and the revision")
    return ProviderUnavailable(f"{host} answers {url} with status {status}")


def _retry_after(response: httpx.Response) -> float:
    text = response.headers.get("Retry-After", "")
    return min(float(text), _MAX_RETRY_AFTER_S) if text.isascii() and text.isdigit() else 0.0


def _next_page(response: httpx.Response, url: str) -> str | None:
    try:
        following = response.links.get("next", {}).get("url")
    except ValueError:
        return None
    if following is None:
        return None
    address = str(httpx.URL(url).join(following))
    if _origin(address) != _origin(url):
        raise ProviderUnavailable(f"{_host(url)} continues its list on another server, {_host(address)}; not followed")
    return address


def _origin(url: str) -> tuple[str, str | None, int | None]:
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as exc:
        raise ProviderUnavailable(f"{url!r} is no address of the web: {exc}") from exc
    return parts.scheme, parts.host, parts.port


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2] or url
