"""What no working engine says."""

# ruff: noqa: RUF001 - the letters of many scripts are meant

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from asr_hub.model import Alternative, AudioFrame, Hypothesis, ProviderName, Word
from asr_hub.providers.base import RecognitionOptions
from asr_hub.providers.scripted import Scripted
from asr_hub.text.sane import why_garbage

pytestmark = pytest.mark.unit

GOOD = Hypothesis(
    text="turn on the light",
    start=1000,
    end=3000,
    is_final=True,
    stable=17,
    words=(Word("turn", 1100, 1300, 0.9), Word("on", 1300, 1500), Word("the light", 1500, 2200, 1.0)),
    confidence=0.8,
    language="zh-Hant-TW",
    alternatives=(Alternative("turn on the night", 0.2),),
    tags={"emotion": "happy", "event": "😊"},
)


def why(hypothesis: Hypothesis) -> str:
    return why_garbage(hypothesis, start_ms=1000, end_ms=3000, language=hypothesis.language)


def said(text: str, *, is_final: bool = True) -> str:
    return why(Hypothesis(text=text, start=1000, end=3000, is_final=is_final))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "👍",
        "😊 😊 😊",
        "♪♪♪♪♪♪♪♪",
        "2 + 2 = 4, or $5.00 at 10%",
        "می‌خواهم بروم",
        "क्‍ष और हिन्दी",
        "\u200fשלום\u200f, מה שלומך?",
        "مَرْحَبًا، كَيْفَ حَالُكَ؟",
        "בְּרֵאשִׁ֖ית בָּרָ֣א אֱלֹהִ֑ים",
        "ขอบคุณที่รับชมน้ำ",
        "བསྒྲུབས་",
        "tiếng Việt".encode().decode(),
        "ご視聴ありがとうございました。",
        "👨‍👩‍👧‍👦 family",
        "line one\nline two",
        "\u2068one\u2069 two",
        "x" * 200,
    ],
)
def test_any_writing_is_accepted(text: str) -> None:
    assert said(text) == ""


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("a\0b", "U+0000"),
        ("a\x1b[31m", "U+001B"),
        ("a\x85b", "U+0085"),
        ("\u202eabc", "U+202E"),
        ("abc \ud83d", "U+D83D"),
        ("abc \ue000", "U+E000"),
        ("abc \U000f1234", "U+F1234"),
        ("abc \ufdd0", "U+FDD0"),
        ("abc \uffff", "U+FFFF"),
        ("abc \ufffd", "1 of 5 characters could not be decoded"),
        ("\u0378" * 5, "5 of 5 characters are in no writing"),
        ("\u2067abc", "a change of the writing direction"),
        ("Z" + "\u0301" * 20, "more than 10 marks"),
        ("a" + "\u200d" * 9, "9 invisible characters"),
        ("💩" * 5, "5 symbols and 0 letters"),
        ("ab <<<>>>", "6 symbols and 2 letters"),
        ("x" * 401, "401 characters in 2.0 s"),
        ("x" * 100_001, "100001 characters"),
    ],
)
def test_characters_that_nobody_writes_are_refused(text: str, because: str) -> None:
    assert said(text).startswith(because)


def test_a_partial_may_end_within_a_character() -> None:
    assert said("abc\ufffd", is_final=False) == ""
    assert said("\ufffd\ufffd abc", is_final=False)


