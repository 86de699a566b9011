"""A key is made, put into a configuration, and recognised there."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from asr_hub.cli.keys import _lines
from asr_hub.cli.main import app
from asr_hub.config.loader import load, parse

pytestmark = pytest.mark.unit

runner = CliRunner()


def new(*arguments: str) -> tuple[str, str]:
    """The key, and the lines for the configuration."""
    done = runner.invoke(app, ["keys", "new", *arguments])
    assert done.exit_code == 0, done.stderr
    lines = done.stderr[done.stderr.index("access:") :]
    secret = done.stdout.strip()
    assert secret not in done.stderr
    return secret, lines


def check(path: Path, secret: str) -> Result:
    return runner.invoke(app, ["keys", "check", "--config", str(path)], input=f"{secret}\n")


def test_what_is_printed_works_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    secret, lines = new("phone")
    path.write_text(lines)
    assert "access:" not in secret
    done = check(path, secret)
    assert (done.exit_code, done.stdout) == (0, "good: phone\nmay: speak, watch\n")


def test_limits_scopes_and_an_end(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    limits = ("--sessions", "2", "--audio", "3600", "--requests", "120", "--days", "30")
    secret, lines = new("the phone of Ann", "--scope", "watch", "--scope", "admin", *limits)
    path.write_text(lines)
    said = check(path, secret).stdout.splitlines()
    assert said[:2] == ["good: the phone of Ann", "may: admin, watch"]
    assert said[2].startswith("until: 20")
    assert said[3:] == ["sessions at a time: 2", "seconds of audio per hour: 3600", "requests per minute: 120"]
    (key,) = load(path).access.keys.values()
    assert key.sessions == 2


def test_a_key_that_is_not_there_is_told_without_being_shown(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    path.write_text(new("phone")[1])
    secret, _ = new("another")
    for wrong in (secret, "", "nonsense"):
        done = check(path, wrong)
        assert done.exit_code == 2
        assert "error: " in done.stderr
        assert secret not in done.output


def test_a_configuration_that_asks_for_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    path.write_text("server: {port: 0}\n")
    done = check(path, "x")
    assert done.exit_code == 2
    assert "asks for no key" in done.stderr


@pytest.mark.parametrize("name", ["", "a:b", "x" * 65, "a\nb"])
def test_a_name_that_cannot_be_is_refused(name: str) -> None:
    done = runner.invoke(app, ["keys", "new", name])
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "1 to 64 printable characters" in done.stderr


NAMES = st.text(min_size=1, max_size=64).filter(lambda name: name.isprintable() and ":" not in name)


@given(NAMES)
@example("null")
@example("12")
@example("<<")
@example("${HOME}")
@example('"')
def test_any_name_can_be_read_back_from_the_lines(name: str) -> None:
    lines = _lines(name, {"id": "123456789012", "hash": "1" * 64, "scopes": ["speak"]})
    ((there, key),) = parse(lines, "lines", env={}).access.keys.items()
    assert (there, key.id) == (name, "123456789012")
