"""When a hub is open to others, and who is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from asr_hub.access.exposure import exposure
from asr_hub.access.keys import new_key
from asr_hub.cli.main import app
from asr_hub.config.schema import Config

pytestmark = pytest.mark.unit

KEY = new_key()
KEYS = {"keys": {"a": {"id": KEY.id, "hash": KEY.sha256}}}


@pytest.mark.parametrize(
    ("host", "access", "is_exposed"),
    [
        ("127.0.0.1", {}, False),
        ("127.8.8.8", {}, False),
        ("::1", {}, False),
        ("localhost", {}, False),
        ("0.0.0.0", {}, True),
        ("::", {}, True),
        ("192.168.1.5", {}, True),
        ("hub.example.org", {}, True),
        ("", {}, True),
        ("0.0.0.0", KEYS, False),
        ("0.0.0.0", {**KEYS, "required": "off"}, True),
        ("0.0.0.0", {"jwt": {"algorithm": "HS256", "secret": "s" * 32}}, False),
    ],
)
def test_a_hub_is_exposed_that_others_reach_and_that_asks_for_nothing(
    host: str, access: dict[str, object], is_exposed: bool
) -> None:
    warning = exposure(Config.model_validate({"server": {"host": host}, "access": access}))
    assert (warning is not None) == is_exposed
    assert warning is None or "asr-hub keys new" in warning


def test_check_and_doctor_say_so(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    text = "provider: a\nproviders: {a: {kind: scripted}}\nserver: {host: 0.0.0.0, port: 0}\n"
    path.write_text(text)
    runner = CliRunner()
    done = runner.invoke(app, ["check", str(path)])
    assert done.exit_code == 0
    assert done.stdout.splitlines()[1].startswith(f"open {path}: anybody who can reach 0.0.0.0 may use this hub")
    found = runner.invoke(app, ["doctor", "--config", str(path), "--json"])
    assert "anybody who can reach 0.0.0.0" in found.stdout
    path.write_text(f'{text}access: {{keys: {{a: {{id: "{KEY.id}", hash: "{KEY.sha256}"}}}}}}\n')
    assert runner.invoke(app, ["check", str(path)]).stdout == f"OK {path}\n"
    assert "asks for 1 key" in runner.invoke(app, ["doctor", "--config", str(path), "--json"]).stdout


@pytest.mark.parametrize(
    ("vosk", "access", "said"),
    [
        ({"port": 0, "host": "0.0.0.0"}, {}, "asks for no key"),
        ({"port": 0, "host": "0.0.0.0"}, KEYS, None),
        ({"port": 0, "host": "0.0.0.0", "key": "a"}, KEYS, "as the owner of a key"),
        ({"port": 0, "key": "a"}, KEYS, None),
        ({"host": "0.0.0.0", "key": "a"}, KEYS, None),
        ({"port": 0, "host": "0.0.0.0", "key": "a", "enabled": False}, KEYS, None),
    ],
)
def test_a_port_of_a_dialect_that_lets_in_without_a_key_is_told(
    vosk: dict[str, object], access: dict[str, object], said: str | None
) -> None:
    warning = exposure(Config.model_validate({"access": access, "dialects": {"vosk": vosk}}))
    assert warning is None if said is None else said in str(warning)


def test_the_key_and_the_provider_that_a_dialect_names_must_be_there() -> None:
    for dialects, key in (({"vosk": {"key": "b"}}, "dialects.vosk.key"), ({"models": {"*": "b"}}, "dialects.models.*")):
        with pytest.raises(ValidationError, match="no such entry") as refused:
            Config.model_validate({"access": KEYS, "dialects": dialects})
        assert key in str(refused.value.errors()[0]["ctx"])
