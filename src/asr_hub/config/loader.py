"""
Reads a configuration: YAML with `${VARIABLE}` and `${VARIABLE:default}`.

The YAML is version 1.2's core schema, so `off` and `12:30` are text. Variables may stand inside a longer text; what
comes out of an unquoted one is typed as YAML would type it, but never parsed as structure. A variable that is set to
nothing counts as not set. `$${` writes a plain `${`. Anchors and `<<` work; a top-level key that begins with `x-` is
free to hold them.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from asr_hub.config.hotword_file import with_file
from asr_hub.config.schema import Config, Section
from asr_hub.errors import ConfigError

MAX_BYTES = 256 * 1024
"""A longer file is no configuration of a hub."""
MAX_DEPTH = 24
MAX_NODES = 10_000
"""Values after aliases are written out: what an alias bomb runs into."""

KeyPath = tuple[str | int, ...]


def load(path: Path | None, *, env: Mapping[str, str] = os.environ) -> Config:
    """
    The configuration in the file, or the defaults without one; with the words of its `hotwords_file`.

    Raises ConfigError, whose message has one line per mistake: file, line, key, what is wrong and what to do.
    """
    if path is None:
        return Config()
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; `asr-hub use auto --config {path}` makes one") from None
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path}: is longer than {MAX_BYTES // 1024} KiB; is it a configuration?")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw[: exc.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8; save the file as UTF-8") from None
    return with_file(parse(text, str(path), env=env))


def parse(text: str, source_name: str, *, env: Mapping[str, str] = os.environ) -> Config:
    """The configuration in a text. `source_name` stands in front of each line of the ConfigError."""
    document = _Document(source_name, env)
    data = document.read(text)
    document.raise_problems()
    try:
        free = {key for key in data if key.startswith("x-")}
        return Config.model_validate(_without_empty({key: data[key] for key in data.keys() - free}, Config))
    except ValidationError as exc:
        for error in exc.errors(include_url=False, include_input=True):
            document.explain(error)
    document.raise_problems()
    raise AssertionError("a refused configuration has at least one problem")


def is_secret(key: object) -> bool:
    """Whether a setting of this name may hold a secret, so that its value is never shown."""
    return _SECRET.search(str(key)) is not None


_SECRET = re.compile(r"key|token|secret|password", re.IGNORECASE)
_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::(.*))?", re.DOTALL)
_NULL = re.compile(r"|~|null|Null|NULL")
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_MAX_PROBLEMS = 20


class _Plain(yaml.SafeLoader):
    """Composes nodes and types nothing: which text is a number is decided after variables are filled in."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - the base class declares it so


class _Origin(NamedTuple):
    line: int
    variables: tuple[str, ...] = ()
    """The environment variables that the value came from: their names may be shown, their content may not."""


