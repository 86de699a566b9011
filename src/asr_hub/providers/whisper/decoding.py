"""The decoder of the model: from encoded audio and prompts to tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import ctranslate2

from asr_hub.providers.whisper.failures import named
from asr_hub.providers.whisper.settings import WhisperSettings


class Decoded(NamedTuple):
    """The likeliest tokens for a clip."""

    tokens: tuple[int, ...]
    log_prob: float
    """Average natural logarithm of a token's probability. Minus infinity where the model gave no number."""
    no_speech: float


class Decoder:
    """Decodes batches of clips whose prompts are equally long."""

    def __init__(self, model: ctranslate2.models.Whisper, settings: WhisperSettings, silenced: Sequence[int]) -> None:
        self._model = model
        self._settings = settings
        self._silenced = list(silenced)

    def partials(self, encoded: ctranslate2.StorageView, prompts: Sequence[Sequence[int]]) -> list[Decoded]:
        beam = self._settings.partial_beam_size
        return self._decode(encoded, prompts, beam_size=beam, patience=self._settings.patience)

    def finals(self, encoded: ctranslate2.StorageView, prompts: Sequence[Sequence[int]]) -> list[Decoded]:
        beam = self._settings.beam_size
        return self._decode(encoded, prompts, beam_size=beam, patience=self._settings.patience)

    def sampled(
        self, encoded: ctranslate2.StorageView, prompts: Sequence[Sequence[int]], temperature: float
    ) -> list[Decoded]:
        """The likeliest of a few that are drawn by chance."""
        return self._decode(
            encoded,
            prompts,
            beam_size=1,
            num_hypotheses=self._settings.best_of,
            sampling_topk=0,
            sampling_temperature=temperature,
        )

    def _decode(
        self,
        encoded: ctranslate2.StorageView,
        prompts: Sequence[Sequence[int]],
        **options: Any,  # those of `generate`, which checks them
    ) -> list[Decoded]:
        chosen = self._settings
        with named():
            results = self._model.generate(
                encoded,
                [list(prompt) for prompt in prompts],
                length_penalty=chosen.length_penalty,
                repetition_penalty=chosen.repetition_penalty,
                no_repeat_ngram_size=chosen.no_repeat_ngram_size,
                suppress_tokens=self._silenced,
                return_scores=True,
                return_no_speech_prob=True,
                **options,
            )
        return [self._read(result) for result in results]

    def _read(self, result: ctranslate2.models.WhisperGenerationResult) -> Decoded:
        tokens = tuple(result.sequences_ids[0])
        # The score is divided by length ** length_penalty; the end of the text counts as a token.
        log_prob = result.scores[0] * len(tokens) ** self._settings.length_penalty / (len(tokens) + 1)
        no_speech = result.no_speech_prob
        return Decoded(
            tokens,
            log_prob if math.isfinite(log_prob) else -math.inf,
            no_speech if 0 <= no_speech <= 1 else 0.0,
        )
