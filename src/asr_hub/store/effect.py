"""Effects: what happens because of a fact. Declared with `effect`, fed by event type, healed after an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import MethodType
from typing import Any

from pystorex import create_effect
from reactivex import Observable, abc
from reactivex.disposable import SerialDisposable
from reactivex.subject import Subject

from asr_hub.store.event import Event

Report = Callable[[Exception, Event], None]
Pipeline = Callable[[Any, Observable[Any]], Observable[Any]]  # Any: each effect names the events it takes itself


class EffectMethod:
    """A method of an effects class, marked by `effect`."""

    def __init__(self, method: Pipeline, events: tuple[type[Event], ...], *, dispatch: bool) -> None:
        self.method = method
        self.events = events
        self.dispatch = dispatch
        self.__doc__ = method.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = f"{owner.__name__}.{name}"

    def __get__(self, owner: object, _type: type | None = None) -> Any:  # Any: the class itself sees the mark
        return self if owner is None else MethodType(self.method, owner)


def effect(*events: type[Event], dispatch: bool = True) -> Callable[[Pipeline], EffectMethod]:
    """
    Mark a method `(self, events: Observable[E]) -> Observable[Event | None]` as an effect.

    It sees the events of the named types, and of their subclasses, after they are reduced and watchers are told;
    without types, every event. What it emits is dispatched, in order; None is skipped. With `dispatch=False` what it
    emits is ignored. Where its pipeline raises, the error is reported and the pipeline is subscribed anew: state and
    inner observables of the old subscription are lost, the next event is not.
    """

    def mark(method: Pipeline) -> EffectMethod:
        return EffectMethod(method, events or (Event,), dispatch=dispatch)

    return mark


class Effects:
    """
    All effects of a store as one pystorex effect, which hands each event to those that asked for its type.

    An effect registered with pystorex by itself costs 0.24 µs on every action of every other type, is dead for ever
    after its first error with only a `print` (defect 10), loses what it emits that is no Action without a word, and
    runs in alphabetical order. Registration errors are printed and swallowed there (19); here they leave the
    constructor of the store.
    """

    def __init__(self, objects: Iterable[object], dispatch: Callable[[Event], None], report: Report) -> None:
        self._running = [_Running(mark, owner, dispatch, report) for owner in objects for mark in _marks(owner)]
        self._by_type: dict[type[Event], tuple[_Running, ...]] = {}

    def __len__(self) -> int:
        return len(self._running)

    def start(self) -> None:
        """Subscribe every effect, in the order of the objects and of their definition. Raises what one raises."""
        for running in self._running:
            running.start()

    @create_effect(dispatch=False)  # type: ignore[arg-type]  # pystorex's annotation knows no methods
    def by_type(self, action_stream: Observable[Any]) -> Observable[Any]:  # type: ignore[misc]  # a method, see above
        def subscribe(_: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            return action_stream.subscribe(lambda action: self._feed(action.payload))

        return Observable(subscribe)

    def close(self) -> None:
        for running in self._running:
            running.close()

    def _feed(self, event: Event) -> None:
        wanted = self._by_type.get(type(event))
        if wanted is None:
            wanted = tuple(running for running in self._running if isinstance(event, running.events))
            self._by_type[type(event)] = wanted
        for running in wanted:
            running.feed(event)


class _Running:
    """One effect of one object."""

    def __init__(self, mark: EffectMethod, owner: object, dispatch: Callable[[Event], None], report: Report) -> None:
        self.events = mark.events
        self._name = mark.name
        self._source: Subject[Any] = Subject()
        self._pipeline = mark.method(owner, self._source)
        if not isinstance(self._pipeline, Observable):
            raise TypeError(f"effect {mark.name} returned {type(self._pipeline).__name__}: return an Observable")
        self._emit = self._dispatch if mark.dispatch else _ignore
        self._to_store = dispatch
        self._report = report
        self._last: Event = Event()
        self._subscription = SerialDisposable()
        self._is_subscribing = False

    def start(self) -> None:
        self._is_subscribing = True
        try:
            self._subscription.disposable = self._pipeline.subscribe(self._emit, self._failed)
        finally:
            self._is_subscribing = False

    def feed(self, event: Event) -> None:
        self._last = event
        try:
            self._source.on_next(event)
        except Exception as error:  # noqa: BLE001  one effect's fault is not another's
            self._report(error, event)

    def close(self) -> None:
        self._subscription.dispose()

    def _failed(self, error: Exception) -> None:
        # A pipeline that fails before it has seen anything would fail again at once, without end.
        if self._is_subscribing:
            raise error
        self._report(error, self._last)
        self.start()

    def _dispatch(self, value: object) -> None:
        if value is None:
            return
        if not isinstance(value, Event):
            raise TypeError(f"effect {self._name} emitted {type(value).__name__}: emit events, or use dispatch=False")
        self._to_store(value)


def _ignore(_: object) -> None:
    pass


def _marks(owner: object) -> list[EffectMethod]:
    """In the order of definition, a base class before its subclass; an override takes its place."""
    if isinstance(owner, type):
        raise TypeError(f"{owner.__name__} is a class: give the store an instance of it")
    marks: dict[str, EffectMethod] = {}
    for cls in reversed(type(owner).__mro__):
        for name, member in vars(cls).items():
            if isinstance(member, EffectMethod):
                marks[name] = member
            else:
                marks.pop(name, None)
    if not marks:
        raise TypeError(f"{type(owner).__name__} has no effects: mark its methods with `effect`")
    return list(marks.values())
