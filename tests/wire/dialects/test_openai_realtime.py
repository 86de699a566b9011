"""The codec of OpenAI's Realtime API, without a socket: settings, and what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.dialects.realtime import (
    CLEAR,
    COMMIT,
    NO_TURNS,
    READY,
    append,
    codec,
    events,
    kinds,
    told,
    update,
)

from asr_hub.errors import HubError, NotFound, Overloaded, ProviderError, RateLimited
from asr_hub.model import AudioFormat, Encoding
from asr_hub.wire.dialects.codec import Audio, HangUp, Text
from asr_hub.wire.dialects.openai_realtime import MAX_AUDIO_BYTES, MAX_ERRORS
from asr_hub.wire.dialects.openai_realtime_session import BadField, Session, first, updated
from asr_hub.wire.messages import (
    Clear,
    Closed,
    Configure,
    Finalize,
    Start,
)

pytestmark = pytest.mark.unit


def test_a_client_is_greeted_before_it_says_anything() -> None:
    (greeting,) = events(codec(model="gpt-realtime").greet())
    assert greeting["type"] == "session.created"
    assert greeting["session"]["audio"]["input"] == {
        "format": {"type": "audio/pcm", "rate": 24000},
        "transcription": {"model": "gpt-realtime"},
        "noise_reduction": None,
        "turn_detection": {"type": "server_vad"},
    }


def test_the_first_settings_open_the_session_and_are_answered_when_it_is_there() -> None:
    it = codec()
    steps = it.receive_text(update(transcription={"model": "x", "language": "de_CH", "keywords": [" Zermatt ", " "]}))
    wanted = Start(format=AudioFormat(sample_rate=24000), provider="the x", language="de-CH", hotwords=("Zermatt",))
    assert steps == (wanted,)
    assert it.receive_text(update(transcription={"keywords": []})) == (Configure(hotwords=()),)
    answers = told(it, READY)
    assert kinds(answers) == ["session.updated"] * 2
    assert answers[0]["session"]["id"] == "native"
    assert kinds(events(it.receive_text(NO_TURNS))) == ["session.updated"]


@pytest.mark.parametrize("frame", [append(b"\0\0"), COMMIT])
def test_audio_or_a_commit_opens_it_too(frame: str) -> None:
    it = codec()
    start, step = it.receive_text(frame)
    assert start == Start(format=AudioFormat(sample_rate=24000))
    assert step == (Finalize() if frame == COMMIT else Audio(b"\0\0"))
    assert it.receive_text(frame) == (step,)
    assert told(it, READY) == []


def test_formats_and_languages() -> None:
    for form, wanted in (
        ({"type": "audio/pcm", "rate": 16000}, AudioFormat(16000)),
        ({"type": "audio/pcmu"}, AudioFormat(8000, encoding=Encoding.MULAW)),
        ({"type": "audio/pcma", "rate": 8000}, AudioFormat(8000, encoding=Encoding.ALAW)),
    ):
        assert updated(first(None), {"audio": {"input": {"format": form}}}).format == wanted
    for heard, language in (
        ({"language": "en"}, "en"),
        ({"language": "auto"}, None),
        ({"languages": ["en", "de"]}, None),
        ({"languages": ["fr"]}, "fr"),
    ):
        assert updated(first(None), {"audio": {"input": {"transcription": heard}}}).language == language


def test_what_is_absent_stays_and_null_is_off() -> None:
    one = updated(first("m"), {"audio": {"input": {"turn_detection": {"silence_duration_ms": 300}}}})
    assert (one.model, one.has_turns) == ("m", True)
    two = updated(one, {"audio": {"input": {"turn_detection": None, "transcription": None}}, "include": None})
    assert (two.model, two.has_turns) == (None, False)
    assert updated(two, {}) == two


WRONG = [
    ("{", "invalid_json", None),
    ('{"type": "session.update", "session": ' + '{"a":' * 100_000, "invalid_json", None),
    ("{}", "invalid_value", "type"),
    ('{"type": "response.create"}', "invalid_value", "type"),
    ('{"type": "session.update", "session": {"type": "realtime"}}', "invalid_value", "session.type"),
    (update(format={"type": "opus"}), "invalid_value", "session.audio.input.format.type"),
    (update(transcription={"language": 7}), "invalid_value", "session.audio.input.transcription.language"),
    (update(transcription={"language": "?"}), "bad_value", None),
    (update(transcription={"keywords": ["a\nb"]}), "bad_value", None),
    (update(transcription={"model": "absent"}), "model_not_found", None),
    ('{"type": "input_audio_buffer.append", "audio": "?"}', "invalid_value", "audio"),
    (append(bytes(MAX_AUDIO_BYTES + 1)), "invalid_value", "audio"),
]


@pytest.mark.parametrize(("frame", "code", "param"), WRONG, ids=lambda it: str(it)[:40])
def test_what_is_wrong_is_told_and_changes_nothing(frame: str, code: str, param: str | None) -> None:
    it = codec()
    with pytest.raises(HubError) as refused:
        it.receive_text(frame)
    (error,) = events(it.refuse(refused.value))
    assert (error["error"]["code"], error["error"]["param"]) == (code, param)
    assert it.receive_text(COMMIT)[0] == Start(format=AudioFormat(sample_rate=24000))


def test_an_error_names_the_event_it_is_about() -> None:
    it = codec()
    it.receive_text(CLEAR)
    (told,) = events(it.refuse(RateLimited("slower")))
    assert (told["error"]["event_id"], told["error"]["type"]) == ("mine", "rate_limit_error")


def test_the_format_of_a_session_that_has_begun_stays() -> None:
    it = codec()
    it.receive_text(append(b"\0\0"))
    with pytest.raises(BadField, match="format"):
        it.receive_text(update(format={"type": "audio/pcmu"}))
    # An error of the client's before the hub has answered is not one of the session's.
    assert len(it.refuse(BadField("x", param="y"))) == 1


def test_settings_that_the_hub_refuses_are_taken_back() -> None:
    it = codec()
    it.receive_text(NO_TURNS)
    told(it, READY)
    steps = it.receive_text(update(transcription={"model": "other"}))
    assert steps[0] == Configure(provider="the other")
    assert kinds(events(it.refuse(NotFound("no such provider")))) == ["error"]
    (answer,) = events(it.receive_text(update()))
    assert answer["session"]["audio"]["input"]["transcription"] is None


def test_what_ends_the_connection() -> None:
    it = codec()
    it.receive_text(COMMIT)
    assert it.refuse(NotFound("no such provider"))[-1] == HangUp(1008, "not-found")
    it = codec()
    assert it.refuse(Overloaded("full"))[-1] == HangUp(1013, "overloaded")
    assert it.tell(Closed(reason="idle"))[-1] == HangUp(1001, "idle")
    for _ in range(MAX_ERRORS - 1):
        assert not isinstance(it.refuse(ProviderError("x"))[-1], HangUp)
    assert isinstance(it.refuse(ProviderError("x"))[-1], HangUp)
    with pytest.raises(HubError, match="base64"):
        it.receive_binary(b"\0\0")
    assert it.late() == ()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda it: st.lists(it, max_size=3) | st.dictionaries(st.text(max_size=8), it, max_size=3),
    max_leaves=8,
)
_NAMES = [
    "type",
    "audio",
    "input",
    "format",
    "transcription",
    "turn_detection",
    "model",
    "language",
    "keywords",
    "rate",
]
_SETTINGS = st.recursive(_JSON, lambda it: st.dictionaries(st.sampled_from(_NAMES), it, max_size=4), max_leaves=12)
_EVENTS = st.builds(
    lambda kind, more: json.dumps({**more, "type": kind}),
    st.sampled_from(
        ["session.update", "input_audio_buffer.append", "input_audio_buffer.commit", "input_audio_buffer.clear", "x"]
    ),
    st.dictionaries(st.sampled_from(["session", "audio", "event_id", "x"]), _SETTINGS, max_size=3),
)


@given(st.lists(st.text(max_size=20) | _JSON.map(json.dumps) | _EVENTS | st.binary(max_size=8), max_size=8))
def test_any_frame_is_steps_or_a_refusal(frames: list[str | bytes]) -> None:
    it = codec()
    for frame in frames:
        try:
            steps = it.receive_text(frame) if isinstance(frame, str) else it.receive_binary(frame)
        except HubError as error:
            assert all(event["type"] == "error" for event in events(it.refuse(error)))
        else:
            assert all(isinstance(step, Start | Configure | Finalize | Clear | Audio | Text) for step in steps)


@given(st.dictionaries(st.sampled_from([*_NAMES, "include"]), _SETTINGS, max_size=4))
def test_any_settings_are_taken_or_refused(update: dict[str, Any]) -> None:
    before = first(None)
    try:
        after = updated(before, update)
    except HubError:
        return
    assert isinstance(after, Session)
    assert updated(after, {}) == after
    assert after.format.sample_rate is not None
