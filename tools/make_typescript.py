"""
The messages of the native protocol as TypeScript, generated from its JSON Schema.

`python tools/make_typescript.py` writes sdk/typescript/src/messages.ts from docs/reference/native-v1.schema.json; with
`--check` it compares instead and exits 1 where the file says something else than the schema.

What a client sends may leave out what has a default. What the hub sends is completed on arrival: `readMessage` fills
the defaults in, so that their fields are there in the types.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "docs" / "reference" / "native-v1.schema.json"
TARGET = ROOT / "sdk" / "typescript" / "src" / "messages.ts"

Schema = Mapping[str, Any]

_RENAMED = {"Error": "ErrorMessage", "Partial": "PartialMessage"}
"""A file that declares `Error` or `Partial` would hide those of the language."""

HEAD = """\
/** The messages of the native protocol, v1. Written by tools/make_typescript.py: edit src/asr_hub/wire/messages.py. */
"""

READER = """
interface Shape {
  /** Fields that a message may leave out, and what they are then. */
  readonly defaults: Readonly<Record<string, unknown>>;
  readonly required: readonly string[];
  /** Fields that hold a shape, or an array of them. */
  readonly parts: Readonly<Record<string, string>>;
}

/** A message of a newer hub, to be ignored; it takes its place in the count like any other. */
export interface UnknownMessage {
  type: "unknown";
  seq: number;
  skipped?: number;
}

/**
 * One message of the hub, with the defaults filled in.
 *
 * Fields that are not known stay where they are. Throws a SyntaxError for what is no message of this protocol.
 */
export function readMessage(text: string): ServerMessage | UnknownMessage {
  const value: unknown = JSON.parse(text);
  if (!isObject(value) || typeof value["type"] !== "string") {
    throw new SyntaxError("a message without a type came from the hub; is it an ASR Hub?");
  }
  const name = Object.hasOwn(SERVER_MESSAGES, value["type"]) ? SERVER_MESSAGES[value["type"]] : undefined;
  if (name === undefined) {
    return { type: "unknown", seq: count(value["seq"]), skipped: count(value["skipped"]) };
  }
  // The table is made from the same schema as the type.
  return complete(value, name) as ServerMessage;
}

function complete(value: unknown, name: string): unknown {
  const shape = SHAPES[name];
  if (Array.isArray(value)) {
    return value.map((one: unknown) => complete(one, name));
  }
  if (shape === undefined || !isObject(value)) {
    return value;
  }
  const missing = shape.required.find((field) => !(field in value));
  if (missing !== undefined) {
    throw new SyntaxError(`a message without its field "${missing}" came from the hub; is it an ASR Hub?`);
  }
  const whole: Record<string, unknown> = { ...structuredClone(shape.defaults), ...value };
  for (const [field, part] of Object.entries(shape.parts)) {
    whole[field] = complete(whole[field], part);
  }
  return whole;
}

