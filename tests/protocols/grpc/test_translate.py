"""The protos say what wire/ says, field by field, and nothing is lost on the way."""

from __future__ import annotations

import types
import typing
from enum import StrEnum
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec
import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from asr_hub.errors import ProtocolError
from asr_hub.protocols import facts
from asr_hub.protocols.grpc import translate
from asr_hub.v1 import asr_hub_pb2 as pb
from asr_hub.wire.encode import encode, with_skipped
from asr_hub.wire.messages import AnyClientMessage, AnyServerMessage, Configure

pytestmark = pytest.mark.unit

CLIENT = get_args(AnyClientMessage)
SERVER = get_args(AnyServerMessage)
ENVELOPE = {"seq", "skipped"}
"""They stand beside the oneof, not in each message of it."""


class Hint(NamedTuple):
    """The type of a field of wire/, taken apart."""

    kind: Any
    is_optional: bool = False
    is_many: bool = False
    is_map: bool = False


def taken_apart(hint: Any) -> Hint:
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = [one for one in get_args(hint) if one not in (type(None), msgspec.UnsetType)]
        return taken_apart(inner)._replace(is_optional=True)
    if get_origin(hint) is tuple:
        return Hint(get_args(hint)[0], is_many=True)
    if get_origin(hint) is dict:
        key, kind = get_args(hint)
        assert key is str
        return Hint(kind, is_map=True)
    return Hint(getattr(hint, "__supertype__", hint))


def fields_of(kind: Any) -> dict[str, tuple[Hint, msgspec.structs.FieldInfo]]:
    hints = typing.get_type_hints(kind)
    return {f.encode_name: (taken_apart(hints[f.name]), f) for f in msgspec.structs.fields(kind)}


def choices(kind: Any) -> list[str] | None:
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return [str(member) for member in kind] if isinstance(kind, type) and issubclass(kind, StrEnum) else None


def differences(kind: Any, proto: Any, skip: set[str] = frozenset()) -> list[str]:  # type: ignore[assignment]
    """What a struct and a message do not have in common."""
    wire = {name: field for name, field in fields_of(kind).items() if name not in skip}
    found = [f"{kind.__name__}: {name} is on one side only" for name in wire.keys() ^ proto.fields_by_name.keys()]
    for name in wire.keys() & proto.fields_by_name.keys():
        hint, info = wire[name]
        found += [
            f"{kind.__name__}.{name}: {what}" for what in field_differences(hint, info, proto.fields_by_name[name])
        ]
    return found


def field_differences(hint: Hint, info: Any, field: Any) -> list[str]:
    if hint.is_map and not hint.is_optional:
        entry = field.message_type
        if entry is None or not entry.GetOptions().map_entry:
            return ["is no map"]
        types = {str: field.TYPE_STRING, float: field.TYPE_DOUBLE}
        is_same = [part.type for part in entry.fields] == [field.TYPE_STRING, types[hint.kind]]
        return [] if is_same else ["is a map of something else"]
    if (hint.is_many or hint.is_map) and hint.is_optional:
        # None and no change are not the same: so the words are in a message of their own.
        (inner,) = field.message_type.fields
        return field_differences(hint._replace(is_optional=False), info, inner)
    found = [] if field.is_repeated == hint.is_many else ["is repeated on one side only"]
    if (named := choices(hint.kind)) is not None:
        enum = field.enum_type
        names = [
            f"{translate.value_name(enum.name, 'unspecified')}",
            *(translate.value_name(enum.name, n) for n in named),
        ]
        return found + ([] if [v.name for v in enum.values] == names else [f"has other values: {names}"])
    if isinstance(hint.kind, type) and issubclass(hint.kind, msgspec.Struct):
        return found + differences(hint.kind, field.message_type)
    types_ = {int: field.TYPE_INT64, float: field.TYPE_DOUBLE, str: field.TYPE_STRING, bool: field.TYPE_BOOL}
    found += [] if field.type == types_[hint.kind] else ["has another type"]
    return found + presence_differences(hint, info, field)


def presence_differences(hint: Hint, info: Any, field: Any) -> list[str]:
    """A field whose default is not what protobuf has for absent fields must tell whether it is there."""
    if hint.is_many or info.required:
        return []
    is_zero = info.default is not None and not info.default and info.default is not msgspec.UNSET
    is_server_default = info.name == "version"
    return (
        []
        if field.has_presence != is_zero or is_server_default
        else ["tells absent and default apart on one side only"]
    )


