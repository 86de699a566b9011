"""How much audio the encoder is given: a clip is padded to a window, and clips of equal windows share a batch."""

from __future__ import annotations

STEPS_S = (3.0, 5.0, 10.0, 20.0)
"""Seconds of the windows below the full one. Few, so that clips of unlike length meet in a batch."""


def window_s(seconds: float, *, full: float, least: float, margin: float) -> float:
    """The smallest window of at least `least` seconds that leaves `margin` after the clip, or the full one."""
    wanted = max(least, seconds + margin)
    return next((step for step in STEPS_S if wanted <= step < full), full)
