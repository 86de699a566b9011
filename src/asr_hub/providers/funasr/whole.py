"""A WholeEngine on SenseVoice or Paraformer: what is common to both, around the model itself."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Protocol

import torch
from msgspec.structs import replace

from asr_hub.providers.funasr.build import Built
from asr_hub.providers.funasr.failures import told
from asr_hub.providers.funasr.paraformer import Paraformer
from asr_hub.providers.funasr.punctuation import Punctuation
from asr_hub.providers.funasr.samples import Samples, as_samples
from asr_hub.providers.funasr.sense_voice import SenseVoice
from asr_hub.providers.funasr.settings import FunAsrSettings
from asr_hub.providers.host.engine import Clip
from asr_hub.providers.worker_messages import Begin, Heard

SHORTEST_S = 0.025
"""Seconds of one analysis frame. With no frame at all, the library that makes the features ends the process."""

_GROWTH = 1.5
"""How many times as long as the shortest the longest clip of a batch may be: what is between them is padding."""


class Model(Protocol):
    """A model that hears whole clips."""

    languages: tuple[str, ...]

    def bucket(self, begin: Begin) -> Hashable: ...

    def hear(self, clips: Sequence[Samples], begin: Begin) -> list[Heard]: ...


class WholeFunAsr:
    """A WholeEngine."""

    def __init__(
        self, kind: str, built: Built, chosen: FunAsrSettings, punctuation: Punctuation | None, *, version: str
    ) -> None:
        self._model: Model = SenseVoice(built, chosen) if kind == "SenseVoiceSmall" else Paraformer(kind, built)
        self._rate = int(built.frontend.fs)
        self._punctuation = punctuation
        self.version = version
        self.device = str(built.device)
        self.languages = chosen.languages or self._model.languages
        self.max_clip_s: float | None = chosen.max_clip_s

    def bucket(self, clip: Clip) -> Hashable:
        length = math.floor(math.log(max(clip.seconds, 1.0), _GROWTH))
        return self._model.bucket(clip.begin), length

    def recognise(self, clips: Sequence[Clip]) -> Sequence[Heard]:
        heard = [Heard(text="") for _ in clips]
        audible = [place for place, clip in enumerate(clips) if clip.seconds >= SHORTEST_S]
        if not audible:
            return heard
        samples = [as_samples(clips[place].pcm, clips[place].begin, self._rate) for place in audible]
        with told(), torch.inference_mode():
            results = self._model.hear(samples, clips[audible[0]].begin)
            for place, result in zip(audible, results, strict=True):
                heard[place] = self._finished(result, clips[place])
        return heard

    def _finished(self, heard: Heard, clip: Clip) -> Heard:
        if self._punctuation is None or not clip.is_final:
            return heard
        return replace(heard, text=self._punctuation.write(heard.text))
