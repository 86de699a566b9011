"""
The native protocol as JSON Schema, generated from the messages.

`python -m asr_hub.wire.schema` writes docs/reference/native-v1.schema.json; with `--check` it compares instead and
exits 1 where the file says something else than the code.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from asr_hub.wire.messages import VERSION, AnyClientMessage, AnyServerMessage

PATH = Path(__file__).parents[3] / "docs" / "reference" / f"native-v{VERSION}.schema.json"


def schema() -> dict[str, Any]:
    """JSON Schema 2020-12. `$defs/ClientMessage` and `$defs/ServerMessage` are what each side may send."""
    (client, server), components = msgspec.json.schema_components(
        (AnyClientMessage, AnyServerMessage), ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"ASR Hub native protocol v{VERSION}",
        "description": "Text messages of /v1/stream. Audio goes in binary frames.",
        "anyOf": [{"$ref": "#/$defs/ClientMessage"}, {"$ref": "#/$defs/ServerMessage"}],
        "$defs": {"ClientMessage": client, "ServerMessage": server, **dict(sorted(components.items()))},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m asr_hub.wire.schema", description=schema.__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    parser.add_argument("--path", type=Path, default=PATH)
    options = parser.parse_args(arguments)
    text = json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
    if not options.check:
        options.path.parent.mkdir(parents=True, exist_ok=True)
        options.path.write_text(text, encoding="utf-8")
        return 0
    if options.path.is_file() and options.path.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(
        f"{options.path.name} differs from wire/messages.py: run `python -m asr_hub.wire.schema` and commit the file\n"
    )
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
