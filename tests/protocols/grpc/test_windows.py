"""What a peer may send to calls that nobody reads yet: hand-made frames of HTTP/2, RFC 9113."""

from __future__ import annotations

import asyncio
import struct

import pytest
from tests.protocols.grpc.client import PATIENCE, echoing

from asr_hub.protocols.grpc.reception import ReceptionSettings
from asr_hub.protocols.grpc.server import GrpcSettings

pytestmark = pytest.mark.e2e

DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 4, 6, 8
ACK, END_HEADERS = 1, 4
INITIAL_WINDOW_SIZE = 4
SIZE = 12 * 2**20


def literal(name: str, value: str) -> bytes:
    """RFC 7541, 6.2.2: without indexing, without Huffman."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


class Peer:
    """Begins calls, and sends each as much of one message as its window lets it, but never the last byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, calls: int) -> None:
        self._reader, self._writer = reader, writer
        self._initial, self._connection = 65535, 65535
        self.windows = {1 + 2 * number: self._initial for number in range(calls)}
        self.sent = dict.fromkeys(self.windows, 0)
        headers = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "x", "te": "trailers"}
        headers["content-type"] = "application/grpc"
        block = b"".join(literal(name, value) for name, value in headers.items())
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, b""))
        for stream in self.windows:
            writer.write(frame(HEADERS, END_HEADERS, stream, block))
            # The five bytes before a message of gRPC: not compressed, and its length.
            self._send(stream, b"\0" + struct.pack(">I", SIZE))

    async def until_one_is_all_but_sent(self) -> None:
        while max(self.sent.values()) < SIZE:
            for stream in self.windows:
                most = min(self._connection, self.windows[stream], 16384, SIZE + 4 - self.sent[stream])
                if most > 0:
                    self._send(stream, bytes(most))
            await self._writer.drain()
            if not any(min(self._connection, window) > 0 for window in self.windows.values()):
                await self._hear()
            else:
                await asyncio.sleep(0)

    def _send(self, stream: int, data: bytes) -> None:
        self._writer.write(frame(DATA, 0, stream, data))
        self.sent[stream] += len(data)
        self.windows[stream] -= len(data)
        self._connection -= len(data)

    async def _hear(self) -> None:
        head = await self._reader.readexactly(9)
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
        payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
        if kind == WINDOW_UPDATE and stream:
            self.windows[stream] += int.from_bytes(payload, "big")
        elif kind == WINDOW_UPDATE:
            self._connection += int.from_bytes(payload, "big")
        elif kind == PING and not flags & ACK:
            self._writer.write(frame(PING, ACK, 0, payload))
        elif kind == SETTINGS and not flags & ACK:
            self._set(dict(struct.iter_unpack(">HI", payload)))

    def _set(self, settings: dict[int, int]) -> None:
        more = settings.get(INITIAL_WINDOW_SIZE, self._initial) - self._initial
        self._initial += more
        for stream in self.windows:
            self.windows[stream] += more
        self._writer.write(frame(SETTINGS, ACK, 0, b""))


async def test_a_request_that_waits_its_turn_is_not_taken_in() -> None:
    settings = GrpcSettings(reception=ReceptionSettings(max_keyless_receiving=1, keyless_timeout=PATIENCE))
    async with echoing(settings=settings) as stub:
        assert stub.port is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", stub.port)
        try:
            peer = Peer(reader, writer, "/grpc.health.v1.Health/Check", 8)
            async with asyncio.timeout(PATIENCE):
                await peer.until_one_is_all_but_sent()
            waiting = sorted(peer.sent.values())[:-1]
            assert max(waiting) < 2**20, peer.sent
        finally:
            writer.close()
            await writer.wait_closed()
