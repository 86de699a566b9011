"""
What was heard in a file, written as plain text, JSON, subtitles or a table.

`json` has `version`, `source`, `provider`, `language`, `duration_ms`, `text`, `utterances` and `sentences`. An
utterance has `start`, `end`, `text`, and where the engine knows them `language`, `speaker`, `confidence`, `provider`
and `words`, each with `text`, `start`, `end` and `confidence`; a sentence has `start`, `end`, `text` and `speaker`.
Times are milliseconds from the beginning of the file.

`verbose_json` is for clients of OpenAI's API. Its times are seconds, and its segments are sentences. Such clients
require every field of a segment and take no null, so that what is not known is a number that none of them acts on:

* `seek`: where the utterance of the sentence begins, in hundredths of a second; `tokens`: empty; `temperature`: 0.
* `avg_logprob`: the logarithm of the utterance's confidence; 0 where the engine tells none.
* `compression_ratio`: of the text, by zlib, as Whisper counts it.
* `no_speech_prob`: 0, for what the hub takes for no speech is not in its text.
* `language`: BCP 47, and `und` where it is not known.

`words` are there where the engine times them, and a segment has a `speaker` beyond OpenAI's fields where one is known.

`tsv` is the table of Whisper's command line: start and end in milliseconds, and the text, a sentence in each line.
"""

from __future__ import annotations

import html
import math
import zlib
from collections.abc import Sequence
from enum import StrEnum

import msgspec

from asr_hub.errors import ProtocolError
from asr_hub.model import Hypothesis
from asr_hub.text.sentences import Sentence, sentences
from asr_hub.text.subtitles import Cue, cues


class Format(StrEnum):
    """How a transcript is written."""

    TXT = "txt"
    JSON = "json"
    VERBOSE_JSON = "verbose_json"
    SRT = "srt"
    VTT = "vtt"
    TSV = "tsv"

    @property
    def media_type(self) -> str:
        """As HTTP calls it; the text is UTF-8."""
        return _MEDIA_TYPES[self]

    @property
    def suffix(self) -> str:
        """Of a file's name, with its point."""
        return _SUFFIXES.get(self, f".{self.value}")


_MEDIA_TYPES = {
    Format.TXT: "text/plain",
    Format.JSON: "application/json",
    Format.VERBOSE_JSON: "application/json",
    Format.SRT: "application/x-subrip",
    Format.VTT: "text/vtt",
    Format.TSV: "text/tab-separated-values",
}
_SUFFIXES = {Format.VERBOSE_JSON: ".verbose.json"}
_SYNONYMS = {"text": Format.TXT}


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """The last word on each utterance of one file, in order."""

    source: str
    provider: str
    duration_ms: int
    hypotheses: tuple[Hypothesis, ...] = ()
    language: str | None = None


def format_of(name: str) -> Format:
    """The format a client calls so; `text` is `txt`. Raises ProtocolError (`unknown-format`)."""
    plain = name.strip().lower()
    if plain in _SYNONYMS:
        return _SYNONYMS[plain]
    try:
        return Format(plain)
    except ValueError:
        there = ", ".join(Format)
        raise ProtocolError(f"there is no format {name[:40]!r}; choose of: {there}", code="unknown-format") from None


def render(transcript: Transcript, format: Format) -> str:
    """
    The transcript as the text of a file, with a line end at its end where it is not empty.

    Ten hours of speech take seconds: more than an event loop has to spare.
    """
    return _RENDERERS[format](transcript)


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
        "sentences": [_sentence(each) for each in sentences(spoken)],
    }
    return _document(document)


def _document(document: dict[str, object]) -> str:
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


def _sentence(sentence: Sentence) -> dict[str, object]:
    head: dict[str, object] = {"start": sentence.start, "end": sentence.end, "text": sentence.text}
    return head if sentence.speaker is None else head | {"speaker": sentence.speaker}


def _verbose_json(transcript: Transcript) -> str:
    spoken = sentences(transcript.hypotheses)
    segments = [_segment(number, each, transcript.hypotheses) for number, each in enumerate(spoken)]
    document: dict[str, object] = {
        "task": "transcribe",
        "language": transcript.language or "und",
        "duration": transcript.duration_ms / 1000,
        "text": "".join(str(each["text"]) for each in segments),
        "segments": segments,
    }
    words = [
        {"word": word.text, "start": word.start / 1000, "end": word.end / 1000}
        for hypothesis in transcript.hypotheses
        for word in hypothesis.words
    ]
    return _document(document | {"words": words} if words else document)


def _segment(number: int, sentence: Sentence, hypotheses: Sequence[Hypothesis]) -> dict[str, object]:
    utterance = hypotheses[sentence.utterance]
    segment: dict[str, object] = {
        "id": number,
        "seek": utterance.start // 10,
        "start": sentence.start / 1000,
        "end": sentence.end / 1000,
        # Clients put the texts together as they are.
        "text": f" {sentence.text}" if number and sentence.is_apart else sentence.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": _logarithm(utterance.confidence),
        "compression_ratio": _compression(sentence.text),
        "no_speech_prob": 0.0,
    }
    return segment if sentence.speaker is None else segment | {"speaker": sentence.speaker}


def _logarithm(confidence: float | None) -> float:
    # A confidence of 0 has no logarithm.
    return 0.0 if confidence is None else math.log(min(max(confidence, 1e-9), 1.0))


def _compression(text: str) -> float:
    plain = text.encode(errors="replace")
    return len(plain) / len(zlib.compress(plain))


def _srt(transcript: Transcript) -> str:
    blocks = (
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{_printable(f'{cue.label}{_lines(cue)}')}\n"
        for number, cue in enumerate(_cues(transcript), 1)
    )
    return "\n".join(blocks)


def _vtt(transcript: Transcript) -> str:
    blocks = (
        f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{_voice(cue)}{_escaped(_lines(cue))}\n"
        for cue in _cues(transcript)
    )
    return "\n".join(("WEBVTT\n", *blocks))


def _cues(transcript: Transcript) -> list[Cue]:
    return cues(transcript.hypotheses, until=transcript.duration_ms)


def _voice(cue: Cue) -> str:
    return f"<v {_escaped(_flat(cue.speaker))}>" if cue.speaker else ""


def _tsv(transcript: Transcript) -> str:
    # Fields have no white space but blanks: nothing has to be escaped.
    rows = [f"{each.start}\t{each.end}\t{each.text}\n" for each in sentences(transcript.hypotheses)]
    return "".join(("start\tend\ttext\n", *rows))


_RENDERERS = {
    Format.TXT: _txt,
    Format.JSON: _json,
    Format.VERBOSE_JSON: _verbose_json,
    Format.SRT: _srt,
    Format.VTT: _vtt,
    Format.TSV: _tsv,
}


def _clock(ms: int, point: str) -> str:
    seconds, rest = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{rest:03}"


def _lines(cue: Cue) -> str:
    return "\n".join(cue.lines)


def _escaped(text: str) -> str:
    return html.escape(_printable(text), quote=False)


def _printable(text: str) -> str:
    # U+0000 is no character of a subtitle: WebVTT readers replace it so.
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _flat(text: str) -> str:
    """One line: an empty line would end a cue."""
    return " ".join(text.split())
