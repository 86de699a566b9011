"""
The messages of `wire/` as those of protos/, and back.

Both have the same fields under the same names; a test walks both. What differs: an enum's value has its type's name
before it, and an enum that is not set stands for the default of the native protocol.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel

from asr_hub.errors import ProtocolError
from asr_hub.model import AudioFormat, Encoding, Pass, Role, SessionId
from asr_hub.v1 import asr_hub_pb2 as pb
from asr_hub.wire.messages import (
    AnyClientMessage,
    AnyServerMessage,
    Attach,
    Clear,
    Close,
    Configure,
    Finalize,
    Start,
)

E = TypeVar("E", bound=StrEnum)


def client_message(request: pb.StreamRequest) -> AnyClientMessage | bytes:
    """What a client says: a message, or audio. Raises ProtocolError where it says nothing that v1 knows."""
    match request.WhichOneof("message"):
        case "audio":
            return request.audio
        case "start":
            return start(request.start)
        case "attach":
            return attach(request.attach)
        case "configure":
            return configure(request.configure)
        case "finalize":
            return Finalize()
        case "clear":
            return Clear()
        case "close":
            return Close()
        case _:
            raise ProtocolError(
                "a request holds none of start, attach, configure, finalize, clear, close, audio; set one of them",
                code="unknown-message",
            )


def start(message: pb.Start) -> Start:
    """Raises ProtocolError."""
    return Start(
        format=audio_format(message.format),
        provider=_given(message, "provider"),
        language=_given(message, "language"),
        hotwords=tuple(message.hotwords),
        hotword_weights=dict(message.hotword_weights),
        partials=_given(message, "partials", True),
        levels=message.levels,
        wait_for=_member(Pass, message, "wait_for", Pass.FAST),
    )


def attach(message: pb.Attach) -> Attach:
    """Raises ProtocolError."""
    return Attach(
        session=SessionId(message.session),
        role=_member(Role, message, "role", Role.PUBLISHER),
        seq=_given(message, "seq"),
        take_over=message.take_over,
    )


def configure(message: pb.Configure) -> Configure:
    """Raises ProtocolError."""
    return Configure(
        provider=_given(message, "provider"),
        language=_given(message, "language"),
        hotwords=tuple(message.hotwords.words) if message.HasField("hotwords") else None,
        hotword_weights=dict(message.hotword_weights.weights) if message.HasField("hotword_weights") else None,
        partials=_given(message, "partials"),
        levels=_given(message, "levels"),
        wait_for=_member(Pass, message, "wait_for", Pass.FAST) if message.wait_for else None,
    )


def audio_format(message: pb.AudioFormat) -> AudioFormat:
    """Raises ProtocolError."""
    usual = AudioFormat()
    return AudioFormat(
        sample_rate=_given(message, "sample_rate", usual.sample_rate),
        channels=_given(message, "channels", usual.channels),
        encoding=_member(Encoding, message, "encoding", usual.encoding),
    )


def decode(encoded: bytes) -> AnyServerMessage:
    """A message of the hub, as an attachment gives it."""
    return _decoder.decode(encoded)


def server_message(message: AnyServerMessage) -> pb.ServerMessage:
    """What the hub says."""
    told = pb.ServerMessage(seq=message.seq)
    if message.skipped is not msgspec.UNSET:
        told.skipped = message.skipped
    part = getattr(told, oneof_name(type(message)))
    # An empty message still says which one it is.
    part.SetInParent()
    fill(part, message, skip=("seq", "skipped"))
    return told


def fill(target: Any, source: msgspec.Struct, *, skip: tuple[str, ...] = ()) -> None:
    """Set the fields of a protobuf message to those of a struct. What is absent or `None` stays unset."""
    for name, proto_name in _names(type(source)):
        value = getattr(source, name)
        if value is not None and name not in skip:
            _put(target, proto_name, value)


def fill_from_view(target: Any, view: BaseModel, *, skip: tuple[str, ...] = ()) -> None:
    """The same, from what REST tells of the hub."""
    _put_all(target, {name: value for name, value in view.model_dump(mode="json").items() if name not in skip})


def oneof_name(kind: type) -> str:
    """The field of ServerMessage that carries messages of this type."""
    tag = kind.__struct_config__.tag  # type: ignore[attr-defined]
    return str(tag).replace("-", "_")


_decoder: msgspec.json.Decoder[AnyServerMessage] = msgspec.json.Decoder(AnyServerMessage)


@cache
def _names(kind: type[msgspec.Struct]) -> tuple[tuple[str, str], ...]:
    """The fields of a struct: their names here, and on every wire."""
    return tuple((field.name, field.encode_name) for field in msgspec.structs.fields(kind))


def _put(target: Any, name: str, value: Any) -> None:
    match value:
        case StrEnum() | str() if (kind := target.DESCRIPTOR.fields_by_name[name].enum_type) is not None:
            setattr(target, name, kind.values_by_name[value_name(kind.name, value)].number)
        case msgspec.Struct():
            fill(getattr(target, name), value)
        case tuple() | list():
            _put_many(getattr(target, name), value)
        case dict():
            _put_map(getattr(target, name), value)
        case _:
            setattr(target, name, value)


def _put_many(target: Any, values: tuple[Any, ...] | list[Any]) -> None:
    for value in values:
        if isinstance(value, msgspec.Struct):
            fill(target.add(), value)
        elif isinstance(value, dict):
            _put_all(target.add(), value)
        else:
            target.append(value)


def _put_map(target: Any, values: dict[str, Any]) -> None:
    """A map, a google.protobuf.Struct, or a message by the names of its fields."""
    if hasattr(target, "update"):
        target.update(values)
    else:
        _put_all(target, values)


def _put_all(target: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if value is not None:
            _put(target, name, value)


def value_name(enum: str, value: str) -> str:
    """`EndpointReason`, `max-length`: `ENDPOINT_REASON_MAX_LENGTH`."""
    words = "".join(f"_{char}" if char.isupper() else char for char in enum).lstrip("_")
    return f"{words}_{value}".replace("-", "_").upper()


def _given(message: Any, name: str, otherwise: Any = None) -> Any:
    """An optional field of any type."""
    return getattr(message, name) if message.HasField(name) else otherwise


def _member(enum: type[E], message: Any, name: str, otherwise: E) -> E:
    number = getattr(message, name)
    if number == 0:
        return otherwise
    members = {value_name(enum.__name__, member): member for member in enum}
    value = message.DESCRIPTOR.fields_by_name[name].enum_type.values_by_number.get(number)
    if value is None:
        raise ProtocolError(
            f"`{name}` is {number}, which v1 has not; it is one of {', '.join(members)}", code="bad-value"
        )
    return members[value.name]
