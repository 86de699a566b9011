"""Whatever happens to connections, the hub gets every sample once and in order."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub_client.messages import AudioAck, AudioFormat, Clear, Close, Closed, Command, Configure, Endpoint, Finalize
from asr_hub_client.outbox import MAX_COMMANDS, Audio, OffsetMismatch, Outbox

pytestmark = pytest.mark.unit

SMALL = AudioFormat(8_000)
"""A frame is 2 bytes."""


class Trial:
    """An outbox, a hub, and connections that lose what is on its way."""

    def __init__(self, max_bytes: int) -> None:
        self.outbox = Outbox(SMALL, keep_seconds=2, ahead_seconds=2)
        self.said = bytearray()
        self.finalized: list[int] = []
        self.heard = bytearray()
        self.commands: list[int] = []
        self._max_bytes = max_bytes
        self.on_its_way: list[Audio | Command] = []

    @property
    def offset(self) -> int:
        return len(self.heard) // 2

    def push(self, samples: int) -> None:
        audio = b"".join((len(self.said) // 2 + n).to_bytes(2, "little") for n in range(samples))
        taken = self.outbox.push(audio)
        assert taken % 2 == 0
        self.said += audio[:taken]

    def send(self, count: int) -> None:
        for _ in range(count):
            has_more = self.outbox.has_more
            item = self.outbox.next(self._max_bytes)
            assert has_more == (item is not None)
            if item is not None:
                self.on_its_way.append(item)

    def arrive(self, count: int) -> None:
        for _ in range(min(count, len(self.on_its_way))):
            item = self.on_its_way.pop(0)
            if isinstance(item, Audio):
                assert item.offset == self.offset, "a gap, or audio twice"
                self.heard += item.data
            else:
                self.commands.append(self.offset)

    def ack(self, offset: int) -> None:
        self.outbox.take(AudioAck(audio_offset=min(offset, self.offset)))

    def finalize(self, _: int) -> None:
        self.outbox.say(Finalize())
        self.finalized.append(self.outbox.end)

    def cut(self, _: int) -> None:
        self.on_its_way.clear()
        self.outbox.resume(self.offset)

    def leave(self, _: int) -> None:
        """Go on in another process."""
        left = self.outbox
        self.outbox = Outbox(
            SMALL,
            keep_seconds=2,
            ahead_seconds=2,
            offset=left.acked,
            audio=left.kept,
            commands=left.unanswered,
            answered=left.answered,
        )
        self.cut(0)


steps = st.lists(
    st.one_of(
        st.tuples(st.just(Trial.push), st.integers(0, 9_000)),
        st.tuples(st.just(Trial.send), st.integers(1, 20)),
        st.tuples(st.just(Trial.arrive), st.integers(1, 20)),
        st.tuples(st.just(Trial.ack), st.integers(0, 40_000)),
        st.tuples(st.just(Trial.finalize), st.just(0)),
        st.tuples(st.just(Trial.cut), st.just(0)),
        st.tuples(st.just(Trial.leave), st.just(0)),
    ),
    max_size=60,
)


@given(steps, st.integers(2, 9_000))
def test_any_cuts_and_any_acknowledgements_leave_every_sample_once_and_in_order(
    steps: list[tuple[Callable[[Trial, int], None], int]], max_bytes: int
) -> None:
    trial = Trial(max_bytes)
    for step, size in steps:
        step(trial, size)
        outbox = trial.outbox
        assert len(outbox.kept) <= 2 * SMALL.bytes_per_second
        assert outbox.acked <= outbox.sent <= outbox.end
    while trial.outbox.kept or trial.outbox.has_more or trial.on_its_way:
        trial.send(20)
        trial.arrive(20)
        trial.ack(trial.offset)
    assert bytes(trial.heard) == bytes(trial.said)
    assert set(trial.commands) == set(trial.finalized), "a command is heard at its place in the audio"


def test_no_more_is_kept_than_there_is_room_for() -> None:
    outbox = Outbox(SMALL, keep_seconds=2)
    assert outbox.push(bytes(100_000)) == outbox.push(b"") + 32_000
    assert outbox.room == 0
    outbox.next(100_000)
    outbox.take(AudioAck(audio_offset=8_000))
    assert outbox.room == 16_000


def test_no_more_ison_its_way_than_allowed() -> None:
    outbox = Outbox(SMALL, keep_seconds=10, ahead_seconds=2)
    outbox.push(bytes(160_000))
    assert outbox.next(10**6) == Audio(0, bytes(32_000))
    assert outbox.next(10**6) is None
    assert not outbox.has_more
    outbox.confirm(8_000)
    assert outbox.next(10**6) == Audio(16_000, bytes(16_000))


def test_a_command_keeps_its_place_in_the_audio() -> None:
    outbox = Outbox(SMALL)
    outbox.push(bytes(1000))
    outbox.say(Finalize())
    outbox.push(bytes(1000))
    assert [outbox.next(4000) for _ in range(4)] == [Audio(0, bytes(1000)), Finalize(), Audio(500, bytes(1000)), None]


def test_a_command_that_was_answered_is_not_sent_again() -> None:
    outbox = Outbox(SMALL)
    outbox.say(Finalize())
    outbox.say(Clear())
    assert [outbox.next(1), outbox.next(1)] == [Finalize(), Clear()]
    outbox.take(Endpoint(seq=1, utterance=1, at=0, reason="finalize"))
    outbox.resume(0)
    assert [outbox.next(1), outbox.next(1)] == [Clear(), None]


def test_an_answer_that_is_told_again_answers_nothing_else() -> None:
    answer = Endpoint(seq=7, utterance=1, at=0, reason="finalize")
    left = Outbox(SMALL)
    for _ in range(2):
        left.say(Finalize())
        assert left.next(1) == Finalize()
    left.take(answer)
    outbox = Outbox(SMALL, commands=left.unanswered, answered=left.answered)
    outbox.resume(0)
    outbox.take(answer)
    assert [outbox.next(1), outbox.next(1)] == [Finalize(), None]


def test_a_command_that_was_answered_while_nobody_listened_is_not_sent_again() -> None:
    left = Outbox(SMALL)
    left.say(Finalize())
    assert left.next(1) == Finalize()
    outbox = Outbox(SMALL, commands=left.unanswered, answered=left.answered)
    outbox.resume(0)
    outbox.take(Endpoint(seq=7, utterance=1, at=0, reason="finalize"))
    assert outbox.next(1) is None


def test_a_command_with_audio_behind_it_that_arrived_is_not_sent_again() -> None:
    outbox = Outbox(SMALL)
    outbox.say(Configure(language="de"))
    outbox.push(bytes(1000))
    outbox.next(1000)
    outbox.next(1000)
    outbox.resume(500)
    assert outbox.next(1000) is None


def test_a_command_without_an_answer_is_sent_again() -> None:
    outbox = Outbox(SMALL)
    outbox.push(bytes(1000))
    outbox.say(Close())
    outbox.next(1000)
    assert outbox.next(1000) == Close()
    outbox.resume(500)
    assert outbox.next(1000) == Close()
    outbox.take(Closed(reason="close", audio_offset=500))
    outbox.resume(500)
    assert outbox.next(1000) is None


def test_changes_at_the_same_place_are_one_change() -> None:
    outbox = Outbox(SMALL)
    for n in range(3 * MAX_COMMANDS):
        outbox.say(Configure(hotwords=(str(n),)))
    outbox.say(Configure(language="de"))
    assert outbox.has_room_for_command
    assert outbox.next(1) == Configure(hotwords=(str(3 * MAX_COMMANDS - 1),), language="de")


@pytest.mark.parametrize("offset", [99, 301])
def test_a_hub_that_has_other_audio_is_told_from_one_that_has_less(offset: int) -> None:
    outbox = Outbox(SMALL, offset=100, audio=bytes(400))
    with pytest.raises(OffsetMismatch):
        outbox.resume(offset)
    outbox.resume(300)


def test_less_than_the_acknowledgements_need_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 seconds"):
        Outbox(SMALL, keep_seconds=1)
