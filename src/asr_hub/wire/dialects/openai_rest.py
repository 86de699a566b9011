"""What a client of OpenAI's REST API asks for in its form: `/v1/audio/transcriptions` and `/v1/audio/translations`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, get_args

import msgspec

from asr_hub.errors import ProtocolError
from asr_hub.wire.conversation import check_hotwords, check_language
from asr_hub.wire.dialects.languages import spoken
from asr_hub.wire.dialects.openai_realtime_session import BadField

ResponseFormat = Literal["json", "text", "srt", "vtt", "verbose_json", "diarized_json"]

FIELDS = frozenset(
    {
        "model",
        "language",
        "languages",
        "response_format",
        "temperature",
        "stream",
        "timestamp_granularities",
        "keywords",
    }
)
"""Those that are used, without the brackets that some clients put behind lists."""

SENT = FIELDS | {f"{name}[]" for name in FIELDS}
"""As they are sent. Others are ignored: `prompt`, `include`, `chunking_strategy`, `known_speaker_names` …"""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be made of a file."""

    model: str | None = None
    language: str | None = None
    """BCP 47; None where it is to be found out."""
    hotwords: tuple[str, ...] = ()
    """`keywords`, each with the usual weight."""
    response_format: ResponseFormat = "json"
    is_streamed: bool = False
    has_words: bool = False
    """Where the format has room for times of words."""
    has_segments: bool = True


def asked(fields: Mapping[str, Sequence[str]]) -> Asked:
    """
    The fields of a form. One that is empty is as one that is not there.

    Raises BadField for what a field cannot be. Names may have brackets behind them (`keywords[]`) or not.
    """
    given = {name: [text for text in _all(fields, name) if text] for name in FIELDS}
    language = spoken((*given["languages"], *given["language"]))
    hotwords = tuple(dict.fromkeys(given["keywords"]))
    try:
        check_language(language)
    except ProtocolError as exc:
        raise BadField(str(exc), param="language") from None
    try:
        check_hotwords(hotwords)
    except ProtocolError as exc:
        raise BadField(str(exc), param="keywords") from None
    granularities = _granularities(given["timestamp_granularities"])
    _check_temperature(_one(given, "temperature"))
    return Asked(
        model=_one(given, "model"),
        language=language,
        hotwords=hotwords,
        response_format=_format(_one(given, "response_format")),
        is_streamed=_truth(_one(given, "stream")),
        has_words="word" in granularities,
        has_segments="segment" in granularities or not granularities,
    )


def _all(fields: Mapping[str, Sequence[str]], name: str) -> Iterator[str]:
    for spelled in (name, f"{name}[]"):
        yield from (text.strip() for text in fields.get(spelled, ()))


def _one(given: Mapping[str, Sequence[str]], name: str) -> str | None:
    values = given[name]
    if len(values) > 1:
        raise BadField(f"`{name}` is there {len(values)} times; send it once", param=name)
    return values[0] if values else None


def _format(text: str | None) -> ResponseFormat:
    there: tuple[ResponseFormat, ...] = get_args(ResponseFormat)
    for each in there:
        if text in (each, None):
            return each
    raise BadField(f"`response_format` is one of {', '.join(there)}", param="response_format")


def _granularities(given: Sequence[str]) -> frozenset[str]:
    if unknown := set(given) - {"word", "segment"}:
        raise BadField(
            f"`timestamp_granularities` are `word` and `segment`, not {min(unknown)[:32]!r}",
            param="timestamp_granularities",
        )
    return frozenset(given)


def _truth(text: str | None) -> bool:
    match (text or "false").lower():
        case "true" | "1":
            return True
        case "false" | "0":
            return False
        case _:
            raise BadField("`stream` is `true` or `false`", param="stream")


def _check_temperature(text: str | None) -> None:
    """It is read and not used: engines have their own."""
    try:
        is_one = text is None or 0 <= float(text) <= 2
    except ValueError:
        is_one = False
    if not is_one:
        raise BadField("`temperature` is a number from 0 to 1", param="temperature")
