"""The codec of OpenAI's Realtime API, without a socket."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.errors import HubError, NotFound, Overloaded, ProviderError, RateLimited
from asr_hub.model import AudioFormat, Encoding, EndpointReason, Hypothesis, Role, SessionId
from asr_hub.wire.dialects.codec import Audio, HangUp, Step, Text
from asr_hub.wire.dialects.growing import Policy
from asr_hub.wire.dialects.openai_realtime import MAX_AUDIO_BYTES, MAX_ERRORS, Realtime
from asr_hub.wire.dialects.openai_realtime_session import BadField, Session, first, updated
from asr_hub.wire.messages import (
    AnyServerMessage,
    Clear,
    Closed,
    Configure,
    Endpoint,
    Error,
    Final,
    Finalize,
    Partial,
    Ready,
    SpeechStarted,
    Start,
)

pytestmark = pytest.mark.unit

READY = Ready(
    session=SessionId("native"),
    role=Role.PUBLISHER,
    provider="p",
    format=AudioFormat(),
    audio_offset=0,
    resume_window=1,
)


def provider(model: str | None) -> str | None:
    if model == "absent":
        raise NotFound("there is no such model", code="model-not-found")
    return None if model is None else f"the {model}"


def codec(policy: Policy = "stable", *, model: str | None = None) -> Realtime:
    return Realtime(first(model), seed="s", policy=policy, provider=provider)


def update(**given: Any) -> str:
    return json.dumps({"type": "session.update", "session": {"type": "transcription", "audio": {"input": given}}})


def append(audio: bytes) -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()})


COMMIT = '{"type": "input_audio_buffer.commit"}'
CLEAR = '{"type": "input_audio_buffer.clear", "event_id": "mine"}'
NO_TURNS = update(turn_detection=None)


def events(steps: Sequence[Step]) -> list[dict[str, Any]]:
    return [json.loads(step.data) for step in steps if isinstance(step, Text)]


def told(it: Realtime, *messages: AnyServerMessage) -> list[dict[str, Any]]:
    return [event for message in messages for event in events(it.tell(message))]


def kinds(them: Sequence[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("conversation.item.input_audio_transcription.") for event in them]


def hypothesis(text: str, *, stable: int | None = None, at: int = 0, **more: Any) -> Hypothesis:
    return Hypothesis(text=text, start=at, end=at + 500, stable=len(text) if stable is None else stable, **more)


def started(utterance: int) -> SpeechStarted:
    return SpeechStarted(utterance=utterance, at=100 * utterance)


def ended(utterance: int, reason: EndpointReason = EndpointReason.SILENCE) -> Endpoint:
    return Endpoint(utterance=utterance, at=100 * utterance + 50, reason=reason)


def final(utterance: int, text: str, reason: EndpointReason = EndpointReason.SILENCE, **more: Any) -> Final:
    return Final(utterance=utterance, hypothesis=hypothesis(text, **more), reason=reason)


COMMITTED = ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"]


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


def test_a_turn_of_the_server() -> None:
    it = codec()
    it.receive_text(append(b"\0\0"))
    said = told(
        it,
        READY,
        started(1),
        Partial(utterance=1, hypothesis=hypothesis("go forward", stable=3)),
        ended(1),
        started(2),
        final(1, "go forward ten", language="en", speaker="A"),
        ended(2),
        final(2, "stop"),
    )
    assert kinds(said) == [
        "input_audio_buffer.speech_started",
        "delta",
        "input_audio_buffer.speech_stopped",
        *COMMITTED,
        "input_audio_buffer.speech_started",
        "delta",
        "segment",
        "completed",
        "input_audio_buffer.speech_stopped",
        *COMMITTED,
        "delta",
        "completed",
    ]
    completed = [event for event in said if event["type"].endswith("completed")]
    assert [event["transcript"] for event in completed] == ["go forward ten", "stop"]
    assert completed[0]["languages"] == [{"code": "en"}]
    assert completed[0]["usage"] == {"type": "duration", "seconds": 0.5}
    assert [event["delta"] for event in said if event["type"].endswith("delta")] == ["go", " forward ten", "stop"]


@pytest.mark.parametrize(
    ("texts", "whole"), [(("go on", "", "then stop"), "go on then stop"), (("你好", "世界"), "你好世界")]
)
def test_without_turns_everything_up_to_the_commit_is_one_item(texts: tuple[str, ...], whole: str) -> None:
    it = codec()
    it.receive_text(NO_TURNS)
    said = told(it, READY)[1:]
    for number, text in enumerate(texts, 1):
        said += told(it, started(number), ended(number), final(number, text))
    assert set(kinds(said)) == {"delta"}
    it.receive_text(COMMIT)
    number = len(texts) + 1
    said += told(it, ended(number, EndpointReason.FINALIZE), final(number, "", EndpointReason.FINALIZE))
    assert kinds(said)[-4:] == [*COMMITTED, "completed"]
    assert said[-1]["transcript"] == whole == "".join(event["delta"] for event in said if "delta" in event)
    assert len({event["item_id"] for event in said if "item_id" in event}) == 1


def test_an_item_is_completed_when_its_last_words_are_there() -> None:
    it = codec()
    it.receive_text(NO_TURNS)
    it.receive_text(COMMIT)
    said = told(it, READY, started(1), ended(1), ended(2, EndpointReason.FINALIZE))
    assert kinds(said)[-1] == COMMITTED[-1]
    assert kinds(told(it, final(1, "yes"))) == ["delta"]
    assert kinds(told(it, final(2, ""))) == ["completed"]


def test_what_is_gathered_is_committed_though_turns_were_switched_on_meanwhile() -> None:
    it = codec()
    it.receive_text(NO_TURNS)
    told(it, READY, started(1), ended(1), final(1, "before"))
    it.receive_text(update(turn_detection={"type": "server_vad"}))
    it.receive_text(COMMIT)
    said = told(it, started(2), ended(2, EndpointReason.FINALIZE), final(2, "after"))
    assert [event["transcript"] for event in said if event["type"].endswith("completed")] == ["before", "after"]


def test_nothing_is_told_of_what_was_cleared() -> None:
    it = codec()
    it.receive_text(append(b"\0\0"))
    told(it, READY, started(1))
    clear, cleared = it.receive_text(CLEAR)
    assert clear == Clear()
    assert kinds(events((cleared,))) == ["input_audio_buffer.cleared"]
    assert kinds(told(it, ended(1, EndpointReason.CLEAR))) == ["input_audio_buffer.speech_stopped"]
    assert kinds(told(it, ended(2, EndpointReason.CLEAR))) == []
    assert kinds(events(codec().receive_text(CLEAR))) == ["input_audio_buffer.cleared"]


@pytest.mark.parametrize("turns", [True, False])
def test_a_clear_forgets_nothing_that_was_committed(turns: bool) -> None:
    it = codec()
    it.receive_text(update() if turns else NO_TURNS)
    told(it, READY, started(1))
    it.receive_text(COMMIT)
    step, _ = it.receive_text(CLEAR)
    assert step == Finalize()
    said = told(
        it,
        ended(1, EndpointReason.FINALIZE),
        started(2),
        ended(3, EndpointReason.FINALIZE),
        final(1, "kept"),
        final(2, "dropped"),
        final(3, ""),
    )
    assert [event["transcript"] for event in said if "transcript" in event] == ["kept"]
    assert len([event for event in said if event["type"] == COMMITTED[0]]) == 1
    assert it.receive_text(CLEAR)[0] == Clear()


def test_a_turn_that_ended_while_the_clear_was_on_its_way_is_completed() -> None:
    it = codec()
    it.receive_text(append(b"\0\0"))
    said = told(it, READY, started(1), ended(1), ended(1, EndpointReason.CLEAR))
    assert (said[-1]["transcript"], kinds(said)[-1]) == ("", "completed")


def test_a_failed_engine_is_told_for_its_item_alone() -> None:
    it = codec()
    it.receive_text(append(b"\0\0"))
    broke = Error(code="provider-died", message="gone", scope="session")
    said = told(it, READY, started(1), broke, ended(1), final(1, ""), started(2), ended(2), final(2, ""))
    assert kinds(said)[-1] == "completed"
    (failed,) = [event for event in said if event["type"].endswith("failed")]
    assert failed["error"] == {
        "type": "transcription_error",
        "code": "provider_died",
        "message": "gone",
        "param": None,
    }
    # Another engine took over.
    said = told(it, started(3), broke, ended(3), final(3, "heard"))
    assert kinds(said)[-1] == "completed"


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


_MESSAGES = st.one_of(
    st.builds(started, st.integers(1, 6)),
    st.builds(ended, st.integers(1, 6), st.sampled_from(EndpointReason)),
    st.builds(final, st.integers(1, 6), st.text(max_size=8)),
    st.builds(
        lambda n, text: Partial(utterance=n, hypothesis=hypothesis(text)), st.integers(1, 6), st.text(max_size=8)
    ),
    st.just(Error(code="provider", message="m", scope="session")),
)


@given(st.booleans(), st.lists(_MESSAGES | st.sampled_from([COMMIT, CLEAR, NO_TURNS]), max_size=30))
def test_no_item_is_committed_or_completed_twice(turns: bool, course: list[Any]) -> None:
    it = codec("native")
    it.receive_text(update() if turns else NO_TURNS)
    said = told(it, READY)
    for step in course:
        said += events(it.receive_text(step)) if isinstance(step, str) else told(it, step)
    committed = [event["item_id"] for event in said if event["type"] == COMMITTED[0]]
    done = [event["item_id"] for event in said if event["type"].endswith(("completed", "failed"))]
    assert len(set(committed)) == len(committed)
    assert len(set(done)) == len(done)
    assert set(done) <= set(committed)
