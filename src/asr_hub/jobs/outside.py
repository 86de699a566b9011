"""Addresses that clients name: which of them the hub calls, and how it calls those and no others."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import Enum
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, NoReturn, Protocol

import httpcore
import httpx
import msgspec

from asr_hub.errors import ProtocolError

MOST_URL = 2048
"""Characters"""
MOST_ANSWER = 16 * 1024
"""
Bytes of a receiver's answer that are read, with its head. Nobody is told what it says: it may be a private server's.
"""
MOST_ADDRESSES = 3
"""Of one name, that are tried one after the other."""

_DRAIN_S = 0.25
"""Seconds that the rest of an answer may take once its status is there."""
_MOST_PIECES = 64
"""Of a body: each costs the parser as much as a long one."""
_RESOLVERS = 4
"""Names that are looked up at the same time: a name server that never answers holds a thread for half a minute."""

_SHAPE = re.compile(
    r"https?://(?:\[[0-9a-f:.]+\]|[^\s/?#@:\[\]\\%\x00-\x20\x7f]+)(?::[0-9]{0,5})?(?:[/?][^\s#\\\x00-\x20\x7f]*)?",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PRIVATE_NAME = re.compile(r"[^.]+|(?:.+\.)?(?:localhost|localdomain|local|internal|home\.arpa|lan)")


class Reach(Enum):
    """From where an address can be reached."""

    OUTSIDE = "outside"
    """From everywhere"""
    PRIVATE = "private"
    """From this machine, or from a network that somebody calls their own."""
    NEVER = "never"
    """No receiver has it: multicast, reserved, the metadata of clouds, addresses that stand for another one."""


_PRIVATE_4 = tuple(
    map(
        IPv4Network,
        ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15"),
    )
)
_NEVER_4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "100.100.100.200/32",  # the metadata of Alibaba Cloud
            "168.63.129.16/32",  # the host below a machine of Azure
            "169.254.0.0/16",  # link-local, and the metadata of most clouds
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/3",
        ),
    )
)
_GLOBAL_6 = IPv6Network("2000::/3")
_PRIVATE_6 = (IPv6Network("::1/128"), IPv6Network("fc00::/7"))
_NEVER_6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # Teredo among others
            "2001:db8::/32",
            "3fff::/20",
            "fd00:ec2::/32",  # the metadata of AWS
            "fd20:ce::/32",  # the metadata of Google Cloud
        ),
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_6TO4 = IPv6Network("2002::/16")


def reach(address: IPv4Address | IPv6Address) -> Reach:
    """An IPv6 address that stands for an IPv4 address reaches as far as that one."""
    if isinstance(address, IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return reach(inner)
        if any(address in network for network in _NEVER_6) or address.scope_id is not None:
            return Reach.NEVER
        if address in _GLOBAL_6:
            return Reach.OUTSIDE
        return Reach.PRIVATE if any(address in network for network in _PRIVATE_6) else Reach.NEVER
    if any(address in network for network in _NEVER_4):
        return Reach.NEVER
    return Reach.PRIVATE if any(address in network for network in _PRIVATE_4) else Reach.OUTSIDE


def _inner(address: IPv6Address) -> IPv4Address | None:
    if address in _MAPPED or address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _6TO4:
        return IPv4Address(int(address) >> 80 & 0xFFFFFFFF)
    return None


def check_url(url: str, *, allow_private: bool) -> None:
    """
    Whether a webhook may go there, as far as its address tells. Looks nothing up: that is for when it is sent.

    Raises ProtocolError (`webhook-refused`).
    """
    _target(url, allow_private=allow_private)


def _target(url: str, *, allow_private: bool) -> httpcore.URL:
    """The address in pieces, as it is called."""
    if len(url) > MOST_URL:
        _refuse(f"has {len(url)} characters", f"give it {MOST_URL} at most")
    if not _SHAPE.fullmatch(url):
        _refuse(
            "is no plain http or https address", "write it as https://host/path, without user, password and fragment"
        )
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError):
        _refuse("is no address of the web", "check its spelling, such as https://host/path")
    # With its dot the host is no other, but TLS would ask for a certificate of that spelling.
    host = parts.raw_host.decode("ascii").removesuffix(".")
    _check_host(host, allow_private=allow_private)
    port = 443 if parts.scheme == "https" else 80
    port = port if parts.port is None else parts.port
    if not 0 < port < 65536 or (port < 1024 and port not in (80, 443) and not allow_private):
        _refuse(f"names port {port}", "use 80, 443, or one from 1024 to 65535")
    return httpcore.URL(scheme=parts.raw_scheme, host=host, port=port, target=parts.raw_path)


def _head(target: httpcore.URL, headers: Mapping[str, str]) -> dict[str, str]:
    host = target.host.decode("ascii")
    host = f"[{host}]" if ":" in host else host
    usual = 443 if target.scheme == b"https" else 80
    return {"Host": host if target.port == usual else f"{host}:{target.port}", "Connection": "close", **headers}


def _check_host(host: str, *, allow_private: bool) -> None:
    if ":" in host or _NUMBER.fullmatch(host.rpartition(".")[2]):
        try:
            address = ip_address(host)
        except ValueError:
            _refuse("names its host by a number that is no plain address", "write it as four decimal numbers")
        _check_reach([address], allow_private=allow_private)
    elif len(host) > 253 or not _NAME.fullmatch(host):
        _refuse("names no host", "write it as https://host/path")
    elif not allow_private and _PRIVATE_NAME.fullmatch(host):
        _refuse_private()


def _check_reach(addresses: Iterable[IPv4Address | IPv6Address], *, allow_private: bool) -> None:
    reaches = {reach(address) for address in addresses}
    if Reach.NEVER in reaches:
        _refuse("leads to an address that no receiver has", "check where its name points to")
    if Reach.PRIVATE in reaches and not allow_private:
        _refuse_private()


def _refuse_private() -> NoReturn:
    _refuse(
        "leads to this machine or into a private network",
        "name an address that can be reached from everywhere, or let the hub's owner set jobs.webhooks.allow_private",
    )


def _refuse(what: str, cure: str) -> NoReturn:
    # Never with the address: what stands in it may be a secret, and where a name leads is nobody's business.
    raise ProtocolError(f"the webhook {what}; {cure}", code="webhook-refused") from None


class Resolve(Protocol):
    """Looks a name up."""

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Its addresses, the best first. Raises OSError."""
        ...


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver says."""

    status: int
    retry_after: str = ""
    """As it wrote it."""


class Unanswered(Exception):
    """No answer, or none that can be read. The message says why in one or two words."""


class Outside:
    """
    Posts to addresses that clients name. Every address of a name is checked, and one of those is called: a name that
    leads elsewhere a moment later changes nothing. No redirect is followed, no proxy used, no connection kept.
    """

    def __init__(self, *, allow_private: bool, timeout_s: float, resolve: Resolve | None = None) -> None:
        self._allow_private = allow_private
        self._timeout_s = timeout_s
        self._threads = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="asr-hub-resolver")
        self._backend = _Checked(resolve or self._resolve, allow_private=allow_private, timeout_s=timeout_s)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """
        Waits for an answer, within the timeout. Raises ProtocolError (`webhook-refused`), Unanswered.
        """
        target = _target(url, allow_private=self._allow_private)
        context = await asyncio.to_thread(_trusted) if target.scheme == b"https" else None
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._post(target, body, headers, context)
        except (TimeoutError, httpcore.TimeoutException):
            raise Unanswered("no answer in time") from None
        except httpcore.ProtocolError:
            raise Unanswered("an answer that is not HTTP") from None
        except httpcore.ConnectError:
            raise Unanswered("no connection") from None
        except (httpcore.NetworkError, OSError):
            raise Unanswered("a lost connection") from None

    def close(self) -> None:
        """Look-ups under way are let go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _post(
        self, target: httpcore.URL, body: bytes, headers: Mapping[str, str], context: ssl.SSLContext | None
    ) -> Answer:
        async with (
            httpcore.AsyncConnectionPool(
                ssl_context=context, max_connections=1, network_backend=self._backend, retries=0
            ) as pool,
            pool.stream("POST", target, headers=list(_head(target, headers).items()), content=body) as response,
        ):
            await _drain(response)
            told = {name.lower(): value for name, value in response.headers}.get(b"retry-after", b"")
            return Answer(status=response.status, retry_after=told[:64].decode("ascii", "replace").strip())

    async def _resolve(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, host, port)
        return tuple(dict.fromkeys(found))


