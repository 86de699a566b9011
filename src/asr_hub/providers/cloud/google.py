"""
Google Speech-to-Text, version 2, streaming over gRPC: https://cloud.google.com/speech-to-text/v2/docs

An utterance is one stream of requests; one that is longer than the server allows goes on in another. The server may
end a result within the utterance; the hub's final holds all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, suppress
from importlib import import_module
from types import ModuleType
from typing import Any

from msgspec.structs import replace

from asr_hub.errors import ProviderError, ProviderTimeout, ProviderUnavailable
from asr_hub.model import HUB_RATE, ProviderName
from asr_hub.providers.base import Capabilities, RecognitionOptions
from asr_hub.providers.cloud.google_failure import VARIABLE, failure
from asr_hub.providers.cloud.google_results import Results
from asr_hub.providers.cloud.google_settings import MAX_BOOST, leaves_machine, read_google_settings
from asr_hub.providers.cloud.google_status import FirstStatus
from asr_hub.providers.cloud.hints import fitting
from asr_hub.providers.cloud.outside import opens_outside
from asr_hub.providers.cloud.pipe import AudioPipe
from asr_hub.providers.cloud.provider import CloudProvider
from asr_hub.providers.cloud.stream import Tell

__all__ = ["Google", "leaves_machine"]

INSTALL = "pip install 'asr-hub[google]'"
PIECE_MS = 100
"""Of audio in a message: 3200 bytes at 16 kHz, where the server takes 25 KB."""

_OPEN_S = 305.0
"""Seconds that a stream may stay open: a little longer than the server lets it."""
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_RATES = (HUB_RATE, 8000)
_MODULES = ("google.cloud.speech_v2", "grpc.aio", "google.auth", "google.auth.exceptions")


class Google(CloudProvider):
    """A Provider over `StreamingRecognize`. The credentials are those of the environment."""

    def __init__(self, name: ProviderName, settings: Mapping[str, Any]) -> None:
        self.settings = chosen = read_google_settings(name, settings)
        super().__init__(
            name,
            Capabilities(
                streaming=True,
                partials=True,
                words=chosen.gives_words,
                confidence=chosen.gives_confidence,
                hotwords=True,
                hotword_weights=True,
                sample_rates=_RATES,
                max_streams=chosen.max_streams,
                description=f"{chosen.model} at {chosen.endpoint}: hears while people speak.",
            ),
            wait_s=chosen.wait_s,
            hears_clip=chosen.self_test == "clip",
        )
        self._client: Any = None  # the SDK's client: a foreign type, not importable before the start
        self._speech: Any = None  # the SDK's module, likewise
        self._rpc_error: type[Exception] = ProviderError

    async def connect(self) -> str:
        await self._open()
        return "not tested"

    async def disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.transport.close()

    async def converse(self, options: RecognitionOptions, audio: AudioPipe, tell: Tell) -> None:
        results = Results(self.name)
        hints = fitting(options.hotwords, most=1200, longest=100, total=100_000)
        config = self._config(options, hints.words)
        rate = options.sample_rate
        size = rate * 2 * PIECE_MS // 1000
        while first := await audio.read(size):
            before = audio.taken - len(first)
            results.shift = before // 2 * 1000 // rate
            requests = _Requests(config, first, audio, size, until=before + int(self.settings.max_stream_s * rate) * 2)
            await self._recognise(requests, results, options, tell)
        tell(replace(results.final(audio.taken // 2 * 1000 // rate), warnings=hints.warnings))

    async def _recognise(self, requests: _Requests, results: Results, options: RecognitionOptions, tell: Tell) -> None:
        """One stream of requests, to its end."""
        rate = options.sample_rate
        try:
            async with asyncio.timeout(None) as limit, aclosing(self._responses(requests)) as responses:
                requests.on_sent = lambda: limit.reschedule(asyncio.get_running_loop().time() + self.settings.timeout_s)
                async for response in responses:
                    heard = results.take(response.results)
                    if heard is not None and options.partials:
                        tell(replace(heard, end=requests.taken // 2 * 1000 // rate))
        except TimeoutError:
            raise ProviderTimeout(f"{self.name}: no final within {self.settings.timeout_s:g} s") from None
        if not requests.is_sent:
            raise ProviderError(f"{self.name}: the server ended the stream before the utterance was over")

    async def _responses(self, requests: _Requests) -> AsyncGenerator[Any, None]:
        # Not by the client's own method: it waits for the connection before it lets the call be watched.
        call = self._client.transport.streaming_recognize(aiter(requests), timeout=_OPEN_S)
        status = FirstStatus(call)
        try:
            async for response in call:
                yield response
        except self._rpc_error as exc:
            if not status.is_ok:
                raise failure(self.name, status.error(exc)) from exc
        finally:
            call.cancel()

    def _config(self, options: RecognitionOptions, hotwords: tuple[str, ...]) -> Any:
        chosen = self.settings
        config: dict[str, Any] = {
            "explicit_decoding_config": {
                "encoding": "LINEAR16",
                "sample_rate_hertz": options.sample_rate,
                "audio_channel_count": 1,
            },
            "model": chosen.model,
            "language_codes": [options.language] if options.language else list(chosen.language_codes),
            "features": {
                "enable_word_time_offsets": chosen.gives_words,
                "enable_word_confidence": chosen.gives_words and chosen.gives_confidence,
                "enable_automatic_punctuation": chosen.punctuation,
            },
        }
        if hotwords:
            weights = {" ".join(word.split()): weight for word, weight in options.hotword_weights.items()}
            phrases = [
                {"value": word, "boost": min(MAX_BOOST, chosen.boost * weights.get(word, 1.0))} for word in hotwords
            ]
            config["adaptation"] = {"phrase_sets": [{"inline_phrase_set": {"phrases": phrases}}]}
        return self._speech.StreamingRecognizeRequest(
            recognizer=f"projects/{chosen.project}/locations/{chosen.location}/recognizers/_",
            streaming_config={
                "config": config,
                "streaming_features": {"interim_results": options.partials},
            },
        )

    async def _open(self) -> None:
        endpoint = self.settings.endpoint
        self._speech, aio, auth = await asyncio.to_thread(self._import)
        self._rpc_error = aio.AioRpcError
        if not opens_outside(endpoint):
            # A server of one's own. No proxy may take the audio elsewhere.
            channel = aio.insecure_channel(endpoint, options=[("grpc.enable_http_proxy", 0)])
            transport = self._speech.SpeechAsyncClient.get_transport_class("grpc_asyncio")(channel=channel)
            self._client = self._speech.SpeechAsyncClient(transport=transport)
            return
        try:
            credentials, _ = await asyncio.to_thread(auth.default, scopes=[_SCOPE])
        except auth.exceptions.GoogleAuthError as exc:
            raise ProviderUnavailable(
                f"{self.name}: no usable credentials; set {VARIABLE} to the path of a service account's key file"
            ) from exc
        self._client = self._speech.SpeechAsyncClient(
            credentials=credentials, client_options={"api_endpoint": endpoint}
        )

    def _import(self) -> tuple[ModuleType, ...]:
        try:
            speech, aio, auth, _ = [import_module(module) for module in _MODULES]
        except ImportError as exc:
            raise ProviderUnavailable(f"{self.name}: Google's SDK cannot be imported ({exc}); do: {INSTALL}") from exc
        return speech, aio, auth


class _Requests:
    """The messages of one stream: how to hear, then the audio, up to byte `until` of the utterance."""

    def __init__(self, config: Any, first: bytes, audio: AudioPipe, size: int, *, until: int) -> None:
        self.is_sent = False
        """All that this stream shall hold is on its way."""
        self.on_sent: Callable[[], None] = lambda: None
        self._config = config
        self._first = first
        self._audio = audio
        self._size = size
        self._until = until

    @property
    def taken(self) -> int:
        """Bytes of the utterance that are on their way."""
        return self._audio.taken

    async def __aiter__(self) -> AsyncIterator[Any]:
        message = type(self._config)
        yield self._config
        piece = self._first
        while piece:
            yield message(audio=piece)
            if self._audio.taken >= self._until:
                break
            piece = await self._audio.read(self._size)
        self.is_sent = True
        # The answer may have ended before.
        with suppress(RuntimeError):
            self.on_sent()
