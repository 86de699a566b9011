"""A StreamingEngine on ParaformerStreaming: a step of all utterances in one pass, each with the text it has alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from msgspec import structs

from asr_hub.providers.funasr.build import Built
from asr_hub.providers.funasr.chunk_decoder import ChunkDecoder
from asr_hub.providers.funasr.chunk_encoder import ChunkEncoder
from asr_hub.providers.funasr.chunk_features import ChunkFeatures
from asr_hub.providers.funasr.chunk_predictor import ChunkPredictor
from asr_hub.providers.funasr.chunk_state import Chunk, ChunkState
from asr_hub.providers.funasr.failures import told
from asr_hub.providers.funasr.paraformer import vocabulary_languages
from asr_hub.providers.funasr.punctuation import Punctuation
from asr_hub.providers.funasr.samples import Samples, as_samples
from asr_hub.providers.funasr.settings import FunAsrSettings
from asr_hub.providers.funasr.spelling import Token, spelled
from asr_hub.providers.funasr.times import spans
from asr_hub.providers.worker_messages import Begin, Heard

_OPEN_END = re.compile(r"(?:^|\s)(?:[A-Za-z]|[A-Z]+)$")
"""A last letter that becomes an abbreviation with the next one."""


class Sound(NamedTuple):
    """A token, and the frame in which it fired."""

    token: int
    frame: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one utterance is heard. Never changed in place: a step that fails leaves it as it was."""

    state: ChunkState
    rest: Samples
    """Audio that fills no step yet."""
    taken: int = 0
    """Samples that were heard, without `rest`."""
    sounds: tuple[Sound, ...] = ()


@dataclass(slots=True)
class Utterance:
    """One stream of the engine."""

    begin: Begin
    progress: Progress


class _Piece(NamedTuple):
    """The audio of one step of one utterance."""

    samples: Samples
    is_final: bool


class StreamingParaformer:
    """A StreamingEngine."""

    def __init__(self, built: Built, chosen: FunAsrSettings, punctuation: Punctuation | None, *, version: str) -> None:
        self._built = built
        self._punctuation = punctuation
        self._rate = int(built.frontend.fs)
        self._frame_ms = built.frontend.frame_shift * built.frontend.lfr_n
        self._step = chosen.chunk_size[1] * self._frame_ms * self._rate // 1000
        self._features = ChunkFeatures(built, chosen.chunk_size)
        self._encoder = ChunkEncoder(built.model.encoder, chosen.chunk_size, chosen.encoder_look_back)
        self._predictor = ChunkPredictor(built.model.predictor, chosen.chunk_size)
        self._decoder = ChunkDecoder(built.model.decoder, chosen.chunk_size, chosen.decoder_look_back)
        self.version = version
        self.device = str(built.device)
        self.languages = chosen.languages or vocabulary_languages(built.tokenizer.token_list)
        self.step_s = self._step / self._rate

    def begin(self, begin: Begin) -> Utterance:
        as_samples(b"", begin, self._rate)
        with told():
            return Utterance(begin, Progress(self._features.begin(), np.zeros(0, np.float32)))

    def step(self, streams: Sequence[Utterance], pcm: Sequence[bytes]) -> Sequence[Heard | None]:
        before = [len(stream.progress.sounds) for stream in streams]
        self._hear(streams, pcm, is_final=False)
        return [
            self._heard(stream) if len(stream.progress.sounds) > count else None
            for stream, count in zip(streams, before, strict=True)
        ]

    def end(self, streams: Sequence[Utterance], pcm: Sequence[bytes]) -> Sequence[Heard]:
        self._hear(streams, pcm, is_final=True)
        finals = [self._heard(stream) for stream in streams]
        if self._punctuation is None:
            return finals
        with told():
            return [structs.replace(final, text=self._punctuation.write(final.text)) for final in finals]

    def drop(self, stream: Utterance) -> None:
        """The state goes with the stream."""

    def _hear(self, streams: Sequence[Utterance], pcm: Sequence[bytes], *, is_final: bool) -> None:
        pieces: list[list[_Piece]] = []
        progress: list[Progress] = []
        for stream, audio in zip(streams, pcm, strict=True):
            samples = np.concatenate((stream.progress.rest, as_samples(audio, stream.begin, self._rate)))
            cut, rest = self._cut(samples, is_final=is_final)
            pieces.append(cut)
            progress.append(replace(stream.progress, rest=rest, taken=stream.progress.taken + len(samples) - len(rest)))
        with told(), torch.inference_mode():
            for turn in range(max(map(len, pieces), default=0)):
                places = [place for place, each in enumerate(pieces) if len(each) > turn]
                heard = self._turn([progress[place] for place in places], [pieces[place][turn] for place in places])
                for place, one in zip(places, heard, strict=True):
                    progress[place] = one
        for stream, one in zip(streams, progress, strict=True):
            stream.progress = one

    def _cut(self, samples: Samples, *, is_final: bool) -> tuple[list[_Piece], Samples]:
        """Whole steps, counted from the utterance's first sample; what remains is the last one's."""
        whole = len(samples) // self._step * self._step
        pieces = [_Piece(samples[at : at + self._step], False) for at in range(0, whole, self._step)]
        if not is_final:
            return pieces, samples[whole:].copy()
        return [*pieces, _Piece(samples[whole:], True)], samples[:0]

    def _turn(self, progress: Sequence[Progress], pieces: Sequence[_Piece]) -> list[Progress]:
        """One step of each of these utterances."""
        states: list[ChunkState] = []
        chunks: list[Chunk] = []
        for each, piece in zip(progress, pieces, strict=True):
            state, chunk = self._features.take(each.state, piece.samples, is_final=piece.is_final)
            states.append(state)
            chunks.append(chunk)
        states, encoded = self._encoder.run(states, chunks)
        states, fired = self._predictor.run(states, chunks, encoded)
        states, tokens = self._decoder.run(states, encoded, fired)
        return [
            replace(each, state=state, sounds=(*each.sounds, *map(Sound, ids, found.frames)))
            for each, state, ids, found in zip(progress, states, tokens, fired, strict=True)
        ]

    def _heard(self, stream: Utterance) -> Heard:
        sounds = stream.progress.sounds
        names = self._built.tokenizer.ids2tokens([sound.token for sound in sounds])
        end = stream.progress.taken * 1000 // self._rate
        places = spans([sound.frame for sound in sounds], end, self._frame_ms)
        text, words = spelled([Token(name, *place) for name, place in zip(names, places, strict=True)])
        if self._punctuation is not None:
            # The final's capitals and commas change what was said before.
            return Heard(text=text, words=words)
        unsure = _OPEN_END.search(text)
        return Heard(text=text, words=words, stable=unsure.start() if unsure else len(text))
