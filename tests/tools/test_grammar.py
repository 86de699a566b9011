"""What is said to the tiny models while they learn is not what they are tested on."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools.train_tiny.corpus import PER_TEST, plan
from tools.train_tiny.grammar import TEMPLATES, draw, is_held_out, listed, template_of, words

pytestmark = pytest.mark.unit

OPEN = [template for template in TEMPLATES if not template.fixed]


def test_there_are_as_many_words_as_the_documents_say() -> None:
    assert len(words()) == 81


def test_what_the_shared_clips_say_is_not_trained_on() -> None:
    assert is_held_out("go forward fifteen meters")
    assert is_held_out("four nine")
    assert not is_held_out("go forward ten steps")


@given(st.sampled_from(OPEN), st.booleans(), st.integers())
def test_a_drawn_phrase_is_of_its_template_and_kind(template, held_out, seed) -> None:
    phrase = draw(random.Random(seed), template, held_out=held_out)
    assert is_held_out(phrase) == held_out
    assert template_of(phrase) == template


@pytest.mark.parametrize("template", [t for t in TEMPLATES if not t.digits], ids=lambda t: t.name)
def test_training_has_every_word_of_a_template(template) -> None:
    everything = {word for place in template.places for some in place for word in some.split()}
    assert {word for phrase in listed(template, held_out=False) for word in phrase.split()} == everything


@pytest.mark.parametrize("template", [t for t in TEMPLATES if t.fixed], ids=lambda t: t.name)
def test_a_template_without_test_phrases_says_so(template) -> None:
    with pytest.raises(ValueError, match=f"{template.name} has no phrases for tests"):
        draw(random.Random(0), template, held_out=True)


@pytest.mark.parametrize("phrase", ["", "turn", "one", "turn on the door", "nonsense", "one " * 6 + "one"])
def test_a_phrase_beyond_the_grammar_has_no_template(phrase) -> None:
    assert template_of(phrase) is None


def test_every_template_gets_the_same_share_of_the_training() -> None:
    shares = Counter(utterance.template for utterance in plan(120, 1) if utterance.split == "train")
    assert shares == dict.fromkeys((template.name for template in TEMPLATES), 10)


@given(st.integers(0, 1000))
def test_no_test_phrase_is_trained_on(seed) -> None:
    planned = plan(60, seed)
    trained = {utterance.text for utterance in planned if utterance.split == "train"}
    assert not trained & {utterance.text for utterance in planned if utterance.split != "train"}


def test_tests_hear_as_many_digits_as_commands() -> None:
    for split, count in PER_TEST.items():
        kinds = Counter(utterance.digits for utterance in plan(0, 1) if utterance.split == split)
        assert kinds == {True: count // 2, False: count // 2}


def test_no_voice_of_a_test_for_voices_is_in_the_training() -> None:
    planned = plan(1000, 1)
    trained = {utterance.voice.name for utterance in planned if utterance.split == "train"}
    assert not trained & {u.voice.name for u in planned if u.split in ("variants", "speakers")}


def test_a_seed_gives_the_same_plan_again_and_another_gives_another() -> None:
    assert plan(50, 1) == plan(50, 1) != plan(50, 2)
