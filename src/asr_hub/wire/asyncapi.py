"""
The live protocols as AsyncAPI 3.0: both WebSockets, and the namespaces of Socket.IO. Generated from the messages.

`python -m asr_hub.wire.asyncapi` writes docs/reference/asyncapi.json; with `--check` it compares instead and exits 1
where the file says something else than the code.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import msgspec

from asr_hub.config.generated import keep
from asr_hub.model import AudioFormat, EndpointReason, Hypothesis, Role, SessionId
from asr_hub.wire import messages as wire
from asr_hub.wire import recorder
from asr_hub.wire.jobs import JobProgress, UnwatchJob, WatchJob

PATH = Path(__file__).parents[3] / "docs" / "reference" / "asyncapi.json"

CLIENT: tuple[type[msgspec.Struct], ...] = get_args(wire.AnyClientMessage)
SERVER: tuple[type[msgspec.Struct], ...] = get_args(wire.AnyServerMessage)

SAID: Mapping[str, type[msgspec.Struct]] = {"start_recording": recorder.StartRecording}
"""What a recording client emits with an object: event -> payload. `audio_data` and `stop_recording` have none."""

TOLD: Mapping[str, type[msgspec.Struct]] = {
    "connected": recorder.ConnectionNamed,
    "session": recorder.ConnectionNamed,
    "recording_started": recorder.RecordingStarted,
    "transcription": recorder.Transcription,
    "recording_stopped": recorder.RecordingStopped,
    "final_result": recorder.FinalResult,
    "wake_word": recorder.WakeWordSpotted,
    "warning": recorder.RecordingWarning,
    "error": recorder.RecordingError,
}
"""What a recording client is told: event -> payload."""

WATCHING: Mapping[str, type[msgspec.Struct]] = {"watch_job": WatchJob, "unwatch_job": UnwatchJob}
"""What a client that watches jobs over Socket.IO emits: event -> payload."""

Json = dict[str, Any]  # Any: whatever JSON holds

_INTRODUCTION = f"""\
The live side of ASR Hub, as the hub sees it: it receives what a client says, and sends what a session says. \
What each message means, the errors and the close codes are in docs/reference/protocol.md; the REST side is OpenAPI, \
at /openapi.json of a running hub. Within v{wire.VERSION}, messages and fields are only ever added: ignore those you \
do not know."""

_AUDIO = "Raw samples in the format of the session, interleaved, little endian, without a header: 20 to 200 ms of them."

_BINARY: Json = {"type": "string", "format": "binary"}

_ANSWERS: Mapping[str, tuple[str, ...]] = {
    "start": ("ready", "error"),
    "attach": ("ready", "error"),
    "finalize": ("endpoint", "final"),
    "clear": ("endpoint",),
    "close": ("endpoint", "final", "closed"),
    "audio": ("audio-ack",),
}
"""What a client's message is answered with, where it is always answered."""

_EXAMPLES: tuple[msgspec.Struct, ...] = (
    wire.Start(format=AudioFormat(sample_rate=48000, channels=2), language="de-CH", hotwords=("Zermatt",)),
    wire.Attach(session=SessionId("k3Yw9pX0cWmZr7u2Qe1s5A"), seq=41, take_over=True),
    wire.Configure(language="en"),
    wire.Ready(
        seq=0,
        session=SessionId("k3Yw9pX0cWmZr7u2Qe1s5A"),
        role=Role.PUBLISHER,
        provider="whisper",
        format=AudioFormat(),
        audio_offset=0,
        resume_window=60.0,
    ),
    wire.Partial(
        seq=4, utterance=1, hypothesis=Hypothesis(text="go forward", start=480, end=1120, stable=3, revision=2)
    ),
    wire.Final(
        seq=7,
        utterance=1,
        hypothesis=Hypothesis(text="go forward ten meters", start=480, end=2080, is_final=True, stable=21, revision=5),
        reason=EndpointReason.SILENCE,
        latency_ms=140,
    ),
    wire.Error(seq=7, code="viewer-may-not", message="a viewer may not send `finalize`"),
    JobProgress(
        id="9f2c4be0a1d84a6f9c3e5b7d8f0a1c2e",
        status="processing",
        progress=62.5,
        segments=16,
        segments_done=10,
        seconds=455.0,
        updated_at=1767225600.0,
    ),
)


class Channel(NamedTuple):
    """One channel, and who says what in it."""

    id: str
    address: str
    server: str
    title: str
    description: str
    received: Mapping[str, Json]
    """Messages that the hub receives, by their ids in the channel."""
    sent: Mapping[str, Json]
    answers: Mapping[str, tuple[str, ...]]
    bindings: Json | None = None
    parameters: Json | None = None
    """Of the address"""


