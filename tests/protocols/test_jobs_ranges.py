"""Which bytes a request asks for, as RFC 9110 has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.protocols.jobs_ranges import Answer, Part, asked, etag_of

pytestmark = pytest.mark.unit

ETAG = etag_of("ab" * 32)

CASES: list[tuple[dict[str, str], Part | Answer]] = [
    ({}, Answer.WHOLE),
    ({"range": "bytes=0-0"}, Part(0, 1)),
    ({"range": "bytes=0-"}, Part(0, 100)),
    ({"range": "bytes=99-"}, Part(99, 100)),
    ({"range": "bytes=10-19"}, Part(10, 20)),
    ({"range": "bytes=10-999999"}, Part(10, 100)),
    ({"range": "bytes=-1"}, Part(99, 100)),
    ({"range": "bytes=-100000"}, Part(0, 100)),
    ({"range": "Bytes = 1 - 2"}, Part(1, 3)),
    ({"range": "bytes=0000000000000000000005-000000000000000000000006"}, Part(5, 7)),
    ({"range": "bytes=100-"}, Answer.BEYOND),
    ({"range": "bytes=100-200"}, Answer.BEYOND),
    ({"range": f"bytes={'9' * 5000}-"}, Answer.BEYOND),
    ({"range": f"bytes={'9' * 5000}-{'9' * 5000}"}, Answer.BEYOND),
    ({"range": f"bytes=-{'9' * 5000}"}, Part(0, 100)),
    ({"range": "bytes=-0"}, Answer.BEYOND),
    # What is no range, or more than one, is as none.
    ({"range": "bytes=5-4"}, Answer.WHOLE),
    ({"range": "bytes=-"}, Answer.WHOLE),
    ({"range": "bytes="}, Answer.WHOLE),
    ({"range": "bytes=0-1,5-6"}, Answer.WHOLE),
    ({"range": "bytes=0-1, -5"}, Answer.WHOLE),
    ({"range": "seconds=0-1"}, Answer.WHOLE),
    ({"range": "bytes=\u0663-"}, Answer.WHOLE),
    ({"range": "bytes=1.5-2"}, Answer.WHOLE),
    ({"range": "bytes=--1"}, Answer.WHOLE),
    # A part is sent only of the file that the client has the rest of.
    ({"range": "bytes=0-0", "if-range": ETAG}, Part(0, 1)),
    ({"range": "bytes=0-0", "if-range": etag_of("cd" * 32)}, Answer.WHOLE),
    ({"range": "bytes=0-0", "if-range": f"W/{ETAG}"}, Answer.WHOLE),
    ({"range": "bytes=0-0", "if-range": "Wed, 21 Oct 2015 07:28:00 GMT"}, Answer.WHOLE),
    ({"if-none-match": ETAG}, Answer.UNCHANGED),
    ({"if-none-match": f'"x", W/{ETAG}'}, Answer.UNCHANGED),
    ({"if-none-match": "*", "range": "bytes=0-0"}, Answer.UNCHANGED),
    ({"if-none-match": '"x"', "range": "bytes=0-0"}, Part(0, 1)),
]


@pytest.mark.parametrize(("headers", "wanted"), CASES, ids=range(len(CASES)))
def test_a_request_is_answered_with_what_it_asks_for(headers: dict[str, str], wanted: Part | Answer) -> None:
    assert asked(headers, ETAG, 100) == wanted


@given(
    st.one_of(st.text(max_size=30), st.from_regex(r"bytes=[0-9]{0,4}-[0-9]{0,4}", fullmatch=True)), st.integers(1, 500)
)
def test_a_part_lies_in_the_file_whatever_is_asked(header: str, size: int) -> None:
    found = asked({"range": header}, ETAG, size)
    if isinstance(found, Part):
        assert 0 <= found.start < found.end <= size
        assert found.header(size) == f"bytes {found.start}-{found.end - 1}/{size}"
    else:
        assert found in (Answer.WHOLE, Answer.BEYOND)


@given(st.integers(0, 200), st.integers(0, 200), st.integers(1, 150))
def test_a_part_has_the_bytes_that_it_names(first: int, last: int, size: int) -> None:
    data = bytes(size)
    found = asked({"range": f"bytes={first}-{last}"}, ETAG, size)
    if first > last:
        assert found is Answer.WHOLE
    elif first >= size:
        assert found is Answer.BEYOND
    else:
        assert isinstance(found, Part)
        assert data[found.start : found.end] == data[first : last + 1]
        assert found.start == first
