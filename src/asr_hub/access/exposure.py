"""Whether others can reach a hub that lets everybody in."""

from __future__ import annotations

from asr_hub.access.certificate import is_loopback
from asr_hub.config.schema import Config


def exposure(config: Config) -> str | None:
    """What to tell whoever starts a hub that anybody can use from elsewhere; nothing where that is not so."""
    if config.access.is_on or is_loopback(config.server.host):
        return None
    return (
        f"anybody who can reach {config.server.host} may use this hub: it asks for no key; make one with "
        "`asr-hub keys new NAME`, or listen on 127.0.0.1"
    )
