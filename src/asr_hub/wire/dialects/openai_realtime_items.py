"""The items of a Realtime conversation: which utterances each is made of, and what is told of it when."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from msgspec.structs import replace

from asr_hub.model import EndpointReason, Hypothesis
from asr_hub.wire.dialects.codec import Text
from asr_hub.wire.dialects.growing import Growing, Policy
from asr_hub.wire.dialects.openai_realtime_events import Events
from asr_hub.wire.dialects.spacing import spaced
from asr_hub.wire.messages import Endpoint, Error, Final, Partial, SpeechStarted


class Items:
    """
    With turns, each utterance is an item. Without, the client ends turns: all utterances up to its commit are one.

    An item keeps its id from the first that is told of it to its transcript, which comes even where it is empty.
    """

    def __init__(self, events: Events, seed: str, policy: Policy) -> None:
        self._events = events
        self._seed = seed
        self._policy = policy
        self._count = 0
        self._last: str | None = None
        """The item that was committed last."""
        self._gathered: _Item | None = None
        """What the client has not committed yet, where it ends turns."""
        self._of: dict[int, _Item] = {}
        """By the number of an utterance that has no final yet."""
        self._asked: deque[bool] = deque()
        """For each `Finalize` that is not answered: whether what it ends is wanted."""
        self._awaited = 0
        """Items that were committed and have no transcript."""

    @property
    def are_awaited(self) -> bool:
        """Whether a transcript that was asked for is still to come."""
        return bool(self._awaited or self._asked)

    def finalize(self, *, is_wanted: bool) -> None:
        """A `Finalize` is on its way. Where it is not wanted, what was not committed before it is dropped."""
        self._asked.append(is_wanted)

    def started(self, message: SpeechStarted, *, has_turns: bool) -> Sequence[Text]:
        """Somebody speaks."""
        item = self._new(is_turn=True) if has_turns else self._gathering()
        self._begin(item, message.utterance).is_spoken = True
        return (self._events.speech_started(item.id, at=message.at),) if has_turns else ()

    def partial(self, message: Partial) -> Sequence[Text]:
        item = self._of.get(message.utterance)
        if item is None:
            return ()
        return self._delta(item, message.utterance, item.growing[message.utterance].partial(message.hypothesis))

    def ended(self, message: Endpoint) -> Sequence[Text]:
        """An utterance is over."""
        item = self._of.get(message.utterance)
        if message.reason is EndpointReason.CLEAR:
            return self._forget(message)
        if message.reason is EndpointReason.FINALIZE and not (self._asked.popleft() if self._asked else True):
            return self._drop(item, message)
        told: list[Text] = []
        is_commit = message.reason in (EndpointReason.FINALIZE, EndpointReason.CLOSE)
        if is_commit and (gathered := self._gathered) is not None:
            self._gathered = None
            item = item or self._begin(gathered, message.utterance)
            told += (*self._commit(gathered), *self._complete_if_heard(gathered))
        if item is None:
            if not is_commit:
                return ()
            item = self._begin(self._new(is_turn=False), message.utterance)
        if item.is_turn:
            told.append(self._events.speech_stopped(item.id, at=message.at))
        if not item.is_committed and (item.is_turn or is_commit):
            told += self._commit(item)
        return (*told, *self._complete_if_heard(item))

    def final(self, message: Final) -> Sequence[Text]:
        """An utterance has its words."""
        item = self._of.pop(message.utterance, None)
        if item is None:
            return ()
        told = list(self._delta(item, message.utterance, item.growing[message.utterance].final(message.hypothesis)))
        item.hear(message.hypothesis)
        return (*told, *self._complete_if_heard(item))

    def failed(self, message: Error) -> None:
        """The utterance that is being heard may have no words for this; its final says so. Finals come in order."""
        if self._of and (item := self._of[min(self._of)]).is_spoken:
            item.error = message

    def _new(self, *, is_turn: bool) -> _Item:
        self._count += 1
        return _Item(f"item_{self._seed}_{self._count}", is_turn=is_turn)

    def _gathering(self) -> _Item:
        if self._gathered is None:
            self._gathered = self._new(is_turn=False)
        return self._gathered

    def _begin(self, item: _Item, utterance: int) -> _Item:
        self._of[utterance] = item
        item.growing[utterance] = Growing(self._policy)
        return item

    def _delta(self, item: _Item, utterance: int, text: str) -> Sequence[Text]:
        if not text:
            return ()
        # The first words of an utterance follow the last of the one before it.
        is_first = item.growing[utterance].told == text
        lead = _gap(item.told, text) if is_first else ""
        item.told += lead + text
        return (self._events.delta(item.id, lead + text),)

    def _commit(self, item: _Item) -> Sequence[Text]:
        item.is_committed = True
        self._awaited += 1
        before, self._last = self._last, item.id
        return self._events.committed(item.id, after=before)

    def _complete_if_heard(self, item: _Item) -> Sequence[Text]:
        if not item.is_committed or item.is_completed or item in self._of.values():
            return ()
        item.is_completed = True
        self._awaited -= 1
        if not item.text and (error := item.error) is not None:
            return (self._events.failed(item.id, code=error.code, message=error.message),)
        segments = [
            self._events.segment(
                item.id, n, text=it.text, speaker=it.speaker or "", start=it.start / 1000, end=it.end / 1000
            )
            for n, it in enumerate(item.heard, 1)
            if it.speaker is not None
        ]
        return (
            *segments,
            self._events.completed(item.id, item.text, seconds=item.seconds, languages=item.languages),
        )

    def _drop(self, item: _Item | None, message: Endpoint) -> Sequence[Text]:
        """What is not committed is wanted no more; its finals come, and find nothing."""
        self._gathered = None
        self._of = {number: it for number, it in self._of.items() if it.is_committed}
        if item is not None and item.is_turn and not item.is_committed:
            return (self._events.speech_stopped(item.id, at=message.at),)
        return ()

    def _forget(self, message: Endpoint) -> Sequence[Text]:
        """An utterance gets no final; one that was committed meanwhile is told as far as it was heard."""
        item = self._of.pop(message.utterance, None)
        self._gathered = None
        if item is None:
            return ()
        if item.is_committed:
            return self._complete_if_heard(item)
        return (self._events.speech_stopped(item.id, at=message.at),) if item.is_turn else ()


class _Item:
    """One item on its way."""

    __slots__ = ("error", "growing", "heard", "id", "is_committed", "is_completed", "is_spoken", "is_turn", "told")

    def __init__(self, id: str, *, is_turn: bool) -> None:
        self.id = id
        self.is_turn = is_turn
        """It is one utterance, whose beginning was told."""
        self.is_committed = False
        self.is_completed = False
        self.is_spoken = False
        """Somebody was heard to speak; otherwise it is only a commit of the client."""
        self.growing: dict[int, Growing] = {}
        """By utterance."""
        self.heard: list[Hypothesis] = []
        self.told = ""
        """All its deltas."""
        self.error: Error | None = None

    def hear(self, hypothesis: Hypothesis) -> None:
        # A client that never commits has an item that never ends.
        self.heard.append(replace(hypothesis, words=(), alternatives=()))

    @property
    def text(self) -> str:
        text = ""
        for hypothesis in self.heard:
            text += _gap(text, hypothesis.text) + hypothesis.text
        return text

    @property
    def seconds(self) -> float:
        """How long its utterances were."""
        return sum(it.end - it.start for it in self.heard) / 1000

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(it.language for it in self.heard if it.language is not None))


def _gap(before: str, after: str) -> str:
    """What stands between two texts."""
    return spaced(before)[len(before) :] if before and after and not after[0].isspace() else ""
