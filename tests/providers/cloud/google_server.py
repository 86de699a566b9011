"""
A gRPC server on 127.0.0.1 with Google Speech-to-Text's own messages, strict about the order and size of requests.

What a client does wrong is refused with INVALID_ARGUMENT and kept in `complaints`. What the server shall do wrong is
put into `next`: each stream takes one entry.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import grpc
from google.cloud import speech_v2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from tests.providers.cloud.hearing import HeardWord, hear

MOST_AUDIO_BYTES = 25 * 1024
MOST_AUDIO_S = 300
WORDS_PER_RESULT = 3
"""The server ends a result within the utterance."""

_RECOGNIZER = re.compile(r"projects/[a-z0-9-]+/locations/[a-z0-9-]+/recognizers/_")
_Request = speech_v2.StreamingRecognizeRequest
_Response = speech_v2.StreamingRecognizeResponse


class Fault(StrEnum):
    """What goes wrong in one stream."""

    DROP = "drop"
    """The stream breaks in the middle of the audio."""
    STALL = "stall"
    """The end is not answered."""
    EARLY_END = "early-end"
    """The server ends the stream, without an error, in the middle of the audio."""
    EMPTY_RESPONSE = "empty-response"
    """Responses without results, and results without alternatives, stand between the others."""


class Refusal(NamedTuple):
    """The stream is refused."""

    code: grpc.StatusCode
    message: str = "no"
    retry_after: float | None = None


class Asked(NamedTuple):
    """One stream that was taken to its end."""

    config: Any
    recognizer: str
    pcm: bytes


class Wrong(Exception):
    """The client broke the protocol."""


class GoogleServer:
    """`endpoint` is what `api_endpoint` takes."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.next: deque[Fault | Refusal] = deque()
        self.complaints: list[str] = []
        self.asked: list[Asked] = []
        self.streams = 0
        self.idle = asyncio.Event()
        """No stream is open."""
        self.idle.set()
        self._open = 0
        self.released = asyncio.Event()
        """Ends every STALL."""

    async def recognize(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        self.streams += 1
        self._open += 1
        self.idle.clear()
        try:
            async for response in self._take(requests, context):
                yield response
        finally:
            self._open -= 1
            if not self._open:
                self.idle.set()

    async def _take(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        fault = self.next.popleft() if self.next else None
        if isinstance(fault, Refusal):
            await _refuse(context, fault)
            return
        try:
            async for response in self._hear(requests, fault):
                yield response
        except Wrong as exc:
            self.complaints.append(str(exc))
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(exc))
        except ConnectionAbortedError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")

    async def _hear(self, requests: AsyncIterator[Any], fault: Fault | None) -> AsyncIterator[Any]:
        first = await anext(requests)
        config = _configured(first)
        rate = config.explicit_decoding_config.sample_rate_hertz
        pcm = bytearray()
        interim = first.streaming_config.streaming_features.interim_results
        done, known = 0, 0
        async for request in requests:
            pcm += _audio(request)
            if len(pcm) > MOST_AUDIO_S * rate * 2:
                raise Wrong("Exceeded maximum allowed stream duration of 305 seconds")
            if fault is Fault.DROP and len(pcm) > rate:
                raise ConnectionAbortedError
            if fault is Fault.EARLY_END and len(pcm) > rate:
                return
            words = hear(bytes(pcm), rate, is_whole=False)
            if len(words) - done > WORDS_PER_RESULT:
                yield _Response(results=[_final(words[done : done + WORDS_PER_RESULT], config, is_first=done == 0)])
                done += WORDS_PER_RESULT
            if interim and len(words) > known:
                known = len(words)
                yield _Response(results=_interim(words[done:], is_first=done == 0))
            if fault is Fault.EMPTY_RESPONSE:
                yield _Response()
                yield _Response(results=[{"alternatives": [], "is_final": True}])
        self.asked.append(Asked(config, first.recognizer, bytes(pcm)))
        if fault is Fault.STALL:
            await self.released.wait()
        words = hear(bytes(pcm), rate)
        while done < len(words):
            yield _Response(results=[_final(words[done : done + WORDS_PER_RESULT], config, is_first=done == 0)])
            done += WORDS_PER_RESULT


@asynccontextmanager
async def running() -> AsyncIterator[GoogleServer]:
    """Asserts at the end that no client broke the protocol."""
    server = GoogleServer()
    serving = grpc.aio.server()
    method = grpc.stream_stream_rpc_method_handler(
        server.recognize, request_deserializer=_Request.deserialize, response_serializer=_Response.serialize
    )
    service = {"StreamingRecognize": method}
    serving.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("google.cloud.speech.v2.Speech", service),))
    server.endpoint = f"127.0.0.1:{serving.add_insecure_port('127.0.0.1:0')}"
    await serving.start()
    try:
        yield server
    finally:
        server.released.set()
        await serving.stop(None)
    assert server.complaints == []


