"""Where every caller of every protocol is let in, or not."""

from __future__ import annotations

from asr_hub.access.grant import ANYBODY, Grant


class OpenDoor:
    """Access control is off: everybody may do everything."""

    def admit(self, secret: str | None) -> Grant:
        return ANYBODY
