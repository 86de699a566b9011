"""
Messages of protobuf from tables: each field's name, number and type, as their service has them on the wire.

They live in a pool of their own. Every process has one pool that generated code shares, in which a name may be defined
once: the clients of these services define theirs there, and may run in the same process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from asr_hub.errors import ProtocolError

Fields = Mapping[str, tuple[int, str]]
"""
Names with their number and type: `string`, `bytes`, `bool`, `int32`, `int64`, `float`, or another message of the table.

`*` before the type: any number of them; `map` is one of strings. An enum is an `int32`, which is the same on the wire.
"""


class Messages:
    """The messages of a table by their names. What a client sends beyond it is left unread."""

    def __init__(self, package: str, table: Mapping[str, Fields]) -> None:
        pool = descriptor_pool.DescriptorPool()
        pool.Add(_file(package, table))
        self._classes: dict[str, type[Message]] = {
            name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in table
        }

    def __getitem__(self, name: str) -> Any:
        return self._classes[name]

    def read(self, name: str, data: bytes) -> Any:
        """Raises ProtocolError (`bad-value`)."""
        try:
            return self._classes[name].FromString(data)
        except DecodeError:
            raise ProtocolError(f"the request is no protobuf message {name}; send one", code="bad-value") from None


def _file(package: str, table: Mapping[str, Fields]) -> Any:
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in table.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            _add(message, f".{package}.", field, number, kind)
    return file


def _add(message: Any, scope: str, name: str, number: int, kind: str) -> None:
    kinds = descriptor_pb2.FieldDescriptorProto
    field = message.field.add(name=name, number=number, label=kinds.LABEL_OPTIONAL)
    if kind == "map":
        # What protoc makes of `map<string, string>`.
        entry = message.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
        entry.options.map_entry = True
        _add(entry, scope, "key", 1, "string")
        _add(entry, scope, "value", 2, "string")
        kind = f"*{message.name}.{entry.name}"
    if kind.startswith("*"):
        field.label = kinds.LABEL_REPEATED
        kind = kind[1:]
    if kind in _SCALARS:
        field.type = kinds.Type.Value(f"TYPE_{kind.upper()}")
    else:
        field.type = kinds.TYPE_MESSAGE
        field.type_name = f"{scope}{kind}"


_SCALARS = ("string", "bytes", "bool", "int32", "int64", "float")
