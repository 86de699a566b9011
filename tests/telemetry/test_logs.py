from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_hub.model import Hypothesis, SessionId
from asr_hub.telemetry import logs

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, hub_level = root.handlers[:], root.level, logging.getLogger("asr_hub").level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("asr_hub").setLevel(hub_level)
    logs._privacy.shows_transcripts = False


def written(**settings: object) -> io.StringIO:
    stream = io.StringIO()
    logs.configure(stream=stream, **settings)  # type: ignore[arg-type]
    return stream


def test_text_has_time_level_name_event_and_fields() -> None:
    stream = written()
    logs.get("asr_hub.hub").info("session.opened", session=SessionId("k3"), took=0.25, note="two words", none=None)
    time, rest = stream.getvalue().split(" ", 1)
    assert time.endswith("Z")
    assert rest == 'info    asr_hub.hub session.opened session=k3 took=0.25 note="two words" none=null\n'


def test_json_has_one_object_per_line() -> None:
    stream = written(format="json")
    logs.get("asr_hub.hub").warning("slow", level="x", path=Path("/tmp/ä"), sizes=(1, 2))
    (line,) = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "level": "warning",
        "logger": "asr_hub.hub",
        "event": "slow",
        "level_": "x",
        "path": "/tmp/ä",
        "sizes": [1, 2],
    }


@pytest.mark.parametrize("format", ["text", "json"])
def test_what_was_said_is_left_out_by_default(format: logs.Format) -> None:
    stream = written(format=format)
    hypothesis = Hypothesis(text="my secret", start=0, end=900)
    logs.get("asr_hub").info(
        "final", text="my secret", hypothesis=hypothesis, heard=hypothesis, more=[{"phrase": "my secret"}], utterance=3
    )
    assert "secret" not in stream.getvalue()
    assert "900" in stream.getvalue()
    assert "utterance" in stream.getvalue()


@pytest.mark.parametrize("format", ["text", "json"])
def test_what_was_said_is_written_when_asked_for(format: logs.Format) -> None:
    stream = written(format=format, transcripts=True)
    logs.get("asr_hub").info("final", text="my secret", heard=Hypothesis(text="other words", start=0, end=900))
    assert "my secret" in stream.getvalue()
    assert "other words" in stream.getvalue()


def test_other_handlers_do_not_see_it_either(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "asr_hub"):
        logs.get("asr_hub").info("final", text="my secret", utterance=1)
    assert caplog.records[-1].__dict__["fields"] == {"utterance": 1}


def test_an_object_that_could_hold_speech_is_named_not_shown() -> None:
    class Buffer:
        def __repr__(self) -> str:
            return "my secret"

    stream = written()
    logs.get("asr_hub").info("kept", buffer=Buffer())
    assert "buffer=<Buffer>" in stream.getvalue()


def test_the_level_holds_for_the_hub_and_others_warn_only() -> None:
    stream = written(level="debug")
    logs.get("asr_hub.deep").debug("seen")
    logging.getLogger("other").info("not seen")
    logging.getLogger("other").warning("seen %s", "too")
    assert [line.split(" ", 1)[1].split() for line in stream.getvalue().splitlines()] == [
        ["debug", "asr_hub.deep", "seen"],
        ["warning", "other", "seen", "too"],
    ]


def test_below_the_level_nothing_is_written() -> None:
    stream = written(level="error")
    logs.get("asr_hub").warning("unseen")
    assert stream.getvalue() == ""


def test_the_last_configuration_holds() -> None:
    first = written()
    second = written()
    logs.get("asr_hub").info("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1


@pytest.mark.parametrize("format", ["text", "json"])
def test_an_error_brings_its_traceback(format: logs.Format) -> None:
    stream = written(format=format)
    try:
        raise ValueError("the reason")
    except ValueError as exc:
        logs.get("asr_hub").exception("engine.failed", exc, error=exc)
    assert "Traceback" in stream.getvalue()
    assert "ValueError: the reason" in stream.getvalue()


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30), st.dictionaries(st.sampled_from("abc"), st.text(max_size=20), max_size=3))
def test_nothing_in_a_record_can_break_its_line(event: str, fields: dict[str, str]) -> None:
    for format in ("text", "json"):
        stream = written(format=format)
        logs.get("asr_hub").info(event, **fields)
        assert len(stream.getvalue().splitlines()) == 1
        if format == "json":
            entry = json.loads(stream.getvalue())
            assert entry["event"] == event
            assert {key: entry[key] for key in fields} == fields
