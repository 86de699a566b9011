from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.telemetry.rotating_file import RotatingFile, open_all

pytestmark = pytest.mark.unit


def write(path: Path, *lines: bytes, max_bytes: int = 10, keep: int = 2) -> None:
    file = RotatingFile(path, max_bytes=max_bytes, keep=keep)
    for line in lines:
        file.write(line)
    file.close()


def read(path: Path) -> bytes:
    return b"".join(file.read() for file in open_all(path))


def test_a_full_file_makes_room_for_the_next_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    write(path, *(b"line %d\n" % number for number in range(5)))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        "x.log": b"line 4\n",
        "x.log.1": b"line 3\n",
        "x.log.2": b"line 2\n",
    }


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "logs" / "x.log"
    former = os.umask(0)
    try:
        write(path, b"1234567\n", b"1234567\n")
    finally:
        os.umask(former)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}


def test_half_a_line_of_a_process_that_was_killed_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(b"whole\nhal")
    write(path, b"next\n", max_bytes=100)
    assert path.read_bytes() == b"whole\nhal\nnext\n"


def test_fewer_to_keep_is_fewer_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    (tmp_path / "x.log.notes").write_text("not ours")
    write(path, *(b"line %d\n" % number for number in range(9)), keep=7)
    write(path, b"line 9\n", keep=1)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.log", "x.log.1", "x.log.notes"]


def test_a_file_that_is_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    file = RotatingFile(path, max_bytes=100, keep=1)
    file.write(b"one\n")
    path.rename(tmp_path / "taken")
    file.write(b"two\n")
    path.unlink()
    file.write(b"three\n")
    file.close()
    assert path.read_bytes() == b"three\n"
    assert (tmp_path / "taken").read_bytes() == b"one\n"


def test_two_processes_that_write_one_file_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    files = [RotatingFile(path, max_bytes=30, keep=50) for _ in range(2)]
    lines = [b"line %d\n" % number for number in range(60)]
    for number, line in enumerate(lines):
        files[number % 2].write(line)
    for file in files:
        file.close()
    assert read(path).splitlines(keepends=True) == lines


def test_a_reader_meets_each_line_once_when_the_writer_begins_anew_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    write(path, b"line 0\n", b"line 1\n", keep=9)
    reading = open_all(path)
    first = next(reading).read()
    write(path, b"line 2\n", keep=9)
    assert first + b"".join(file.read() for file in reading) == b"line 0\nline 1\n"


def test_nothing_is_read_where_nothing_was_written(tmp_path: Path) -> None:
    assert read(tmp_path / "none" / "x.log") == b""


@given(st.lists(st.binary(max_size=30).map(lambda it: it.replace(b"\n", b"") + b"\n"), max_size=40), st.integers(1, 60))
def test_what_is_kept_is_the_end_of_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], max_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("logs") / "x.log"
    write(path, *lines, max_bytes=max_bytes, keep=3)
    assert b"".join(lines).endswith(read(path))
    assert len(list(path.parent.iterdir())) <= 4
    longest = max(map(len, lines), default=0)
    assert all(file.stat().st_size <= max(max_bytes, longest) for file in path.parent.iterdir())
