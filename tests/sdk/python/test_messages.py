"""The SDK's messages are those of the hub's schema, and it bears with a newer hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asr_hub_client import messages
from asr_hub_client.messages import Final, Start, Unknown, decode, encode, from_object

pytestmark = pytest.mark.unit

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "reference" / "native-v1.schema.json").read_text())["$defs"]
CLIENT = {name.split("/")[-1] for name in SCHEMA["ClientMessage"]["discriminator"]["mapping"].values()}
SERVER = {name.split("/")[-1] for name in SCHEMA["ServerMessage"]["discriminator"]["mapping"].values()}
OBJECTS = {name for name, it in SCHEMA.items() if it.get("type") == "object"}


def plain(schema: Any) -> Any:
    """A field's schema without words, with a growing list of words as the string it is here."""
    if isinstance(schema, list):
        return sorted((plain(it) for it in schema), key=str)
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].split("/")[-1]
        return name if name in OBJECTS else {"type": "string"}
    if set(schema) - {"description", "default"} == {"enum"}:
        return {"type": "string"}
    kept = {key: plain(it) for key, it in schema.items() if key not in ("description", "title", "default")}
    return {"enum": schema["enum"]} if "enum" in schema and schema.get("type") is None else kept


def fields(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: plain(it) for name, it in schema["properties"].items() if name != "type"}


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_a_struct_has_the_fields_of_the_schema(name: str) -> None:
    kind = getattr(messages, name)
    _, components = msgspec.json.schema_components((kind,), ref_template="#/$defs/{name}")
    ours, theirs = json.loads(json.dumps(components[name])), SCHEMA[name]
    assert fields(ours) == fields(theirs)
    assert set(ours["required"]) == set(theirs["required"])
    defaults = {key: it.get("default") for key, it in theirs["properties"].items()}
    assert {key: it.get("default") for key, it in ours["properties"].items()} == defaults


def test_every_server_message_is_known() -> None:
    assert {kind.__name__ for kind in messages.TYPES.values()} == SERVER


def test_every_client_message_is_known() -> None:
    assert {kind.__name__ for kind in messages.ClientMessage.__subclasses__()} == CLIENT


def test_the_encodings_are_those_of_the_schema() -> None:
    assert set(messages._WIDTHS) == set(SCHEMA["Encoding"]["enum"])


NEWER = {
    "type": "final",
    "seq": 3,
    "utterance": 1,
    "hypothesis": {"text": "hi", "start": 0, "end": 5, "pass": "third", "mood": "good"},
    "reason": "boredom",
    "more": {"a": [1]},
}


def test_fields_and_words_of_a_newer_hub_are_borne() -> None:
    for message in (decode(json.dumps(NEWER)), from_object(NEWER)):
        assert isinstance(message, Final)
        assert (message.hypothesis.text, message.hypothesis.pass_, message.reason) == ("hi", "third", "boredom")


def test_a_message_type_of_a_newer_hub_keeps_its_place() -> None:
    newer = {"type": "applause", "seq": 9, "skipped": 2, "utterance": "x"}
    assert decode(json.dumps(newer)) == from_object(newer) == Unknown(type="applause", seq=9, skipped=2)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"type":1}', '{"type":"final"}', '{"type":"ready","seq":"x"}'])
def test_what_is_no_message_is_a_named_error(text: str) -> None:
    with pytest.raises(ValueError):
        decode(text)


def test_what_is_as_by_default_is_left_out() -> None:
    assert json.loads(encode(Start())) == {"type": "start"}
    assert json.loads(encode(Start(language="de"))) == {"type": "start", "language": "de"}
