"""
What Google Speech answers, in v1 and v2, which differ in little but the names of times.

Times are durations made of whole milliseconds, so that none is off by rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from asr_hub.protocols.compat.protobuf import Fields, Messages
from asr_hub.wire.dialects.recognizing import Happening, Reading, Result
from asr_hub.wire.dialects.spacing import spaced

STRONGEST = 20.0
"""The largest boost of a phrase."""

HAPPENINGS = {Happening.UTTERANCE_OVER: 1, Happening.SPEECH_BEGAN: 2, Happening.SPEECH_ENDED: 3}
"""`SpeechEventType`, the same in both."""


def answers(times: Literal["time", "offset"]) -> dict[str, Fields]:
    """The part of the table of messages that is about answers. v1 says `start_time`, v2 `start_offset`."""
    is_v1 = times == "time"
    tags: Fields = {"speaker_tag": (5, "int32")} if is_v1 else {}
    return {
        "Duration": {"seconds": (1, "int64"), "nanos": (2, "int32")},
        "WordInfo": {
            f"start_{times}": (1, "Duration"),
            f"end_{times}": (2, "Duration"),
            "word": (3, "string"),
            "confidence": (4, "float"),
            "speaker_label": (6, "string"),
            **tags,
        },
        "SpeechRecognitionAlternative": {
            "transcript": (1, "string"),
            "confidence": (2, "float"),
            "words": (3, "*WordInfo"),
        },
        "StreamingRecognitionResult": {
            "alternatives": (1, "*SpeechRecognitionAlternative"),
            "is_final": (2, "bool"),
            "stability": (3, "float"),
            f"result_end_{times}": (4, "Duration"),
            "channel_tag": (5, "int32"),
            "language_code": (6, "string"),
        },
        "SpeechRecognitionResult": {
            "alternatives": (1, "*SpeechRecognitionAlternative"),
            "channel_tag": (2, "int32"),
            f"result_end_{times}": (4, "Duration"),
            "language_code": (5, "string"),
        },
        "StreamingRecognizeResponse": {
            "results": (2 if is_v1 else 6, "*StreamingRecognitionResult"),
            "speech_event_type": (4 if is_v1 else 3, "int32"),
            f"speech_event_{times}": (8 if is_v1 else 7, "Duration"),
        },
        "RecognizeResponse": {"results": (2 if is_v1 else 3, "*SpeechRecognitionResult")},
    }


class GoogleAnswers:
    """The half of a `Vocabulary` that answers."""

    def __init__(self, messages: Messages, times: Literal["time", "offset"]) -> None:
        self._messages = messages
        self._times = times

    def result(self, result: Result) -> bytes:
        message = self._messages["StreamingRecognizeResponse"]()
        told = message.results.add(is_final=result.is_final)
        if not result.is_final:
            told.stability = result.stability
        self._fill(told, result)
        return bytes(message.SerializeToString())

    def happening(self, what: Happening, at: int) -> bytes | None:
        message = self._messages["StreamingRecognizeResponse"](speech_event_type=HAPPENINGS[what])
        _set(getattr(message, f"speech_event_{self._times}"), at)
        return bytes(message.SerializeToString())

    def answer(self, results: Sequence[Result]) -> bytes:
        message = self._messages["RecognizeResponse"]()
        for result in results:
            self._fill(message.results.add(), result)
        return bytes(message.SerializeToString())

    def text(self, text: str, *, is_first: bool, is_final: bool) -> str:
        text = text.strip()
        # Results after the first begin with the space between the two, in scripts that have spaces.
        return text if is_first or spaced(text[:1]) == text[:1] else f" {text}"

    def _fill(self, target: Any, result: Result) -> None:
        if result.language is not None:
            # The service writes its tags in lower case.
            target.language_code = result.language.lower()
        _set(getattr(target, f"result_end_{self._times}"), result.end)
        for reading in result.readings:
            told = target.alternatives.add(transcript=reading.text, confidence=reading.confidence or 0.0)
            self._add_words(told, reading, result)

    def _add_words(self, target: Any, reading: Reading, result: Result) -> None:
        asked, speaker = result.asked, result.speaker
        for word in reading.words:
            told = target.words.add(word=word.text)
            if asked.word_times:
                _set(getattr(told, f"start_{self._times}"), word.start)
                _set(getattr(told, f"end_{self._times}"), word.end)
            if asked.word_confidence:
                told.confidence = word.confidence or 0.0
            if speaker is not None:
                told.speaker_label = str(speaker)
                if self._times == "time":
                    told.speaker_tag = speaker


def _set(duration: Any, ms: int) -> None:
    seconds, rest = divmod(ms, 1000)
    duration.seconds = seconds
    duration.nanos = rest * 1_000_000
