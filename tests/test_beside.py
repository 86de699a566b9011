"""Tests that run beside one another, and those that have the machine to themselves."""

from __future__ import annotations

import fcntl
from pathlib import Path
from threading import Thread

import pytest
from tests import beside

pytestmark = pytest.mark.unit

TESTS = Path(__file__).parent


def is_free(file: Path, how: int) -> bool:
    with file.open("w") as held:
        try:
            fcntl.flock(held, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_every_name_in_the_lists_is_there() -> None:
    assert [name for name in (*beside.HEAVY, *beside.LIGHT) if not (TESTS / name).exists()] == []


def test_the_heaviest_come_first_and_what_is_not_named_comes_last() -> None:
    first = TESTS / "e2e" / "test_engine_by_engine.py"
    named = TESTS / "providers" / "vosk" / "test_engine.py"
    assert beside.place(first) == 0 < beside.place(named) < beside.LAST
    assert {beside.place(TESTS / name) for name in ("chaos/test_leaks.py", "test_beside.py", "textual/x.py")} == {
        beside.LAST
    }


def test_others_come_in_beside_a_test_but_none_beside_one_that_is_alone(tmp_path: Path) -> None:
    with beside.room(tmp_path, alone=False):
        assert is_free(tmp_path / "room", fcntl.LOCK_SH) and not is_free(tmp_path / "room", fcntl.LOCK_EX)
    with beside.room(tmp_path, alone=True):
        assert not is_free(tmp_path / "room", fcntl.LOCK_SH)
    assert is_free(tmp_path / "room", fcntl.LOCK_EX)


def test_who_waits_to_be_alone_is_let_in_before_those_who_come_later(tmp_path: Path) -> None:
    been: list[str] = []

    def enter(name: str, *, alone: bool) -> None:
        with beside.room(tmp_path, alone=alone):
            been.append(name)

    waiting, later = (
        Thread(target=enter, args=(name,), kwargs={"alone": alone})
        for name, alone in (("first", True), ("next", False))
    )
    with beside.room(tmp_path, alone=False):
        waiting.start()
        while is_free(tmp_path / "gate", fcntl.LOCK_EX):
            pass
        later.start()
        assert been == []
    waiting.join()
    later.join()
    assert been == ["first", "next"]
