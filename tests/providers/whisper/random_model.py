"""
A small Whisper with random weights, in any set of languages: made in a moment, and what it hears is nonsense.

CTranslate2 takes a model for multilingual where the vocabulary has an empty token.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ctranslate2.specs import whisper_spec
from ctranslate2.specs.common_spec import LayerNormSpec, LinearSpec
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

WIDTH = 32
HEADS = 2
TEXT_POSITIONS = 448
WINDOW_S = 30

_WORDS = (" turn", " on", " the", " lights", " one", " two", " go", " forward", "打", "开", "灯")


def make(
    folder: Path,
    *,
    languages: Sequence[str] = (),
    mels: int = 80,
    seed: int = 0,
    preprocessor: bool = True,
    times_to_s: int = WINDOW_S,
) -> Path:
    """
    Write the model into `folder`. Without `languages` it hears English only.

    With `times_to_s`, its timestamps hardly go beyond that second, so that it leaves the rest of a longer clip unheard.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(languages)
    tokenizer.save(str(folder / "tokenizer.json"))
    vocabulary = [token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]
    late = vocabulary.index("<|0.00|>") + times_to_s * 50
    spec = _spec(vocabulary, mels, np.random.default_rng(seed), late)
    spec.register_vocabulary(vocabulary)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [tokenizer.token_to_id("<|endoftext|>")]
    spec.config.lang_ids = [tokenizer.token_to_id(f"<|{language}|>") for language in languages]
    spec.config.alignment_heads = [[0, head] for head in range(HEADS)]
    spec.validate()
    spec.optimize(quantization="int8")
    spec.save(str(folder))
    if preprocessor:
        shape = {"feature_size": mels, "sampling_rate": 16_000, "hop_length": 160, "chunk_length": WINDOW_S}
        (folder / "preprocessor_config.json").write_text(json.dumps({**shape, "n_fft": 400}))
    return folder


def _tokenizer(languages: Sequence[str]) -> Tokenizer:
    symbols = sorted(pre_tokenizers.ByteLevel.alphabet())
    level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    merges = [pair for word in _WORDS for pair in _merges(level.pre_tokenize_str(word)[0][0])]
    texts = [*symbols, *dict.fromkeys("".join(pair) for pair in merges), *([""] if languages else [])]
    bpe = models.BPE(vocab={text: i for i, text in enumerate(texts)}, merges=list(dict.fromkeys(merges)))
    tokenizer = Tokenizer(bpe)
    tokenizer.pre_tokenizer = level
    tokenizer.decoder = decoders.ByteLevel()
    controls = [
        "<|endoftext|>",
        "<|startoftranscript|>",
        *(f"<|{language}|>" for language in languages),
        *(f"<|{name}|>" for name in ("translate", "transcribe", "startoflm", "startofprev", "nospeech")),
        "<|notimestamps|>",
        *(f"<|{tick * 0.02:.2f}|>" for tick in range(WINDOW_S * 50 + 1)),
    ]
    tokenizer.add_special_tokens(controls)
    return tokenizer


def _merges(word: str) -> Iterator[tuple[str, str]]:
    """A word becomes one token from its first character on."""
    for at in range(1, len(word)):
        yield word[:at], word[at]


def _spec(vocabulary: Sequence[str], mels: int, chance: np.random.Generator, late: int) -> whisper_spec.WhisperSpec:
    def some(*shape: int) -> npt.NDArray[np.float32]:
        return np.asarray(chance.standard_normal(shape) * 0.3 / np.sqrt(shape[-1]), np.float32)

    def fill(linear: LinearSpec, outputs: int, inputs: int) -> None:
        linear.weight, linear.bias = some(outputs, inputs), np.zeros(outputs, np.float32)

    def norm(layer: LayerNormSpec) -> None:
        layer.gamma, layer.beta = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)

    spec = whisper_spec.WhisperSpec(1, HEADS, 1, HEADS)
    encoder, decoder = spec.encoder, spec.decoder
    encoder.conv1.weight, encoder.conv1.bias = some(WIDTH, mels, 3), np.zeros(WIDTH, np.float32)
    encoder.conv2.weight, encoder.conv2.bias = some(WIDTH, WIDTH, 3), np.zeros(WIDTH, np.float32)
    encoder.position_encodings.encodings = some(WINDOW_S * 50, WIDTH)
    # Words are said rather than letters or times: what is large is large in one direction or the other.
    words = np.array([len(token) > 2 and token[0] != "<" for token in vocabulary])
    decoder.embeddings.weight = some(len(vocabulary), WIDTH) * np.where(words, 9, 1).astype(np.float32)[:, None]
    decoder.embeddings.weight[late + 1 :] = 0
    decoder.position_encodings.encodings = some(TEXT_POSITIONS, WIDTH)
    decoder.projection.weight = decoder.embeddings.weight
    norm(encoder.layer_norm)
    norm(decoder.layer_norm)
    for layer in (*encoder.layer, *decoder.layer):
        norm(layer.self_attention.layer_norm)
        fill(layer.self_attention.linear[0], 3 * WIDTH, WIDTH)
        fill(layer.self_attention.linear[1], WIDTH, WIDTH)
        norm(layer.ffn.layer_norm)
        fill(layer.ffn.linear_0, 4 * WIDTH, WIDTH)
        fill(layer.ffn.linear_1, WIDTH, 4 * WIDTH)
    for layer in decoder.layer:
        norm(layer.attention.layer_norm)
        fill(layer.attention.linear[0], WIDTH, WIDTH)
        fill(layer.attention.linear[1], 2 * WIDTH, WIDTH)
        fill(layer.attention.linear[2], WIDTH, WIDTH)
    return spec
