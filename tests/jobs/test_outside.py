"""Where the hub goes on a client's word, and where it never does."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.access.certificate import on_disk, self_signed
from asr_hub.errors import ProtocolError
from asr_hub.jobs import outside
from asr_hub.jobs.outside import MOST_ADDRESSES, MOST_URL, Outside, Reach, Unanswered, check_url, reach

pytestmark = pytest.mark.unit

GOOD = [
    "https://example.com/hook",
    "http://example.com",
    "HTTPS://Example.COM:8443/a/b?c=d&e=%20",
    "https://example.com./hook",
    "https://a-b.c_d.example.com/@user",
    "https://8.8.8.8/hook",
    "https://[2606:4700:4700::1111]/hook",
    "https://[::ffff:8.8.8.8]/",
    "https://[64:ff9b::808:808]/",
    "https://bücher.example/hook",
    "https://xn--bcher-kva.example/hook",
    "https://example.com/päth?q=ü",
    "https://10.example.com/",
]

NONE = [
    "",
    "example.com/hook",
    "//example.com/hook",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "javascript:alert(1)",
    "http://",
    "http:///hook",
    "http:example.com",
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://@example.com/",
    "https://example.com#@10.0.0.1/",
    "https://example.com/#fragment",
    "https://example.com\\@10.0.0.1/",
    "https:\\\\example.com/",
    "https://exa mple.com/",
    "https://example.com/a b",
    " https://example.com/",
    "https://example.com/\r\nX: y",
    "https://example.com/\n",
    "https://example.com/\x00",
    "https://exam\tple.com/",
    "https://%65xample.com/",
    "https://example..com/",
    "https://.example.com/",
    "https://example.com../",
    "https://-example.com/",
    "https://" + "a" * 64 + ".com/",
    "https://" + "a." * 127 + "com/",
    "https://xn--\u2603.example/",
    "https://exa\u200bmple.com/",
    "https://①②⑦.⓪.⓪.①/",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:99999/",
    "https://example.com:22/",
    "https://example.com:25/",
    "https://example.com:-1/",
    "https://example.com:80:80/",
    "https://example.com:8a/",
    "https://[::1/",
    "https://[example.com]/",
    "https://[2606:4700::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://1.2.3/",
    "https://1.2.3.4.5/",
    "https://256.1.1.1/",
    "https://8.8.8.8.8/",
    "https://010.8.8.8/",
    "https://0x08080808/",
    "https://134744072/",
    "https://example.0x/",
]

PRIVATE = [
    "http://127.0.0.1/",
    "http://127.0.0.1./",
    "http://127.255.255.254:8080/",
    "http://127。0。0。1/",
    "http://10.1.2.3/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://198.18.0.1/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[64:ff9b::10.0.0.1]/",
    "http://[fc00::1]/",
    "http://[fdab::1]/",
    "http://localhost/",
    "http://LOCALHOST:8080/",
    "http://localhost./",
    "http://a.localhost/",
    "http://localhost.localdomain/",
    "http://printer.local/",
    "http://metadata.google.internal/",
    "http://nas.home.arpa/",
    "http://router.lan/",
    "http://receiver/",
    "http://receiver:8080/",
]

NEVER = [
    "http://0.0.0.0/",
    "http://0.1.2.3/",
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.169.254./",
    "http://[::ffff:169.254.169.254]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://168.63.129.16/",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://192.0.2.1/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://192.88.99.1/",
    "http://224.0.0.1/",
    "http://239.255.255.255/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[::]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[fe80::1]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[2001:0:7f00:1::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[100::1]/",
    "http://[5f00::1]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[fd00:ec2::254]/",
    "http://[fd20:ce::254]/",
]

SPELLINGS = [
    "2130706433",
    "0x7f000001",
    "017700000001",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "127.1",
    "127.0.1",
    "0x7F.1",
    "127.0.0.01",
]


@pytest.mark.parametrize("url", GOOD)
def test_an_address_of_the_outside_is_taken(url: str) -> None:
    check_url(url, allow_private=False)


@pytest.mark.parametrize("allow_private", [False, True])
@pytest.mark.parametrize("url", [*NONE, *NEVER, *(f"http://{host}/" for host in SPELLINGS)], ids=ascii)
def test_what_no_receiver_has_is_refused_whatever_is_allowed(url: str, allow_private: bool) -> None:
    if ":22/" in url or ":25/" in url:
        allow_private = False
    with pytest.raises(ProtocolError) as refused:
        check_url(url, allow_private=allow_private)
    assert refused.value.code == "webhook-refused"
    assert not refused.value.retryable
    assert not url or url not in str(refused.value)


@pytest.mark.parametrize("url", PRIVATE, ids=ascii)
def test_a_private_address_is_taken_only_where_that_is_allowed(url: str) -> None:
    with pytest.raises(ProtocolError, match=r"allow_private") as refused:
        check_url(url, allow_private=False)
    assert refused.value.code == "webhook-refused"
    check_url(url, allow_private=True)


def test_an_address_has_a_longest_length() -> None:
    longest = "https://example.com/".ljust(MOST_URL, "a")
    check_url(longest, allow_private=False)
    with pytest.raises(ProtocolError, match=f"{MOST_URL} at most"):
        check_url(longest + "a", allow_private=False)


def test_what_stands_in_a_refused_address_is_not_repeated() -> None:
    with pytest.raises(ProtocolError) as refused:
        check_url("https://user:hunter2@example.com/?token=abc", allow_private=False)
    assert "hunter2" not in str(refused.value)
    assert "abc" not in str(refused.value)


@given(st.one_of(st.text(), st.text("htps:/.@#?[]%\\x0127 \u3002\uff0e-_:aä").map("http://".__add__)))
def test_whatever_is_written_is_taken_or_refused_by_name(url: str) -> None:
    try:
        check_url(url, allow_private=False)
    except ProtocolError as exc:
        assert exc.code == "webhook-refused"
        return
    parts = urlsplit(url)
    assert parts.scheme in ("http", "https")
    assert parts.username is None
    assert parts.hostname
    try:
        # What the C library makes of it, which knows every old spelling.
        packed = socket.inet_aton(parts.hostname.rstrip("."))
    except (OSError, UnicodeError):
        return
    assert reach(ipaddress.IPv4Address(packed)) is Reach.OUTSIDE


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_within_an_ipv6_address_reaches_as_far(inner: ipaddress.IPv4Address) -> None:
    number = int(inner)
    assert reach(ipaddress.IPv6Address((0xFFFF << 32) | number)) is reach(inner)
    assert reach(ipaddress.IPv6Address((0x64FF9B << 96) | number)) is reach(inner)
    assert reach(ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1)) is reach(inner)


@given(st.ip_addresses())
def test_what_the_standard_library_knows_as_special_is_never_of_the_outside(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    stands_for_another = isinstance(address, ipaddress.IPv6Address) and (
        address.ipv4_mapped or address.sixtofour or address in ipaddress.IPv6Network("64:ff9b::/96")
    )
    if reach(address) is Reach.OUTSIDE and not stands_for_another:
        assert not (
            address.is_loopback
            or address.is_link_local
            or address.is_multicast
            or address.is_unspecified
            or address.is_private
            or (address.version == 4 and address.is_reserved)
        )


def test_an_address_of_one_interface_is_never_a_receiver() -> None:
    assert reach(ipaddress.ip_address("2606:4700:4700::1111")) is Reach.OUTSIDE
    assert reach(ipaddress.ip_address("2606:4700:4700::1111%1")) is Reach.NEVER


class Names:
    """A name server of the test. Each look-up is answered by the next of the lists, the last one again and again."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Receiver:
    """Says 204 to whatever comes, and keeps the heads of the requests."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.heads: list[str] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiver(host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    here = Receiver()
    server = await asyncio.start_server(here.answer, host, 0, ssl=context)
    here.port = server.sockets[0].getsockname()[1]
    try:
        yield here
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def calling(*answers: Sequence[str], allow_private: bool = False) -> AsyncIterator[tuple[Outside, Names]]:
    names = Names(*answers)
    calls = Outside(allow_private=allow_private, timeout_s=10.0, resolve=names)
    try:
        yield calls, names
    finally:
        calls.close()


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["169.254.169.254"],
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.1", "8.8.8.8"],
        ["2606:4700:4700::1111", "fe80::1%1"],
    ],
)
async def test_a_name_that_leads_inside_is_refused_before_anybody_is_called(addresses: list[str]) -> None:
    async with receiver() as here, calling(addresses) as (calls, names):
        with pytest.raises(ProtocolError) as refused:
            await calls.post(f"http://example.com:{here.port}/", b"", {})
        assert refused.value.code == "webhook-refused"
        assert names.asked == ["example.com"]
        assert here.connections == 0
        assert not any(address in str(refused.value) for address in addresses)


async def test_the_address_that_was_checked_is_the_one_that_is_called() -> None:
    async with receiver() as here, calling(["127.0.0.1"], ["127.0.0.9"], allow_private=True) as (calls, names):
        assert (await calls.post(f"http://example.com:{here.port}/", b"", {})).status == 204
        # Looked up a second time, the name would have led elsewhere.
        assert names.asked == ["example.com"]
        assert f"Host: example.com:{here.port}\r\n" in here.heads[0]


async def test_an_address_is_not_looked_up() -> None:
    async with receiver() as here, calling(["8.8.8.8"], allow_private=True) as (calls, names):
        assert (await calls.post(f"http://127.0.0.1:{here.port}/", b"", {})).status == 204
        assert names.asked == []


async def test_an_ipv6_address_stands_in_brackets_in_the_head() -> None:
    try:
        async with receiver("::1") as here, calling([], allow_private=True) as (calls, _):
            assert (await calls.post(f"http://[::1]:{here.port}/a?b", b"", {})).status == 204
            assert here.heads[0].startswith("POST /a?b HTTP/1.1\r\n")
            assert f"Host: [::1]:{here.port}\r\n" in here.heads[0]
    except OSError as exc:
        pytest.skip(f"no IPv6 here: {exc}")


async def test_the_next_address_of_a_name_is_called_where_nobody_answers_at_the_first() -> None:
    async with receiver() as here, calling(["127.0.0.2", "127.0.0.1"], allow_private=True) as (calls, _):
        assert (await calls.post(f"http://example.com:{here.port}/", b"", {})).status == 204


async def test_only_so_many_addresses_of_a_name_are_called() -> None:
    dead = [f"127.0.0.{number}" for number in range(2, 2 + MOST_ADDRESSES)]
    async with receiver() as here, calling([*dead, "127.0.0.1"], allow_private=True) as (calls, _):
        with pytest.raises(Unanswered):
            await calls.post(f"http://example.com:{here.port}/", b"", {})
        assert here.connections == 0


@pytest.mark.parametrize("found", [[], ["nonsense"]])
async def test_a_name_without_an_address_is_not_answered(found: list[str]) -> None:
    async with calling(found) as (calls, _):
        with pytest.raises(Unanswered, match="no connection"):
            await calls.post("http://example.com/", b"", {})


async def test_a_name_that_does_not_exist_is_not_answered() -> None:
    calls = Outside(allow_private=True, timeout_s=10.0)
    try:
        with pytest.raises(Unanswered):
            await calls.post("http://no-such-name.invalid/", b"", {})
    finally:
        calls.close()


async def test_the_system_is_asked_for_a_name() -> None:
    calls = Outside(allow_private=True, timeout_s=10.0)
    try:
        async with receiver() as here:
            assert (await calls.post(f"http://localhost:{here.port}/", b"", {})).status == 204
    finally:
        calls.close()


async def test_names_that_are_never_looked_up_hold_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def hang(host: str, port: int) -> list[str]:
        go_on.wait()
        return ["127.0.0.1"]

    monkeypatch.setattr(outside, "_look_up", hang)
    calls = Outside(allow_private=True, timeout_s=0.1)
    try:
        failures = await asyncio.gather(
            *(calls.post(f"http://{number}.example.com/", b"", {}) for number in range(50)), return_exceptions=True
        )
        assert {str(failure) for failure in failures} == {"no answer in time"}
        assert sum(thread.name.startswith("asr-hub-resolver") for thread in threading.enumerate()) <= 4
        # The threads that files are read in are free.
        assert await asyncio.to_thread(lambda: 7) == 7
        calls.close()
        with pytest.raises(Unanswered, match="no connection"):
            await calls.post("http://example.com/", b"", {})
    finally:
        go_on.set()
        calls.close()


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver() as here, receiver() as proxy, calling(["127.0.0.1"], allow_private=True) as (calls, _):
        for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
        await calls.post(f"http://example.com:{here.port}/", b"", {})
        assert (here.connections, proxy.connections) == (1, 0)


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """How a server of the name `example.com` is reached by TLS, whose certificate is trusted here."""
    pair = self_signed(["example.com"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with on_disk(pair) as (certificate, key):
        context.load_cert_chain(certificate, key)
    trusted = ssl.create_default_context(cadata=pair.certificate.decode())
    monkeypatch.setattr(outside, "_trusted", lambda: trusted)
    return context


async def test_tls_is_asked_for_the_name_and_not_for_the_address(trusting: ssl.SSLContext) -> None:
    asked: list[str | None] = []
    trusting.sni_callback = lambda _, name, __: asked.append(name)
    async with receiver(context=trusting) as here, calling(["127.0.0.1"], allow_private=True) as (calls, _):
        assert (await calls.post(f"https://example.com.:{here.port}/", b"", {})).status == 204
        assert asked == ["example.com"]
        assert f"Host: example.com:{here.port}\r\n" in here.heads[0]


async def test_a_certificate_of_another_name_is_no_receiver(trusting: ssl.SSLContext) -> None:
    async with receiver(context=trusting) as here, calling(["127.0.0.1"], allow_private=True) as (calls, _):
        with pytest.raises(Unanswered, match="no connection"):
            await calls.post(f"https://other.example.com:{here.port}/", b"", {})
        assert here.heads == []


async def test_the_certificates_of_the_world_are_trusted_and_read_once() -> None:
    context = outside._trusted()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert outside._trusted() is context
