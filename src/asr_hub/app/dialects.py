"""The foreign dialects of a running hub: those on its port, and those on ports of their own."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
from fastapi import APIRouter

from asr_hub import __version__
from asr_hub.access.certificate import Pair, certificate_of, context_of
from asr_hub.access.entrance import Entrance
from asr_hub.app.listening import answering, bind, server
from asr_hub.config import schema
from asr_hub.config.schema import Config
from asr_hub.errors import ConfigError, HubError
from asr_hub.hub.decoding import Decoders
from asr_hub.hub.hub import Hub
from asr_hub.model import ProviderName
from asr_hub.protocols.compat import deepgram, funasr, openai_realtime, openai_rest, vosk, wyoming
from asr_hub.protocols.compat.ports import Compat, Models
from asr_hub.protocols.jobs_port import UploadSettings
from asr_hub.protocols.origins import OriginGate, Pages
from asr_hub.telemetry import logs
from asr_hub.wire.conversation import Limits
from asr_hub.wire.dialects.wyoming_info import Model, Offer

MAX_FRAME = 24 * 2**20
"""Bytes of a WebSocket frame: 15 MiB of audio as base64, which clients of OpenAI may send at once."""

MAX_FILE = 1 << 30
"""Bytes of an audio file."""

_log = logs.get("asr_hub.app")


class Offered(msgspec.Struct, kw_only=True):
    """What the hub's own port gets of the dialects, and where the others are."""

    stopping: asyncio.Event
    """Set when connections are to be ended."""
    max_frame_bytes: int = 0
    routers: tuple[APIRouter, ...] = ()
    ports: dict[str, int] = {}


@contextlib.asynccontextmanager
async def dialects_of(
    config: Config, hub: Hub, entrance: Entrance, providers: tuple[str, ...], *, limits: Limits
) -> AsyncIterator[Offered]:
    """
    The dialects that the configuration asks for, until the block is left.

    Raises ConfigError where a port is taken or a package is missing.
    """
    it = config.dialects
    models = Models(it.models, providers, is_strict=it.strict_models)
    stopping = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        decoders = await stack.enter_async_context(Decoders())

        def compat(protocol: str, *, keyless: str | None = None) -> Compat:
            door = entrance.door(protocol, keyless=keyless)
            pages = Pages(config.server.origins, is_locked=lambda: keyless is None and entrance.is_locked)
            return Compat(hub=hub, door=door, models=models, files=decoders, limits=limits, pages=pages)

        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="asr-hub-files-")))
        uploads = UploadSettings(folder=folder, max_bytes=MAX_FILE)
        routers = tuple(_routers(config, compat, entrance, uploads, stopping))
        offered = Offered(stopping=stopping, max_frame_bytes=MAX_FRAME, routers=routers)
        ports = {**_PORTS, "wyoming": functools.partial(_wyoming_port, config, hub)}
        # Before the ports close, their connections are told.
        for name, settings in it.on_ports.items():
            if not settings.enabled or settings.port is None:
                continue
            common = compat(name, keyless=settings.key)
            tls = certificate_of(settings.tls, settings.host)
            offered.ports[name] = await stack.enter_async_context(ports[name](settings, common, tls, stopping))
            _log.info("dialect.serving", dialect=name, host=settings.host, port=offered.ports[name])
        stack.callback(stopping.set)
        yield offered


def _routers(
    config: Config, compat: Any, entrance: Entrance, uploads: UploadSettings, stopping: asyncio.Event
) -> list[APIRouter]:
    """Those on the hub's port."""
    it = config.dialects
    routers: list[APIRouter] = []
    if it.openai.enabled:
        prefix, policy = it.openai.prefix, it.openai.partials
        routers.append(
            openai_realtime.router(compat("realtime"), entrance, prefix=prefix, policy=policy, stopping=stopping)
        )
        translating = [name for name, one in config.providers.items() if one.settings.get("task") == "translate"]
        routers.append(
            openai_rest.router(
                compat("openai"),
                prefix=prefix,
                policy=policy,
                uploads=uploads,
                translating=translating,
                stopping=stopping,
            )
        )
    if it.deepgram.enabled:
        common = compat(deepgram.PROTOCOL)
        routers.append(deepgram.router(common, uploads, prefix=it.deepgram.prefix, stopping=stopping))
    return routers


