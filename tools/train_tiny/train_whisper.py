"""
Trains a Whisper of 1.2 million parameters (A. Radford et al., Robust Speech Recognition via Large-Scale Weak
Supervision, 2022), with a CTC loss on its encoder beside (S. Watanabe et al., Hybrid CTC/Attention Architecture, 2017):
without it, so small a decoder does not learn where to look.
"""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from tools.train_tiny.augment import LONGEST_S
from tools.train_tiny.corpus import Corpus
from tools.train_tiny.features import Examples
from tools.train_tiny.progress import Progress
from tools.train_tiny.schedule import Schedule, batches
from tools.train_tiny.whisper_vocabulary import WhisperVocabulary
from torch import Tensor, nn
from transformers import WhisperConfig, WhisperForConditionalGeneration

WIDTH, LAYERS, HEADS = 128, 2, 4
WINDOW = 3000
"""Frames of 10 ms: faster-whisper fills each input up to so many."""

_BATCH = 32
_IGNORED = -100
_SILENT_SHARE, _PROMPT_SHARE = 0.04, 0.15
_FITTED_SHARE = 0.7
"""So much of the training sees inputs no longer than the speech: a full window costs fifteen times as much."""


class Lesson(msgspec.Struct, frozen=True):
    """What the decoder is given and is to answer for one example."""

    given: list[int]
    answers: list[int]
    """As long as `given`, _IGNORED where any answer is right."""
    spoken: list[int]
    """The text, for the CTC loss."""


def configuration(vocabulary: WhisperVocabulary) -> WhisperConfig:
    """The shape of the model."""
    return WhisperConfig(
        vocab_size=vocabulary.size,
        d_model=WIDTH,
        encoder_layers=LAYERS,
        decoder_layers=LAYERS,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_ffn_dim=4 * WIDTH,
        decoder_ffn_dim=4 * WIDTH,
        num_mel_bins=80,
        max_source_positions=WINDOW // 2,
        max_target_positions=448,
        pad_token_id=vocabulary.end,
        bos_token_id=vocabulary.end,
        eos_token_id=vocabulary.end,
        decoder_start_token_id=vocabulary.start,
        suppress_tokens=None,
        begin_suppress_tokens=suppressed_at_start(vocabulary),
        dropout=0.1,
    )


def suppressed_at_start(vocabulary: WhisperVocabulary) -> list[int]:
    """A text does not begin with nothing."""
    return [vocabulary.id("Ġ"), vocabulary.end]


def train(corpus: Corpus, examples: Examples, schedule: Schedule, *, seed: int, into: Path) -> None:
    """Writes the weights to `into`."""
    torch.manual_seed(seed)
    chance = random.Random(seed)
    vocabulary = WhisperVocabulary()
    model = WhisperForConditionalGeneration(configuration(vocabulary))
    model.train()
    # One more output than there are texts: the blank.
    ctc = nn.Linear(WIDTH, vocabulary.texts + 1)
    weights = [*model.parameters(), *ctc.parameters()]
    optimizer = torch.optim.AdamW(weights, weight_decay=0.01, betas=(0.9, 0.98))
    lessons = _Lessons(corpus, vocabulary, chance)
    rounds = batches([examples.length(at) for at in range(len(examples))], _BATCH, spread=30, seed=seed)
    told = Progress("whisper")
    for progress, alike in zip(schedule, rounds, strict=False):
        frames = _window(progress, chance)
        # Fewer examples of the long window keep the steps alike in cost.
        batch = alike[chance.randrange(4) :: 4][:6] if frames == WINDOW else alike
        inputs, lengths = _inputs(examples, batch, frames, chance)
        taught = [lessons.of(examples, at, spoken, chance) for at, spoken in zip(batch, inputs, strict=True)]
        cross_entropy, alignment = _losses(model, ctc, inputs, lengths, taught, vocabulary)
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(2e-3, warm_up=200)
        optimizer.zero_grad(set_to_none=True)
        (cross_entropy + (0.5 * (1 - progress) + 0.05) * alignment).backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        told.step(schedule, cross_entropy=cross_entropy.item(), ctc=alignment.item())
    torch.save(model.state_dict(), into)


