"""What the codec of FunASR's clients promises, without a socket."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_hub.errors import HubError, Overloaded, ProtocolError
from asr_hub.model import EndpointReason, Hypothesis, Pass, Word
from asr_hub.wire.conversation import Limits
from asr_hub.wire.dialects.codec import Audio, Encoded, HangUp, Step, Text
from asr_hub.wire.dialects.funasr import MOST_WAITING, FunAsr
from asr_hub.wire.dialects.funasr_hotwords import hotwords_of
from asr_hub.wire.dialects.growing import Policy
from asr_hub.wire.messages import Close, Closed, Configure, Error, Final, Partial, Start

pytestmark = pytest.mark.unit

END = '{"is_speaking": false}'
END_AND_ANSWER = '{"is_speaking": false, "is_end": true}'


def codec(policy: Policy = "final_only") -> FunAsr:
    return FunAsr(lambda model: model, policy=policy)


def heard(text: str, **fields: Any) -> Hypothesis:
    return Hypothesis(text=text, start=0, end=1000, **fields)


def final(text: str, **fields: Any) -> Final:
    return Final(utterance=1, hypothesis=heard(text, is_final=True, **fields), reason=EndpointReason.SILENCE)


def partial(text: str, stable: int) -> Partial:
    return Partial(utterance=1, hypothesis=heard(text, stable=stable))


def told(steps: Any) -> list[dict[str, Any]]:
    return [json.loads(step.data) for step in steps if isinstance(step, Text)]


def started(mode: str, policy: Policy = "final_only", **said: Any) -> tuple[FunAsr, Start]:
    it = codec(policy)
    assert it.receive_text(json.dumps({"mode": mode, "wav_name": "a", "is_speaking": True, **said})) == ()
    start = it.receive_binary(b"\0\0")[0]
    assert isinstance(start, Start)
    return it, start


def test_the_session_is_as_the_client_says() -> None:
    _, start = started("offline", audio_fs=8000, svs_lang="zh", hotwords='{"one": 20, "two words": 40}')
    assert start.format.sample_rate == 8000
    assert start.language == "zh"
    assert start.hotwords == ("one", "two words")
    assert start.hotword_weights == {"two words": 2.0}
    assert not start.partials
    assert start.wait_for is Pass.ACCURATE
    assert started("online")[1].wait_for is Pass.FAST
    assert started("online", svs_lang="auto")[1].language is None


def test_the_configuration_comes_in_parts_and_in_any_order() -> None:
    it = codec()
    for said in ('{"is_speaking": true, "mode": "online"}', '{"audio_fs": "8000"}', '{"chunk_size": [5, 10, 5]}'):
        assert it.receive_text(said) == ()
    start, audio = it.receive_binary(b"\0\0")
    assert isinstance(start, Start)
    assert start.format.sample_rate == 8000
    assert audio == Audio(b"\0\0")
    assert it.receive_text('{"hotwords": "one two"}') == (Configure(hotwords=("one", "two"), hotword_weights={}),)


def test_a_file_is_decoded_at_the_usual_rate() -> None:
    it = codec()
    it.receive_text('{"mode": "offline", "wav_format": "mp3", "audio_fs": 8000}')
    start, piece = it.receive_binary(b"bytes")
    assert isinstance(start, Start)
    assert start.format.sample_rate == 16000
    assert piece == Encoded(b"bytes")
    assert it.receive_text(END) == (Close(),)


def test_offline_says_all_in_one_message() -> None:
    it, _ = started("offline")
    it.receive_text(END_AND_ANSWER)
    for text, at in (("one", 0), ("two", 500)):
        assert it.tell(final(text, words=(Word(text, at, at + 200),))) == ()
    assert told(it.tell(Closed(reason="close"))) == [
        {"mode": "offline", "text": "one two ", "wav_name": "a", "is_final": True, "timestamp": "[[0,200],[500,700]]"},
        {"mode": "offline", "wav_name": "a", "is_final": True, "is_end": True, "text": ""},
    ]


def test_two_passes_say_what_stays_and_then_the_final() -> None:
    it, _ = started("2pass")
    messages = told(it.tell(partial("one two", 4))) + told(it.tell(partial("one two three", 8)))
    messages += told(it.tell(final("one too three"))) + told(it.tell(partial("four five", 5)))
    it.receive_text(END)
    messages += told(it.tell(final("four five"))) + told(it.tell(Closed(reason="close")))
    assert [(it["mode"], it["text"], it["is_final"]) for it in messages] == [
        ("2pass-online", "one", False),
        ("2pass-online", " two", False),
        ("2pass-offline", "one too three ", False),
        ("2pass-online", "four", False),
        ("2pass-offline", "four five ", True),
    ]


def test_online_appends() -> None:
    it, _ = started("online", "stable")
    messages = told(it.tell(partial("one two", 4))) + told(it.tell(final("one two"))) + told(it.tell(final("")))
    it.receive_text(END)
    messages += told(it.tell(final("three"))) + told(it.tell(final("four"))) + told(it.tell(Closed(reason="close")))
    assert "".join(it["text"] for it in messages) == "one two three four "
    assert [it["is_final"] for it in messages] == [False, False, False, True]


def test_chinese_has_no_spaces_and_a_time_for_each_character() -> None:
    it, _ = started("offline")
    it.tell(final("你好\uff0c世界。", words=(Word("你好", 0, 400), Word("世界", 500, 900))))
    it.receive_text(END)
    (last,) = told(it.tell(Closed(reason="close")))
    assert last["text"] == "你好\uff0c世界。"
    assert json.loads(last["timestamp"]) == [[0, 200], [200, 400], [500, 700], [700, 900]]


def test_times_that_the_web_page_would_miscount_are_left_out() -> None:
    it, _ = started("offline")
    it.tell(final("don't", words=(Word("don't", 0, 400),)))
    it.receive_text(END)
    (last,) = told(it.tell(Closed(reason="close")))
    assert "timestamp" not in last


@pytest.mark.parametrize("mode", ["offline", "online", "2pass"])
def test_the_end_of_nothing_is_one_final_message(mode: str) -> None:
    it = codec()
    it.receive_text(json.dumps({"mode": mode, "wav_name": "a"}))
    last, acknowledgement = told(it.receive_text(END_AND_ANSWER))
    assert (last["text"], last["is_final"]) == ("", True)
    assert acknowledgement["is_end"]
    it, _ = started(mode)
    assert it.receive_text(END) == (Close(),)
    (last,) = told(it.tell(Closed(reason="close")))
    assert (last["text"], last["is_final"]) == ("", True)


def test_an_end_that_is_said_twice_is_answered_once() -> None:
    it, _ = started("offline")
    assert it.receive_text(END) == (Close(),)
    assert it.receive_text(END) == ()
    assert it.receive_text(END_AND_ANSWER) == ()
    assert ["is_end" in message for message in told(it.tell(Closed(reason="close")))] == [False, True]
    assert it.receive_text(END) == ()
    assert [message["is_end"] for message in told(it.receive_text(END_AND_ANSWER))] == [True]


def test_recordings_that_overlap_are_told_in_their_order() -> None:
    it, _ = started("offline")
    it.receive_text(END)
    it.receive_text('{"wav_name": "b", "is_speaking": true}')
    assert it.receive_text(END) == ()
    it.receive_text('{"wav_name": "c", "mode": "2pass", "is_speaking": true}')
    assert isinstance(it.receive_binary(b"\0\0")[0], Start)
    assert it.receive_text(END) == (Close(),)
    it.tell(final("one"))
    first = told(it.tell(Closed(reason="close")))
    it.tell(final("two"))
    second = told(it.tell(Closed(reason="close")))
    assert [(it["wav_name"], it["mode"], it["text"]) for it in first + second] == [
        ("a", "offline", "one "),
        ("b", "offline", ""),
        ("c", "2pass-offline", "two "),
    ]


def test_what_was_not_heard_is_an_error_of_the_acknowledgement() -> None:
    it, _ = started("offline")
    it.tell(Error(code="provider", message="the engine failed", scope="session"))
    it.receive_text(END_AND_ANSWER)
    last, acknowledgement = told(it.tell(Closed(reason="close")))
    assert (last["is_final"], last["error"]) == (True, "the engine failed")
    assert (acknowledgement["is_final"], acknowledgement["error"]) == (False, "the engine failed")


def test_a_session_that_ends_by_itself_ends_the_connection() -> None:
    it, _ = started("2pass")
    *texts, end = it.tell(Closed(reason="shutdown"))
    assert isinstance(end, HangUp)
    assert not told(texts)[0]["is_final"]


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        (None, {}),
        ("", {}),
        ('{"one": 20, "two": 400, "three": 0, "four": 10.0}', {"one": 1.0, "two": 10.0, "three": 0.1, "four": 0.5}),
        ({"one": 20}, {"one": 1.0}),
        ("one two", {"one": 1.0, "two": 1.0}),
        ("one,two words\uff0cthree", {"one": 1.0, "two words": 1.0, "three": 1.0}),
        ("one word 40\ntwo 20\n", {"one word": 2.0, "two": 1.0}),
        (["one", "two words"], {"one": 1.0, "two words": 1.0}),
        ('["one"]', {"one": 1.0}),
    ],
)
def test_hotwords_in_each_form(given_: Any, words: dict[str, float]) -> None:
    assert hotwords_of(given_) == words


def test_hotwords_beyond_the_limits_are_left_out() -> None:
    assert hotwords_of("one,two,three", Limits(max_hotwords=2)) == {"one": 1.0, "two": 1.0}
    assert hotwords_of("one,fourteen", Limits(max_hotword_chars=3)) == {"one": 1.0}


@pytest.mark.parametrize("given_", ["{", "[1", 3, True, '{"one": "x"}', {"one": True}])
def test_hotwords_in_no_form(given_: Any) -> None:
    with pytest.raises(ProtocolError):
        hotwords_of(given_)


FIELDS = ("mode", "wav_name", "wav_format", "audio_fs", "hotwords", "svs_lang", "is_speaking", "is_end", "is_finished")
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 2**40),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.sampled_from(["offline", "online", "2pass", "pcm", "mp3", '{"a": 1}', "auto"]),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
texts = st.one_of(st.text(max_size=20), st.dictionaries(st.sampled_from(FIELDS), values).map(json.dumps))


@given(st.lists(texts | st.binary(max_size=9), max_size=20))
@settings(max_examples=50)
def test_whatever_is_said_is_taken_or_refused_without_a_change(frames: list[str | bytes]) -> None:
    it = codec()
    for frame in frames:
        before = repr(vars(it))
        try:
            steps = it.receive_binary(frame) if isinstance(frame, bytes) else it.receive_text(frame)
        except HubError as error:
            assert repr(vars(it)) == before
            assert isinstance(codec().refuse(error)[-1], HangUp)
        else:
            assert all(isinstance(step, Step) for step in steps)


@given(
    st.lists(st.sampled_from(["config", "audio", "end", "final", "partial", "closed"]), max_size=30),
    st.sampled_from(["offline", "online", "2pass"]),
)
def test_each_recording_has_one_final_message_in_its_order_and_no_word_is_lost(said: list[str], mode: str) -> None:
    it, open_sessions, names, words = codec(), 0, 0, 0
    messages: list[dict[str, Any]] = []
    is_heard = is_new = False
    for what in (*said, "end"):
        match what:
            case "config" if not is_heard:
                it.receive_text(json.dumps({"mode": mode, "wav_name": f"{names}", "is_speaking": True}))
                is_new = True
            case "audio":
                # The shell waits with the next session until the one before is over.
                if not is_heard and open_sessions:
                    messages += told(it.tell(Closed(reason="close")))
                    open_sessions = 0
                it.receive_text(json.dumps({"mode": mode, "wav_name": f"{names}"}))
                it.receive_binary(b"\0\0")
                is_heard = is_new = True
                open_sessions = 1
            case "end" if is_new:
                messages += told(it.receive_text(END))
                names += 1
                is_heard = is_new = False
            case "final" if open_sessions:
                words += 1
                messages += told(it.tell(final(f"w{words}")))
            case "partial" if open_sessions:
                messages += told(it.tell(partial("x y", 2)))
            case "closed" if open_sessions and not is_heard:
                messages += told(it.tell(Closed(reason="close")))
                open_sessions = 0
    if open_sessions:
        messages += told(it.tell(Closed(reason="close")))
    assert [message["wav_name"] for message in messages if message["is_final"]] == [f"{n}" for n in range(names)]
    finals = "".join(message["text"] for message in messages if message["mode"] != "2pass-online")
    assert finals.split() == [f"w{number + 1}" for number in range(words)]


def test_recordings_of_nothing_do_not_pile_up_behind_one_that_is_heard() -> None:
    it = FunAsr(lambda model: None)
    it.receive_binary(b"\0\0")
    it.receive_text('{"is_speaking": false}')
    with pytest.raises(Overloaded):
        for _ in range(2 * MOST_WAITING):
            it.receive_text('{"is_speaking": true}')
            it.receive_text('{"is_speaking": false}')
