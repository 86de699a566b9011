"""The window is the smallest that fits, and few windows exist."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.providers.whisper.window import STEPS_S, window_s

pytestmark = pytest.mark.unit

SECONDS = st.floats(0, 60)


@given(seconds=SECONDS, least=SECONDS, margin=st.floats(0, 10), full=st.sampled_from((5.0, 30.0)))
def test_it_fits_or_is_the_full_one(seconds: float, least: float, margin: float, full: float) -> None:
    window = window_s(seconds, full=full, least=least, margin=margin)
    assert window in (*STEPS_S, full) and window <= full
    if window < full:
        assert window >= seconds + margin and window >= least
        assert not any(least <= step < window and seconds + margin <= step for step in STEPS_S)


@pytest.mark.parametrize(
    ("seconds", "least", "margin", "window"),
    [(1, 3, 0.5, 3), (1, 10, 2, 10), (8.1, 10, 2, 20), (8, 10, 2, 10), (18.5, 3, 2, 30), (28, 3, 2, 30)],
)
def test_known_windows(seconds: float, least: float, margin: float, window: float) -> None:
    assert window_s(seconds, full=30, least=least, margin=margin) == window
