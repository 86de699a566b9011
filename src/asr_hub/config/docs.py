"""
Writes the reference of the configuration from its schema.

`python -m asr_hub.config.docs` writes it; with `--check` it only says, by its exit status, whether the file is as it
would be written.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import AwareDatetime
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from asr_hub.config.generated import keep
from asr_hub.config.loader import section_in
from asr_hub.config.schema import Config, Hotword, Section

PATH = Path("docs/reference/configuration.md")

_INTRODUCTION = """\
# Configuration

<!-- Written by `python -m asr_hub.config.docs` from the schema. Changes made here are lost. -->

One YAML file, all of it optional; without one the defaults hold. `asr-hub check FILE` tells whether a file is right.

- `${NAME}` takes an environment variable, and the file is refused where it is not set; `${NAME:default}` does with a
  fallback. A variable that is set to nothing counts as not set. `$${` writes a plain `${`. Within `[ ]` and `{ }` put a
  reference in quotes.
- The YAML is version 1.2: `off`, `yes` and `12:30` are text; only `true` and `false` are not.
- A key that is not known is refused, and so is one that is set twice.
- Anchors, aliases and `<<` work. A top-level key that begins with `x-` is free to hold them.
- What a key whose name holds `key`, `token`, `secret` or `password` is set to is never shown, nor is what comes from an
  environment variable.
"""


def reference() -> str:
    """The whole page, as Markdown."""
    return _INTRODUCTION + "".join(_section(Config, ()))


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 1 where `--check` finds the file to be another."""
    return keep("asr_hub.config.docs", PATH, reference(), arguments, about=__doc__)


def _section(section: type[Section], path: tuple[str, ...]) -> list[str]:
    """The section's table, then the sections within it."""
    title = f"`{'.'.join(path)}`" if path else "Top level"
    parts = [f"\n## {title}\n\n{_flat(section.__doc__ or '')}\n"]
    rows = []
    for name, field in section.model_fields.items():
        inner = section_in(field.annotation)
        if inner is None:
            rows.append(f"| `{name}` | {_kind(field)} | {_default(field)} | {_flat(field.description or '')} |\n")
    if rows:
        parts.append("\n| key | takes | default | meaning |\n| --- | --- | --- | --- |\n")
        parts += rows
    for name, field in section.model_fields.items():
        inner = section_in(field.annotation)
        if inner is not None:
            is_named = get_origin(field.annotation) is dict
            parts += _section(inner, (*path, name, "<name>") if is_named else (*path, name))
    return parts


def _kind(field: FieldInfo) -> str:
    bounds = [text for text in map(_bound, field.metadata) if text]
    return ", ".join([_type(field.annotation), *bounds])


def _type(annotation: Any) -> str:  # any annotation there is
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in arguments)
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return "section"
    if arguments:
        return " or ".join(_type(argument) for argument in arguments)
    return _WORDS[annotation]


_WORDS = {
    str: "text",
    int: "whole number",
    float: "number",
    Hotword: "hotword",
    bool: "true or false",
    AwareDatetime: "date and time",
    type(None): "nothing",
}


def _bound(bound: object) -> str:
    match bound:
        case Ge():
            return f"at least {bound.ge}"
        case Gt():
            return f"above {bound.gt}"
        case Le():
            return f"at most {bound.le}"
        case Lt():
            return f"below {bound.lt}"
        case MinLen():
            return f"{bound.min_length} or more"
        case _:
            return ""


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "must be set"
    if field.default is None:
        return "nothing"
    if field.default == {}:
        return "empty"
    text = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
    return f"`{text}`"


def _flat(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