class _Checked(httpcore.AsyncNetworkBackend):
    """Connects to no address that is not checked."""

    def __init__(self, resolve: Resolve, *, allow_private: bool, timeout_s: float) -> None:
        self._resolve = resolve
        self._allow_private = allow_private
        self._timeout_s = timeout_s
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  (as the base class has it)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._addresses(host, port)
        _check_reach(addresses, allow_private=self._allow_private)
        tried = addresses[:MOST_ADDRESSES]
        each = self._timeout_s / len(tried)
        for address in tried[:-1]:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return _Bounded(await self._inner.connect_tcp(str(address), port, each, local_address, socket_options))
        return _Bounded(await self._inner.connect_tcp(str(tried[-1]), port, None, local_address, socket_options))

    async def _addresses(self, host: str, port: int) -> list[IPv4Address | IPv6Address]:
        try:
            return [ip_address(host)]
        except ValueError:
            pass
        try:
            addresses = [ip_address(found) for found in await self._resolve(host, port)]
        # RuntimeError: nobody looks names up any more.
        except (OSError, ValueError, RuntimeError) as exc:
            raise httpcore.ConnectError("the name cannot be looked up") from exc
        if not addresses:
            raise httpcore.ConnectError("the name has no address")
        return addresses


class _Bounded(httpcore.AsyncNetworkStream):
    """Reads `MOST_ANSWER` bytes and no more. Below the parser, which would keep the loop busy without end."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self._left = MOST_ANSWER

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        if self._left <= 0:
            raise httpcore.RemoteProtocolError("the answer is too long")
        data = await self._inner.read(min(max_bytes, self._left), timeout)
        self._left -= len(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        return _Bounded(await self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


@cache
def _trusted() -> ssl.SSLContext:
    """Read once, for it takes a while. SSL_CERT_FILE and SSL_CERT_DIR name other certificates."""
    return httpx.create_ssl_context()


async def _drain(response: httpcore.Response) -> None:
    # The status is there: what goes wrong here changes nothing.
    with suppress(TimeoutError, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        async with asyncio.timeout(_DRAIN_S):
            pieces = 0
            async for _ in response.aiter_stream():
                pieces += 1
                if pieces == _MOST_PIECES:
                    break
