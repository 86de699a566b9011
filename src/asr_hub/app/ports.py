"""A hub becomes a server: every protocol on its port, and gRPC on one of its own."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from asr_hub.access.certificate import Pair, certificate_of
from asr_hub.access.entrance import Entrance
from asr_hub.access.exposure import exposure
from asr_hub.app.dialects import dialects_of
from asr_hub.app.jobs import files_of, fingerprint
from asr_hub.app.listening import answering, bind, server
from asr_hub.app.plan import plan_of
from asr_hub.app.recordings import recordings_of
from asr_hub.app.running import running_hub
from asr_hub.config.schema import Config
from asr_hub.errors import ConfigError
from asr_hub.hub.facts import StoreFacts
from asr_hub.hub.hub import Hub
from asr_hub.hub.reload import Reload
from asr_hub.protocols import jobs_rest, recordings, rest, site, tokens
from asr_hub.protocols.http import application
from asr_hub.protocols.http_sessions import HttpSessions
from asr_hub.protocols.jobs_sse import JobEvents
from asr_hub.protocols.origins import OriginGate, Pages
from asr_hub.protocols.port import DoorPort
from asr_hub.protocols.recordings_sse import ActionEvents
from asr_hub.protocols.socket_io.mount import SocketIo, SocketIoSettings
from asr_hub.protocols.websocket import LaneSettings, websocket_lane
from asr_hub.store.slice import State
from asr_hub.store.slices.access import AccessRefused
from asr_hub.store.slices.providers import select_provider
from asr_hub.store.slices.system import select_system
from asr_hub.telemetry import logs
from asr_hub.telemetry.access_log import AccessLog
from asr_hub.wire.conversation import Limits as WireLimits

_log = logs.get("asr_hub.app")


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
    dialects: Mapping[str, int] = MappingProxyType({})
    """The ports of the foreign dialects that have one of their own."""

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
    tls = certificate_of(config.server.tls, config.server.host)
    warning = exposure(config)
    listener = bind(config.server.host, config.server.port, key="`server.port` or --port")
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(listener.close)
        plan = plan_of(config)
        hub = await stack.enter_async_context(running_hub(config, plan))
        reload = Reload(hub, config, read=read, plan=plan, make_plan=plan_of)
        entrance = Entrance(config.access, tell=functools.partial(_refused, hub))
        stack.callback(entrance.flush)
        reload.join("access", lambda wanted: entrance.prepare(wanted.access))
        facts = StoreFacts(hub, reload, warning=warning)
        door = entrance.door("http")
        files = await stack.enter_async_context(files_of(config, hub, functools.partial(fingerprint, reload)))
        grpc_port = await stack.enter_async_context(_grpc(config, hub, entrance.door("grpc"), facts, tls))
        limits = WireLimits(max_audio_bytes=config.server.max_frame_bytes)
        sessions = HttpSessions(hub, door, limits=limits)
        events = JobEvents(files.watches, door)
        actions = ActionEvents(recordings_of(config, hub), door)
        dialects = await stack.enter_async_context(
            dialects_of(config, hub, entrance, tuple(plan.entries), limits=limits)
        )
        routers = (
            *dialects.routers,
            rest.router(facts, door),
            sessions.router,
            tokens.router(entrance, door),
            events.router,
            jobs_rest.router(files.jobs, facts, door, off=files.why_not),
            recordings.router(actions.recordings, door),
            actions.router,
            site.router(),
        )
        pages = Pages(config.server.origins, is_locked=lambda: entrance.is_locked)
        socket_io = SocketIo(
            hub,
            entrance.door("socketio"),
            OriginGate(application(*routers), pages),
            limits=limits,
            settings=SocketIoSettings(pages=pages),
            jobs=files.watches,
        )
        main = server(
            AccessLog(socket_io),
            tls=tls,
            ws=websocket_lane(
                hub,
                door=entrance.door("websocket"),
                limits=limits,
                settings=LaneSettings(pages=pages),
                jobs=files.watches,
            ),
            # Of the WebSockets of Socket.IO, which has pings of its own: these would stand behind held-up audio.
            ws_ping_interval=None,
            ws_max_size=max(socket_io.max_request_bytes, dialects.max_frame_bytes),
        )
        if warning is not None:
            _log.warning("access.off", detail=warning)
        try:
            async with answering(main, listener, name="server"):
                host, port = listener.getsockname()[:2]
                async with socket_io.running():
                    try:
                        yield Serving(hub, host, port, reload, grpc_port, tls, dialects.ports)
                    finally:
                        # uvicorn waits for its responses, and events have no end.
                        for streams in (sessions, events, actions):
                            streams.close()
                        dialects.stopping.set()
        finally:
            dialects.stopping.set()


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


def _refused(hub: Hub, code: str, protocol: str, times: int) -> None:
    hub.dispatch(AccessRefused(at=hub.now(), code=code, protocol=protocol, times=times))


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
