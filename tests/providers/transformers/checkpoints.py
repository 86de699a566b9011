"""Tiny checkpoints with random weights, made on the spot: real code of the library, text without meaning."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    GenerationConfig,
    GlmAsrConfig,
    GlmAsrForConditionalGeneration,
    GlmAsrProcessor,
    PreTrainedTokenizerFast,
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)

WORDS = 200


def whisper(folder: Path, *, languages: tuple[str, ...] = ()) -> Path:
    """A Whisper of width 64 that writes made-up words; with `languages`, a multilingual one."""
    torch.manual_seed(1)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    # "Ġ" is how byte-level vocabularies write a space.
    vocabulary = {token: number for number, token in enumerate([*alphabet, *(f"Ġw{n}" for n in range(WORDS))])}
    special = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{tag}|>" for tag in languages)]
    special += ["<|translate|>", "<|transcribe|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    vocabulary |= {token: len(vocabulary) + number for number, token in enumerate(special)}
    tokenizer = WhisperTokenizer(vocab=vocabulary, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": special[1:]})
    ids = {token: vocabulary[token] for token in special}
    config = WhisperConfig(
        vocab_size=len(vocabulary),
        d_model=64,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        pad_token_id=ids["<|endoftext|>"],
        bos_token_id=ids["<|endoftext|>"],
        eos_token_id=ids["<|endoftext|>"],
        decoder_start_token_id=ids["<|startoftranscript|>"],
        suppress_tokens=[],
        begin_suppress_tokens=[],
        init_std=0.6,
    )
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        decoder_start_token_id=ids["<|startoftranscript|>"],
        eos_token_id=ids["<|endoftext|>"],
        pad_token_id=ids["<|endoftext|>"],
        no_timestamps_token_id=ids["<|notimestamps|>"],
        max_length=448,
        suppress_tokens=[number for token, number in ids.items() if token != "<|endoftext|>"],
        is_multilingual=bool(languages),
        lang_to_id={f"<|{tag}|>": ids[f"<|{tag}|>"] for tag in languages},
        task_to_id={task: ids[f"<|{task}|>"] for task in ("transcribe", "translate")},
    )
    model.save_pretrained(folder)
    WhisperProcessor(WhisperFeatureExtractor(), tokenizer).save_pretrained(folder)
    return folder


def wav2vec2(folder: Path, *, masked: bool) -> Path:
    """A wav2vec 2.0 that writes letters; `masked`: of the kind that knows where padding begins."""
    torch.manual_seed(2)
    folder.mkdir(parents=True, exist_ok=True)
    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefgh"]
    (folder / "vocab.json").write_text(json.dumps({letter: number for number, letter in enumerate(letters)}))
    Wav2Vec2CTCTokenizer(str(folder / "vocab.json")).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=masked).save_pretrained(folder)
    config = Wav2Vec2Config(
        vocab_size=len(letters),
        hidden_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=(32,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        feat_extract_norm="layer" if masked else "group",
        initializer_range=0.5,
    )
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    return folder


def glm_asr(folder: Path) -> Path:
    """A GLM-ASR of width 64: a language model that is asked in a chat, and answers with made-up words."""
    torch.manual_seed(3)
    special = ["<|pad|>", "<|end|>", "<unk>", "<|user|>", "<|assistant|>", "<|audio|>"]
    words = [*["Please", "transcribe", "this", "audio", "into", "text"], *(f"w{number}" for number in range(WORDS))]
    inner = Tokenizer(models.WordLevel({word: at for at, word in enumerate([*special, *words])}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<|pad|>",
        eos_token="<|end|>",
        unk_token="<unk>",
        extra_special_tokens=special[3:],
    )
    template = (
        "{% for message in messages %}<|user|>{% for part in message.content %}"
        "{% if part.type == 'audio' %}<|audio|>{% else %} {{ part.text }} {% endif %}"
        "{% endfor %}{% endfor %}<|assistant|>"
    )
    processor = GlmAsrProcessor(
        WhisperFeatureExtractor(feature_size=80), tokenizer, chat_template=template, audio_token="<|audio|>"
    )
    config = GlmAsrConfig(
        audio_config={
            "hidden_size": 32,
            "intermediate_size": 128,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_mel_bins": 80,
        },
        text_config={
            "vocab_size": len(special) + len(words),
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "eos_token_id": 1,
            "pad_token_id": 0,
            "initializer_range": 0.6,
        },
        audio_token_id=special.index("<|audio|>"),
    )
    model = GlmAsrForConditionalGeneration(config)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
