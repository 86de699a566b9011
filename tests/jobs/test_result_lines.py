"""Results are read as they were written, whatever was said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.jobs.job import Result
from asr_hub.jobs.result_lines import read, written
from asr_hub.model import Hypothesis, Word

pytestmark = pytest.mark.unit

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
words = st.builds(Word, texts, st.integers(0, 9), st.integers(0, 9), st.none() | st.floats(0, 1))
hypotheses = st.builds(
    Hypothesis,
    text=texts,
    start=st.integers(0, 9),
    end=st.integers(0, 9),
    words=st.lists(words, max_size=3).map(tuple),
    language=st.none() | texts,
    speaker=st.none() | texts,
)


@given(
    st.builds(
        Result,
        duration_ms=st.integers(0, 10**9),
        hypotheses=st.lists(hypotheses, max_size=4).map(tuple),
        language=st.none() | texts,
        warnings=st.lists(texts, max_size=2).map(tuple),
    )
)
def test_a_result_is_read_as_it_was_written(result: Result) -> None:
    text = written(result)
    assert read(text) == result
    assert text.count("\n") == len(result.hypotheses)
