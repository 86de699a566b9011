"""The hotwords of every session, as facts."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.config.schema import MAX_HOTWORD_CHARS, MAX_HOTWORDS, Config, Hotword
from asr_hub.store.root import ROOT
from asr_hub.store.slices.hotwords import (
    MOST,
    HotwordsReplaced,
    hotwords,
    select_hotwords,
    select_preferred,
    select_tenants,
)
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


@given(words, words, words)
def test_the_nearest_list_comes_first_and_each_word_once(
    own: tuple[str, ...], theirs: tuple[str, ...], everybodys: tuple[str, ...]
) -> None:
    kept = store()
    kept.dispatch(HotwordsReplaced(words=everybodys))
    kept.dispatch(HotwordsReplaced(words=theirs, tenant="ann"))
    got = select_preferred(kept.state, own=own, tenant="ann")
    assert got.words == tuple(dict.fromkeys((*own, *theirs, *everybodys))) and got.weights == {}
    assert select_preferred(kept.state, own=own, tenant="bob").words == tuple(dict.fromkeys((*own, *everybodys)))
    assert select_preferred(kept.state, own=own).words == tuple(dict.fromkeys((*own, *everybodys)))


def test_too_many_are_cut_where_they_are_everybodys() -> None:
    kept = store()
    own = tuple(f"own {number}" for number in range(MOST - 1))
    kept.dispatch(HotwordsReplaced(words=("kept", "dropped")))
    assert select_preferred(kept.state, own=own).words == (*own, "kept")


def test_the_nearest_list_gives_a_word_its_weight_and_the_heavier_come_first() -> None:
    kept = store()
    kept.dispatch(HotwordsReplaced(words=("Visp", "Brig", "Täsch"), weights={"Brig": 3.0, "Täsch": 3.0}))
    kept.dispatch(HotwordsReplaced(words=("Visp",), weights={"Visp": 2.0}, tenant="ann"))
    got = select_preferred(kept.state, own=("Zermatt", "Brig"), own_weights={"Zermatt": 0.5}, tenant="ann")
    assert got.words == ("Brig", "Zermatt", "Visp", "Täsch")
    assert got.weights == {"Zermatt": 0.5, "Visp": 2.0, "Täsch": 3.0}


def test_a_key_without_words_leaves_nothing_behind() -> None:
    kept = store()
    before = hotwords.part(kept.state)
    kept.dispatch(HotwordsReplaced(words=(), tenant="nobody"))
    assert hotwords.part(kept.state) is before
    kept.dispatch(HotwordsReplaced(words=("Brig",), tenant="ann"))
    assert select_tenants(kept.state) == ("ann",) and select_hotwords(kept.state, "ann") == ("Brig",)
    assert select_hotwords(kept.state) == ()
    kept.dispatch(HotwordsReplaced(words=(), tenant="ann"))
    assert select_tenants(kept.state) == () and hotwords.part(kept.state) == before


def test_a_journal_from_before_there_were_weights_is_read() -> None:
    line = b'{"type":"[Hotwords] Replaced","at":5.0,"words":["Brig"]}'
    assert msgspec.json.decode(line, type=HotwordsReplaced) == HotwordsReplaced(at=5.0, words=("Brig",))


def test_the_configuration_the_wire_and_the_engine_have_one_bound() -> None:
    limits = Limits()
    assert (limits.max_hotwords, limits.max_hotword_chars) == (MAX_HOTWORDS, MAX_HOTWORD_CHARS)
    assert limits.max_hotwords == MOST


@pytest.mark.parametrize("wrong", [["a" * 101], [" "], ["a\nb"], [""], [str(number) for number in range(501)]])
def test_what_is_no_hotword_is_no_configuration(wrong: list[str]) -> None:
    with pytest.raises(ValueError, match="hotwords"):
        Config.model_validate({"hotwords": wrong})


def test_a_word_that_is_there_twice_counts_once() -> None:
    config = Config.model_validate({"hotwords": ["a", {"text": "b", "weight": 2}, {"text": "a", "weight": 3}]})
    assert config.hotwords == (Hotword(text="a"), Hotword(text="b", weight=2))


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": "a", "weight": 0},
        {"text": "a", "weight": 11},
        {"weight": 2},
        {"text": "a", "wieght": 2},
        7,
        None,
        ["a"],
    ],
)
def test_a_weight_is_bounded_and_a_misspelled_one_is_named(wrong: object) -> None:
    for given_words in ({"hotwords": [wrong]}, {"hotwords_of": {"ann": [wrong]}}):
        with pytest.raises(ValueError, match="hotwords"):
            Config.model_validate(given_words)


@pytest.mark.parametrize("name", ["", "a" * 65, "a\nb"])
def test_a_list_belongs_to_a_key(name: str) -> None:
    with pytest.raises(ValueError, match="name of a key"):
        Config.model_validate({"hotwords_of": {name: ["a"]}})