def test_one_lost_character_in_a_long_text_is_accepted() -> None:
    assert said("turn on the light in the kitchen \ufffd") == ""


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({}, ""),
        ({"start": 0, "end": 5000}, ""),
        ({"start": -1500}, "-1500 to 3000 ms"),
        ({"end": 5100}, "1000 to 5100 ms"),
        ({"start": 2900, "end": 2800}, "it ends at 2800 ms"),
        ({"words": (Word("a", 2000, 2100), Word("b", 1600, 1700))}, ""),
        ({"words": (Word("a", 2000, 2100), Word("b", 1400, 1700))}, "a word at 1400 ms"),
        ({"words": (Word("a", 2000, 1900),)}, "a word ends at 1900 ms"),
        ({"words": (Word("a", 2000, 9000),)}, "a word from 2000 to 9000 ms"),
        ({"confidence": math.nan}, "a confidence of nan"),
        ({"confidence": math.inf}, "a confidence of inf"),
        ({"confidence": -4.2}, "a confidence of -4.2"),
        ({"words": (Word("a", 2000, 2100, 85.0),)}, "a confidence of 85.0"),
        ({"alternatives": (Alternative("a", math.nan),)}, "a confidence of nan"),
        ({"stable": 18}, "18 stable characters of 17"),
        ({"stable": -1}, "-1 stable characters"),
        ({"language": "I think it is English"}, "a language"),
        ({"language": "en_US"}, ""),
        ({"words": (Word("\0", 2000, 2100),)}, "a word or an alternative with U+0000"),
        ({"alternatives": (Alternative("\u202e"),)}, "a word or an alternative with U+202E"),
        ({"tags": {"event": "\x07"}}, "a tag with U+0007"),
        ({"speaker": "\ud800"}, "a tag with U+D800"),
    ],
)
def test_numbers_that_cannot_be_are_refused(change: dict[str, object], because: str) -> None:
    found = why(replace(GOOD, **change))
    assert found.startswith(because) and bool(found) == bool(because)


_SCRIPTS = (
    ("a", "z"), ("À", "ÿ"), ("А", "я"), ("א", "ת"), ("ء", "ي"), ("ऄ", "ह"), ("ก", "ะ"), ("一", "龥"), ("ぁ", "ん"),
    ("가", "힣"), ("α", "ω"), ("ა", "ჰ"), ("አ", "ኧ"), ("0", "9"), ("०", "९"), ("٠", "٩"),
)  # fmt: skip
_MARKS = "\u0301\u0323\u064e\u0651\u05b8\u05c1\u093f\u094d\u0e35\u0e49\u200d\u200c"
_BETWEEN = " ,.;:!?¿¡-–—'’\"“”«»()…%&/、。！？・،؛؟।॥๏׳״"


def _letter(script: tuple[str, str]) -> st.SearchStrategy[str]:
    return st.characters(min_codepoint=ord(script[0]), max_codepoint=ord(script[1]), exclude_categories=("Cn", "S"))


def _word(script: tuple[str, str]) -> st.SearchStrategy[str]:
    marked = st.builds("".join, st.tuples(_letter(script), st.text(_MARKS, max_size=2).map(_once)))
    return st.lists(marked, min_size=1, max_size=6).map("".join)


def _once(marks: str) -> str:
    """No more joiners than letters, as in any word."""
    return marks if sum(mark in "\u200d\u200c" for mark in marks) < 2 else marks[:1]


texts = st.lists(
    st.tuples(st.one_of(*map(_word, _SCRIPTS)), st.text(_BETWEEN, max_size=2)).map("".join), max_size=8
).map(" ".join)


@st.composite
def readings(draw: st.DrawFn) -> Hypothesis:
    times: Sequence[int] = sorted(draw(st.lists(st.integers(1000, 3000), min_size=2, max_size=8)))
    return Hypothesis(
        text=(text := draw(texts)[:390]),
        start=times[0],
        end=times[-1],
        is_final=draw(st.booleans()),
        stable=draw(st.integers(0, len(text))),
        words=tuple(Word("a", one, one + 50, draw(st.none() | st.floats(0, 1))) for one in times),
        confidence=draw(st.none() | st.floats(0, 1)),
        language=draw(st.sampled_from([None, "en", "de-CH", "sr-Latn", "zh_CN", "yue"])),
    )


@settings(max_examples=60, deadline=None)
@given(readings())
def test_what_a_working_engine_may_say_is_accepted(hypothesis: Hypothesis) -> None:
    assert why(hypothesis) == ""


@given(st.builds(Hypothesis, text=st.text(), start=st.integers(), end=st.integers(), is_final=st.booleans()))
def test_any_answer_is_judged(hypothesis: Hypothesis) -> None:
    assert isinstance(why(hypothesis), str)


async def test_the_broken_engine_for_tests_is_refused() -> None:
    broken = Scripted(ProviderName("broken"), {"faults": {"garbage": True}})
    await broken.start()
    async with broken.stream(RecognitionOptions(), {}) as stream:
        await stream.push(AudioFrame(bytes(range(256)) * 250, 0, 16_000))
        await stream.end_utterance()
        finals = [each async for each in stream if each.is_final]
    await broken.aclose()
    assert [bool(why_garbage(final, start_ms=0, end_ms=2000)) for final in finals] == [True]
