from __future__ import annotations

import json
import logging
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.jobs.history import NAME, Ended, History, ended, read_history, words_in
from asr_hub.jobs.job import Failure, Handling, Job, JobId, JobState, Result, Wish
from asr_hub.model import Hypothesis, ProviderName

pytestmark = pytest.mark.unit

JOB = Job(
    id=JobId("9f" * 16),
    principal="phone",
    name="talk ü.mp3",
    sha256="ab" * 32,
    size=4_000,
    wish=Wish(provider=ProviderName("whisper"), language="en", hotwords=("a secret word",)),
    handling=Handling(webhook="https://example.org/secret"),
    state=JobState.DONE,
    created_at=1_800_000_000.0,
    updated_at=1_800_000_015.0,
    started_at=1_800_000_003.0,
    finished_at=1_800_000_013.5,
    seconds=42.0,
    segments=3,
    segments_done=3,
)


async def test_an_end_is_one_line(tmp_path: Path) -> None:
    await History(tmp_path).append(JOB, 120)
    (line,) = (tmp_path / NAME).read_text().splitlines()
    assert json.loads(line) == {
        "time": "2027-01-15T08:00:13.500000Z",
        "id": "9f" * 16,
        "principal": "phone",
        "name": "talk ü.mp3",
        "provider": "whisper",
        "language": "en",
        "state": "done",
        "seconds": 42.0,
        "size": 4000,
        "wait_s": 3.0,
        "run_s": 10.5,
        "rtf": 0.25,
        "words": 120,
        "code": None,
    }
    assert "secret" not in line


async def test_one_that_was_never_begun_has_no_times_and_a_failure_has_its_code(tmp_path: Path) -> None:
    history = History(tmp_path)
    unbegun = msgspec.structs.replace(
        JOB, state=JobState.CANCELLED, started_at=None, finished_at=None, seconds=None, segments=None
    )
    failed = msgspec.structs.replace(
        JOB, state=JobState.FAILED, seconds=0.0, failure=Failure(code="unsupported-audio", message="what was said")
    )
    await history.append(unbegun, 0)
    await history.append(failed, 0)
    first, second = read_history(tmp_path)
    assert (first.wait_s, first.run_s, first.rtf, first.seconds) == (None, None, None, None)
    assert first.time.timestamp() == JOB.updated_at
    assert (second.state, second.code, second.rtf) == (JobState.FAILED, "unsupported-audio", None)


async def test_half_a_line_is_passed_over_and_the_next_is_whole(tmp_path: Path) -> None:
    history = History(tmp_path)
    await history.append(JOB, 1)
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes() + path.read_bytes()[:57])
    assert [end.words for end in read_history(tmp_path)] == [1]
    await History(tmp_path).append(JOB, 2)
    assert [end.words for end in read_history(tmp_path)] == [1, 2]


async def test_it_is_bounded_and_read_in_order(tmp_path: Path) -> None:
    history = History(tmp_path, max_bytes=1_000, keep=2)
    for words in range(20):
        await history.append(JOB, words)
    read = [end.words for end in read_history(tmp_path)]
    assert read == list(range(20))[-len(read) :]
    assert 3 < len(read) < 20
    assert len(list(tmp_path.iterdir())) == 3  # noqa: ASYNC240 - a test may block


async def test_a_job_does_not_fail_where_its_end_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / NAME).mkdir()
    with caplog.at_level(logging.ERROR, "asr_hub.jobs.history"):
        await History(tmp_path).append(JOB, 1)
    assert [record.message for record in caplog.records] == ["history.write"]


def test_words_are_counted_in_every_writing() -> None:
    texts = ("Go forward, ten metres!", "", "今天很好")
    hypotheses = tuple(Hypothesis(text=text, start=0, end=900) for text in texts)
    assert words_in(Result(duration_ms=9000, hypotheses=hypotheses)) == 8


def test_there_is_none_before_the_first_job(tmp_path: Path) -> None:
    assert list(read_history(tmp_path / "nowhere")) == []


def test_times_that_run_backwards_are_none_at_all() -> None:
    moved = msgspec.structs.replace(JOB, started_at=JOB.created_at - 5, finished_at=JOB.created_at - 9)
    end = ended(moved, 0)
    assert (end.wait_s, end.run_s, end.rtf) == (0.0, 0.0, 0.0)


@given(st.lists(st.integers(0, 400), max_size=4), st.binary(max_size=40))
def test_whatever_a_crash_leaves_it_is_read_on(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], rubbish: bytes
) -> None:
    folder = tmp_path_factory.mktemp("history")
    whole = msgspec.json.encode(ended(JOB, 7))
    lines = [whole[:cut] for cut in cuts] + [rubbish, whole]
    (folder / NAME).write_bytes(b"\n".join(lines) + b"\n")
    read = list(read_history(folder))
    assert read[-1] == msgspec.json.decode(whole, type=Ended)
    assert all(end == read[-1] for end in read)
