"""
OpenAI's transcription requests, and every server that speaks them: https://platform.openai.com/docs/api-reference/audio

An utterance is gathered and sent as one WAV file when it is over. Models that stream their answer give partials then;
Whisper gives word times.
"""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal

from msgspec.structs import replace

from asr_hub.errors import ConfigError, ProviderError, TooLarge
from asr_hub.model import HUB_RATE, ProviderName
from asr_hub.providers.base import Capabilities, RecognitionOptions
from asr_hub.providers.cloud.hints import Hints, fitting
from asr_hub.providers.cloud.openai_answer import LONGEST_TEXT, Answer, final, read_answer
from asr_hub.providers.cloud.openai_client import OpenAIClient
from asr_hub.providers.cloud.openai_settings import OpenAIServer, leaves_machine, read_server_settings
from asr_hub.providers.cloud.pipe import AudioPipe
from asr_hub.providers.cloud.provider import CloudProvider
from asr_hub.providers.cloud.stream import Tell
from asr_hub.providers.worker_messages import Heard

__all__ = ["OpenAIRest", "OpenAIRestSettings", "leaves_machine"]

SHORTEST_MS = 100
"""The server takes nothing shorter."""

PROMPT_CHARACTERS = 800
"""Whisper reads the last 224 tokens of a prompt; this is about as much."""

_RATES = (HUB_RATE, 8000)
_PIECE = 32_000
_LONGEST_BODY = 16 * 2**20


class Way(Enum):
    """What a model can say about an utterance."""

    WORDS = "words"
    """`verbose_json`: words with times, and what is silence."""
    DELTAS = "deltas"
    """The text as it is decoded, piece by piece."""
    TEXT = "text"


class OpenAIRestSettings(OpenAIServer, frozen=True, kw_only=True):
    """What `providers.<name>.settings` may hold for `kind: openai`."""

    model: str = "gpt-4o-mini-transcribe"
    """What the server calls it, such as `gpt-transcribe` or `whisper-1`."""
    answer: Literal["auto", "words", "deltas", "text"] = "auto"
    """
    `words`: times and confidence for each word, as Whisper gives; `deltas`: partials while the server decodes, as the
    gpt models give; `text`: the text alone. `auto` goes by the model's name.
    """
    temperature: float | None = None
    """0 to 1."""
    max_retries: int = 2
    """Of the SDK, for 429, 5xx and lost connections, within `timeout_s`."""
    max_upload_mb: float = 25.0
    """MiB. A longer utterance is an error; 25 are the vendor's limit and 13 minutes."""