def _configured(request: Any) -> Any:
    """The configuration of a first message, which must be complete and hold no audio."""
    if request.audio or not request.streaming_config:
        raise Wrong("The first message must contain a streaming_config and no audio")
    if not _RECOGNIZER.fullmatch(request.recognizer):
        raise Wrong(f"Invalid recognizer {request.recognizer!r}")
    config = request.streaming_config.config
    decoding = config.explicit_decoding_config
    if decoding.encoding != speech_v2.ExplicitDecodingConfig.AudioEncoding.LINEAR16:
        raise Wrong("the encoding is not LINEAR16")
    if decoding.audio_channel_count != 1 or not 8000 <= decoding.sample_rate_hertz <= 48_000:
        raise Wrong("Invalid channels or sample rate")
    if not config.model or not config.language_codes:
        raise Wrong("model and language_codes must be set")
    if config.model.startswith("chirp_3") and config.features.enable_word_time_offsets:
        raise Wrong("Recognizer does not support feature: word_time_offsets")
    for phrase_set in config.adaptation.phrase_sets:
        for phrase in phrase_set.inline_phrase_set.phrases:
            if not phrase.value or len(phrase.value) > 100 or not 0 < phrase.boost <= 20:
                raise Wrong(f"Invalid phrase {phrase.value!r}")
    return config


def _audio(request: Any) -> bytes:
    if request.recognizer or request.streaming_config:
        raise Wrong("Only the first message may hold a configuration")
    if not 0 < len(request.audio) <= MOST_AUDIO_BYTES:
        raise Wrong(f"{len(request.audio)} bytes of audio in a message")
    audio: bytes = request.audio
    return audio


def _interim(words: Sequence[HeardWord], *, is_first: bool) -> list[dict[str, Any]]:
    """All words but the newest hardly change any more."""
    lead = "" if is_first else " "
    older, newest = words[:-1], words[-1:]
    results = []
    if older:
        spoken = lead + " ".join(word.text for word in older)
        results.append({"alternatives": [{"transcript": spoken}], "stability": 0.9})
    lead = " " if older else lead
    results += [{"alternatives": [{"transcript": lead + word.text}], "stability": 0.1} for word in newest]
    return results


def _final(words: Sequence[HeardWord], config: Any, *, is_first: bool) -> dict[str, Any]:
    features = config.features
    infos = [
        {
            "word": word.text,
            "start_offset": timedelta(milliseconds=word.start),
            "end_offset": timedelta(milliseconds=word.end),
            "confidence": 0.75 if features.enable_word_confidence else 0.0,
        }
        for word in words
    ]
    transcript = ("" if is_first else " ") + " ".join(word.text for word in words)
    best: dict[str, Any] = {"transcript": transcript, "confidence": 0.5}
    if features.enable_word_time_offsets:
        best["words"] = infos
    return {"alternatives": [best], "is_final": True, "language_code": config.language_codes[0]}


async def _refuse(context: Any, refusal: Refusal) -> None:
    if refusal.retry_after is None:
        await context.abort(refusal.code, refusal.message)
    info = error_details_pb2.RetryInfo()
    info.retry_delay.FromTimedelta(timedelta(seconds=refusal.retry_after or 0))
    status = status_pb2.Status(code=refusal.code.value[0], message=refusal.message)
    status.details.add().Pack(info)
    detailed = rpc_status.to_status(status)
    context.set_trailing_metadata(detailed.trailing_metadata)
    await context.abort(detailed.code, detailed.details, detailed.trailing_metadata)
