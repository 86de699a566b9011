"""Whose turn it is in the process of an engine, without the process."""

from __future__ import annotations

from collections import defaultdict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.host.toys import WORD, ToySettings, ToyStreaming, ToyWhole, speech, words

from asr_hub.providers.host.engine import Broken
from asr_hub.providers.host.hearing import Answer, Hearing
from asr_hub.providers.host.messages import Noted, StreamFailed, StreamHeard, StreamTook
from asr_hub.providers.host.room import TRUST_AFTER, Room
from asr_hub.providers.host.streaming import StreamingHearing
from asr_hub.providers.host.whole import MOST_PIECES, WholeHearing
from asr_hub.providers.worker_messages import Begin, Heard

pytestmark = pytest.mark.unit

BEGIN = Begin(sample_rate=16_000)
QUIET = Begin(sample_rate=16_000, partials=False)


class Told:
    """What was said, stream by stream."""

    def __init__(self) -> None:
        self.all: list[Answer] = []

    def __call__(self, answer: Answer) -> None:
        self.all.append(answer)

    def heard(self, stream: int) -> list[Heard]:
        return [a.heard for a in self.all if isinstance(a, StreamHeard) and a.stream == stream]

    def final(self, stream: int) -> Heard:
        *partials, final = self.heard(stream)
        assert final.is_final and not any(partial.is_final for partial in partials)
        return final

    def took(self, stream: int) -> int:
        return sum(a.audio for a in self.all if isinstance(a, StreamTook) and a.stream == stream)

    def failures(self) -> dict[int, str]:
        return {a.stream: a.code for a in self.all if isinstance(a, StreamFailed)}

    def notes(self) -> list[str]:
        return [a.message for a in self.all if isinstance(a, Noted)]


def work(hearing: Hearing) -> None:
    for _ in range(1000):
        if not hearing.has_work:
            return
        hearing.work()
    raise AssertionError("the work never ends")


def whole(
    told: Told, *, max_batch: int = 8, longest_s: float | None = None, room: int | None = None
) -> tuple[WholeHearing, ToyWhole]:
    engine = ToyWhole(ToySettings(longest_s=longest_s, room=room))
    return WholeHearing(engine, told, room=Room(max_batch), partial_s=0.5), engine


def test_finals_are_heard_in_one_batch_and_before_partials() -> None:
    told = Told()
    hearing, engine = whole(told)
    for stream in range(3):
        hearing.open(stream, BEGIN)
        hearing.audio(stream, speech(1, 2, 3, 4, 5, 6))
    hearing.end(1)
    hearing.end(2)
    hearing.work()
    assert [len(batch) for batch in engine.batches] == [2]
    assert told.final(1).text == told.final(2).text == "1 2 3 4 5 6"
    hearing.work()
    assert [partial.text for partial in told.heard(0)] == ["1 2 3 4 5 6"]
    assert not hearing.has_work


def test_a_partial_waits_for_new_audio_and_is_not_told_twice() -> None:
    told = Told()
    hearing, engine = whole(told)
    hearing.open(1, BEGIN)
    hearing.audio(1, speech(1, 2))
    assert not hearing.has_work
    hearing.audio(1, speech(3, 0, 0))
    work(hearing)
    hearing.audio(1, speech(0, 0, 0, 0, 0))
    work(hearing)
    hearing.audio(1, speech(0, 0, 0, 0, 0))
    work(hearing)
    assert [(h.text, h.stable) for h in told.heard(1)] == [("1 2 3", 0), ("1 2 3", 5)]
    assert len(engine.batches) == 3


def test_without_partials_nothing_is_decoded_before_the_end() -> None:
    told = Told()
    hearing, engine = whole(told)
    hearing.open(1, QUIET)
    hearing.audio(1, speech(*range(1, 30)))
    assert not hearing.has_work and not engine.batches


def test_clips_of_other_buckets_wait_for_the_next_batch() -> None:
    told = Told()
    hearing, engine = whole(told)
    for stream, language in enumerate(("en", "de", "en", "de")):
        hearing.open(stream, msgspec.structs.replace(QUIET, language=language))
        hearing.audio(stream, speech(stream + 1))
        hearing.end(stream)
    work(hearing)
    assert [[clip.begin.language for clip in batch] for batch in engine.batches] == [["en", "en"], ["de", "de"]]
    assert [told.final(stream).text for stream in range(4)] == ["1", "2", "3", "4"]


def test_a_long_utterance_is_cut_and_told_as_one() -> None:
    told = Told()
    hearing, engine = whole(told, longest_s=1.0)
    hearing.open(1, QUIET)
    said = [1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 13, 0, 0, 14, 15]
    for number in said:
        hearing.audio(1, speech(number))
    hearing.end(1)
    work(hearing)
    final = told.final(1)
    assert final.text == " ".join(str(number) for number in said if number)
    assert len(engine.batches) >= 2 and all(clip.seconds <= 1.0 for (clip,) in engine.batches)
    contexts = [clip.context for (clip,) in engine.batches]
    assert contexts[0] == "" and contexts[1] == words(engine.batches[0][0].pcm)
    times = [time for word in final.words for time in (word.start, word.end)]
    assert times == sorted(times) and final.end == 100 * len(said)
    assert told.took(1) == WORD * len(said)


def test_no_more_audio_is_asked_for_while_pieces_wait() -> None:
    told = Told()
    hearing, _ = whole(told, longest_s=1.0)
    hearing.open(1, QUIET)
    for _ in range(60):
        hearing.audio(1, speech(1))
    assert told.took(1) < WORD * 10 * (MOST_PIECES + 2)
    work(hearing)
    assert told.took(1) == WORD * 60


