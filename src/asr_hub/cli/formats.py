"""
What was heard in a file, written as plain text, JSON, SubRip or WebVTT.

JSON has `version`, `source`, `provider`, `language`, `duration_ms`, `text` and `utterances`; an utterance has `start`,
`end`, `text`, and where the engine knows them `language`, `speaker`, `confidence`, `provider` and `words`, each with
`text`, `start`, `end` and `confidence`. Times are milliseconds from the beginning of the file.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import pairwise

import msgspec

from asr_hub.model import Hypothesis, Word

LINE_WIDTH = 42
"""Columns of one subtitle line; a wide character takes two."""
CUE_LINES = 2
CUE_MS = 7_000
"""A longer cue is cut."""
READING_MS = 1_000
"""A cue stays this long where the next one leaves it the time."""
PAUSE_MS = 1_500
"""A longer pause between two words begins a new cue."""


_SENTENCE_ENDS = (".", "?", "!", "…", "。", "\N{FULLWIDTH QUESTION MARK}", "\N{FULLWIDTH EXCLAMATION MARK}")


class Format(StrEnum):
    TXT = "txt"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """The last word on each utterance of one file, in order."""

    source: str
    provider: str
    duration_ms: int
    hypotheses: tuple[Hypothesis, ...] = ()
    language: str | None = None


class Cue(msgspec.Struct, frozen=True):
    """Lines of text that stand on the screen for a while."""

    start: int
    """Milliseconds"""
    end: int
    lines: tuple[str, ...]


def render(transcript: Transcript, format: Format) -> str:
    """The transcript as the text of a file, with a line end at its end where it is not empty."""
    return _RENDERERS[format](transcript)


def cues(hypotheses: Iterable[Hypothesis]) -> list[Cue]:
    """
    Subtitles: in order, never two at a time, none empty, every word in exactly one.

    Word times are used where the engine has them; otherwise an utterance's time is shared out by length of text.
    """
    made: list[Cue] = []
    at = 0
    for hypothesis in hypotheses:
        for group in _grouped(_pieces(hypothesis)):
            start = max(group[0].start, at)
            at = max(group[-1].end, start + 1)
            made.append(Cue(start, at, tuple(_wrapped(group))))
    return list(_readable(made))


class _Piece(msgspec.Struct, frozen=True):
    """A word with the space and punctuation that follow it: pieces joined are the text."""

    text: str
    start: int
    end: int


def _txt(transcript: Transcript) -> str:
    return "".join(f"{text}\n" for text in (_flat(each.text) for each in transcript.hypotheses) if text)


def _json(transcript: Transcript) -> str:
    spoken = [each for each in transcript.hypotheses if each.text]
    document = {
        "version": 1,
        "source": transcript.source,
        "provider": transcript.provider,
        "language": transcript.language,
        "duration_ms": transcript.duration_ms,
        "text": " ".join(each.text for each in spoken),
        "utterances": [_utterance(each) for each in spoken],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _utterance(hypothesis: Hypothesis) -> dict[str, object]:
    known = {
        "language": hypothesis.language,
        "speaker": hypothesis.speaker,
        "confidence": hypothesis.confidence,
        "provider": hypothesis.provider or None,
        "words": hypothesis.words or None,
    }
    head: dict[str, object] = {"start": hypothesis.start, "end": hypothesis.end, "text": hypothesis.text}
    return head | {name: value for name, value in known.items() if value is not None}


def _srt(transcript: Transcript) -> str:
    blocks = (
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{_joined(cue.lines)}\n"
        for number, cue in enumerate(cues(transcript.hypotheses), 1)
    )
    return "\n".join(blocks)


def _vtt(transcript: Transcript) -> str:
    blocks = (
        f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{html.escape(_joined(cue.lines), quote=False)}\n"
        for cue in cues(transcript.hypotheses)
    )
    return "\n".join(("WEBVTT\n", *blocks))


_RENDERERS = {Format.TXT: _txt, Format.JSON: _json, Format.SRT: _srt, Format.VTT: _vtt}


def _clock(ms: int, point: str) -> str:
    seconds, rest = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{rest:03}"


def _joined(lines: Sequence[str]) -> str:
    # U+0000 is no character of a subtitle: WebVTT readers replace it so.
    return "\n".join(lines).replace("\0", "\N{REPLACEMENT CHARACTER}")


def _pieces(hypothesis: Hypothesis) -> list[_Piece]:
    text = _flat(hypothesis.text)
    if not text:
        return []
    return _by_words(text, hypothesis.words) or _by_length(text, hypothesis)


def _by_words(text: str, words: Sequence[Word]) -> list[_Piece]:
    """Cut where the timed words begin. Empty where they are not the words of the text."""
    haystack = text.lower() if len(text.lower()) == len(text) else text
    starts: list[int] = []
    at = 0
    for word in words:
        needle = word.text.strip()
        found = haystack.find(needle.lower() if haystack is not text else needle, at) if needle else -1
        if found < 0:
            return []
        starts.append(found)
        at = found + len(needle)
    # What stands between two words may be punctuation, never a word that has no time.
    covered = sum(len(word.text.strip()) for word in words)
    if not words or sum(map(_is_spoken, text)) > covered:
        return []
    starts[0] = 0
    return [
        _Piece(text[begin:end], word.start, word.end)
        for (begin, end), word in zip(pairwise([*starts, len(text)]), words, strict=True)
    ]


def _by_length(text: str, hypothesis: Hypothesis) -> list[_Piece]:
    """Cut at spaces and between wide characters, and share the time out."""
    parts: list[str] = []
    for word in text.split(" "):
        parts.extend(_cut_wide(word))
        parts[-1] += " "
    parts[-1] = parts[-1][:-1]
    span = max(hypothesis.end - hypothesis.start, 0)
    pieces = []
    done = 0
    for part in parts:
        start = hypothesis.start + span * done // len(text)
        done += len(part)
        pieces.append(_Piece(part, start, hypothesis.start + span * done // len(text)))
    return pieces


def _cut_wide(word: str) -> list[str]:
    """Chinese and Japanese have no spaces: a line may break before any wide character but punctuation."""
    parts = [word[0]]
    for character in word[1:]:
        if _width(character) == 2 and _is_spoken(character):
            parts.append(character)
        else:
            parts[-1] += character
    return parts


def _grouped(pieces: Sequence[_Piece]) -> Iterator[list[_Piece]]:
    group: list[_Piece] = []
    for piece in pieces:
        if group and _begins_new(group, piece):
            yield group
            group = []
        group.append(piece)
    if group:
        yield group


def _begins_new(group: list[_Piece], piece: _Piece) -> bool:
    text = "".join(each.text for each in group)
    return (
        piece.start - group[-1].end > PAUSE_MS
        or piece.end - group[0].start > CUE_MS
        or len(_wrapped([*group, piece])) > CUE_LINES
        or (text.rstrip().endswith(_SENTENCE_ENDS) and _columns(text) >= LINE_WIDTH // 2)
    )


def _wrapped(pieces: Sequence[_Piece]) -> list[str]:
    lines = [""]
    for piece in pieces:
        if lines[-1] and _columns((lines[-1] + piece.text).rstrip()) > LINE_WIDTH:
            lines.append("")
        lines[-1] += piece.text
    return [line.strip() for line in lines]


def _readable(made: Sequence[Cue]) -> Iterator[Cue]:
    for cue, following in pairwise(made):
        end = max(cue.end, min(cue.start + READING_MS, following.start))
        yield Cue(cue.start, end, cue.lines)
    yield from made[-1:]


def _flat(text: str) -> str:
    """One line: an empty line would end a cue."""
    return " ".join(text.split())


def _is_spoken(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNM"


def _columns(text: str) -> int:
    return sum(map(_width, text))


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