def test_every_client_message_is_in_the_request_and_nothing_else() -> None:
    (oneof,) = pb.StreamRequest.DESCRIPTOR.oneofs
    by_name = {field.name: field for field in oneof.fields}
    assert by_name.keys() == {kind.__struct_config__.tag for kind in CLIENT} | {"audio"}
    assert by_name["audio"].type == by_name["audio"].TYPE_BYTES
    assert len(pb.StreamRequest.DESCRIPTOR.fields) == len(oneof.fields)
    for kind in CLIENT:
        assert not differences(kind, by_name[kind.__struct_config__.tag].message_type)


def test_every_server_message_is_in_the_response_and_nothing_else() -> None:
    message = pb.ServerMessage.DESCRIPTOR
    (oneof,) = [one for one in message.oneofs if not one.name.startswith("_")]
    by_name = {field.name: field for field in oneof.fields}
    assert by_name.keys() == {translate.oneof_name(kind) for kind in SERVER}
    assert {field.name for field in message.fields} == by_name.keys() | ENVELOPE
    for kind in SERVER:
        assert by_name[translate.oneof_name(kind)].message_type.name == kind.__name__
        assert not differences(kind, by_name[translate.oneof_name(kind)].message_type, ENVELOPE)
        for name in ENVELOPE:
            hint, info = fields_of(kind)[name]
            assert not field_differences(hint, info, message.fields_by_name[name])


def test_a_difference_would_be_found() -> None:
    class Warning(msgspec.Struct):
        code: int
        text: str
        message: str | None = None

    found = differences(Warning, pb.Warning.DESCRIPTOR)
    assert sorted(found) == [
        "Warning.code: has another type",
        "Warning.message: tells absent and default apart on one side only",
        "Warning: text is on one side only",
    ]


@pytest.mark.parametrize(
    ("view", "proto", "elsewhere"),
    [
        (facts.ProviderView, pb.Provider, set()),
        (facts.SessionView, pb.Session, set()),
        (facts.SessionDetails, pb.Session, {"transcript"}),
        (facts.UtteranceView, pb.Utterance, set()),
        (facts.FormatView, pb.AudioFormat, set()),
        (facts.BreakerView, pb.Breaker, set()),
        (facts.ScoreView, pb.Score, set()),
        (facts.ComparisonView, pb.Comparison, set()),
        (facts.SuppressedView, pb.Suppressed, set()),
        (facts.ReplacementView, pb.Replacement, set()),
        (facts.ReadingView, pb.PassReading, set()),
        (facts.FailureView, pb.Failure, set()),
    ],
)
def test_what_rest_tells_of_the_hub_has_the_same_names(view: type[BaseModel], proto: Any, elsewhere: set[str]) -> None:
    assert view.model_fields.keys() - elsewhere == set(proto.DESCRIPTOR.fields_by_name.keys())


def test_what_rest_tells_of_an_engine_is_told_in_a_message() -> None:
    view = facts.ProviderView(
        name="p",
        kind="k",
        health="ready",
        is_default=True,
        slots_used=0,
        slots=1,
        breaker=facts.BreakerView(state="closed"),
        comparisons=[
            facts.ComparisonView(primary="a", utterances=2, words=4, wer=0.25),
            facts.ComparisonView(primary="b", utterances=1, words=0),
        ],
    )
    told = pb.Provider()
    translate.fill_from_view(told, view)
    assert told.HasField("breaker") and told.breaker.state == "closed" and not told.breaker.HasField("until")
    assert not told.HasField("score")
    assert [(it.primary, it.utterances, it.HasField("wer")) for it in told.comparisons] == [
        ("a", 2, True),
        ("b", 1, False),
    ]


# Nothing is lost.

INTEGERS = st.integers(0, 2**53)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


def values(hint: Hint) -> st.SearchStrategy[Any]:
    if hint.is_map:
        return st.dictionaries(TEXTS, values(Hint(hint.kind)), max_size=3)
    if hint.is_many:
        return st.lists(values(Hint(hint.kind)), max_size=3).map(tuple)
    if (named := choices(hint.kind)) is not None:
        return st.sampled_from(list(hint.kind) if isinstance(hint.kind, type) else named)
    if hint.kind in (int, float, str, bool):
        return {int: INTEGERS, float: FLOATS, str: TEXTS, bool: st.booleans()}[hint.kind]
    return structs(hint.kind)


def structs(kind: Any, skip: set[str] = frozenset()) -> st.SearchStrategy[Any]:  # type: ignore[assignment]
    parts = {}
    for name, (hint, info) in fields_of(kind).items():
        if name in skip:
            continue
        some = values(hint._replace(is_optional=False))
        parts[info.name] = st.none() | some if hint.is_optional else some
    return st.builds(kind, **parts)


