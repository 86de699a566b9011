"""Paraformer and its kin: whole utterances in one pass, with times, and with hotwords where the model takes them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any

import torch
from funasr.utils.load_utils import extract_fbank
from funasr.utils.timestamp_tools import ts_prediction_lfr6_standard

from asr_hub.providers.funasr.build import Built
from asr_hub.providers.funasr.layout import CONTEXTUAL
from asr_hub.providers.funasr.samples import Samples
from asr_hub.providers.funasr.spelling import Token, spelled
from asr_hub.providers.funasr.times import spans
from asr_hub.providers.worker_messages import Begin, Heard


class Paraformer:
    """A loaded Paraformer, BiCifParaformer, ContextualParaformer or SeacoParaformer. Hears a batch in one pass."""

    def __init__(self, kind: str, built: Built) -> None:
        self._built = built
        self._kind = kind
        self._frame_ms = built.frontend.frame_shift * built.frontend.lfr_n
        self._hotwords = lru_cache(maxsize=64)(self._hotword_ids)
        self.languages = vocabulary_languages(built.tokenizer.token_list)

    def bucket(self, begin: Begin) -> Hashable:
        """What must be equal within a batch."""
        return begin.hotwords if self._kind in CONTEXTUAL else ()

    def hear(self, clips: Sequence[Samples], begin: Begin) -> list[Heard]:
        """`clips` are each of at least one analysis frame."""
        model, _, frontend, _, device = self._built
        speech, lengths = extract_fbank([torch.from_numpy(clip) for clip in clips], frontend=frontend)
        encoded, lengths = model.encode(speech.to(device), lengths.to(device))[:2]
        # The predictor looks one frame ahead: what stands behind a short clip in a batch must be as nothing.
        inside = torch.arange(encoded.shape[1], device=device)[None] < lengths[:, None]
        encoded = encoded * inside[..., None]
        embeds, counts, alphas, peaks = model.calc_predictor(encoded, lengths)[:4]
        counts = counts.round().long()
        if int(counts.max()) < 1:
            return [Heard(text="") for _ in clips]
        scores = self._decode(encoded, lengths, embeds, counts, begin.hotwords)
        said = [row[:count] for row, count in zip(scores.argmax(-1).tolist(), counts.tolist(), strict=True)]
        ends = [len(clip) * 1000 // frontend.fs for clip in clips]
        if hasattr(model, "calc_predictor_timestamp") and hasattr(model.predictor, "get_upsample_timestamp"):
            alphas, peaks = model.calc_predictor_timestamp(encoded, lengths, counts)[2:4]
            timed = [
                self._timed_upsampled(tokens, alphas[row], peaks[row], int(lengths[row]), ends[row])
                for row, tokens in enumerate(said)
            ]
        else:
            timed = [self._timed(tokens, peaks[row], int(lengths[row]), ends[row]) for row, tokens in enumerate(said)]
        return [Heard(text=text, words=words) for text, words in map(spelled, timed)]

    def _decode(self, encoded: Any, lengths: Any, embeds: Any, counts: Any, hotwords: tuple[str, ...]) -> Any:
        model = self._built.model
        if self._kind == "SeacoParaformer":
            return model._seaco_decode_with_ASF(encoded, lengths, embeds, counts, hw_list=self._hotwords(hotwords))
        if self._kind == "ContextualParaformer":
            return model.cal_decoder_with_predictor(
                encoded, lengths, embeds, counts, hw_list=self._hotwords(hotwords), clas_scale=1.0
            )[0]
        return model.cal_decoder_with_predictor(encoded, lengths, embeds, counts)[0]

    def _timed(self, tokens: list[int], peaks: Any, frames: int, end: int) -> list[Token]:
        """A token has the place of the firing that made its embedding."""
        fires = (peaks[: frames + 1] >= self._built.model.predictor.threshold - 1e-4).nonzero()[:, 0].tolist()
        places = spans(fires, end, self._frame_ms)
        if len(places) < len(tokens):
            places = [*places, *[places[-1] if places else (0, 0)] * (len(tokens) - len(places))]
        names = self._built.tokenizer.ids2tokens(tokens)
        return self._kept(tokens, [Token(name, *place) for name, place in zip(names, places, strict=False)])

    def _timed_upsampled(self, tokens: list[int], alphas: Any, peaks: Any, frames: int, end: int) -> list[Token]:
        names = self._built.tokenizer.ids2tokens(tokens)
        bare = self._kept(tokens, [Token(name, 0, 0) for name in names])
        times_finer = self._built.model.predictor.upsample_times
        size = frames * times_finer
        # The function writes into what it is given.
        _, times = ts_prediction_lfr6_standard(
            alphas[:size].clone(), peaks[:size].clone(), [token.text for token in bare], upsample_rate=times_finer
        )
        if len(times) != len(bare):
            return [token._replace(end=end) for token in bare]
        places = [(max(0, min(start, end)), max(0, min(stop, end))) for start, stop in times]
        return [token._replace(start=start, end=stop) for token, (start, stop) in zip(bare, places, strict=True)]

    def _kept(self, tokens: list[int], named: list[Token]) -> list[Token]:
        model = self._built.model
        silent = {model.sos, model.eos, model.blank_id}
        return [token for number, token in zip(tokens, named, strict=True) if number not in silent]

    def _hotword_ids(self, hotwords: tuple[str, ...]) -> list[list[int]] | None:
        """The hotwords' tokens, and a last entry for none of them."""
        words = " ".join(hotwords).split()
        if not words:
            return None
        # FunASR fetches what begins with `http` and opens what ends with `.txt`; with spaces around it does neither.
        text = f" {' '.join(words)} "
        ids: list[list[int]] = self._built.model.generate_hotwords_list(
            text, tokenizer=self._built.tokenizer, frontend=self._built.frontend
        )
        return [each for each in ids if each]


def vocabulary_languages(tokens: Sequence[str]) -> tuple[str, ...]:
    """The languages that a Paraformer's tokens can spell: Chinese characters, Latin letters or both."""
    found = {"zh": False, "en": False}
    for token in tokens:
        bare = token.removesuffix("@@")
        found["zh"] = found["zh"] or any("\u4e00" <= char <= "\u9fff" for char in bare)
        found["en"] = found["en"] or (bare.isascii() and bare.isalpha())
    return tuple(language for language, is_found in found.items() if is_found)
