"""A configuration becomes a running hub."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

from asr_hub import __version__
from asr_hub.app.plan import breaker_of, endpoint_of, plan_of, strategy_of, vad_of, wake_word_of
from asr_hub.audio.speakers import Telling
from asr_hub.config.schema import Config
from asr_hub.effects.breaking import Breakers
from asr_hub.effects.commands import ClientCommands
from asr_hub.effects.expiry import Expiry
from asr_hub.effects.flushing import JournalFlush
from asr_hub.effects.lines import LogLines
from asr_hub.effects.rearm import Rearm
from asr_hub.hub.correcting import Correcting
from asr_hub.hub.engines import Engines
from asr_hub.hub.hotwords import configured
from asr_hub.hub.hub import Hub
from asr_hub.hub.journal_file import journal_file
from asr_hub.hub.reload import Plan
from asr_hub.hub.voices import Voices
from asr_hub.model import ProviderName
from asr_hub.providers import speakers
from asr_hub.providers.base import Provider
from asr_hub.store.event import Event
from asr_hub.store.kernel import HubStore
from asr_hub.store.slices.sessions import select_session, select_sessions
from asr_hub.store.slices.system import HubStarted, ProviderResolved
from asr_hub.telemetry import logs

_log = logs.get("asr_hub.app")


@contextlib.asynccontextmanager
async def running_hub(config: Config, plan: Plan | None = None) -> AsyncIterator[Hub]:
    """
    A hub with its providers started, on the running event loop. `plan` is that of the configuration, where it was made.

    Raises ConfigError where the configuration cannot run. A provider that cannot start does not stop the hub: it is
    tried again, and `/health` and the store say so.
    """
    plan = plan or plan_of(config)
    async with contextlib.AsyncExitStack() as stack:
        # pystorex takes the effects once, when the store is made; so those that need the hub find it by name, later.
        # pystorex takes the effects once, when the store is made; so those that need the hub find it by name, later.
        def provider(name: ProviderName) -> Provider:
            return hub.engines.get(name)

        def dispatch(event: Event) -> None:
            store.dispatch(event)

        def using(provider: Provider) -> contextlib.AbstractContextManager[None]:
            return hub.engines.using(provider)

        def spawn(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
            return hub.spawn(work, name)

        breakers = Breakers(
            lambda: store.state,
            provider=provider,
            dispatch=dispatch,
            spawn=spawn,
            using=using,
            now=time.time,
            policy=breaker_of(config),
        )
        effects: list[object] = [
            LogLines(),
            breakers,
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

        correcting = await stack.enter_async_context(_correcting(config))
        voices = await stack.enter_async_context(_voices(config))
        engines = Engines(plan.makers(), fallbacks=plan.fallbacks, dispatch=store.dispatch, spawn=spawn, now=time.time)
        hub = Hub(
            store,
            engines,
            plan.default,
            vad=vad_of(config),
            endpoint=endpoint_of(config),
            limits=plan.limits,
            wake_word=wake_word_of(config),
            strategy=strategy_of(config),
            breakers=breakers,
            corrector=correcting,
            voices=voices,
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
        for replaced in configured(config, at=time.time()):
            store.dispatch(replaced)
        await engines.start()
        yield hub


@contextlib.asynccontextmanager
async def _correcting(config: Config) -> AsyncIterator[Correcting | None]:
    it = config.recognition.passes.corrected
    if it is None:
        yield None
        return
    correcting = Correcting(it, policy=config.policy)
    try:
        yield correcting
    finally:
        await correcting.aclose()


@contextlib.asynccontextmanager
async def _voices(config: Config) -> AsyncIterator[Voices | None]:
    it = config.recognition.speakers
    if it is None:
        yield None
        return
    embedder = speakers.load("sherpa-onnx", {"model": it.model})
    try:
        await embedder.start()
        yield Voices(embedder, Telling(threshold=it.threshold))
    finally:
        await embedder.aclose()


def _report(error: Exception, event: Event) -> None:
    _log.exception("store.error", error, event=event.type)
