from __future__ import annotations

import re
from typing import Any, Union

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asr_hub.store.event import Event, SessionEvent, type_of
from asr_hub.store.root import EVENTS

from .facts import any_struct, warned

pytestmark = pytest.mark.unit

_UNION: Any = Union[EVENTS]  # noqa: UP007  made at run time


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
def test_every_event_comes_back_from_json_as_it_went(kind: type[Event], data: st.DataObject) -> None:
    event = data.draw(any_struct(kind))
    assert msgspec.json.decode(msgspec.json.encode(event), type=_UNION) == event


def test_every_event_that_is_defined_is_listed() -> None:
    def leaves(kind: type[Event]) -> set[type[Event]]:
        below = {leaf for child in kind.__subclasses__() for leaf in leaves(child)}
        return below or {kind}

    ours = {kind for kind in leaves(Event) if kind.__module__.startswith("asr_hub.")}
    assert ours == set(EVENTS)


def test_action_types_name_a_source_and_a_fact_and_are_unlike() -> None:
    types = [type_of(kind) for kind in EVENTS]
    assert len(set(types)) == len(types)
    assert all(re.fullmatch(r"\[[A-Z]\w+\] [A-Z]\w+", name) for name in types)


def test_an_event_knows_its_action_type_and_cannot_be_changed() -> None:
    event = warned()
    assert event.type == "[Session] Warned"
    assert isinstance(event, SessionEvent)
    with pytest.raises(AttributeError):
        event.code = "other"  # type: ignore[misc]
