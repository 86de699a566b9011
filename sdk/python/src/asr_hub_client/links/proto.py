"""
The messages as those of protos/asr_hub/v1, and back.

Both have the same fields under the same names, so one walk over a message does for all of them.
"""

from __future__ import annotations

from typing import Any

from asr_hub_client.messages import AnyServerMessage, ClientMessage, Unknown, from_object, to_object


def request(pb: Any, message: ClientMessage) -> Any:
    """A StreamRequest. `pb` is the module that protoc wrote."""
    fields = to_object(message)
    told = pb.StreamRequest()
    part = getattr(told, str(fields.pop("type")))
    # An empty message still says which one it is.
    part.SetInParent()
    _fill(part, fields)
    return told


def server_message(told: Any) -> AnyServerMessage | Unknown:
    """What a ServerMessage says. Raises ValueError for what no version of the protocol says."""
    kind = told.WhichOneof("message")
    place = {"seq": told.seq, **({"skipped": told.skipped} if told.HasField("skipped") else {})}
    if kind is None:
        return from_object({"type": "", **place})
    return from_object({"type": kind.replace("_", "-"), **_plain(getattr(told, kind)), **place})


def _fill(target: Any, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        field = target.DESCRIPTOR.fields_by_name[name]
        if field.enum_type is not None:
            setattr(target, name, field.enum_type.values_by_name[_value_name(field.enum_type.name, value)].number)
        elif _is_map(field):
            getattr(target, name).update(value)
        elif field.message_type is not None:
            part = getattr(target, name)
            part.SetInParent()
            first = part.DESCRIPTOR.fields[0]
            # A list or a map that may be absent is a message around it.
            is_bare = not isinstance(value, dict) or _is_map(first)
            _fill(part, {first.name: value} if is_bare else value)
        elif isinstance(value, list | tuple):
            getattr(target, name).extend(value)
        else:
            setattr(target, name, value)


def _is_map(field: Any) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _plain(message: Any) -> dict[str, Any]:
    """The fields of a message as objects. What may be absent, and is, is left out."""
    fields: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.enum_type is not None:
            if (name := _name(field.enum_type, value)) is not None:
                fields[field.name] = name
        elif not field.has_presence or message.HasField(field.name):
            fields[field.name] = _plain_value(value)
    return fields


def _plain_value(value: Any) -> Any:
    if hasattr(value, "DESCRIPTOR"):
        return _plain(value)
    if hasattr(value, "items"):
        return dict(value)
    if isinstance(value, str | bytes | int | float):
        return value
    return [_plain_value(it) for it in value]


def _name(enum: Any, number: int) -> str | None:
    """`ENDPOINT_REASON_MAX_LENGTH`: `max-length`. A value of a newer hub is told by its number."""
    if number == 0:
        return None
    if (value := enum.values_by_number.get(number)) is None:
        return str(number)
    word = str(value.name).removeprefix(f"{_words(enum.name)}_").lower()
    return word if enum.name == "Encoding" else word.replace("_", "-")


def _value_name(enum: str, value: str) -> str:
    return f"{_words(enum)}_{value}".replace("-", "_").upper()


def _words(name: str) -> str:
    """`EndpointReason`: `ENDPOINT_REASON`"""
    return "".join(f"_{char}" if char.isupper() else char for char in name).lstrip("_").upper()
