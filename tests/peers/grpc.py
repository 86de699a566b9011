"""Over gRPC, with the generated client."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import grpc
import msgspec
from google.protobuf.message import Message as Proto
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from tests.peers.base import Message, Peer, Refused

from asr_hub.v1 import asr_hub_pb2 as pb
from asr_hub.v1 import asr_hub_pb2_grpc as services
from asr_hub.wire.messages import AnyServerMessage


class GrpcPeer(Peer):
    protocol = "grpc"
    _channel: grpc.aio.Channel | None = None
    _call: Any = None
    _asked: asyncio.Queue[pb.StreamRequest | None]

    async def _open(self, start: Message) -> Message:
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{self.serving.grpc_port}")
        for _ in range(5):
            try:
                return await self._begin(**start)
            except grpc.aio.AioRpcError as exc:
                # A client that writes while it is refused may lose the status, by a fault of its library.
                if exc.code() is not grpc.StatusCode.INTERNAL or "execute_batch" not in (exc.details() or ""):
                    raise Refused(_reason(exc), exc.code().name) from exc
        raise AssertionError("five calls in a row lost their status")

    async def _begin(self, *, type: str, role: str = "publisher", **fields: Any) -> Message:
        metadata = (("authorization", f"Bearer {self.key}"),) if self.key is not None else None
        stub = services.AsrHubServiceStub(self._channel)
        if role == "viewer":
            # What viewers have a call of their own for.
            self._call = stub.Watch(pb.WatchRequest(**fields), metadata=metadata)
        else:
            self._call = stub.Stream(metadata=metadata)
            await self._ask(type, **fields)
        ready = told((await self._read_one()).message)
        if ready["type"] == "error":
            raise Refused(ready, (await self._call.code()).name)
        return ready

    _attach = _open

    async def send(self, pcm: bytes) -> None:
        await self._write(pb.StreamRequest(audio=pcm))

    async def tell(self, type: str, **fields: Any) -> None:
        await self._ask(type, **fields)

    async def _ask(self, kind: str, **fields: Any) -> None:
        request = pb.StreamRequest()
        part = getattr(request, kind)
        part.SetInParent()
        if "hotwords" in fields and kind == "configure":
            fields["hotwords"] = {"words": fields["hotwords"]}
        for name, value in fields.items():
            if isinstance(value, dict):
                getattr(part, name).MergeFrom(type(getattr(part, name))(**value))
            elif isinstance(value, list):
                getattr(part, name).extend(value)
            else:
                setattr(part, name, value)
        await self._write(request)

    async def _write(self, request: pb.StreamRequest) -> None:
        # Where the call is over, what reading it raises says why.
        with contextlib.suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):
            await self._call.write(request)

    async def _read_one(self) -> Any:
        response = await self._call.read()
        if response is grpc.aio.EOF:
            raise Refused({"code": (await self._call.code()).name, "message": await self._call.details()})
        return response

    async def _read(self) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError):
            while (response := await self._call.read()) is not grpc.aio.EOF:
                self._take(told(response.message))

    async def _cut(self) -> None:
        if self._call is not None:
            self._call.cancel()
        if self._channel is not None:
            await self._channel.close()


def told(message: pb.ServerMessage) -> Message:
    """A message as the native protocol has it in JSON."""
    kind = message.WhichOneof("message")
    fields = {"type": kind.replace("_", "-"), "seq": message.seq, **_fields(getattr(message, kind))}
    if message.HasField("skipped"):
        fields["skipped"] = message.skipped
    native = msgspec.convert(fields, AnyServerMessage)
    found: Message = json.loads(msgspec.json.encode(native))
    return found


def _fields(message: Proto) -> dict[str, Any]:
    return {
        field.name: _value(field, getattr(message, field.name))
        for field in message.DESCRIPTOR.fields
        if not field.has_presence or message.HasField(field.name)
    }


def _value(field: Any, value: Any) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return dict(value)
    if field.is_repeated:
        return [_fields(one) for one in value]
    if field.message_type is not None:
        return _fields(value)
    if field.enum_type is not None:
        name, words = field.enum_type.values_by_number[value].name, field.enum_type.name
        prefix = "".join(f"_{char}" if char.isupper() else char for char in words).strip("_").upper()
        found = name.removeprefix(f"{prefix}_").lower()
        return found if field.enum_type.name == "Encoding" else found.replace("_", "-")
    return value


def _reason(error: grpc.aio.AioRpcError) -> Message:
    """The code that the hub put into the details of its status."""
    status = rpc_status.from_call(error)
    if status is not None:
        for detail in status.details:
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info):
                return {"code": info.reason, "message": error.details()}
    return {"code": str(error.code()), "message": error.details()}
