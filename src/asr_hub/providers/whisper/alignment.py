"""Which word was said when: the model's own alignment of a text with the audio."""

from __future__ import annotations

from collections.abc import Sequence

import ctranslate2

from asr_hub.model import HUB_RATE
from asr_hub.providers.whisper.failures import named
from asr_hub.providers.whisper.features import rows, samples
from asr_hub.providers.whisper.progress import Take
from asr_hub.providers.whisper.quiet import sounding, trimmed
from asr_hub.providers.whisper.vocabulary import Vocabulary
from asr_hub.providers.whisper.words import UNSPACED, with_times, written
from asr_hub.providers.worker_messages import HeardWord


class Aligner:
    """Gives the clips of a batch the words of their texts."""

    def __init__(self, model: ctranslate2.models.Whisper, vocabulary: Vocabulary, task: str) -> None:
        self._model = model
        self._vocabulary = vocabulary
        self._task = task

    def add_words(self, takes: Sequence[Take]) -> None:
        """One call for those that were encoded together and speak the same language. None has an empty text."""
        groups: dict[tuple[int, str], list[Take]] = {}
        for take in takes:
            groups.setdefault((id(take.encoded), take.progress.spoken), []).append(take)
        for (_, language), group in groups.items():
            encoded = rows(group[0].encoded, [take.row for take in group])
            texts = [list(take.timed.tokens) for take in group]
            frames = [min(take.progress.spectrogram.shape[1], encoded.shape[1] * 2) for take in group]
            with named():
                results = self._model.align(encoded, list(self._vocabulary.start(language, self._task)), texts, frames)
            for take, aligned in zip(group, results, strict=True):
                take.progress.add_words(self._words(take, aligned))

    def _words(self, take: Take, aligned: ctranslate2.models.WhisperAlignmentResult) -> tuple[HeardWord, ...]:
        progress, rest = take.progress, take.timed.rest
        words = with_times(
            written(take.timed.tokens, self._vocabulary.decode, is_spaced=progress.spoken not in UNSPACED),
            aligned.alignments,
            aligned.text_token_probs,
            offset_s=progress.at_s,
            limit_s=progress.clip.seconds if rest is None else progress.at_s + rest,
        )
        return trimmed(words, sounding(samples(progress.clip.pcm), HUB_RATE))