class _Lessons:
    """Asks for the text in each way in which faster-whisper asks for it."""

    def __init__(self, corpus: Corpus, vocabulary: WhisperVocabulary, chance: random.Random) -> None:
        self._corpus = corpus
        self._vocabulary = vocabulary
        self._texts = sorted({corpus.utterances[at].text for at in corpus.of("train")})
        self._tokens = {text: vocabulary.encode(text) for text in self._texts}

    def of(self, examples: Examples, at: int, spoken: Tensor, chance: random.Random) -> Lesson:
        """The lesson of one example. Now and then its frames are made silence, in place."""
        if chance.random() < _SILENT_SHARE:
            return self._silence(spoken, chance)
        words = self._tokens[self._corpus.utterances[examples.utterance[at]].text]
        end, start, no_timestamps = self._vocabulary.end, self._vocabulary.start, self._vocabulary.no_timestamps
        prompt = self._prompt(chance)
        unasked = [_IGNORED] * len(prompt)
        if chance.random() < 0.5:
            return Lesson([*prompt, start, no_timestamps, *words], [*unasked, _IGNORED, *words, end], words)
        begins, ends = (self._vocabulary.timestamp(float(moment)) for moment in examples.speech[at])
        return Lesson([*prompt, start, begins, *words, ends], [*unasked, begins, *words, ends, end], words)

    def _prompt(self, chance: random.Random) -> list[int]:
        if chance.random() >= _PROMPT_SHARE:
            return []
        return [self._vocabulary.previous, *self._tokens[chance.choice(self._texts)]]

    def _silence(self, spoken: Tensor, chance: random.Random) -> Lesson:
        level = spoken[:, :1].mean()
        spoken[:] = level + 0.03 * torch.randn(spoken.shape) if chance.random() < 0.5 else 0.0
        start, no_timestamps = self._vocabulary.start, self._vocabulary.no_timestamps
        if chance.random() < 0.5:
            return Lesson([start], [self._vocabulary.no_speech], [])
        return Lesson([start, no_timestamps], [_IGNORED, self._vocabulary.end], [])


def _window(progress: float, chance: random.Random) -> int:
    """How many frames the next inputs are filled up to; 0 for as many as they have."""
    draw = chance.random()
    middle = int(LONGEST_S * 100)
    if progress < _FITTED_SHARE:
        return middle if draw < 0.12 else 0
    if draw < 0.35:
        return WINDOW
    return middle if draw < 0.55 else 0


def _inputs(
    examples: Examples, batch: npt.NDArray[np.int64], frames: int, chance: random.Random
) -> tuple[Tensor, list[int]]:
    """(batch, 80, frames) with bits blotted out, and how many encoder frames of each may hold text."""
    longest = max(examples.length(at) for at in batch)
    frames = frames or min(int(LONGEST_S * 100), longest + chance.randint(0, 60))
    frames += frames % 2
    inputs = torch.zeros(len(batch), 80, frames)
    for row, at in enumerate(batch):
        heard = torch.from_numpy(examples.of(at).T)[:, :frames]
        # faster-whisper fills up with zeros after the logarithm, so zeros they are here.
        inputs[row, :, : heard.shape[1]] = heard
        mean = heard.mean()
        low, first = chance.randint(0, 79), chance.randint(0, frames - 1)
        inputs[row, low : low + chance.randint(0, 10)] = mean
        inputs[row, :, first : first + chance.randint(0, 14)] = mean
    return inputs, [min(frames // 2, examples.length(at) // 2 + 1) for at in batch]


def _losses(
    model: WhisperForConditionalGeneration,
    ctc: nn.Linear,
    inputs: Tensor,
    lengths: list[int],
    lessons: list[Lesson],
    vocabulary: WhisperVocabulary,
) -> tuple[Tensor, Tensor]:
    """Of the decoder, and of the encoder alone."""
    given = nn.utils.rnn.pad_sequence(
        [torch.tensor(lesson.given) for lesson in lessons], batch_first=True, padding_value=vocabulary.end
    )
    answers = nn.utils.rnn.pad_sequence(
        [torch.tensor(lesson.answers) for lesson in lessons], batch_first=True, padding_value=_IGNORED
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        heard = _encode(model, inputs).float()
        decoded = model.model.decoder(input_ids=given, encoder_hidden_states=heard, use_cache=False)
        scores = model.proj_out(decoded.last_hidden_state)
    cross_entropy = F.cross_entropy(
        scores.float().flatten(0, 1), answers.flatten(), ignore_index=_IGNORED, label_smoothing=0.05
    )
    alignment = F.ctc_loss(
        F.log_softmax(ctc(heard), -1).transpose(0, 1),
        torch.tensor([token for lesson in lessons for token in lesson.spoken], dtype=torch.long),
        torch.tensor(lengths),
        torch.tensor([len(lesson.spoken) for lesson in lessons]),
        blank=vocabulary.texts,
        zero_infinity=True,
    )
    return cross_entropy, alignment


def _encode(model: WhisperForConditionalGeneration, inputs: Tensor) -> Tensor:
    """The encoder on inputs of any length: its own `forward` takes a whole window only."""
    encoder = model.model.encoder
    heard = F.gelu(encoder.conv2(F.gelu(encoder.conv1(inputs)))).permute(0, 2, 1)
    heard = F.dropout(heard + encoder.embed_positions.weight[: heard.shape[1]], 0.1, model.training)
    for layer in encoder.layers:
        heard = layer(heard, None)
    normal: Tensor = encoder.layer_norm(heard)
    return normal
