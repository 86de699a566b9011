"""Which samples of a body reach the session, however it was cut and wherever it starts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_hub.errors import Conflict, UnsupportedAudio
from asr_hub.model import AudioFormat, Encoding
from asr_hub.protocols.http_body import AudioBody

pytestmark = pytest.mark.unit

FORMATS = st.builds(
    AudioFormat, sample_rate=st.just(8000), channels=st.integers(1, 3), encoding=st.sampled_from(Encoding)
)


def hear(body: AudioBody, data: bytes, cuts: list[int]) -> list[bytes]:
    """The pieces that `data` gives, sent in parts that end at `cuts`."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [piece for a, b in pairwise(edges) for piece in body.add(data[a:b])]
    body.end()
    return pieces


@settings(max_examples=300, deadline=None)
@given(data=st.data(), format=FORMATS, samples=st.integers(0, 60))
def test_any_overlapping_chunks_give_the_audio_once(data: st.DataObject, format: AudioFormat, samples: int) -> None:
    frame = format.bytes_per_frame
    speech = bytes(n % 251 for n in range(samples * frame))
    heard = b""
    for _ in range(data.draw(st.integers(1, 6))):
        taken = len(heard) // frame
        start = data.draw(st.integers(0, taken))
        end = data.draw(st.integers(start, samples))
        body = AudioBody(format, offset=start, taken=taken, max_bytes=data.draw(st.integers(1, 100)))
        cuts = data.draw(st.lists(st.integers(0, 1000), max_size=5))
        pieces = hear(body, speech[start * frame : end * frame], cuts)
        assert all(piece and len(piece) % frame == 0 for piece in pieces)
        heard += b"".join(pieces)
        assert heard == speech[: max(taken, end) * frame]


@settings(max_examples=200, deadline=None)
@given(
    format=FORMATS,
    size=st.integers(0, 200),
    skipped=st.integers(0, 20),
    max_bytes=st.integers(1, 64),
    cuts=st.lists(st.integers(0, 1000), max_size=5),
)
def test_half_a_sample_at_the_end_is_told_and_never_heard(
    format: AudioFormat, size: int, skipped: int, max_bytes: int, cuts: list[int]
) -> None:
    frame = format.bytes_per_frame
    data = bytes(n % 251 for n in range(size))
    body = AudioBody(format, offset=0, taken=skipped, max_bytes=max_bytes)
    edges = [0, *sorted(cut % (size + 1) for cut in cuts), size]
    heard = b"".join(piece for a, b in pairwise(edges) for piece in body.add(data[a:b]))
    assert heard == data[skipped * frame : size - size % frame]
    if size % frame:
        with pytest.raises(UnsupportedAudio) as refusal:
            body.end()
        assert refusal.value.code == "odd-byte-count"
    else:
        body.end()


def test_pieces_are_no_longer_than_the_limit_and_a_second() -> None:
    whole = bytes(100_000)
    assert {len(piece) for piece in AudioBody(AudioFormat(), offset=None, taken=0, max_bytes=2**20).add(whole)} == {
        32_000,
        4_000,
    }
    limited = AudioBody(AudioFormat(channels=2), offset=None, taken=7, max_bytes=30_001).add(whole)
    assert max(map(len, limited)) == 30_000


def test_a_gap_says_where_to_send_from() -> None:
    with pytest.raises(Conflict, match="from 16000 on") as refusal:
        AudioBody(AudioFormat(), offset=16_001, taken=16_000, max_bytes=2**20)
    assert refusal.value.code == "audio-gap"
