"""
Reads hotwords from a file of their own.

Plain text has one on each line, after which ` :2.5` is its weight; a line that begins with `#` says nothing. A file
that ends in `.yaml`, `.yml` or `.json` holds a list as `hotwords` of the configuration does.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from asr_hub.config.schema import MAX_HOTWORDS, Config, Hotword
from asr_hub.errors import ConfigError

MAX_BYTES = 1 << 20
"""As many hotwords as there may be, escaped, have room in it."""


def with_file(config: Config) -> Config:
    """
    The configuration with the words of its `hotwords_file` behind its `hotwords`.

    Raises ConfigError where the file is not there, is wrong, or there are too many together.
    """
    if config.hotwords_file is None:
        return config
    path = Path(config.hotwords_file)
    words: dict[str, Hotword] = {}
    for word in (*config.hotwords, *read(path)):
        words.setdefault(word.text, word)
    if len(words) > MAX_HOTWORDS:
        raise ConfigError(
            f"hotwords_file: {path} and `hotwords` are {len(words)} words together, and at most {MAX_HOTWORDS} are "
            "taken; keep the rarest"
        )
    return config.model_copy(update={"hotwords": tuple(words.values())})


def read(path: Path) -> tuple[Hotword, ...]:
    """The hotwords in a file, in order. Raises ConfigError, whose message names the file and the line or number."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise ConfigError(f"hotwords_file: {path}: cannot be read: {exc.strerror}") from exc
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"hotwords_file: {path}: is longer than {MAX_BYTES >> 20} MiB; is it a list of words?")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"hotwords_file: {path}: is not UTF-8; save it as UTF-8") from None
    return parse(text, path)


def parse(text: str, path: Path) -> tuple[Hotword, ...]:
    """The hotwords in a text; the name of the file says how it is written. Raises ConfigError."""
    if path.suffix.lower() in (".yaml", ".yml", ".json"):
        places, items = _items(text, path)
    else:
        places, items = _lines(text)
    try:
        return _LIST.validate_python(items)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        place = f"{places[first['loc'][0]]}: " if first["loc"] and isinstance(first["loc"][0], int) else ""
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"hotwords_file: {path}: {place}{message}") from None


_LIST = TypeAdapter(tuple[Hotword, ...])
_WEIGHTED = re.compile(r"(.*\S)\s+:(\d+(?:\.\d+)?)")


def _lines(text: str) -> tuple[list[str], list[Any]]:
    """Where each item stands, and the items."""
    places, items = [], []
    # Not by `splitlines`, which also splits at characters that are no ends of lines to an editor.
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        word = line.strip()
        if word and not word.startswith("#"):
            weighted = _WEIGHTED.fullmatch(word)
            places.append(f"line {number}")
            items.append({"text": weighted[1], "weight": weighted[2]} if weighted else word)
    return places, items


def _items(text: str, path: Path) -> tuple[list[str], list[Any]]:
    try:
        # Types nothing: `- no` is a word, as it is in the configuration.
        items = yaml.load(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as exc:
        line = mark.line + 1 if (mark := getattr(exc, "problem_mark", None)) is not None else 1
        raise ConfigError(f"hotwords_file: {path}: line {line}: is no YAML") from None
    if items in (None, ""):
        items = []
    if not isinstance(items, list):
        raise ConfigError(f"hotwords_file: {path}: must hold a list of words, such as `- Zermatt`")
    return [f"number {number}" for number in range(1, len(items) + 1)], items