class _Document:
    """One text on its way to plain values, with the place of each and the mistakes found."""

    def __init__(self, source: str, env: Mapping[str, str]) -> None:
        self._source = source
        self._env = env
        self._origins: dict[KeyPath, _Origin] = {}
        self._problems: list[tuple[int, str]] = []
        self._nodes = 0
        self._depth = 0

    def read(self, text: str) -> dict[str, Any]:
        """Raises ConfigError for what is no YAML; other mistakes are kept for `raise_problems`."""
        if len(text) > MAX_BYTES:
            raise ConfigError(f"{self._source}: is longer than {MAX_BYTES // 1024} KiB; is it a configuration?")
        try:
            self._check_events(yaml.parse(text, Loader=_Plain))
            root = yaml.compose(text, Loader=_Plain)
        except yaml.MarkedYAMLError as exc:
            raise self._not_yaml(exc) from None
        except yaml.YAMLError as exc:
            reason = getattr(exc, "reason", "cannot be read")
            raise ConfigError(f"{self._source}: is not YAML: {reason}") from None
        if root is None:
            return {}
        value = self._value(root, ())
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise ConfigError(f"{self._source}: must hold sections such as `server:`, not {_kind(value)}")
        return value

    def raise_problems(self) -> None:
        if not self._problems:
            return
        more = len(self._problems) - _MAX_PROBLEMS
        rest = [f"{self._source}: and {more} more"] if more > 0 else []
        raise ConfigError("\n".join([text for _, text in sorted(self._problems)[:_MAX_PROBLEMS]] + rest))

    def explain(self, error: ErrorDetails) -> None:
        """Keep one of pydantic's errors, in our words."""
        path: KeyPath = error["loc"]
        context = error.get("ctx", {})
        if error["type"] == "extra_forbidden":
            self._problem(path, _unknown_key(path))
        elif error["type"] == "missing":
            self._problem(path, "is missing; it has no default")
        elif error["type"] == "model_type":
            self._problem(path, f"is a section with keys below it; {self._got(path, error['input'])}")
        elif error["type"] == "tuple_type":
            self._problem(path, f"is a list, as in [a, b]; {self._got(path, error['input'])}")
        elif error["type"] == "too_short":
            self._problem(path, f"needs at least {context['min_length']} in its list")
        elif error["type"] == "unknown_provider":
            self._problem(tuple(str(context["key"]).split(".")), error["msg"])
        elif error["type"] == "value_error":
            self._problem(path, _lower_first(error["msg"]))
        else:
            self._problem(path, f"{_lower_first(error['msg'])}; {self._got(path, error['input'])}")

    def _check_events(self, events: Iterable[yaml.Event]) -> None:
        """Composing recurses and expands, so depth and tags are looked at before."""
        depth = 0
        for event in events:
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            place = f"{self._source}:{event.start_mark.line + 1}" if event.start_mark else self._source
            if depth > MAX_DEPTH:
                raise ConfigError(f"{place}: is nested more than {MAX_DEPTH} deep")
            if getattr(event, "tag", None) is not None:
                raise ConfigError(f"{place}: has a tag (`!…`); tags are not taken, quote the text instead")

    def _not_yaml(self, exc: yaml.MarkedYAMLError) -> ConfigError:
        mark = exc.problem_mark or exc.context_mark
        place = f"{self._source}:{mark.line + 1}" if mark else self._source
        hint = ""
        if exc.problem and "flow" in f"{exc.problem} {exc.context}":
            hint = '; within [ ] and { } put "${VARIABLE}" in quotes'
        return ConfigError(f"{place}: is not YAML: {exc.problem or exc.context}{hint}")

    def _value(self, node: yaml.Node, path: KeyPath) -> Any:  # what YAML can hold
        self._nodes += 1
        self._depth += 1
        line = node.start_mark.line + 1
        if self._nodes > MAX_NODES or self._depth > 2 * MAX_DEPTH:
            raise ConfigError(f"{self._source}:{line}: the aliases of this file expand beyond all measure")
        self._origins.setdefault(path, _Origin(line))
        value: Any  # what YAML can hold
        if isinstance(node, yaml.MappingNode):
            value = self._mapping(node, path)
        elif isinstance(node, yaml.SequenceNode):
            value = [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        else:
            assert isinstance(node, yaml.ScalarNode)
            value = self._scalar(node, path)
        self._depth -= 1
        return value

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            here = (*path, key if isinstance(key, str) else "?")
            if not isinstance(key_node, yaml.ScalarNode) or (key_node.style is None and not _is_text(key)):
                self._origins[here] = _Origin(key_node.start_mark.line + 1)
                self._problem(here, "this key is no text; put it in quotes")
            elif key == "<<" and key_node.style is None:
                merged |= self._merge(value_node, path)
            elif key in own:
                first = self._origins[here].line
                self._origins[here] = _Origin(key_node.start_mark.line + 1)
                self._problem(here, f"is already set on line {first}; remove one of the two")
            else:
                self._origins[here] = _Origin(key_node.start_mark.line + 1)
                own[key] = self._value(value_node, here)
        return merged | own

    def _merge(self, node: yaml.Node, path: KeyPath) -> dict[str, Any]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for source in sources:
            value = self._value(source, path)
            if isinstance(value, dict):
                merged = value | merged
            else:
                self._problem(path, f"`<<` takes sections, not {_kind(value)}")
        return merged

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:  # what YAML can hold
        text, variables = self._expand(node.value, path)
        if variables:
            self._origins[path] = _Origin(self._origins[path].line, variables)
        if node.style is not None:
            return text
        try:
            return _typed(text)
        except ValueError:
            self._problem(path, "has too many digits")
            return None

    def _expand(self, text: str, path: KeyPath) -> tuple[str, tuple[str, ...]]:
        """The text with its variables filled in, and which those are."""
        used: list[str] = []

        def fill(match: re.Match[str]) -> str:
            if match[0] == "$${":
                return "${"
            reference = _VARIABLE.fullmatch(match[1])
            if reference is None or not match[2]:
                self._problem(
                    path, "has `${` without a variable; write ${NAME} or ${NAME:default}, and $${ for a plain ${"
                )
                return ""
            name, default = reference[1], reference[2]
            value = self._env.get(name, "")
            if value:
                used.append(name)
                return value
            if default is None:
                self._problem(path, f"needs the environment variable {name}; set it, or write ${{{name}:default}}")
                return ""
            return str(default)

        return _REFERENCE.sub(fill, text), tuple(used)

    def _problem(self, path: KeyPath, what: str) -> None:
        origin = self._origin(path)
        place = f"{self._source}:{origin.line}" if origin else self._source
        key = ".".join(str(part) for part in path)
        self._problems.append((origin.line if origin else 0, f"{place}: {key}: {what}" if key else f"{place}: {what}"))

    def _origin(self, path: KeyPath) -> _Origin | None:
        for length in range(len(path), 0, -1):
            if path[:length] in self._origins:
                return self._origins[path[:length]]
        return None

    def _got(self, path: KeyPath, value: object) -> str:
        """What was there instead. Never a secret, and never the content of an environment variable."""
        if any(is_secret(part) for part in path):
            return "its value is not shown"
        origin = self._origins.get(path)
        if origin and origin.variables:
            return "the value comes from " + ", ".join(f"${{{name}}}" for name in origin.variables)
        if isinstance(value, dict | list):
            return f"there is {_kind(value)}"
        shown = "nothing" if value is None else repr(value)
        return f"there is {shown[:60]}{'…' if len(shown) > 60 else ''}"


def _typed(text: str) -> str | int | float | bool | None:
    """What YAML 1.2 takes an unquoted text for. Raises ValueError for a number with thousands of digits."""
    if _NULL.fullmatch(text):
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text) if text.lstrip("+-").isdigit() else int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _is_text(key: str) -> bool:
    try:
        return isinstance(_typed(key), str)
    except ValueError:
        return False


