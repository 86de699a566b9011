from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import fields

from asr_hub.errors import ConfigError
from asr_hub.providers import registry
from asr_hub.providers.docs import PATH, SETTINGS, is_section, main, meanings, reference, settings_of

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]


class Basic(msgspec.Struct, frozen=True, kw_only=True):
    """What every one has."""

    kept: int = 1
    """Said once,
    on two lines."""
    changed: str = "a"
    """Either a | b."""


class Extended(Basic, frozen=True, kw_only=True):
    changed: str = "b"
    added: float = 0.5
    """
    More,

    and `more`.
    """
    bare: bool = False


def test_the_reference_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "asr_hub.providers.docs", "--check"],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


def test_every_built_in_kind_is_there_and_no_other() -> None:
    assert set(SETTINGS) == set(registry.BUILTIN)


@pytest.mark.parametrize("kind", registry.BUILTIN)
def test_every_setting_is_explained(kind: str) -> None:
    assert _unexplained(settings_of(kind)) == []


@pytest.mark.parametrize("kind", registry.BUILTIN)
def test_the_structs_are_those_that_the_providers_read(kind: str) -> None:
    """A provider names the settings that it knows when it is given another."""
    module, _, provider = registry.BUILTIN[kind].target.partition(":")
    with pytest.raises(ConfigError, match="'no_such_setting' is not known; there are: ") as refused:
        getattr(import_module(module), provider)(kind, {"no_such_setting": 1})
    known = str(refused.value).partition("there are: ")[2].split(", ")
    assert known == sorted(settings_of(kind).__struct_fields__)


@pytest.mark.parametrize("kind", registry.BUILTIN)
def test_the_page_names_every_setting_in_the_section_of_its_kind(kind: str) -> None:
    sections = dict(part.split("\n", 1) for part in reference().split("\n## ")[1:])
    page = sections[f"`{kind}`"]
    for title in re.findall(r"Those of \[([^]]+)\]", page):
        page += sections[title]
    rows = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    named = {field.name for field in fields(settings_of(kind)) if not is_section(field)}
    assert rows == named
    for field in fields(settings_of(kind)):
        assert not is_section(field) or f"`{kind}`: `{field.name}`" in sections


def test_what_engines_share_is_told_once() -> None:
    rows = re.findall(r"^\| `(?:hang_s|api_key_env)` \|", reference(), re.MULTILINE)
    assert len(rows) == 2


def test_meanings_are_joined_inherited_and_safe_in_a_table() -> None:
    assert meanings(Extended) == {
        "kept": "Said once, on two lines.",
        "changed": "Either a \\| b.",
        "added": "More, and `more`.",
    }


def test_a_field_without_a_text_is_found() -> None:
    assert _unexplained(Extended) == ["bare"]


def test_a_row_tells_what_is_taken_default_and_meaning() -> None:
    lines = reference().splitlines()
    for row in (
        "| `wait_s` | number | `5.0` | Seconds to wait for a slot before `overloaded`. |",
        "| `self_test_text` | text or nothing | nothing | What is said in it. |",
        "| `partial_beam_size` | whole number, at least 1 | `1` | The same, for partials. |",
    ):
        assert row in lines
    starts = [line.rpartition(" | ")[0] for line in lines]
    for start in (
        "| `dtype` | `auto` or `float32` or `float16` or `bfloat16` | `auto`",
        "| `temperatures` | list of number | `[0.0, 0.4, 0.8]`",
        "| `chunk_size` | list of whole number, whole number, whole number | `[0, 10, 5]`",
        "| `no_speech_threshold` | number, at least 0, at most 1 | `0.6`",
        "| `trust_remote_code` | true or false | `false`",
        "| `files` | map | empty",
        "| `project` | text | must be set",
        "| `prompt` | text | empty",
    ):
        assert any(line.startswith(start) for line in starts), start


def test_check_tells_an_old_file_from_a_new_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "deep" / PATH.name
    assert main(["--check", str(path)]) == 1
    assert "is out of date; run: python -m asr_hub.providers.docs" in capsys.readouterr().err
    assert main([str(path)]) == 0
    assert main(["--check", str(path)]) == 0
    path.write_text(path.read_text() + "x")
    assert main(["--check", str(path)]) == 1


def test_links_to_its_sections_lead_to_them() -> None:
    titles = re.findall(r"^#+ (.+)$", reference(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    links = {link for page in pages for link in re.findall(r"providers\.md#([^)]+)\)", page.read_text())}
    links |= set(re.findall(r"\]\(#([^)]+)\)", reference()))
    assert {"engines-with-a-process", "openai-servers", "vosk"} <= links <= anchors


def test_no_engine_is_imported() -> None:
    sdks = sorted({kind.sdk for kind in registry.BUILTIN.values() if kind.sdk})
    code = f"""
import sys
from asr_hub.providers.docs import reference
reference()
print(*(name for name in {sdks} if name in sys.modules))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True)
    assert run.stdout.split() == []


def _unexplained(shape: type[msgspec.Struct]) -> list[str]:
    told = meanings(shape)
    found = []
    for field in fields(shape):
        if is_section(field):
            found += _unexplained(field.type)
        elif not told.get(field.name):
            found.append(field.name)
    return found
