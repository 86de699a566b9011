"""
A Paraformer of the published shape of paraformer-large with random weights, made by FunASR's own classes.

50 SANM encoder blocks and 16 decoder blocks of width 512 with 4 heads and 2048 units, 8,404 tokens:
https://arxiv.org/abs/2206.08317 and the configuration published with the weights.

The model says as many tokens as its predictor counts. The predictor's bias is set so that these are about 4.5 for a
second of audio, as of Mandarin speech, whoever runs the model.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
import yaml
from funasr import AutoModel

WIDTH = 512
HEADS = 4
UNITS = 2048
BLOCKS = (50, 16)
TOKENS = 8404
MELS, STACKED = 80, 7
FRAMES_PER_S = 1000 / 60
TOKENS_PER_S = 4.5


def make(folder: Path, *, scale: float = 1.0, seed: int = 0) -> Path:
    """Write the model into `folder`. `scale` shrinks width and depth, never the vocabulary."""
    folder.mkdir(parents=True, exist_ok=True)
    config = _config(scale)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    characters = (chr(0x4E00 + place) for place in range(TOKENS - 4))
    tokens = folder / "tokens.json"
    tokens.write_text(json.dumps(["<blank>", "<s>", "</s>", *characters, "<unk>"]))
    means = folder / "am.mvn"
    means.write_text(_normalisation(MELS * STACKED))
    config["tokenizer_conf"]["token_list"] = str(tokens)
    config["frontend_conf"]["cmvn_file"] = str(means)
    torch.manual_seed(seed)
    model, _ = AutoModel.build_model(**config, device="cpu", ncpu=1, disable_log=True)
    share = TOKENS_PER_S / FRAMES_PER_S
    with torch.no_grad():
        model.predictor.cif_output.weight.mul_(0.01)
        model.predictor.cif_output.bias.fill_(math.log(share / (1 - share)))
    torch.save({"state_dict": model.state_dict()}, folder / "model.pt")
    return folder


def _config(scale: float) -> dict[str, Any]:
    width = max(1, round(WIDTH / HEADS * scale)) * HEADS
    units = max(1, round(UNITS * scale))
    encoder_blocks, decoder_blocks = (max(2, round(blocks * scale)) for blocks in BLOCKS)
    dropout = {"dropout_rate": 0.1, "positional_dropout_rate": 0.1}
    common = {"attention_heads": HEADS, "linear_units": units, "kernel_size": 11, "sanm_shfit": 0}
    return {
        "model": "Paraformer",
        "model_conf": {"ctc_weight": 0.0, "lsm_weight": 0.1, "length_normalized_loss": True, "predictor_bias": 1},
        "encoder": "SANMEncoder",
        "encoder_conf": {
            **common,
            **dropout,
            "output_size": width,
            "num_blocks": encoder_blocks,
            "attention_dropout_rate": 0.1,
            "input_layer": "pe",
            "pos_enc_class": "SinusoidalPositionEncoder",
            "normalize_before": True,
            "selfattention_layer_type": "sanm",
        },
        "decoder": "ParaformerSANMDecoder",
        "decoder_conf": {
            **common,
            **dropout,
            "num_blocks": decoder_blocks,
            "att_layer_num": decoder_blocks,
            "self_attention_dropout_rate": 0.1,
            "src_attention_dropout_rate": 0.1,
        },
        "predictor": "CifPredictorV2",
        "predictor_conf": {"idim": width, "threshold": 1.0, "l_order": 1, "r_order": 1, "tail_threshold": 0.45},
        "frontend": "WavFrontend",
        "frontend_conf": {
            "fs": 16_000,
            "window": "hamming",
            "n_mels": MELS,
            "frame_length": 25,
            "frame_shift": 10,
            "lfr_m": STACKED,
            "lfr_n": 6,
            "dither": 0.0,
        },
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
        "ctc_conf": {"dropout_rate": 0.0, "ctc_type": "builtin", "reduce": True, "ignore_nan_grad": True},
        "normalize": None,
    }


def _normalisation(size: int) -> str:
    """Mean and scale of each feature, as Kaldi writes them."""
    shift, scale = " ".join(["-10.0"] * size), " ".join(["0.2"] * size)
    return (
        f"<Nnet>\n<Splice> {size} {size}\n[ 0 ]\n"
        f"<AddShift> {size} {size}\n<LearnRateCoef> 0 [ {shift} ]\n"
        f"<Rescale> {size} {size}\n<LearnRateCoef> 0 [ {scale} ]\n</Nnet>\n"
    )
