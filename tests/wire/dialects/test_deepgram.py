"""What a client of Deepgram asks for, says and is told, without a socket."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.errors import HubError, Overloaded, ProtocolError, ProviderDied, UnsupportedAudio
from asr_hub.model import AudioFormat, Encoding, EndpointReason, Hypothesis, ProviderName, Role, SessionId, Word
from asr_hub.wire.dialects.codec import Audio, Encoded, HangUp, Reply, Step, Text
from asr_hub.wire.dialects.deepgram import MAX_ERRORS, Live
from asr_hub.wire.dialects.deepgram_file import Heard, answer
from asr_hub.wire.dialects.deepgram_query import Listen, listen
from asr_hub.wire.messages import (
    Close,
    Closed,
    Configure,
    Error,
    Final,
    Finalize,
    Levels,
    Partial,
    Ready,
    SpeechStarted,
    Start,
)

pytestmark = pytest.mark.unit

RAW = "encoding=linear16&sample_rate=16000"
READY = Ready(
    session=SessionId("s1"),
    role=Role.PUBLISHER,
    provider="sphinx",
    format=AudioFormat(),
    audio_offset=0,
    resume_window=60,
)
SAID = Hypothesis(
    text="Hello, World!",
    start=0,
    end=1200,
    words=(Word("Hello,", 100, 500, 0.5), Word("World!", 600, 1000)),
    confidence=0.75,
    speaker="anna",
    language="en",
    provider=ProviderName("sphinx"),
)


def asked(query: str) -> Listen:
    return listen(parse_qsl(query))


def start_of(query: str) -> Start:
    return asked(query).start(lambda model: model, partials=True)


def codec(query: str = RAW, *, is_ready: bool = True) -> Live:
    made = Live(asked(query), start_of(query), created="2026-01-01T00:00:00Z")
    assert made.greet() == (start_of(query),)
    if is_ready:
        assert made.tell(READY) == ()
    return made


def told(replies: Iterable[Step]) -> list[dict[str, Any]]:
    return [json.loads(it.data) for it in replies if isinstance(it, Text)]


def final(reason: EndpointReason, hypothesis: Hypothesis = SAID, utterance: int = 1) -> Final:
    return Final(utterance=utterance, hypothesis=hypothesis, reason=reason)


@pytest.mark.parametrize(
    ("query", "format"),
    [
        ("", None),
        ("encoding=flac&sample_rate=44100", None),
        ("encoding=ogg-opus", None),
        ("encoding=linear16", AudioFormat(16000, 1, Encoding.PCM_S16LE)),
        (RAW + "&channels=2", AudioFormat(16000, 2, Encoding.PCM_S16LE)),
        ("encoding=linear32&sample_rate=48000", AudioFormat(48000, 1, Encoding.PCM_F32LE)),
        ("encoding=mulaw", AudioFormat(8000, 1, Encoding.MULAW)),
        ("encoding=alaw&sample_rate=16000", AudioFormat(16000, 1, Encoding.ALAW)),
    ],
)
def test_the_format_is_that_of_raw_audio_or_left_to_the_file(query: str, format: AudioFormat | None) -> None:
    assert asked(query).format == format


@pytest.mark.parametrize(
    ("query", "language"),
    [("", None), ("language=en", "en"), ("language=en_US", "en-US"), ("language=multi", None), ("language=auto", None)],
)
def test_a_language_is_named_or_found_out(query: str, language: str | None) -> None:
    assert asked(query).language == language


def test_a_language_is_found_out_where_that_is_asked_for() -> None:
    assert asked("language=en&detect_language=true").language is None
    assert asked("language=en&detect_language=false").language == "en"


def test_hotwords_come_as_keyterms_and_as_keywords_with_an_intensifier() -> None:
    start = start_of("keyterm=Two+words&keyterm=a:0.15&keywords=loud:5&keywords=mild&keywords=bad:-2&keywords=huge:99")
    assert start.hotwords == ("Two words", "a:0.15", "loud", "mild", "huge")
    assert start.hotword_weights == {"loud": 5, "huge": 10}


def test_partials_and_the_clock_of_the_audio_come_where_they_are_asked_for() -> None:
    assert (start_of("").partials, start_of("").levels) == (False, False)
    start = start_of("interim_results=True&utterance_end_ms=1000")
    assert (start.partials, start.levels) == (True, True)


def test_what_the_hub_does_not_know_is_as_if_it_were_not_there() -> None:
    assert asked("mip_opt_out=true&redact=false&tag=x&search=y&version=latest&endpointing=300&no_delay=?") == Listen()


@pytest.mark.parametrize(
    "query",
    [
        "encoding=g729",
        "encoding=linear16&sample_rate=-1",
        "encoding=linear16&channels=99999999",
        "utterance_end_ms=soon",
        "diarize=2",
        "callback=http://example.org",
        "redact=numbers&redact=pci",
    ],
)
def test_a_wrong_value_is_refused(query: str) -> None:
    with pytest.raises(ProtocolError):
        asked(query)


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12))))
def test_any_query_is_understood_or_refused(pairs: list[tuple[str, str]]) -> None:
    names = ("encoding", "sample_rate", "channels", "language", "keyterm", "keywords", "utterance_end_ms", "diarize")
    known = [(names[len(name) % len(names)], value) for name, value in pairs]
    for query in (pairs, known):
        try:
            start = listen(query).start(lambda model: model, partials=True)
        except ProtocolError:
            continue
        assert all(0.1 <= weight <= 10 for weight in start.hotword_weights.values())


def test_audio_goes_on_as_it_is_or_to_be_decoded() -> None:
    assert codec().receive_binary(b"\0\0\1") == (Audio(b"\0\0"),)
    assert codec("").receive_binary(b"OggS") == (Encoded(b"OggS"),)


def test_results_say_what_is_frozen_and_where_speech_has_ended() -> None:
    live = codec(RAW + "&interim_results=true&smart_format=true&diarize=true&language=en")
    (interim,) = told(live.tell(Partial(utterance=1, hypothesis=SAID)))
    assert (interim["is_final"], interim["speech_final"], interim["from_finalize"]) == (False, False, False)
    table = {
        EndpointReason.SILENCE: (True, True, False),
        EndpointReason.ENGINE: (True, True, False),
        EndpointReason.MAX_LENGTH: (True, False, False),
        EndpointReason.FINALIZE: (True, False, True),
        EndpointReason.CLOSE: (True, False, False),
    }
    for reason, expected in table.items():
        (results,) = told(live.tell(final(reason)))
        assert (results["is_final"], results["speech_final"], results["from_finalize"]) == expected
    assert results["start"] == 0
    assert results["duration"] == 1.2
    assert results["metadata"]["request_id"] == "s1"
    assert results["metadata"]["model_info"]["name"] == "sphinx"
    (reading,) = results["channel"]["alternatives"]
    assert reading["confidence"] == 0.75
    assert reading["words"] == [
        {"word": "hello", "start": 0.1, "end": 0.5, "confidence": 0.5, "punctuated_word": "Hello,", "speaker": 0},
        {"word": "world", "start": 0.6, "end": 1.0, "confidence": 0.75, "punctuated_word": "World!", "speaker": 0},
    ]
    (other,) = told(live.tell(final(EndpointReason.SILENCE, msgspec.structs.replace(SAID, speaker="berta"))))
    assert other["channel"]["alternatives"][0]["words"][0]["speaker"] == 1


def test_nothing_is_told_that_was_not_asked_for() -> None:
    live = codec()
    assert live.tell(Partial(utterance=1, hypothesis=SAID)) == ()
    assert live.tell(SpeechStarted(utterance=1, at=300)) == ()
    assert live.tell(Levels(at=9000, rms_db=-60, peak_db=-50)) == ()
    (results,) = told(live.tell(final(EndpointReason.SILENCE)))
    word = results["channel"]["alternatives"][0]["words"][0]
    assert set(word) == {"word", "start", "end", "confidence"}


def heard(at: int) -> Levels:
    return Levels(at=at, rms_db=-60, peak_db=-50)


def test_an_utterance_ends_when_nobody_has_spoken_for_long_enough() -> None:
    live = codec(RAW + "&utterance_end_ms=1000")
    live.tell(final(EndpointReason.SILENCE))
    assert live.tell(heard(1999)) == ()
    assert told(live.tell(heard(2000))) == [{"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": 1.0}]
    assert live.tell(heard(9000)) == ()
    live.tell(final(EndpointReason.SILENCE, Hypothesis(text="", start=2000, end=9000)))
    assert live.tell(heard(20000)) == ()


def test_an_utterance_goes_on_where_somebody_speaks_again_in_time() -> None:
    live = codec(RAW + "&utterance_end_ms=1000&vad_events=true")
    live.tell(final(EndpointReason.SILENCE))
    assert [it["type"] for it in told(live.tell(SpeechStarted(utterance=2, at=1500)))] == ["SpeechStarted"]
    assert live.tell(heard(5000)) == ()


def test_a_late_final_does_not_end_what_goes_on_and_ends_what_does_not() -> None:
    live = codec(RAW + "&utterance_end_ms=1000")
    live.tell(SpeechStarted(utterance=2, at=1500))
    live.tell(heard(3000))
    assert [it["type"] for it in told(live.tell(final(EndpointReason.SILENCE)))] == ["Results"]
    assert live.tell(heard(5000)) == ()
    live = codec(RAW + "&utterance_end_ms=1000")
    live.tell(SpeechStarted(utterance=2, at=2500))
    assert [it["type"] for it in told(live.tell(final(EndpointReason.SILENCE)))] == ["Results", "UtteranceEnd"]


def test_every_finalize_is_answered_also_where_the_session_ends_before() -> None:
    live = codec()
    assert live.receive_text('{"type": "Finalize", "channel": 0}') == (Finalize(),)
    assert live.receive_text('{"type": "Finalize"}') == (Finalize(),)
    assert told(live.tell(final(EndpointReason.FINALIZE)))[0]["from_finalize"]
    replies = live.tell(Closed(reason="expired", audio_offset=16000))
    assert [(it["type"], it.get("from_finalize")) for it in told(replies)] == [("Results", True), ("Metadata", None)]
    assert replies[-1] == HangUp(1011, "NET-0000: the hub closed the session: expired")


@pytest.mark.parametrize("last", ['{"type": "CloseStream"}', b""])
def test_the_end_is_answered_with_results_metadata_and_1000(last: str | bytes) -> None:
    for said in (True, False):
        live = codec()
        end = live.receive_text(last) if isinstance(last, str) else live.receive_binary(last)
        assert end == (Close(),)
        assert live.receive_binary(b"\0\0") == live.receive_text("no json") == live.late() == ()
        replies: list[Reply] = [*live.tell(final(EndpointReason.CLOSE))] if said else []
        replies += live.tell(Closed(reason="close", audio_offset=24000))
        assert [it["type"] for it in told(replies)] == ["Results", "Metadata"]
        assert told(replies)[-1]["duration"] == 1.5
        assert replies[-1] == HangUp(1000)


def test_keyterms_are_replaced_and_the_answer_names_the_session() -> None:
    live = codec(is_ready=False)
    change = Configure(hotwords=("one",), hotword_weights={})
    assert live.receive_text('{"type": "Configure", "keyterms": ["one"]}') == (change,)
    assert told(live.tell(READY)) == [{"type": "ConfigureSuccess", "request_id": "s1", "keyterms": ["one"]}]
    steps = live.receive_text('{"type": "Configure", "keyterms": []}')
    assert steps[0] == Configure(hotwords=(), hotword_weights={})
    assert told(live.receive_text('{"type": "Configure"}')) == [{"type": "ConfigureSuccess", "request_id": "s1"}]
    (failed,) = told(live.receive_text(json.dumps({"type": "Configure", "keyterms": ["x" * 200]})))
    assert failed["code"] == "CONFIGURE_KEYTERM_LIMIT_EXCEEDED"


def hang_ups(replies: Sequence[Reply]) -> list[int]:
    return [it.code for it in replies if isinstance(it, HangUp)]


@pytest.mark.parametrize(
    ("error", "query", "code"),
    [
        (UnsupportedAudio("no"), RAW, 1008),
        (ProtocolError("no", code="bad-format"), RAW, 1008),
        (ProtocolError("no", code="bad-value"), RAW, None),
        (ProviderDied("no", code="decoder-died"), "", 1011),
        (Overloaded("no"), RAW, 1013),
    ],
)
def test_an_error_is_told_and_ends_what_cannot_go_on(error: HubError, query: str, code: int | None) -> None:
    replies = codec(query).refuse(error)
    assert told(replies)[0]["type"] == "Error"
    assert told(replies)[0]["description"] == "no"
    assert hang_ups(replies) == ([] if code is None else [code])


def test_who_does_not_read_errors_is_cut_off() -> None:
    live = codec()
    for number in range(MAX_ERRORS + 1):
        with pytest.raises(ProtocolError) as refused:
            live.receive_text("{}")
        assert bool(hang_ups(live.refuse(refused.value))) is (number == MAX_ERRORS)


def test_a_failed_utterance_is_told_and_the_stream_goes_on() -> None:
    (error,) = told(codec().tell(Error(code="provider-died", message="gone", scope="session")))
    assert (error["type"], error["variant"], error["description"]) == ("Error", "provider-died", "gone")
    assert codec().tell(Error(code="bad-value", message="no")) == ()


FRAMES = st.one_of(
    st.binary(max_size=64),
    st.text(max_size=64),
    st.fixed_dictionaries(
        {"type": st.sampled_from(("KeepAlive", "Finalize", "CloseStream", "Configure", "Sing"))},
        optional={"keyterms": st.one_of(st.none(), st.integers(), st.lists(st.text(max_size=8)))},
    ).map(json.dumps),
)


@given(st.lists(FRAMES), st.sampled_from((RAW, "", RAW + "&channels=3")))
def test_any_frames_are_steps_or_refused_and_nothing_follows_the_end(frames: list[str | bytes], query: str) -> None:
    live = codec(query)
    is_closed, finalizes = False, 0
    for frame in frames:
        try:
            steps = live.receive_text(frame) if isinstance(frame, str) else live.receive_binary(frame)
        except HubError as error:
            assert not is_closed
            assert told(live.refuse(error))
            continue
        assert not (is_closed and steps)
        finalizes += sum(isinstance(step, Finalize) for step in steps)
        is_closed = is_closed or Close() in steps
        assert not any(
            len(step.data) % start_of(query).format.bytes_per_frame for step in steps if isinstance(step, Audio)
        )
    replies = live.tell(Closed(reason="close"))
    results = [it for it in told(replies) if it["type"] == "Results"]
    assert sum(it["from_finalize"] for it in results) == finalizes
    assert len(results) == finalizes + is_closed
    assert hang_ups(replies) == [1000 if is_closed else 1011]


def test_a_whole_file_is_told_as_one_text_and_by_utterance() -> None:
    chinese = Hypothesis(text="你好", start=1500, end=2000, language="zh", speaker="berta")
    silence = Hypothesis(text="", start=2000, end=2500)
    file = Heard(
        session="s1",
        provider="sphinx",
        created="2026-01-01T00:00:00Z",
        sha256="00",
        duration_ms=2500,
        readings=(SAID, silence, chinese),
    )
    said = json.loads(answer(file, asked("utterances=true&paragraphs=true&diarize=true&detect_language=true")))
    (channel,) = said["results"]["channels"]
    assert channel["alternatives"][0]["transcript"] == "Hello, World! 你好"
    assert channel["detected_language"] == "en"
    assert [it["speaker"] for it in said["results"]["utterances"]] == [0, 1]
    assert [it["num_words"] for it in channel["alternatives"][0]["paragraphs"]["paragraphs"]] == [2, 1]
    assert said["metadata"]["duration"] == 2.5
    plain = json.loads(answer(msgspec.structs.replace(file, readings=(silence,)), asked("")))
    assert plain["results"] == {"channels": [{"alternatives": [{"transcript": "", "confidence": 0.0, "words": []}]}]}
