"""
Trains the tiny models that FunASR loads: Paraformer (Z. Gao et al., 2022), its streaming form, and SenseVoice (K. An et
al., FunAudioLLM, 2024), each by FunASR's own class.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from tools.train_tiny import funasr_folder
from tools.train_tiny.corpus import Corpus
from tools.train_tiny.features import LFR_WINDOW, Examples
from tools.train_tiny.funasr_folder import Kind
from tools.train_tiny.progress import Progress
from tools.train_tiny.schedule import Schedule, batches
from torch import Tensor, nn

_BATCH = 32
_QUERIES = 4
"""SenseVoice puts language, event, emotion and ITN before the frames."""
_ENGLISH, _EVENT, _EMOTION = 4, 1, 2
"""Places in SenseVoice's table of queries; 0 stands for any language."""
_ITN = {14: funasr_folder.WITH_ITN, 15: funasr_folder.WITHOUT_ITN}

Loss = Callable[[Tensor, Tensor, list[list[int]]], Tensor]
"""Of inputs (batch, frames, 560), their lengths, and the tokens of their texts."""


def train(corpus: Corpus, examples: Examples, schedule: Schedule, *, kind: Kind, seed: int, into: Path) -> None:
    """Writes the whole folder of a model, the weights last."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    chance = random.Random(seed)
    mean, deviation = examples.moments()
    funasr_folder.prepare(into, kind, mean, deviation)
    model, tokenizer = funasr_folder.build(into)
    # Building seeds and threads as FunASR likes.
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    model.train()
    loss_of = _sensevoice_loss(model, tokenizer.sp, chance) if kind == "sensevoice" else _paraformer_loss(model)
    encode = tokenizer.encode if kind == "sensevoice" else _word_places
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.01, betas=(0.9, 0.98))
    rounds = batches([examples.length(at) for at in range(len(examples))], _BATCH, spread=4, seed=seed)
    told = Progress(kind)
    for _, batch in zip(schedule, rounds, strict=False):
        inputs, lengths = _inputs(examples, batch, (mean, deviation), chance)
        loss = loss_of(inputs, lengths, [encode(corpus.utterances[examples.utterance[at]].text) for at in batch])
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(2e-3, warm_up=300)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()
        told.step(schedule, loss=loss.item())
    funasr_folder.save(into, model)


def _word_places(text: str) -> list[int]:
    tokens = funasr_folder.tokens()
    return [tokens.index(word) for word in text.split()]


def _paraformer_loss(model: Any) -> Loss:  # FunASR has no types
    def loss_of(inputs: Tensor, lengths: Tensor, texts: list[list[int]]) -> Tensor:
        answers = nn.utils.rnn.pad_sequence(
            [torch.tensor(text) for text in texts], batch_first=True, padding_value=model.ignore_id
        )
        loss: Tensor = model(inputs, lengths, answers, torch.tensor([len(text) for text in texts]))[0]
        return loss

    return loss_of


def _sensevoice_loss(model: Any, pieces: Any, chance: random.Random) -> Loss:
    """CTC on the frames, and the four tags before them; the language is given or left open, ITN asked for or not."""

    def loss_of(inputs: Tensor, lengths: Tensor, texts: list[list[int]]) -> Tensor:
        itn = chance.choice(sorted(_ITN))
        queries = model.embed(torch.tensor([[chance.choice((0, _ENGLISH)), _EVENT, _EMOTION, itn]]))
        prefixed = torch.cat([queries.expand(len(texts), -1, -1), inputs], 1)
        encoded, encoded_lengths = model.encoder(prefixed, lengths + _QUERIES)
        scores = model.ctc.ctc_lo(encoded)
        names = (funasr_folder.LANGUAGE, funasr_folder.EMOTION, funasr_folder.EVENT, _ITN[itn])
        tags = torch.tensor([pieces.piece_to_id(name) for name in names]).repeat(len(texts))
        return 0.3 * F.cross_entropy(scores[:, :_QUERIES].flatten(0, 1), tags) + F.ctc_loss(
            F.log_softmax(scores[:, _QUERIES:], -1).transpose(0, 1),
            torch.tensor([token for text in texts for token in text]),
            (encoded_lengths - _QUERIES).long(),
            torch.tensor([len(text) for text in texts]),
            blank=0,
            zero_infinity=True,
        )

    return loss_of


def _inputs(
    examples: Examples,
    batch: npt.NDArray[np.int64],
    moments: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]],
    chance: random.Random,
) -> tuple[Tensor, Tensor]:
    """Normalised frames with bits blotted out, and their lengths."""
    mean, deviation = moments
    rows = []
    for at in batch:
        frames = torch.from_numpy((examples.of(at) - mean) / deviation)
        low = chance.randint(0, 79)
        frames.view(len(frames), LFR_WINDOW, 80)[:, :, low : low + chance.randint(0, 8)] = 0
        if chance.random() < 0.5:
            first = chance.randint(0, len(frames) - 1)
            frames[first : first + chance.randint(0, 2)] = 0
        rows.append(frames)
    return nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.tensor([len(row) for row in rows])