def document() -> Json:
    """The whole document. The same code gives the same bytes."""
    events = dict.fromkeys((*SAID.values(), *TOLD.values(), *WATCHING.values()))
    kinds: tuple[type[msgspec.Struct], ...] = (*CLIENT, *SERVER, *events, JobProgress)
    channels = (_stream(), _native(), _recording(), _job(), _jobs())
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "ASR Hub, live",
            "version": f"{wire.VERSION}.0.0",
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": {channel.id: _channel(channel) for channel in channels},
        "operations": {name: operation for channel in channels for name, operation in _operations(channel).items()},
        "components": {
            "schemas": {**_schemas(kinds), **_unions()},
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key, or a token. Not asked for while access control is off.",
                },
                "token": {
                    "type": "httpApiKey",
                    "in": "query",
                    "name": "token",
                    "description": "A token, for clients that cannot set a header.",
                },
            },
        },
    }


def main(arguments: Sequence[str] | None = None) -> int:
    text = json.dumps(document(), indent=2, ensure_ascii=False) + "\n"
    return keep("asr_hub.wire.asyncapi", PATH, text, arguments, about=document.__doc__)


# The channels.


def _stream() -> Channel:
    return Channel(
        id="stream",
        address="/v1/stream",
        server="websocket",
        title="The native protocol over WebSocket",
        description="One connection is one client's stay in one session: JSON in text frames, audio in binary ones.",
        received={**{_tag(kind): _message(kind) for kind in CLIENT}, "audio": _audio("audio", _AUDIO)},
        sent={_tag(kind): _message(kind) for kind in SERVER},
        answers=_ANSWERS,
        bindings={"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
    )


def _native() -> Channel:
    acknowledged = {"x-ack": _ack("#/components/schemas/Error")}
    return Channel(
        id="socketIoStream",
        address="/v1/stream",
        server="socketio",
        title="The native protocol in the Socket.IO namespace /v1/stream",
        description="The event `message` carries the JSON of the native protocol as an object, `audio` its audio as "
        "bytes. The acknowledgement of an event says whether it was taken.",
        received={
            "clientMessage": {
                "name": "message",
                "summary": "What a client says: one message of the native protocol.",
                "payload": {"$ref": "#/components/schemas/ClientMessage"},
                **acknowledged,
            },
            "audio": {**_audio("audio", _AUDIO), **acknowledged},
        },
        sent={
            "serverMessage": {
                "name": "message",
                "summary": "What the session says: one message of the native protocol.",
                "payload": {"$ref": "#/components/schemas/ServerMessage"},
            }
        },
        answers={},
    )


def _recording() -> Channel:
    acknowledged = {"x-ack": _ack("#/components/schemas/RecordingError")}
    base64: Json = {"type": "string", "contentEncoding": "base64"}
    audio: Json = {
        "anyOf": [
            _BINARY,
            base64,
            {"type": "object", "properties": {"audio": {"anyOf": [_BINARY, base64]}}, "required": ["audio"]},
        ]
    }
    return Channel(
        id="socketIoRecorder",
        address="/",
        server="socketio",
        title="Recording clients, in the default namespace of Socket.IO",
        description="`start_recording`, then `audio_data`, then `stop_recording`; a connection may record again and "
        "again. The acknowledgement of an event says whether it was taken.",
        received={
            **{name: {**_event(name, kind), **acknowledged} for name, kind in SAID.items()},
            "audio_data": {**_audio("audio_data", _AUDIO), "payload": audio, **acknowledged},
            "stop_recording": {
                "name": "stop_recording",
                "summary": "The recording ends; what is left is heard.",
                "payload": {"type": "null"},
                **acknowledged,
            },
        },
        sent={name: _event(name, kind) for name, kind in TOLD.items()},
        answers={
            "start_recording": ("recording_started", "error"),
            "stop_recording": ("recording_stopped", "final_result"),
        },
    )


def _job() -> Channel:
    return Channel(
        id="job",
        address="/v1/jobs/{id}",
        server="websocket",
        title="The progress of a job over WebSocket",
        description="How the job stands comes first, then each change; a reader that is slow is told the latest. After "
        "it is done, failed or cancelled the connection closes with 1000. The client says nothing.",
        received={},
        sent={_tag(kind): _message(kind) for kind in (JobProgress, wire.Error)},
        answers={},
        bindings={"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
        parameters={"id": {"description": "The `task_id` of the job."}},
    )


def _jobs() -> Channel:
    job: Json = {"$ref": "#/components/schemas/JobProgress"}
    watched = {"type": "object", "properties": {"ok": {"const": True}, "job": job}, "required": ["ok", "job"]}
    refused = "#/components/schemas/RecordingError"
    acks = {"watch_job": _ack(refused, watched), "unwatch_job": _ack(refused)}
    return Channel(
        id="socketIoJobs",
        address="/v1/jobs",
        server="socketio",
        title="The progress of jobs in the Socket.IO namespace /v1/jobs",
        description="`watch_job` is acknowledged with how the job stands; `job` tells each change after that, until it "
        "is over. A connection may watch several jobs.",
        received={name: {**_event(name, kind), "x-ack": acks[name]} for name, kind in WATCHING.items()},
        sent={"job": _event("job", JobProgress), "error": _event("error", recorder.RecordingError)},
        answers={},
    )


def _servers() -> Json:
    security = [{"$ref": "#/components/securitySchemes/key"}, {"$ref": "#/components/securitySchemes/token"}]
    return {
        "websocket": {
            "host": "127.0.0.1:8765",
            "protocol": "ws",
            "description": "`server.host` and `server.port` of the configuration; wss where it has TLS.",
            "security": security,
        },
        "socketio": {
            "host": "127.0.0.1:8765",
            "pathname": "/socket.io",
            "protocol": "socketio",
            "protocolVersion": "5",
            "description": "Socket.IO 5 over Engine.IO 4, WebSocket or long polling, on the same port. A key may also "
            "come as `auth: {token}`. An address here is a namespace, and the name of a message is its event.",
            "security": security,
        },
    }


def _channel(channel: Channel) -> Json:
    whole: Json = {
        "address": channel.address,
        "title": channel.title,
        "description": channel.description,
        "servers": [{"$ref": f"#/servers/{channel.server}"}],
        "messages": {**channel.received, **channel.sent},
    }
    optional = {"parameters": channel.parameters, "bindings": channel.bindings}
    return {**whole, **{name: value for name, value in optional.items() if value is not None}}


def _operations(channel: Channel) -> Json:
    """One for everything that a client says, with its answers, and one for all that the hub says."""
    here = {"$ref": f"#/channels/{channel.id}"}

    def messages(names: Iterable[str]) -> list[Json]:
        return [{"$ref": f"#/channels/{channel.id}/messages/{name}"} for name in names]

    found: Json = {}
    for name in channel.received:
        operation: Json = {"action": "receive", "channel": here, "messages": messages((name,))}
        if (answers := channel.answers.get(name)) is not None:
            operation["reply"] = {"channel": here, "messages": messages(answers)}
        found[f"{channel.id}.{name}"] = operation
    found[f"{channel.id}.told"] = {"action": "send", "channel": here, "messages": messages(channel.sent)}
    return found


# The messages.


def _tag(kind: type[msgspec.Struct]) -> str:
    return str(kind.__struct_config__.tag)


def _message(kind: type[msgspec.Struct]) -> Json:
    """A message of the native protocol."""
    examples = [
        {"name": _tag(kind), "payload": msgspec.json.decode(msgspec.json.encode(example))}
        for example in _EXAMPLES
        if type(example) is kind
    ]
    whole = {**_event(_tag(kind), kind), "title": kind.__name__}
    return {**whole, "examples": examples} if examples else whole


def _event(name: str, kind: type[msgspec.Struct]) -> Json:
    return {"name": name, "summary": _about(kind), "payload": {"$ref": f"#/components/schemas/{kind.__name__}"}}


def _audio(name: str, summary: str) -> Json:
    return {"name": name, "summary": summary, "contentType": "application/octet-stream", "payload": _BINARY}


def _ack(refused: str, taken: Json | None = None) -> Json:
    done: Json = {"type": "object", "properties": {"ok": {"const": True}}, "required": ["ok"]}
    return {"args": {"oneOf": [taken or done, {"$ref": refused}]}}


def _about(kind: type[msgspec.Struct]) -> str:
    """The first sentence or two of its docstring; its name where it has none of its own."""
    if kind.__doc__ is None or kind.__doc__ in [base.__doc__ for base in kind.__bases__]:
        return kind.__name__
    return " ".join(inspect.cleandoc(kind.__doc__).split())


# The schemas.


def _schemas(kinds: Iterable[type[msgspec.Struct]]) -> Json:
    _, components = msgspec.json.schema_components(tuple(kinds), ref_template="#/components/schemas/{name}")
    return {name: components[name] for name in sorted(components)}


def _unions() -> Json:
    return {
        name: {"oneOf": [{"$ref": f"#/components/schemas/{kind.__name__}"} for kind in kinds]}
        for name, kinds in (("ClientMessage", CLIENT), ("ServerMessage", SERVER))
    }


if __name__ == "__main__":
    raise SystemExit(main())
