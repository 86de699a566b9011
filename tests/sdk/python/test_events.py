"""Event streams, however their bytes come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub_client.events import Event, EventParser

pytestmark = pytest.mark.unit

STREAM = (
    b'retry: 1000\n\nid: 1\nevent: final\ndata: {"a":\n\ndata: one\r\ndata:two\r\n\r\n: a heartbeat\n\nid: 7\n\n'
    b"event: reset\rdata: {}\r\rdata: \xe2\x80\xa8 \x85 \x0b stays\n\n"
)
EVENTS = [
    Event("final", b'{"a":'),
    Event("message", b"one\ntwo"),
    Event("reset", b"{}"),
    Event("message", b"\xe2\x80\xa8 \x85 \x0b stays"),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=len(STREAM)))
def test_events_are_the_same_wherever_the_stream_is_split(cuts: list[int]) -> None:
    parser = EventParser()
    ends = [*sorted(cuts), len(STREAM)]
    got = [event for start, end in zip([0, *ends], ends, strict=False) for event in parser.feed(STREAM[start:end])]
    assert got == EVENTS


@given(st.binary(max_size=200))
def test_any_bytes_are_taken(data: bytes) -> None:
    parser = EventParser()
    assert all(isinstance(event.type, str) for event in parser.feed(data))


@pytest.mark.parametrize("endless", [b"data: aaaaaaaaaa", b"data: aaaaaaaaaa\n"])
def test_an_event_without_end_is_refused(endless: bytes) -> None:
    parser = EventParser(limit=100)
    with pytest.raises(ValueError, match="more than 100 bytes"):
        for _ in range(100):
            list(parser.feed(endless))
