"""A session that was woken and hears nothing more waits for its wake word again."""

from __future__ import annotations

from collections.abc import Callable

from reactivex import Observable
from reactivex import operators as ops

from asr_hub.model import SessionId
from asr_hub.store.effect import effect
from asr_hub.store.slices.sessions import AudioTaken, Phase, Session, SessionArmed


class Rearm:
    """Time is counted in audio: `timeout` seconds of it after the last speech or the wake word."""

    def __init__(self, record: Callable[[SessionId], Session | None], *, timeout: float) -> None:
        self._record = record
        self._timeout = timeout

    @effect(AudioTaken)
    def rearm(self, events: Observable[AudioTaken]) -> Observable[SessionArmed]:
        return events.pipe(ops.filter(self._is_quiet), ops.map(_armed))

    def _is_quiet(self, event: AudioTaken) -> bool:
        record = self._record(event.session)
        if record is None or not record.waits or record.phase is not Phase.LISTENING:
            return False
        quiet = event.audio_offset / record.format.sample_rate - record.heard_ms / 1000
        return quiet >= self._timeout


def _armed(event: AudioTaken) -> SessionArmed:
    return SessionArmed(at=event.at, session=event.session)
