"""Asks a language model to correct what was heard, over the chat completions of an OpenAI-compatible server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

import httpx
import msgspec

from asr_hub.correction.answer import Answer, tidied
from asr_hub.correction.events import EventReader
from asr_hub.correction.prompt import Prompt, prompt
from asr_hub.correction.settings import CorrectionSettings
from asr_hub.errors import CorrectionFailed

_DRAIN_S = 0.05
"""Seconds that the end of a response may take after its last event: read to its end, its connection is used again."""
_JUST_LOST = (httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
"""Before a response: the server was restarted, or closed an idle connection just now."""


class Correction(msgspec.Struct, frozen=True):
    """What the model made of a text. Nobody has judged it yet."""

    text: str
    took_s: float
    """Seconds"""


class Corrector:
    """
    One connection pool for all corrections.

    With `is_inside` the server runs on this machine: no proxy of the environment is used. No redirect is followed.
    """

    def __init__(self, settings: CorrectionSettings, *, key: str = "", is_inside: bool = False) -> None:
        self._settings = settings
        self._url = settings.base_url.rstrip("/") + "/chat/completions"
        headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self._client = httpx.AsyncClient(
            headers=headers,
            follow_redirects=False,
            trust_env=not is_inside,
            # To read all certificates takes a while, and without TLS nobody asks for one.
            verify=not (is_inside and self._url.startswith("http://")),
            # The budget of the whole is the only clock.
            timeout=None,
            limits=httpx.Limits(max_connections=settings.max_concurrent),
        )
        self._running = 0

    async def correct(
        self, text: str, *, language: str | None = None, context: Sequence[str] = (), hotwords: Sequence[str] = ()
    ) -> Correction:
        """
        The model's text, without what it puts around it. `context` is what was said before, the oldest first.

        Raises CorrectionFailed within the budget for everything that is not a whole answer, and at once where too many
        are under way. No message holds what was said.
        """
        settings = self._settings
        if len(text) > settings.max_input_chars:
            raise CorrectionFailed(f"the text has {len(text)} characters; not sent", reason="too-long")
        if self._client.is_closed:
            raise CorrectionFailed("the corrector is closed", reason="closed", retryable=False)
        if self._running >= settings.max_concurrent:
            raise CorrectionFailed(f"{self._running} corrections are under way; one more is not begun", reason="busy")
        asked = prompt(
            text,
            language=language or settings.language_hint,
            context=context,
            hotwords=hotwords,
            instructions=settings.instructions,
        )
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._running += 1
        try:
            async with asyncio.timeout(settings.budget_s):
                said = await self._ask(asked, most_chars=min(settings.max_output_chars, 2 * len(text) + 200))
        except TimeoutError:
            raise CorrectionFailed(f"no corrected text within {settings.budget_s:g} s", reason="slow") from None
        except (httpx.HTTPError, httpx.StreamError, OSError) as exc:
            # Not chained, and by its kind alone: the request in it has the key and the text.
            raise CorrectionFailed(
                f"the connection to {settings.base_url} failed or was lost ({type(exc).__name__}); is it up?",
                reason="unreachable",
            ) from None
        finally:
            self._running -= 1
        corrected = tidied(said, text, asked.mark)
        if not corrected:
            raise CorrectionFailed("the model answers nothing", reason="empty")
        return Correction(corrected, loop.time() - began)

    async def aclose(self) -> None:
        """Corrections under way end with CorrectionFailed."""
        await self._client.aclose()

    async def _ask(self, asked: Prompt, *, most_chars: int) -> str:
        response = await self._open(asked)
        try:
            self._check(response)
            answer = Answer(most_chars)
            events = EventReader()
            blocks = response.aiter_raw()
            async for block in blocks:
                for event in events.feed(block):
                    answer.take(event)
                if answer.is_over:
                    await _drain(blocks)
                    return answer.text
        finally:
            await response.aclose()
        raise CorrectionFailed("the model's answer broke off", reason="incomplete")

    async def _open(self, asked: Prompt) -> httpx.Response:
        """A connection that is lost before any response is tried once more."""
        try:
            return await self._client.send(self._request(asked), stream=True)
        except _JUST_LOST:
            if self._client.is_closed:
                raise
            return await self._client.send(self._request(asked), stream=True)

    def _request(self, asked: Prompt) -> httpx.Request:
        body: dict[str, Any] = {
            "model": self._settings.model,
            "messages": [{"role": "system", "content": asked.system}, {"role": "user", "content": asked.user}],
            "stream": True,
        }
        if self._settings.temperature is not None:
            body["temperature"] = self._settings.temperature
        return self._client.build_request("POST", self._url, json=body)

    def _check(self, response: httpx.Response) -> None:
        status = response.status_code
        if status in (401, 403):
            variable = self._settings.api_key_env
            what = f"check the key in {variable}" if variable else "name the variable with its key as `api_key_env`"
            raise CorrectionFailed(f"the server refuses the key ({status}); {what}", reason="refused", retryable=False)
        if status == 404:
            raise CorrectionFailed(
                "the server does not know this (404); check `model` and `base_url`", reason="refused", retryable=False
            )
        if not response.is_success:
            raise CorrectionFailed(f"the server answers with status {status}", reason="refused")
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "text/event-stream" or response.headers.get("Content-Encoding", "identity") != "identity":
            raise CorrectionFailed(
                "the server does not answer with a stream of events; it must know `stream: true`", reason="garbage"
            )


async def _drain(blocks: AsyncIterator[bytes]) -> None:
    # The text is whole: what goes wrong here only costs the connection.
    with suppress(TimeoutError, httpx.HTTPError, httpx.StreamError):
        async with asyncio.timeout(_DRAIN_S):
            async for _ in blocks:
                pass
