"""The hotwords of every session, as facts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.config.schema import MAX_HOTWORD_CHARS, MAX_HOTWORDS, Config
from asr_hub.effects.recognition import MAX_HOTWORDS as MAX_TOGETHER
from asr_hub.effects.recognition import together
from asr_hub.store.root import ROOT
from asr_hub.store.slices.hotwords import HotwordsReplaced, hotwords, select_hotwords
from asr_hub.wire.conversation import Limits

from .facts import opened, store

pytestmark = pytest.mark.unit

words = st.lists(st.text(min_size=1, max_size=3), max_size=8).map(tuple)


def test_there_are_none_at_first() -> None:
    assert select_hotwords(ROOT.initial) == ()


def test_the_last_that_were_set_hold() -> None:
    kept = store()
    kept.dispatch(HotwordsReplaced(at=5.0, words=("Zermatt", "Visp")))
    kept.dispatch(opened())
    kept.dispatch(HotwordsReplaced(at=6.0, words=("Brig",)))
    assert select_hotwords(kept.state) == ("Brig",)
    assert hotwords.part(kept.state).replaced_at == 6.0
    kept.dispatch(HotwordsReplaced(at=7.0, words=()))
    assert select_hotwords(kept.state) == ()


@given(st.lists(words, max_size=5))
def test_a_replay_comes_to_the_same_words(history: list[tuple[str, ...]]) -> None:
    kept = store()
    for at, given_words in enumerate(history):
        kept.dispatch(HotwordsReplaced(at=float(at), words=given_words))
    state = ROOT.initial
    for entry in kept.journal.entries():
        state = ROOT.reduce(state, entry.event)
    assert state == kept.state
    assert select_hotwords(state) == (history[-1] if history else ())


@given(words, words)
def test_a_sessions_own_words_come_first_and_each_once(own: tuple[str, ...], everybodys: tuple[str, ...]) -> None:
    got = together(own, everybodys)
    assert set(got) == {*own, *everybodys}
    if everybodys:
        assert len(set(got)) == len(got)
        assert got[: len(set(own))] == tuple(dict.fromkeys(own))
    else:
        assert got == own


def test_too_many_are_cut_where_they_are_everybodys() -> None:
    own = tuple(f"own {number}" for number in range(MAX_TOGETHER - 1))
    assert together(own, ("kept", "dropped")) == (*own, "kept")


def test_the_configuration_the_wire_and_the_engine_have_one_bound() -> None:
    limits = Limits()
    assert (limits.max_hotwords, limits.max_hotword_chars) == (MAX_HOTWORDS, MAX_HOTWORD_CHARS)
    assert limits.max_hotwords == MAX_TOGETHER


@pytest.mark.parametrize("wrong", [["a" * 101], [" "], ["a\nb"], [""], [str(number) for number in range(501)]])
def test_what_is_no_hotword_is_no_configuration(wrong: list[str]) -> None:
    with pytest.raises(ValueError, match="hotwords"):
        Config.model_validate({"hotwords": wrong})


def test_a_word_that_is_there_twice_counts_once() -> None:
    assert Config.model_validate({"hotwords": ["a", "b", "a"]}).hotwords == ("a", "b")
