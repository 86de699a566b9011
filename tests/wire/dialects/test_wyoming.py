"""What clients of Wyoming say and are told, without a socket."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.home_assistant import Event as Theirs
from tests.home_assistant import Info

from asr_hub.errors import HubError, NotFound, Overloaded, ProtocolError, UnsupportedAudio
from asr_hub.model import AudioFormat, EndpointReason, Hypothesis, ProviderName, Role, SessionId
from asr_hub.wire.conversation import Limits
from asr_hub.wire.dialects.codec import Audio, Binary, HangUp, Step
from asr_hub.wire.dialects.growing import Policy
from asr_hub.wire.dialects.wyoming import Wyoming
from asr_hub.wire.dialects.wyoming_audio import Described, Samples
from asr_hub.wire.dialects.wyoming_events import Event, read, write
from asr_hub.wire.dialects.wyoming_info import COMMON, Model, Offer
from asr_hub.wire.messages import (
    AnyServerMessage,
    Close,
    Closed,
    Endpoint,
    Error,
    Final,
    Partial,
    Ready,
    SpeechStarted,
    Start,
    WakeWord,
)

pytestmark = pytest.mark.unit

OFFER = Offer(version="1", models=(Model("fast", ("en",)), Model("any")), phrases=("hey hub", "computer"))
USUAL = {"rate": 16000, "width": 2, "channels": 1}
SECOND = bytes(32000)
READY = Ready(
    session=SessionId("s"),
    role=Role.PUBLISHER,
    provider="fast",
    format=AudioFormat(),
    audio_offset=0,
    resume_window=0.0,
)


def hypothesis(text: str, *, stable: int = 0, language: str | None = None) -> Hypothesis:
    return Hypothesis(text=text, start=0, end=1, stable=stable, language=language, provider=ProviderName("fast"))


def partial(text: str, stable: int, utterance: int = 1) -> Partial:
    return Partial(utterance=utterance, hypothesis=hypothesis(text, stable=stable))


def final(text: str, utterance: int = 1, language: str | None = None) -> Final:
    return Final(utterance=utterance, hypothesis=hypothesis(text, language=language), reason=EndpointReason.SILENCE)


def endpoint(at: int, utterance: int = 1, reason: EndpointReason = EndpointReason.SILENCE) -> Endpoint:
    return Endpoint(utterance=utterance, at=at, reason=reason)


class Talk:
    """A codec, with what it said as events and everything else as it is."""

    def __init__(self, offer: Offer = OFFER, *, policy: Policy = "stable", limits: Limits = Limits()) -> None:
        self.now = 100.0
        self.codec = Wyoming(offer, provider=self.provider, clock=lambda: self.now, policy=policy, limits=limits)

    def provider(self, model: str | None) -> str | None:
        if model == "unknown":
            raise NotFound("there is no such model", code="model-not-found")
        return model

    def say(self, type: str, data: dict[str, Any] | None = None, payload: bytes = b"") -> list[Any]:
        return shown(self.codec.receive_binary(write(Event(type, data or {}, payload))))

    def hear(self, payload: bytes = SECOND, **described: Any) -> list[Any]:
        """What is done about a piece of audio besides hearing it."""
        return [step for step in self.say("audio-chunk", {**USUAL, **described}, payload) if step != "audio"]

    def tell(self, *messages: AnyServerMessage) -> list[Any]:
        return [shown for message in messages for shown in shown_all(self.codec.tell(message))]

    def open(self, type: str = "transcribe", data: dict[str, Any] | None = None) -> Start:
        """A stream with its session, after a second of audio."""
        assert self.say(type, data) == []
        assert self.say("audio-start", USUAL) == []
        (start,) = self.hear()
        assert self.tell(READY) == []
        assert isinstance(start, Start)
        return start


def shown(steps: Iterable[Step]) -> list[Any]:
    return shown_all(steps)


def shown_all(steps: Iterable[Step]) -> list[Any]:
    found: list[Any] = []
    for step in steps:
        if isinstance(step, Binary):
            event = read(step.data)
            found.append((event.type, event.data) if event.data else event.type)
        elif isinstance(step, Audio):
            found.append("audio")
        else:
            found.append(step)
    return found


def test_describe_tells_models_languages_and_wake_words() -> None:
    ((kind, data),) = Talk().say("describe")
    theirs = Info.from_event(Theirs(kind, data))
    (program,) = theirs.asr
    assert [(model.name, model.languages) for model in program.models] == [("fast", ["en"]), ("any", list(COMMON))]
    assert (program.supports_transcript_streaming, program.requires_external_vad) == (True, False)
    assert [model.phrase for model in theirs.wake[0].models] == ["hey hub", "computer"]


def test_without_a_wake_word_there_is_no_program_for_it_and_without_a_vad_the_client_needs_one() -> None:
    ((kind, data),) = Talk(Offer(version="1", models=(Model("m"),), ends_utterances=False)).say("describe")
    theirs = Info.from_event(Theirs(kind, data))
    assert (theirs.wake, theirs.asr[0].requires_external_vad) == ([], True)


def test_a_stream_is_told_as_it_is_understood_and_ends_with_its_transcript() -> None:
    talk = Talk()
    talk.open(data={"language": "en"})
    assert talk.tell(SpeechStarted(utterance=1, at=200)) == [("voice-started", {"timestamp": 200})]
    assert talk.tell(partial("turn o", 4)) == [
        ("transcript-start", {"language": "en"}),
        ("transcript-chunk", {"text": "turn"}),
    ]
    assert talk.say("audio-stop") == [Close()]
    assert talk.tell(endpoint(900), final("turn on the light"), Closed(reason="close")) == [
        ("voice-stopped", {"timestamp": 900}),
        ("transcript-chunk", {"text": " on the light"}),
        ("transcript", {"text": "turn on the light", "language": "en"}),
        "transcript-stop",
    ]


def test_the_utterances_of_a_stream_are_joined() -> None:
    talk = Talk()
    talk.open()
    told = talk.tell(
        final("hello"), partial("wor", 3, 2), partial("world peace", 5, 2), final("world", 2), final("", 3)
    )
    assert [data["text"] for kind, data in (t for t in told if isinstance(t, tuple)) if kind == "transcript-chunk"] == [
        "hello",
        " world",
    ]
    talk.say("audio-stop")
    assert ("transcript", {"text": "hello world"}) in talk.tell(Closed(reason="close"))


@pytest.mark.parametrize("texts", [("你好", "世界"), ("สวัสดี", "ครับ")])
def test_scripts_without_spaces_are_joined_without_them(texts: tuple[str, str]) -> None:
    talk = Talk()
    talk.open()
    talk.tell(final(texts[0]), final(texts[1], 2))
    talk.say("audio-stop")
    assert ("transcript", {"text": "".join(texts)}) in talk.tell(Closed(reason="close"))


@pytest.mark.parametrize("steps", [[], ["audio-start"], ["audio-start", "audio-chunk"]])
def test_a_stream_without_words_has_an_empty_transcript(steps: list[str]) -> None:
    talk = Talk()
    for step in steps:
        talk.say(step, USUAL, SECOND if step == "audio-chunk" else b"")
    told = talk.say("audio-stop")
    if told == [Close()]:
        told = talk.tell(Closed(reason="close"))
    assert told == ["transcript-start", ("transcript", {"text": ""}), "transcript-stop"]


def test_final_only_tells_no_words_before_they_are_final() -> None:
    talk = Talk(policy="final_only")
    assert talk.open().partials is False
    assert talk.tell(partial("turn on", 7)) == []


def test_what_is_asked_for_becomes_the_session() -> None:
    start = Talk().open(
        data={
            "name": "fast",
            "language": "en_US",
            "transcript_names": ["Kitchen  Lamp", "", "x" * 200, "lamp\u200cs"],
            "transcript_terms": ["dim", "Kitchen Lamp"],
            "context": {"a": 1},
        }
    )
    assert start == Start(
        provider="fast",
        language="en-US",
        hotwords=("Kitchen Lamp", "dim"),
        hotword_weights={"Kitchen Lamp": 2.0},
    )


def test_more_names_than_the_hub_takes_are_cut() -> None:
    talk = Talk(limits=Limits(max_hotwords=3))
    start = talk.open(data={"transcript_names": [str(n) for n in range(9)], "transcript_terms": ["t"]})
    assert (start.hotwords, set(start.hotword_weights)) == (("0", "1", "2"), {"0", "1", "2"})


def test_transcribe_holds_for_one_stream() -> None:
    talk = Talk()
    assert talk.open(data={"language": "de"}).language == "de"
    talk.say("audio-stop")
    talk.tell(Closed(reason="close"))
    talk.say("audio-start", USUAL)
    (start,) = talk.hear()
    assert start.language is None


def test_audio_may_come_without_a_beginning() -> None:
    talk = Talk()
    (start,) = talk.hear(bytes(6 * 480), rate=48000, channels=3)
    assert start.format == AudioFormat(sample_rate=48000, channels=3)


@pytest.mark.parametrize(
    ("width", "given", "samples"),
    [
        (1, bytes([0, 128, 255]), [-32768, 0, 32512]),
        (2, struct.pack("<3h", -5, 0, 7), [-5, 0, 7]),
        (3, b"\xff\x01\x00" + b"\x00\xff\xff", [1, -1]),
        (4, struct.pack("<2i", -(2**31), 7 << 16), [-32768, 7]),
    ],
)
def test_samples_of_any_width_become_those_of_16_bits(width: int, given: bytes, samples: list[int]) -> None:
    assert struct.unpack(f"<{len(samples)}h", Samples(Described(8000, width, 1)).take(given)) == tuple(samples)


@pytest.mark.parametrize("width", [0, 5, -1])
def test_other_widths_are_refused(width: int) -> None:
    with pytest.raises(UnsupportedAudio):
        Talk().say("audio-start", {**USUAL, "width": width})


@settings(max_examples=60)
@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=6), st.integers(1, 4), st.integers(1, 3))
def test_audio_may_be_cut_inside_a_sample(data: bytes, cuts: list[int], width: int, channels: int) -> None:
    described = Described(16000, width, channels)
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    whole, pieces = Samples(described), Samples(described)
    taken = b"".join(pieces.take(data[a:b]) for a, b in pairwise(edges))
    assert taken == whole.take(data)
    assert len(taken) == len(data) // (width * channels) * channels * 2


def test_a_format_that_changes_inside_a_stream_is_refused() -> None:
    talk = Talk()
    talk.open()
    with pytest.raises(ProtocolError):
        talk.hear(rate=8000)


class TestTheHubEndsACommand:
    """`requires_external_vad` is false: whoever speaks into a microphone says no `audio-stop`."""

    def spoken(self, sensitivity: str | None = None) -> Talk:
        talk = Talk()
        talk.open(data={"vad_sensitivity": sensitivity} if sensitivity else None)
        talk.tell(SpeechStarted(utterance=1, at=100), endpoint(1000), final("lights on"))
        talk.now += 1
        return talk

    @pytest.mark.parametrize(("sensitivity", "ms"), [("aggressive", 260), (None, 700), ("odd", 700), ("relaxed", 1260)])
    def test_after_a_silence(self, sensitivity: str | None, ms: int) -> None:
        talk = self.spoken(sensitivity)
        assert talk.hear(bytes((ms - 20) * 32)) == []
        assert talk.hear(bytes(20 * 32)) == [("transcript", {"text": "lights on"}), "transcript-stop", Close()]
        assert talk.tell(endpoint(1800, 2), final("more", 2), Closed(reason="close")) == []

    def test_and_hears_no_more_of_the_stream(self) -> None:
        talk = self.spoken()
        talk.hear(SECOND)
        talk.tell(Closed(reason="close"))
        assert talk.say("audio-chunk", USUAL, SECOND) == []
        assert talk.say("audio-stop") == []
        assert isinstance(talk.open(), Start)

    def test_the_next_stream_may_begin_without_an_audio_stop(self) -> None:
        talk = self.spoken()
        talk.hear(SECOND)
        talk.tell(Closed(reason="close"))
        assert isinstance(talk.open(), Start)

    def test_not_while_somebody_speaks_or_a_final_is_missing(self) -> None:
        talk = self.spoken()
        talk.tell(SpeechStarted(utterance=2, at=1500))
        assert talk.hear(SECOND) == []
        talk.tell(endpoint(1700, 2))
        assert talk.hear(SECOND) == []
        talk.now += 2
        talk.tell(final("now", 2))
        assert talk.hear(bytes(640))[0] == ("transcript", {"text": "lights on now"})

    def test_not_where_it_was_cut_for_its_length(self) -> None:
        talk = Talk()
        talk.open()
        talk.tell(SpeechStarted(utterance=1, at=0), endpoint(900, reason=EndpointReason.MAX_LENGTH), final("on and"))
        talk.now += 5
        assert talk.hear(bytes(32000 * 2)) == []

    def test_not_after_a_noise_that_is_no_word(self) -> None:
        talk = Talk()
        talk.open()
        talk.tell(SpeechStarted(utterance=1, at=0), endpoint(100), final(""))
        talk.now += 5
        assert talk.hear(bytes(32000 * 2)) == []

    def test_after_a_long_time_in_which_nobody_speaks(self) -> None:
        talk = Talk()
        talk.open()
        for _ in range(13):
            talk.now += 1
            assert talk.hear() == []
        talk.now += 1
        assert talk.hear() == ["transcript-start", ("transcript", {"text": ""}), "transcript-stop", Close()]

    def test_but_not_a_recording_that_comes_faster_than_it_was_spoken(self) -> None:
        talk = self.spoken()
        assert talk.hear(SECOND * 3) == []
        assert talk.say("audio-stop") == [Close()]

    def test_nor_where_it_has_no_means_to(self) -> None:
        talk = Talk(Offer(version="1", models=(), ends_utterances=False))
        talk.open()
        talk.tell(endpoint(100), final("yes"))
        assert talk.hear() == []


class TestWakeWords:
    def test_each_one_is_told_and_then_listened_for_again(self) -> None:
        talk = Talk()
        assert talk.open("detect").partials is False
        assert talk.codec.waits_for_wake_word
        assert talk.tell(WakeWord(phrase="hey hub", at=800)) == [("detection", {"name": "hey hub", "timestamp": 800})]
        assert talk.hear() == [Close()]
        assert talk.tell(Closed(reason="close")) == []
        assert talk.hear() == [Start(partials=False)]
        talk.tell(READY)
        assert talk.tell(WakeWord(phrase="computer", at=10)) == [("detection", {"name": "computer", "timestamp": 2010})]
        assert talk.say("audio-stop") == [Close()]
        assert talk.tell(Closed(reason="close")) == []

    def test_times_are_those_of_the_client(self) -> None:
        talk = Talk()
        talk.say("detect")
        talk.hear(timestamp=5000)
        talk.tell(READY)
        assert talk.tell(WakeWord(phrase="hey hub", at=30)) == [("detection", {"name": "hey hub", "timestamp": 5030})]

    def test_a_stream_without_one_says_so(self) -> None:
        talk = Talk()
        talk.open("detect", {"names": ["computer"]})
        assert talk.tell(WakeWord(phrase="hey hub", at=1), SpeechStarted(utterance=1, at=5), final("what")) == []
        assert talk.hear() == [Close()]
        assert talk.tell(Closed(reason="close")) == []
        assert talk.say("audio-stop") == ["not-detected"]

    def test_detect_holds_until_a_transcribe(self) -> None:
        talk = Talk()
        talk.say("detect")
        assert talk.say("audio-stop") == ["not-detected"]
        talk.open("detect")
        talk.say("audio-stop")
        assert talk.tell(Closed(reason="close")) == ["not-detected"]
        talk.open("transcribe")
        assert not talk.codec.waits_for_wake_word

    @pytest.mark.parametrize("offer", [OFFER, Offer(version="1", models=())])
    def test_unknown_ones_are_refused(self, offer: Offer) -> None:
        with pytest.raises(NotFound):
            Talk(offer).say("detect", {"names": ["nobody"]})


def test_a_ping_is_answered_and_what_is_not_known_is_ignored() -> None:
    talk = Talk()
    assert talk.say("ping", {"text": "hi"}) == [("pong", {"text": "hi"})]
    assert talk.say("ping") == [("pong", {"text": None})]
    for type in ("select-program", "run-pipeline", "synthesize", "", "info"):
        assert talk.say(type, {"name": "x"}) == []


@pytest.mark.parametrize(
    ("type", "data"),
    [
        ("transcribe", {"language": 5}),
        ("transcribe", {"transcript_names": "Lamp"}),
        ("transcribe", {"name": "unknown"}),
        ("detect", {"names": {}}),
        ("audio-start", {}),
        ("audio-start", {**USUAL, "channels": 0}),
        ("audio-chunk", {**USUAL, "rate": "16000"}),
    ],
)
def test_wrong_fields_are_refused(type: str, data: dict[str, Any]) -> None:
    talk = Talk()
    with pytest.raises(HubError) as caught:
        talk.say(type, data)
    ((kind, told),) = shown(talk.codec.refuse(caught.value))
    assert (kind, told["code"], told["text"]) == ("error", caught.value.code, str(caught.value))


def test_a_stream_that_gets_no_session_is_told_why_and_answered_once() -> None:
    talk = Talk()
    talk.say("audio-start", USUAL)
    talk.hear()
    told = shown(talk.codec.refuse(Overloaded("full")))
    assert told == [
        ("error", {"text": "full", "code": "overloaded"}),
        "transcript-start",
        ("transcript", {"text": ""}),
        "transcript-stop",
    ]
    assert (talk.hear(), talk.say("audio-stop")) == ([], [])
    assert isinstance(talk.open(), Start)


def test_an_error_before_ready_that_was_not_of_the_start_costs_the_stream_and_not_the_next() -> None:
    talk = Talk()
    talk.hear()
    talk.codec.refuse(UnsupportedAudio("odd"))
    talk.tell(READY)
    assert talk.say("audio-start", USUAL) == [Close()]
    talk.tell(Closed(reason="close"))
    assert isinstance(talk.hear()[0], Start)


def test_an_engine_that_fails_is_told() -> None:
    talk = Talk()
    talk.open()
    assert talk.tell(Error(code="provider", message="it broke", scope="session")) == [
        ("error", {"text": "it broke", "code": "provider"})
    ]


@pytest.mark.parametrize("tells", [True, False])
def test_a_session_that_ends_of_itself_is_told_once_with_what_was_heard(tells: bool) -> None:
    talk = Talk()
    talk.open()
    talk.tell(final("half of"))
    errors = talk.tell(Error(code="draining", message="the hub stops", scope="session")) if tells else []
    told = errors + talk.tell(Closed(reason="draining"))
    assert [t[0] if isinstance(t, tuple) else t for t in told] == ["error", "transcript", "transcript-stop"]
    assert talk.say("audio-stop") == []


def test_a_client_that_says_nothing_is_let_go_but_not_while_it_waits() -> None:
    talk = Talk()
    assert [type(reply) for reply in talk.codec.late()] == [Binary, HangUp]
    talk.open()
    talk.say("audio-stop")
    assert talk.codec.late() == ()


def test_who_makes_too_many_mistakes_is_let_go() -> None:
    talk = Talk(limits=Limits(max_errors=2))
    told: Sequence[Any] = ()
    for _ in range(3):
        told = talk.codec.refuse(ProtocolError("no"))
    assert isinstance(told[-1], HangUp)


def test_there_are_no_frames_of_text() -> None:
    talk = Talk()
    assert talk.codec.greet() == ()
    with pytest.raises(ProtocolError):
        talk.codec.receive_text("{}")


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "rate": st.sampled_from([16000, 8000, 0, None]),
        "width": st.sampled_from([2, 1, 9]),
        "channels": st.integers(0, 2),
        "names": st.none() | st.lists(st.sampled_from(["hey hub", "x"]), max_size=2),
        "language": st.none() | st.sampled_from(["en", "auto", ""]),
        "timestamp": st.none() | st.integers(-5, 9000),
    },
)
CLIENT = st.tuples(
    st.sampled_from(["audio-start", "audio-chunk", "audio-stop", "transcribe", "detect", "ping", "describe", "odd"]),
    st.just(USUAL) | FIELDS,
    st.sampled_from([b"", bytes(640), bytes(7), SECOND]),
)
HUB: st.SearchStrategy[AnyServerMessage] = st.sampled_from(
    [
        SpeechStarted(utterance=1, at=10),
        partial("one two", 4),
        endpoint(300),
        final("one two three"),
        WakeWord(phrase="hey hub", at=4),
        Error(code="provider", message="broke"),
    ]
)


class Sessions:
    """What a hub would do with the steps of a codec."""

    def __init__(self) -> None:
        self.talk = Talk()
        self.is_open = self.is_closing = self.is_ready = False

    def refuse(self) -> None:
        self.talk.codec.refuse(ProtocolError("no"))
        self.is_open = self.is_open and self.is_ready

    def close(self) -> None:
        if self.is_open:
            self.talk.tell(Closed(reason="close"))
            self.is_open = self.is_closing = self.is_ready = False

    def tell(self, message: AnyServerMessage) -> None:
        if self.is_open:
            self.talk.tell(*(() if self.is_ready else (READY,)), message)
            self.is_ready = True

    def say(self, *event: Any) -> None:
        try:
            steps = self.talk.say(*event)
        except HubError:
            return
        for step in steps:
            if isinstance(step, Start):
                assert not self.is_open
                self.is_open = True
            elif step == "audio" or isinstance(step, Close):
                assert self.is_open and not self.is_closing
                self.is_closing = isinstance(step, Close)


@settings(max_examples=60)
@given(st.lists(CLIENT | HUB | st.sampled_from([Sessions.refuse, Sessions.close]), max_size=30))
def test_whatever_is_said_sessions_are_opened_and_closed_in_turn(said: list[Any]) -> None:
    """A session is opened where there is none, and closed once; no audio comes without one."""
    sessions = Sessions()
    for one in said:
        sessions.talk.now += 0.3
        if isinstance(one, tuple):
            sessions.say(*one)
        elif callable(one):
            one(sessions)
        else:
            sessions.tell(one)
        assert sessions.talk.codec.is_closing == sessions.is_closing


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=60) | CLIENT.map(lambda it: write(Event(*it))), max_size=8))
def test_any_frame_is_taken_or_refused(frames: list[bytes]) -> None:
    talk = Talk()
    for frame in frames:
        was = talk.codec.is_closing
        try:
            talk.codec.receive_binary(frame)
        except HubError as error:
            assert talk.codec.is_closing == was
            assert read(next(r.data for r in talk.codec.refuse(error) if isinstance(r, Binary))).type == "error"
