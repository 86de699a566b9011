"""
Models of the published shapes with random weights, for `benchmarks.gpu`: what they hear is nonsense, their cost is not.

Paraformer-large, streaming and whole, and SenseVoiceSmall are made by FunASR's own classes; Whisper by those of
transformers. Shapes: the configurations published with the weights, https://arxiv.org/abs/2206.08317 and
https://arxiv.org/abs/2212.04356.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tests.contract.cases import MODELS

from benchmarks.engine_models import TOKENS

WIDTH = 512
UNITS = 2048
SILENCE = 2.0
"""Bias of CTC's blank: without it random weights say a token in every frame."""


class Shape(NamedTuple):
    """A Whisper's."""

    width: int
    heads: int
    layers: tuple[int, int]
    """Of encoder and decoder."""
    mels: int
    dtype: str
    """Of the published weights."""


SHAPES = {
    "whisper-small": Shape(768, 12, (12, 12), 80, "float32"),
    "whisper-large-v3-turbo": Shape(1280, 20, (32, 4), 128, "float16"),
    "whisper-large-v3": Shape(1280, 20, (32, 32), 128, "float16"),
}
WORDS = 51_000
"""So that the vocabulary is about as large as Whisper's."""


def make(name: str, folder: Path, device: str) -> Path:
    """Write the model into `folder`; `device` is where it is made, which is faster on a GPU."""
    if name in SHAPES:
        return _whisper(folder, SHAPES[name], device)
    if name == "faster-whisper-large-v3-turbo":
        from benchmarks import made_whisper

        return made_whisper.make(folder, tokens=TOKENS, is_half=device.startswith("cuda"))
    return _FUNASR[name](folder)


def _streaming(folder: Path) -> Path:
    from benchmarks import made_paraformer

    config = {
        "model": "ParaformerStreaming",
        "model_conf": {"ctc_weight": 0.0, "lsm_weight": 0.1, "length_normalized_loss": True, "predictor_bias": 1},
        "encoder": "SANMEncoderChunkOpt",
        "encoder_conf": {
            **_encoder(50),
            "input_layer": "pe_online",
            "chunk_size": [12, 15],
            "stride": [8, 10],
            "pad_left": [0, 0],
            "encoder_att_look_back_factor": [4, 4],
            "decoder_att_look_back_factor": [1, 1],
        },
        "decoder": "ParaformerSANMDecoder",
        "decoder_conf": {
            "attention_heads": 4,
            "linear_units": UNITS,
            "num_blocks": 16,
            "att_layer_num": 16,
            "kernel_size": 11,
            "sanm_shfit": 5,
        },
        "predictor": "CifPredictorV2",
        "predictor_conf": {"idim": WIDTH, "threshold": 1.0, "l_order": 1, "r_order": 1, "tail_threshold": 0.45},
        **_front("WavFrontendOnline"),
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
    }
    folder.mkdir(parents=True)
    characters = (chr(0x4E00 + place) for place in range(made_paraformer.TOKENS - 4))
    (folder / "tokens.json").write_text(json.dumps(["<blank>", "<s>", "</s>", *characters, "<unk>"]))

    def speak(model: Any) -> None:
        # As many tokens for a second of audio as of Mandarin speech.
        share = made_paraformer.TOKENS_PER_S / made_paraformer.FRAMES_PER_S
        model.predictor.cif_output.weight.mul_(0.01)
        model.predictor.cif_output.bias.fill_(math.log(share / (1 - share)))

    return _written(folder, config, {"token_list": str(folder / "tokens.json")}, MODELS / "tiny-paraformer", speak)


def _whole(folder: Path) -> Path:
    from benchmarks import made_paraformer

    return made_paraformer.make(folder)


