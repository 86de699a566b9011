from __future__ import annotations

import asyncio
from typing import Any

import pytest
from reactivex import Observable, empty, just, throw
from reactivex import operators as ops
from reactivex.subject import Subject

from asr_hub.store.event import Event, SessionEvent
from asr_hub.store.kernel import HubStore, effect
from asr_hub.store.slices.sessions import (
    AudioTaken,
    SessionClosed,
    SessionOpened,
    SessionWarned,
    SpeechStarted,
    select_session,
)

from .facts import A, B, Errors, audio, closed, opened, started, store, warned

pytestmark = pytest.mark.unit


class Log:
    """Notes every event, before and after the effects that stand between."""

    def __init__(self) -> None:
        self.seen: list[Event] = []

    @effect(dispatch=False)
    def all(self, events: Observable[Event]) -> Observable[Event]:
        return events.pipe(ops.do_action(self.seen.append))


class CountUp:
    """Answers audio with more audio, until there is `until` of it."""

    def __init__(self, until: int) -> None:
        self.until = until

    @effect(AudioTaken)
    def answer(self, events: Observable[AudioTaken]) -> Observable[Event | None]:
        return events.pipe(
            ops.map(lambda event: audio(event.audio_offset + 1) if event.audio_offset < self.until else None)
        )


def test_a_chain_of_2000_effects_needs_no_stack_and_every_effect_sees_cause_before_answer() -> None:
    first, last = Log(), Log()
    hub = store(first, CountUp(2_000), last)
    hub.dispatch(opened())
    hub.dispatch(audio(1))
    session = select_session(hub.state, A)
    assert session is not None
    assert session.audio_offset == 2_000
    assert first.seen == last.seen == [opened(), *(audio(offset) for offset in range(1, 2_001))]


def test_an_effect_sees_the_state_after_its_event() -> None:
    phases: list[object] = []

    class Look:
        @effect(SessionOpened, SessionClosed, dispatch=False)
        def look(self, events: Observable[SessionEvent]) -> Observable[Any]:
            return events.pipe(ops.do_action(lambda event: phases.append(select_session(hub.state, event.session))))

    hub = store(Look())
    hub.dispatch(opened())
    hub.dispatch(warned())
    hub.dispatch(closed())
    assert len(phases) == 2
    assert phases[0] is not None
    assert phases[1] is None


def test_watchers_are_told_before_effects() -> None:
    order: list[str] = []

    class Note:
        @effect(SessionWarned, dispatch=False)
        def note(self, events: Observable[SessionWarned]) -> Observable[Any]:
            return events.pipe(ops.do_action(lambda _: order.append("effect")))

    hub = store(Note())
    hub.dispatch(opened())
    hub.watch(A, lambda _: order.append("watcher"))
    hub.dispatch(warned())
    assert order == ["watcher", "effect"]


