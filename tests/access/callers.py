"""One caller for each protocol, who says where and how the hub turned them away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import grpc
import httpx
import socketio
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from asr_hub.app import Serving
from asr_hub.v1 import asr_hub_pb2 as pb
from asr_hub.v1 import asr_hub_pb2_grpc as services

SECOND = bytes(32_000)
"""Of silence, at 16 kHz."""


class Said(NamedTuple):
    """How a protocol says no."""

    status: int | str
    """Of HTTP, a WebSocket close code, or the name of gRPC's. Socket.IO has none: the event's name."""
    code: str
    retry_after: float | None


class TurnedAway(Exception):
    def __init__(self, status: int | str, error: dict[str, Any], retry_after: float | None = None) -> None:
        super().__init__(error["message"])
        self.said = Said(status, error["code"], error.get("retry_after") if retry_after is None else retry_after)


class Caller(ABC):
    """Opens one session or watches one. Every call raises TurnedAway."""

    def __init__(self, serving: Serving, secret: str | None, *, origin: str | None = None) -> None:
        self.serving = serving
        self.secret = secret
        self.origin = origin
        tls = serving.tls
        self.ssl = ssl.create_default_context(cadata=tls.certificate.decode()) if tls is not None else None

    @abstractmethod
    async def speak(self) -> str:
        """Open a session; its id."""

    @abstractmethod
    async def watch(self, session: str) -> None: ...

    @abstractmethod
    async def hear(self) -> None:
        """Send one second of audio, and wait until it was taken."""

    @abstractmethod
    async def aclose(self) -> None: ...

    @property
    def headers(self) -> dict[str, str]:
        given = {"Authorization": f"Bearer {self.secret}" if self.secret is not None else None, "Origin": self.origin}
        return {name: value for name, value in given.items() if value is not None}


class WebSocketCaller(Caller):
    _socket: ClientConnection | None = None

    async def speak(self) -> str:
        ready = await self._first({"type": "start"})
        return str(ready["session"])

    async def watch(self, session: str) -> None:
        await self._first({"type": "attach", "session": session, "role": "viewer"})

    async def hear(self) -> None:
        assert self._socket is not None
        await self._socket.send(SECOND)
        while (message := json.loads(await self._socket.recv()))["type"] != "audio-ack":
            if message["type"] == "error":
                raise TurnedAway("message", message)

    async def aclose(self) -> None:
        if self._socket is not None:
            await self._socket.close()

    def _connect(self) -> connect:
        headers = {"Authorization": self.headers["Authorization"]} if self.secret is not None else None
        origin = Origin(self.origin) if self.origin is not None else None
        return connect(self.serving.stream_url, ssl=self.ssl, additional_headers=headers, origin=origin)

    async def _first(self, message: dict[str, str]) -> dict[str, Any]:
        try:
            self._socket = await self._connect()
        except InvalidStatus as exc:
            raise refused(exc.response.status_code, exc.response.headers, exc.response.body) from None
        await self._socket.send(json.dumps(message))
        answer: dict[str, Any] = json.loads(await self._socket.recv())
        if answer["type"] == "error":
            await self._socket.wait_closed()
            assert self._socket.close_code is not None
            raise TurnedAway(self._socket.close_code, answer)
        return answer


class SubprotocolCaller(WebSocketCaller):
    """As a browser must: its WebSocket can set no header."""

    def _connect(self) -> connect:
        key: Any = ["asr-hub.v1", "asr-hub.key", self.secret] if self.secret is not None else None
        origin = Origin(self.origin) if self.origin is not None else None
        return connect(self.serving.stream_url, ssl=self.ssl, subprotocols=key, origin=origin)

    async def _first(self, message: dict[str, str]) -> dict[str, Any]:
        answer = await super()._first(message)
        assert self._socket is not None
        assert self._socket.subprotocol == ("asr-hub.v1" if self.secret is not None else None)
        return answer


class QueryCaller(WebSocketCaller):
    def _connect(self) -> connect:
        query = f"?token={self.secret}" if self.secret is not None else ""
        origin = Origin(self.origin) if self.origin is not None else None
        return connect(self.serving.stream_url + query, ssl=self.ssl, origin=origin)


class HttpCaller(Caller):
    """Publishes with requests, and watches as an EventSource does: with its token in the query."""

    session = ""

    def __init__(self, serving: Serving, secret: str | None, *, origin: str | None = None) -> None:
        super().__init__(serving, secret, origin=origin)
        verify: Any = self.ssl if self.ssl is not None else True
        self.http = httpx.AsyncClient(base_url=serving.url, verify=verify, trust_env=False, timeout=60)

    async def speak(self) -> str:
        self.session = (await self._post("/v1/sessions"))["session"]
        return self.session

    async def watch(self, session: str) -> None:
        query = {"token": self.secret} if self.secret is not None else {}
        headers = {"Origin": self.origin} if self.origin is not None else {}
        path = f"/v1/sessions/{session}/events"
        async with self.http.stream("GET", path, params=query, headers=headers) as response:
            if response.is_error:
                raise refused(response.status_code, response.headers, await response.aread())
            assert response.headers["content-type"].startswith("text/event-stream")

    async def hear(self) -> None:
        await self._post(f"/v1/sessions/{self.session}/audio", SECOND)

    async def aclose(self) -> None:
        await self.http.aclose()

    async def _post(self, path: str, content: bytes = b"") -> dict[str, Any]:
        response = await self.http.post(path, headers=self.headers, content=content)
        if response.is_error:
            raise refused(response.status_code, response.headers, response.content)
        found: dict[str, Any] = response.json()
        return found


class GrpcCaller(Caller):
    _call: Any = None

    def __init__(self, serving: Serving, secret: str | None, *, origin: str | None = None) -> None:
        super().__init__(serving, secret, origin=origin)
        address = f"127.0.0.1:{serving.grpc_port}"
        if serving.tls is None:
            self._channel = grpc.aio.insecure_channel(address)
        else:
            self._channel = grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(serving.tls.certificate))
        self._stub = services.AsrHubServiceStub(self._channel)
        self._metadata = (("authorization", f"Bearer {secret}"),) if secret is not None else None

    async def speak(self) -> str:
        while True:
            self._call = self._stub.Stream(metadata=self._metadata)
            try:
                ready = await self._first(pb.StreamRequest(start=pb.Start()))
            except _Lost:
                continue
            return str(ready.ready.session)

    async def watch(self, session: str) -> None:
        self._call = self._stub.Watch(pb.WatchRequest(session=session), metadata=self._metadata)
        await self._first()

    async def hear(self) -> None:
        await self._call.write(pb.StreamRequest(audio=SECOND))
        while (kind := (message := (await self._call.read()).message).WhichOneof("message")) != "audio_ack":
            if kind == "error":
                error = {name: getattr(message.error, name) for name in ("code", "message", "retry_after")}
                raise TurnedAway("message", error)

    async def aclose(self) -> None:
        if self._call is not None:
            self._call.cancel()
        await self._channel.close()

    async def _first(self, request: pb.StreamRequest | None = None) -> Any:
        try:
            if request is not None:
                # Where the call is over already, what reading it raises says why.
                with contextlib.suppress(asyncio.InvalidStateError):
                    await self._call.write(request)
            message = (await self._call.read()).message
            while message.WhichOneof("message") == "error":
                message = (await self._call.read()).message
        except grpc.aio.AioRpcError as exc:
            raise _status(exc) from None
        return message


class SocketIoCaller(Caller):
    """The native namespace; the key is in the payload of the connection."""

    NAMESPACE = "/v1/stream"

    def __init__(self, serving: Serving, secret: str | None, *, origin: str | None = None) -> None:
        super().__init__(serving, secret, origin=origin)
        assert serving.tls is None
        self._told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._refusals: list[dict[str, Any]] = []
        self._client = socketio.AsyncClient(reconnection=False)
        self._client.on("message", self._told.put_nowait, namespace=self.NAMESPACE)
        self._client.on("connect_error", self._refusals.append, namespace=self.NAMESPACE)

    async def speak(self) -> str:
        ready = await self._first({"type": "start"})
        return str(ready["session"])

    async def watch(self, session: str) -> None:
        await self._first({"type": "attach", "session": session, "role": "viewer"})

    async def hear(self) -> None:
        await self._client.emit("audio", SECOND, namespace=self.NAMESPACE)
        while (message := await self._told.get())["type"] != "audio-ack":
            if message["type"] == "error":
                raise TurnedAway("message", message)

    async def aclose(self) -> None:
        await self._client.shutdown()

    async def _first(self, message: dict[str, str]) -> dict[str, Any]:
        if self.origin is not None:
            # The client keeps what refused it before Socket.IO had begun to itself.
            async with httpx.AsyncClient(base_url=self.serving.url, headers=self.headers, trust_env=False) as http:
                response = await http.get("/socket.io/", params={"EIO": "4", "transport": "polling"})
                if response.is_error:
                    raise refused(response.status_code, response.headers, response.content)
        auth = {"token": self.secret} if self.secret is not None else None
        try:
            await self._client.connect(
                self.serving.url, auth=auth, transports=["websocket"], namespaces=[self.NAMESPACE], wait_timeout=60
            )
        except socketio.exceptions.ConnectionError:
            (refusal,) = self._refusals
            raise TurnedAway("connect_error", refusal["data"]) from None
        await self._client.emit("message", message, namespace=self.NAMESPACE)
        answer = await self._told.get()
        if answer["type"] == "error":
            raise TurnedAway("message", answer)
        return answer


class _Lost(Exception):
    """The client was writing when the call ended: its library then forgets why. A refused call can be made again."""


CALLERS: tuple[type[Caller], ...] = (
    WebSocketCaller,
    SubprotocolCaller,
    QueryCaller,
    HttpCaller,
    GrpcCaller,
    SocketIoCaller,
)


def refused(status: int, headers: Any, body: bytes | None) -> TurnedAway:
    """What an HTTP answer says, which must be the one shape of an error."""
    assert headers["content-type"].startswith("application/json"), body
    error = json.loads(body or b"")["error"]
    assert error.keys() >= {"code", "message", "retryable"}
    assert (headers.get("www-authenticate") == 'Bearer realm="asr-hub"') == (status == 401)
    retry_after = headers.get("retry-after")
    return TurnedAway(status, error, float(retry_after) if retry_after is not None else None)


def _status(error: grpc.aio.AioRpcError) -> TurnedAway:
    status = rpc_status.from_call(error)
    if status is None and "SendMessageOperation" in (error.debug_error_string() or ""):
        raise _Lost
    assert status is not None, error
    found: dict[str, Any] = {"message": error.details()}
    for detail in status.details:
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            found["code"] = info.reason
        elif detail.Unpack(retry):
            found["retry_after"] = retry.retry_delay.ToMilliseconds() / 1000
    return TurnedAway(error.code().name, found)
