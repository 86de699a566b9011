"""
Writes the client's copy of the messages that protoc wrote for the hub.

`python sdk/python/make_proto.py` writes it; with `--check` it only says, by its exit status, whether it is up to date.
The copy has the same file descriptor, so both may live in one process, and the client needs nothing of the hub.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src" / "asr_hub" / "v1" / "asr_hub_pb2.py"
TARGET = HERE / "src" / "asr_hub_client" / "asr_hub_pb2.py"


def main(arguments: Sequence[str]) -> int:
    """The exit status: 1 where `--check` finds the copy to be another."""
    text = SOURCE.read_text(encoding="utf-8").replace("'asr_hub.v1.asr_hub_pb2'", "'asr_hub_client.asr_hub_pb2'")
    if "--check" not in arguments:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{TARGET.name} is out of date; run: python sdk/python/make_proto.py\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
