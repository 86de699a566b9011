"""What a recording client is told, decided without a socket."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from asr_hub.errors import ProtocolError
from asr_hub.model import AudioFormat, Encoding, EndpointReason, Hypothesis, Pass, Role, SessionId, Word
from asr_hub.protocols.socket_io.recording import Recording, State
from asr_hub.protocols.socket_io.seat import Event
from asr_hub.wire.messages import (
    AnyServerMessage,
    AudioAck,
    Closed,
    Endpoint,
    Error,
    Final,
    Partial,
    Ready,
    Revision,
    SpeechStarted,
)

pytestmark = pytest.mark.unit

READY = Ready(
    session=SessionId("s1"), role=Role.PUBLISHER, provider="p", format=AudioFormat(), audio_offset=0, resume_window=60.0
)


def final(number: int, text: str, pass_: Pass = Pass.FAST, words: tuple[Word, ...] = ()) -> Final:
    hypothesis = Hypothesis(
        text=text, start=number * 1000, end=number * 1000 + 500, is_final=True, pass_=pass_, words=words
    )
    return Final(utterance=number, hypothesis=hypothesis, reason=EndpointReason.SILENCE)


def revision(number: int, text: str, pass_: Pass) -> Revision:
    hypothesis = Hypothesis(text=text, start=number * 1000, end=number * 1000 + 500, is_final=True, pass_=pass_)
    return Revision(utterance=number, hypothesis=hypothesis)


def running(options: object = None) -> Recording:
    recording = Recording()
    recording.start(options)
    recording.hear(READY)
    return recording


def result(recording: Recording, *said: AnyServerMessage) -> dict[str, Any]:
    """`final_result` after these messages and the end."""
    for message in said:
        recording.hear(message)
    recording.stop()
    (event,) = recording.hear(Closed(reason="close", audio_offset=48_000))
    assert event.name == "final_result"
    return event.payload


def test_a_recording_begins_stops_and_has_a_result_even_where_nothing_was_said() -> None:
    recording = Recording()
    assert recording.start().format == AudioFormat()
    (started,) = recording.hear(READY)
    assert started == Event("recording_started", {"status": "ok", "session_id": "s1", "provider": "p"})
    (stopped,) = recording.stop()
    assert stopped.name == "recording_stopped"
    (event,) = recording.hear(Closed(reason="close", audio_offset=16_000))
    assert event.name == "final_result"
    names = ("paraformer", "sensevoice", "llm_merged")
    assert event.payload == {
        **dict.fromkeys(names, ""),
        **{f"{name}_length": 0 for name in names},
        "passes": {name: [] for name in names},
        "timestamps": [],
        "realtime_segments": [],
        "dropped_segments": 0,
        "session_id": "s1",
        "reason": "close",
        "duration_ms": 1000,
    }
    assert recording.state is State.IDLE


def test_each_text_of_the_result_is_of_its_pass() -> None:
    payload = result(
        running(),
        final(1, "a fast"),
        final(2, "b fast"),
        final(3, "c fast"),
        revision(1, "A accurate", Pass.ACCURATE),
        revision(1, "A corrected.", Pass.CORRECTED),
        revision(2, "B accurate", Pass.ACCURATE),
    )
    assert payload["paraformer"] == "a fast b fast c fast"
    assert payload["sensevoice"] == "A accurate B accurate c fast"
    assert payload["llm_merged"] == "A corrected. B accurate c fast"
    assert payload["llm_merged_length"] == len(payload["llm_merged"])
    assert payload["passes"] == {
        "paraformer": ["fast"],
        "sensevoice": ["accurate", "fast"],
        "llm_merged": ["accurate", "corrected", "fast"],
    }
    assert [it["text"] for it in payload["realtime_segments"]] == ["a fast", "b fast", "c fast"]


def test_an_engine_with_one_accurate_pass_fills_all_texts_and_says_so() -> None:
    payload = result(running(), final(1, "one", Pass.ACCURATE))
    assert (payload["paraformer"], payload["sensevoice"], payload["llm_merged"]) == ("one", "one", "one")
    assert payload["passes"] == {name: ["accurate"] for name in ("paraformer", "sensevoice", "llm_merged")}


def test_timestamps_are_words_in_milliseconds_and_segments_where_an_engine_has_no_words() -> None:
    words = (Word("go", 1000, 1100), Word("on", 1200, 1300))
    payload = result(running(), final(1, "go on", words=words), revision(1, "Go on.", Pass.CORRECTED), final(2, "end"))
    assert payload["timestamps"] == [
        {"text": "go", "start_ms": 1000, "end_ms": 1100},
        {"text": "on", "start_ms": 1200, "end_ms": 1300},
        {"text": "end", "start_ms": 2000, "end_ms": 2500},
    ]


def test_chinese_is_joined_without_spaces() -> None:
    payload = result(running(), final(1, "你好。"), final(2, "世界"), final(3, "OK"), final(4, "go"), final(5, "안녕"))
    assert payload["paraformer"] == "你好。世界OK go 안녕"


def test_live_text_is_replaced_and_says_whether_somebody_speaks() -> None:
    recording = running()
    recording.hear(final(1, "before"))
    (begun,) = recording.hear(SpeechStarted(utterance=2, at=2000))
    assert begun.payload["vad_event"] == {"type": "start", "time": 2000}
    assert begun.payload["is_speaking"]
    for text in ("one", "won two"):
        hypothesis = Hypothesis(text=text, start=2000, end=2300)
        (live,) = recording.hear(Partial(utterance=2, hypothesis=hypothesis))
        assert (live.name, live.payload["text"], live.payload["is_final"]) == ("transcription", text, False)
        assert live.payload["full_text"] == f"before {text}"
    (ended,) = recording.hear(Endpoint(utterance=2, at=2200, reason=EndpointReason.SILENCE))
    assert ended.payload["vad_event"] == {"type": "end", "time": 2200}
    assert not ended.payload["is_speaking"]
    assert ended.payload["current_time_ms"] == 2300
    (done,) = recording.hear(final(2, "one two"))
    assert done.payload["is_final"]
    assert done.payload["full_text"] == "before one two"
    assert done.payload["segment"] == {"text": "one two", "start_ms": 2000, "end_ms": 2500}


def test_options_are_what_the_hub_is_asked_and_unknown_ones_are_named() -> None:
    recording = Recording()
    named = {"language": "de-CH", "provider": "whisper", "hotwords": "Zermatt, Gornergrat", "partials": False}
    options = named | {"sample_rate": 48_000, "channels": 2, "encoding": "pcm_f32le", "colour": 1}
    start = recording.start(options)
    assert start.format == AudioFormat(48_000, 2, Encoding.PCM_F32LE)
    assert (start.language, start.provider, start.partials) == ("de-CH", "whisper", False)
    assert start.hotwords == ("Zermatt", "Gornergrat")
    (started,) = recording.hear(READY)
    assert started.payload["ignored"] == ["colour"]


@pytest.mark.parametrize("language", [None, "", "auto"])
def test_the_language_may_be_left_to_the_engine(language: str | None) -> None:
    assert Recording().start({"language": language}).language is None


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], "wrong-type"),
        ("en", "wrong-type"),
        (b"en", "wrong-type"),
        ({"language": 7}, "wrong-type"),
        ({"sample_rate": "fast"}, "wrong-type"),
        ({"sample_rate": 1e999}, "wrong-type"),
        ({"hotwords": [1]}, "wrong-type"),
        ({"encoding": "mp3"}, "bad-value"),
    ],
)
def test_options_of_a_wrong_kind_are_named_and_nothing_is_recorded(options: object, code: str) -> None:
    recording = Recording()
    with pytest.raises(ProtocolError) as caught:
        recording.start(options)
    assert caught.value.code == code
    assert recording.state is State.IDLE


def test_audio_comes_as_bytes_as_base64_or_as_either_in_a_field() -> None:
    recording = running()
    pcm = bytes(range(10))
    text = base64.b64encode(pcm).decode()
    assert [recording.audio(data) for data in (pcm, text, {"audio": pcm}, {"audio": text})] == [pcm] * 4


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (None, "wrong-type"),
        (7, "wrong-type"),
        ([1, 2], "wrong-type"),
        ({}, "missing-field"),
        ({"audio": None}, "wrong-type"),
        ({"audio": {"audio": b"12"}}, "wrong-type"),
        ("no base64!", "bad-value"),
        ("AAA", "bad-value"),
        ("ümlaut==", "bad-value"),
    ],
)
def test_what_is_no_audio_is_named_and_the_recording_goes_on(data: object, code: str) -> None:
    recording = running()
    with pytest.raises(ProtocolError) as caught:
        recording.audio(data)
    assert caught.value.code == code
    assert recording.audio(b"12") == b"12"


def test_audio_without_a_recording_is_named_and_audio_after_stop_is_let_go() -> None:
    recording = Recording()
    with pytest.raises(ProtocolError) as caught:
        recording.audio(b"12")
    assert caught.value.code == "not-started"
    recording.start()
    recording.hear(READY)
    recording.stop()
    assert recording.audio(b"12") is None
    assert recording.stop() == []


def test_a_second_start_is_named_and_the_first_goes_on() -> None:
    recording = running()
    recording.hear(final(1, "kept"))
    with pytest.raises(ProtocolError) as caught:
        recording.start()
    assert caught.value.code == "already-started"
    assert result(recording)["paraformer"] == "kept"


def test_a_session_that_ends_by_itself_ends_the_recording_with_its_result() -> None:
    recording = running()
    recording.hear(final(1, "heard"))
    stopped, done = recording.hear(Closed(reason="shutdown", audio_offset=0))
    assert (stopped.name, stopped.payload["reason"]) == ("recording_stopped", "shutdown")
    assert (done.name, done.payload["paraformer"], done.payload["reason"]) == ("final_result", "heard", "shutdown")


def test_what_crosses_the_news_that_the_hub_ended_a_recording_is_no_mistake() -> None:
    recording = Recording()
    recording.start()
    recording.hear(Closed(reason="admin"))
    assert recording.audio(b"\0\0") is None
    assert recording.stop() == []
    recording.start()
    assert recording.audio(b"\0\0") == b"\0\0"


def test_trouble_of_an_engine_is_a_warning_because_clients_hang_up_at_an_error() -> None:
    (event,) = running().hear(Error(code="provider", message="it died", scope="session"))
    assert event == Event("warning", {"code": "provider", "message": "it died"})


def test_the_second_recording_knows_nothing_of_the_first() -> None:
    recording = running()
    assert result(recording, final(1, "first"))["paraformer"] == "first"
    recording.start()
    recording.hear(READY)
    assert result(recording, final(1, "second"))["paraformer"] == "second"


def test_what_is_kept_is_bounded_and_the_result_says_what_fell_away() -> None:
    recording = Recording(max_chars=1000)
    recording.start()
    for number in range(1, 101):
        recording.hear(final(number, f"word{number}"))
    payload = result(recording)
    assert 0 < len(payload["realtime_segments"]) < 100
    assert len(payload["realtime_segments"]) + payload["dropped_segments"] == 100
    assert payload["paraformer"].endswith("word100")
    assert recording.hear(revision(1, "late", Pass.CORRECTED)) == []


class Client(RuleBasedStateMachine):
    """Whatever comes in whatever order: each recording has one result, after it stopped, with all its finals."""

    def __init__(self) -> None:
        super().__init__()
        self.recording = Recording()
        self.has_session = False
        self.is_stopped = False
        self.was_ended = False
        """The hub ended the last recording, and the client has said nothing that it would not have said anyway."""
        self.number = 0
        self.texts: list[str] = []

    def tell(self, events: list[Event]) -> None:
        for event in events:
            if event.name == "recording_stopped":
                assert not self.is_stopped
                self.is_stopped = True
            if event.name == "final_result":
                assert self.is_stopped
                assert event.payload["paraformer"] == " ".join(self.texts)
                self.has_session, self.is_stopped, self.number, self.texts = False, False, 0, []
            if event.name == "transcription":
                assert event.payload["full_text"].startswith(" ".join(self.texts))

    @rule(options=st.none() | st.just({}) | st.dictionaries(st.text(max_size=8), st.integers()))
    def start(self, options: object) -> None:
        if self.has_session:
            with pytest.raises(ProtocolError):
                self.recording.start(options)
            return
        try:
            self.recording.start(options)
        except ProtocolError:
            assert self.recording.state is State.IDLE
            return
        self.has_session, self.was_ended = True, False

    @rule(
        data=st.binary(max_size=8) | st.text(max_size=8) | st.none() | st.dictionaries(st.text(max_size=5), st.none())
    )
    def audio(self, data: object) -> None:
        try:
            taken = self.recording.audio(data)
        except ProtocolError:
            return
        assert self.has_session or self.was_ended
        assert (taken is None) == (self.is_stopped or self.was_ended)

    @rule()
    def stop(self) -> None:
        if not self.has_session:
            if self.was_ended:
                assert self.recording.stop() == []
                return
            with pytest.raises(ProtocolError):
                self.recording.stop()
            return
        self.tell(self.recording.stop())
        assert self.is_stopped

    @precondition(lambda self: self.has_session)
    @rule(text=st.from_regex(r"[a-z]{1,6}", fullmatch=True))
    def speak(self, text: str) -> None:
        self.number += 1
        self.tell(self.recording.hear(SpeechStarted(utterance=self.number, at=self.number)))
        hypothesis = Hypothesis(text=text, start=0, end=1)
        self.tell(self.recording.hear(Partial(utterance=self.number, hypothesis=hypothesis)))
        events = self.recording.hear(final(self.number, text))
        self.texts.append(text)
        self.tell(events)

    @precondition(lambda self: self.has_session)
    @rule()
    def acknowledge(self) -> None:
        assert self.recording.hear(AudioAck(audio_offset=1)) == []

    @precondition(lambda self: self.has_session)
    @rule()
    def close(self) -> None:
        self.was_ended = not self.is_stopped
        self.tell(self.recording.hear(Closed(reason="close")))
        assert not self.has_session
        assert self.recording.state is State.IDLE


TestAnyOrder = Client.TestCase
TestAnyOrder.settings = settings(max_examples=40, stateful_step_count=30)
