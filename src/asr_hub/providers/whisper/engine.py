"""faster-whisper, in the process that hosts it: batches of clips through CTranslate2's Whisper."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from importlib.metadata import version
from typing import Any

import ctranslate2
import msgspec
import numpy as np

from asr_hub.errors import OutOfMemory
from asr_hub.model import HUB_RATE
from asr_hub.providers.host.engine import Broken, Clip
from asr_hub.providers.whisper.alignment import Aligner
from asr_hub.providers.whisper.decoding import Decoded, Decoder
from asr_hub.providers.whisper.failures import named
from asr_hub.providers.whisper.features import FRAMES_PER_S, loudest_dbfs, padded, rows, samples, spectrogram
from asr_hub.providers.whisper.languages import Languages
from asr_hub.providers.whisper.loading import Loaded, unusable
from asr_hub.providers.whisper.phantom import Guess, Limits, is_doubtful, why_no_speech
from asr_hub.providers.whisper.progress import Plan, Progress, Take
from asr_hub.providers.whisper.prompts import Told, told
from asr_hub.providers.whisper.segments import Timed, timed
from asr_hub.providers.whisper.settings import WhisperSettings
from asr_hub.providers.whisper.window import window_s
from asr_hub.providers.worker_messages import Begin, Heard
from asr_hub.wording import compression_ratio

SHORTEST_S = 0.1
"""Seconds: the model makes words of less, and none of them was said."""

MARGIN_S = 2.0
"""Seconds of the full window that a clip leaves free: at its very end the model loses words."""

_CONTEXT = 2000
"""Characters: more of what was said before never has room."""


def load(settings: dict[str, Any]) -> WhisperEngine:
    """Load the model and decode something. Raises ConfigError or ProviderUnavailable with what to do."""
    chosen = msgspec.convert(settings, WhisperSettings)
    engine = WhisperEngine(chosen, Loaded(chosen))
    try:
        engine.warm_up()
    except (Broken, OutOfMemory) as exc:
        raise unusable(exc) from exc
    return engine


class WhisperEngine:
    """A WholeEngine. Its answers do not depend on what else is in the batch, but for temperatures above 0."""

    def __init__(self, settings: WhisperSettings, loaded: Loaded) -> None:
        self._settings = settings
        self._model = loaded.model
        self._extract = loaded.extract
        self._vocabulary = loaded.vocabulary
        self._languages = Languages(loaded.vocabulary, settings)
        self._decoder = Decoder(loaded.model, settings, loaded.vocabulary.silenced)
        self._aligner = Aligner(loaded.model, loaded.vocabulary, settings.task)
        self._full_s = self._extract.nb_max_frames / FRAMES_PER_S
        self._limits = Limits(
            compression_ratio=settings.compression_ratio_threshold,
            log_prob=settings.log_prob_threshold,
            no_speech=settings.no_speech_threshold,
            confidence=settings.min_confidence,
            phantoms=settings.phantoms,
        )
        self.version = (
            f"faster-whisper {version('faster-whisper')}, ctranslate2 {version('ctranslate2')}, "
            f"{loaded.name}, {loaded.compute_type}"
        )
        self.device = loaded.device
        self.languages = self._languages.tags
        self.max_clip_s: float | None = self._full_s - MARGIN_S

    def warm_up(self) -> None:
        """Decode a breath of noise: what a device allocates or lacks shows with its first batch."""
        noise = np.random.default_rng(0).normal(0, 300, HUB_RATE).astype("<i2").tobytes()
        for is_final in (True, False):
            self.recognise([Clip(pcm=noise, begin=Begin(sample_rate=HUB_RATE), is_final=is_final)])

    def bucket(self, clip: Clip) -> Hashable:
        refused = self._languages.refused(clip.begin.language)
        if refused is not None:
            # By itself, so that it fails nobody else.
            return ("refused", clip.begin.language)
        plan = self._plan(clip)
        return (plan.window_s, plan.timestamps, plan.is_final, len(self._told(plan, clip.context).tokens))

    def recognise(self, clips: Sequence[Clip]) -> Sequence[Heard]:
        for clip in clips:
            refused = self._languages.refused(clip.begin.language)
            if refused is not None:
                raise refused
        every = [self._begun(clip) for clip in clips]
        batch = [progress for progress in every if not progress.is_over]
        if batch:
            self._hear(batch)
        for progress in batch:
            # Prompts are of unlike length from here on; this is too rare to group them. Each round gets a second on.
            while not progress.is_over:
                self._hear([progress])
        return [progress.heard for progress in every]

    def _begun(self, clip: Clip) -> Progress:
        audio = samples(clip.pcm)
        plan = self._plan(clip)
        if clip.seconds < SHORTEST_S or loudest_dbfs(audio, HUB_RATE) < self._settings.hush_dbfs:
            progress = Progress(clip, plan, np.zeros((self._model.n_mels, 0), np.float32))
            progress.is_over = True
        else:
            progress = Progress(clip, plan, spectrogram(audio, self._extract))
        used = self._told(plan, clip.context).hotwords
        if used < len(plan.hotwords):
            progress.warnings = (f"{len(plan.hotwords) - used} of the hotwords have no room in the prompt",)
        return progress

    def _hear(self, batch: Sequence[Progress]) -> None:
        """Decode what is left of each clip. All have the same window and equally long prompts."""
        takes = [self._read(take) for take in self._decode(batch, batch[0].plan.window_s)]
        if batch[0].plan.is_final and self._settings.word_times:
            self._aligner.add_words([take for take in takes if take.timed.tokens])
        for take in takes:
            take.progress.go_on(take.timed.rest)

    def _decode(self, batch: Sequence[Progress], window: float) -> list[Take]:
        encoded = self._encode(batch, window)
        self._detect(batch, encoded)
        prompts = [self._prompt(progress) for progress in batch]
        is_final = batch[0].plan.is_final
        decode = self._decoder.finals if is_final else self._decoder.partials
        takes = [
            Take(progress, encoded, row, decoded)
            for row, (progress, decoded) in enumerate(zip(batch, decode(encoded, prompts), strict=True))
        ]
        if is_final:
            self._try_again(takes, prompts, window)
        return takes

    def _try_again(self, takes: list[Take], prompts: Sequence[list[int]], window: float) -> None:
        """Put better decodings in the place of doubtful ones: first in the full window, then by chance."""
        doubtful = [row for row, take in enumerate(takes) if self._is_doubtful(take.decoded)]
        if not doubtful:
            return
        if window < self._full_s:
            again = self._decode([takes[row].progress for row in doubtful], self._full_s)
            for row, take in zip(doubtful, again, strict=True):
                takes[row] = take
            return
        encoded = takes[0].encoded
        for temperature in self._settings.temperatures[1:]:
            decoded = self._decoder.sampled(rows(encoded, doubtful), [prompts[row] for row in doubtful], temperature)
            for row, attempt in zip(doubtful, decoded, strict=True):
                takes[row] = takes[row]._replace(decoded=max(takes[row].decoded, attempt, key=self._rank))
            doubtful = [row for row in doubtful if self._is_doubtful(takes[row].decoded)]
            if not doubtful:
                return

    def _encode(self, batch: Sequence[Progress], window: float) -> ctranslate2.StorageView:
        with named():
            spectrograms = [progress.spectrogram for progress in batch]
            return self._model.encode(padded(spectrograms, round(window * FRAMES_PER_S)))

    def _detect(self, batch: Sequence[Progress], encoded: ctranslate2.StorageView) -> None:
        unknown = [row for row, progress in enumerate(batch) if progress.language is None]
        if not unknown:
            return
        with named():
            found = self._model.detect_language(rows(encoded, unknown))
        codes = self._languages.codes
        for row, ranking in zip(unknown, found, strict=True):
            ranked = (token[2:-2] for token, _ in ranking)
            batch[row].language = next((code for code in ranked if code in codes), codes[0])

    def _read(self, take: Take) -> Take:
        """Take text and times out of the tokens, and what is no speech out of the text."""
        progress, decoded = take.progress, take.decoded
        part = Timed(decoded.tokens, 0.0, progress.rest_s, None)
        if progress.plan.timestamps:
            first = self._vocabulary.first_timestamp
            part = timed(decoded.tokens, first_timestamp=first, seconds=progress.rest_s)
        text = self._text(part.tokens)
        because = why_no_speech(self._guess(decoded, text), self._limits, seconds=progress.rest_s)
        if because:
            progress.suppress(text, because)
        if because or not text:
            return take._replace(timed=part._replace(tokens=()))
        tokens = tuple(token for token in part.tokens if token < self._vocabulary.end)
        progress.take(text, start_s=progress.at_s + part.start, log_prob=decoded.log_prob, tokens=len(tokens))
        return take._replace(timed=part._replace(tokens=tokens))

    def _plan(self, clip: Clip) -> Plan:
        chosen = self._settings
        window = self._full_s
        if chosen.window == "adaptive":
            least, margin = chosen.window_min_s, chosen.window_margin_s
            window = window_s(clip.seconds, full=self._full_s, least=least, margin=margin)
        return Plan(
            language=self._languages.code(clip.begin.language),
            hotwords=tuple(word for word in clip.begin.hotwords if word.strip()),
            window_s=window,
            timestamps=clip.is_final and clip.seconds > chosen.timestamps_from_s,
            is_final=clip.is_final,
        )

    def _prompt(self, progress: Progress) -> list[int]:
        before = self._told(progress.plan, f"{progress.clip.context} {progress.text}".strip())
        start = self._vocabulary.start(progress.spoken, self._settings.task)
        return self._vocabulary.prompt(before.tokens, start, timestamps=progress.plan.timestamps)

    def _told(self, plan: Plan, context: str) -> Told:
        encode = self._vocabulary.encode
        # A list as people write one: `Asta, Bero`.
        hotwords = [encode(f"{',' if place else ''} {word.strip()}") for place, word in enumerate(plan.hotwords)]
        text = f"{self._settings.prompt} {context[-_CONTEXT:]}".strip()
        return told(hotwords, encode(f" {text}") if text else ())

    def _text(self, tokens: Sequence[int]) -> str:
        return " ".join(self._vocabulary.decode(tokens).split())

    def _guess(self, decoded: Decoded, text: str) -> Guess:
        return Guess(text=text, log_prob=decoded.log_prob, no_speech=decoded.no_speech)

    def _is_doubtful(self, decoded: Decoded) -> bool:
        return is_doubtful(self._guess(decoded, self._text(decoded.tokens)), self._limits)

    def _rank(self, decoded: Decoded) -> tuple[bool, bool, float]:
        is_repeated = compression_ratio(self._text(decoded.tokens)) > self._limits.compression_ratio
        return (not self._is_doubtful(decoded), not is_repeated, decoded.log_prob)
