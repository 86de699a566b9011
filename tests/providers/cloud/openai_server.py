"""
A server on 127.0.0.1 that speaks OpenAI's transcription protocols, REST and Realtime, and is strict about them.

What a client does wrong is refused as the vendor refuses it, and kept in `complaints`. What the server shall do wrong
is put into `next`: each request or connection takes one entry.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import io
import json
import re
import socket
import wave
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.parser import BytesParser
from email.policy import HTTP
from enum import StrEnum
from typing import Any, NamedTuple

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from tests.providers.cloud.hearing import hear

KEY = "sk-test-3f9a8c71d2"
MODELS = (
    "whisper-1",
    "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe",
    "gpt-transcribe",
    "gpt-realtime-whisper",
    "local-model",
    "local-whisper",
)
REALTIME_RATE = 24_000
SHORTEST_MS = 100

_FIELDS = {
    "file",
    "model",
    "response_format",
    "language",
    "prompt",
    "temperature",
    "stream",
    "timestamp_granularities[]",
    "include[]",
    "keywords[]",
}


class Fault(StrEnum):
    """What goes wrong in one request or connection."""

    DROP = "drop"
    """The connection is cut in the middle of the answer."""
    STALL = "stall"
    """No answer comes."""
    MALFORMED = "malformed"
    """The answer is no JSON."""
    MISSHAPEN = "misshapen"
    """The answer is JSON of another shape."""
    UNKNOWN_EVENT = "unknown-event"
    """Events that no documentation has stand between the others."""
    LATE_DELTA = "late-delta"
    """A delta comes after the end."""
    NO_DONE = "no-done"
    """The end never comes."""
    EARLY = "early"
    """The utterance is completed before it is committed."""
    FAILED = "failed"
    """The transcription fails."""
    PHANTOM = "phantom"
    """Text is heard where the model itself sees no speech."""
    REDIRECT = "redirect"
    """The client is sent to another address, where it would be heard."""
    NO_WORDS = "no-words"
    """`verbose_json` comes without the words that were asked for."""


class Refusal(NamedTuple):
    """The answer is an error."""

    status: int
    message: str = "no"
    code: str | None = None
    retry_after: str | None = None


class Asked(NamedTuple):
    """One transcription that was asked for."""

    fields: dict[str, list[str]]
    pcm: bytes
    rate: int


class Wrong(Exception):
    """The client broke the protocol."""


class OpenAIServer:
    """`url` is what `base_url` takes."""

    def __init__(self, key: str | None) -> None:
        self.url = ""
        self.next: deque[Fault | Refusal] = deque()
        self.models_answer: Refusal | None = None
        self.complaints: list[str] = []
        self.asked: list[Asked] = []
        self.sessions: list[dict[str, Any]] = []
        self.lists = 0
        """How often the models were asked for."""
        self.requests = 0
        """Transcriptions and connections, refused ones too."""
        self.idle = asyncio.Event()
        """No Realtime connection is open."""
        self.idle.set()
        self._open = 0
        self.released = asyncio.Event()
        """Ends every STALL."""
        self.key = key
        self.app = Starlette(
            routes=[
                Route("/v1/models", self._models),
                Route("/v1/audio/transcriptions", self._transcriptions, methods=["POST"]),
                WebSocketRoute("/v1/realtime", self._realtime),
            ]
        )

    # REST

    async def _models(self, request: Request) -> Response:
        self.lists += 1
        if self.models_answer is not None:
            return _error(self.models_answer)
        if not self._is_allowed(request.headers.get("authorization")):
            return _error(Refusal(401, f"Incorrect API key provided: {request.headers.get('authorization')}"))
        entries = [{"id": model, "object": "model", "created": 0, "owned_by": "test"} for model in MODELS]
        return JSONResponse({"object": "list", "data": entries})

    async def _transcriptions(self, request: Request) -> Response:
        self.requests += 1
        fault = self.next.popleft() if self.next else None
        body = await request.body()
        if isinstance(fault, Refusal):
            return _error(fault)
        if not self._is_allowed(request.headers.get("authorization")):
            return _error(Refusal(401, f"Incorrect API key provided: {request.headers.get('authorization')}"))
        if fault is Fault.STALL:
            await self.released.wait()
        try:
            asked = _read_form(request.headers.get("content-type", ""), body)
        except Wrong as exc:
            self.complaints.append(str(exc))
            return _error(Refusal(400, str(exc), "invalid_value"))
        self.asked.append(asked)
        return _streamed(asked, fault) if "stream" in asked.fields else _whole(asked, fault)

    def _is_allowed(self, authorization: str | None) -> bool:
        return self.key is None or authorization == f"Bearer {self.key}"

    # Realtime

    async def _realtime(self, socket: WebSocket) -> None:
        self.requests += 1
        fault = self.next.popleft() if self.next else None
        refusal = fault if isinstance(fault, Refusal) else None
        if not self._is_allowed(socket.headers.get("authorization")):
            refusal = Refusal(401)
        if refusal is not None:
            await socket.send_denial_response(_error(refusal))
            return
        await socket.accept()
        self._open += 1
        self.idle.clear()
        try:
            await _Conversation(self, socket, fault if isinstance(fault, Fault) else None).run()
        except Wrong as exc:
            self.complaints.append(str(exc))
            code = "input_audio_buffer_commit_empty" if "too small" in str(exc) else "invalid_value"
            problem = {"type": "invalid_request_error", "code": code, "message": str(exc)}
            await socket.send_json({"type": "error", "event_id": "e", "error": problem})
            await socket.close()
        except WebSocketDisconnect:
            pass
        finally:
            self._open -= 1
            if not self._open:
                self.idle.set()


@asynccontextmanager
async def running(key: str | None = KEY) -> AsyncIterator[OpenAIServer]:
    """A server that wants `key`, or none. Asserts at the end that no client broke the protocol."""
    server = OpenAIServer(key)
    config = uvicorn.Config(server.app, ws="websockets-sansio", lifespan="off", log_config=None)
    config.load()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = uvicorn.Server(config)
        serving.lifespan = config.lifespan_class(config)
        await serving.startup(sockets=[listener])
        server.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        try:
            yield server
        finally:
            server.released.set()
            await serving.shutdown(sockets=[listener])
    assert server.complaints == []


class _Conversation:
    """One Realtime connection."""

    def __init__(self, server: OpenAIServer, socket: WebSocket, fault: Fault | None) -> None:
        self._server = server
        self._socket = socket
        self._fault = fault
        self._pcm = bytearray()

    async def run(self) -> None:
        query = dict(self._socket.query_params)
        if query != {"intent": "transcription"}:
            raise Wrong(f"the query is {query}")
        await self._say("session.created", session={"type": "transcription"})
        session = _configured(await self._receive())
        self._server.sessions.append(session)
        await self._say("session.updated", session=session)
        if self._fault is Fault.EARLY:
            await self._say("input_audio_buffer.committed", item_id="item_0")
            await self._transcribed("completed", item_id="item_0", transcript="early")
        while (message := await self._receive())["type"] == "input_audio_buffer.append":
            self._pcm += _audio(message)
            if self._fault is Fault.DROP and len(self._pcm) > REALTIME_RATE:
                await self._socket.close(1011)
                return
        if message["type"] != "input_audio_buffer.commit":
            raise Wrong(f"{message['type']} is not expected here")
        if len(self._pcm) < REALTIME_RATE * 2 * SHORTEST_MS // 1000:
            raise Wrong("Error committing input audio buffer: buffer too small")
        await self._answer(session)
        await self._receive_nothing()

    async def _answer(self, session: dict[str, Any]) -> None:
        pcm = bytes(self._pcm)
        self._server.asked.append(Asked({}, pcm, REALTIME_RATE))
        fault = self._fault
        await self._say("input_audio_buffer.committed", item_id="item_1", previous_item_id=None)
        await self._say("conversation.item.added", item={"id": "item_1", "type": "message", "role": "user"})
        if fault is Fault.STALL:
            await self._server.released.wait()
        if fault is Fault.MALFORMED:
            await self._socket.send_text('{"type": "conver')
        if fault is Fault.MISSHAPEN:
            await self._transcribed("completed", transcript=["a", 1])
        if fault is Fault.FAILED:
            await self._transcribed("failed", error={"type": "server_error", "code": "x", "message": "out of luck"})
        if fault is Fault.UNKNOWN_EVENT:
            await self._say("rate_limits.updated", rate_limits=[{"name": "requests"}])
            await self._say("new.event", error=7, delta={}, item_id=5)
            await self._transcribed("delta", item_id="item_of_another", delta="stray")
        wants_logprobs = "include" in session
        words = [word.text for word in hear(pcm, REALTIME_RATE)]
        logprobs = {"logprobs": [{"token": "t", "bytes": [116], "logprob": -0.1}] * len(words)}
        for index, word in enumerate(words):
            await self._transcribed("delta", delta=word if index == 0 else f" {word}")
        if fault is not Fault.NO_DONE:
            usage = {"type": "duration", "seconds": len(pcm) / 2 / REALTIME_RATE}
            await self._transcribed(
                "completed", transcript=" ".join(words), usage=usage, **(logprobs if wants_logprobs else {})
            )
        if fault is Fault.LATE_DELTA:
            await self._transcribed("delta", delta=" late")

    async def _transcribed(self, end: str, *, item_id: str = "item_1", **fields: Any) -> None:
        kind = f"conversation.item.input_audio_transcription.{end}"
        await self._say(kind, item_id=item_id, content_index=0, **fields)

    async def _say(self, type: str, **fields: Any) -> None:
        await self._socket.send_json({"type": type, "event_id": "event", **fields})

    async def _receive(self) -> dict[str, Any]:
        message = json.loads(await self._socket.receive_text())
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise Wrong("a message must be an object with a type")
        return message

    async def _receive_nothing(self) -> None:
        raise Wrong(f"{await self._socket.receive_text()} after the end")


def _read_form(content_type: str, body: bytes) -> Asked:
    if not content_type.startswith("multipart/form-data; boundary="):
        raise Wrong(f"the content type is {content_type}")
    message = BytesParser(policy=HTTP).parsebytes(b"content-type: " + content_type.encode() + b"\r\n\r\n" + body)
    fields: dict[str, list[str]] = {}
    wav = b""
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if name not in _FIELDS:
            raise Wrong(f"Unknown parameter: {name}")
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        if name == "file":
            if part.get_filename() != "utterance.wav" or part.get_content_type() != "audio/wav" or wav:
                raise Wrong("file must be one WAV file with a name")
            wav = payload
        else:
            fields.setdefault(str(name), []).append(payload.decode())
    _check_fields(fields)
    return Asked(fields, *_read_wav(wav))


def _check_fields(fields: dict[str, list[str]]) -> None:
    for name, values in fields.items():
        if len(values) != 1 and not name.endswith("[]"):
            raise Wrong(f"{name} stands there {len(values)} times")
    model = fields.get("model", [""])[0]
    is_gpt_4o = model.startswith("gpt-4o")
    format = fields.get("response_format", ["json"])[0]
    granularities = fields.get("timestamp_granularities[]", [])
    rules = {
        f"The model {model} does not exist": model in MODELS,
        f"response_format {format} is not compatible with {model}": format == "json" or "whisper" in model,
        "timestamp_granularities needs verbose_json": not granularities or format == "verbose_json",
        f"timestamp_granularities {granularities}": set(granularities) <= {"word", "segment"},
        "include is for gpt-4o": "include[]" not in fields or (is_gpt_4o and fields["include[]"] == ["logprobs"]),
        "keywords are for gpt-transcribe": "keywords[]" not in fields or model == "gpt-transcribe",
        "stream is for gpt": "stream" not in fields or (model.startswith("gpt") and fields["stream"] == ["true"]),
        "language is ISO 639-1": bool(re.fullmatch("[a-z]{2,3}", fields.get("language", ["en"])[0])),
        "temperature is 0 to 1": 0 <= float(fields.get("temperature", ["0"])[0]) <= 1,
    }
    for complaint, is_kept in rules.items():
        if not is_kept:
            raise Wrong(complaint)


def _read_wav(data: bytes) -> tuple[bytes, int]:
    try:
        with wave.open(io.BytesIO(data)) as file:
            if (file.getnchannels(), file.getsampwidth()) != (1, 2):
                raise Wrong("the WAV file is not mono, 16 bit")
            pcm, rate = file.readframes(file.getnframes()), file.getframerate()
    except (wave.Error, EOFError) as exc:
        raise Wrong(f"Invalid file format: {exc}") from exc
    if len(data) != 44 + len(pcm):
        raise Wrong(f"the WAV file has {len(data)} bytes and says {44 + len(pcm)}")
    if len(pcm) // 2 * 1000 // rate < SHORTEST_MS:
        raise Wrong("Audio file is too short. Minimum audio length is 0.1 seconds.")
    return pcm, rate


def _whole(asked: Asked, fault: Fault | Refusal | None) -> Response:
    if fault is Fault.MALFORMED:
        return Response('{"text": "go for', media_type="application/json")
    if fault is Fault.MISSHAPEN:
        return JSONResponse({"text": ["go", "forward"]})
    if fault is Fault.DROP:
        return StreamingResponse(_cut('{"text": "go for'), media_type="application/json")
    if fault is Fault.REDIRECT:
        return Response(status_code=307, headers={"location": "/v1/audio/transcriptions"})
    words = hear(asked.pcm, asked.rate)
    answer: dict[str, Any] = {"text": " ".join(word.text for word in words)}
    if "include[]" in asked.fields:
        answer["logprobs"] = [{"token": word.text, "bytes": [], "logprob": -0.1} for word in words]
    if asked.fields["response_format"] == ["verbose_json"]:
        answer |= _verbose(asked, fault, answer["text"])
    return JSONResponse(answer)


def _verbose(asked: Asked, fault: Fault | Refusal | None, text: str) -> dict[str, Any]:
    duration = len(asked.pcm) / 2 / asked.rate
    words = [
        {"word": word.text, "start": word.start / 1000, "end": word.end / 1000} for word in hear(asked.pcm, asked.rate)
    ]
    segment = {"id": 0, "seek": 0, "start": 0.0, "end": duration, "text": f" {text}", "tokens": [1]}
    thought = {"temperature": 0.0, "avg_logprob": -0.2, "compression_ratio": 1.0, "no_speech_prob": 0.01}
    if fault is Fault.PHANTOM:
        thought |= {"avg_logprob": -1.4, "no_speech_prob": 0.91}
    verbose: dict[str, Any] = {"task": "transcribe", "language": "english", "duration": duration}
    verbose["segments"] = [segment | thought] if text else []
    if fault is not Fault.NO_WORDS:
        verbose["words"] = words
    return verbose


def _streamed(asked: Asked, fault: Fault | Refusal | None) -> Response:
    return StreamingResponse(_events(asked, fault), media_type="text/event-stream")


async def _events(asked: Asked, fault: Fault | Refusal | None) -> AsyncIterator[str]:
    words = [word.text for word in hear(asked.pcm, asked.rate)]
    has_logprobs = "include[]" in asked.fields
    for index, word in enumerate(words):
        delta: dict[str, Any] = {"type": "transcript.text.delta", "delta": word if index == 0 else f" {word}"}
        yield _event(delta)
        if fault is Fault.DROP:
            raise ConnectionAbortedError("cut on demand")
        if fault is Fault.MALFORMED:
            yield 'data: {"type": "transcr\n\n'
        if fault is Fault.MISSHAPEN:
            yield _event({"type": "transcript.text.delta", "delta": {"a": 1}})
        if fault is Fault.UNKNOWN_EVENT:
            yield _event({"type": "transcript.text.mood", "delta": 3})
        if fault is Fault.FAILED:
            yield _event({"error": {"message": "out of luck", "type": "server_error", "code": "x"}})
    done: dict[str, Any] = {"type": "transcript.text.done", "text": " ".join(words)}
    if has_logprobs:
        done["logprobs"] = [{"token": word, "bytes": [], "logprob": -0.1} for word in words]
    if fault is not Fault.NO_DONE:
        yield _event(done)
    if fault is Fault.LATE_DELTA:
        yield _event({"type": "transcript.text.delta", "delta": " late"})


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"


async def _cut(beginning: str) -> AsyncIterator[str]:
    yield beginning
    raise ConnectionAbortedError("cut on demand")


def _error(refusal: Refusal) -> Response:
    problem = {"message": refusal.message, "type": "error", "param": None, "code": refusal.code}
    headers = {"retry-after": refusal.retry_after} if refusal.retry_after else {}
    return JSONResponse({"error": problem}, refusal.status, headers)


def _configured(message: dict[str, Any]) -> dict[str, Any]:
    """The session of a first message, which must configure all that there is and nothing else."""
    if message["type"] != "session.update":
        raise Wrong(f"{message['type']} before session.update")
    session = message["session"]
    assert isinstance(session, dict)
    audio = session["audio"]["input"]
    model = audio["transcription"].get("model")
    rules = {
        "type": session.keys() <= {"type", "audio", "include"} and session["type"] == "transcription",
        "format": audio["format"] == {"type": "audio/pcm", "rate": REALTIME_RATE},
        "turn_detection": audio["turn_detection"] is None,
        "input": audio.keys() == {"format", "transcription", "turn_detection"},
        "model": model in MODELS,
        "transcription": audio["transcription"].keys() <= {"model", "language", "prompt", "keywords", "delay"},
        "prompt": "prompt" not in audio["transcription"] or model != "gpt-realtime-whisper",
        "keywords": "keywords" not in audio["transcription"] or model == "gpt-transcribe",
        "delay": "delay" not in audio["transcription"] or model == "gpt-realtime-whisper",
        "include": session.get("include", []) in ([], ["item.input_audio_transcription.logprobs"]),
    }
    for what, is_kept in rules.items():
        if not is_kept:
            raise Wrong(f"Invalid {what}: {session}")
    return session


def _audio(message: dict[str, Any]) -> bytes:
    if message.keys() - {"event_id"} != {"type", "audio"}:
        raise Wrong(f"append has {sorted(message)}")
    try:
        pcm = base64.b64decode(message["audio"], validate=True)
    except (binascii.Error, ValueError, TypeError) as exc:
        raise Wrong(f"Invalid audio: {exc}") from exc
    if not pcm or len(pcm) % 2 or len(pcm) > 15 * 2**20:
        raise Wrong(f"{len(pcm)} bytes are no PCM of 16 bit")
    return pcm
