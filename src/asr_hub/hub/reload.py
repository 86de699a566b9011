"""Reads the configuration again while the hub runs, and does what it says where a running hub can."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from asr_hub.config.schema import Config
from asr_hub.effects.breaking import BreakerPolicy
from asr_hub.effects.strategy import Strategy
from asr_hub.errors import ConfigError, Conflict, HubError, Overloaded, ProviderUnavailable
from asr_hub.hub.around import Part
from asr_hub.hub.beside import Beside, beside
from asr_hub.hub.engines import Make, Started
from asr_hub.hub.hotwords import configured
from asr_hub.hub.hub import Hub, Limits
from asr_hub.model import ProviderName
from asr_hub.protocols.facts import ReloadView
from asr_hub.providers import registry
from asr_hub.store.slices.sessions import SessionMoved, SessionWarned
from asr_hub.store.slices.system import Reconfigured
from asr_hub.telemetry import logs

_log = logs.get(__name__)

Prepare = Callable[[Config], Callable[[], None]]
"""
Looks at a new configuration, and returns what puts it in force.

Raises ConfigError where it cannot hold; nothing has changed then. What it returns is called once everybody has agreed,
and does not raise.
"""

_OURS = frozenset(
    {"provider", "policy", "providers", "recognition", "sessions", "hotwords", "hotwords_file", "hotwords_of"}
)
"""Top-level keys that a running hub takes."""

_SHADOW = "recognition.shadow"


class Plan(NamedTuple):
    """What a configuration says of the parts of a hub that may change while it runs."""

    entries: Mapping[ProviderName, registry.Entry]
    """`auto` may have added one."""
    fallbacks: Mapping[ProviderName, ProviderName]
    default: ProviderName
    resolution: str | None
    """What `auto` was resolved to, and why; none where a provider is named."""
    limits: Limits
    strategy: Strategy = Strategy()
    breaker: BreakerPolicy = BreakerPolicy()

    def makers(self) -> dict[ProviderName, tuple[str, Make]]:
        """How to make each provider."""
        return {
            name: (kind, functools.partial(registry.load, kind, name, settings))
            for name, (kind, settings) in self.entries.items()
        }


class Reload:
    """
    Called, it reads the configuration with `read` and applies it; one call after the other.

    It is wholly applied, as far as a running hub can, or not at all: engines that are new or changed are started beside
    those that run, before anything is put in place.
    """

    def __init__(
        self,
        hub: Hub,
        config: Config,
        *,
        read: Callable[[], Config] | None,
        plan: Plan,
        make_plan: Callable[[Config], Plan],
    ) -> None:
        self._hub = hub
        self._config = config
        """What holds now."""
        self._read = read
        self._plan = plan
        self._make_plan = make_plan
        self._parts: dict[str, Prepare] = {}
        self._turn = asyncio.Lock()

    @property
    def config(self) -> Config:
        """What holds now."""
        return self._config

    @property
    def plan(self) -> Plan:
        """What holds now."""
        return self._plan

    def join(self, section: str, prepare: Prepare) -> None:
        """Let another part take the changes of a top-level section of the configuration."""
        if section in self._parts or section in _OURS:
            raise ValueError(f"two parts take the section {section!r}")
        self._parts[section] = prepare

    async def __call__(self) -> ReloadView:
        """
        Waits for engines that are new or changed to start.

        Raises Conflict (the configuration is wrong, or was not read from a file), ProviderUnavailable (an engine does
        not start), Overloaded (the hub stops); then nothing has changed.
        """
        async with self._turn:
            try:
                return await self._apply()
            except HubError as exc:
                _log.warning("config.refused", code=exc.code, detail=str(exc))
                raise

    async def _apply(self) -> ReloadView:
        if self._read is None:
            raise Conflict(
                "the hub was started without a file, so there is none to read again; start it with --config FILE",
                code="no-config-file",
            )
        try:
            wanted = await asyncio.to_thread(self._read)
            plan, wanted_here = self._keeping_wake_word(self._make_plan(wanted), wanted)
            changed = set(_differences(self._config, wanted_here))
            commits = [
                prepare(wanted) for section, prepare in self._parts.items() if any(_top(k) == section for k in changed)
            ]
            now = Beside(self._hub.around.corrector, self._hub.around.speakers)
            parts = await beside(wanted, before=self._config, now=now)
            try:
                started = await self._start_engines(plan)
            except BaseException:
                await parts.discard(kept=now)
                raise
        except ConfigError as exc:
            raise Conflict(str(exc), code="config") from exc
        if self._hub.is_draining:
            await self._hub.engines.discard(started)
            await parts.discard(kept=now)
            raise Overloaded("the hub is shutting down, and changes nothing more", code="draining")
        applied = self._put_in_place(wanted, plan, started, parts, changed)
        for commit in commits:
            commit()
        self._config = self._what_holds(wanted_here)
        self._plan = plan
        view = ReloadView(applied=applied, needs_restart=sorted(_differences(self._config, wanted)))
        self._tell(view)
        return view

    def _keeping_wake_word(self, plan: Plan, config: Config) -> tuple[Plan, Config]:
        """With the engine that hears the wake word, wanted or not: the hub asks it as long as it runs."""
        if (listening := self._hub.around.wake_word) is None or (name := listening.provider) in plan.entries:
            return plan, config
        providers = {**config.providers, str(name): self._config.providers[name]}
        kept = plan._replace(entries={**plan.entries, name: self._plan.entries[name]})
        return kept, config.model_copy(update={"providers": providers})

    async def _start_engines(self, plan: Plan) -> dict[ProviderName, Started]:
        """Raises ConfigError, ProviderUnavailable."""
        new = {name: maker for name, maker in plan.makers().items() if plan.entries[name] != self._entry(name)}
        try:
            return await self._hub.engines.prepare(new)
        except ConfigError:
            raise
        except HubError as exc:
            raise ProviderUnavailable(f"nothing was changed, because an engine does not start: {exc}") from exc

    def _entry(self, name: ProviderName) -> registry.Entry | None:
        return self._plan.entries.get(name)

    def _put_in_place(
        self,
        wanted: Config,
        plan: Plan,
        started: Mapping[ProviderName, Started],
        parts: Beside,
        changed: set[str],
    ) -> list[str]:
        """The keys that were applied. Does not wait: between two facts of it nothing else happens."""
        hub = self._hub
        gone = hub.engines.change(plan.makers(), plan.fallbacks, started, default=plan.default)
        if plan.default != hub.default:
            changed = {*changed, "provider"}
        if plan.strategy.shadow != hub.around.strategy.shadow and not any(map(_is_of_shadow, changed)):
            # Somebody promoted it; the configuration counts more.
            changed = {*changed, _SHADOW}
        hub.default = plan.default
        for part in hub.around.change(
            strategy=plan.strategy, breaker=plan.breaker, corrector=parts.corrector, speakers=parts.speakers
        ):
            hub.spawn(self._retire(part), "retire what stood beside the engines")
        hub.limits = plan.limits
        self._move_sessions(gone)
        for replaced in configured(wanted, at=hub.now(), before=self._config):
            hub.dispatch(replaced)
        return sorted(key for key in changed if _top(key) in (_OURS | self._parts.keys()))

    async def _retire(self, part: Part) -> None:
        try:
            await self._hub.around.unused(part)
        finally:
            await part.aclose()

    def _move_sessions(self, gone: tuple[ProviderName, ...]) -> None:
        hub = self._hub
        for record in [record for record in hub.records() if record.provider in gone]:
            hub.dispatch(SessionMoved(at=hub.now(), session=record.id, provider=hub.default))
            hub.dispatch(
                SessionWarned(
                    at=hub.now(),
                    session=record.id,
                    code="provider-removed",
                    message=f"the hub has no provider {record.provider!r} any more; {hub.default} hears the next "
                    "utterance; choose another with `configure`",
                )
            )

    def _what_holds(self, wanted: Config) -> Config:
        """The new configuration, with what a running hub cannot take as it was."""
        taken = _OURS | self._parts.keys()
        old = {name: getattr(self._config, name) for name in Config.model_fields if name not in taken}
        return wanted.model_copy(update=old)

    def _tell(self, view: ReloadView) -> None:
        hub = self._hub
        hub.dispatch(
            Reconfigured(
                at=hub.now(),
                applied=tuple(view.applied),
                needs_restart=tuple(view.needs_restart),
                default_provider=hub.default,
                max_sessions=hub.limits.max_sessions,
                resolution=self._plan.resolution,
            )
        )
        _log.info("config.reloaded", applied=view.applied, needs_restart=view.needs_restart)


def _differences(old: Config, new: Config) -> Iterator[str]:
    """The keys that differ, as they are written: `sessions.max_sessions`, `providers.whisper`, `hotwords`."""
    yield from _below("", old.model_dump(), new.model_dump())


def _below(path: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:  # Any: whatever settings hold
    for key in dict.fromkeys((*old, *new)):
        one, other = old.get(key), new.get(key)
        if one == other:
            continue
        where = f"{path}{key}"
        # The name of a provider says enough: its settings are its own.
        if isinstance(one, dict) and isinstance(other, dict) and path != "providers.":
            yield from _below(f"{where}.", one, other)
        else:
            yield where


def _is_of_shadow(key: str) -> bool:
    return key == _SHADOW or key.startswith(f"{_SHADOW}.")


def _top(key: str) -> str:
    return key.partition(".")[0]
