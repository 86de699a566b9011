from __future__ import annotations

from operator import attrgetter

import pytest
from immutables import Map

from asr_hub.model import SessionId
from asr_hub.store.root import Root
from asr_hub.store.slice import EntitySlice, IllegalMove, Slice
from asr_hub.store.slices.sessions import SessionClosed, SessionOpened, SessionWarned

from .facts import A, B, closed, opened, warned

pytestmark = pytest.mark.unit


@pytest.fixture
def codes() -> EntitySlice[SessionId, str]:
    entities: EntitySlice[SessionId, str] = EntitySlice(
        "codes", key=attrgetter("session"), part_type=Map[SessionId, str]
    )
    entities.adds(SessionOpened)(lambda event: event.protocol)
    entities.updates(SessionWarned)(lambda record, event: event.code or record)
    entities.removes(SessionClosed)
    return entities


def test_records_are_added_updated_read_and_removed(codes: EntitySlice[SessionId, str]) -> None:
    root = Root([codes])
    state = root.initial
    for event in (opened(A), opened(B), warned("loud", A), closed(B), closed(B)):
        state = root.reduce(state, event)
    assert codes.get(state, A) == "loud"
    assert codes.get(state, B) is None
    assert list(codes.all(state)) == ["loud"]
    assert codes.count(state) == 1


def test_an_update_that_changes_nothing_keeps_the_very_state(codes: EntitySlice[SessionId, str]) -> None:
    root = Root([codes])
    state = root.reduce(root.initial, opened())
    assert root.reduce(state, warned("")) is state


def test_a_key_is_added_once_and_updated_while_it_is_there(codes: EntitySlice[SessionId, str]) -> None:
    root = Root([codes])
    state = root.reduce(root.initial, opened())
    with pytest.raises(IllegalMove, match="already"):
        root.reduce(state, opened())
    with pytest.raises(IllegalMove, match="never there or is gone"):
        root.reduce(state, warned(session=B))


def test_a_second_handler_of_an_event_is_refused(codes: EntitySlice[SessionId, str]) -> None:
    with pytest.raises(ValueError, match="SessionClosed twice"):
        codes.removes(SessionClosed)


def test_two_slices_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="one name"):
        Root([Slice("one", 0, part_type=int), Slice("one", 1, part_type=int)])
