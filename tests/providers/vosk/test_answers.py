"""Vosk's answers, whatever stands in them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.errors import ProviderError
from asr_hub.providers.vosk.answers import read_part, read_partial

pytestmark = pytest.mark.unit

_words = st.lists(st.sampled_from(["one", "two", "[unk]"]))
_seconds = st.floats(0, 600)


@given(said=_words, others=st.lists(_words, max_size=4), times=st.tuples(_seconds, _seconds), conf=st.floats(-1, 2))
def test_every_shape_gives_the_known_words(
    said: list[str], others: list[list[str]], times: tuple[float, float], conf: float
) -> None:
    known = " ".join(word for word in said if word != "[unk]")
    result = [{"word": word, "start": times[0], "end": times[1], "conf": conf} for word in said]
    plain = read_part(json.dumps({"text": " ".join(said), "result": result}))
    growing = read_partial(json.dumps({"partial": " ".join(said), "partial_result": result}))
    listed = [{"text": " ".join(words), "confidence": -3.5} for words in (said, *others)]
    several = read_part(json.dumps({"alternatives": listed}))
    assert plain.text == growing.text == several.text == known
    assert " ".join(word.text for word in plain.words) == known and plain.words == growing.words
    assert all(0 <= (word.confidence or 0) <= 1 for word in plain.words)
    assert all(word.start == round(times[0] * 1000) for word in plain.words)
    assert several.text not in several.others and "" not in several.others
    assert len(set(several.others)) == len(several.others)


@given(st.text())
def test_what_is_no_answer_is_the_engines_failure(text: str) -> None:
    try:
        json.loads(text)
    except json.JSONDecodeError:
        with pytest.raises(ProviderError, match="vosk"):
            read_part(text)