@contextlib.asynccontextmanager
async def web_port(
    app: Any, settings: schema.DialectOnPort, tls: Pair | None, *, name: str, max_frame: int = MAX_FRAME
) -> AsyncIterator[int]:
    """HTTP and WebSocket on a port of their own."""
    listener = bind(settings.host, settings.port or 0, key=f"`dialects.{name}.port`")
    with contextlib.closing(listener):
        made = server(app, tls=tls, ws="websockets-sansio", ws_ping_interval=None, ws_max_size=max_frame)
        async with answering(made, listener, name=name):
            yield int(listener.getsockname()[1])


def module(name: str, *, dialect: str, extra: str) -> Any:
    """A shell whose packages are an extra. Raises ConfigError where they are missing."""
    try:
        return importlib.import_module(name)
    except ImportError as exc:
        raise ConfigError(
            f"`dialects.{dialect}.port` needs {exc.name}, which is not here: pip install 'asr-hub[{extra}]'"
        ) from None


def _grpc_port(name: str) -> Any:
    """How a dialect over gRPC gets its port."""

    def port(settings: schema.DialectOnPort, compat: Compat, tls: Pair | None, stopping: asyncio.Event) -> Any:
        shell = module(f"asr_hub.protocols.compat.{name}", dialect=name, extra="grpc")
        make = getattr(shell, f"{name}_port")
        return make(compat, host=settings.host, port=settings.port or 0, tls=tls, stopping=stopping)

    return port


def _vosk_port(settings: schema.DialectOnPort, compat: Compat, tls: Pair | None, stopping: asyncio.Event) -> Any:
    app = OriginGate(vosk.application(compat, stopping), compat.pages)
    return web_port(app, settings, tls, name="vosk")


def _funasr_port(settings: schema.DialectOnPort, compat: Compat, tls: Pair | None, stopping: asyncio.Event) -> Any:
    app = OriginGate(funasr.application(compat, stopping, policy=settings.partials), compat.pages)
    return web_port(app, settings, tls, name="funasr")


@contextlib.asynccontextmanager
async def _wyoming_port(
    config: Config,
    hub: Hub,
    settings: schema.DialectOnPort,
    compat: Compat,
    tls: Pair | None,
    stopping: asyncio.Event,
) -> AsyncIterator[int]:
    listener = bind(settings.host, settings.port or 0, key="`dialects.wyoming.port`")
    with contextlib.closing(listener):
        port = int(listener.getsockname()[1])
        async with wyoming.wyoming_port(
            listener,
            hub,
            compat,
            functools.partial(_wyoming_offer, config, hub, compat.models),
            policy=settings.partials,
            stopping=stopping,
            tls=context_of(tls) if tls is not None else None,
        ):
            yield port


def _wyoming_offer(config: Config, hub: Hub, models: Models) -> Offer:
    def languages(model: str) -> tuple[str, ...]:
        try:
            return hub.engines.get(ProviderName(models.provider(model) or hub.default)).capabilities.languages
        except HubError:
            # It has not started yet, or was taken out of the configuration.
            return ()

    def hears(model: str) -> bool:
        provider = models.provider(model) or hub.default
        return provider == hub.default or config.wake_word is None or provider != config.wake_word.provider

    # Home Assistant names no model: the one it gets stands first.
    names = sorted(filter(hears, models.names), key=lambda name: (models.provider(name) or hub.default) != hub.default)
    return Offer(
        version=__version__,
        models=tuple(Model(name, languages(name)) for name in names),
        phrases=config.wake_word.phrases if config.wake_word is not None else (),
        ends_utterances=config.audio.vad != "off",
    )


_PORTS: dict[str, Any] = {
    "funasr": _funasr_port,
    "vosk": _vosk_port,
    "riva": _grpc_port("riva"),
    "google": _grpc_port("google"),
}
