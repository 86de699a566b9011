"""Events of Wyoming in a stream of bytes, as the package `wyoming` writes and reads them."""

from __future__ import annotations

import io
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wyoming.event import Event as Theirs
from wyoming.event import read_event, write_event

from asr_hub.errors import ProtocolError, TooLarge
from asr_hub.wire.dialects.wyoming_events import MAX_HEADER, MAX_PAYLOAD, Event, Frames, read, write

pytestmark = pytest.mark.unit

LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
DATA = st.dictionaries(st.text(max_size=5), LEAVES | st.lists(LEAVES, max_size=3), max_size=4)
EVENTS = st.builds(Event, st.text(max_size=9), DATA, st.binary(max_size=40))


def written(event: Event) -> bytes:
    out = io.BytesIO()
    write_event(Theirs(event.type, event.data, event.payload), out)
    return out.getvalue()


def frames(stream: bytes, cuts: list[int]) -> list[bytes]:
    """What comes out where the stream arrives in pieces."""
    found: list[bytes] = []
    cutter = Frames()
    edges = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        cutter.feed(stream[start:end])
        while (frame := cutter.next()) is not None:
            found.append(frame)
    return found


@settings(max_examples=60)
@given(st.lists(EVENTS, max_size=5), st.lists(st.integers(0, 2000), max_size=12))
def test_events_of_the_package_are_read_however_the_stream_is_cut(events: list[Event], cuts: list[int]) -> None:
    assert [read(frame) for frame in frames(b"".join(map(written, events)), cuts)] == events


@settings(max_examples=60)
@given(EVENTS)
def test_the_package_reads_what_is_written(event: Event) -> None:
    theirs = read_event(io.BytesIO(write(event)))
    assert theirs is not None
    assert Event(theirs.type, theirs.data, theirs.payload or b"") == event


@settings(max_examples=60)
@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_any_bytes_are_events_or_refused_and_the_cuts_make_no_difference(stream: bytes, cuts: list[int]) -> None:
    found = frames(stream, cuts)
    assert found == frames(stream, [])
    for frame in found:
        try:
            read(frame)
        except (ProtocolError, TooLarge) as error:
            assert str(error)


def test_data_after_the_line_is_merged_over_that_of_the_line() -> None:
    frame = b'{"type":"t","data":{"a":1,"b":1},"data_length":7,"payload_length":null}\n{"b":2}'
    assert read(frame) == Event("t", {"a": 1, "b": 2})


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"GET / HTTP/1.1\r\n", ProtocolError),
        (b"[]\n", ProtocolError),
        (b'{"data":{}}\n', ProtocolError),
        (b'{"type":"t","data_length":-1}\n', ProtocolError),
        (b'{"type":"t","payload_length":"9"}\n', ProtocolError),
        (b"[" * 2000 + b"\n", ProtocolError),
        (b'{"type":"\xff"}\n', ProtocolError),
        (json.dumps({"type": "t", "payload_length": MAX_PAYLOAD + 1}).encode() + b"\n", TooLarge),
        (b" " * MAX_HEADER, TooLarge),
    ],
)
def test_after_what_is_no_event_nothing_is_taken(line: bytes, kind: type[Exception]) -> None:
    cutter = Frames()
    cutter.feed(line)
    cutter.feed(written(Event("ping")))
    frame = cutter.next()
    assert frame is not None
    with pytest.raises(kind):
        read(frame)
    cutter.feed(written(Event("ping")))
    assert (cutter.is_broken, cutter.next()) == (True, None)


@pytest.mark.parametrize("data", [b"[]", b"{", b"\xff"])
def test_data_that_is_no_object_is_refused_and_the_next_event_is_found(data: bytes) -> None:
    ping: dict[str, Any] = {"type": "t", "data_length": len(data)}
    wrong, right = frames(json.dumps(ping).encode() + b"\n" + data + written(Event("ping")), [])
    with pytest.raises(ProtocolError):
        read(wrong)
    assert read(right) == Event("ping")


def test_a_payload_of_the_largest_size_is_taken() -> None:
    (frame,) = frames(written(Event("t", {}, bytes(MAX_PAYLOAD))), [7, MAX_PAYLOAD // 2])
    assert len(read(frame).payload) == MAX_PAYLOAD
