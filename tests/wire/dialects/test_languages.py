"""One language, or any."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.wire.dialects.languages import spoken

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("codes", "language"),
    [
        (["en-US"], "en-US"),
        (["en_GB"], "en-GB"),
        (["zh", "zh"], "zh"),
        (["cmn-Hans-CN"], "zh-Hans-CN"),
        (["yue-Hant-HK"], "yue-Hant-HK"),
        (["", " en "], "en"),
        (["en-US", "de-DE"], None),
        ([""], None),
        (["auto"], None),
        (["Multi"], None),
        ([], None),
    ],
)
def test_one_language_is_told_apart_from_any(codes: list[str], language: str | None) -> None:
    assert spoken(codes) == language


@given(st.lists(st.text()))
def test_what_is_told_is_one_of_those_that_were_named(codes: list[str]) -> None:
    language = spoken(codes)
    assert language is None or language.split("-")[1:] in [
        code.strip().replace("_", "-").split("-")[1:] for code in codes
    ]
