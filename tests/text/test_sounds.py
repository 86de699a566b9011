"""How alike words sound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.text.sounds import folded, is_far, similarity, sound_of

pytestmark = pytest.mark.unit

texts = st.text(st.sampled_from("abcdefghiklmnoprstuvwxyz' äß-9中石狮"), max_size=14)


def alike(one: str, other: str, language: str | None = None) -> float:
    return similarity(sound_of(one, language), sound_of(other, language))


def test_what_cannot_be_heard_does_not_count() -> None:
    assert folded("Zermätt - St. Moritz!") == "zermattstmoritz"
    assert alike("kuber NETES", "Kubernetes") == 1.0


@pytest.mark.parametrize(
    ("heard", "meant"), [("cooper netties", "Kubernetes"), ("graph anna", "Grafana"), ("hugging phase", "Hugging Face")]
)
def test_words_that_sound_alike_are_closer_than_they_are_written(heard: str, meant: str) -> None:
    assert alike(heard, meant) > 0.82
    one, other = sound_of(heard), sound_of(meant)
    assert one.letters != other.letters


@pytest.mark.parametrize(("one", "other"), [("great", "Greta"), ("table", "Kubernetes"), ("form", "Rome")])
def test_words_that_do_not_are_far(one: str, other: str) -> None:
    assert alike(one, other) < 0.8


def test_german_is_heard_by_its_own_rules() -> None:
    assert alike("fisp", "Visp", "de") > alike("fisp", "Visp", "en")
    assert sound_of("Wagner", "de-CH").heard == sound_of("Vagner", "de").heard.replace("f", "v")


@given(texts, texts)
def test_it_is_a_similarity(one: str, other: str) -> None:
    found = alike(one, other)
    assert 0 <= found <= 1
    assert found == pytest.approx(alike(other, one))
    assert alike(one, one) == 1


@given(texts, texts, st.floats(0.05, 1))
def test_what_is_far_is_below_what_is_wanted(one: str, other: str, wanted: float) -> None:
    if is_far(sound_of(one), sound_of(other), wanted):
        assert alike(one, other) < wanted


def test_chinese_sounds_as_its_pinyin_where_that_is_known() -> None:
    pytest.importorskip("pypinyin")
    assert alike("张山丰", "张三峰") > 0.82
    assert alike("实施", "石狮") < 0.82
