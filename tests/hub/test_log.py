"""The message log: order, merging, bounds."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.errors import SlowClient
from asr_hub.hub.log import MessageLog
from asr_hub.model import EndpointReason, Hypothesis
from asr_hub.wire.messages import AnyServerMessage, AudioAck, Closed, Final, Partial, ServerMessage, SpeechStarted

pytestmark = pytest.mark.unit

_decode = msgspec.json.Decoder(AnyServerMessage).decode


def partial(utterance: int, text: str) -> Partial:
    return Partial(utterance=utterance, hypothesis=Hypothesis(text=text, start=0, end=1))


def final(utterance: int, text: str) -> Final:
    return Final(
        utterance=utterance,
        hypothesis=Hypothesis(text=text, start=0, end=1, is_final=True),
        reason=EndpointReason.SILENCE,
    )


def read(log: MessageLog, cursor: int = 0) -> list[AnyServerMessage]:
    return [_decode(data) for data in log.read(cursor)[0]]


def test_a_live_reader_gets_every_partial() -> None:
    log, cursor, texts = MessageLog(), 0, []
    for text in ("a", "ab", "abc"):
        log.append(partial(1, text))
        data, cursor = log.read(cursor)
        texts += [_decode(d).hypothesis.text for d in data]
    assert texts == ["a", "ab", "abc"]


def test_a_slow_reader_gets_the_newest_partial_and_is_told_how_many_it_missed() -> None:
    log = MessageLog()
    for text in ("a", "ab", "abc"):
        log.append(partial(1, text))
    (message,) = read(log)
    assert (message.seq, message.skipped, message.hypothesis.text) == (3, 2, "abc")


def test_a_final_makes_the_partial_before_it_worthless() -> None:
    log = MessageLog()
    log.append(SpeechStarted(utterance=1, at=0))
    log.append(partial(1, "a"))
    log.append(final(1, "a b"))
    first, second = read(log)
    assert (first.seq, second.seq, second.skipped) == (1, 3, 1)


def test_finals_are_never_merged() -> None:
    log = MessageLog()
    for n in range(1, 50):
        log.append(partial(n, "x"))
        log.append(final(n, str(n)))
    assert [m.hypothesis.text for m in read(log)] == [str(n) for n in range(1, 50)]


def test_a_reader_behind_the_bound_is_told_and_not_given_a_gap() -> None:
    log = MessageLog(max_messages=10)
    for n in range(1, 21):
        log.append(final(n, str(n)))
    with pytest.raises(SlowClient):
        log.read(9)
    assert [m.seq for m in read(log, log.floor)] == list(range(11, 21))


def test_bytes_are_bounded() -> None:
    log = MessageLog(max_bytes=10_000)
    for n in range(1, 100):
        log.append(final(n, "x" * 500))
    assert sum(map(len, log.read(log.floor)[0])) <= 10_000


def test_nothing_follows_closed() -> None:
    log = MessageLog()
    log.append(Closed(reason="close"))
    log.append(final(1, "late"))
    assert [type(m) for m in read(log)] == [Closed]


_messages = st.one_of(
    st.builds(partial, st.integers(1, 3), st.text("ab", max_size=3)),
    st.builds(final, st.integers(1, 3), st.text("ab", max_size=3)),
    st.builds(lambda n: AudioAck(audio_offset=n), st.integers(0, 9)),
)


@given(st.lists(st.tuples(_messages, st.booleans()), max_size=60))
def test_whoever_reads_whenever_sees_contiguous_seq_and_every_final(script: list[tuple[ServerMessage, bool]]) -> None:
    log, cursor, got = MessageLog(), 0, []
    for message, reads_now in script:
        log.append(message)
        if reads_now:
            data, cursor = log.read(cursor)
            got += [_decode(d) for d in data]
    got += read(log, cursor)
    last = 0
    for message in got:
        skipped = message.skipped if isinstance(message.skipped, int) else 0
        assert message.seq == last + 1 + skipped
        last = message.seq
    finals = [m.hypothesis.text for m, _ in script if isinstance(m, Final)]
    assert [m.hypothesis.text for m in got if isinstance(m, Final)] == finals
