"""Server-sent events out of bytes, however they are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.correction.events import LONGEST_LINE, MOST_BYTES, EventReader
from asr_hub.errors import CorrectionFailed

pytestmark = pytest.mark.unit

END = st.sampled_from(["\n", "\r\n", "\r"])
LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1, max_size=8)


def read(reader: EventReader, stream: bytes, cuts: list[int]) -> list[str]:
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [event for at, place in enumerate(places[1:]) for event in reader.feed(stream[places[at] : place])]


@given(st.lists(st.lists(LINE, min_size=1, max_size=3), max_size=5), END, st.lists(st.integers(0, 999), max_size=9))
def test_events_are_the_same_wherever_the_stream_is_cut(events: list[list[str]], end: str, cuts: list[int]) -> None:
    told = [end.join(f"data: {line}" for line in lines) + end + "id: 7" + end + ": ping" + end for lines in events]
    stream = end.join([*told, ""]).encode()
    assert read(EventReader(), stream, cuts) == ["\n".join(lines) for lines in events]


@given(st.binary(max_size=200), st.lists(st.integers(0, 999), max_size=9))
def test_any_bytes_are_read_or_refused_by_name(stream: bytes, cuts: list[int]) -> None:
    try:
        assert all(isinstance(event, str) for event in read(EventReader(), stream, cuts))
    except CorrectionFailed as failed:
        assert failed.reason == "garbage"


@pytest.mark.parametrize("block", [b"x" * 1000, b"data: x\n" * 100, b": ping\n\n" * 1000])
def test_no_stream_goes_on_for_ever(block: bytes) -> None:
    reader = EventReader()
    with pytest.raises(CorrectionFailed) as raised:
        for _ in range(MOST_BYTES // len(block) + 1):
            list(reader.feed(block))
    assert raised.value.reason == "oversized"


def test_the_longest_event_is_taken() -> None:
    [event] = EventReader().feed(b"data: " + b"x" * (LONGEST_LINE - 7) + b"\n\n")
    assert len(event) == LONGEST_LINE - 7
