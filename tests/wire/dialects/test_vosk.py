"""What the codec of Vosk's clients promises, without a socket."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.audio_files import wav

from asr_hub.errors import HubError, NotFound, ProtocolError
from asr_hub.model import Alternative, EndpointReason, Hypothesis, Word
from asr_hub.wire.conversation import Limits
from asr_hub.wire.dialects.codec import Audio, HangUp, Step, Text
from asr_hub.wire.dialects.vosk import Vosk
from asr_hub.wire.messages import Close, Closed, Final, Finalize, Partial, Start

pytestmark = pytest.mark.unit

NOBODY = {"partial": ""}


def codec(**limits: Any) -> Vosk:
    return Vosk(lambda model: model, Limits(**limits))


def heard(text: str, **fields: Any) -> Hypothesis:
    return Hypothesis(text=text, start=0, end=1000, **fields)


def final(text: str, reason: EndpointReason = EndpointReason.SILENCE, **fields: Any) -> Final:
    return Final(utterance=1, hypothesis=heard(text, is_final=True, **fields), reason=reason)


def told(steps: Any) -> list[dict[str, Any]]:
    return [json.loads(step.data) for step in steps if isinstance(step, Text)]


def started(said: str = "") -> tuple[Vosk, Start]:
    it = codec()
    if said:
        assert it.receive_text(said) == ()
    start = it.receive_binary(b"\0\0")[0]
    assert isinstance(start, Start)
    return it, start


def test_the_session_begins_with_the_audio_as_the_config_has_it() -> None:
    said = '{"config": {"sample_rate": "16000.000000", "model": "m", "phrase_list": ["one  two", "[unk]", ""], "x": 1}}'
    _, start = started(said)
    assert start.format.sample_rate == 16000
    assert start.provider == "m"
    assert start.hotwords == ("one two",)
    assert started()[1].format.sample_rate == 8000
    assert started('{"config": {"sample_rate": 48000.0}}')[1].format.sample_rate == 48000


def test_phrases_beyond_the_limits_are_words_and_then_left_out() -> None:
    it = codec(max_hotwords=3, max_hotword_chars=9)
    it.receive_text('{"config": {"phrase_list": ["zero one two", "three", "abcdefghij"]}}')
    (start, *_) = it.receive_binary(b"\0\0")
    assert isinstance(start, Start)
    assert start.hotwords == ("zero", "one", "two")


def test_the_oldest_final_is_told_first_and_then_the_partial() -> None:
    it, _ = started()
    it.tell(final("one"))
    it.tell(final("two"))
    it.tell(Partial(utterance=3, hypothesis=heard("thr")))
    assert [told(it.receive_binary(b"\0\0")) for _ in range(3)] == [
        [{"text": "one"}],
        [{"text": "two"}],
        [{"partial": "thr"}],
    ]


def test_finals_that_are_left_at_the_end_come_as_one() -> None:
    it, _ = started()
    word = Word("one", 100, 250, 0.5)
    it.tell(final("one", words=(word,)))
    it.tell(final(""))
    it.tell(final("two"))
    assert it.receive_text('{"eof" : 1}') == (Close(),)
    assert it.receive_binary(b"\0\0") == ()
    *texts, end = it.tell(Closed(reason="close"))
    assert told(texts) == [{"text": "one two", "result": [{"conf": 0.5, "start": 0.1, "end": 0.25, "word": "one"}]}]
    assert end == HangUp()


def test_frames_after_a_reset_wait_for_its_answer() -> None:
    it, _ = started()
    assert it.receive_text('{"reset": 1}') == (Finalize(),)
    assert told(it.receive_binary(b"\0\0")) == []
    assert it.tell(final("other")) == ()
    assert told(it.tell(final("one", EndpointReason.FINALIZE))) == [{"text": "other one"}, NOBODY]


def test_chinese_is_put_together_without_spaces() -> None:
    it, _ = started()
    it.tell(final("你好"))
    it.tell(final("世界"))
    it.receive_text('{"eof":1}')
    assert told(it.tell(Closed(reason="close"))) == [{"text": "你好世界"}]


def test_alternatives() -> None:
    it, _ = started('{"config": {"max_alternatives": 2, "words": false}}')
    others = (Alternative("own", 0.25), Alternative("won"))
    it.tell(final("one", confidence=0.75, alternatives=others))
    (answer,) = told(it.receive_binary(b"\0\0"))
    assert answer == {"alternatives": [{"confidence": 0.75, "text": "one"}, {"confidence": 0.25, "text": "own"}]}


def test_a_session_that_ends_by_itself_closes_the_connection() -> None:
    it, _ = started()
    assert it.tell(Closed(reason="shutdown")) == (HangUp(1013, "the session was closed: shutdown"),)


def test_an_unknown_model_is_refused_at_once() -> None:
    def nobody(model: str | None) -> str | None:
        raise NotFound("no such model", code="model-not-found")

    with pytest.raises(NotFound):
        Vosk(nobody).receive_text('{"config": {"model": "m"}}')


@pytest.mark.parametrize("rate", ["0", "-1", '"nan"', '"inf"', "1e300"])
def test_a_rate_that_is_none(rate: str) -> None:
    with pytest.raises(ProtocolError, match="sample_rate"):
        codec().receive_text(f'{{"config": {{"sample_rate": {rate}}}}}')


said = st.one_of(
    st.binary(max_size=9),
    st.text(max_size=30),
    st.sampled_from(['{"eof" : 1}', '{"reset" : 1}', '{"config": {"words": 0}}', '{"config": {"sample_rate": "x"}}']),
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: (
            st.dictionaries(st.sampled_from(["config", "eof", "sample_rate", "phrase_list", "model"]), inner)
            | st.lists(inner, max_size=3)
        ),
        max_leaves=6,
    ).map(json.dumps),
)


@given(st.lists(said, max_size=20))
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


@given(st.lists(st.sampled_from(["frame", "reset", "final", "partial"]), max_size=30), st.booleans())
def test_each_frame_has_its_one_answer_and_no_word_is_lost(happened: list[str], is_lazy: bool) -> None:
    """The hub answers each reset at once, or all of them when the client has said everything."""
    it = codec()
    answers = told(it.receive_binary(b"\0\0"))
    owed, resets, said = 1, 0, 0
    for what in happened:
        if what in ("frame", "reset"):
            owed += 1
            answers += told(it.receive_binary(b"\0\0") if what == "frame" else it.receive_text('{"reset":1}'))
        elif what == "final":
            said += 1
            answers += told(it.tell(final(f"w{said}")))
        else:
            answers += told(it.tell(Partial(utterance=1, hypothesis=heard("partial"))))
        resets += what == "reset"
        if resets and not is_lazy:
            resets -= 1
            answers += told(it.tell(final("", EndpointReason.FINALIZE)))
    for _ in range(resets):
        answers += told(it.tell(final("", EndpointReason.FINALIZE)))
    assert len(answers) == owed
    it.receive_text('{"eof":1}')
    answers += told(it.tell(Closed(reason="close")))
    assert len(answers) == owed + 1
    words = " ".join(answer["text"] for answer in answers if answer.get("text"))
    assert words.split() == [f"w{number + 1}" for number in range(said)]


@given(st.lists(st.binary(max_size=7), min_size=1))
def test_bytes_cut_anywhere_are_whole_samples_in_their_order(pieces: list[bytes]) -> None:
    it = codec()
    steps = [step for piece in pieces for step in it.receive_binary(piece)]
    steps += it.receive_text('{"eof":1}')
    heard_of = [step.data for step in steps if isinstance(step, Audio)]
    assert all(len(piece) % 2 == 0 for piece in heard_of)
    sent = b"".join(pieces)
    if not sent.startswith(b"RIFF"):
        assert b"".join(heard_of) == sent[: len(sent) // 2 * 2]


def test_the_header_of_a_file_is_left_out_and_has_to_be_right() -> None:
    pcm = bytes(range(100))
    it, file = codec(), wav(pcm, rate=8000)
    steps = [step for at in range(0, len(file), 10) for step in it.receive_binary(file[at : at + 10])]
    assert b"".join(step.data for step in steps if isinstance(step, Audio)) == pcm
    assert len(told(steps)) == len(range(0, len(file), 10))
    with pytest.raises(ProtocolError, match="16000"):
        codec().receive_binary(wav(pcm, rate=16000))
