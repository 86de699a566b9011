"""
A Whisper of the published shape of large-v3-turbo with random weights: what it hears is nonsense, what it costs is not.

32 encoder and 4 decoder layers of width 1280 with 20 heads, 128 mels, 51,866 tokens: https://arxiv.org/abs/2212.04356
and the configuration published with the weights.

Random weights never end a text. Here the length is in the weights themselves: the decoder's positions after the last
word point to the end of the text and those before away from it, so that whoever runs the model, by whatever search,
takes as many steps.
"""

from __future__ import annotations

import itertools
import json
import string
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ctranslate2.specs import whisper_spec
from ctranslate2.specs.common_spec import LayerNormSpec, LinearSpec
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

LAYERS = (32, 4)
HEADS = 20
HEAD_WIDTH = 64
MELS = 128
TEXTS = 50_257
LANGUAGES = 100
WINDOW_S = 30
POSITIONS = 448

_PROMPT = 4
"""Start, language, task, no timestamps."""

Floats = npt.NDArray[np.float32]


def make(folder: Path, *, scale: float = 1.0, tokens: int, is_half: bool, seed: int = 0) -> Path:
    """
    Write the model into `folder` for CTranslate2. Every text has `tokens` tokens.

    `scale` shrinks width and depth, never the vocabulary. The weights are kept as float16, or else as int8.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    vocabulary = [token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]
    heads = max(1, round(HEADS * scale))
    spec = whisper_spec.WhisperSpec(max(1, round(LAYERS[0] * scale)), heads, max(1, round(LAYERS[1] * scale)), heads)
    _fill(spec, heads * HEAD_WIDTH, vocabulary, tokens, np.random.default_rng(seed))
    spec.register_vocabulary(vocabulary)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.lang_ids = [tokenizer.token_to_id(f"<|{language}|>") for language in _languages()]
    spec.config.alignment_heads = [[0, head] for head in range(heads)]
    spec.validate()
    spec.optimize(quantization="float16" if is_half else "int8")
    spec.save(str(folder))
    shape = {"feature_size": MELS, "sampling_rate": 16_000, "hop_length": 160, "chunk_length": WINDOW_S, "n_fft": 400}
    (folder / "preprocessor_config.json").write_text(json.dumps(shape))
    return folder


def _tokenizer() -> Tokenizer:
    symbols = sorted(pre_tokenizers.ByteLevel.alphabet())
    # CTranslate2 takes a model for multilingual where the vocabulary has an empty token. "Ġ" stands for a space.
    texts = [*symbols, "", *(f"Ġw{number}" for number in range(TEXTS - len(symbols) - 1))]
    tokenizer = Tokenizer(models.BPE(vocab={text: place for place, text in enumerate(texts)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")
    tokenizer.add_special_tokens(
        [
            *("<|endoftext|>", "<|startoftranscript|>"),
            *(f"<|{language}|>" for language in _languages()),
            *(f"<|{name}|>" for name in names),
            *(f"<|{tick * 0.02:.2f}|>" for tick in range(WINDOW_S * 50 + 1)),
        ]
    )
    return tokenizer


def _languages() -> Sequence[str]:
    """English, and as many other codes as there are languages."""
    codes = ("".join(pair) for pair in itertools.product(string.ascii_lowercase, repeat=2))
    return ["en", *itertools.islice((code for code in codes if code != "en"), LANGUAGES - 1)]


def _fill(
    spec: whisper_spec.WhisperSpec, width: int, vocabulary: Sequence[str], tokens: int, chance: np.random.Generator
) -> None:
    encoder, decoder = spec.encoder, spec.decoder
    encoder.conv1.weight, encoder.conv1.bias = _some(chance, width, MELS, 3), np.zeros(width, np.float32)
    encoder.conv2.weight, encoder.conv2.bias = _some(chance, width, width, 3), np.zeros(width, np.float32)
    encoder.position_encodings.encodings = _some(chance, WINDOW_S * 50, width)
    decoder.embeddings.weight, decoder.position_encodings.encodings = _ending(vocabulary, width, tokens, chance)
    decoder.projection.weight = decoder.embeddings.weight
    _norm(encoder.layer_norm, width)
    _norm(decoder.layer_norm, width)
    for layer in (*encoder.layer, *decoder.layer):
        _norm(layer.self_attention.layer_norm, width)
        _linear(chance, layer.self_attention.linear[0], 3 * width, width)
        _linear(chance, layer.self_attention.linear[1], width, width)
        _norm(layer.ffn.layer_norm, width)
        _linear(chance, layer.ffn.linear_0, 4 * width, width)
        _linear(chance, layer.ffn.linear_1, width, 4 * width)
    for layer in decoder.layer:
        _norm(layer.attention.layer_norm, width)
        _linear(chance, layer.attention.linear[0], width, width)
        _linear(chance, layer.attention.linear[1], 2 * width, width)
        _linear(chance, layer.attention.linear[2], width, width)


def _ending(vocabulary: Sequence[str], width: int, tokens: int, chance: np.random.Generator) -> tuple[Floats, Floats]:
    """Embeddings and positions. The first dimension says whether the text goes on: nothing else says so much."""
    embeddings, positions = _some(chance, len(vocabulary), width), _some(chance, POSITIONS, width)
    end = vocabulary.index("<|endoftext|>")
    # Words are said, rather than times or controls.
    embeddings[:end] *= 6
    embeddings[:, 0] = 0
    embeddings[end, 0] = 1
    loud = 2 * np.float32(np.sqrt(width))
    positions[:, 0] = loud
    positions[: _PROMPT - 1 + tokens, 0] = -loud
    return embeddings, positions


def _some(chance: np.random.Generator, *shape: int) -> Floats:
    return chance.standard_normal(shape, np.float32) * np.float32(0.3 / np.sqrt(shape[-1]))


def _linear(chance: np.random.Generator, linear: LinearSpec, outputs: int, inputs: int) -> None:
    linear.weight, linear.bias = _some(chance, outputs, inputs), np.zeros(outputs, np.float32)


def _norm(layer: LayerNormSpec, width: int) -> None:
    layer.gamma, layer.beta = np.ones(width, np.float32), np.zeros(width, np.float32)
