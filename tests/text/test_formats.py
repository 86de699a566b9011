from __future__ import annotations

import html
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_hub.model import Hypothesis, Word
from asr_hub.text.formats import Format, Transcript, render
from asr_hub.text.subtitles import Cue, cues

pytestmark = pytest.mark.unit


def spoken(text: str, start: int = 0, end: int = 1000, *, word_ms: int | None = None) -> Hypothesis:
    """An utterance; with `word_ms` its words have times, one after the other."""
    words: tuple[Word, ...] = ()
    if word_ms is not None:
        words = tuple(Word(w, start + n * word_ms, start + (n + 1) * word_ms) for n, w in enumerate(text.split()))
    return Hypothesis(text=text, start=start, end=end, is_final=True, words=words)


def transcript(*hypotheses: Hypothesis) -> Transcript:
    return Transcript(source="a.wav", provider="scripted", duration_ms=9000, hypotheses=hypotheses, language="en")


def flat(made: list[Cue]) -> list[str]:
    return " ".join(line for cue in made for line in cue.lines).split()


def test_text_has_a_line_for_each_utterance_that_said_something() -> None:
    assert render(transcript(spoken("one two"), spoken(""), spoken("three\nfour")), Format.TXT) == (
        "one two\nthree four\n"
    )


def test_json_is_as_documented() -> None:
    hypothesis = Hypothesis(text="hi", start=5, end=9, words=(Word("hi", 5, 9, 0.5),), confidence=0.5, speaker="A")
    assert json.loads(render(transcript(hypothesis, spoken("")), Format.JSON)) == {
        "version": 1,
        "source": "a.wav",
        "provider": "scripted",
        "language": "en",
        "duration_ms": 9000,
        "text": "hi",
        "utterances": [
            {
                "start": 5,
                "end": 9,
                "text": "hi",
                "speaker": "A",
                "confidence": 0.5,
                "words": [{"text": "hi", "start": 5, "end": 9, "confidence": 0.5}],
            }
        ],
        "sentences": [{"start": 5, "end": 9, "text": "hi", "speaker": "A"}],
    }


def test_srt_has_numbers_and_exact_milliseconds() -> None:
    said = render(transcript(spoken("one", 1, 1002), spoken("two --> x", 3_723_004, 3_725_000)), Format.SRT)
    assert said == (
        "1\n00:00:00,001 --> 00:00:01,002\none\n\n2\n01:02:03,004 --> 01:02:05,000\ntwo --> x\n"
    )  # fmt: skip


def test_vtt_escapes_what_it_would_read_as_markup() -> None:
    said = render(transcript(spoken("a <b> & c --> d", 0, 2000)), Format.VTT)
    assert said == "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\na &lt;b&gt; &amp; c --&gt; d\n"


def test_silence_makes_empty_files() -> None:
    assert [render(transcript(spoken("")), format) for format in (Format.TXT, Format.SRT, Format.VTT)] == [
        "",
        "",
        "WEBVTT\n",
    ]


_times = st.integers(0, 60_000)
_text = st.text(st.sampled_from("aAß .,?天、\n\0-><&\u2028İ"), max_size=120)


@st.composite
def _hypotheses(draw: st.DrawFn) -> Hypothesis:
    text = draw(_text)
    words = tuple(Word(w, draw(_times), draw(_times)) for w in text.split()) if draw(st.booleans()) else ()
    return Hypothesis(text=text, start=draw(_times), end=draw(_times), words=words)


@settings(max_examples=100, deadline=None)
@given(st.lists(_hypotheses(), max_size=4))
def test_subtitle_files_can_be_read_back(hypotheses: list[Hypothesis]) -> None:
    made = cues(hypotheses, until=9000)
    said = transcript(*hypotheses)
    srt = [block.rstrip("\n").split("\n") for block in render(said, Format.SRT).split("\n\n") if block]
    vtt = [block.rstrip("\n").split("\n") for block in render(said, Format.VTT).split("\n\n")[1:]]
    wanted = [[line.replace("\0", "\ufffd") for line in cue.lines] for cue in made]
    assert [block[2:] for block in srt] == wanted
    assert [[html.unescape(line) for line in block[1:]] for block in vtt] == wanted
    assert [int(block[0]) for block in srt] == list(range(1, len(made) + 1))
    for block, cue in zip(vtt, made, strict=True):
        times = re.fullmatch(r"(\d+):(\d\d):(\d\d)\.(\d{3}) --> (\d+):(\d\d):(\d\d)\.(\d{3})", block[0])
        assert times is not None
        h, m, s, ms, *end = map(int, times.groups())
        assert ((h * 60 + m) * 60 + s) * 1000 + ms == cue.start
        assert ((end[0] * 60 + end[1]) * 60 + end[2]) * 1000 + end[3] == cue.end
