"""Who speaks: free voices of three synthesisers, some of them kept for the tests."""

from __future__ import annotations

import random
from typing import Literal

import msgspec

Synthesiser = Literal["espeak-ng", "flite", "festival"]
Split = Literal["train", "phrases", "variants", "speakers"]
"""`phrases` are new phrases in known voices, `variants` known voices changed anew, `speakers` voices never heard."""

ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-029")
VARIANTS = (
    *("", "m1", "m2", "m3", "m4", "m5", "m6", "f1", "f2", "f3", "f4", "Andy", "Annie", "klatt", "klatt2"),
    *("Michael", "Mike", "linda", "steph", "john"),
)
"""Of espeak-ng's voices; those of the trainings."""
VARIANTS_FOR_TESTS = ("m7", "f5", "klatt4", "Alicia", "pablo")
_FLITE = ("slt", "rms", "kal16")
_FESTIVAL = ("kal_diphone", "cmu_us_slt_arctic_hts")


class Voice(msgspec.Struct, frozen=True):
    """A voice of a synthesiser, and how it is to speak."""

    synthesiser: Synthesiser
    name: str
    speed: float = 0.0
    """Words a minute for espeak-ng, a stretch of durations for flite; festival speaks as it does."""
    pitch: int = 0
    """0 to 99, espeak-ng alone."""


FESTIVAL_VOICES = (*_FESTIVAL, "ked_diphone")
"""Every festival voice that is cast."""
FLITE_VOICES = (*_FLITE, "awb")
"""Every flite voice that is cast."""


def cast(chance: random.Random, split: Split) -> Voice:
    """A voice for one utterance of a split."""
    if split == "variants":
        return _espeak(chance, VARIANTS_FOR_TESTS)
    if split == "speakers":
        if chance.random() < 0.5:
            return _flite(chance, ("awb",))
        return Voice("festival", "ked_diphone")
    draw = chance.random()
    if draw < 0.45:
        return _espeak(chance, VARIANTS)
    if draw < 0.8:
        return _flite(chance, _FLITE)
    return Voice("festival", chance.choice(_FESTIVAL))


def _espeak(chance: random.Random, variants: tuple[str, ...]) -> Voice:
    variant = chance.choice(variants)
    name = chance.choice(ACCENTS) + (f"+{variant}" if variant else "")
    return Voice("espeak-ng", name, chance.randint(125, 195), chance.randint(30, 70))


def _flite(chance: random.Random, names: tuple[str, ...]) -> Voice:
    return Voice("flite", chance.choice(names), round(chance.uniform(0.85, 1.25), 2))
