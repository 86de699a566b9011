"""
OpenAI's Realtime transcription over a WebSocket: the audio is sent while it is spoken.

Each utterance has a connection of its own, opened while its first words are spoken. How early partials come is up to
the model: some begin when the utterance is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

from msgspec.structs import replace
from websockets.exceptions import ConnectionClosed

from asr_hub.errors import ConfigError, unwrapped
from asr_hub.model import ProviderName
from asr_hub.providers.base import Capabilities, RecognitionOptions
from asr_hub.providers.cloud.hints import Hints, fitting
from asr_hub.providers.cloud.openai_client import OpenAIClient
from asr_hub.providers.cloud.openai_events import COMMIT, RATE, Dictation, append, configure
from asr_hub.providers.cloud.openai_rest import PROMPT_CHARACTERS, SHORTEST_MS, primary, prompted
from asr_hub.providers.cloud.openai_settings import OpenAIServer, leaves_machine, read_server_settings
from asr_hub.providers.cloud.pipe import AudioPipe
from asr_hub.providers.cloud.provider import CloudProvider
from asr_hub.providers.cloud.stream import Tell
from asr_hub.providers.worker_messages import Heard

__all__ = ["OpenAIRealtime", "OpenAIRealtimeSettings", "leaves_machine"]

PIECE_MS = 100
_LONGEST_MESSAGE = 2**20
_CLOSE_S = 1.0
"""Seconds that a server gets to say goodbye: the slot is not free before."""


class OpenAIRealtimeSettings(OpenAIServer, frozen=True, kw_only=True):
    """What `providers.<name>.settings` may hold for `kind: openai-realtime`."""

    model: str = "gpt-4o-mini-transcribe"
    """What the server calls it, such as `gpt-transcribe` or `gpt-realtime-whisper`."""
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None
    """How long the model waits before it commits to text; for `gpt-realtime-whisper` only."""


class OpenAIRealtime(CloudProvider):
    """A Provider over `/realtime`."""

    def __init__(self, name: ProviderName, settings: Mapping[str, Any]) -> None:
        self.settings = chosen = read_server_settings(name, settings, OpenAIRealtimeSettings)
        if "diarize" in chosen.model:
            raise ConfigError(f"providers.{name}.settings: {chosen.model} tells speakers, which the hub does not take")
        self._gives_logprobs = chosen.model.startswith("gpt-4o")
        self._takes_keywords = chosen.model.startswith(("gpt-transcribe", "gpt-live-transcribe"))
        self._takes_prompt = not chosen.model.startswith("gpt-realtime-whisper")
        super().__init__(
            name,
            Capabilities(
                streaming=True,
                partials=True,
                confidence=self._gives_logprobs,
                hotwords=self._takes_keywords or self._takes_prompt,
                sample_rates=(RATE,),
                max_streams=chosen.max_streams,
                description=f"{chosen.model} at {chosen.url}: hears while people speak.",
            ),
            wait_s=chosen.wait_s,
            hears_clip=chosen.self_test == "clip",
        )
        self.client = OpenAIClient(name, chosen)

    async def connect(self) -> str:
        await self.client.open()
        if self.settings.self_test != "models":
            return "not tested"
        return await self.client.models(self.settings.model)

    async def disconnect(self) -> None:
        await self.client.close()

    async def converse(self, options: RecognitionOptions, audio: AudioPipe, tell: Tell) -> None:
        hints = self._hints(options)
        teller = _Teller(tell, audio, options, hints.warnings)
        dictation = Dictation(self.client.account)
        configuration = self._configuration(options, hints.words)
        with self.client.errors(), unwrapped():
            async with self._connection() as connection, asyncio.TaskGroup() as group:
                reading = group.create_task(_read(connection, dictation, teller))
                try:
                    await self._speak(connection, configuration, audio)
                    if teller.duration < SHORTEST_MS:
                        reading.cancel()
                        teller(Heard(text="", is_final=True))
                        return
                    dictation.is_committed = True
                    await self._send(connection, COMMIT)
                except ConnectionClosed:
                    # The reader finds out why: what the server said before it went is not read yet.
                    pass
                async with asyncio.timeout(self.settings.timeout_s):
                    await reading

    async def _speak(self, connection: Any, configuration: dict[str, Any], audio: AudioPipe) -> None:
        await self._send(connection, configuration)
        while piece := await audio.read(RATE * 2 * PIECE_MS // 1000):
            await self._send(connection, append(piece))

    async def _send(self, connection: Any, message: dict[str, Any]) -> None:
        async with asyncio.timeout(self.settings.timeout_s):
            await connection.send(message)

    def _connection(self) -> AbstractAsyncContextManager[Any]:
        options: dict[str, Any] = {
            "max_size": _LONGEST_MESSAGE,
            "open_timeout": self.settings.timeout_s,
            "close_timeout": _CLOSE_S,
        }
        if self.client.is_inside:
            options["proxy"] = None
        connection: AbstractAsyncContextManager[Any] = self.client.sdk.realtime.connect(
            extra_query={"intent": "transcription"}, websocket_connection_options=options
        )
        return connection

    def _hints(self, options: RecognitionOptions) -> Hints:
        alike, room = bool(options.hotword_weights), PROMPT_CHARACTERS - len(self.settings.prompt)
        if self._takes_keywords:
            return fitting(options.hotwords, most=100, longest=100, total=5000, are_alike=alike)
        if self._takes_prompt:
            return fitting(options.hotwords, most=100, longest=100, total=room, are_alike=alike)
        return Hints((), (f"{self.settings.model} takes no hotwords",) if options.hotwords else ())

    def _configuration(self, options: RecognitionOptions, hotwords: tuple[str, ...]) -> dict[str, Any]:
        transcription: dict[str, Any] = {"model": self.settings.model}
        if options.language:
            transcription["language"] = primary(options.language)
        if self.settings.delay is not None:
            transcription["delay"] = self.settings.delay
        if self._takes_keywords and hotwords:
            transcription["keywords"] = list(hotwords)
            hotwords = ()
        if self._takes_prompt and (prompt := prompted(self.settings.prompt, hotwords)):
            transcription["prompt"] = prompt
        return configure(transcription, wants_logprobs=self._gives_logprobs)


class _Teller:
    """Adds to what is heard how much audio it was, and to the final what could not be done."""

    def __init__(self, tell: Tell, audio: AudioPipe, options: RecognitionOptions, warnings: tuple[str, ...]) -> None:
        self._tell = tell
        self._audio = audio
        self._wants_partials = options.partials
        self._warnings = warnings

    @property
    def duration(self) -> int:
        """Milliseconds that were sent."""
        return self._audio.taken // 2 * 1000 // RATE

    def __call__(self, heard: Heard) -> None:
        if heard.is_final or self._wants_partials:
            self._tell(replace(heard, end=self.duration, warnings=self._warnings if heard.is_final else ()))


async def _read(connection: Any, dictation: Dictation, tell: _Teller) -> None:
    while True:
        heard = dictation.take(await connection.recv_bytes())
        if heard is not None:
            tell(heard)
            if heard.is_final:
                return
