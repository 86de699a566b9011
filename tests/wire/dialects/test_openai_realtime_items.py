"""The items of a Realtime conversation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.dialects.realtime import (
    CLEAR,
    COMMIT,
    COMMITTED,
    NO_TURNS,
    READY,
    append,
    codec,
    ended,
    events,
    final,
    hypothesis,
    kinds,
    started,
    told,
    update,
)

from asr_hub.model import EndpointReason
from asr_hub.wire.messages import (
    Clear,
    Error,
    Finalize,
    Partial,
)

pytestmark = pytest.mark.unit


def test_a_turn_of_the_server() -> None:
    it = codec()
    it.receive_text(append(b"\0\0"))
    said = told(
        it,
        READY,
        started(1),
        Partial(utterance=1, hypothesis=hypothesis("go forward", stable=3)),
        ended(1),
        started(2),
        final(1, "go forward ten", language="en", speaker="A"),
        ended(2),
        final(2, "stop"),
    )
    assert kinds(said) == [
        "input_audio_buffer.speech_started",
        "delta",
        "input_audio_buffer.speech_stopped",
        *COMMITTED,
        "input_audio_buffer.speech_started",
        "delta",
        "segment",
        "completed",
        "input_audio_buffer.speech_stopped",
        *COMMITTED,
        "delta",
        "completed",
    ]
    completed = [event for event in said if event["type"].endswith("completed")]
    assert [event["transcript"] for event in completed] == ["go forward ten", "stop"]
    assert completed[0]["languages"] == [{"code": "en"}]
    assert completed[0]["usage"] == {"type": "duration", "seconds": 0.5}
    assert [event["delta"] for event in said if event["type"].endswith("delta")] == ["go", " forward ten", "stop"]


@pytest.mark.parametrize(
    ("texts", "whole"), [(("go on", "", "then stop"), "go on then stop"), (("你好", "世界"), "你好世界")]
)
def test_without_turns_everything_up_to_the_commit_is_one_item(texts: tuple[str, ...], whole: str) -> None:
    it = codec()
    it.receive_text(NO_TURNS)
    said = told(it, READY)[1:]
    for number, text in enumerate(texts, 1):
        said += told(it, started(number), ended(number), final(number, text))
    assert set(kinds(said)) == {"delta"}
    it.receive_text(COMMIT)
    number = len(texts) + 1
    said += told(it, ended(number, EndpointReason.FINALIZE), final(number, "", EndpointReason.FINALIZE))
    assert kinds(said)[-4:] == [*COMMITTED, "completed"]
    assert said[-1]["transcript"] == whole == "".join(event["delta"] for event in said if "delta" in event)
    assert len({event["item_id"] for event in said if "item_id" in event}) == 1


def test_an_item_is_completed_when_its_last_words_are_there() -> None:
    it = codec()
    it.receive_text(NO_TURNS)
    it.receive_text(COMMIT)
    said = told(it, READY, started(1), ended(1), ended(2, EndpointReason.FINALIZE))
    assert kinds(said)[-1] == COMMITTED[-1]
    assert kinds(told(it, final(1, "yes"))) == ["delta"]
    assert kinds(told(it, final(2, ""))) == ["completed"]


def test_what_is_gathered_is_committed_though_turns_were_switched_on_meanwhile() -> None:
    it = codec()
    it.receive_text(NO_TURNS)
    told(it, READY, started(1), ended(1), final(1, "before"))
    it.receive_text(update(turn_detection={"type": "server_vad"}))
    it.receive_text(COMMIT)
    said = told(it, started(2), ended(2, EndpointReason.FINALIZE), final(2, "after"))
    assert [event["transcript"] for event in said if event["type"].endswith("completed")] == ["before", "after"]


def test_nothing_is_told_of_what_was_cleared() -> None:
    it = codec()
    it.receive_text(append(b"\0\0"))
    told(it, READY, started(1))
    clear, cleared = it.receive_text(CLEAR)
    assert clear == Clear()
    assert kinds(events((cleared,))) == ["input_audio_buffer.cleared"]
    assert kinds(told(it, ended(1, EndpointReason.CLEAR))) == ["input_audio_buffer.speech_stopped"]
    assert kinds(told(it, ended(2, EndpointReason.CLEAR))) == []
    assert kinds(events(codec().receive_text(CLEAR))) == ["input_audio_buffer.cleared"]


@pytest.mark.parametrize("turns", [True, False])
def test_a_clear_forgets_nothing_that_was_committed(turns: bool) -> None:
    it = codec()
    it.receive_text(update() if turns else NO_TURNS)
    told(it, READY, started(1))
    it.receive_text(COMMIT)
    step, _ = it.receive_text(CLEAR)
    assert step == Finalize()
    said = told(
        it,
        ended(1, EndpointReason.FINALIZE),
        started(2),
        ended(3, EndpointReason.FINALIZE),
        final(1, "kept"),
        final(2, "dropped"),
        final(3, ""),
    )
    assert [event["transcript"] for event in said if "transcript" in event] == ["kept"]
    assert len([event for event in said if event["type"] == COMMITTED[0]]) == 1
    assert it.receive_text(CLEAR)[0] == Clear()


def test_a_turn_that_ended_while_the_clear_was_on_its_way_is_completed() -> None:
    it = codec()
    it.receive_text(append(b"\0\0"))
    said = told(it, READY, started(1), ended(1), ended(1, EndpointReason.CLEAR))
    assert (said[-1]["transcript"], kinds(said)[-1]) == ("", "completed")


def test_a_failed_engine_is_told_for_its_item_alone() -> None:
    it = codec()
    it.receive_text(append(b"\0\0"))
    broke = Error(code="provider-died", message="gone", scope="session")
    said = told(it, READY, started(1), broke, ended(1), final(1, ""), started(2), ended(2), final(2, ""))
    assert kinds(said)[-1] == "completed"
    (failed,) = [event for event in said if event["type"].endswith("failed")]
    assert failed["error"] == {
        "type": "transcription_error",
        "code": "provider_died",
        "message": "gone",
        "param": None,
    }
    # Another engine took over.
    said = told(it, started(3), broke, ended(3), final(3, "heard"))
    assert kinds(said)[-1] == "completed"


_MESSAGES = st.one_of(
    st.builds(started, st.integers(1, 6)),
    st.builds(ended, st.integers(1, 6), st.sampled_from(EndpointReason)),
    st.builds(final, st.integers(1, 6), st.text(max_size=8)),
    st.builds(
        lambda n, text: Partial(utterance=n, hypothesis=hypothesis(text)), st.integers(1, 6), st.text(max_size=8)
    ),
    st.just(Error(code="provider", message="m", scope="session")),
)


@given(st.booleans(), st.lists(_MESSAGES | st.sampled_from([COMMIT, CLEAR, NO_TURNS]), max_size=30))
def test_no_item_is_committed_or_completed_twice(turns: bool, course: list[Any]) -> None:
    it = codec("native")
    it.receive_text(update() if turns else NO_TURNS)
    said = told(it, READY)
    for step in course:
        said += events(it.receive_text(step)) if isinstance(step, str) else told(it, step)
    committed = [event["item_id"] for event in said if event["type"] == COMMITTED[0]]
    done = [event["item_id"] for event in said if event["type"].endswith(("completed", "failed"))]
    assert len(set(committed)) == len(committed)
    assert len(set(done)) == len(done)
    assert set(done) <= set(committed)
