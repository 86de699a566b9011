"""
Writes the reference of every provider's settings from the structs that read them.

`python -m asr_hub.providers.docs` writes it; with `--check` it only says, by its exit status, whether the file is as it
would be written. No engine is imported.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Mapping
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo, fields

from asr_hub.config.generated import keep
from asr_hub.providers import registry

PATH = Path("docs/reference/providers.md")

SETTINGS: Mapping[str, str] = {
    "faster-whisper": "asr_hub.providers.whisper.settings:WhisperSettings",
    "funasr": "asr_hub.providers.funasr.settings:FunAsrSettings",
    "sherpa-onnx": "asr_hub.providers.sherpa.settings:SherpaSettings",
    "vosk": "asr_hub.providers.vosk.settings:VoskSettings",
    "transformers": "asr_hub.providers.transformers.settings:TransformersSettings",
    "openai": "asr_hub.providers.cloud.openai_rest:OpenAIRestSettings",
    "openai-realtime": "asr_hub.providers.cloud.openai_realtime:OpenAIRealtimeSettings",
    "google": "asr_hub.providers.cloud.google_settings:GoogleSettings",
    "pocketsphinx": "asr_hub.providers.pocketsphinx_settings:PocketSphinxSettings",
    "openwakeword": "asr_hub.providers.openwakeword:OpenWakeWordSettings",
    "scripted": "asr_hub.providers.scripted:ScriptedSettings",
}
"""`module:Struct` of each kind: the target of a kind is called with any mapping and does not tell its shape."""

SHARED: Mapping[str, str] = {
    "asr_hub.providers.hosted:HostSettings": "Engines with a process",
    "asr_hub.providers.cloud.openai_settings:OpenAIServer": "OpenAI servers",
}
"""Structs that those of several kinds extend, and the titles of their sections."""

_INTRODUCTION = """\
# Settings of the providers

<!-- Written by `python -m asr_hub.providers.docs` from the settings' structs. Changes made here are lost. -->

What `providers.<name>.settings` may hold depends on the `kind`. The rest of the file is in
[Configuration](configuration.md). A setting that is not known is refused, with a list of those that are.
"""


def reference() -> str:
    """The whole page, as Markdown."""
    parts = [_INTRODUCTION]
    for target, title in SHARED.items():
        parts += _section(title, _struct(target))
    for kind in registry.BUILTIN:
        parts += _section(f"`{kind}`", settings_of(kind))
    return "".join(parts)


def settings_of(kind: str) -> type[msgspec.Struct]:
    """The struct that the settings of a built-in kind are read into."""
    return _struct(SETTINGS[kind])


def meanings(shape: type[msgspec.Struct]) -> Mapping[str, str]:
    """What stands under each field of `shape`, or of the struct that it extends, on one line."""
    found: dict[str, str] = {}
    for ancestor in reversed(shape.__mro__):
        if issubclass(ancestor, msgspec.Struct) and ancestor is not msgspec.Struct:
            found |= _written_in(ancestor)
    return found


def is_section(field: FieldInfo) -> bool:
    """Whether what the field takes is settings again, which have a section of their own."""
    return inspect.isclass(field.type) and issubclass(field.type, msgspec.Struct)


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 1 where `--check` finds the file to be another."""
    return keep("asr_hub.providers.docs", PATH, reference(), arguments, about=__doc__)


def _struct(target: str) -> type[msgspec.Struct]:
    module, _, name = target.partition(":")
    found: type[msgspec.Struct] = getattr(import_module(module), name)
    return found


def _section(title: str, shape: type[msgspec.Struct]) -> list[str]:
    """The struct's own fields as a table, where the others are told, then the sections within it."""
    shared = [target for target in SHARED if issubclass(shape, _struct(target)) and shape is not _struct(target)]
    own = [field for field in fields(shape) if field.name in inspect.get_annotations(shape)]
    told = meanings(shape)
    parts = [f"\n## {title}\n\n{_flat(shape.__doc__ or '')}\n"]
    parts += [f"\nThose of [{SHARED[target]}](#{_anchor(SHARED[target])}), and:\n" for target in shared]
    parts.append("\n| setting | takes | default | meaning |\n| --- | --- | --- | --- |\n")
    parts += [_row(field, told.get(field.name, "")) for field in own if not is_section(field)]
    for field in own:
        if is_section(field):
            parts += _section(f"{title}: `{field.name}`", field.type)
    return parts


def _written_in(shape: type[msgspec.Struct]) -> Mapping[str, str]:
    """The texts under the fields that stand in the source of this very class: they are not kept at run time."""
    tree = ast.parse(dedent(inspect.getsource(shape))).body[0]
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    found = {}
    for field, below in pairwise(body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = _flat(text)
    return found


def _row(field: FieldInfo, meaning: str) -> str:
    return f"| `{field.name}` | {_takes(field.type)} | {_default(field)} | {meaning} |\n"


def _takes(annotation: Any) -> str:  # any annotation there is
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in arguments)
    if origin is Annotated:
        return ", ".join([_takes(arguments[0]), *_bounds(arguments[1:])])
    if origin is tuple:
        return "list of " + ", ".join(_takes(argument) for argument in arguments if argument is not ...)
    if origin is dict:
        return "map"
    if arguments:
        return " or ".join(map(_takes, arguments))
    return {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "nothing"}[annotation]


def _bounds(extras: tuple[object, ...]) -> list[str]:
    found: list[str] = []
    for meta in extras:
        if isinstance(meta, msgspec.Meta):
            bounds = (("at least", meta.ge), ("above", meta.gt), ("at most", meta.le), ("below", meta.lt))
            found += [f"{words} {bound:g}" for words, bound in bounds if bound is not None]
    return found


def _default(field: FieldInfo) -> str:
    if field.required:
        return "must be set"
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if default is None:
        return "nothing"
    if default in ("", (), {}):
        return "empty"
    return f"`{default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)}`"


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def _flat(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
