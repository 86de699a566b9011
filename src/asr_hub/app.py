"""The composition root: a configuration becomes a running hub, and a hub becomes a server on one port."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn

from asr_hub import __version__
from asr_hub.access.certificate import Pair, certificate_of, on_disk
from asr_hub.access.entrance import Entrance
from asr_hub.access.exposure import exposure
from asr_hub.audio.operators.base import Vad
from asr_hub.audio.operators.endpoint import EndpointSettings
from asr_hub.audio.operators.fsmn import FsmnVad
from asr_hub.audio.operators.light import LightVad
from asr_hub.audio.operators.silero import SileroVad
from asr_hub.config.schema import Config
from asr_hub.effects.commands import ClientCommands
from asr_hub.effects.expiry import Expiry
from asr_hub.effects.flushing import JournalFlush
from asr_hub.effects.lines import LogLines
from asr_hub.effects.rearm import Rearm
from asr_hub.effects.recognition import Listening
from asr_hub.errors import ConfigError, HubError
from asr_hub.hub.engines import Engines
from asr_hub.hub.facts import StoreFacts
from asr_hub.hub.hub import Hub, Limits
from asr_hub.hub.journal_file import journal_file
from asr_hub.hub.reload import Plan, Reload
from asr_hub.model import ProviderName
from asr_hub.models.folder import find
from asr_hub.protocols import rest, tokens
from asr_hub.protocols.http import application
from asr_hub.protocols.http_sessions import HttpSessions
from asr_hub.protocols.origins import OriginGate
from asr_hub.protocols.port import DoorPort
from asr_hub.protocols.socket_io.mount import SocketIo, SocketIoSettings
from asr_hub.protocols.websocket import LaneSettings, websocket_lane
from asr_hub.providers import registry
from asr_hub.providers.policy import stay_inside
from asr_hub.store.event import Event
from asr_hub.store.kernel import HubStore
from asr_hub.store.slice import State
from asr_hub.store.slices.access import AccessRefused
from asr_hub.store.slices.hotwords import HotwordsReplaced
from asr_hub.store.slices.providers import select_provider
from asr_hub.store.slices.sessions import select_session, select_sessions
from asr_hub.store.slices.system import HubStarted, ProviderResolved, select_system
from asr_hub.telemetry import logs
from asr_hub.wire.conversation import Limits as WireLimits

_log = logs.get("asr_hub.app")


RECEIVE_BUFFER = 64 * 1024
"""
Bytes that the kernel takes from a client before the hub reads them: two seconds of audio, so that a client that sends
faster than the engine hears is held back early, and its memory here stays small.
"""


@contextlib.asynccontextmanager
async def running_hub(config: Config, plan: Plan | None = None) -> AsyncIterator[Hub]:
    """
    A hub with its providers started, on the running event loop. `plan` is that of the configuration, where it was made.

    Raises ConfigError where the configuration cannot run. A provider that cannot start does not stop the hub: it is
    tried again, and `/health` and the store say so.
    """
    plan = plan or _plan(config)
    async with contextlib.AsyncExitStack() as stack:
        # pystorex takes the effects once, when the store is made; so those that need the hub find it by name, later.
        effects: list[object] = [
            LogLines(),
            ClientCommands(lambda: hub),
            Expiry(
                lambda: select_sessions(store.state),
                resume_window=lambda: hub.limits.resume_window,
                idle_timeout=lambda: hub.limits.idle_timeout,
                now=time.time,
            ),
        ]
        if config.wake_word is not None:
            effects.append(
                Rearm(lambda session: select_session(store.state, session), timeout=config.wake_word.timeout_s)
            )
        sink = None
        if config.journal.path is not None:
            sink = await stack.enter_async_context(journal_file(Path(config.journal.path)))
            effects.append(JournalFlush(lambda: store.journal))
        store = HubStore(effects, on_error=_report, journal_size=config.journal.size, journal_sink=sink)
        stack.callback(store.close)
        stack.callback(store.journal.flush)
        store.attach(asyncio.get_running_loop().call_soon_threadsafe, thread_id=threading.get_ident)

        def spawn(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
            return hub.spawn(work, name)

        engines = Engines(plan.makers(), fallbacks=plan.fallbacks, dispatch=store.dispatch, spawn=spawn, now=time.time)
        hub = Hub(
            store,
            engines,
            plan.default,
            vad=_vad(config),
            endpoint=_endpoint(config),
            limits=plan.limits,
            wake_word=_wake_word(config),
            tick=config.audio.tick_ms / 1000,
        )
        await stack.enter_async_context(hub.run())
        store.dispatch(
            HubStarted(
                at=time.time(),
                version=__version__,
                max_sessions=config.sessions.max_sessions,
                default_provider=plan.default,
            )
        )
        if plan.resolution is not None:
            store.dispatch(ProviderResolved(at=time.time(), provider=plan.default, reason=plan.resolution))
        if config.hotwords:
            store.dispatch(HotwordsReplaced(at=time.time(), words=config.hotwords))
        await engines.start()
        yield hub


class Serving(NamedTuple):
    """A hub that answers on a port."""

    hub: Hub
    host: str
    port: int
    reload: Reload
    grpc_port: int | None = None
    """Nothing where gRPC is not configured."""
    tls: Pair | None = None
    """The certificate of the port; nothing where it speaks in the clear."""

    @property
    def url(self) -> str:
        return f"{'http' if self.tls is None else 'https'}://{_authority(self.host, self.port)}"

    @property
    def stream_url(self) -> str:
        """The WebSocket of the native protocol."""
        return f"{'ws' if self.tls is None else 'wss'}://{_authority(self.host, self.port)}/v1/stream"


@contextlib.asynccontextmanager
async def serving(config: Config, *, read: Callable[[], Config] | None = None) -> AsyncIterator[Serving]:
    """
    A hub on its port, until the block is left; running sessions are then closed at once.

    `read` reads the configuration again, for a reload. It may block, and raises what `load` raises.
    Raises ConfigError when the port is taken.
    """
    tls = certificate_of(config.server)
    warning = exposure(config)
    listener = _bind(config.server.host, config.server.port)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(listener.close)
        plan = _plan(config)
        hub = await stack.enter_async_context(running_hub(config, plan))
        reload = Reload(hub, config, read=read, plan=plan, make_plan=_plan)
        entrance = Entrance(config.access, tell=functools.partial(_refused, hub))
        stack.callback(entrance.flush)
        reload.join("access", lambda wanted: entrance.prepare(wanted.access))
        facts = StoreFacts(hub, reload, warning=warning)
        door = entrance.door("http")
        grpc_port = await stack.enter_async_context(_grpc(config, hub, entrance.door("grpc"), facts, tls))
        limits = WireLimits(max_audio_bytes=config.server.max_frame_bytes)
        sessions = HttpSessions(hub, door, limits=limits)
        routers = (rest.router(facts, door), sessions.router, tokens.router(entrance, door))
        socket_io = SocketIo(
            hub,
            entrance.door("socketio"),
            OriginGate(application(*routers), config.server.origins),
            limits=limits,
            settings=SocketIoSettings(origins=config.server.origins),
        )
        server = _Server(
            uvicorn.Config(
                socket_io,
                ws=websocket_lane(
                    hub,
                    door=entrance.door("websocket"),
                    limits=limits,
                    settings=LaneSettings(origins=config.server.origins),
                ),
                lifespan="off",
                log_config=None,
                # At lower levels uvicorn logs queries, and a token may stand in one.
                log_level="warning",
                access_log=False,
                # Of the WebSockets of Socket.IO, which has pings of its own: these would stand behind held-up audio.
                ws_ping_interval=None,
                ws_max_size=socket_io.max_request_bytes,
                ws_per_message_deflate=False,
                timeout_graceful_shutdown=2,
            )
        )
        if tls is not None:
            with on_disk(tls) as (server.config.ssl_certfile, server.config.ssl_keyfile):
                server.config.load()
        if warning is not None:
            _log.warning("access.off", detail=warning)
        task = asyncio.create_task(server.serve(sockets=[listener]), name="server")
        try:
            await server.has_started.wait()
            host, port = listener.getsockname()[:2]
            async with socket_io.running():
                yield Serving(hub, host, port, reload, grpc_port, tls)
        finally:
            # uvicorn waits for its responses, and events have no end.
            sessions.close()
            server.should_exit = True
            await task


async def serve(config: Config, *, read: Callable[[], Config] | None = None) -> None:
    """
    Serve until SIGTERM or SIGINT, then drain: refuse new sessions, finish utterances, close.

    A second signal ends the drain at once. SIGHUP reads the configuration again with `read`; without it, it ends the
    process, as where a terminal is closed.
    """
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with serving(config, read=read) as running, _hanging_up(running.reload, read):
        running.reload.join("logging", _logging)
        # A full collection walks every object of the process and holds the loop meanwhile: what is here for good is
        # left out of it, and it comes rarely. Frames, facts and messages are freed by their counts.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked.set)
        if running.tls is not None:
            _log.info("hub.certificate", sha256=running.tls.fingerprint)
        _log.info("hub.serving", url=running.url, docs=f"{running.url}/docs", stream=running.stream_url)
        await asked.wait()
        asked.clear()
        _log.info("hub.draining", sessions=running.hub.sessions)
        drain = asyncio.create_task(running.hub.drain(config.server.drain_s), name="drain")
        again = asyncio.create_task(asked.wait(), name="second signal")
        await asyncio.wait((drain, again), return_when=asyncio.FIRST_COMPLETED)
        for task in (drain, again):
            task.cancel()
        await asyncio.gather(drain, again, return_exceptions=True)


@contextlib.asynccontextmanager
async def _hanging_up(reload: Reload, read: Callable[[], Config] | None) -> AsyncIterator[None]:
    """Reload at SIGHUP while the block runs, where there is something to read."""
    if read is None:
        yield
        return
    hangup = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, hangup.set)
    task = asyncio.create_task(_reload_at(hangup, reload), name="reloads")
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _reload_at(hangup: asyncio.Event, reload: Reload) -> None:
    """Reload at each signal; those that come while one runs are one more."""
    while True:
        await hangup.wait()
        hangup.clear()
        # Reload has logged what is wrong, and who sends a signal reads no answer.
        with contextlib.suppress(HubError):
            await reload()


def _logging(config: Config) -> Callable[[], None]:
    it = config.logging
    return functools.partial(logs.configure, level=it.level, format=it.format, transcripts=it.transcripts)


@contextlib.asynccontextmanager
async def _grpc(
    config: Config, hub: Hub, door: DoorPort, facts: StoreFacts, tls: Pair | None
) -> AsyncIterator[int | None]:
    """gRPC on its port, where it is configured. Raises ConfigError, also where its packages are missing."""
    port = config.server.grpc_port
    if port is None:
        yield None
        return
    try:
        # Nobody pays for gRPC who does not configure it.
        import grpc

        from asr_hub.protocols.grpc.server import grpc_server
    except ImportError as exc:
        raise ConfigError(
            f"`server.grpc_port` needs {exc.name}, which is not here: pip install 'asr-hub[grpc]'"
        ) from None
    limits = WireLimits(max_audio_bytes=config.server.max_frame_bytes)
    credentials = grpc.ssl_server_credentials([(tls.key, tls.certificate)]) if tls is not None else None
    async with grpc_server(
        hub, door, facts, host=config.server.host, port=port, limits=limits, credentials=credentials
    ) as server:
        health = hub.store.select(_health).subscribe(lambda _: server.readiness.changed())
        try:
            yield server.port
        finally:
            health.dispose()


def _health(state: State) -> str:
    """What `/ready` depends on: a text, so that it is told only when it has changed."""
    system = select_system(state)
    default = select_provider(state, system.default_provider)
    return f"{system.is_draining} {system.default_provider} {default.health if default is not None else None}"


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, which would end the sockets before the utterances."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.has_started = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.has_started.set()


def _refused(hub: Hub, code: str, protocol: str, times: int) -> None:
    hub.dispatch(AccessRefused(at=hub.now(), code=code, protocol=protocol, times=times))


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    try:
        listener.bind((host, port))
    except OSError as exc:
        listener.close()
        raise ConfigError(
            f"cannot listen on {host}:{port}: {exc.strerror}; choose another with `server.port` or --port"
        ) from None
    listener.listen(2048)
    listener.setblocking(False)
    return listener


def _plan(config: Config) -> Plan:
    """Raises ConfigError, ProviderUnavailable where `auto` finds nothing."""
    entries = {name: registry.Entry(it.kind, it.settings) for name, it in config.providers.items()}
    if config.policy == "local":
        stay_inside(entries)
    name, reason = config.provider, None
    if name == "auto":
        name, reason = registry.resolve_auto(entries)
        entries.setdefault(name, registry.Entry(name, {}))
    return Plan(
        entries={ProviderName(name): entry for name, entry in entries.items()},
        fallbacks={
            ProviderName(name): ProviderName(it.fallback)
            for name, it in config.providers.items()
            if it.fallback is not None
        },
        default=ProviderName(name),
        resolution=reason,
        limits=_limits(config),
    )


def _vad(config: Config) -> Vad | None:
    match config.audio.vad:
        case "silero":
            return SileroVad() if config.audio.gate else SileroVad(gate=None)
        case "fsmn" if config.audio.vad_model is not None:
            return FsmnVad(find(config.audio.vad_model, engine="funasr"))
        case "light":
            return LightVad()
        case _:
            return None


def _endpoint(config: Config) -> EndpointSettings:
    it = config.audio.endpointing
    return EndpointSettings(
        threshold=it.threshold,
        release=it.release,
        min_speech=it.min_speech_s,
        min_silence=it.min_silence_s,
        pre_roll=it.pre_roll_s,
        max_utterance=it.max_utterance_s,
    )


def _limits(config: Config) -> Limits:
    it = config.sessions
    return Limits(
        max_sessions=it.max_sessions,
        max_viewers=it.max_viewers,
        resume_window=it.resume_window_s,
        idle_timeout=it.idle_timeout_s,
        audio_buffer=it.audio_buffer_s,
        history_messages=it.history_messages,
        history_bytes=it.history_bytes,
    )


def _wake_word(config: Config) -> Listening | None:
    if config.wake_word is None:
        return None
    return Listening(
        provider=ProviderName(config.wake_word.provider),
        phrases=config.wake_word.phrases,
        min_silence=config.audio.endpointing.min_silence_s,
    )


def _report(error: Exception, event: Event) -> None:
    _log.exception("store.error", error, event=event.type)
