"""An engine that translates, as `kind: tests.compat.english:English`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asr_hub.model import ProviderName
from asr_hub.providers.scripted import Scripted


class English(Scripted):
    """Says the same whatever it hears. Takes the setting `task`, as engines do that can do more than transcribe."""

    def __init__(self, name: ProviderName, settings: Mapping[str, Any]) -> None:
        super().__init__(name, {key: value for key, value in settings.items() if key != "task"})
