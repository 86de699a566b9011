"""One hub, over whichever protocol."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_args
from urllib.parse import urlsplit

import httpx
import msgspec

from asr_hub_client.errors import Refused, Unreachable, refused_over_http
from asr_hub_client.files import read_audio
from asr_hub_client.links.http import HttpTransport
from asr_hub_client.links.link import Address, Transport
from asr_hub_client.links.websocket import WebSocketTransport
from asr_hub_client.messages import Attach, AudioFormat, Error, Start, WhichPass
from asr_hub_client.outbox import Outbox
from asr_hub_client.session import Protocol, Session, Watch
from asr_hub_client.state import SessionState
from asr_hub_client.transcript import Transcript


class AsyncClient:
    """
    One hub: `async with AsyncClient("http://127.0.0.1:8765") as hub`.

    `protocol` is the way that sessions take where they do not say another. `key` goes to the hub with every request.
    `grpc` is the `HOST:PORT` of the hub's gRPC server, needed for that protocol alone. `ca` is a PEM file with the
    certificates to trust, for a hub with one of its own.

    Sessions keep up to `keep_seconds` of audio that the hub has not acknowledged. The hub must answer within
    `connect_timeout` seconds. Raises ValueError, MissingExtra.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8765",
        *,
        protocol: Protocol = "websocket",
        key: str | None = None,
        grpc: str | None = None,
        ca: str | PathLike[str] | None = None,
        keep_seconds: float = 60.0,
        connect_timeout: float = 10.0,
    ) -> None:
        self._address = Address(_base(url), grpc, key, None if ca is None else Path(ca), connect_timeout)
        self._protocol = protocol
        self._keep_seconds = keep_seconds
        self._transports: dict[Protocol, Transport] = {}
        self._http = httpx.AsyncClient(
            base_url=self._address.url,
            headers=self._address.headers,
            timeout=connect_timeout,
            verify=True if ca is None else ssl.create_default_context(cafile=ca),
        )
        # What a protocol needs is imported here rather than on a loop that is running.
        self._transport(protocol)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close what is shared by sessions. Leave the sessions first."""
        for transport in self._transports.values():
            await transport.aclose()
        await self._http.aclose()

    # Sessions.

    def session(
        self,
        *,
        format: AudioFormat | None = None,
        provider: str | None = None,
        language: str | None = None,
        hotwords: Iterable[str] = (),
        hotword_weights: Mapping[str, float] | None = None,
        partials: bool = True,
        levels: bool = False,
        wait_for: WhichPass = "fast",
        protocol: Protocol | None = None,
    ) -> Session:
        """A new session; `async with` opens it. By default 16 kHz, one channel, 16 bit."""
        audio = format or AudioFormat()
        start = Start(
            format=audio,
            provider=provider,
            language=language,
            hotwords=tuple(hotwords),
            hotword_weights=dict(hotword_weights or {}),
            partials=partials,
            levels=levels,
            wait_for=wait_for,
        )
        outbox = Outbox(audio, keep_seconds=self._keep_seconds)
        return Session(start, self._transport, protocol or self._protocol, outbox)

    def resume(self, state: SessionState, *, protocol: Protocol | None = None) -> Session:
        """A session that was left with `detach`, wherever that was; `async with` takes it up again."""
        outbox = Outbox(
            state.format,
            keep_seconds=self._keep_seconds,
            offset=state.audio_offset,
            audio=state.audio,
            commands=state.commands,
            answered=state.answered,
        )
        attach = Attach(session=state.session, seq=state.seq, take_over=True)
        return Session(attach, self._transport, protocol or self._protocol, outbox)

    def watch(self, session: str, *, seq: int | None = None, protocol: Protocol | None = None) -> Watch:
        """
        Listen to a session of somebody else; `async with` attaches.

        Begins with all that the session still keeps, or with what follows `seq`.
        """
        return Watch(Attach(session=session, role="viewer", seq=seq), self._transport, protocol or self._protocol)

    async def transcribe_file(
        self,
        path: str | PathLike[str],
        *,
        provider: str | None = None,
        language: str | None = None,
        hotwords: Iterable[str] = (),
        protocol: Protocol | None = None,
    ) -> Transcript:
        """
        What is said in a file. WAV needs nothing; for other formats the extra `files`.

        Sends as fast as the hub hears. Raises UnreadableAudio, and Refused where an utterance could not be heard.
        """
        format, blocks = read_audio(path)
        session = self.session(
            format=format, provider=provider, language=language, hotwords=hotwords, partials=False, protocol=protocol
        )
        async with session:
            async for message in session.stream(blocks):
                if isinstance(message, Error):
                    raise Refused(message.message, code=message.code, is_retryable=message.retryable)
        return session.transcript

    # What the hub has.

    async def health(self) -> dict[str, Any]:
        """How the hub is; needs no key."""
        return await self._object("GET", "/health")

    async def providers(self) -> list[dict[str, Any]]:
        """The engines of this hub, their health and what they can do."""
        return msgspec.json.decode(await self._ask("GET", "/v1/providers"), type=list[dict[str, Any]])

    async def hotwords(self) -> list[str]:
        """Words that every session prefers, besides its own."""
        return list((await self._object("GET", "/v1/hotwords"))["hotwords"])

    async def set_hotwords(self, words: Iterable[str]) -> list[str]:
        """Replace those words; running sessions follow at their next utterance. Needs the scope `admin`."""
        return list((await self._object("PUT", "/v1/hotwords", json={"hotwords": list(words)}))["hotwords"])

    async def _object(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        return msgspec.json.decode(await self._ask(method, path, **request), type=dict[str, Any])

    async def _ask(self, method: str, path: str, **request: Any) -> bytes:
        try:
            answer = await self._http.request(method, path, **request)
        except httpx.HTTPError as exc:
            raise Unreachable(f"no hub answers at {self._address.url}: {exc or type(exc).__name__}") from exc
        if not answer.is_success:
            raise refused_over_http(answer.status_code, answer.content, answer.headers)
        return answer.content

    def _transport(self, protocol: Protocol) -> Transport:
        """Raises ValueError where there is no such protocol, MissingExtra."""
        if (transport := self._transports.get(protocol)) is None:
            transport = self._transports[protocol] = self._made(protocol)
        return transport

    def _made(self, protocol: Protocol) -> Transport:
        match protocol:
            case "websocket":
                return WebSocketTransport(self._address)
            case "http":
                return HttpTransport(self._address, self._http)
            case "socketio":
                from asr_hub_client.links.socket_io import SocketIoTransport

                return SocketIoTransport(self._address)
            case "grpc":
                from asr_hub_client.links.grpc import GrpcTransport

                return GrpcTransport(self._address)
        raise ValueError(f"{protocol!r} is no protocol of this client; use one of {', '.join(get_args(Protocol))}")


def _base(url: str) -> str:
    parts = urlsplit(url)
    scheme = {"http": "http", "https": "https", "ws": "http", "wss": "https"}.get(parts.scheme)
    if scheme is None or not parts.netloc:
        raise ValueError(f"{url!r} is not the address of a hub; give one such as http://127.0.0.1:8765")
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}"