def test_a_bad_clip_fails_alone() -> None:
    told = Told()
    hearing, _ = whole(told)
    for stream, number in enumerate((1, 255, 3)):
        hearing.open(stream, QUIET)
        hearing.audio(stream, speech(number))
        hearing.end(stream)
    work(hearing)
    assert told.failures() == {1: "provider"}
    assert (told.final(0).text, told.final(2).text) == ("1", "3")


def test_without_memory_the_batch_is_halved_and_said_so() -> None:
    told = Told()
    hearing, engine = whole(told, room=2)
    for stream in range(8):
        hearing.open(stream, QUIET)
        hearing.audio(stream, speech(stream + 1))
        hearing.end(stream)
    work(hearing)
    assert [told.final(stream).text for stream in range(8)] == [str(n) for n in range(1, 9)]
    assert [len(batch) for batch in engine.batches] == [8, 4, 2, 2, 4, 2, 2]
    assert "2 at a time" in told.notes()[-1]
    for stream in (8, 9, 10):
        hearing.open(stream, QUIET)
        hearing.audio(stream, speech(1))
        hearing.end(stream)
    work(hearing)
    assert [len(batch) for batch in engine.batches][7:] == [2, 1]


def test_one_utterance_that_fits_nowhere_fails_by_name() -> None:
    told = Told()
    hearing, _ = whole(told)
    hearing.open(1, QUIET)
    hearing.audio(1, speech(252))
    hearing.end(1)
    work(hearing)
    assert told.failures() == {1: "out-of-memory"}


def test_a_broken_engine_is_not_called_again() -> None:
    hearing, _ = whole(Told())
    hearing.open(1, QUIET)
    hearing.audio(1, speech(254))
    hearing.end(1)
    with pytest.raises(Broken):
        hearing.work()


def test_a_batch_grows_again_after_a_long_while() -> None:
    room = Room(8)
    assert "4 at a time" in room.ran_out(8)
    for _ in range(TRUST_AFTER - 1):
        room.went_well(4)
    assert room.limit == 4
    room.went_well(4)
    assert room.limit == 8


def test_steps_are_shared_and_each_stream_comes_once() -> None:
    told = Told()
    engine = ToyStreaming(ToySettings(step_s=0.2))
    hearing = StreamingHearing(engine, told, room=Room(8))
    for stream in range(3):
        hearing.open(stream, BEGIN)
        hearing.audio(stream, speech(1, 2, 3, 4, 5))
    work(hearing)
    assert engine.calls == [("step", 3), ("step", 3)]
    for stream in range(3):
        hearing.end(stream)
    work(hearing)
    assert engine.calls[2:] == [("end", 3)] and not engine.open
    assert [h.text for h in told.heard(0)] == ["1 2", "1 2 3 4", "1 2 3 4 5"]


def test_a_stream_that_was_dropped_is_forgotten_by_the_engine() -> None:
    engine = ToyStreaming(ToySettings())
    hearing = StreamingHearing(engine, Told(), room=Room(8))
    hearing.open(1, BEGIN)
    hearing.audio(1, speech(1, 2, 3))
    hearing.drop(1)
    hearing.drop(1)
    hearing.audio(1, speech(1))
    hearing.end(1)
    assert not engine.open and not hearing.has_work


def test_a_step_that_fails_fails_those_who_shared_it() -> None:
    told = Told()
    engine = ToyStreaming(ToySettings())
    hearing = StreamingHearing(engine, told, room=Room(8))
    for stream, number in enumerate((1, 255)):
        hearing.open(stream, BEGIN)
        hearing.audio(stream, speech(number, number))
    hearing.work()
    assert told.failures() == {0: "provider", 1: "provider"} and not engine.open


_MOVES = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(("audio", "work", "end", "drop"))), max_size=60)


@given(moves=_MOVES, streaming=st.booleans(), batch=st.integers(1, 4), room=st.sampled_from((None, 1, 2)))
def test_every_stream_that_ends_gets_all_its_words_exactly_once(
    moves: list[tuple[int, str]], streaming: bool, batch: int, room: int | None
) -> None:
    told = Told()
    hearing: Hearing
    if streaming:
        engine = ToyStreaming(ToySettings(step_s=0.15, room=room))
        hearing = StreamingHearing(engine, told, room=Room(batch))
    else:
        hearing, _ = whole(told, max_batch=batch, longest_s=0.7, room=room)
    said: dict[int, list[int]] = defaultdict(list)
    over: set[int] = set()
    dropped: set[int] = set()
    for stream in range(4):
        hearing.open(stream, BEGIN)
    for n, (stream, move) in enumerate(moves):
        if move == "audio" and stream not in over:
            said[stream].append(n % 200 + 1)
            hearing.audio(stream, speech(n % 200 + 1))
        elif move == "end":
            over.add(stream)
            hearing.end(stream)
        elif move == "drop" and not told.heard(stream)[-1:]:
            dropped.add(stream)
            over.add(stream)
            hearing.drop(stream)
        elif move == "work" and hearing.has_work:
            hearing.work()
    for stream in range(4):
        hearing.end(stream)
    work(hearing)
    for stream in set(range(4)) - dropped:
        final = told.final(stream)
        assert final.text == " ".join(map(str, said[stream]))
        assert final.end == 100 * len(said[stream])
        assert told.took(stream) == WORD * len(said[stream])
        shown = [h.text for h in told.heard(stream)]
        assert all(0 <= h.stable <= len(h.text) for h in told.heard(stream)), shown
    assert not told.failures()
