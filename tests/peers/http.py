"""Over HTTP: audio and commands in requests, messages as server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import httpx
from httpx_sse import aconnect_sse
from tests.peers.base import Message, Peer, Refused


class HttpPeer(Peer):
    protocol = "http"
    _client: httpx.AsyncClient | None = None
    _ready: asyncio.Future[Message]
    _seq: int | None = None
    _take_over = False

    def _connect(self) -> httpx.AsyncClient:
        if self._client is None:
            headers = {"Authorization": f"Bearer {self.key}"} if self.key is not None else {}
            self._client = httpx.AsyncClient(
                base_url=self.serving.url, headers=headers, timeout=httpx.Timeout(60), trust_env=False
            )
        return self._client

    async def _open(self, start: Message) -> Message:
        fields = {name: value for name, value in start.items() if name != "type"}
        ready: Message = _read(await self._connect().post("/v1/sessions", json=fields))
        self._seq = 0
        return ready

    async def _attach(self, attach: Message) -> Message:
        self.session, self._seq = attach["session"], attach.get("seq")
        self._take_over = attach.get("take_over", False)
        # Over HTTP one attaches by asking for the events, which begin with `ready`.
        self._ready = asyncio.get_running_loop().create_future()
        self._events = asyncio.create_task(self._listen())
        await asyncio.wait((self._events, self._ready), return_when=asyncio.FIRST_COMPLETED)
        if not self._ready.done():
            await self._events
        return self._ready.result()

    async def send(self, pcm: bytes) -> None:
        params = {"take_over": "1"} if self._take_over else {}
        # As a client would that has kept what was not acknowledged: it says where its audio starts.
        params["offset"] = str(self.audio_offset)
        answer = _read(await self._connect().post(f"/v1/sessions/{self.session}/audio", params=params, content=pcm))
        self.audio_offset = answer["audio_offset"]

    async def tell(self, type: str, **fields: Any) -> None:
        client, path = self._connect(), f"/v1/sessions/{self.session}"
        if type == "configure":
            _read(await client.patch(path, json=fields))
        elif type == "close":
            _read(await client.delete(path))
        else:
            _read(await client.post(f"{path}/{type}"))

    async def _read(self) -> None:
        if self.__dict__.get("_events") is None:
            self._ready = asyncio.get_running_loop().create_future()
            self._events = asyncio.create_task(self._listen())
        with contextlib.suppress(httpx.TransportError):
            await asyncio.shield(self._events)

    async def _listen(self) -> None:
        params = {} if self._seq is None else {"seq": str(self._seq)}
        path = f"/v1/sessions/{self.session}/events"
        async with aconnect_sse(self._connect(), "GET", path, params=params, timeout=None) as source:
            if source.response.status_code != 200:
                await source.response.aread()
                _read(source.response)
            async for event in source.aiter_sse():
                if not event.data:
                    continue
                message = json.loads(event.data)
                assert (event.id, event.event) == (str(message["seq"]), message["type"])
                if message["type"] == "ready":
                    self.seq = message["seq"]
                    if not self._ready.done():
                        self._ready.set_result(message)
                    continue
                self._take(message)

    async def _cut(self) -> None:
        events = self.__dict__.get("_events")
        if events is not None:
            events.cancel()
            await asyncio.wait((events,))
        if self._client is not None:
            await self._client.aclose()


def _read(response: httpx.Response) -> Message:
    body: Message = response.json()
    if response.is_error:
        raise Refused(body["error"], response.status_code)
    return body
