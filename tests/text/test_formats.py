from __future__ import annotations

import html
import json
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_hub.errors import ProtocolError
from asr_hub.model import Hypothesis, Word
from asr_hub.text.formats import Format, Transcript, format_of, render
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


@pytest.mark.parametrize("name", ["txt", "text", " TXT ", "Text"])
def test_a_format_is_found_by_what_clients_call_it(name: str) -> None:
    assert format_of(name) is Format.TXT


def test_each_format_is_found_by_its_name_and_has_a_type_and_a_suffix() -> None:
    assert [format_of(each) for each in Format] == list(Format)
    assert all("/" in each.media_type for each in Format)
    assert len({each.suffix for each in Format}) == len(Format)
    assert (Format.SRT.suffix, Format.VERBOSE_JSON.suffix) == (".srt", ".verbose.json")


def test_an_unknown_format_is_told_which_there_are() -> None:
    with pytest.raises(ProtocolError, match=r"'docx'.*txt, json, verbose_json, srt, vtt, tsv") as refused:
        format_of("docx")
    assert refused.value.code == "unknown-format"


_VERBOSE = transcript(
    Hypothesis(
        text="Hi there. How are you?",
        start=1230,
        end=3000,
        confidence=0.5,
        words=tuple(
            Word(text, 1230 + 300 * n, 1530 + 300 * n) for n, text in enumerate(["Hi", "there", "How", "are", "you"])
        ),
    ),
    spoken("", 3000, 3100),
    spoken("Fine.", 4000, 5000),
)


def test_verbose_json_is_as_documented() -> None:
    document = json.loads(render(_VERBOSE, Format.VERBOSE_JSON))
    assert {name: document[name] for name in ("task", "language", "duration", "text")} == {
        "task": "transcribe",
        "language": "en",
        "duration": 9.0,
        "text": "Hi there. How are you? Fine.",
    }
    first, second, third = document["segments"]
    assert [each["text"] for each in (first, second, third)] == ["Hi there.", " How are you?", " Fine."]
    assert [each["id"] for each in (first, second, third)] == [0, 1, 2]
    assert (second["seek"], second["start"], second["end"]) == (123, 1.83, 2.73)
    assert second["avg_logprob"] == pytest.approx(math.log(0.5)) and third["avg_logprob"] == 0.0
    assert 0 < first["compression_ratio"] < 1
    assert (first["tokens"], first["temperature"], first["no_speech_prob"]) == ([], 0.0, 0.0)
    assert "speaker" not in first
    assert document["words"][0] == {"word": "Hi", "start": 1.23, "end": 1.53}
    assert len(document["words"]) == 5


def test_verbose_json_of_nothing_known_is_whole() -> None:
    nothing = Transcript(source="a", provider="b", duration_ms=0)
    document = json.loads(render(nothing, Format.VERBOSE_JSON))
    assert document == {"task": "transcribe", "language": "und", "duration": 0.0, "text": "", "segments": []}


def test_verbose_json_tells_speakers_and_puts_spaces_between_them() -> None:
    said = transcript(
        Hypothesis(text="hello", start=0, end=900, speaker="1"),
        Hypothesis(text="hi", start=500, end=900, speaker="2", confidence=0.0),
    )
    document = json.loads(render(said, Format.VERBOSE_JSON))
    assert document["text"] == "hello hi"
    assert [each["speaker"] for each in document["segments"]] == ["1", "2"]


def test_openais_own_client_reads_verbose_json_strictly() -> None:
    audio = pytest.importorskip("openai.types.audio", reason="openai is not installed")
    answer = audio.TranscriptionVerbose.model_validate_json(render(_VERBOSE, Format.VERBOSE_JSON), strict=True)
    assert answer.text == "Hi there. How are you? Fine."
    assert [each.text for each in answer.segments] == ["Hi there.", " How are you?", " Fine."]
    assert [each.word for each in answer.words] == ["Hi", "there", "How", "are", "you"]


def test_tsv_has_a_sentence_in_each_line() -> None:
    assert render(_VERBOSE, Format.TSV) == (
        "start\tend\ttext\n1230\t1830\tHi there.\n1830\t2730\tHow are you?\n4000\t5000\tFine.\n"
    )
    assert render(transcript(spoken("a\tb\nc", 0, 900)), Format.TSV) == "start\tend\ttext\n0\t900\ta b c\n"


def test_subtitles_tell_who_speaks_where_there_are_several() -> None:
    said = transcript(
        Hypothesis(text="hello", start=0, end=1000, speaker="1"),
        Hypothesis(text="hi & bye", start=2000, end=3000, speaker="A <b>"),
    )
    assert render(said, Format.SRT) == (
        "1\n00:00:00,000 --> 00:00:01,000\n1: hello\n\n2\n00:00:02,000 --> 00:00:03,000\nA <b>: hi & bye\n"
    )
    assert render(said, Format.VTT) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n<v 1>hello\n\n"
        "00:00:02.000 --> 00:00:03.000\n<v A &lt;b&gt;>hi &amp; bye\n"
    )


def test_srt_has_numbers_and_exact_milliseconds() -> None:
    said = render(transcript(spoken("one", 1, 1002), spoken("two --> x", 3_723_004, 3_725_000)), Format.SRT)
    assert said == (
        "1\n00:00:00,001 --> 00:00:01,002\none\n\n2\n01:02:03,004 --> 01:02:05,000\ntwo --> x\n"
    )  # fmt: skip


def test_vtt_escapes_what_it_would_read_as_markup() -> None:
    said = render(transcript(spoken("a <b> & c --> d", 0, 2000)), Format.VTT)
    assert said == "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\na &lt;b&gt; &amp; c --&gt; d\n"


def test_silence_makes_empty_files() -> None:
    silent = [render(transcript(spoken("")), format) for format in (Format.TXT, Format.SRT, Format.VTT, Format.TSV)]
    assert silent == ["", "", "WEBVTT\n", "start\tend\ttext\n"]


_times = st.integers(0, 60_000)
_text = st.text(st.sampled_from("aAß .,?天、\n\0-><&\u2028İ"), max_size=120)


@st.composite
def _hypotheses(draw: st.DrawFn) -> Hypothesis:
    text = draw(_text)
    words = tuple(Word(w, draw(_times), draw(_times)) for w in text.split()) if draw(st.booleans()) else ()
    return Hypothesis(text=text, start=draw(_times), end=draw(_times), words=words)


@settings(max_examples=40, deadline=None)
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
