"""
The native protocol as JSON Schema, generated from the messages.

`python -m asr_hub.wire.schema` writes docs/reference/native-v1.schema.json; with `--check` it compares instead and
exits 1 where the file says something else than the code.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from asr_hub.config.generated import keep
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
    text = json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
    return keep("asr_hub.wire.schema", PATH, text, arguments, about=schema.__doc__)


if __name__ == "__main__":
    raise SystemExit(main())
