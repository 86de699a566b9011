"""Whether others can reach a hub that lets everybody in."""

from __future__ import annotations

from collections.abc import Iterator

from asr_hub.access.certificate import is_loopback
from asr_hub.config.schema import Config


def exposure(config: Config) -> str | None:
    """What to tell whoever starts a hub that anybody can use from elsewhere; nothing where that is not so."""
    open_to_others = [host for host, is_keyless in _hosts(config) if is_keyless and not is_loopback(host)]
    if not open_to_others:
        return None
    if config.access.is_on:
        return (
            f"anybody who can reach {open_to_others[0]} may use this hub as the owner of a key, which `dialects` names "
            "for those who bring none; listen on 127.0.0.1, or keep others away by a firewall"
        )
    return (
        f"anybody who can reach {open_to_others[0]} may use this hub: it asks for no key; make one with "
        "`asr-hub keys new NAME`, or listen on 127.0.0.1"
    )


def _hosts(config: Config) -> Iterator[tuple[str, bool]]:
    """Each host that is listened on, and whether callers are let in there without a key."""
    is_open = not config.access.is_on
    yield config.server.host, is_open
    for one in config.dialects.on_ports.values():
        if one.enabled and one.port is not None:
            yield one.host, is_open or one.key is not None
