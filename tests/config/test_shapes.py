"""Each file in config/ is one that works, and teaches what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from asr_hub.config.loader import load, section_in
from asr_hub.config.schema import Config, Section

pytestmark = pytest.mark.unit

FOLDER = Path(__file__).parents[2] / "config"
SHAPES = sorted(FOLDER.glob("*.yaml"))
ENV = {"ASR_HUB_SPHINX_8K": "/models/8k", "GOOGLE_CLOUD_PROJECT": "a-project"}


def test_there_are_shapes() -> None:
    wanted = {"default", "commands", "telephony-8k", "tiny", "many-sessions", "load-test"}
    assert {path.stem for path in SHAPES} >= wanted


@pytest.mark.parametrize("path", SHAPES, ids=lambda path: path.stem)
def test_every_shape_is_valid_and_begins_with_what_it_is_for(path: Path) -> None:
    config = load(path, env=ENV)
    assert config.providers
    assert path.read_text().startswith("# ")


def test_the_default_file_says_the_defaults() -> None:
    config = load(FOLDER / "default.yaml", env={})
    assert config.model_copy(update={"providers": {}}) == Config()


def test_the_default_file_shows_every_key() -> None:
    text = (FOLDER / "default.yaml").read_text()
    shown = set(re.findall(r"^[# ]*([a-z0-9_]+):", text, re.MULTILINE))
    assert _keys(Config) <= shown


def _keys(section: type[Section]) -> set[str]:
    keys = set(section.model_fields)
    for field in section.model_fields.values():
        inner = section_in(field.annotation)
        if inner is not None:
            keys |= _keys(inner)
    return keys
