from __future__ import annotations

import io
import json
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asr_hub.errors import ConfigError, ProviderError
from asr_hub.telemetry import log_files, logs
from asr_hub.telemetry.log_files import check_files, close_files, configure_files

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def stderr() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level, hub_level = root.handlers[:], root.level, logging.getLogger("asr_hub").level
    stream = io.StringIO()
    logs.configure("info", stream=stream)
    yield stream
    close_files()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("asr_hub").setLevel(hub_level)
    logs._privacy.shows_transcripts = False


def configure(folder: Path, max_bytes: int = 2**20, keep: int = 3) -> None:
    configure_files(folder, max_bytes=max_bytes, keep=keep)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def events(path: Path) -> list[str]:
    return [entry["event"] for entry in read(path)]


def test_each_file_has_its_own(tmp_path: Path, stderr: io.StringIO) -> None:
    configure(tmp_path / "logs")
    logs.get("asr_hub.jobs.engine").info("job.done", job="1f")
    logs.get("asr_hub.jobs.engine").warning("job.late", job="2f")
    logs.get("asr_hub.hub").info("session.opened")
    logs.get("asr_hub.hub").error("store.error")
    logging.getLogger("another.package").warning("of a package")
    logs.get(log_files.ACCESS).info("request", path="/health")
    close_files()
    assert sorted(file.name for file in (tmp_path / "logs").iterdir()) == ["access.log", "error.log", "worker.log"]
    assert events(tmp_path / "logs" / "access.log") == ["request"]
    assert events(tmp_path / "logs" / "worker.log") == ["job.done", "job.late"]
    assert events(tmp_path / "logs" / "error.log") == ["job.late", "store.error", "of a package"]
    first = read(tmp_path / "logs" / "worker.log")[0]
    assert first.pop("time").endswith("Z")
    assert first == {"level": "info", "logger": "asr_hub.jobs.engine", "event": "job.done", "job": "1f"}
    # Every request on the terminal would hide what matters.
    assert "request" not in stderr.getvalue()
    assert "session.opened" in stderr.getvalue()


def test_requests_go_nowhere_without_files(stderr: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    logs.get(log_files.ACCESS).error("request")
    assert stderr.getvalue() == ""
    assert capsys.readouterr().err == ""


def test_a_traceback_is_in_the_line(tmp_path: Path) -> None:
    configure(tmp_path)
    try:
        raise ProviderError("no answer")
    except ProviderError as exc:
        logs.get("asr_hub.hub").exception("failed", exc)
    close_files()
    (entry,) = read(tmp_path / "error.log")
    assert "ProviderError: no answer" in entry["traceback"]


@pytest.mark.parametrize("transcripts", [False, True])
def test_what_was_said_is_written_only_where_it_is_asked_for(tmp_path: Path, transcripts: bool) -> None:
    logs.configure(transcripts=transcripts, stream=io.StringIO())
    configure(tmp_path)
    logs.get("asr_hub.jobs.work").warning("segment", text="my secret", nested={"words": ["my secret"]})
    close_files()
    for name in ("worker.log", "error.log"):
        assert ("my secret" in (tmp_path / name).read_text()) is transcripts


def test_files_rotate_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    configure(tmp_path / "logs", max_bytes=1024, keep=2)
    for number in range(50):
        logs.get("asr_hub.jobs").info("job.done", number=number)
    close_files()
    found = sorted((tmp_path / "logs").glob("worker.log*"))
    assert [file.name for file in found] == ["worker.log", "worker.log.1", "worker.log.2"]
    assert all(file.stat().st_size <= 1024 for file in found)
    assert {file.stat().st_mode & 0o777 for file in found} == {0o600}
    assert read(found[0])[-1]["number"] == 49


def test_called_again_it_replaces_the_former(tmp_path: Path) -> None:
    log = logs.get("asr_hub.jobs")
    configure(tmp_path / "a")
    log.info("first")
    configure(tmp_path / "b")
    log.info("second")
    configure(tmp_path / "b", keep=9)
    log.info("third")
    close_files()
    log.info("fourth")
    assert events(tmp_path / "a" / "worker.log") == ["first"]
    assert events(tmp_path / "b" / "worker.log") == ["second", "third"]
    assert not [thread for thread in threading.enumerate() if thread.name == "log files"]


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    configure(tmp_path)
    (writer,) = (thread for thread in threading.enumerate() if thread.name == "log files")
    configure(tmp_path)
    assert [thread for thread in threading.enumerate() if thread.name == "log files"] == [writer]


def test_a_folder_that_cannot_be_written_is_named_and_the_former_stays(tmp_path: Path) -> None:
    configure(tmp_path / "good")
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match=r"logging\.folder: cannot write .*choose another"):
            configure(folder)
    (tmp_path / "taken" / "error.log").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"logging\.folder"):
        configure(tmp_path / "taken")
    logs.get("asr_hub.jobs").info("still")
    close_files()
    assert events(tmp_path / "good" / "worker.log") == ["still"]


def test_a_disk_that_takes_nothing_is_told_once_and_what_was_lost_is_counted(
    tmp_path: Path, stderr: io.StringIO
) -> None:
    configure(tmp_path / "logs")
    worker = tmp_path / "logs" / "worker.log"
    worker.unlink()
    worker.mkdir()
    for _ in range(3):
        logs.get("asr_hub.jobs").info("lost")
    close_files()
    assert stderr.getvalue().count("log_files.write") == 1
    told = [entry for entry in read(tmp_path / "logs" / "error.log") if entry["event"] == "log_files.lost"]
    assert sum(entry["lines"] for entry in told) == 3


def test_whoever_logs_does_not_wait_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "MAX_WAITING", 5)
    go_on, write = threading.Event(), log_files.RotatingFile.write

    def held_up(self: log_files.RotatingFile, lines: bytes) -> None:
        go_on.wait()
        write(self, lines)

    monkeypatch.setattr(log_files.RotatingFile, "write", held_up)
    configure(tmp_path)
    for _ in range(20):
        logs.get("asr_hub.jobs").info("said")
    go_on.set()
    close_files()
    said = len(events(tmp_path / "worker.log"))
    # The one that is being written, and those that wait for it.
    assert said in (5, 6)
    assert sum(entry["lines"] for entry in read(tmp_path / "error.log")) == 20 - said


def test_a_folder_that_is_no_longer_writable_is_an_error_at_reload_only(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("nothing is forbidden to root")
    configure(tmp_path / "a")
    (tmp_path / "b").mkdir(mode=0o500)
    with pytest.raises(ConfigError, match="Permission denied"):
        configure(tmp_path / "b")


def test_whether_files_could_be_written_is_asked_before_anything_changes(tmp_path: Path) -> None:
    configure(tmp_path / "a")
    (tmp_path / "b").touch()
    with pytest.raises(ConfigError, match=r"logging\.folder"):
        check_files(tmp_path / "b", max_bytes=1000, keep=1)
    check_files(tmp_path / "c", max_bytes=1000, keep=1)
    check_files(None, max_bytes=1000, keep=1)
    logs.get("asr_hub.jobs").info("goes on")
    close_files()
    assert events(tmp_path / "a" / "worker.log") == ["goes on"]
    assert (tmp_path / "c" / "worker.log").read_bytes() == b""
