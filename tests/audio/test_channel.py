from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_hub.audio.channel import AudioChannel
from asr_hub.errors import TooLarge
from asr_hub.model import AudioFormat

pytestmark = pytest.mark.unit

STEREO = AudioFormat(8_000, channels=2)


def test_bytes_come_out_in_order_and_whole() -> None:
    channel = AudioChannel(STEREO)
    channel.push(b"abcdef")
    channel.push(b"ghij")
    assert channel.take(7) == b"abcd"
    assert channel.take(100) == b"efgh"
    assert channel.take(100) == b""
    channel.push(b"kl")
    assert channel.take(100) == b"ijkl"
    assert (channel.offset, channel.taken, channel.size) == (3, 3, 0)


def test_one_message_comes_out_without_a_copy() -> None:
    channel, audio = AudioChannel(STEREO), bytes(640)
    channel.push(audio)
    assert channel.take(10_000) is audio


def test_room_is_told_once_at_the_low_water() -> None:
    told: list[float] = []
    channel = AudioChannel(STEREO, high=1.0, low=0.5, limit=2.0, on_room=lambda: told.append(channel.seconds))
    second = STEREO.bytes_per_second
    assert channel.push(bytes(second))
    assert not channel.push(bytes(4))
    assert not channel.push(b"")
    channel.take(second // 4)
    assert told == [] and not channel.push(b"")
    channel.take(second // 2)
    assert len(told) == 1 and told[0] <= 0.5
    channel.take(second)
    assert len(told) == 1 and channel.push(bytes(4))


def test_past_the_limit_nothing_is_taken() -> None:
    channel = AudioChannel(STEREO, high=0.5, low=0.25, limit=1.0)
    channel.push(bytes(STEREO.bytes_per_second))
    with pytest.raises(TooLarge, match="1 s of audio"):
        channel.push(bytes(1))
    assert channel.seconds == 1.0 and channel.offset == 8_000


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=50), st.integers(0, 60)), max_size=40))
def test_any_order_of_writing_and_reading(steps: list[bytes | int]) -> None:
    channel, written, read = AudioChannel(STEREO), b"", b""
    for step in steps:
        if isinstance(step, bytes):
            channel.push(step)
            written += step
        else:
            got = channel.take(step)
            assert len(got) <= step and len(got) % 4 == 0
            read += got
        assert channel.size == len(written) - len(read)
        assert (channel.offset, channel.taken) == (len(written) // 4, len(read) // 4)
    assert read + channel.take(10_000) == written[: len(written) // 4 * 4]
