"""
NVIDIA Riva's messages: fields and numbers of `riva/proto/riva_asr.proto`, as far as the hub reads or sets them.

Times are whole milliseconds. `boost` of phrases goes from 0 to 100 there, and 20 is usual: the weight here goes from 1
to 10 with it. Phrases that are to be avoided (a boost below 0) are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asr_hub.errors import ProtocolError
from asr_hub.model import Encoding
from asr_hub.protocols.compat.protobuf import Messages
from asr_hub.wire.dialects.languages import spoken
from asr_hub.wire.dialects.recognizing import Asked, Happening, Reading, Result, Whole
from asr_hub.wire.dialects.spacing import spaced
from asr_hub.wire.dialects.weights import weighted

TABLE = {
    "SpeechContext": {"phrases": (1, "*string"), "boost": (4, "float")},
    "SpeakerDiarizationConfig": {"enable_speaker_diarization": (1, "bool"), "max_speaker_count": (2, "int32")},
    "RecognitionConfig": {
        "encoding": (1, "int32"),
        "sample_rate_hertz": (2, "int32"),
        "language_code": (3, "string"),
        "max_alternatives": (4, "int32"),
        "speech_contexts": (6, "*SpeechContext"),
        "audio_channel_count": (7, "int32"),
        "enable_word_time_offsets": (8, "bool"),
        "model": (13, "string"),
        "diarization_config": (19, "SpeakerDiarizationConfig"),
    },
    "StreamingRecognitionConfig": {"config": (1, "RecognitionConfig"), "interim_results": (2, "bool")},
    "StreamingRecognizeRequest": {
        "streaming_config": (1, "StreamingRecognitionConfig"),
        "audio_content": (2, "bytes"),
    },
    "RecognizeRequest": {"config": (1, "RecognitionConfig"), "audio": (2, "bytes")},
    "WordInfo": {
        "start_time": (1, "int32"),
        "end_time": (2, "int32"),
        "word": (3, "string"),
        "confidence": (4, "float"),
        "speaker_tag": (5, "int32"),
    },
    "SpeechRecognitionAlternative": {
        "transcript": (1, "string"),
        "confidence": (2, "float"),
        "words": (3, "*WordInfo"),
        "language_code": (4, "*string"),
    },
    "StreamingRecognitionResult": {
        "alternatives": (1, "*SpeechRecognitionAlternative"),
        "is_final": (2, "bool"),
        "stability": (3, "float"),
        "channel_tag": (5, "int32"),
        "audio_processed": (6, "float"),
    },
    "StreamingRecognizeResponse": {"results": (1, "*StreamingRecognitionResult")},
    "SpeechRecognitionResult": {
        "alternatives": (1, "*SpeechRecognitionAlternative"),
        "channel_tag": (2, "int32"),
        "audio_processed": (3, "float"),
    },
    "RecognizeResponse": {"results": (1, "*SpeechRecognitionResult")},
    "RivaSpeechRecognitionConfigRequest": {"model_name": (1, "string")},
    "Config": {"model_name": (1, "string"), "parameters": (2, "map")},
    "RivaSpeechRecognitionConfigResponse": {"model_config": (1, "*Config")},
}

ENCODINGS = {
    0: None,
    1: Encoding.PCM_S16LE,
    2: None,
    3: Encoding.MULAW,
    4: None,
    20: Encoding.ALAW,
}
"""`AudioEncoding`. FLAC and Ogg are files, whose header says the rest."""

STRONGEST = 100.0
"""The boost that has the largest weight."""

messages = Messages("nvidia.riva.asr", TABLE)


class RivaWords:
    """A `Vocabulary`."""

    def request(self, data: bytes) -> Asked | bytes:
        said = messages.read("StreamingRecognizeRequest", data)
        if not said.HasField("streaming_config"):
            return bytes(said.audio_content)
        return _asked(said.streaming_config.config, interim=said.streaming_config.interim_results)

    def whole(self, data: bytes) -> Whole:
        said = messages.read("RecognizeRequest", data)
        return Whole(_asked(said.config), said.audio)

    def result(self, result: Result) -> bytes:
        message = messages["StreamingRecognizeResponse"]()
        told = message.results.add(is_final=result.is_final, stability=result.stability)
        _fill(told, result)
        return bytes(message.SerializeToString())

    def happening(self, what: Happening, at: int) -> bytes | None:
        return None

    def answer(self, results: Sequence[Result]) -> bytes:
        message = messages["RecognizeResponse"]()
        for result in results:
            _fill(message.results.add(), result)
        return bytes(message.SerializeToString())

    def text(self, text: str, *, is_first: bool, is_final: bool) -> str:
        return spaced(text.strip()) if is_final else text


def models(names: Sequence[str]) -> bytes:
    """The answer to what can be heard here: one entry for each model."""
    message = messages["RivaSpeechRecognitionConfigResponse"]()
    for name in names:
        entry = message.model_config.add(model_name=name)
        entry.parameters.update({"type": "online", "streaming": "True", "sample_rate": "16000"})
    return bytes(message.SerializeToString())


def asked_model(data: bytes) -> str:
    """The model that somebody asks about; nothing where it is about all."""
    return str(messages.read("RivaSpeechRecognitionConfigRequest", data).model_name)


def _asked(config: Any, *, interim: bool = False) -> Asked:
    if config.encoding not in ENCODINGS:
        raise ProtocolError(
            f"`encoding` is {config.encoding}; LINEAR_PCM, FLAC, MULAW, OGGOPUS and ALAW are heard", code="bad-value"
        )
    return Asked(
        encoding=ENCODINGS[config.encoding],
        sample_rate=config.sample_rate_hertz,
        channels=config.audio_channel_count,
        language=spoken([config.language_code]),
        model=config.model,
        hotwords=weighted(
            ((phrase, context.boost) for context in config.speech_contexts for phrase in context.phrases),
            strongest=STRONGEST,
        ),
        interim=interim,
        alternatives=config.max_alternatives,
        word_times=config.enable_word_time_offsets,
        speakers=config.diarization_config.enable_speaker_diarization,
    )


def _fill(target: Any, result: Result) -> None:
    target.channel_tag = 1
    target.audio_processed = result.end / 1000
    for reading in result.readings:
        _add_reading(target.alternatives.add(transcript=reading.text), reading, result)


def _add_reading(target: Any, reading: Reading, result: Result) -> None:
    target.confidence = reading.confidence or 0.0
    if result.language is not None:
        target.language_code.append(result.language)
    for word in reading.words:
        told = target.words.add(word=word.text, start_time=word.start, end_time=word.end)
        told.confidence = word.confidence or 0.0
        if result.speaker is not None:
            # Counts from 0.
            told.speaker_tag = result.speaker - 1