def _sense_voice(folder: Path) -> Path:
    config = {
        "model": "SenseVoiceSmall",
        "model_conf": {"length_normalized_loss": True, "sos": 1, "eos": 2, "ignore_id": -1},
        "encoder": "SenseVoiceEncoderSmall",
        "encoder_conf": {**_encoder(50), "input_layer": "pe", "tp_blocks": 20},
        **_front("WavFrontend"),
        "tokenizer": "SentencepiecesTokenizer",
        "tokenizer_conf": {"bpemodel": None, "unk_symbol": "<unk>", "split_with_space": True},
    }
    folder.mkdir(parents=True)
    tiny = MODELS / "tiny-sensevoice"
    shutil.copy(tiny / "bpe.model", folder)

    def speak(model: Any) -> None:
        model.ctc.ctc_lo.bias[0] += SILENCE

    return _written(folder, config, {"bpemodel": str(folder / "bpe.model")}, tiny, speak)


_FUNASR: dict[str, Callable[[Path], Path]] = {
    "paraformer-large-streaming": _streaming,
    "paraformer-large": _whole,
    "sense-voice-small": _sense_voice,
}


def _encoder(blocks: int) -> dict[str, Any]:
    return {
        "output_size": WIDTH,
        "attention_heads": 4,
        "linear_units": UNITS,
        "num_blocks": blocks,
        "pos_enc_class": "SinusoidalPositionEncoder",
        "normalize_before": True,
        "kernel_size": 11,
        "sanm_shfit": 0,
        "selfattention_layer_type": "sanm",
    }


def _front(name: str) -> dict[str, Any]:
    shape = {"n_mels": 80, "frame_length": 25, "frame_shift": 10, "lfr_m": 7, "lfr_n": 6}
    return {
        "frontend": name,
        "frontend_conf": {"fs": 16_000, "window": "hamming", "dither": 0.0, **shape},
        "ctc_conf": {"dropout_rate": 0.0, "ctc_type": "builtin", "reduce": True, "ignore_nan_grad": True},
        "normalize": None,
    }


def _written(
    folder: Path, config: dict[str, Any], tokens: dict[str, str], tiny: Path, speak: Callable[[Any], None]
) -> Path:
    """What FunASR loads: the configuration, the tiny model's normalisation, and weights by chance."""
    import yaml
    from funasr import AutoModel

    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    shutil.copy(tiny / "am.mvn", folder)
    config["tokenizer_conf"] |= tokens
    config["frontend_conf"]["cmvn_file"] = str(folder / "am.mvn")
    torch.manual_seed(0)
    model, _ = AutoModel.build_model(**config, device="cpu", ncpu=1, disable_log=True)
    with torch.no_grad():
        speak(model)
    torch.save({"state_dict": model.state_dict()}, folder / "model.pt")
    return folder


def _whisper(folder: Path, shape: Shape, device: str) -> Path:
    from tokenizers import pre_tokenizers
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
        WhisperTokenizer,
    )

    # "Ġ" is how byte-level vocabularies write a space.
    texts = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *(f"Ġw{number}" for number in range(WORDS))]
    names = ("endoftext", "startoftranscript", "translate", "transcribe", "startofprev", "nospeech", "notimestamps")
    special = [f"<|{name}|>" for name in names]
    ids = {text: place for place, text in enumerate([*texts, *special])}
    tokenizer = WhisperTokenizer(vocab=dict(ids), merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": special[1:]})
    end, start = ids["<|endoftext|>"], ids["<|startoftranscript|>"]
    config = WhisperConfig(
        vocab_size=len(ids),
        num_mel_bins=shape.mels,
        d_model=shape.width,
        encoder_layers=shape.layers[0],
        decoder_layers=shape.layers[1],
        encoder_attention_heads=shape.heads,
        decoder_attention_heads=shape.heads,
        encoder_ffn_dim=4 * shape.width,
        decoder_ffn_dim=4 * shape.width,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=start,
        suppress_tokens=[],
        begin_suppress_tokens=[],
    )
    torch.manual_seed(0)
    with torch.device(device):
        model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        decoder_start_token_id=start,
        eos_token_id=end,
        pad_token_id=end,
        no_timestamps_token_id=ids["<|notimestamps|>"],
        max_length=448,
        # It goes on until it has said as many tokens as it may: all texts are of one length.
        suppress_tokens=[ids[name] for name in special],
        is_multilingual=False,
    )
    model.to(getattr(torch, shape.dtype)).save_pretrained(folder)
    WhisperProcessor(WhisperFeatureExtractor(feature_size=shape.mels), tokenizer).save_pretrained(folder)
    return folder
