"""What a client may say, and when."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_hub.errors import HubError, NotFound, Overloaded, ProtocolError, SlowClient, UnsupportedAudio
from asr_hub.model import AudioFormat, Encoding, Role
from asr_hub.wire.conversation import Conversation, Limits, State
from asr_hub.wire.messages import AnyClientMessage, Attach, Clear, Close, Configure, Finalize, Start
from asr_hub.wire.refusal import ENDINGS

pytestmark = pytest.mark.unit

START = b'{"type":"start"}'


def attached(role: Role = Role.PUBLISHER, limits: Limits | None = None) -> Conversation:
    conversation = Conversation(limits or Limits())
    conversation.receive_text(START if role is Role.PUBLISHER else b'{"type":"attach","session":"s","role":"viewer"}')
    conversation.opened(role)
    return conversation


def closing() -> Conversation:
    conversation = attached()
    conversation.receive_text(b'{"type":"close"}')
    return conversation


def test_a_publisher_goes_through_every_state() -> None:
    conversation = Conversation(Limits())
    states = [conversation.state]
    assert conversation.receive_text(START) == Start()
    states.append(conversation.state)
    conversation.opened(Role.PUBLISHER)
    states.append(conversation.state)
    assert conversation.receive_audio(b"\0\0") == b"\0\0"
    assert conversation.receive_text(b'{"type":"configure","language":"de-CH"}') == Configure(language="de-CH")
    assert conversation.receive_text(b'{"type":"finalize"}') == Finalize()
    assert conversation.receive_text(b'{"type":"clear"}') == Clear()
    states.append(conversation.state)
    assert conversation.receive_text(b'{"type":"close"}') == Close()
    states.append(conversation.state)
    conversation.over()
    states.append(conversation.state)
    assert [state.value for state in states] == [
        "waiting",
        "opening",
        "publishing",
        "publishing",
        "closing",
        "over",
    ]


def test_start_carries_every_field() -> None:
    text = (
        b'{"type":"start","format":{"sample_rate":8000,"channels":2,"encoding":"mulaw"},"provider":"fast",'
        b'"language":"zh-Hant-TW","hotwords":["Zermatt","Matterhorn"],"partials":false,"levels":true}'
    )
    assert Conversation(Limits()).receive_text(text) == Start(
        format=AudioFormat(sample_rate=8000, channels=2, encoding=Encoding.MULAW),
        provider="fast",
        language="zh-Hant-TW",
        hotwords=("Zermatt", "Matterhorn"),
        partials=False,
        levels=True,
    )


def test_attach_carries_every_field() -> None:
    conversation = Conversation(Limits())
    got = conversation.receive_text(b'{"type":"attach","session":"s1","role":"viewer","seq":7}')
    assert (got, conversation.state) == (Attach(session="s1", role=Role.VIEWER, seq=7), State.OPENING)


WRONG: list[tuple[bytes, str]] = [
    (b"", "bad-json"),
    (b"hello", "bad-json"),
    (b'{"type":"start"', "bad-json"),
    (b'{"type":"start"}{}', "bad-json"),
    (b'{"type":"start","language":"\\ud800"}', "bad-json"),
    (b"\xff\xfe", "bad-utf8"),
    (b'{"type":"start","language":"\xc3\x28"}', "bad-utf8"),
    (b"{}", "unknown-message"),
    (b'{"type":"begin"}', "unknown-message"),
    (b'{"type":1}', "unknown-message"),
    (b'{"type":null}', "unknown-message"),
    (b"[]", "wrong-type"),
    (b"null", "wrong-type"),
    (b"[" * 60_000, "wrong-type"),
    (b'{"type":"start","lang":"en"}', "unknown-field"),
    (b'{"type":"start","format":{"rate":16000}}', "unknown-field"),
    (b'{"type":"start","x":' + b"[" * 60_000, "unknown-field"),
    (b'{"type":"attach"}', "missing-field"),
    (b'{"type":"start","partials":1}', "wrong-type"),
    (b'{"type":"start","hotwords":"one"}', "wrong-type"),
    (b'{"type":"start","hotwords":[1]}', "wrong-type"),
    (b'{"type":"start","format":{"sample_rate":"16000"}}', "wrong-type"),
    (b'{"type":"start","format":{"sample_rate":16000.5}}', "wrong-type"),
    (b'{"type":"start","format":{"encoding":"opus"}}', "bad-value"),
    (b'{"type":"attach","session":"s","role":"owner"}', "bad-value"),
    (b'{"type":"attach","session":"s","seq":-1}', "bad-value"),
    (b'{"type":"attach","session":"s","seq":9007199254740992}', "bad-value"),
    (b'{"type":"attach","session":""}', "bad-value"),
    (b'{"type":"attach","session":"%b"}' % (b"s" * 129), "bad-value"),
    (b'{"type":"start","provider":"a\\nb"}', "bad-value"),
    (b'{"type":"start","provider":""}', "bad-value"),
    (b'{"type":"start","language":"english please"}', "bad-value"),
    (b'{"type":"start","language":"e"}', "bad-value"),
    (b'{"type":"start","language":"en%b"}' % (b"-aaaaaaaa" * 4), "bad-value"),
    (b'{"type":"start","hotwords":[" "]}', "bad-value"),
    (b'{"type":"start","hotwords":["%b"]}' % (b"w" * 101), "bad-value"),
    (b'{"type":"start","hotword_weights":{"Zermatt":0.01}}', "bad-value"),
    (b'{"type":"start","hotword_weights":{"Zermatt":11}}', "bad-value"),
    (b'{"type":"start","hotword_weights":{" ":1}}', "bad-value"),
    (b'{"type":"start","hotword_weights":["Zermatt"]}', "wrong-type"),
    (b'{"type":"start","hotwords":[%b]}' % b",".join([b'"w"'] * 501), "bad-value"),
    (b" " * 65_537, "text-too-large"),
    (b'{"type":"finalize"}', "not-started"),
    (b'{"type":"close"}', "not-started"),
]


@pytest.mark.parametrize(("text", "code"), WRONG, ids=[f"{code}-{n}" for n, (_, code) in enumerate(WRONG)])
def test_a_wrong_opening_is_named_and_changes_nothing(text: bytes, code: str) -> None:
    conversation = Conversation(Limits())
    with pytest.raises(HubError) as caught:
        conversation.receive_text(text)
    assert caught.value.code == code
    assert code in ENDINGS
    assert conversation.state is State.WAITING
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b'{"type":"configure","language":"?"}', "bad-value"),
        (b'{"type":"configure","hotwords":[""]}', "bad-value"),
        (b'{"type":"configure","provider":""}', "bad-value"),
        (b'{"type":"configure","format":{}}', "unknown-field"),
        (START, "already-started"),
        (b'{"type":"attach","session":"s"}', "already-started"),
    ],
)
def test_a_wrong_message_in_a_session_is_told_and_the_session_goes_on(text: bytes, code: str) -> None:
    conversation = attached()
    with pytest.raises(ProtocolError) as caught:
        conversation.receive_text(text)
    refusal = conversation.refuse(caught.value, seq=12)
    assert (refusal.message.code, refusal.message.seq, refusal.close_code) == (code, 12, None)
    assert refusal.message.scope == "connection"
    assert conversation.state is State.PUBLISHING
    assert conversation.receive_audio(b"\1\0") == b"\1\0"


@pytest.mark.parametrize("name", ["configure", "finalize", "clear", "close"])
def test_a_viewer_may_not_command(name: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        attached(Role.VIEWER).receive_text(b'{"type":"%b"}' % name.encode())
    assert caught.value.code == "viewer-may-not"


def test_a_viewer_starts_no_second_session() -> None:
    with pytest.raises(ProtocolError) as caught:
        attached(Role.VIEWER).receive_text(START)
    assert caught.value.code == "already-started"


@pytest.mark.parametrize("text", [START, b'{"type":"close"}', b'{"type":"finalize"}'])
def test_nothing_may_follow_close(text: bytes) -> None:
    conversation = closing()
    with pytest.raises(ProtocolError) as caught:
        conversation.receive_text(text)
    assert caught.value.code == "closing"
    assert conversation.state is State.CLOSING


def test_nothing_may_come_while_the_hub_has_not_answered() -> None:
    conversation = Conversation(Limits())
    conversation.receive_text(START)
    with pytest.raises(ProtocolError) as caught:
        conversation.receive_audio(b"\0\0")
    assert caught.value.code == "not-started"


@pytest.mark.parametrize(
    ("conversation", "audio", "code"),
    [
        (Conversation(Limits()), b"\0\0", "not-started"),
        (attached(Role.VIEWER), b"\0\0", "viewer-may-not"),
        (attached(), b"", "empty-audio"),
        (attached(), b'{"type":"close"}', "text-in-binary"),
        (attached(limits=Limits(max_audio_bytes=4)), b"\0" * 5, "frame-too-large"),
        (closing(), b"\0\0", "closing"),
    ],
)
def test_wrong_audio_is_named(conversation: Conversation, audio: bytes, code: str) -> None:
    state = conversation.state
    with pytest.raises(HubError) as caught:
        conversation.receive_audio(audio)
    assert caught.value.code == code
    assert conversation.state is state


@pytest.mark.parametrize(
    ("error", "close_code"),
    [
        (NotFound("no such provider"), 1008),
        (Overloaded("full"), 1013),
        (UnsupportedAudio("no"), 1003),
        (ProtocolError("no", code="a-code-of-its-own"), 1008),
        (HubError("a defect"), 1011),
    ],
)
def test_whoever_is_not_attached_has_nothing_to_go_on_with(error: HubError, close_code: int) -> None:
    conversation = Conversation(Limits())
    conversation.receive_text(START)
    assert conversation.refuse(error, seq=0).close_code == close_code
    assert conversation.state is State.OVER


def test_an_error_says_when_to_come_back() -> None:
    message = attached().refuse(SlowClient("too slow", retry_after=1.5), seq=3).message
    assert (message.retryable, message.retry_after) == (True, 1.5)


def test_a_client_that_never_stops_being_wrong_is_shown_out() -> None:
    conversation = attached(limits=Limits(max_errors=3))
    refusals = [conversation.refuse(ProtocolError("no", code="bad-value"), seq=0) for _ in range(4)]
    assert [refusal.close_code for refusal in refusals] == [None, None, None, 1008]
    assert refusals[-1].message.code == "too-many-errors"
    assert conversation.state is State.OVER


def test_every_ending_has_a_close_code_that_a_server_may_send() -> None:
    allowed = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013}
    assert {one.close_code for one in ENDINGS.values()} <= allowed


client_messages = st.from_type(Start | Attach | Configure | Finalize | Clear | Close)
texts = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(str.encode),
    st.sampled_from([text for text, _ in WRONG if len(text) < 200]),
    st.sampled_from(["start", "attach", "configure", "finalize", "clear", "close"]).map(
        lambda name: json.dumps({"type": name} | ({"session": "s"} if name == "attach" else {})).encode()
    ),
    client_messages.map(msgspec.json.encode),
)
steps = st.lists(st.tuples(st.booleans(), texts), max_size=30)


@settings(max_examples=200, deadline=None)
@given(steps, st.sampled_from(Role))
def test_any_input_is_accepted_or_refused_with_a_documented_error(script: list[tuple[bool, bytes]], role: Role) -> None:
    conversation = Conversation(Limits(max_errors=5))
    for is_text, data in script:
        before = conversation.state
        try:
            message: AnyClientMessage | bytes = (
                conversation.receive_text(data) if is_text else conversation.receive_audio(data)
            )
        except HubError as error:
            assert conversation.state is before
            refusal = conversation.refuse(error, seq=0)
            assert refusal.message.code in ENDINGS
            assert (refusal.close_code is None) == (conversation.state is not State.OVER)
            continue
        assert before not in (State.OVER, State.CLOSING)
        if isinstance(message, Start | Attach):
            conversation.opened(role)
