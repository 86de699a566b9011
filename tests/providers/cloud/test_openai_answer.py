"""Answers of OpenAI servers, good and bad."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.errors import HubError, ProviderError
from asr_hub.providers.cloud.openai_answer import LONGEST_TEXT, final, read_answer

pytestmark = pytest.mark.unit

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=9,
)
NUMBER = st.floats(-1e9, 1e9) | st.integers(-(2**40), 2**40)
WORD = st.fixed_dictionaries({"word": st.text(max_size=9), "start": NUMBER, "end": NUMBER})
SEGMENT = st.fixed_dictionaries(
    {"text": st.text(max_size=20)},
    optional={
        "start": NUMBER,
        "end": NUMBER,
        "avg_logprob": st.none() | NUMBER,
        "no_speech_prob": st.none() | NUMBER,
        "tokens": JSON,
    },
)
ANSWER = st.fixed_dictionaries(
    {"text": st.text(max_size=60)},
    optional={
        "words": st.none() | st.lists(WORD, max_size=6),
        "segments": st.none() | st.lists(SEGMENT, max_size=4),
        "logprobs": st.none() | st.lists(st.fixed_dictionaries({}, optional={"logprob": st.none() | NUMBER})),
        "languages": st.none() | st.lists(st.fixed_dictionaries({"code": st.text(max_size=4)})),
        "language": JSON,
        "usage": JSON,
    },
)


def understood(duration: int, **answer: Any) -> Any:
    return final(read_answer("cloud", json.dumps(answer).encode()), duration)


@given(ANSWER, st.integers(0, 10**6))
def test_whatever_the_numbers_are_the_final_keeps_its_promises(answer: dict[str, Any], duration: int) -> None:
    heard = understood(duration, **answer)
    times = [time for word in heard.words for time in (word.start, word.end)]
    assert times == sorted(times) and all(0 <= time <= duration for time in times)
    assert heard.is_final and heard.end == duration
    assert heard.confidence is None or 0 <= heard.confidence <= 1
    assert all(word.confidence is None or 0 <= word.confidence <= 1 for word in heard.words)
    assert heard.text == " ".join(heard.text.split()) and bool(heard.suppressed) <= bool(heard.suppressed_because)
    assert heard.text or not heard.words


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_an_answer_or_an_error_of_the_hub(body: bytes) -> None:
    try:
        final(read_answer("cloud", body), 1000)
    except HubError as exc:
        assert isinstance(exc, ProviderError) and "cloud" in str(exc)


def test_words_are_spelled_as_in_the_text() -> None:
    words = [{"word": word, "start": at, "end": at + 1} for at, word in enumerate(("hello", "mr", "jones"))]
    heard = understood(3000, text="Hello, Mr. Jones!", words=words)
    assert [(word.text, word.start, word.end) for word in heard.words] == [
        ("Hello,", 0, 1000),
        ("Mr.", 1000, 2000),
        ("Jones!", 2000, 3000),
    ]
    heard = understood(3000, text="你好世界", words=[{"word": " 你好", "start": 0, "end": 1}])
    assert [word.text for word in heard.words] == ["你好"]


def test_only_the_segments_that_are_silence_are_kept_back() -> None:
    segments = [
        {"text": " Go forward.", "start": 0, "end": 1, "avg_logprob": -0.1, "no_speech_prob": 0.1},
        {"text": " Thanks for watching!", "start": 1, "end": 3, "avg_logprob": -1.2, "no_speech_prob": 0.8},
        {"text": " Ten meters.", "start": 3, "end": 4, "avg_logprob": -0.3, "no_speech_prob": 0.9},
    ]
    words = [{"word": word, "start": at, "end": at + 0.5} for word, at in (("Go", 0.1), ("Thanks", 1.2), ("Ten", 3.2))]
    heard = understood(4000, text="Go forward. Thanks for watching! Ten meters.", segments=segments, words=words)
    assert (heard.text, heard.suppressed) == ("Go forward. Ten meters.", "Thanks for watching!")
    assert [word.text for word in heard.words] == ["Go", "Ten"]
    assert heard.confidence == pytest.approx(0.8187, abs=0.001) and "0.80" in heard.suppressed_because


def test_an_endless_text_is_an_error() -> None:
    with pytest.raises(ProviderError, match="nobody said that"):
        understood(1000, text="a" * (LONGEST_TEXT + 1))


def test_the_one_language_that_was_found_is_told() -> None:
    assert understood(1, text="ja", languages=[{"code": "de"}]).language == "de"
    assert understood(1, text="ja", languages=[{"code": "de"}, {"code": "nl"}]).language is None
    assert understood(1, text="ja", languages=[]).language is None