def read_back(kind: Any, message: Any, skip: set[str] = frozenset()) -> Any:  # type: ignore[assignment]
    """A struct from a message: what a client does."""
    parts = {}
    for name, (hint, info) in fields_of(kind).items():
        if name not in skip and not (
            message.DESCRIPTOR.fields_by_name[name].has_presence and not message.HasField(name)
        ):
            parts[info.name] = read_value(hint, message, name)
    return kind(**parts)


def read_value(hint: Hint, message: Any, name: str) -> Any:
    value, field = getattr(message, name), message.DESCRIPTOR.fields_by_name[name]
    if hint.is_map:
        return dict(value)
    if (named := choices(hint.kind)) is not None:
        by_name = {translate.value_name(field.enum_type.name, one): one for one in named}
        found = by_name[field.enum_type.values_by_number[value].name]
        return hint.kind(found) if isinstance(hint.kind, type) else found
    is_struct = isinstance(hint.kind, type) and issubclass(hint.kind, msgspec.Struct)
    if hint.is_many:
        return tuple(read_back(hint.kind, one) if is_struct else one for one in value)
    return read_back(hint.kind, value) if is_struct else value


SAID = st.one_of(*(structs(kind, ENVELOPE) for kind in SERVER))


@settings(max_examples=40)
@given(SAID, INTEGERS, st.none() | st.integers(1, 2**53))
def test_what_the_hub_says_comes_through_whole(said: Any, seq: int, skipped: int | None) -> None:
    said = msgspec.structs.replace(said, seq=seq)
    encoded = encode(said)
    if skipped is not None:
        encoded = with_skipped(encoded, skipped)
    told = translate.server_message(translate.decode(encoded))
    told = pb.ServerMessage.FromString(told.SerializeToString())
    assert told.seq == seq
    assert (told.skipped if told.HasField("skipped") else None) == skipped
    part = getattr(told, translate.oneof_name(type(said)))
    assert told.WhichOneof("message") == translate.oneof_name(type(said))
    assert msgspec.structs.replace(read_back(type(said), part, ENVELOPE), seq=seq) == said


@settings(max_examples=60)
@given(st.one_of(*(structs(kind) for kind in CLIENT)))
def test_what_a_client_says_comes_through_whole(message: Any) -> None:
    request = pb.StreamRequest()
    part = getattr(request, type(message).__struct_config__.tag)
    part.SetInParent()
    wrapped = ("hotwords", "hotword_weights") if isinstance(message, Configure) else ()
    if isinstance(message, Configure) and message.hotwords is not None:
        part.hotwords.SetInParent()
        part.hotwords.words.extend(message.hotwords)
    if isinstance(message, Configure) and message.hotword_weights is not None:
        part.hotword_weights.SetInParent()
        part.hotword_weights.weights.update(message.hotword_weights)
    translate.fill(part, message, skip=wrapped)
    assert translate.client_message(pb.StreamRequest.FromString(request.SerializeToString())) == message


@example(b"\n\x00")
@given(st.binary(max_size=200))
def test_any_request_is_a_message_or_a_named_error(data: bytes) -> None:
    try:
        request = pb.StreamRequest.FromString(data)
    except DecodeError:
        return
    try:
        said = translate.client_message(request)
    except ProtocolError as exc:
        assert exc.code in ("unknown-message", "bad-value")
    else:
        assert isinstance(said, (bytes, *CLIENT))


@pytest.mark.parametrize("kind", CLIENT)
def test_an_absent_field_is_the_default_of_the_native_protocol(kind: Any) -> None:
    request = pb.StreamRequest()
    getattr(request, kind.__struct_config__.tag).SetInParent()
    required = {"session": ""} if "session" in fields_of(kind) else {}
    assert translate.client_message(request) == kind(**required)


def test_a_value_that_v1_has_not_is_named() -> None:
    request = pb.StreamRequest(start=pb.Start(format=pb.AudioFormat(encoding=99)))  # type: ignore[arg-type]
    with pytest.raises(ProtocolError, match="`encoding` is 99") as caught:
        translate.client_message(request)
    assert caught.value.code == "bad-value"
    assert "ENCODING_MULAW" in str(caught.value)


def test_a_request_that_says_nothing_is_named() -> None:
    with pytest.raises(ProtocolError) as caught:
        translate.client_message(pb.StreamRequest())
    assert caught.value.code == "unknown-message"
