"""
Google Speech v1's messages: fields and numbers of `google/cloud/speech/v1/cloud_speech.proto`, as far as the hub reads
or sets them.

`boost` of phrases goes from 0 to 20: the weight here goes from 1 to 10 with it.
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
    "SpeechContext": {"phrases": (1, "*string"), "boost": (4, "float")},
    "Phrase": {"value": (1, "string"), "boost": (2, "float")},
    "PhraseSet": {"phrases": (2, "*Phrase"), "boost": (4, "float")},
    "SpeechAdaptation": {"phrase_sets": (1, "*PhraseSet")},
    "SpeakerDiarizationConfig": {"enable_speaker_diarization": (1, "bool")},
    "RecognitionConfig": {
        "encoding": (1, "int32"),
        "sample_rate_hertz": (2, "int32"),
        "language_code": (3, "string"),
        "max_alternatives": (4, "int32"),
        "speech_contexts": (6, "*SpeechContext"),
        "audio_channel_count": (7, "int32"),
        "enable_word_time_offsets": (8, "bool"),
        "model": (13, "string"),
        "enable_word_confidence": (15, "bool"),
        "alternative_language_codes": (18, "*string"),
        "diarization_config": (19, "SpeakerDiarizationConfig"),
        "adaptation": (20, "SpeechAdaptation"),
    },
    "StreamingRecognitionConfig": {
        "config": (1, "RecognitionConfig"),
        "single_utterance": (2, "bool"),
        "interim_results": (3, "bool"),
        "enable_voice_activity_events": (5, "bool"),
    },
    "StreamingRecognizeRequest": {
        "streaming_config": (1, "StreamingRecognitionConfig"),
        "audio_content": (2, "bytes"),
    },
    "RecognitionAudio": {"content": (1, "bytes"), "uri": (2, "string")},
    "RecognizeRequest": {"config": (1, "RecognitionConfig"), "audio": (2, "RecognitionAudio")},
    **answers("time"),
}

ENCODINGS = {
    0: None,
    1: Encoding.PCM_S16LE,
    2: None,
    3: Encoding.MULAW,
    **dict.fromkeys((4, 5, 6, 8, 9)),
}
"""`AudioEncoding`. FLAC, AMR, Ogg, MP3 and WebM are files, whose header says the rest. Speex (7) is not heard."""

messages = Messages("google.cloud.speech.v1", TABLE)


class GoogleV1(GoogleAnswers):
    """A `Vocabulary`."""

    def __init__(self) -> None:
        super().__init__(messages, "time")

    def request(self, data: bytes) -> Asked | bytes:
        said = messages.read("StreamingRecognizeRequest", data)
        if not said.HasField("streaming_config"):
            return bytes(said.audio_content)
        config = said.streaming_config
        return _asked(
            config.config,
            interim=config.interim_results,
            single=config.single_utterance,
            events=config.enable_voice_activity_events,
        )

    def whole(self, data: bytes) -> Whole:
        said = messages.read("RecognizeRequest", data)
        if said.audio.uri:
            raise ProtocolError("the hub fetches no audio; send its bytes in `content`, not a `uri`", code="bad-value")
        return Whole(_asked(said.config), said.audio.content)


def _asked(config: Any, *, interim: bool = False, single: bool = False, events: bool = False) -> Asked:
    if config.encoding not in ENCODINGS:
        raise ProtocolError(
            f"`encoding` is {config.encoding}; LINEAR16, FLAC, MULAW, AMR, OGG_OPUS, MP3 and WEBM_OPUS are heard",
            code="bad-value",
        )
    return Asked(
        encoding=ENCODINGS[config.encoding],
        sample_rate=config.sample_rate_hertz,
        channels=config.audio_channel_count,
        language=spoken([config.language_code, *config.alternative_language_codes]),
        model=config.model,
        hotwords=weighted(_phrases(config), strongest=STRONGEST),
        interim=interim,
        alternatives=config.max_alternatives,
        word_times=config.enable_word_time_offsets,
        word_confidence=config.enable_word_confidence,
        speakers=config.diarization_config.enable_speaker_diarization,
        single=single,
        events=events,
    )


def _phrases(config: Any) -> Iterator[tuple[str, float]]:
    for context in config.speech_contexts:
        for phrase in context.phrases:
            yield phrase, context.boost
    for phrases in config.adaptation.phrase_sets:
        for phrase in phrases.phrases:
            yield phrase.value, phrase.boost or phrases.boost
