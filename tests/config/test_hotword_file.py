"""Hotwords in a file of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.config.hotword_file import MAX_BYTES, parse, read, with_file
from asr_hub.config.loader import load
from asr_hub.config.schema import MAX_HOTWORDS, Config, Hotword
from asr_hub.errors import ConfigError

pytestmark = pytest.mark.unit

TXT = Path("words.txt")


def test_a_line_is_a_word_and_may_have_a_weight() -> None:
    text = "# names\r\nZermatt\n\n  St. Moritz  :2.5\nC :)\nratio 3:4\n"
    assert parse(text, TXT) == (
        Hotword(text="Zermatt"),
        Hotword(text="St. Moritz", weight=2.5),
        Hotword(text="C :)"),
        Hotword(text="ratio 3:4"),
    )


@pytest.mark.parametrize("name", ["words.yaml", "words.YML", "words.json"])
def test_yaml_and_json_hold_a_list_as_the_configuration_does(name: str) -> None:
    text = json.dumps(["Zermatt", "no", {"text": "Täsch", "weight": 2}])
    assert parse(text, Path(name)) == (
        Hotword(text="Zermatt"),
        Hotword(text="no"),
        Hotword(text="Täsch", weight=2),
    )


def test_an_empty_file_has_none() -> None:
    assert parse("", TXT) == parse("# nothing\n", Path("a.yaml")) == parse("[]", Path("a.json")) == ()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("w.txt", "Zermatt\n\n" + "x" * 101, "line 3: must have 1 to 100"),
        ("w.txt", "Zermatt :99", "line 1: Input should be less than or equal to 10"),
        ("w.yaml", "- Zermatt\n- {text: Brig, wieght: 2}\n", "number 2: is a text"),
        ("w.yaml", "- a\n- [\n", "line [34]: is no YAML"),
        ("w.yaml", "hotwords: [a]", "must hold a list"),
        ("w.yaml", "- [a]", "number 1: is a text"),
        ("w.json", '"Zermatt"', "must hold a list"),
        ("w.json", "[" * 5000, "is no YAML"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(name: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse(text, Path(name))
    assert name in str(caught.value)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    with pytest.raises(ConfigError, match="No such file"):
        read(path)
    path.write_bytes(b"Z\xfcrich\n")
    with pytest.raises(ConfigError, match="UTF-8"):
        read(path)
    path.write_bytes(b"a\n" * MAX_BYTES)
    with pytest.raises(ConfigError, match="longer than"):
        read(path)
    path.write_bytes(b"\xef\xbb\xbfBrig\n")
    assert read(path) == (Hotword(text="Brig"),)


def test_its_words_come_behind_those_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("Brig :3\nVisp\n")
    config = Config.model_validate({"hotwords": ["Zermatt", "Brig"], "hotwords_file": str(path)})
    assert with_file(config).hotwords == (Hotword(text="Zermatt"), Hotword(text="Brig"), Hotword(text="Visp"))
    assert with_file(Config()) == Config()
    path.write_text("".join(f"word {number}\n" for number in range(MAX_HOTWORDS)))
    with pytest.raises(ConfigError, match="502 words together"):
        with_file(config)


def test_a_configuration_is_read_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("Brig\n")
    file = tmp_path / "hub.yaml"
    file.write_text(f"hotwords_file: {tmp_path / 'words.txt'}\n")
    assert load(file).hotwords == (Hotword(text="Brig"),)


@given(st.text(max_size=60), st.sampled_from(["a.txt", "a.yaml", "a.json"]))
def test_any_text_is_words_or_a_named_error(text: str, name: str) -> None:
    try:
        words = parse(text, Path(name))
    except ConfigError as exc:
        assert name in str(exc)
    else:
        assert all(word.text.strip() and 0.1 <= word.weight <= 10 for word in words)
