from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.audio.shapes import assert_in_row, cuts, frames, joined, noise

from asr_hub.audio.operators.windows import Windows

pytestmark = pytest.mark.unit


@settings(max_examples=50, deadline=None)
@given(cuts(), st.integers(0, 6000), st.integers(1, 4))
def test_windows_are_of_one_size_and_nothing_is_lost(sizes: list[int], samples: int, at_once: int) -> None:
    windows, pcm = Windows(512, 16_000), noise(samples)
    pieces = frames(pcm, sizes)
    out = [window for i in range(0, len(pieces), at_once) for window in windows.cut(pieces[i : i + at_once])]
    assert all(window.samples == 512 for window in out)
    rest = windows.rest()
    out += [] if rest is None else [rest]
    assert joined(out) == pcm
    assert_in_row(out)
    assert windows.rest() is None