class OpenAIRest(CloudProvider):
    """A Provider over `POST /audio/transcriptions`."""

    def __init__(self, name: ProviderName, settings: Mapping[str, Any]) -> None:
        self.settings = chosen = read_server_settings(name, settings, OpenAIRestSettings)
        if "diarize" in chosen.model:
            raise ConfigError(f"providers.{name}.settings: {chosen.model} tells speakers, which the hub does not take")
        if chosen.max_retries < 0 or chosen.max_upload_mb <= 0:
            raise ConfigError(f"providers.{name}.settings: max_retries and max_upload_mb must not be below 0")
        self.way = _way(chosen)
        self._gives_logprobs = self.way is Way.DELTAS and chosen.model.startswith("gpt-4o")
        super().__init__(
            name,
            Capabilities(
                streaming=False,
                partials=self.way is Way.DELTAS,
                words=self.way is Way.WORDS,
                confidence=self.way is Way.WORDS or self._gives_logprobs,
                hotwords=True,
                sample_rates=_RATES,
                max_streams=chosen.max_streams,
                description=f"{chosen.model} at {chosen.url}: whole utterances, heard when they are over.",
            ),
            wait_s=chosen.wait_s,
            hears_clip=chosen.self_test == "clip",
        )
        self.client = OpenAIClient(name, chosen, max_retries=chosen.max_retries)

    async def connect(self) -> str:
        await self.client.open()
        if self.settings.self_test != "models":
            return "not tested"
        return await self.client.models(self.settings.model)

    async def disconnect(self) -> None:
        await self.client.close()

    async def converse(self, options: RecognitionOptions, audio: AudioPipe, tell: Tell) -> None:
        wav = await self._gather(audio, options.sample_rate)
        duration = audio.taken // 2 * 1000 // options.sample_rate
        if duration < SHORTEST_MS:
            tell(Heard(text="", end=duration, is_final=True))
            return
        hints = self._hints(options)
        request = self._request(options, hints.words, wav)
        with self.client.errors():
            async with asyncio.timeout(self.settings.timeout_s):
                if self.way is Way.DELTAS and options.partials:
                    answer = await self._read_deltas(request, duration, tell)
                else:
                    answer = await self._read_whole(request)
        heard = final(answer, duration)
        warnings = hints.warnings
        if self.way is Way.WORDS and heard.text and not heard.words:
            warnings += (f"{self.name}: the server gives no word times; `answer: text` stops asking for them",)
        tell(replace(heard, warnings=warnings))

    async def _gather(self, audio: AudioPipe, rate: int) -> bytes:
        most = int(self.settings.max_upload_mb * 2**20)
        with io.BytesIO() as file:
            with wave.open(file, "wb") as writer:
                writer.setnchannels(1)
                writer.setsampwidth(2)
                writer.setframerate(rate)
                while piece := await audio.read(_PIECE):
                    if audio.taken > most:
                        raise TooLarge(
                            f"{self.name}: an utterance of more than {self.settings.max_upload_mb:g} MiB; "
                            "set an endpointing limit"
                        )
                    writer.writeframesraw(piece)
            return file.getvalue()

    def _hints(self, options: RecognitionOptions) -> Hints:
        alike, room = bool(options.hotword_weights), PROMPT_CHARACTERS - len(self.settings.prompt)
        if self._takes_keywords:
            return fitting(options.hotwords, most=100, longest=100, total=5000, are_alike=alike)
        return fitting(options.hotwords, most=100, longest=100, total=room, are_alike=alike)

    @property
    def _takes_keywords(self) -> bool:
        return self.settings.model.startswith("gpt-transcribe")

    def _request(self, options: RecognitionOptions, hotwords: tuple[str, ...], wav: bytes) -> dict[str, Any]:
        chosen = self.settings
        request: dict[str, Any] = {
            "file": ("utterance.wav", wav, "audio/wav"),
            "model": chosen.model,
            "response_format": "verbose_json" if self.way is Way.WORDS else "json",
        }
        if self.way is Way.WORDS:
            request["timestamp_granularities"] = ["word", "segment"]
        if self._gives_logprobs:
            request["include"] = ["logprobs"]
        if options.language:
            request["language"] = primary(options.language)
        if chosen.temperature is not None:
            request["temperature"] = chosen.temperature
        if self._takes_keywords and hotwords:
            # Not an argument of older SDKs.
            request["extra_body"] = {"keywords": list(hotwords)}
            hotwords = ()
        if prompt := prompted(chosen.prompt, hotwords):
            request["prompt"] = prompt
        return request

    async def _read_whole(self, request: dict[str, Any]) -> Answer:
        body = bytearray()
        async with self.client.sdk.audio.transcriptions.with_streaming_response.create(**request) as response:
            async for piece in response.iter_bytes():
                body += piece
                if len(body) > _LONGEST_BODY:
                    raise ProviderError(f"{self.name}: the server's answer has no end")
        return read_answer(self.name, bytes(body))

    async def _read_deltas(self, request: dict[str, Any], duration: int, tell: Tell) -> Answer:
        text = ""
        async with await self.client.sdk.audio.transcriptions.create(**request, stream=True) as events:
            async for event in events:
                if event.type == "transcript.text.delta":
                    text += event.delta
                    if len(text) > LONGEST_TEXT:
                        raise ProviderError(f"{self.name}: the server's answer has no end")
                    if spoken := text.strip():
                        tell(Heard(text=spoken, end=duration, stable=len(spoken)))
                elif event.type == "transcript.text.done":
                    return read_answer(self.name, event.to_json().encode())
        raise ProviderError(f"{self.name}: the server's answer ended before the text was done")


def primary(language: str) -> str:
    """The language of a BCP 47 tag without its region: the server wants ISO 639-1."""
    return language.partition("-")[0].lower()


def prompted(prompt: str, hotwords: tuple[str, ...]) -> str:
    """The prompt of the settings, then the hotwords: a model spells as its prompt does."""
    return " ".join(part for part in (prompt, ", ".join(hotwords)) if part)


def _way(chosen: OpenAIRestSettings) -> Way:
    if chosen.answer != "auto":
        return Way(chosen.answer)
    if "whisper" in chosen.model.lower():
        return Way.WORDS
    return Way.DELTAS if chosen.model.startswith("gpt-") else Way.TEXT
