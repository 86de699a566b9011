"""What a session asks for and its engine has no means for."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from asr_hub.model import ProviderName
from asr_hub.providers.base import Capabilities, RecognitionOptions
from asr_hub.providers.cloud.hints import fitting
from asr_hub.providers.not_done import not_done

pytestmark = pytest.mark.unit

NAME = ProviderName("one")
ASKED = RecognitionOptions(hotwords=("Brig",), hotword_weights={"Brig": 2.0})


def test_weights_are_told_of_where_only_the_words_are_used() -> None:
    (warning,) = not_done(NAME, Capabilities(streaming=True, hotwords=True), ASKED)
    assert "weights" in warning and "Brig" not in warning
    assert not_done(NAME, Capabilities(streaming=True, hotwords=True, hotword_weights=True), ASKED) == ()
    assert not_done(NAME, Capabilities(streaming=True, hotwords=True), RecognitionOptions(hotwords=("Brig",))) == ()


def test_an_engine_without_hotwords_is_told_of_once() -> None:
    (warning,) = not_done(NAME, Capabilities(streaming=True), ASKED)
    assert "knows no hotwords" in warning and "not used" in warning
    (warning,) = not_done(NAME, Capabilities(streaming=True), replace(ASKED, hotwords_matched=True))
    assert "knows no hotwords" in warning and "not used" not in warning


def test_a_server_that_takes_no_weights_is_told_of() -> None:
    hints = fitting(["Brig"], most=1, longest=9, total=9, are_alike=True)
    assert hints.words == ("Brig",) and "weights" in hints.warnings[0]
    assert fitting([], most=1, longest=9, total=9, are_alike=True).warnings == ()