def _without_empty(data: dict[str, Any], section: type[Section]) -> dict[str, Any]:
    """A section whose keys are all commented out is nothing to YAML, and has its defaults here."""
    kept: dict[str, Any] = {}
    for key, given in data.items():
        value = given
        field = section.model_fields.get(key)
        inner = section_in(field.annotation) if field else None
        if value is None and inner is not None:
            continue
        is_named = field is not None and get_origin(field.annotation) is dict
        if inner is not None and isinstance(value, dict) and not is_named:
            value = _without_empty(value, inner)
        kept[key] = value
    return kept


def _unknown_key(path: KeyPath) -> str:
    known = _known_keys(path[:-1])
    near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.6)
    if near:
        return f"there is no such key; did you mean `{near[0]}`?"
    return f"there is no such key; known here: {', '.join(known)}"


def _known_keys(path: KeyPath) -> list[str]:
    section: type[Section] | None = Config
    parts = iter(path)
    for part in parts:
        field = section.model_fields.get(str(part)) if section else None
        if field is None:
            return []
        if get_origin(field.annotation) is dict:
            next(parts, None)
        section = section_in(field.annotation)
    return list(section.model_fields) if section else []


def section_in(annotation: object) -> type[Section] | None:
    """The section that a field's type holds: directly, as `| None`, or as the values of a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    for argument in get_args(annotation):
        found = section_in(argument)
        if found is not None:
            return found
    return None


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    names = {dict: "a section", list: "a list", str: "text", bool: "true or false"}
    return names.get(type(value), "a number")


def _lower_first(message: str) -> str:
    text = message.removeprefix("Value error, ").removeprefix("Input ")
    return text[:1].lower() + text[1:]
