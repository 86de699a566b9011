"""Who takes a decision of the hub back is told what the engine said, as a revision."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace
from reactivex import Observable
from reactivex import operators as ops

from asr_hub.model import SessionId
from asr_hub.store.effect import effect
from asr_hub.store.slices.transcripts import DecisionUndone, Utterance, UtteranceCorrected, engine_said


class Undoing:
    """`utterance` reads the store, as it is after the fact."""

    def __init__(self, utterance: Callable[[SessionId, int], Utterance | None]) -> None:
        self._utterance = utterance

    @effect(DecisionUndone)
    def undo(self, events: Observable[DecisionUndone]) -> Observable[UtteranceCorrected | None]:
        return events.pipe(ops.map(self._told))

    def _told(self, event: DecisionUndone) -> UtteranceCorrected | None:
        utterance = self._utterance(event.session, event.utterance)
        latest = utterance.latest if utterance is not None else None
        if utterance is None or latest is None or (said := engine_said(utterance)) is None:
            return None
        told = replace(said, is_final=True, stable=len(said.text), revision=latest.revision + 1, speaker=latest.speaker)
        return UtteranceCorrected(at=event.at, session=event.session, utterance=event.utterance, hypothesis=told)
