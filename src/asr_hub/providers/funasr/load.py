"""The engine's side of the provider: called in the engine's process, once. The SDK is imported here."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import msgspec

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.providers.funasr.layout import PUNCTUATION, STREAMING, Layout, layout
from asr_hub.providers.funasr.settings import FunAsrSettings, punctuation_layout
from asr_hub.providers.host.engine import StreamingEngine, WholeEngine
from asr_hub.providers.host.gpu_memory import hold_torch_to


def load(settings: dict[str, Any]) -> WholeEngine | StreamingEngine[Any]:
    """
    The engine for the model that `settings` name. Takes seconds.

    Raises ProviderUnavailable where SDK, weights or device are not here; ConfigError where the settings do not fit the
    model.
    """
    chosen = msgspec.convert(settings, FunAsrSettings)
    found = layout(chosen.model)
    if found.type in PUNCTUATION:
        raise ConfigError(f"funasr: {found.path} writes punctuation and does not hear; name it under `punctuation`")
    if chosen.streaming is not None and chosen.streaming != (found.type in STREAMING):
        raise ConfigError(
            f"funasr: {found.path} holds a {found.type}; set `streaming: {str(not chosen.streaming).lower()}`, or "
            "start the hub again, so that it sees the folder"
        )
    _need_sdk()
    return _engine(found, chosen)


def _engine(found: Layout, chosen: FunAsrSettings) -> WholeEngine | StreamingEngine[Any]:
    # These import torch and FunASR, for seconds: only here, in the engine's process.
    from asr_hub.providers.funasr.build import build, chosen_device
    from asr_hub.providers.funasr.punctuation import Punctuation

    hold_torch_to(str(chosen_device(chosen.device)), chosen.memory_mb)
    built = build(found, chosen)
    punctuation = None
    if chosen.punctuation:
        punctuation = Punctuation(build(punctuation_layout(chosen.punctuation), chosen))
    name = f"funasr {version('funasr')} {found.type} {found.path.name}"
    if found.type in STREAMING:
        from asr_hub.providers.funasr.streaming import StreamingParaformer

        return StreamingParaformer(built, chosen, punctuation, version=name)
    from asr_hub.providers.funasr.whole import WholeFunAsr

    return WholeFunAsr(found.type, built, chosen, punctuation, version=name)


def _need_sdk() -> None:
    lacks = [name for name in ("torch", "funasr") if find_spec(name) is None]
    if find_spec("torchaudio") is None and find_spec("kaldi_native_fbank") is None:
        # FunASR itself finds this out with the first utterance.
        lacks.append("kaldi_native_fbank")
    if lacks:
        raise ProviderUnavailable(f"funasr: {', '.join(lacks)} is not installed; do: pip install 'asr-hub[funasr]'")
