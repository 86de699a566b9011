"""Packets that no client should send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from socketio import packet

from asr_hub.protocols.socket_io.packets import BROKEN, StrictPacket

pytestmark = pytest.mark.unit

PLACE = '{"_placeholder":true,"num":0}'


def read(encoded: object) -> StrictPacket:
    return StrictPacket(encoded_packet=encoded)


def test_sound_packets_are_read_as_the_library_reads_them() -> None:
    event = read('2/v1/stream,7["message",{"type":"start"}]')
    assert (event.packet_type, event.namespace, event.id) == (packet.EVENT, "/v1/stream", 7)
    assert event.data == ["message", {"type": "start"}]
    audio = read(f'51-["audio_data",{PLACE}]')
    assert audio.add_attachment(b"12") is True
    assert audio.data == ["audio_data", b"12"]
    assert read('0/v1/stream,{"token":"k"}').data == {"token": "k"}
    assert read("1").packet_type == packet.DISCONNECT


@pytest.mark.parametrize(
    "encoded",
    [
        "2",
        "2[]",
        "2{}",
        '2"audio"',
        "2[7]",
        '2["audio"',
        '2["connect",{},{}]',
        '2["disconnect"]',
        '2["*","x"]',
        f'52-["audio_data",{PLACE}]',
        f'50-["audio_data",{PLACE}]',
        f'5["audio_data",{PLACE}]',
        '59999999999-["audio_data"]',
        "51-",
        '4{"message":"x"}',
        '61-["x"]',
        '3{"a":1}',
        "9",
        "x",
        "-1",
        "²",
        "2" + "[" * 100_000,
        "2" + "1" * 200 + '["x"]',
        b"4",
        b"audio without its event",
        {"a": 1},
        [1],
        7,
    ],
    ids=lambda it: repr(it)[:40],
)
def test_whatever_is_no_packet_becomes_an_event_that_says_so(encoded: object) -> None:
    broken = read(encoded)
    assert broken.packet_type == packet.EVENT
    assert broken.data == [BROKEN]
    assert (broken.id, broken.attachment_count) == (None, 0)


@pytest.mark.parametrize("place", ['{"_placeholder":true,"num":7}', '{"_placeholder":true,"num":"x"}', "1"])
def test_an_attachment_without_its_place_breaks_one_event_and_not_the_connection(place: str) -> None:
    audio = read(f'51-["audio_data",{place}]')
    assert audio.add_attachment(b"12") is True
    assert audio.packet_type == packet.BINARY_EVENT
    assert audio.data in ([BROKEN], ["audio_data", 1])


def test_text_is_no_attachment() -> None:
    audio = read(f'51-["audio_data",{PLACE}]')
    assert audio.add_attachment('2["audio_data"]') is True
    assert audio.data == [BROKEN]


@given(st.text() | st.from_regex(r'[0-9]{1,3}-?(/[a-z]*,)?[0-9]*(\[.*\]|\{.*\}|"[a-z]*")?', fullmatch=True))
def test_reading_never_fails(encoded: str) -> None:
    one = read(encoded)
    if one.packet_type == packet.EVENT and encoded:
        assert isinstance(one.data[0], str)
    if one.packet_type == packet.BINARY_EVENT:
        assert one.attachment_count == 1
        assert one.add_attachment(b"12") is True
