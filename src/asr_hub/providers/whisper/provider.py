"""
faster-whisper: the Whisper models on CTranslate2, for a CPU or a GPU. Good at dictation in many languages.

The model hears whole utterances; partials are the utterance decoded again while it grows. Utterances of all sessions
share batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asr_hub.model import HUB_RATE, ProviderName
from asr_hub.providers.base import Capabilities
from asr_hub.providers.hosted import Hosted
from asr_hub.providers.settings import read_settings
from asr_hub.providers.whisper.settings import WhisperSettings

_TARGET = "asr_hub.providers.whisper.engine:load"


class FasterWhisper(Hosted):
    """A Provider. What the loaded model cannot do is refused at the start, with what to set instead."""

    def __init__(self, name: ProviderName, settings: Mapping[str, Any]) -> None:
        chosen = read_settings(name, settings, WhisperSettings)
        super().__init__(
            name,
            chosen,
            Capabilities(
                streaming=True,
                partials=True,
                words=chosen.word_times,
                confidence=True,
                hotwords=True,
                languages=chosen.languages,
                sample_rates=(HUB_RATE,),
                batch=True,
                gpu=True,
                description="Dictation in many languages; best on a GPU. Hotwords are a hint, not a promise.",
            ),
            target=_TARGET,
            is_streaming=False,
        )