function count(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
"""


def typescript(schema: Schema) -> str:
    """The text of messages.ts."""
    definitions: Mapping[str, Schema] = {_RENAMED.get(name, name): value for name, value in schema["$defs"].items()}
    sent = _members(definitions["ClientMessage"])
    told = _members(definitions["ServerMessage"])
    version = definitions["Ready"]["properties"]["version"]["default"]
    parts = [HEAD, f"\nexport const VERSION = {version};\n"]
    for name, definition in definitions.items():
        if name not in ("ClientMessage", "ServerMessage"):
            parts.append("\n" + _declaration(name, definition, is_sent=name in sent))
    parts.append(f"\n/** What a client sends. */\nexport type ClientMessage ={_lines(sent)};\n")
    parts.append(f"\n/** What the hub sends. */\nexport type ServerMessage ={_lines(told)};\n")
    parts.append(READER)
    parts.append("\n/** From the type of a message to the name of its shape. */\n")
    parts.append("const SERVER_MESSAGES: Readonly<Record<string, string>> = {\n")
    parts += [f"  {json.dumps(_tag(definitions[name]))}: {json.dumps(name)},\n" for name in told]
    parts.append("};\n\nconst SHAPES: Readonly<Record<string, Shape>> = {\n")
    parts += [f"  {name}: {_shape(definitions[name], definitions)},\n" for name in _reached(told, definitions)]
    parts.append("};\n")
    return "".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tools/make_typescript.py", description="messages.ts from the JSON Schema")
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    parser.add_argument("--path", type=Path, default=TARGET)
    options = parser.parse_args(arguments)
    text = typescript(json.loads(SCHEMA.read_text(encoding="utf-8")))
    if not options.check:
        options.path.write_text(text, encoding="utf-8")
        return 0
    if options.path.is_file() and options.path.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(
        f"{options.path.name} differs from {SCHEMA.name}: run `python tools/make_typescript.py` and commit the file\n"
    )
    return 1


def _declaration(name: str, definition: Schema, *, is_sent: bool) -> str:
    doc = _comment(definition.get("description", ""))
    if "properties" not in definition:
        return f"{doc}export type {name} = {_type(definition)};\n"
    fields = "".join(
        f"  {_key(field)}{'?' if _is_optional(field, value, definition, is_sent=is_sent) else ''}: "
        f"{_type(value, is_sent=is_sent)};\n"
        for field, value in definition["properties"].items()
    )
    return f"{doc}export interface {name} {{\n{fields}}}\n"


def _comment(text: str) -> str:
    match text.splitlines():
        case []:
            return ""
        case [line]:
            return f"/** {line} */\n"
        case lines:
            return "".join(["/**\n", *(f" * {line}".rstrip() + "\n" for line in lines), " */\n"])


def _is_optional(field: str, value: Schema, definition: Schema, *, is_sent: bool) -> bool:
    return field not in definition["required"] and (is_sent or "default" not in value)


def _type(value: Schema, *, is_sent: bool = False) -> str:
    if "$ref" in value:
        name = _name(value)
        return f"Partial<{name}>" if is_sent and isinstance(value.get("default"), dict) else name
    if "enum" in value:
        return " | ".join(json.dumps(one) for one in value["enum"])
    if "anyOf" in value:
        return " | ".join(_type(one, is_sent=is_sent) for one in value["anyOf"])
    match value.get("type"):
        case "string" | "boolean" | "null" as kind:
            return kind
        case "integer" | "number":
            return "number"
        case "array":
            return f"readonly {_type(value['items'])}[]"
        case "object":
            return f"Readonly<Record<string, {_type(value['additionalProperties'])}>>"
        case kind:
            raise ValueError(f"no TypeScript for {kind!r} yet; add it to tools/make_typescript.py")


def _shape(definition: Schema, definitions: Mapping[str, Schema]) -> str:
    defaults = {field: value["default"] for field, value in definition["properties"].items() if "default" in value}
    parts = {field: name for field, name in _parts(definition) if "properties" in definitions[name]}
    return f"{{ defaults: {_value(defaults)}, required: {_value(definition['required'])}, parts: {_value(parts)} }}"


def _reached(names: Sequence[str], definitions: Mapping[str, Schema]) -> list[str]:
    """These and every object that they hold, by name."""
    found: set[str] = set()
    open_ = list(names)
    while open_:
        name = open_.pop()
        if name not in found and "properties" in definitions[name]:
            found.add(name)
            open_ += [part for _, part in _parts(definitions[name])]
    return sorted(found)


def _parts(definition: Schema) -> Iterator[tuple[str, str]]:
    for field, value in definition["properties"].items():
        for one in (value, value.get("items", {}), *value.get("anyOf", ())):
            if "$ref" in one:
                yield field, _name(one)


def _members(union: Schema) -> list[str]:
    return [_name(one) for one in union["anyOf"]]


def _tag(definition: Schema) -> str:
    tag: str = definition["properties"]["type"]["enum"][0]
    return tag


def _name(reference: Schema) -> str:
    name: str = reference["$ref"].rsplit("/", 1)[-1]
    return _RENAMED.get(name, name)


def _lines(names: Sequence[str]) -> str:
    return "".join(f"\n  | {name}" for name in names)


def _key(field: str) -> str:
    return field if field.isidentifier() else json.dumps(field)


def _value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    raise SystemExit(main())
