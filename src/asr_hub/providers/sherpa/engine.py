"""sherpa-onnx in its engine process."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec

from asr_hub.errors import ProviderUnavailable
from asr_hub.providers.host.gpu_memory import refuse_budget
from asr_hub.providers.sherpa.hotwords import Spelling
from asr_hub.providers.sherpa.model_files import alphabet
from asr_hub.providers.sherpa.sdk import device_of, new_recognizer
from asr_hub.providers.sherpa.settings import SherpaSettings
from asr_hub.providers.sherpa.streaming import SherpaStreaming
from asr_hub.providers.sherpa.whole import SherpaWhole


def load(settings: dict[str, Any]) -> SherpaStreaming | SherpaWhole:
    """
    Load a model from its folder. Never fetches one.

    Raises ProviderUnavailable where the engine or a file is not here or not as it must be, ConfigError where settings
    and model do not fit each other.
    """
    chosen = msgspec.convert(settings, SherpaSettings)
    files = chosen.look()
    spelling = Spelling(alphabet(files.tokens), score=chosen.hotwords_score)
    try:
        release = version("sherpa-onnx")
    except PackageNotFoundError as exc:
        raise ProviderUnavailable("sherpa-onnx is not installed; do: pip install 'asr-hub[sherpa-onnx]'") from exc
    device = device_of(chosen)
    refuse_budget("sherpa-onnx", device, chosen.memory_mb)
    recognizer = new_recognizer(chosen, files, device)
    shape = SherpaStreaming if files.kind.is_streaming else SherpaWhole
    engine = shape(recognizer, files, chosen, spelling)
    engine.version = f"sherpa-onnx {release}, {files.name} {files.tokens.parent.name}"
    engine.device = device
    return engine
