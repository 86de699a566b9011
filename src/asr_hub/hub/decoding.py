"""Audio files of clients become samples, in processes of their own that can be killed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

from asr_hub.errors import UnsupportedAudio


class Decoders:
    """`FilesPort`. A context, which ends all its processes; nothing runs before the first file."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def decoded(self, path: Path) -> AsyncIterator[bytes]:
        raise UnsupportedAudio("not yet")
        yield b""

    async def decoded_live(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        raise UnsupportedAudio("not yet")
        yield b""
