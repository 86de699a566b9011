"""The OpenAI SDK's client: made when the provider starts, and its errors as the hub's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from websockets.exceptions import InvalidStatus, WebSocketException

from asr_hub.errors import HubError, ProviderError, ProviderTimeout, ProviderUnavailable
from asr_hub.model import ProviderName
from asr_hub.providers.cloud.openai_settings import PLACEHOLDER, OpenAIServer
from asr_hub.providers.cloud.outside import opens_outside
from asr_hub.providers.cloud.refusal import Account, refused

INSTALL = "pip install 'asr-hub[openai]'"

_MODULES = ("openai", "openai.resources.audio.transcriptions", "openai.resources.models", "openai.resources.realtime")
"""The SDK imports its resources when they are first used, which takes a second: the loop must not wait for it."""

_LOST = ("Connection", "ConnectError", "Protocol", "ReadError", "WriteError")
"""In the names of the errors that mean a lost connection: the SDK's two HTTP packages have no common class for them."""


class OpenAIClient:
    """One client for all utterances of a provider: they share its connections."""

    def __init__(self, name: ProviderName, server: OpenAIServer, *, max_retries: int = 0) -> None:
        self.account = Account(name=name, key="", variable="")
        self._name = name
        self._server = server
        self._max_retries = max_retries
        self._sdk: Any = None  # the SDK's client: a foreign type, not importable before the start

    @property
    def sdk(self) -> Any:
        """The SDK's AsyncOpenAI. Raises ProviderUnavailable while it is closed."""
        if self._sdk is None:
            raise ProviderUnavailable(f"{self._name}: not started, or closed")
        return self._sdk

    @property
    def is_inside(self) -> bool:
        """The server runs on this machine: neither a proxy nor a redirect may take the audio elsewhere."""
        return not opens_outside(self._server.url)

    async def open(self) -> None:
        """Raises ProviderUnavailable without a key or without the SDK."""
        self.account = self._server.account(self._name)
        if self._sdk is None:
            self._sdk = await asyncio.to_thread(self._make)

    async def close(self) -> None:
        sdk, self._sdk = self._sdk, None
        if sdk is not None:
            await sdk.close()

    async def models(self, model: str) -> str:
        """
        Ask for the list of models: the cheapest request that shows that the server answers and takes the key.

        A server that is not the vendor's need not have one.
        """
        with self.errors():
            async with asyncio.timeout(self._server.timeout_s):
                try:
                    page = await self.sdk.with_options(max_retries=0).models.list()
                except Exception as exc:
                    if self._server.is_vendor or getattr(exc, "status_code", None) != 404:
                        raise
                    return "it answers, and has no list of models"
        names = {getattr(entry, "id", None) for entry in page.data or ()}
        return f"{len(names)} models, {model} {'among them' if model in names else 'not listed'}"

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what the SDK raises into the hub's errors. Cancellation passes."""
        try:
            yield
        except HubError:
            raise
        except Exception as exc:  # noqa: BLE001 - the edge of a foreign SDK, with errors of three packages
            # Not chained: the SDK's errors quote the server, which may quote the key, and tracebacks are logged.
            raise self._failure(exc) from None

    def _make(self) -> Any:
        try:
            openai, *_ = [import_module(module) for module in _MODULES]
        except ImportError as exc:
            raise ProviderUnavailable(
                f"{self._name}: the OpenAI SDK cannot be imported ({exc}); do: {INSTALL}"
            ) from exc
        return openai.AsyncOpenAI(
            api_key=self.account.key or PLACEHOLDER,
            # Always given: without it the SDK takes an address from the environment.
            base_url=self._server.url,
            # Given too: some versions of the SDK take `wss` for a server without TLS.
            websocket_base_url="ws" + self._server.url.removeprefix("http"),
            timeout=self._server.timeout_s,
            max_retries=self._max_retries,
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False, trust_env=not self.is_inside),
        )

    def _failure(self, exc: Exception) -> HubError:
        name, url = self._name, self._server.url
        kind = type(exc).__name__
        if isinstance(exc, InvalidStatus):
            answer = exc.response
            return refused(self.account, answer.status_code, retry_after=answer.headers.get("Retry-After"))
        if getattr(exc, "status_code", 0) >= 400:
            return self._refused(exc)
        if isinstance(exc, TimeoutError) or "Timeout" in kind:
            return ProviderTimeout(f"{name}: {url} did not answer within {self._server.timeout_s:g} s")
        if isinstance(exc, OSError | WebSocketException) or any(part in kind for part in _LOST):
            return ProviderError(f"{name}: the connection to {url} failed or was lost ({kind}); is it up?")
        if hasattr(exc, "message"):
            return refused(self.account, None, exc.message, code=getattr(exc, "code", None))
        return ProviderError(f"{name}: {url} answered what the protocol does not know ({kind})")

    def _refused(self, exc: Any) -> HubError:
        body = exc.body if isinstance(exc.body, dict) else {}
        retry_after = exc.response.headers.get("retry-after")
        return refused(self.account, exc.status_code, body.get("message"), code=exc.code, retry_after=retry_after)
