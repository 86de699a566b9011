"""
Changes settings in a configuration file and nothing else in it: no other byte moves.

The text is not written anew from its data, as that would rewrite indentation, spaces and line ends of the whole file.
Instead PyYAML tells where in the text a value stands, the new one is put there, and the result is read again: unless
it differs from what was there in exactly the wanted setting, the edit is refused.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from asr_hub.config.loader import MAX_BYTES
from asr_hub.errors import ConfigError

HEADER = """\
# A hub. What is not set here has its default; a key that does not exist is refused.
#
#   asr-hub check FILE     is this file right?
#   asr-hub serve --config FILE
"""

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_NOT_TEXT = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""Of YAML 1.1 too, so that any reader takes them for text only in quotes."""

_STEP = "  "


def use_provider(text: str, name: str, *, kind: str | None = None, model: str | None = None) -> str:
    """
    The configuration with `name` as its provider.

    With `kind` the entry `providers.<name>` gets that kind, with `model` its setting `model`. Raises ConfigError, with
    the lines to write by hand, where the text is written in a way that cannot be changed safely.
    """
    text = assign(text, ("provider",), name)
    if kind is not None:
        text = assign(text, ("providers", name, "kind"), kind)
    if model is not None:
        text = assign(text, ("providers", name, "settings", "model"), model)
    return text


def has_entry(text: str, name: str) -> bool:
    """Whether `providers` has an entry of this name. Raises ConfigError for what is no YAML."""
    providers = _data(text).get("providers")
    return isinstance(providers, dict) and name in providers


def assign(text: str, path: tuple[str, ...], value: str) -> str:
    """The text with one more or one other setting. Raises ConfigError as `use_provider` does."""
    before = _data(text)
    after = _Splice(text).assigned(path, value)
    try:
        is_right = _data(after) == _with(before, path, value)
    except ConfigError:
        is_right = False
    if not is_right:
        raise _by_hand(path, value)
    return after


def read(path: Path) -> str | None:
    """The file's text, as it is; None where there is no such file. Raises ConfigError where it cannot be read."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path}: is longer than {MAX_BYTES // 1024} KiB; is it a configuration?")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8; save the file as UTF-8") from None


def replace(path: Path, text: str) -> None:
    """
    Write the file anew, all at once, with the permissions that it had.

    Of a link, the file behind it is written. Raises ConfigError where the folder cannot be written; the file is then
    as it was.
    """
    target = path.resolve()
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
        # Never wider than the file is to be, as it may hold secrets; without a file, what the umask leaves of this.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with open(os.open(draft, flags, 0o666 if mode is None else mode & 0o600), "wb") as file:
            file.write(text.encode())
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except OSError as exc:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise ConfigError(f"{path}: cannot be written: {exc.strerror}; it is as it was") from exc


class _Splice:
    """A text and the places of its values."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._newline = "\r\n" if "\r\n" in text else "\n"

    def assigned(self, path: tuple[str, ...], value: str) -> str:
        node = yaml.compose(self._text, Loader=yaml.BaseLoader)
        if node is None or (isinstance(node, yaml.ScalarNode) and not node.value and node.style is None):
            return self._lines_at(len(self._text), "", path, value)
        for depth, key in enumerate(path):
            if not isinstance(node, yaml.MappingNode):
                raise _by_hand(path, value)
            rest = path[depth:]
            found = next((pair for pair in node.value if pair[0].value == key), None)
            if found is None:
                return self._added(node, rest, value)
            key_node, child = found
            if child.start_mark.index < key_node.end_mark.index:
                # An alias: its node stands where the anchor is, and belongs to another key as well.
                raise _by_hand(path, value)
            is_scalar = isinstance(child, yaml.ScalarNode)
            is_empty = is_scalar and child.style is None and not child.value
            if len(rest) == 1 and not is_scalar:
                raise _by_hand(path, value)
            if len(rest) == 1 or (is_empty and not self._is_block(node)):
                return self._filled(child, rest[1:], value)
            if is_empty:
                indent = " " * key_node.start_mark.column + _STEP
                return self._lines_at(child.end_mark.index, indent, rest[1:], value)
            node = child
        raise AssertionError("the last key of a path returns")

    def _filled(self, node: yaml.Node, rest: tuple[str, ...], value: str) -> str:
        """The text with a value where an old one, or none, is."""
        quote = node.style if isinstance(node, yaml.ScalarNode) and node.style in ("'", '"') else ""
        new = _flow(rest, value) if rest else _scalar(value, quote)
        start, end = node.start_mark.index, node.end_mark.index
        # A literal block reaches over its line ends, which are not part of what is replaced.
        end = start + len(self._text[start:end].rstrip("\r\n"))
        return self._text[:start] + (new if start < end else f" {new}") + self._text[end:]

    def _added(self, mapping: yaml.MappingNode, rest: tuple[str, ...], value: str) -> str:
        if self._is_block(mapping):
            first = mapping.value[0][0].start_mark
            return self._lines_at(self._end(mapping), " " * first.column, rest, value)
        new = f"{_scalar(rest[0])}: {_flow(rest[1:], value)}"
        if mapping.value:
            at = self._end_of_pair(mapping.value[-1])
            return f"{self._text[:at]}, {new}{self._text[at:]}"
        at = mapping.start_mark.index + 1
        if self._text[at - 1] != "{":
            raise _by_hand(rest, value)
        return self._text[:at] + new + self._text[at:]

    def _lines_at(self, end: int, indent: str, path: tuple[str, ...], value: str) -> str:
        """The text with new lines after the line of `end` and the comments that belong to it."""
        at = self._after_comments(self._next_line(end), len(indent))
        head = self._text[:at]
        if head.strip("\ufeff") and not head.endswith("\n"):
            head += self._newline
        lines = [f"{indent}{_STEP * depth}{_scalar(key)}:" for depth, key in enumerate(path)]
        lines[-1] += f" {_scalar(value)}"
        return head + "".join(line + self._newline for line in lines) + self._text[at:]

    def _next_line(self, index: int) -> int:
        if index > 0 and self._text[index - 1] == "\n":
            return index
        found = self._text.find("\n", index)
        return len(self._text) if found < 0 else found + 1

    def _after_comments(self, at: int, column: int) -> int:
        """Past comments that stand deeper than the new lines: they belong to what is above."""
        while at < len(self._text):
            following = self._next_line(at + 1)
            line = self._text[at:following]
            if not line.lstrip(" ").startswith("#") or len(line) - len(line.lstrip(" ")) <= column:
                break
            at = following
        return at

    def _end(self, node: yaml.Node) -> int:
        """Where the content of a node ends: PyYAML's own end of a block lies after comments and empty lines."""
        if isinstance(node, yaml.MappingNode) and node.value and self._is_block(node):
            return self._end_of_pair(node.value[-1])
        if isinstance(node, yaml.SequenceNode) and node.value and not node.flow_style:
            last = node.value[-1]
            # An alias, whose node stands elsewhere: the item before it is the nearest that is known.
            return self._end(last) if last.start_mark.index > node.start_mark.index else node.end_mark.index
        return node.end_mark.index

    def _end_of_pair(self, pair: tuple[yaml.Node, yaml.Node]) -> int:
        key, child = pair
        return self._end(child) if child.start_mark.index >= key.end_mark.index else key.end_mark.index

    @staticmethod
    def _is_block(node: yaml.MappingNode) -> bool:
        return not node.flow_style


