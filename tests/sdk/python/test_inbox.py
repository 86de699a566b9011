"""What the caller reads: each message once, in order, and bounded."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub_client.inbox import Inbox
from asr_hub_client.messages import (
    AnyServerMessage,
    Endpoint,
    Error,
    Final,
    Hypothesis,
    Levels,
    Partial,
    Reading,
    Ready,
    Reset,
    Revision,
    SpeechStarted,
    Unknown,
)
from asr_hub_client.transcript import Transcript

pytestmark = pytest.mark.unit


def partial(seq: int, text: str = "a", utterance: int = 1) -> Partial:
    return Partial(seq=seq, utterance=utterance, hypothesis=Hypothesis(text=text, start=0, end=1))


def final(seq: int, text: str = "a", utterance: int = 1) -> Final:
    return Final(seq=seq, utterance=utterance, hypothesis=Hypothesis(text=text, start=0, end=1), reason="silence")


def rest(inbox: Inbox) -> list[AnyServerMessage]:
    return list(iter(inbox.pop, None))


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=80), st.integers(1, 12))
def test_whatever_is_repeated_comes_once_in_order_and_missing_ones_are_counted(
    arrivals: list[tuple[int, bool]], limit: int
) -> None:
    inbox = Inbox(limit=limit)
    got: list[AnyServerMessage] = []
    for seq, reads in arrivals:
        inbox.take(partial(seq) if seq % 3 else final(seq))
        assert len(inbox) <= limit
        if reads and (message := inbox.pop()) is not None:
            got.append(message)
    got += rest(inbox)
    place = 0
    for message in got:
        missing = 0 if message.skipped is msgspec.UNSET else message.skipped
        assert message.seq == place + 1 + missing
        place = message.seq
    assert place == inbox.seq == max((seq for seq, _ in arrivals), default=0)


def test_an_unread_partial_gives_way_to_a_newer_one() -> None:
    inbox = Inbox()
    for seq in range(1, 5):
        inbox.take(partial(seq, text="x" * seq))
    inbox.take(Levels(seq=5, at=1, rms_db=0, peak_db=0))
    inbox.take(Levels(seq=6, at=2, rms_db=0, peak_db=0))
    inbox.take(final(7))
    assert [(m.seq, m.skipped) for m in rest(inbox)] == [(4, 3), (6, 1), (7, msgspec.UNSET)]


def test_what_is_not_numbered_takes_no_place() -> None:
    inbox = Inbox()
    inbox.take(final(1))
    assert inbox.take(Error(seq=1, code="bad-value", message="no"))
    assert not inbox.take(final(1))
    inbox.take(final(2))
    assert [m.seq for m in rest(inbox)] == [1, 1, 2]


def test_a_message_of_a_newer_hub_counts_and_is_passed_over() -> None:
    inbox = Inbox()
    inbox.take(Unknown(type="later", seq=1))
    inbox.take(final(2))
    assert inbox.seq == 2
    assert [(m.seq, m.skipped) for m in rest(inbox)] == [(2, 1)]


def test_ready_is_not_among_the_messages() -> None:
    inbox = Inbox()
    from asr_hub_client.messages import AudioFormat

    ready = Ready(session="s", role="publisher", provider="p", format=AudioFormat(), audio_offset=0, resume_window=60.0)
    inbox.take(ready)
    assert rest(inbox) == []


def test_a_transcript_has_finals_revisions_and_what_is_being_said() -> None:
    transcript = Transcript()
    transcript.take(SpeechStarted(utterance=1, at=0))
    transcript.take(partial(1, "hel"))
    assert (transcript.text, transcript.partial) == ("", "hel")
    transcript.take(final(2, "hello"))
    transcript.take(final(3, "", utterance=2))
    transcript.take(partial(4, "wor", utterance=3))
    transcript.take(Endpoint(utterance=3, at=1, reason="clear"))
    assert (transcript.text, transcript.partial) == ("hello", "")
    transcript.take(Revision(utterance=1, hypothesis=Hypothesis(text="Hello!", start=0, end=1)))
    assert transcript.text == "Hello!"
    transcript.take(
        Reset(seq=9, finals=(Reading(1, Hypothesis(text="new", start=0, end=1)),), provider="p", audio_offset=0)
    )
    assert [hypothesis.text for hypothesis in transcript.finals] == ["new"]
