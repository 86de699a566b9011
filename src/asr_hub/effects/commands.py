"""A client's wish becomes a command at its place in the session's audio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from reactivex import Observable
from reactivex import operators as ops

from asr_hub.model import SessionId
from asr_hub.store.effect import effect
from asr_hub.store.slices.sessions import ClearRequested, CloseRequested, FinalizeRequested


class Commands(Protocol):
    """The live sessions, as this effect sees them. A session that is gone is ignored."""

    def finalize(self, session: SessionId) -> None: ...

    def clear(self, session: SessionId) -> None: ...

    def close(self, session: SessionId, reason: str) -> None: ...


class ClientCommands:
    def __init__(self, commands: Callable[[], Commands]) -> None:
        self._commands = commands

    @effect(FinalizeRequested, dispatch=False)
    def finalize(self, events: Observable[FinalizeRequested]) -> Observable[FinalizeRequested]:
        return events.pipe(ops.do_action(self._finalize))

    @effect(ClearRequested, dispatch=False)
    def clear(self, events: Observable[ClearRequested]) -> Observable[ClearRequested]:
        return events.pipe(ops.do_action(self._clear))

    @effect(CloseRequested, dispatch=False)
    def close(self, events: Observable[CloseRequested]) -> Observable[CloseRequested]:
        return events.pipe(ops.do_action(self._close))

    def _finalize(self, event: FinalizeRequested) -> None:
        self._commands().finalize(event.session)

    def _clear(self, event: ClearRequested) -> None:
        self._commands().clear(event.session)

    def _close(self, event: CloseRequested) -> None:
        self._commands().close(event.session, event.reason)
