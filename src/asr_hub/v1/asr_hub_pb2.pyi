from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Encoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENCODING_UNSPECIFIED: _ClassVar[Encoding]
    ENCODING_PCM_S16LE: _ClassVar[Encoding]
    ENCODING_PCM_F32LE: _ClassVar[Encoding]
    ENCODING_MULAW: _ClassVar[Encoding]
    ENCODING_ALAW: _ClassVar[Encoding]

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    ROLE_PUBLISHER: _ClassVar[Role]
    ROLE_VIEWER: _ClassVar[Role]

class EndpointReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENDPOINT_REASON_UNSPECIFIED: _ClassVar[EndpointReason]
    ENDPOINT_REASON_SILENCE: _ClassVar[EndpointReason]
    ENDPOINT_REASON_MAX_LENGTH: _ClassVar[EndpointReason]
    ENDPOINT_REASON_FINALIZE: _ClassVar[EndpointReason]
    ENDPOINT_REASON_CLEAR: _ClassVar[EndpointReason]
    ENDPOINT_REASON_CLOSE: _ClassVar[EndpointReason]
    ENDPOINT_REASON_ENGINE: _ClassVar[EndpointReason]

class Pass(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PASS_UNSPECIFIED: _ClassVar[Pass]
    PASS_FAST: _ClassVar[Pass]
    PASS_ACCURATE: _ClassVar[Pass]
    PASS_CORRECTED: _ClassVar[Pass]

class ErrorScope(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_SCOPE_UNSPECIFIED: _ClassVar[ErrorScope]
    ERROR_SCOPE_CONNECTION: _ClassVar[ErrorScope]
    ERROR_SCOPE_SESSION: _ClassVar[ErrorScope]
ENCODING_UNSPECIFIED: Encoding
ENCODING_PCM_S16LE: Encoding
ENCODING_PCM_F32LE: Encoding
ENCODING_MULAW: Encoding
ENCODING_ALAW: Encoding
ROLE_UNSPECIFIED: Role
ROLE_PUBLISHER: Role
ROLE_VIEWER: Role
ENDPOINT_REASON_UNSPECIFIED: EndpointReason
ENDPOINT_REASON_SILENCE: EndpointReason
ENDPOINT_REASON_MAX_LENGTH: EndpointReason
ENDPOINT_REASON_FINALIZE: EndpointReason
ENDPOINT_REASON_CLEAR: EndpointReason
ENDPOINT_REASON_CLOSE: EndpointReason
ENDPOINT_REASON_ENGINE: EndpointReason
PASS_UNSPECIFIED: Pass
PASS_FAST: Pass
PASS_ACCURATE: Pass
PASS_CORRECTED: Pass
ERROR_SCOPE_UNSPECIFIED: ErrorScope
ERROR_SCOPE_CONNECTION: ErrorScope
ERROR_SCOPE_SESSION: ErrorScope

class StreamRequest(_message.Message):
    __slots__ = ("start", "attach", "configure", "finalize", "clear", "close", "audio")
    START_FIELD_NUMBER: _ClassVar[int]
    ATTACH_FIELD_NUMBER: _ClassVar[int]
    CONFIGURE_FIELD_NUMBER: _ClassVar[int]
    FINALIZE_FIELD_NUMBER: _ClassVar[int]
    CLEAR_FIELD_NUMBER: _ClassVar[int]
    CLOSE_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    start: Start
    attach: Attach
    configure: Configure
    finalize: Finalize
    clear: Clear
    close: Close
    audio: bytes
    def __init__(self, start: _Optional[_Union[Start, _Mapping]] = ..., attach: _Optional[_Union[Attach, _Mapping]] = ..., configure: _Optional[_Union[Configure, _Mapping]] = ..., finalize: _Optional[_Union[Finalize, _Mapping]] = ..., clear: _Optional[_Union[Clear, _Mapping]] = ..., close: _Optional[_Union[Close, _Mapping]] = ..., audio: _Optional[bytes] = ...) -> None: ...

class StreamResponse(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: ServerMessage
    def __init__(self, message: _Optional[_Union[ServerMessage, _Mapping]] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("session", "seq")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    session: str
    seq: int
    def __init__(self, session: _Optional[str] = ..., seq: _Optional[int] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: ServerMessage
    def __init__(self, message: _Optional[_Union[ServerMessage, _Mapping]] = ...) -> None: ...

class RecognizeRequest(_message.Message):
    __slots__ = ("config", "audio")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    config: Start
    audio: bytes
    def __init__(self, config: _Optional[_Union[Start, _Mapping]] = ..., audio: _Optional[bytes] = ...) -> None: ...

class RecognizeResponse(_message.Message):
    __slots__ = ("finals", "warnings", "audio_offset")
    FINALS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_OFFSET_FIELD_NUMBER: _ClassVar[int]
    finals: _containers.RepeatedCompositeFieldContainer[Final]
    warnings: _containers.RepeatedCompositeFieldContainer[Warning]
    audio_offset: int
    def __init__(self, finals: _Optional[_Iterable[_Union[Final, _Mapping]]] = ..., warnings: _Optional[_Iterable[_Union[Warning, _Mapping]]] = ..., audio_offset: _Optional[int] = ...) -> None: ...

class ListProvidersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListProvidersResponse(_message.Message):
    __slots__ = ("providers",)
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    providers: _containers.RepeatedCompositeFieldContainer[Provider]
    def __init__(self, providers: _Optional[_Iterable[_Union[Provider, _Mapping]]] = ...) -> None: ...

class ListSessionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListSessionsResponse(_message.Message):
    __slots__ = ("sessions",)
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    sessions: _containers.RepeatedCompositeFieldContainer[Session]
    def __init__(self, sessions: _Optional[_Iterable[_Union[Session, _Mapping]]] = ...) -> None: ...

class GetSessionRequest(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: str
    def __init__(self, session: _Optional[str] = ...) -> None: ...

class GetSessionResponse(_message.Message):
    __slots__ = ("session", "transcript")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    session: Session
    transcript: _containers.RepeatedCompositeFieldContainer[Utterance]
    def __init__(self, session: _Optional[_Union[Session, _Mapping]] = ..., transcript: _Optional[_Iterable[_Union[Utterance, _Mapping]]] = ...) -> None: ...

class CloseSessionRequest(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: str
    def __init__(self, session: _Optional[str] = ...) -> None: ...

class CloseSessionResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: Session
    def __init__(self, session: _Optional[_Union[Session, _Mapping]] = ...) -> None: ...

class GetHotwordsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetHotwordsResponse(_message.Message):
    __slots__ = ("hotwords",)
    HOTWORDS_FIELD_NUMBER: _ClassVar[int]
    hotwords: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, hotwords: _Optional[_Iterable[str]] = ...) -> None: ...

class SetHotwordsRequest(_message.Message):
    __slots__ = ("hotwords",)
    HOTWORDS_FIELD_NUMBER: _ClassVar[int]
    hotwords: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, hotwords: _Optional[_Iterable[str]] = ...) -> None: ...

class SetHotwordsResponse(_message.Message):
    __slots__ = ("hotwords",)
    HOTWORDS_FIELD_NUMBER: _ClassVar[int]
    hotwords: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, hotwords: _Optional[_Iterable[str]] = ...) -> None: ...

class Start(_message.Message):
    __slots__ = ("format", "provider", "language", "hotwords", "partials", "levels", "wait_for", "hotword_weights")
    class HotwordWeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    HOTWORDS_FIELD_NUMBER: _ClassVar[int]
    PARTIALS_FIELD_NUMBER: _ClassVar[int]
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    WAIT_FOR_FIELD_NUMBER: _ClassVar[int]
    HOTWORD_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    format: AudioFormat
    provider: str
    language: str
    hotwords: _containers.RepeatedScalarFieldContainer[str]
    partials: bool
    levels: bool
    wait_for: Pass
    hotword_weights: _containers.ScalarMap[str, float]
    def __init__(self, format: _Optional[_Union[AudioFormat, _Mapping]] = ..., provider: _Optional[str] = ..., language: _Optional[str] = ..., hotwords: _Optional[_Iterable[str]] = ..., partials: _Optional[bool] = ..., levels: _Optional[bool] = ..., wait_for: _Optional[_Union[Pass, str]] = ..., hotword_weights: _Optional[_Mapping[str, float]] = ...) -> None: ...

class Attach(_message.Message):
    __slots__ = ("session", "role", "seq", "take_over")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    TAKE_OVER_FIELD_NUMBER: _ClassVar[int]
    session: str
    role: Role
    seq: int
    take_over: bool
    def __init__(self, session: _Optional[str] = ..., role: _Optional[_Union[Role, str]] = ..., seq: _Optional[int] = ..., take_over: _Optional[bool] = ...) -> None: ...

class Configure(_message.Message):
    __slots__ = ("provider", "language", "hotwords", "partials", "levels", "wait_for", "hotword_weights")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    HOTWORDS_FIELD_NUMBER: _ClassVar[int]
    PARTIALS_FIELD_NUMBER: _ClassVar[int]
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    WAIT_FOR_FIELD_NUMBER: _ClassVar[int]
    HOTWORD_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    provider: str
    language: str
    hotwords: Hotwords
    partials: bool
    levels: bool
    wait_for: Pass
    hotword_weights: HotwordWeights
    def __init__(self, provider: _Optional[str] = ..., language: _Optional[str] = ..., hotwords: _Optional[_Union[Hotwords, _Mapping]] = ..., partials: _Optional[bool] = ..., levels: _Optional[bool] = ..., wait_for: _Optional[_Union[Pass, str]] = ..., hotword_weights: _Optional[_Union[HotwordWeights, _Mapping]] = ...) -> None: ...

class HotwordWeights(_message.Message):
    __slots__ = ("weights",)
    class WeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    weights: _containers.ScalarMap[str, float]
    def __init__(self, weights: _Optional[_Mapping[str, float]] = ...) -> None: ...

class Hotwords(_message.Message):
    __slots__ = ("words",)
    WORDS_FIELD_NUMBER: _ClassVar[int]
    words: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, words: _Optional[_Iterable[str]] = ...) -> None: ...

class Finalize(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Clear(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Close(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ServerMessage(_message.Message):
    __slots__ = ("seq", "skipped", "ready", "speech_started", "partial", "endpoint", "final", "revision", "wake_word", "audio_ack", "levels", "warning", "error", "closed", "reset")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    SPEECH_STARTED_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    WAKE_WORD_FIELD_NUMBER: _ClassVar[int]
    AUDIO_ACK_FIELD_NUMBER: _ClassVar[int]
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    WARNING_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    RESET_FIELD_NUMBER: _ClassVar[int]
    seq: int
    skipped: int
    ready: Ready
    speech_started: SpeechStarted
    partial: Partial
    endpoint: Endpoint
    final: Final
    revision: Revision
    wake_word: WakeWord
    audio_ack: AudioAck
    levels: Levels
    warning: Warning
    error: Error
    closed: Closed
    reset: Reset
    def __init__(self, seq: _Optional[int] = ..., skipped: _Optional[int] = ..., ready: _Optional[_Union[Ready, _Mapping]] = ..., speech_started: _Optional[_Union[SpeechStarted, _Mapping]] = ..., partial: _Optional[_Union[Partial, _Mapping]] = ..., endpoint: _Optional[_Union[Endpoint, _Mapping]] = ..., final: _Optional[_Union[Final, _Mapping]] = ..., revision: _Optional[_Union[Revision, _Mapping]] = ..., wake_word: _Optional[_Union[WakeWord, _Mapping]] = ..., audio_ack: _Optional[_Union[AudioAck, _Mapping]] = ..., levels: _Optional[_Union[Levels, _Mapping]] = ..., warning: _Optional[_Union[Warning, _Mapping]] = ..., error: _Optional[_Union[Error, _Mapping]] = ..., closed: _Optional[_Union[Closed, _Mapping]] = ..., reset: _Optional[_Union[Reset, _Mapping]] = ...) -> None: ...

class Ready(_message.Message):
    __slots__ = ("session", "role", "provider", "format", "audio_offset", "resume_window", "version")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    AUDIO_OFFSET_FIELD_NUMBER: _ClassVar[int]
    RESUME_WINDOW_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    session: str
    role: Role
    provider: str
    format: AudioFormat
    audio_offset: int
    resume_window: float
    version: int
    def __init__(self, session: _Optional[str] = ..., role: _Optional[_Union[Role, str]] = ..., provider: _Optional[str] = ..., format: _Optional[_Union[AudioFormat, _Mapping]] = ..., audio_offset: _Optional[int] = ..., resume_window: _Optional[float] = ..., version: _Optional[int] = ...) -> None: ...

class SpeechStarted(_message.Message):
    __slots__ = ("utterance", "at")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    utterance: int
    at: int
    def __init__(self, utterance: _Optional[int] = ..., at: _Optional[int] = ...) -> None: ...

class Partial(_message.Message):
    __slots__ = ("utterance", "hypothesis")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    HYPOTHESIS_FIELD_NUMBER: _ClassVar[int]
    utterance: int
    hypothesis: Hypothesis
    def __init__(self, utterance: _Optional[int] = ..., hypothesis: _Optional[_Union[Hypothesis, _Mapping]] = ...) -> None: ...

class Endpoint(_message.Message):
    __slots__ = ("utterance", "at", "reason")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    utterance: int
    at: int
    reason: EndpointReason
    def __init__(self, utterance: _Optional[int] = ..., at: _Optional[int] = ..., reason: _Optional[_Union[EndpointReason, str]] = ...) -> None: ...

class Final(_message.Message):
    __slots__ = ("utterance", "hypothesis", "reason", "latency_ms")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    HYPOTHESIS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    utterance: int
    hypothesis: Hypothesis
    reason: EndpointReason
    latency_ms: int
    def __init__(self, utterance: _Optional[int] = ..., hypothesis: _Optional[_Union[Hypothesis, _Mapping]] = ..., reason: _Optional[_Union[EndpointReason, str]] = ..., latency_ms: _Optional[int] = ...) -> None: ...

class Revision(_message.Message):
    __slots__ = ("utterance", "hypothesis", "latency_ms")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    HYPOTHESIS_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    utterance: int
    hypothesis: Hypothesis
    latency_ms: int
    def __init__(self, utterance: _Optional[int] = ..., hypothesis: _Optional[_Union[Hypothesis, _Mapping]] = ..., latency_ms: _Optional[int] = ...) -> None: ...

class WakeWord(_message.Message):
    __slots__ = ("phrase", "at")
    PHRASE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    phrase: str
    at: int
    def __init__(self, phrase: _Optional[str] = ..., at: _Optional[int] = ...) -> None: ...

class AudioAck(_message.Message):
    __slots__ = ("audio_offset",)
    AUDIO_OFFSET_FIELD_NUMBER: _ClassVar[int]
    audio_offset: int
    def __init__(self, audio_offset: _Optional[int] = ...) -> None: ...

class Levels(_message.Message):
    __slots__ = ("at", "rms_db", "peak_db")
    AT_FIELD_NUMBER: _ClassVar[int]
    RMS_DB_FIELD_NUMBER: _ClassVar[int]
    PEAK_DB_FIELD_NUMBER: _ClassVar[int]
    at: int
    rms_db: float
    peak_db: float
    def __init__(self, at: _Optional[int] = ..., rms_db: _Optional[float] = ..., peak_db: _Optional[float] = ...) -> None: ...

class Warning(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("code", "message", "retryable", "retry_after", "scope")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    retryable: bool
    retry_after: float
    scope: ErrorScope
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., retryable: _Optional[bool] = ..., retry_after: _Optional[float] = ..., scope: _Optional[_Union[ErrorScope, str]] = ...) -> None: ...

class Reset(_message.Message):
    __slots__ = ("finals", "provider", "audio_offset", "partial")
    FINALS_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    AUDIO_OFFSET_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    finals: _containers.RepeatedCompositeFieldContainer[Reading]
    provider: str
    audio_offset: int
    partial: Reading
    def __init__(self, finals: _Optional[_Iterable[_Union[Reading, _Mapping]]] = ..., provider: _Optional[str] = ..., audio_offset: _Optional[int] = ..., partial: _Optional[_Union[Reading, _Mapping]] = ...) -> None: ...

class Reading(_message.Message):
    __slots__ = ("utterance", "hypothesis")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    HYPOTHESIS_FIELD_NUMBER: _ClassVar[int]
    utterance: int
    hypothesis: Hypothesis
    def __init__(self, utterance: _Optional[int] = ..., hypothesis: _Optional[_Union[Hypothesis, _Mapping]] = ...) -> None: ...

class Closed(_message.Message):
    __slots__ = ("reason", "audio_offset")
    REASON_FIELD_NUMBER: _ClassVar[int]
    AUDIO_OFFSET_FIELD_NUMBER: _ClassVar[int]
    reason: str
    audio_offset: int
    def __init__(self, reason: _Optional[str] = ..., audio_offset: _Optional[int] = ...) -> None: ...

class AudioFormat(_message.Message):
    __slots__ = ("sample_rate", "channels", "encoding")
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    sample_rate: int
    channels: int
    encoding: Encoding
    def __init__(self, sample_rate: _Optional[int] = ..., channels: _Optional[int] = ..., encoding: _Optional[_Union[Encoding, str]] = ...) -> None: ...

class Hypothesis(_message.Message):
    __slots__ = ("text", "start", "end", "is_final", "stable", "revision", "words", "confidence", "language", "speaker", "tags", "alternatives", "provider")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    IS_FINAL_FIELD_NUMBER: _ClassVar[int]
    STABLE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVES_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    PASS_FIELD_NUMBER: _ClassVar[int]
    text: str
    start: int
    end: int
    is_final: bool
    stable: int
    revision: int
    words: _containers.RepeatedCompositeFieldContainer[Word]
    confidence: float
    language: str
    speaker: str
    tags: _containers.ScalarMap[str, str]
    alternatives: _containers.RepeatedCompositeFieldContainer[Alternative]
    provider: str
    def __init__(self, text: _Optional[str] = ..., start: _Optional[int] = ..., end: _Optional[int] = ..., is_final: _Optional[bool] = ..., stable: _Optional[int] = ..., revision: _Optional[int] = ..., words: _Optional[_Iterable[_Union[Word, _Mapping]]] = ..., confidence: _Optional[float] = ..., language: _Optional[str] = ..., speaker: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ..., alternatives: _Optional[_Iterable[_Union[Alternative, _Mapping]]] = ..., provider: _Optional[str] = ..., **kwargs) -> None: ...

class Word(_message.Message):
    __slots__ = ("text", "start", "end", "confidence")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    text: str
    start: int
    end: int
    confidence: float
    def __init__(self, text: _Optional[str] = ..., start: _Optional[int] = ..., end: _Optional[int] = ..., confidence: _Optional[float] = ...) -> None: ...

class Alternative(_message.Message):
    __slots__ = ("text", "confidence")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    text: str
    confidence: float
    def __init__(self, text: _Optional[str] = ..., confidence: _Optional[float] = ...) -> None: ...

class Provider(_message.Message):
    __slots__ = ("name", "kind", "health", "is_default", "slots_used", "slots", "error", "note", "capabilities", "is_shadow", "breaker", "score", "comparisons")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    SLOTS_USED_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    IS_SHADOW_FIELD_NUMBER: _ClassVar[int]
    BREAKER_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    COMPARISONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    health: str
    is_default: bool
    slots_used: int
    slots: int
    error: str
    note: str
    capabilities: _struct_pb2.Struct
    is_shadow: bool
    breaker: Breaker
    score: Score
    comparisons: _containers.RepeatedCompositeFieldContainer[Comparison]
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., health: _Optional[str] = ..., is_default: _Optional[bool] = ..., slots_used: _Optional[int] = ..., slots: _Optional[int] = ..., error: _Optional[str] = ..., note: _Optional[str] = ..., capabilities: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., is_shadow: _Optional[bool] = ..., breaker: _Optional[_Union[Breaker, _Mapping]] = ..., score: _Optional[_Union[Score, _Mapping]] = ..., comparisons: _Optional[_Iterable[_Union[Comparison, _Mapping]]] = ...) -> None: ...

class Breaker(_message.Message):
    __slots__ = ("state", "until", "reason", "last_code", "openings")
    STATE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    LAST_CODE_FIELD_NUMBER: _ClassVar[int]
    OPENINGS_FIELD_NUMBER: _ClassVar[int]
    state: str
    until: float
    reason: str
    last_code: str
    openings: int
    def __init__(self, state: _Optional[str] = ..., until: _Optional[float] = ..., reason: _Optional[str] = ..., last_code: _Optional[str] = ..., openings: _Optional[int] = ...) -> None: ...

class Score(_message.Message):
    __slots__ = ("finals", "p50_ms", "p95_ms", "hedged", "lost", "won", "skipped", "promoted_at")
    FINALS_FIELD_NUMBER: _ClassVar[int]
    P50_MS_FIELD_NUMBER: _ClassVar[int]
    P95_MS_FIELD_NUMBER: _ClassVar[int]
    HEDGED_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    WON_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    PROMOTED_AT_FIELD_NUMBER: _ClassVar[int]
    finals: int
    p50_ms: int
    p95_ms: int
    hedged: int
    lost: int
    won: int
    skipped: int
    promoted_at: float
    def __init__(self, finals: _Optional[int] = ..., p50_ms: _Optional[int] = ..., p95_ms: _Optional[int] = ..., hedged: _Optional[int] = ..., lost: _Optional[int] = ..., won: _Optional[int] = ..., skipped: _Optional[int] = ..., promoted_at: _Optional[float] = ...) -> None: ...

class Comparison(_message.Message):
    __slots__ = ("primary", "utterances", "words", "wer", "cer", "latency_ms", "primary_latency_ms")
    PRIMARY_FIELD_NUMBER: _ClassVar[int]
    UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    WER_FIELD_NUMBER: _ClassVar[int]
    CER_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    primary: str
    utterances: int
    words: int
    wer: float
    cer: float
    latency_ms: float
    primary_latency_ms: float
    def __init__(self, primary: _Optional[str] = ..., utterances: _Optional[int] = ..., words: _Optional[int] = ..., wer: _Optional[float] = ..., cer: _Optional[float] = ..., latency_ms: _Optional[float] = ..., primary_latency_ms: _Optional[float] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("name", "phase", "provider", "protocol", "format", "language", "hotwords", "opened_at", "updated_at", "audio_seconds", "heard_seconds", "utterances", "pending", "has_publisher", "viewers", "warnings", "principal")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    HOTWORDS_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    AUDIO_SECONDS_FIELD_NUMBER: _ClassVar[int]
    HEARD_SECONDS_FIELD_NUMBER: _ClassVar[int]
    UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    HAS_PUBLISHER_FIELD_NUMBER: _ClassVar[int]
    VIEWERS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    name: str
    phase: str
    provider: str
    protocol: str
    format: AudioFormat
    language: str
    hotwords: int
    opened_at: float
    updated_at: float
    audio_seconds: float
    heard_seconds: float
    utterances: int
    pending: int
    has_publisher: bool
    viewers: int
    warnings: int
    principal: str
    def __init__(self, name: _Optional[str] = ..., phase: _Optional[str] = ..., provider: _Optional[str] = ..., protocol: _Optional[str] = ..., format: _Optional[_Union[AudioFormat, _Mapping]] = ..., language: _Optional[str] = ..., hotwords: _Optional[int] = ..., opened_at: _Optional[float] = ..., updated_at: _Optional[float] = ..., audio_seconds: _Optional[float] = ..., heard_seconds: _Optional[float] = ..., utterances: _Optional[int] = ..., pending: _Optional[int] = ..., has_publisher: _Optional[bool] = ..., viewers: _Optional[int] = ..., warnings: _Optional[int] = ..., principal: _Optional[str] = ...) -> None: ...

class Utterance(_message.Message):
    __slots__ = ("number", "text", "start_ms", "end_ms", "language", "provider", "reason", "latency_ms", "speaker", "routed", "suppressed", "replacements", "readings", "failures")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    SPEAKER_FIELD_NUMBER: _ClassVar[int]
    ROUTED_FIELD_NUMBER: _ClassVar[int]
    SUPPRESSED_FIELD_NUMBER: _ClassVar[int]
    REPLACEMENTS_FIELD_NUMBER: _ClassVar[int]
    READINGS_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    number: int
    text: str
    start_ms: int
    end_ms: int
    language: str
    provider: str
    reason: str
    latency_ms: int
    speaker: str
    routed: str
    suppressed: Suppressed
    replacements: _containers.RepeatedCompositeFieldContainer[Replacement]
    readings: _containers.RepeatedCompositeFieldContainer[PassReading]
    failures: _containers.RepeatedCompositeFieldContainer[Failure]
    def __init__(self, number: _Optional[int] = ..., text: _Optional[str] = ..., start_ms: _Optional[int] = ..., end_ms: _Optional[int] = ..., language: _Optional[str] = ..., provider: _Optional[str] = ..., reason: _Optional[str] = ..., latency_ms: _Optional[int] = ..., speaker: _Optional[str] = ..., routed: _Optional[str] = ..., suppressed: _Optional[_Union[Suppressed, _Mapping]] = ..., replacements: _Optional[_Iterable[_Union[Replacement, _Mapping]]] = ..., readings: _Optional[_Iterable[_Union[PassReading, _Mapping]]] = ..., failures: _Optional[_Iterable[_Union[Failure, _Mapping]]] = ...) -> None: ...

class Suppressed(_message.Message):
    __slots__ = ("text", "reason", "is_undone")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    IS_UNDONE_FIELD_NUMBER: _ClassVar[int]
    text: str
    reason: str
    is_undone: bool
    def __init__(self, text: _Optional[str] = ..., reason: _Optional[str] = ..., is_undone: _Optional[bool] = ...) -> None: ...

class Replacement(_message.Message):
    __slots__ = ("heard", "hotword", "similarity", "position", "is_undone")
    HEARD_FIELD_NUMBER: _ClassVar[int]
    HOTWORD_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    IS_UNDONE_FIELD_NUMBER: _ClassVar[int]
    heard: str
    hotword: str
    similarity: float
    position: int
    is_undone: bool
    def __init__(self, heard: _Optional[str] = ..., hotword: _Optional[str] = ..., similarity: _Optional[float] = ..., position: _Optional[int] = ..., is_undone: _Optional[bool] = ...) -> None: ...

class PassReading(_message.Message):
    __slots__ = ("text", "provider", "pass_name", "revision")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    PASS_NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    text: str
    provider: str
    pass_name: str
    revision: int
    def __init__(self, text: _Optional[str] = ..., provider: _Optional[str] = ..., pass_name: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("provider", "code", "message", "retryable")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    provider: str
    code: str
    message: str
    retryable: bool
    def __init__(self, provider: _Optional[str] = ..., code: _Optional[str] = ..., message: _Optional[str] = ..., retryable: _Optional[bool] = ...) -> None: ...
