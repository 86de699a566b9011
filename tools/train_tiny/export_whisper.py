"""Turns trained Whisper weights into a folder that faster-whisper loads."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import torch
from ctranslate2.converters import TransformersConverter
from tools.train_tiny.train_whisper import HEADS, LAYERS, configuration, suppressed_at_start
from tools.train_tiny.whisper_vocabulary import END, WhisperVocabulary
from transformers import GenerationConfig, PreTrainedTokenizerFast, WhisperForConditionalGeneration


def export(weights: Path, folder: Path) -> None:
    """Writes model.bin (int8), config.json, vocabulary.json, tokenizer.json and preprocessor_config.json."""
    vocabulary = WhisperVocabulary()
    model = WhisperForConditionalGeneration(configuration(vocabulary))
    model.load_state_dict(torch.load(weights, weights_only=True))
    model.generation_config = GenerationConfig(
        suppress_tokens=[],
        begin_suppress_tokens=suppressed_at_start(vocabulary),
        eos_token_id=vocabulary.end,
        pad_token_id=vocabulary.end,
        decoder_start_token_id=vocabulary.start,
    )
    model.generation_config.alignment_heads = [[LAYERS - 1, head] for head in range(HEADS)]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=vocabulary.tokenizer, bos_token=END, eos_token=END, unk_token=END, pad_token=END
    )
    front_end = {"feature_size": 80, "sampling_rate": 16000, "hop_length": 160, "chunk_length": 30, "n_fft": 400}
    with tempfile.TemporaryDirectory() as name:
        model.save_pretrained(name)
        tokenizer.save_pretrained(name)
        (Path(name) / "preprocessor_config.json").write_text(json.dumps(front_end))
        converter = TransformersConverter(name, copy_files=["tokenizer.json", "preprocessor_config.json"])
        converter.convert(str(folder), quantization="int8", force=True)