def test_an_effect_that_raises_is_reported_and_goes_on_with_the_next_event() -> None:
    errors = Errors()
    seen: list[int] = []

    class Divide:
        @effect(AudioTaken, dispatch=False)
        def divide(self, events: Observable[AudioTaken]) -> Observable[Any]:
            return events.pipe(
                ops.do_action(lambda event: seen.append(event.audio_offset)),
                ops.map(lambda event: 1 // (event.audio_offset - 2)),
            )

    others = Log()
    hub = store(Divide(), others, on_error=errors)
    hub.dispatch(opened())
    for offset in (1, 2, 2, 3):
        hub.dispatch(audio(offset))
    assert seen == [1, 2, 2, 3]
    assert errors.seen[0][1] == audio(2)
    assert errors.kinds == [ZeroDivisionError, ZeroDivisionError]
    assert len(others.seen) == 5


async def test_an_effect_whose_coroutine_fails_later_is_healed_too() -> None:
    errors = Errors()
    failing: list[Subject[Event]] = []

    class Later:
        @effect(AudioTaken)
        def later(self, events: Observable[AudioTaken]) -> Observable[Event]:
            def answer(_: AudioTaken) -> Observable[Event]:
                failing.append(Subject())
                return failing[-1]

            return events.pipe(ops.flat_map(answer))

    hub = store(Later(), on_error=errors)
    hub.dispatch(opened())
    hub.dispatch(audio(1))
    asyncio.get_running_loop().call_soon(failing[0].on_error, TimeoutError("no answer"))
    turned = asyncio.Event()
    asyncio.get_running_loop().call_soon(turned.set)
    await turned.wait()
    assert [(type(error), event) for error, event in errors.seen] == [(TimeoutError, audio(1))]
    hub.dispatch(audio(2))
    failing[1].on_next(warned())
    session = select_session(hub.state, A)
    assert session is not None
    assert session.warnings == 1


def test_what_is_no_event_is_reported_and_none_is_skipped() -> None:
    errors = Errors()

    class Wrong:
        @effect(AudioTaken)
        def wrong(self, events: Observable[AudioTaken]) -> Observable[Any]:
            return events.pipe(ops.map(lambda event: "text" if event.audio_offset == 1 else None))

    hub = store(Wrong(), on_error=errors)
    hub.dispatch(opened())
    hub.dispatch(audio(1))
    hub.dispatch(audio(2))
    assert errors.kinds == [TypeError]
    assert "emitted str" in str(errors.seen[0][0])


def test_an_effect_of_a_base_class_sees_its_subclasses() -> None:
    seen: list[Event] = []

    class AllOfSessions:
        @effect(SessionEvent, dispatch=False)
        def note(self, events: Observable[SessionEvent]) -> Observable[Any]:
            return events.pipe(ops.do_action(seen.append))

    hub = store(AllOfSessions())
    hub.dispatch(opened())
    hub.dispatch(warned())
    assert seen == [opened(), warned()]


def test_effects_run_in_the_order_of_their_definition_and_overrides_replace() -> None:
    order: list[str] = []

    def note(name: str, events: Observable[Event]) -> Observable[Event]:
        return events.pipe(ops.do_action(lambda _: order.append(name)))

    class Base:
        @effect(SessionOpened, dispatch=False)
        def z_first(self, events: Observable[Event]) -> Observable[Event]:
            return note("z_first", events)

        @effect(SessionOpened, dispatch=False)
        def replaced(self, events: Observable[Event]) -> Observable[Event]:
            return note("base", events)

    class Derived(Base):
        @effect(SessionOpened, dispatch=False)
        def replaced(self, events: Observable[Event]) -> Observable[Event]:
            return note("derived", events)

        @effect(SessionOpened, dispatch=False)
        def a_last(self, events: Observable[Event]) -> Observable[Event]:
            return note("a_last", events)

    store(Derived()).dispatch(opened())
    assert order == ["z_first", "derived", "a_last"]


def test_an_override_that_is_no_effect_takes_the_effect_away() -> None:
    class Quiet(CountUp):
        def answer(self, events: Observable[AudioTaken]) -> Observable[Event | None]:  # type: ignore[override]
            raise AssertionError("never called")

        @effect(SessionOpened, dispatch=False)
        def stay(self, events: Observable[Event]) -> Observable[Event]:
            return events

    hub = store(Quiet(9))
    for event in (opened(), audio(1)):
        hub.dispatch(event)
    session = select_session(hub.state, A)
    assert session is not None
    assert session.audio_offset == 1


def test_an_effect_may_emit_as_it_is_set_up_and_may_complete() -> None:
    class Once:
        @effect(SpeechStarted)
        def once(self, events: Observable[SpeechStarted]) -> Observable[Event]:
            return just(opened(B))

        @effect(SpeechStarted)
        def never(self, events: Observable[SpeechStarted]) -> Observable[Event]:
            return empty()

    hub = store(Once())
    assert select_session(hub.state, B) is not None
    hub.dispatch(opened())
    hub.dispatch(started(1))


class FailsAtOnce:
    @effect(SpeechStarted)
    def fail(self, events: Observable[SpeechStarted]) -> Observable[Event]:
        return throw(OSError("no such device"))


class ReturnsNothing:
    @effect(SpeechStarted)
    def nothing(self, events: Observable[SpeechStarted]) -> Observable[Event]:
        return None  # type: ignore[return-value]


class HasNone:
    pass


@pytest.mark.parametrize(
    ("effects", "error"),
    [(FailsAtOnce(), OSError), (ReturnsNothing(), TypeError), (HasNone(), TypeError), (FailsAtOnce, TypeError)],
)
def test_an_effect_that_cannot_start_fails_the_store(effects: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        store(effects, on_error=Errors())


def test_a_closed_store_hears_no_effect() -> None:
    answers: Subject[Event] = Subject()
    errors = Errors()

    class Late:
        @effect(SpeechStarted)
        def late(self, events: Observable[SpeechStarted]) -> Observable[Event]:
            return answers

    hub: HubStore = store(Late(), on_error=errors)
    hub.close()
    answers.on_next(opened())
    assert select_session(hub.state, A) is None
    assert errors.seen == []
