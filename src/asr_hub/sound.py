"""What an utterance sounds like, in a few numbers."""

from __future__ import annotations

import msgspec


class Sound(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Measured once, when the utterance is over. Nothing in it depends on how loud the audio is but the levels."""

    seconds: float
    sounding: float
    """Seconds that are no more than 25 dB below the loudest moment: without the pauses, where it is quiet in them."""
    level: float
    """dBFS of the whole: 0 is the loudest, -100 is digital silence."""
    loudest: float
    """dBFS of the loudest tenth of a second."""
    movement: float | None
    """
    Decibels by which the liveliest bands change from one tenth of a second to the next, where they change most.

    Speech: above 6. Steady noise and held notes: below 4 for seconds, below 6 for half a minute. None: shorter than
    can be told.
    """
    tone: float
    """Share of the energy that lies in the six strongest of a hundred bins, 0 to 1. Above 0.99: whistles and beeps."""
    hiss: float
    """How flat the spectrum gets in the flattest tenth, 0 to 1. Consonants make it flat; music alone does not."""