def _data(text: str) -> dict[str, Any]:  # what YAML can hold
    """The text's values, all as text and without anything shared. Raises ConfigError for what is no YAML."""
    if len(text) > MAX_BYTES:
        raise ConfigError(f"a configuration of more than {MAX_BYTES // 1024} KiB is not taken")
    try:
        data = _unshared(yaml.load(text, Loader=yaml.BaseLoader), [0])
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise ConfigError(f"{line}is not YAML: {exc.problem or exc.context}") from exc
    except (yaml.YAMLError, RecursionError) as exc:
        raise ConfigError(f"is not YAML: {getattr(exc, 'reason', 'nested too deep')}") from exc
    if data in (None, ""):
        return {}
    if not isinstance(data, dict):
        raise ConfigError("must hold sections such as `server:`")
    return data


def _unshared(value: Any, count: list[int]) -> Any:  # what YAML can hold
    """A copy in which two aliases of one anchor are two values, so that a change of one shows."""
    count[0] += 1
    if count[0] > MAX_BYTES:
        raise ConfigError("the aliases of this file expand beyond all measure")
    if isinstance(value, dict):
        return {key: _unshared(inner, count) for key, inner in value.items()}
    if isinstance(value, list):
        return [_unshared(inner, count) for inner in value]
    return value


def _with(data: Mapping[str, Any], path: tuple[str, ...], value: str) -> dict[str, Any]:
    key, rest = path[0], path[1:]
    inner = data.get(key)
    return {**data, key: _with(inner if isinstance(inner, dict) else {}, rest, value) if rest else value}


def _flow(path: tuple[str, ...], value: str) -> str:
    text = _scalar(value)
    for key in reversed(path):
        text = f"{{{_scalar(key)}: {text}}}"
    return text


def _scalar(text: str, quote: str = "") -> str:
    """The text as YAML: plain where every reader takes that for text, else in quotes, those of before if there were."""
    if quote == "'" and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    if not quote and _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _by_hand(path: tuple[str, ...], value: str) -> ConfigError:
    lines = [f"{_STEP * depth}{_scalar(key)}:" for depth, key in enumerate(path)]
    lines[-1] += f" {_scalar(value)}"
    text = "\n".join(lines)
    return ConfigError(f"is written in a way that cannot be changed safely; write this in by hand:\n{text}")
