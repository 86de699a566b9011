"""Who watches which session, and who watches the whole: told after each action, at a cost that does not grow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from asr_hub.model import SessionId
from asr_hub.store.event import Event, SessionEvent
from asr_hub.store.slice import State
from asr_hub.store.slices.sessions import Session, SessionClosed, select_session

T = TypeVar("T")
Report = Callable[[Exception, Event], None]


class Change(NamedTuple):
    """What one event did to one session. `old` is None as it opens, `new` is None as it closes."""

    event: SessionEvent
    old: Session | None
    new: Session | None


class SessionStreams:
    """
    The watchers of each session. An action costs one look-up however many sessions are watched.

    pystorex runs every `select` subscriber on every action, 658 µs at 1,000 of them, and one that raises silences
    those after it and every effect (defects 1 and 11). Here a callback that raises is reported and dropped.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        # A tuple is replaced, never changed, so that a callback may watch or dispose while it is being told.
        self._watchers: dict[SessionId, tuple[_Watcher, ...]] = {}

    def __len__(self) -> int:
        """Sessions with at least one watcher."""
        return len(self._watchers)

    def watch(
        self, session: SessionId, callback: Callable[[Change], None], on_end: Callable[[], None] | None = None
    ) -> Callable[[], None]:
        """
        Call back with each change of this session until it closes or the returned function is called.

        A session may be watched before it opens. `on_end` is called once, after SessionClosed or as the store closes.
        """
        watcher = _Watcher(callback, on_end)
        self._watchers[session] = (*self._watchers.get(session, ()), watcher)

        def dispose() -> None:
            self._drop(session, watcher)

        return dispose

    def of(self, session: SessionId) -> Observable[Change]:
        def subscribe(
            observer: abc.ObserverBase[Change], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            return Disposable(self.watch(session, observer.on_next, observer.on_completed))

        return Observable(subscribe)

    def tell(self, event: Event, old: State, new: State) -> None:
        if not isinstance(event, SessionEvent):
            return
        watchers = self._watchers.get(event.session)
        if watchers is None:
            return
        change = Change(event, select_session(old, event.session), select_session(new, event.session))
        for watcher in watchers:
            if watcher.is_active:
                try:
                    watcher.callback(change)
                except Exception as error:  # noqa: BLE001  one watcher's fault is not another's
                    self._drop(event.session, watcher)
                    self._report(error, event)
        if type(event) is SessionClosed:
            self._end(self._watchers.pop(event.session, ()), event)

    def close(self, event: Event) -> None:
        """End every stream. pystorex's teardown leaves its subscribers waiting (defect 20)."""
        ended = [watcher for watchers in self._watchers.values() for watcher in watchers]
        self._watchers.clear()
        self._end(tuple(ended), event)

    def _end(self, watchers: tuple[_Watcher, ...], event: Event) -> None:
        for watcher in watchers:
            if not watcher.is_active:
                continue
            watcher.is_active = False
            if watcher.on_end is not None:
                try:
                    watcher.on_end()
                except Exception as error:  # noqa: BLE001  one watcher's fault is not another's
                    self._report(error, event)

    def _drop(self, session: SessionId, watcher: _Watcher) -> None:
        if not watcher.is_active:
            return
        watcher.is_active = False
        left = tuple(other for other in self._watchers.get(session, ()) if other is not watcher)
        if left:
            self._watchers[session] = left
        else:
            self._watchers.pop(session, None)


class Views:
    """
    Selected values of the whole state, for a few global views: each costs about half a microsecond per action.

    pystorex's `select` says nothing until the first action, then says so even where nothing changed (defect 13), and
    compares with `==`, which is O(n) for collections and never equal for NaN (25). Here the value comes at once, then
    on each change of identity; numbers and texts are compared by value.
    """

    def __init__(self, report: Report, state: Callable[[], State]) -> None:
        self._report = report
        self._state = state
        self._views: tuple[_View[Any], ...] = ()  # Any: views of different types stand side by side

    def __len__(self) -> int:
        return len(self._views)

    def of(self, selector: Callable[[State], T]) -> Observable[T]:
        def subscribe(observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            view = _View(selector, observer, selector(self._state()))
            self._views = (*self._views, view)
            observer.on_next(view.value)
            return Disposable(lambda: self._drop(view))

        return Observable(subscribe)

    def tell(self, event: Event, new: State) -> None:
        for view in self._views:
            if view.is_active:
                try:
                    view.update(new)
                except Exception as error:  # noqa: BLE001  one view's fault is not another's
                    self._drop(view)
                    self._report(error, event)

    def close(self) -> None:
        views, self._views = self._views, ()
        for view in views:
            if view.is_active:
                view.is_active = False
                view.observer.on_completed()

    def _drop(self, view: _View[Any]) -> None:
        view.is_active = False
        self._views = tuple(other for other in self._views if other is not view)


class _Watcher:
    __slots__ = ("callback", "is_active", "on_end")

    def __init__(self, callback: Callable[[Change], None], on_end: Callable[[], None] | None) -> None:
        self.callback = callback
        self.on_end = on_end
        self.is_active = True


class _View(Generic[T]):
    __slots__ = ("is_active", "observer", "selector", "value")

    def __init__(self, selector: Callable[[State], T], observer: abc.ObserverBase[T], value: T) -> None:
        self.selector = selector
        self.observer = observer
        self.value = value
        self.is_active = True

    def update(self, state: State) -> None:
        value = self.selector(state)
        if value is self.value or (type(value) in _COMPARED_BY_VALUE and value == self.value):
            return
        self.value = value
        self.observer.on_next(value)


_COMPARED_BY_VALUE = frozenset({bool, int, float, str, bytes, type(None)})
