"""
The store: pystorex, made orderly.

pystorex 0.2.1 keeps the state and runs reducers and effects. What a server needs beyond that lies in the files beside
this one, each naming the defects it works around: `order` (one action after another), `streams` (who watches what),
`effect` (healed effects), `journal`. Avoided altogether: a second `register_root` and `register_feature`, which crash
(defect 5), its middlewares, which deep-copy, print or do nothing (8, 22 to 24), and `create_selector` (14, 15).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from pystorex import create_reducer, create_store
from reactivex import Observable

from asr_hub.errors import HubError, Overloaded
from asr_hub.model import SessionId
from asr_hub.store.effect import Effects, effect
from asr_hub.store.event import Event, type_of
from asr_hub.store.journal import Journal, Sink
from asr_hub.store.order import BURST_LIMIT, EventAction, InOrder
from asr_hub.store.root import ROOT, Root
from asr_hub.store.slice import Slice, State
from asr_hub.store.streams import Change, SessionStreams, Views

__all__ = ["Change", "HubStore", "effect"]

T = TypeVar("T")

INBOX_LIMIT = 100_000
"""Events posted from other threads that may wait for the loop."""

_TURN = 256
"""Posted events handled in one turn of the loop, so that sockets are served in between."""


class HubStore:
    """
    The one place where facts are kept. One per process, one thread: that of the event loop.

    An event is reduced, journalled, told to the watchers of its session and to the global views, and then to the
    effects, all before the next event begins. An event whose reducer raises changes nothing and is told to nobody.

    `on_error` is told of every error with the event that was being handled; it must not raise. Effects are objects
    with methods marked by `effect`. Raises what an effect raises while it is set up.
    """

    def __init__(
        self,
        effects: Iterable[object] = (),
        *,
        on_error: Callable[[Exception, Event], None],
        journal_size: int = 10_000,
        journal_sink: Sink | None = None,
        snapshot_every: int = 1_000,
        burst_limit: int = BURST_LIMIT,
        inbox_limit: int = INBOX_LIMIT,
        root: Root = ROOT,
    ) -> None:
        self.journal = Journal(root, size=journal_size, snapshot_every=snapshot_every, sink=journal_sink)
        self._on_error = on_error
        self._order = InOrder(on_error, burst_limit=burst_limit)
        self._streams = SessionStreams(on_error)
        self._views = Views(on_error, lambda: self.state)
        self._effects = Effects(effects, self.dispatch, on_error)
        self._is_closed = False

        self._call_soon: Callable[[Callable[[], None]], object] | None = None
        self._thread_id: Callable[[], int] | None = None
        self._owner = 0
        self._inbox: deque[Event] = deque()
        self._inbox_limit = inbox_limit
        # Who pops the one token wakes the loop. `pop` and `append` of a deque are atomic: a lock without threading.
        self._wake_token: deque[bool] = deque([True], maxlen=1)

        # The order matters. Effects registered before a middleware dispatch around it (defect 9), and whatever is
        # registered after the first action has missed it.
        self._store = cast(Any, create_store())  # Any: pystorex's annotations contradict what it accepts
        self._store.apply_middleware(self._order)
        self._store.register_root({part.name: _pystorex_reducer(part) for part in root.slices})
        self._store.select().subscribe(self._reduced)
        self._store.register_effects(self._effects)
        self._dispatch: Callable[[EventAction], object] = self._store.dispatch
        self._effects.start()

    @property
    def state(self) -> State:
        """The state now. It never changes; the next action makes another. Read it with the selectors of the slices."""
        state: State = self._store.state
        return state

    @property
    def watched_sessions(self) -> int:
        return len(self._streams)

    def dispatch(self, event: Event) -> None:
        """
        Handle an event; from within a reaction to another one, after that one. From another thread it is posted.

        Errors go to `on_error`, never to the caller. Raises HubError after `close`.
        """
        if self._thread_id is not None and self._thread_id() != self._owner:
            self.post(event)
            return
        if self._is_closed:
            raise HubError(f"{event.type}: the store is closed; end what dispatches before the store")
        self._dispatch(EventAction(event))

    def attach(
        self,
        call_soon_threadsafe: Callable[[Callable[[], None]], object],
        *,
        thread_id: Callable[[], int] | None = None,
    ) -> None:
        """
        Tie the store to the running event loop; call it on the loop's thread.

        With `thread_id` (`threading.get_ident`) `dispatch` knows foreign threads and posts for them. What was posted
        before is handled in the loop's next turn.
        """
        self._call_soon = call_soon_threadsafe
        if thread_id is not None:
            self._thread_id, self._owner = thread_id, thread_id()
        if self._inbox:
            self._wake()

    def post(self, event: Event) -> None:
        """
        Dispatch from any thread, in order per thread, with one wake-up of the loop per burst.

        Raises Overloaded where the loop is far behind. After `close` nothing happens: there is nobody left to tell.
        """
        if self._is_closed:
            return
        if len(self._inbox) >= self._inbox_limit:
            raise Overloaded(f"{event.type}: {self._inbox_limit} events wait for the loop; slow down and post it again")
        self._inbox.append(event)
        self._wake()

    def watch(self, session: SessionId, callback: Callable[[Change], None]) -> Callable[[], None]:
        """
        Call back with each change of one session, ending with SessionClosed; returns what ends it sooner.

        The callback runs before the effects, may dispatch, and must neither wait nor raise: put what it learns into
        something bounded. One that raises is reported and not called again.
        """
        return self._streams.watch(session, callback)

    def session(self, session: SessionId) -> Observable[Change]:
        """`watch` as an observable. Completes after SessionClosed and as the store closes."""
        return self._streams.of(session)

    def select(self, selector: Callable[[State], T]) -> Observable[T]:
        """
        The selected value now, then whenever it is another object (for numbers and texts: another value).

        The selector runs on every action: for a few global views, never one per session.
        """
        return self._views.of(selector)

    def close(self) -> None:
        """End the effects, complete every stream, hand the rest of the journal to its sink. May be called twice."""
        if self._is_closed:
            return
        self._is_closed = True
        self._effects.close()
        self._streams.close(self._order.current)
        self._views.close()
        self._inbox.clear()
        self._store.teardown()
        self.journal.flush()

    def _reduced(self, states: tuple[State, State]) -> None:
        old, new = states
        event = self._order.current
        try:
            self.journal.append(event, new)
        except Exception as error:  # noqa: BLE001  a sink's full disk must not stop the hub
            self._on_error(error, event)
        self._streams.tell(event, old, new)
        self._views.tell(event, new)

    def _wake(self) -> None:
        if self._call_soon is None:
            return
        try:
            self._wake_token.pop()
        except IndexError:
            return
        self._call_soon(self._drain)

    def _drain(self) -> None:
        # The token goes back first: what is posted from here on wakes the loop again, so nothing is left lying.
        self._wake_token.append(True)
        inbox = self._inbox
        for _ in range(min(_TURN, len(inbox))):
            if self._is_closed:
                return
            self._dispatch(EventAction(inbox.popleft()))
        if inbox:
            self._wake()


def _pystorex_reducer(part: Slice[Any]) -> Any:  # Any: pystorex is untyped
    def lift(handle: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        return lambda state, action: handle(state, action.payload)

    return create_reducer(part.initial, {type_of(event): lift(handle) for event, handle in part.handlers.items()})
