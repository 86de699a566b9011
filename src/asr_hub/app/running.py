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
from asr_hub.app.plan import endpoint_of, plan_of, vad_of, wake_word_of
from asr_hub.app.recordings import recorder_of
from asr_hub.config.schema import Config
from asr_hub.effects.breaking import Breakers
from asr_hub.effects.commands import ClientCommands
from asr_hub.effects.expiry import Expiry
from asr_hub.effects.flushing import JournalFlush
from asr_hub.effects.lines import LogLines
from asr_hub.effects.rearm import Rearm
from asr_hub.effects.recording import Recording
from asr_hub.effects.undoing import Undoing
from asr_hub.hub.beside import beside
from asr_hub.hub.engines import Engines
from asr_hub.hub.hotwords import configured
from asr_hub.hub.hub import Hub
from asr_hub.hub.journal_file import journal_file
from asr_hub.hub.reload import Plan
from asr_hub.model import ProviderName
from asr_hub.providers.base import Provider
from asr_hub.store.event import Event
from asr_hub.store.kernel import HubStore
from asr_hub.store.slices.sessions import select_session, select_sessions
from asr_hub.store.slices.system import HubStarted, ProviderResolved
from asr_hub.store.slices.transcripts import select_utterance
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
            policy=plan.breaker,
        )
        effects: list[object] = [
            LogLines(),
            breakers,
            ClientCommands(lambda: hub),
            Undoing(lambda session, number: select_utterance(store.state, session, number)),
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
        if config.recorder.mode != "off":
            effects.append(Recording(lambda: recorder))
        sink = None
        if config.journal.path is not None:
            sink = await stack.enter_async_context(journal_file(Path(config.journal.path)))
            effects.append(JournalFlush(lambda: store.journal))
        store = HubStore(effects, on_error=_report, journal_size=config.journal.size, journal_sink=sink)
        stack.callback(store.close)
        stack.callback(store.journal.flush)
        store.attach(asyncio.get_running_loop().call_soon_threadsafe, thread_id=threading.get_ident)

        recorder = await stack.enter_async_context(
            recorder_of(config.recorder, state=lambda: store.state, seq=lambda: store.journal.seq)
        )
        corrector, voices = await beside(config)
        engines = Engines(plan.makers(), fallbacks=plan.fallbacks, dispatch=store.dispatch, spawn=spawn, now=time.time)
        hub = Hub(
            store,
            engines,
            plan.default,
            vad=vad_of(config),
            endpoint=endpoint_of(config),
            limits=plan.limits,
            wake_word=wake_word_of(config),
            strategy=plan.strategy,
            breakers=breakers,
            corrector=corrector,
            voices=voices,
            recorder=recorder,
            tick=config.audio.tick_ms / 1000,
        )
        stack.push_async_callback(hub.around.aclose)
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


def _report(error: Exception, event: Event) -> None:
    _log.exception("store.error", error, event=event.type)
