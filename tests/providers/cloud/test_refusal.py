"""What servers say when they refuse, and what of it is passed on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.errors import HubError
from asr_hub.providers.cloud.hints import fitting
from asr_hub.providers.cloud.refusal import Account, refused, seconds

pytestmark = pytest.mark.unit

KEY = "sk-0123456789"
ODD = st.none() | st.integers() | st.text() | st.lists(st.text())


@given(
    st.none() | st.integers(100, 599),
    st.lists(st.sampled_from([KEY, "a", "\n", "\u202e", "x" * 500]), max_size=8).map("".join) | ODD,
    st.sampled_from([None, "invalid_api_key", "insufficient_quota", "rate_limit_exceeded"]) | ODD,
    ODD,
)
def test_every_refusal_is_one_short_line_without_the_key(
    status: int | None, message: object, code: object, retry_after: object
) -> None:
    error = refused(Account("cloud", KEY, "CLOUD_KEY"), status, message, code=code, retry_after=retry_after)
    text = str(error)
    assert isinstance(error, HubError) and text.startswith("cloud: ")
    assert KEY not in text and text.isprintable() and len(text) < 600


@pytest.mark.parametrize(
    ("status", "is_worth_it"),
    [(400, False), (404, False), (422, False), (408, True), (429, True), (500, True), (None, True)],
)
def test_what_will_be_refused_again_is_not_asked_again(status: int | None, is_worth_it: bool) -> None:
    assert refused(Account("cloud", KEY, "CLOUD_KEY"), status).retryable is is_worth_it


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        (None, None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e99", 3600.0),
    ],
)
def test_the_time_to_come_back_is_a_sane_number(header: str | None, wait: float | None) -> None:
    assert seconds(header) == wait


@given(st.lists(st.text(max_size=12)), st.integers(0, 5), st.integers(1, 9), st.integers(-5, 30))
def test_hotwords_fit_and_those_that_do_not_are_counted(
    hotwords: list[str], most: int, longest: int, total: int
) -> None:
    hints = fitting(hotwords, most=most, longest=longest, total=total)
    assert len(hints.words) <= most and sum(map(len, hints.words)) <= max(total, 0)
    assert all(word and len(word) <= longest and word == " ".join(word.split()) for word in hints.words)
    different = len({" ".join(word.split()) for word in hotwords} - {""})
    assert len(set(hints.words)) == len(hints.words) <= different
    assert bool(hints.warnings) == (len(hints.words) < different)
