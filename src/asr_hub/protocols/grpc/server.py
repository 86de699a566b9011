"""
gRPC: `asr_hub.v1.AsrHubService` of protos/, with health and reflection, on a port of its own.

Every call brings its key in the metadata. An error ends it with the status of `wire/status.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import grpc
import msgspec
from grpc_reflection.v1alpha import reflection
from msgspec.structs import replace

from asr_hub.access.grant import Scope
from asr_hub.errors import unwrapped
from asr_hub.model import Role, SessionId
from asr_hub.protocols.dialogue import Dialogue
from asr_hub.protocols.facts import HubFacts
from asr_hub.protocols.grpc import translate
from asr_hub.protocols.grpc.hearing import hear_whole
from asr_hub.protocols.grpc.listening import bind, options
from asr_hub.protocols.grpc.readiness import Readiness
from asr_hub.protocols.grpc.reception import Reception, ReceptionSettings, admitted
from asr_hub.protocols.grpc.talk import Talk, TalkSettings
from asr_hub.protocols.port import DoorPort, HubPort
from asr_hub.v1 import asr_hub_pb2 as pb
from asr_hub.v1 import asr_hub_pb2_grpc as stubs
from asr_hub.wire.conversation import Limits
from asr_hub.wire.messages import Attach

SERVICE: str = pb.DESCRIPTOR.services_by_name["AsrHubService"].full_name

MAX_WHOLE_BYTES = 16 * 2**20
"""Of the audio of one `Recognize`: 8 minutes at 16 kHz. What is longer is for `Stream`, which keeps none of it."""


class GrpcSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one server. Times are in seconds."""

    talk: TalkSettings = TalkSettings()
    reception: ReceptionSettings = ReceptionSettings()
    max_calls: int = 4096
    """At the same time, over all connections; one more is refused with RESOURCE_EXHAUSTED."""
    max_streams: int = 1000
    """Calls at the same time on one connection; one more waits in the client."""
    max_whole_bytes: int = MAX_WHOLE_BYTES
    ping_interval: float = 20.0
    """A connection that said nothing for so long is asked whether it is there."""
    ping_timeout: float = 20.0
    """A connection that does not answer for so long is gone."""
    stop_timeout: float = 2.0
    """How long calls may take to end once they were told that the hub stops."""


class GrpcServer(NamedTuple):
    """A server that runs."""

    port: int
    readiness: Readiness


@asynccontextmanager
async def grpc_server(
    hub: HubPort,
    door: DoorPort,
    facts: HubFacts,
    *,
    host: str,
    port: int,
    limits: Limits | None = None,
    settings: GrpcSettings | None = None,
    credentials: grpc.ServerCredentials | None = None,
) -> AsyncIterator[GrpcServer]:
    """
    A server on its port, in plain text without `credentials`, until the block is left; calls that run are told.

    Port 0 takes a free one. Raises ConfigError when the port is taken.
    """
    limits, settings = limits or Limits(), settings or GrpcSettings()
    calls = _Calls(hub, facts, limits, settings)
    readiness = Readiness(facts, SERVICE)
    server = grpc.aio.server(
        interceptors=(Reception(door, settings.reception),),
        options=options(
            largest=max(limits.max_audio_bytes, settings.max_whole_bytes) + limits.max_text_bytes,
            streams=settings.max_streams,
            ping_interval=settings.ping_interval,
            ping_timeout=settings.ping_timeout,
        ),
        maximum_concurrent_rpcs=settings.max_calls,
    )
    stubs.add_AsrHubServiceServicer_to_server(calls, server)  # type: ignore[no-untyped-call]  # Written by protoc.
    readiness.add_to(server)
    names = [service.full_name for service in pb.DESCRIPTOR.services_by_name.values()]
    reflection.enable_server_reflection([*names, "grpc.health.v1.Health", reflection.SERVICE_NAME], server)
    bound = bind(server, host, port, credentials, key="`server.grpc_port`")
    with unwrapped():
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(readiness.keep(), name="grpc health")
            await server.start()
            try:
                yield GrpcServer(bound, readiness)
            finally:
                keeping.cancel()
                await readiness.stop()
                calls.stopping.set()
                await server.stop(settings.stop_timeout)


