"""SenseVoice: text, language, emotion and event of whole utterances, from one CTC pass."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import groupby
from typing import NamedTuple

import torch
from funasr.utils.load_utils import extract_fbank

from asr_hub.providers.funasr.build import Built
from asr_hub.providers.funasr.pieces import Piece, words_of
from asr_hub.providers.funasr.samples import Samples
from asr_hub.providers.funasr.settings import FunAsrSettings
from asr_hub.providers.funasr.tags import LANGUAGES, TAG, language_name, read_tags
from asr_hub.providers.worker_messages import Begin, Heard

_ASKED = 4
"""Frames before the audio: language, event, emotion and style are asked for there, and answered in the same places."""


class _Run(NamedTuple):
    """One token, over the frames in which it is the likeliest."""

    token: int
    first: int
    last: int
    confidence: float


class SenseVoice:
    """A loaded SenseVoiceSmall. Hears a batch in one pass."""

    def __init__(self, built: Built, chosen: FunAsrSettings) -> None:
        self._built = built
        self._style = built.model.textnorm_dict["withitn" if chosen.use_itn else "woitn"]
        self._language = chosen.language
        self._frame_ms = built.frontend.frame_shift * built.frontend.lfr_n
        pieces = built.tokenizer.sp
        known = {pieces.IdToPiece(token) for token in range(pieces.GetPieceSize())}
        self.languages = tuple(name for name in LANGUAGES if f"<|{name}|>" in known)

    def bucket(self, begin: Begin) -> Hashable:
        """What must be equal within a batch."""
        return language_name(begin.language or self._language)

    def hear(self, clips: Sequence[Samples], begin: Begin) -> list[Heard]:
        """`clips` are each of at least one analysis frame."""
        model, _, frontend, _, device = self._built
        speech, lengths = extract_fbank([torch.from_numpy(clip) for clip in clips], frontend=frontend)
        language = model.lid_dict[self.bucket(begin)]
        asked = model.embed(torch.tensor([[language, 1, 2, self._style]], device=device))
        speech = torch.cat((asked.repeat(len(clips), 1, 1), speech.to(device)), dim=1)
        encoded, lengths = model.encoder(speech, lengths.to(device) + _ASKED)[:2]
        best, tokens = model.ctc.log_softmax(encoded).max(dim=-1)
        rows = zip(tokens.tolist(), best.exp().tolist(), lengths.tolist(), clips, strict=True)
        return [self._heard(row[:length], sure[:length], len(clip)) for row, sure, length, clip in rows]

    def _heard(self, tokens: list[int], confidences: list[float], samples: int) -> Heard:
        _, tokenizer, frontend, _, _ = self._built
        runs = [run for run in _runs(tokens, confidences) if run.token != self._built.model.blank_id]
        text, language, tags = read_tags(tokenizer.decode([run.token for run in runs]))
        end = samples * 1000 // frontend.fs
        pieces = [self._piece(run, end) for run in runs]
        said = [piece for piece in pieces if not TAG.fullmatch(piece.text)]
        words = words_of(said, end=end)
        if "".join(word.text for word in words) != text.replace(" ", ""):
            # Characters that the vocabulary spells byte by byte have no piece of their own.
            words = ()
        return Heard(
            text=text,
            words=words,
            confidence=sum(piece.confidence for piece in said) / len(said) if said else None,
            language=language,
            tags=tags,
        )

    def _piece(self, run: _Run, end: int) -> Piece:
        # A frame stands for the audio around its middle.
        start, stop = (max(0, min(end, (frame - _ASKED) * self._frame_ms - 30)) for frame in (run.first, run.last + 1))
        return Piece(self._built.tokenizer.sp.IdToPiece(run.token), start, stop, run.confidence)


def _runs(tokens: Sequence[int], confidences: Sequence[float]) -> list[_Run]:
    """CTC's collapsing: equal tokens in a row are one, as sure as its surest frame."""
    runs = []
    for token, frames in groupby(range(len(tokens)), key=tokens.__getitem__):
        places = list(frames)
        runs.append(_Run(token, places[0], places[-1], max(confidences[place] for place in places)))
    return runs
