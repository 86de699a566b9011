"""The toy engines as a kind of provider, for whole hubs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.providers.host.toys import ToySettings

from asr_hub.model import ProviderName
from asr_hub.providers.base import Capabilities
from asr_hub.providers.hosted import Hosted
from asr_hub.providers.settings import read_settings


class Toy(Hosted):
    """Its text depends on the audio, whatever is said in it. With `self_test_text: streaming`, the streaming one."""

    def __init__(self, name: ProviderName, settings: Mapping[str, Any]) -> None:
        chosen = read_settings(name, {"self_test": "off", **settings}, ToySettings)
        super().__init__(
            name,
            chosen,
            Capabilities(streaming=True, partials=True, words=True, gpu=True),
            target="tests.providers.host.toys:load",
            is_streaming=chosen.self_test_text == "streaming",
        )
