"""
Google Speech v2's messages: fields and numbers of `google/cloud/speech/v2/cloud_speech.proto`, as far as the hub reads
or sets them.

Phrases have the boost of v1. A recognizer is a model here: `projects/p/locations/l/recognizers/NAME` asks for `NAME`
where the config names no model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from asr_hub.errors import ProtocolError
from asr_hub.model import Encoding
from asr_hub.protocols.compat.google_answers import STRONGEST, GoogleAnswers, answers
from asr_hub.protocols.compat.protobuf import Messages
from asr_hub.wire.dialects.languages import spoken
from asr_hub.wire.dialects.recognizing import Asked, Whole
from asr_hub.wire.dialects.weights import weighted

TABLE = {
    "ExplicitDecodingConfig": {
        "encoding": (1, "int32"),
        "sample_rate_hertz": (2, "int32"),
        "audio_channel_count": (3, "int32"),
    },
    "SpeakerDiarizationConfig": {"max_speaker_count": (3, "int32")},
    "RecognitionFeatures": {
        "enable_word_time_offsets": (2, "bool"),
        "enable_word_confidence": (3, "bool"),
        "diarization_config": (9, "SpeakerDiarizationConfig"),
        "max_alternatives": (16, "int32"),
    },
    "Phrase": {"value": (1, "string"), "boost": (2, "float")},
    "PhraseSet": {"phrases": (3, "*Phrase"), "boost": (4, "float")},
    "AdaptationPhraseSet": {"inline_phrase_set": (2, "PhraseSet")},
    "SpeechAdaptation": {"phrase_sets": (1, "*AdaptationPhraseSet")},
    "RecognitionConfig": {
        "features": (2, "RecognitionFeatures"),
        "adaptation": (6, "SpeechAdaptation"),
        "explicit_decoding_config": (8, "ExplicitDecodingConfig"),
        "model": (9, "string"),
        "language_codes": (10, "*string"),
    },
    "StreamingRecognitionFeatures": {
        "enable_voice_activity_events": (1, "bool"),
        "interim_results": (2, "bool"),
    },
    "StreamingRecognitionConfig": {
        "config": (1, "RecognitionConfig"),
        "streaming_features": (2, "StreamingRecognitionFeatures"),
    },
    "StreamingRecognizeRequest": {
        "recognizer": (3, "string"),
        "audio": (5, "bytes"),
        "streaming_config": (6, "StreamingRecognitionConfig"),
    },
    "RecognizeRequest": {
        "config": (1, "RecognitionConfig"),
        "recognizer": (3, "string"),
        "content": (5, "bytes"),
        "uri": (6, "string"),
    },
    **answers("offset"),
}

ENCODINGS = {
    0: None,
    1: Encoding.PCM_S16LE,
    2: Encoding.MULAW,
    3: Encoding.ALAW,
    **dict.fromkeys(range(4, 13)),
}
"""`AudioEncoding`. From AMR on they are files, whose header says the rest."""

messages = Messages("google.cloud.speech.v2", TABLE)


class GoogleV2(GoogleAnswers):
    """A `Vocabulary`."""

    def __init__(self) -> None:
        super().__init__(messages, "offset")

    def request(self, data: bytes) -> Asked | bytes:
        said = messages.read("StreamingRecognizeRequest", data)
        if not said.HasField("streaming_config"):
            return bytes(said.audio)
        config = said.streaming_config
        features = config.streaming_features
        return _asked(
            config.config,
            said.recognizer,
            interim=features.interim_results,
            events=features.enable_voice_activity_events,
        )

    def whole(self, data: bytes) -> Whole:
        said = messages.read("RecognizeRequest", data)
        if said.uri:
            raise ProtocolError("the hub fetches no audio; send its bytes in `content`, not a `uri`", code="bad-value")
        return Whole(_asked(said.config, said.recognizer), said.content)


def _asked(config: Any, recognizer: str, *, interim: bool = False, events: bool = False) -> Asked:
    explicit = config.explicit_decoding_config
    if explicit.encoding not in ENCODINGS:
        raise ProtocolError(f"`encoding` is {explicit.encoding}, which v2 does not have", code="bad-value")
    features = config.features
    return Asked(
        encoding=ENCODINGS[explicit.encoding],
        sample_rate=explicit.sample_rate_hertz,
        channels=explicit.audio_channel_count,
        language=spoken(config.language_codes),
        model=config.model or _named(recognizer),
        hotwords=weighted(_phrases(config), strongest=STRONGEST),
        interim=interim,
        alternatives=features.max_alternatives,
        word_times=features.enable_word_time_offsets,
        word_confidence=features.enable_word_confidence,
        speakers=features.HasField("diarization_config"),
        events=events,
    )


def _named(recognizer: str) -> str:
    """The last part of a recognizer's name; `_` is the one without a name."""
    name = recognizer.rpartition("/")[2]
    return "" if name == "_" else name


def _phrases(config: Any) -> Iterator[tuple[str, float]]:
    for one in config.adaptation.phrase_sets:
        phrases = one.inline_phrase_set
        for phrase in phrases.phrases:
            yield phrase.value, phrase.boost or phrases.boost
