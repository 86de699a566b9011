"""What a session asks for and its engine has no means for."""

from __future__ import annotations

from asr_hub.model import ProviderName
from asr_hub.providers.base import Capabilities, RecognitionOptions


def not_done(name: ProviderName, can: Capabilities, options: RecognitionOptions) -> tuple[str, ...]:
    """One warning for each wish that will not be met, for people."""
    if options.hotwords and not can.hotwords and options.hotwords_matched:
        return (f"{name} knows no hotwords: the hub writes them where words in its finals sound like them",)
    if options.hotwords and not can.hotwords:
        return (f"{name} knows no hotwords: they are not used",)
    if options.hotword_weights and options.hotwords and not can.hotword_weights:
        return (f"{name} prefers all hotwords alike: of their weights only the order is used",)
    return ()
