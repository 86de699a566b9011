"""Fields become an order, and queries a search, or are named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.errors import ProtocolError
from asr_hub.protocols.jobs_form import FIELDS, order_of, states_of, time_of
from asr_hub.protocols.jobs_port import Order

pytestmark = pytest.mark.unit


def test_nothing_asked_for_is_what_is_usual() -> None:
    assert order_of({}) == Order() == order_of({name: [" "] for name in FIELDS})


def test_lists_come_with_commas_or_again_and_again() -> None:
    order = order_of({"hotwords": ["Brig, Visp", "", "Täsch ,Brig", ","], "formats": ["srt", "vtt,srt"]})
    assert order.hotwords == ("Brig", "Visp", "Täsch")
    assert order.formats == ("srt", "vtt")


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), st.lists(st.text(max_size=40), max_size=3)))
def test_any_fields_are_an_order_within_bounds_or_a_named_error(fields: dict[str, list[str]]) -> None:
    try:
        order = order_of(fields)
    except ProtocolError as exc:
        assert exc.code == "bad-value" and str(exc)
    else:
        assert 1 <= order.priority <= 100 and 0 <= order.batch_size <= 256
        assert order.channels in ("mix", "split")
        assert all(word and word.isprintable() for word in order.hotwords)


def test_states_are_named_once_in_any_spelling_of_a_list() -> None:
    assert states_of([]) == ()
    assert states_of(["failed", "done, failed", ""]) == ("done", "failed")
    with pytest.raises(ProtocolError):
        states_of(["done", "gone"])


@given(st.datetimes(), st.integers(-23, 23))
def test_a_time_is_read_as_it_was_written(at: datetime, hours: int) -> None:
    at = at.replace(year=1900 + at.year % 8000, day=min(at.day, 28))
    zoned = at.replace(tzinfo=timezone(timedelta(hours=hours)))
    assert time_of("since", zoned.isoformat()) == pytest.approx(zoned.timestamp(), abs=1e-5)
    assert time_of("since", zoned.isoformat(sep=" ")) == pytest.approx(zoned.timestamp(), abs=1e-5)
    # A query that was not escaped has a space where the plus was.
    assert time_of("since", zoned.isoformat().replace("+", " ")) == pytest.approx(zoned.timestamp(), abs=1e-5)
    assert time_of("since", at.isoformat()) == pytest.approx(at.replace(tzinfo=UTC).timestamp(), abs=1e-5)


@pytest.mark.parametrize(
    ("given_time", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("1.5", 1.5),
        ("-3", -3.0),
        ("1970-01-02", 86_400.0),
        ("1970-01-01T00:00:09Z", 9.0),
    ],
)
def test_seconds_and_dates_are_times(given_time: str | None, seconds: float | None) -> None:
    assert time_of("since", given_time) == seconds


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_a_named_error(text: str) -> None:
    try:
        seconds = time_of("until", text)
    except ProtocolError as exc:
        assert exc.code == "bad-value" and "until" in str(exc)
    else:
        assert seconds is None or abs(seconds) < 1e12
