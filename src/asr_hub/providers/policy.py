"""`policy: local`: no provider may open a connection beyond this machine."""

from __future__ import annotations

from collections.abc import Mapping

from asr_hub.errors import ConfigError
from asr_hub.providers import registry


def stay_inside(entries: Mapping[str, registry.Entry]) -> None:
    """
    Raise ConfigError for the first provider that would open a connection outside, whatever keys are set.

    Nothing of a provider is made before this. What a class of the user's own does is not known here.
    """
    for name, (kind, settings) in entries.items():
        if registry.leaves_machine(kind, settings):
            raise ConfigError(
                f"providers.{name}: {kind} opens a connection outside this machine, and `policy: local` forbids it; "
                "remove the provider, give it a server on this machine, or set `policy: any`"
            )
