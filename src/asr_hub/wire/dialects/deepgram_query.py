"""What a client of Deepgram asks for in the query of `/v1/listen`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from math import isfinite

import msgspec

from asr_hub.config.schema import MAX_HOTWORD_WEIGHT, MIN_HOTWORD_WEIGHT
from asr_hub.errors import ProtocolError
from asr_hub.model import AudioFormat, Encoding
from asr_hub.wire.conversation import check_hotwords, check_language
from asr_hub.wire.dialects.languages import spoken
from asr_hub.wire.messages import Start


class Listen(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters that the hub follows; every other one is as if it were not there."""

    format: AudioFormat | None = None
    """Of raw audio; nothing where a file of any kind comes, whose header says the rest."""
    model: str | None = None
    language: str | None = None
    """BCP 47, or nothing where it is to be found out."""
    is_language_wanted: bool = False
    """Say which language was heard."""
    hotwords: dict[str, float] = {}
    """Words and their weights, from 0.1 to 10."""
    interim: bool = False
    speech_events: bool = False
    """Say when speech begins."""
    utterance_end_ms: int | None = None
    """Say when nobody has spoken for so many milliseconds of audio."""
    punctuated: bool = False
    """Words as they are written, too."""
    speakers: bool = False
    utterances: bool = False
    paragraphs: bool = False

    def start(self, provider: Callable[[str | None], str | None], *, partials: bool) -> Start:
        """
        The session that hears this. `provider` gives the one that a model stands for.

        Raises what `provider` raises, and ProtocolError for what is no language or no hotword.
        """
        check_language(self.language)
        check_hotwords(tuple(self.hotwords))
        return Start(
            format=self.format or AudioFormat(),
            provider=provider(self.model),
            language=self.language,
            hotwords=tuple(self.hotwords),
            hotword_weights={word: weight for word, weight in self.hotwords.items() if weight != 1},
            partials=partials and self.interim,
            # They are the clock of the audio that was heard, which alone tells how long nobody has spoken.
            levels=partials and self.utterance_end_ms is not None,
        )


def listen(pairs: Iterable[tuple[str, str]]) -> Listen:
    """
    The parameters of a query, in their order.

    Raises ProtocolError (`bad-value`) where one that the hub follows cannot be understood, and for what must not be
    passed over: a `callback`, which the client would wait for for ever, and `redact`.
    """
    given: dict[str, list[str]] = defaultdict(list)
    for name, value in pairs:
        given[name].append(value)
    if given["callback"]:
        raise ProtocolError("`callback` is not served: take the results from the answer", code="bad-value")
    if any(value.lower() not in ("", "false") for value in given["redact"]):
        raise ProtocolError(
            "`redact` is not served: the hub takes nothing out of a text; leave it out", code="bad-value"
        )
    is_language_wanted = any(value.lower() != "false" for value in given["detect_language"])
    return Listen(
        format=_format(given),
        model=_last(given, "model"),
        language=None if is_language_wanted else spoken(given["language"]),
        is_language_wanted=is_language_wanted,
        hotwords=hotwords(given["keyterm"], given["keywords"]),
        interim=_flag(given, "interim_results"),
        speech_events=_flag(given, "vad_events"),
        utterance_end_ms=_milliseconds(given, "utterance_end_ms"),
        punctuated=any(_flag(given, name) for name in ("punctuate", "smart_format", "dictation")),
        speakers=_flag(given, "diarize") or bool(given["diarize_model"]),
        utterances=_flag(given, "utterances"),
        paragraphs=_flag(given, "paragraphs"),
    )


def hotwords(keyterms: Iterable[str], keywords: Iterable[str] = ()) -> dict[str, float]:
    """
    Words and their weights: a keyterm has none of its own, and is taken as it stands.

    A keyword may end in `:intensifier`, where 1 is usual, as it is here: so that it is the weight, from 0.1 to 10. What
    is to be suppressed, with one of 0 or less, is left out: there is no such thing here.
    """
    words = {word: 1.0 for keyterm in keyterms if (word := " ".join(keyterm.split()))}
    for keyword in keywords:
        text, weight = _boosted(keyword)
        if (word := " ".join(text.split())) and weight > 0:
            words[word] = min(max(weight, MIN_HOTWORD_WEIGHT), MAX_HOTWORD_WEIGHT)
    return words


def _boosted(keyword: str) -> tuple[str, float]:
    text, colon, number = keyword.rpartition(":")
    try:
        weight = float(number)
    except ValueError:
        return keyword, 1.0
    return (text, weight) if colon and isfinite(weight) else (keyword, 1.0)


RAW = {
    "linear16": (Encoding.PCM_S16LE, 16_000),
    "linear32": (Encoding.PCM_F32LE, 16_000),
    "mulaw": (Encoding.MULAW, 8_000),
    "alaw": (Encoding.ALAW, 8_000),
}
"""Encodings of raw audio, and their rates in Hertz where the client says none."""

FILES = frozenset({"flac", "opus", "ogg-opus", "amr-nb", "amr-wb", "speex"})
"""Encodings that come with a header, whatever the client says of their rate."""


def _format(given: dict[str, list[str]]) -> AudioFormat | None:
    encoding = (_last(given, "encoding") or "").lower()
    if not encoding or encoding in FILES:
        return None
    if encoding not in RAW:
        raise ProtocolError(
            f"`encoding` {encoding[:32]!r} is not heard here; send {', '.join((*RAW, *sorted(FILES)))}, or a file of "
            "any kind without it",
            code="bad-value",
        )
    kind, rate = RAW[encoding]
    return AudioFormat(_number(given, "sample_rate", rate), _number(given, "channels", 1), kind)


def _last(given: dict[str, list[str]], name: str) -> str | None:
    values: Sequence[str] = given[name]
    return values[-1] if values else None


def _flag(given: dict[str, list[str]], name: str) -> bool:
    value = (_last(given, name) or "false").lower()
    if value not in ("true", "false"):
        raise ProtocolError(f"`{name}` is `true` or `false`", code="bad-value")
    return value == "true"


def _milliseconds(given: dict[str, list[str]], name: str) -> int | None:
    return None if _last(given, name) in (None, "false") else _number(given, name, 0)


def _number(given: dict[str, list[str]], name: str, default: int) -> int:
    value = _last(given, name)
    if value is None:
        return default
    if not (value.isascii() and value.isdecimal() and len(value) <= _MAX_DIGITS):
        raise ProtocolError(f"`{name}` is a whole number", code="bad-value")
    return int(value)


_MAX_DIGITS = 7