class _Calls(stubs.AsrHubServiceServicer):
    """The service, for calls that were let in. What it raises is told by `Reception`."""

    def __init__(self, hub: HubPort, facts: HubFacts, limits: Limits, settings: GrpcSettings) -> None:
        self._hub = hub
        self._facts = facts
        self._limits = limits
        self._settings = settings
        self.stopping = asyncio.Event()
        """The server stops: whoever has a call is told."""

    # The names are those of the service in protos/.

    async def Stream(self, requests: object, context: Any) -> None:  # noqa: N802
        await self._talk(context, pb.StreamResponse).run()

    async def Watch(self, request: pb.WatchRequest, context: Any) -> None:  # noqa: N802
        seq = request.seq if request.HasField("seq") else None
        watch = Attach(session=SessionId(request.session), role=Role.VIEWER, seq=seq)
        await self._talk(context, pb.WatchResponse).run(watch)

    async def Recognize(self, request: pb.RecognizeRequest, context: Any) -> pb.RecognizeResponse:  # noqa: N802
        start = replace(translate.start(request.config), partials=False, levels=False)
        return await hear_whole(self._dialogue(), start, request.audio, limits=self._limits, stopping=self.stopping)

    async def ListProviders(  # noqa: N802
        self, request: pb.ListProvidersRequest, context: Any
    ) -> pb.ListProvidersResponse:
        answer = pb.ListProvidersResponse()
        for view in self._facts.providers():
            translate.fill_from_view(answer.providers.add(), view)
        return answer

    async def ListSessions(self, request: pb.ListSessionsRequest, context: Any) -> pb.ListSessionsResponse:  # noqa: N802
        _must_administer()
        answer = pb.ListSessionsResponse()
        for view in self._facts.sessions():
            translate.fill_from_view(answer.sessions.add(), view)
        return answer

    async def GetSession(self, request: pb.GetSessionRequest, context: Any) -> pb.GetSessionResponse:  # noqa: N802
        view = self._facts.session(request.session, admitted())
        answer = pb.GetSessionResponse()
        translate.fill_from_view(answer.session, view, skip=("transcript",))
        for utterance in view.transcript or ():
            translate.fill_from_view(answer.transcript.add(), utterance)
        return answer

    async def CloseSession(self, request: pb.CloseSessionRequest, context: Any) -> pb.CloseSessionResponse:  # noqa: N802
        view = self._facts.close(request.session, admitted())
        answer = pb.CloseSessionResponse()
        translate.fill_from_view(answer.session, view)
        return answer

    async def GetHotwords(self, request: pb.GetHotwordsRequest, context: Any) -> pb.GetHotwordsResponse:  # noqa: N802
        _must_administer()
        return pb.GetHotwordsResponse(hotwords=self._facts.hotwords())

    async def SetHotwords(self, request: pb.SetHotwordsRequest, context: Any) -> pb.SetHotwordsResponse:  # noqa: N802
        _must_administer()
        return pb.SetHotwordsResponse(hotwords=self._facts.set_hotwords(dict.fromkeys(request.hotwords, 1.0)))

    def _dialogue(self) -> Dialogue:
        return Dialogue(self._hub, protocol=_PROTOCOL, grant=admitted(), limits=self._limits)

    def _talk(self, context: Any, answer: type[pb.StreamResponse] | type[pb.WatchResponse]) -> Talk:
        return Talk(
            self._dialogue(),
            context,
            answer=answer,
            limits=self._limits,
            settings=self._settings.talk,
            stopping=self.stopping,
        )


def _must_administer() -> None:
    """Raises Forbidden where who calls may not see to the whole hub."""
    grant = admitted()
    grant.must(Scope.ADMIN)
    grant.must_roam()


_PROTOCOL = "grpc"
