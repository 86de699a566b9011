"""The AsyncAPI document: valid by the official parser, complete, and true to what goes over the wire."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.node import node

from asr_hub.errors import ProtocolError
from asr_hub.model import AudioFormat, EndpointReason, Hypothesis, Role, SessionId, Word
from asr_hub.protocols.socket_io.recording import Recording
from asr_hub.wire import messages as wire
from asr_hub.wire.asyncapi import CLIENT, PATH, SERVER, TOLD, document, main
from asr_hub.wire.encode import encode

pytestmark = pytest.mark.unit

Document = dict[str, Any]


def _with_dangling_references(whole: Document) -> list[str]:
    """What the parser must name."""
    del whole["channels"]["socketIoRecorder"]
    del whole["channels"]["stream"]["messages"]["partial"]
    del whole["components"]["schemas"]["Hypothesis"]
    return ["#/channels/socketIoRecorder'", "#/channels/stream/messages/partial'", "#/components/schemas/Hypothesis'"]


def _with_a_wrong_action(whole: Document) -> list[str]:
    whole["operations"]["stream.start"]["action"] = "publish"
    return ["operations.stream.start.action"]


BREAKS: list[Callable[[Document], list[str]]] = [_with_dangling_references, _with_a_wrong_action]


async def test_the_official_parser_takes_the_document_and_no_broken_copy(tmp_path: Path) -> None:
    paths, named = [PATH], []
    for break_it in BREAKS:
        copied = copy.deepcopy(document())
        named.append(break_it(copied))
        paths.append(tmp_path / f"{break_it.__name__}.json")
        paths[-1].write_text(json.dumps(copied))
    whole, *copies = await node("asyncapi.mjs", *map(str, paths))
    assert whole["problems"] == []
    assert whole["channels"] == ["/v1/stream", "/v1/stream", "/", "/v1/jobs/{id}", "/v1/jobs"]
    assert (whole["operations"], whole["messages"]) == (len(document()["operations"]), _message_count())
    for found, wanted in zip(copies, named, strict=True):
        told = "\n".join(found["problems"])
        assert [part for part in wanted if part not in told] == []


def _message_count() -> int:
    return sum(len(channel["messages"]) for channel in document()["channels"].values())


def test_the_file_is_what_the_code_generates() -> None:
    assert main(["--check"]) == 0


def test_a_file_that_drifted_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "asyncapi.json"
    assert main(["--check", str(path)]) == 1
    assert main([str(path)]) == 0
    assert main(["--check", str(path)]) == 0
    path.write_text(path.read_text(encoding="utf-8").replace("take_over", "takeover"), encoding="utf-8")
    capsys.readouterr()
    assert main(["--check", str(path)]) == 1
    assert "python -m asr_hub.wire.asyncapi" in capsys.readouterr().err


def test_every_message_of_the_native_protocol_is_in_the_channel_of_the_websocket() -> None:
    channel = document()["channels"]["stream"]
    tags = {str(kind.__struct_config__.tag) for kind in (*CLIENT, *SERVER)}
    assert set(channel["messages"]) == tags | {"audio"}
    assert all(message["summary"] for message in channel["messages"].values())
    operations = document()["operations"]
    received = {name.partition(".")[2] for name, it in operations.items() if it["action"] == "receive"}
    assert received >= {str(kind.__struct_config__.tag) for kind in CLIENT} | {"audio"}
    sent = [ref["$ref"].rsplit("/", 1)[1] for ref in operations["stream.told"]["messages"]]
    assert set(sent) == {str(kind.__struct_config__.tag) for kind in SERVER}


def test_every_example_is_one() -> None:
    examples = 0
    for channel in document()["channels"].values():
        for message in channel["messages"].values():
            for example in message.get("examples", ()):
                examples += 1
                validator(message["payload"]["$ref"].rsplit("/", 1)[1]).validate(example["payload"])
    assert examples >= 7


def validator(name: str) -> jsonschema.Draft7Validator:
    whole = json.loads(PATH.read_text(encoding="utf-8"))
    return jsonschema.Draft7Validator(
        {"$ref": f"#/components/schemas/{name}", "components": whole["components"]},
    )


CLIENT_SCHEMA, SERVER_SCHEMA = validator("ClientMessage"), validator("ServerMessage")


@settings(max_examples=60, deadline=None)
@given(st.from_type(wire.AnyClientMessage))
def test_what_a_client_may_say_is_in_the_document(message: wire.AnyClientMessage) -> None:
    CLIENT_SCHEMA.validate(json.loads(msgspec.json.encode(message)))


def _is_json(message: wire.AnyServerMessage) -> bool:
    """It has no infinite number, of which there is none in JSON."""
    try:
        return msgspec.json.decode(encode(message), type=type(message)) == message
    except msgspec.ValidationError:
        return False


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.from_type(wire.AnyServerMessage).filter(_is_json))
def test_what_the_hub_says_is_in_the_document(message: wire.AnyServerMessage) -> None:
    SERVER_SCHEMA.validate(json.loads(encode(message)))


@pytest.mark.parametrize(
    "wrong", [{"type": "begin"}, {"type": "start", "lang": "en"}, {"type": "attach"}, {"type": "ready"}]
)
def test_what_the_hub_refuses_is_not_in_the_document(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        CLIENT_SCHEMA.validate(wrong)


# Recording clients: what the state machine says is what the document says of it.

_SPOKEN = Hypothesis(text="go forward", start=100, end=900, is_final=True, words=(Word("go", 100, 300),))

SAID: list[wire.AnyServerMessage] = [
    wire.Ready(
        session=SessionId("s"),
        role=Role.PUBLISHER,
        provider="fast",
        format=AudioFormat(),
        audio_offset=0,
        resume_window=60.0,
    ),
    wire.WakeWord(phrase="computer", at=40),
    wire.SpeechStarted(utterance=1, at=100),
    wire.Partial(utterance=1, hypothesis=Hypothesis(text="go", start=100, end=400)),
    wire.Endpoint(utterance=1, at=900, reason=EndpointReason.SILENCE),
    wire.Final(utterance=1, hypothesis=_SPOKEN, reason=EndpointReason.SILENCE),
    wire.Revision(utterance=1, hypothesis=_SPOKEN),
    wire.Warning(code="not-as-asked", message="no hotwords"),
    wire.Error(code="provider", message="it died", scope="session"),
    wire.Closed(reason="close", audio_offset=16000),
]


def test_what_a_recording_client_is_told_is_in_the_document() -> None:
    recording = Recording()
    recording.start({"language": "en", "mystery": 1})
    told = [event for message in SAID for event in recording.hear(message)]
    names = {event.name for event in told}
    # The connection itself says these three.
    assert names | {"connected", "session", "error"} == set(TOLD)
    for event in told:
        validator(TOLD[event.name].__name__).validate(json.loads(json.dumps(event.payload)))
        assert set(event.payload) == set(TOLD[event.name].__struct_fields__), event.name


@pytest.mark.parametrize("event", sorted(TOLD))
def test_a_field_less_is_not_in_the_document(event: str) -> None:
    schema = validator(TOLD[event].__name__)
    with pytest.raises(jsonschema.ValidationError, match="required"):
        schema.validate({})


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "language": st.sampled_from([None, "auto", "en", "zh-TW"]),
            "hotwords": st.text(max_size=9) | st.lists(st.text(max_size=5), max_size=3),
            "sample_rate": st.integers(),
            "channels": st.integers(),
            "encoding": st.sampled_from(["pcm_s16le", "mulaw", "opus", 3]),
            "partials": st.booleans() | st.text(max_size=2),
        },
    )
)
@settings(max_examples=60, deadline=None)
def test_options_that_are_in_the_document_are_taken_and_others_are_not(options: dict[str, Any]) -> None:
    is_in = validator("StartRecording").is_valid(options)
    try:
        Recording().start(options)
    except ProtocolError as exc:
        assert not is_in, exc
    else:
        assert is_in
