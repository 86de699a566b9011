"""Google's results put together, whatever they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.errors import ProviderError
from asr_hub.providers.cloud.google_results import Results

pytestmark = pytest.mark.unit


@dataclass
class Word:
    word: str
    start_offset: timedelta
    end_offset: timedelta
    confidence: float = 0.0


@dataclass
class Alternative:
    transcript: str
    confidence: float = 0.0
    words: list[Word] = field(default_factory=list)


@dataclass
class Result:
    alternatives: list[Alternative]
    is_final: bool = False
    stability: float = 0.0
    language_code: str = ""


OFFSETS = st.timedeltas(timedelta(0), timedelta(minutes=10))
WORDS = st.builds(Word, st.text(max_size=6), OFFSETS, OFFSETS, st.floats(-1, 2))
ALTERNATIVES = st.builds(Alternative, st.text(max_size=12), st.floats(-1, 2), st.lists(WORDS, max_size=4))
RESULTS = st.builds(
    Result, st.lists(ALTERNATIVES, max_size=2), st.booleans(), st.floats(0, 1), st.sampled_from(["", "en-us"])
)


@given(st.lists(st.lists(RESULTS, max_size=4), max_size=6), st.integers(0, 400_000), st.integers(0, 10**6))
def test_whatever_comes_the_hypotheses_keep_their_promises(
    responses: list[list[Result]], shift: int, duration: int
) -> None:
    results = Results("cloud")
    results.shift = shift
    finals: list[str] = []
    for response in responses:
        partial = results.take(response)
        finals += [r.alternatives[0].transcript for r in response if r.is_final and r.alternatives]
        if partial is not None:
            assert partial.text and 0 <= partial.stable <= len(partial.text) and not partial.is_final
            assert "".join(partial.text.split()).startswith("".join("".join(finals).split()))
    final = results.final(duration)
    times = [time for word in final.words for time in (word.start, word.end)]
    assert times == sorted(times) and all(0 <= time <= duration for time in times)
    assert "".join(final.text.split()) == "".join("".join(finals).split()) and final.is_final
    assert final.confidence is None or 0 < final.confidence <= 1
    assert all(word.confidence is None or 0 < word.confidence <= 1 for word in final.words)


def test_the_documented_example() -> None:
    """The responses of the API's own description of StreamingRecognize."""
    results = Results("cloud")

    def interim(*pieces: tuple[str, float]) -> tuple[str, int]:
        heard = results.take([Result([Alternative(text)], stability=stability) for text, stability in pieces])
        assert heard is not None
        return heard.text, heard.stable

    def final(text: str, confidence: float) -> None:
        results.take([Result([Alternative(text, confidence), Alternative("other")], is_final=True)])

    assert interim(("tube", 0.01)) == ("tube", 0)
    assert interim(("to be", 0.9), (" or not to be", 0.01)) == ("to be or not to be", 5)
    final("to be or not to be", 0.92)
    assert interim((" that's", 0.01)) == ("to be or not to be that's", 18)
    assert interim((" that is", 0.9), (" the question", 0.01)) == ("to be or not to be that is the question", 26)
    assert interim((" that", 0.1), (" is", 0.9)) == ("to be or not to be that is", 18)
    final(" that is the question", 0.98)
    whole = results.final(9000)
    assert whole.text == "to be or not to be that is the question"
    assert whole.confidence == pytest.approx(0.95)


def test_scripts_without_spaces_get_none() -> None:
    results = Results("cloud")
    for text in ("我們", "在一起", "hello", "world"):
        results.take([Result([Alternative(text)], is_final=True)])
    assert results.final(1).text == "我們在一起 hello world"


def test_an_endless_text_is_an_error() -> None:
    results = Results("cloud")
    with pytest.raises(ProviderError, match="no end"):
        for _ in range(300):
            results.take([Result([Alternative("x" * 1000)], is_final=True)])
    with pytest.raises(ProviderError, match="no end"):
        Results("cloud").take([Result([Alternative("x" * 300_000)])])
