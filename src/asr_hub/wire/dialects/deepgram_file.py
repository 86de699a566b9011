"""Deepgram's answer about a whole file: `POST /v1/listen`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from asr_hub.model import Hypothesis
from asr_hub.wire.dialects.deepgram_messages import (
    DEPRECATED,
    ModelInfo,
    Reading,
    Speakers,
    SpokenWord,
    model_uuid,
    reading,
    seconds,
)
from asr_hub.wire.dialects.deepgram_query import Listen
from asr_hub.wire.dialects.spacing import joined


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to tell of a file."""

    session: str
    provider: str
    created: str
    """ISO 8601"""
    sha256: str
    """Of the file"""
    duration_ms: int
    readings: Sequence[Hypothesis]
    """Of its utterances, in order; those without text are left out of the answer."""


HEAD_BYTES = 12
"""Of a file, which tell whether it has a header."""


def is_raw_audio(head: bytes) -> bool:
    """Whether what begins so has no header of an audio file."""
    return not head.startswith(_MAGIC) and head[4:8] != b"ftyp"


_MAGIC = (b"RIFF", b"RF64", b"FORM", b".snd", b"caff", b"fLaC", b"OggS", b"ID3", b"#!AMR", b"\x1aE\xdf\xa3")
"""How files of the kinds begin that the hub reads; MPEG-4 has its name further on."""


class Sentence(msgspec.Struct, frozen=True):
    text: str
    start: float
    end: float


class Paragraph(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    sentences: tuple[Sentence, ...]
    num_words: int
    start: float
    end: float
    speaker: int | None = None


class Paragraphs(msgspec.Struct, frozen=True):
    transcript: str
    paragraphs: Sequence[Paragraph]


class WholeReading(Reading, frozen=True, kw_only=True, omit_defaults=True):
    """All that was said."""

    paragraphs: Paragraphs | None = None


class WholeChannel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    alternatives: tuple[WholeReading, ...]
    detected_language: str | None = None


class Utterance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    id: str
    start: float
    end: float
    confidence: float
    channel: int | None = None
    transcript: str
    words: Sequence[SpokenWord]
    speaker: int | None = None


class FileResults(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    channels: tuple[WholeChannel, ...]
    utterances: Sequence[Utterance] | None = None


class FileMetadata(msgspec.Struct, frozen=True, kw_only=True):
    transaction_key: str = DEPRECATED
    request_id: str
    sha256: str
    created: str
    duration: float
    channels: int
    models: tuple[str, ...]
    model_info: dict[str, ModelInfo]


class Answer(msgspec.Struct, frozen=True):
    metadata: FileMetadata
    results: FileResults


def answer(heard: Heard, listen: Listen) -> bytes:
    """The body, as JSON. An utterance is a paragraph of one sentence. The channels of a file are mixed to one."""
    speakers = Speakers()
    utterances = [
        _utterance(number, hypothesis, listen, speakers)
        for number, hypothesis in enumerate(it for it in heard.readings if it.text)
    ]
    uuid = model_uuid(heard.provider)
    channel = WholeChannel(
        alternatives=(_whole(utterances, listen),),
        detected_language=_language(heard.readings) if listen.is_language_wanted else None,
    )
    metadata = FileMetadata(
        request_id=heard.session,
        sha256=heard.sha256,
        created=heard.created,
        duration=seconds(heard.duration_ms),
        channels=1,
        models=(uuid,),
        model_info={uuid: ModelInfo(heard.provider)},
    )
    results = FileResults(channels=(channel,), utterances=utterances if listen.utterances else None)
    return msgspec.json.encode(Answer(metadata, results))


def _utterance(number: int, hypothesis: Hypothesis, listen: Listen, speakers: Speakers) -> Utterance:
    speaker = speakers.number(hypothesis.speaker) if listen.speakers else None
    read = reading(hypothesis, punctuated=listen.punctuated, speaker=speaker)
    return Utterance(
        id=str(number),
        start=seconds(hypothesis.start),
        end=seconds(hypothesis.end),
        confidence=read.confidence,
        channel=0,
        transcript=read.transcript,
        words=read.words,
        speaker=speaker,
    )


def _whole(utterances: Sequence[Utterance], listen: Listen) -> WholeReading:
    text = joined(it.transcript for it in utterances)
    paragraphs = Paragraphs("\n\n".join(it.transcript for it in utterances), [_paragraph(it) for it in utterances])
    return WholeReading(
        transcript=text,
        confidence=round(sum(it.confidence for it in utterances) / len(utterances), 6) if utterances else 0.0,
        words=[word for it in utterances for word in it.words],
        paragraphs=paragraphs if listen.paragraphs else None,
    )


def _paragraph(it: Utterance) -> Paragraph:
    return Paragraph(
        sentences=(Sentence(it.transcript, it.start, it.end),),
        num_words=len(it.words) or len(it.transcript.split()),
        start=it.start,
        end=it.end,
        speaker=it.speaker,
    )


def _language(readings: Sequence[Hypothesis]) -> str | None:
    """That of the most text."""
    sizes: dict[str, int] = {}
    for it in readings:
        if it.language is not None:
            sizes[it.language] = sizes.get(it.language, 0) + len(it.text)
    return max(sizes, key=lambda language: sizes[language], default=None)
