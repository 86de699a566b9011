"""The published schema says what the code does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_hub.model import AudioFormat, EndpointReason, Hypothesis, Pass, ProviderName, Role, SessionId, Word
from asr_hub.wire import messages as wire
from asr_hub.wire.encode import encode, with_skipped
from asr_hub.wire.refusal import ENDINGS
from asr_hub.wire.schema import PATH, main, schema

pytestmark = pytest.mark.unit

HYPOTHESIS = Hypothesis(
    text="go forward ten meters",
    start=120,
    end=1900,
    is_final=True,
    stable=21,
    revision=4,
    words=(Word("go", 120, 300, 0.9), Word("forward", 300, 800)),
    confidence=0.8,
    language="en",
    speaker="1",
    provider=ProviderName("fast"),
    pass_=Pass.ACCURATE,
)

SAID: list[wire.ServerMessage] = [
    wire.Ready(
        seq=0,
        session=SessionId("s"),
        role=Role.PUBLISHER,
        provider="fast",
        format=AudioFormat(),
        audio_offset=0,
        resume_window=60.0,
    ),
    wire.SpeechStarted(seq=1, utterance=0, at=120),
    wire.Partial(seq=4, skipped=2, utterance=0, hypothesis=Hypothesis(text="go", start=120, end=400)),
    wire.Endpoint(seq=5, utterance=0, at=1900, reason=EndpointReason.SILENCE),
    wire.Final(seq=6, utterance=0, hypothesis=HYPOTHESIS, reason=EndpointReason.SILENCE, latency_ms=80),
    wire.Revision(seq=7, utterance=0, hypothesis=HYPOTHESIS),
    wire.WakeWord(seq=8, phrase="hello hub", at=40),
    wire.AudioAck(seq=9, audio_offset=16000),
    wire.Levels(seq=10, at=500, rms_db=-30.5, peak_db=-3.0),
    wire.Warning(seq=11, code="no-hotwords", message="the engine takes no hotwords"),
    wire.Error(seq=11, code="bad-value", message="no", retry_after=1.0),
    wire.Reset(seq=11, finals=(wire.Reading(0, HYPOTHESIS),), provider="fast", audio_offset=16000),
    wire.Closed(seq=12, reason="close", audio_offset=16000),
]


def validator(side: str) -> jsonschema.Draft202012Validator:
    whole = json.loads(PATH.read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{side}", "$defs": whole["$defs"]})


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


def test_every_server_message_is_in_this_test() -> None:
    assert {type(message) for message in SAID} == set(wire.AnyServerMessage.__args__)


@pytest.mark.parametrize("message", SAID, ids=lambda message: type(message).__name__)
def test_what_the_hub_sends_is_in_the_schema(message: wire.ServerMessage) -> None:
    validator("ServerMessage").validate(json.loads(encode(message)))


@settings(max_examples=100, deadline=None)
@given(st.from_type(wire.AnyClientMessage))
def test_what_a_client_may_send_is_in_the_schema(message: wire.AnyClientMessage) -> None:
    validator("ClientMessage").validate(json.loads(msgspec.json.encode(message)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "begin"},
        {"type": "start", "lang": "en"},
        {"type": "attach"},
        {"type": "start", "format": {"encoding": "opus"}},
        {"type": "start", "hotwords": "one"},
    ],
)
def test_what_the_hub_refuses_is_not_in_the_schema(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validator("ClientMessage").validate(wrong)


def test_the_file_is_what_the_code_generates() -> None:
    assert main(["--check"]) == 0


def test_a_file_that_drifted_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "native.schema.json"
    assert main(["--check", str(path)]) == 1
    assert main([str(path)]) == 0
    assert main(["--check", str(path)]) == 0
    path.write_text(path.read_text(encoding="utf-8").replace("sample_rate", "rate"), encoding="utf-8")
    capsys.readouterr()
    assert main(["--check", str(path)]) == 1
    assert "python -m asr_hub.wire.schema" in capsys.readouterr().err


@pytest.mark.parametrize("message", SAID, ids=lambda message: type(message).__name__)
def test_skipped_is_added_to_encoded_bytes(message: wire.ServerMessage) -> None:
    bare = msgspec.structs.replace(message, skipped=msgspec.UNSET)
    got = msgspec.json.decode(with_skipped(encode(bare), 3), type=type(message))
    assert got == msgspec.structs.replace(message, skipped=3)


def test_a_message_that_skipped_nothing_does_not_say_so() -> None:
    assert b"skipped" not in encode(wire.AudioAck(seq=1, audio_offset=2))


def test_the_reference_has_every_message_and_every_code() -> None:
    text = (PATH.parent / "protocol.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(): line.split("|") for line in text.splitlines() if line.startswith("| `")}
    for code, end in ENDINGS.items():
        assert f"`{code}`" in rows, f"{code} is not in the table of errors"
        assert str(end.close_code) in rows[f"`{code}`"][2], f"{code} has another close code"
        assert rows[f"`{code}`"][3].strip() == ("always" if end.is_fatal else "before `ready`"), code
    tags = [message.__struct_config__.tag for message in (*SAID, wire.Start())]
    for tag in tags:
        assert f"### `{tag}`" in text, f"{tag} is not described"
