"""The folders that FunASR's AutoModel loads: configuration, tokens, normalisation and weights."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path
from typing import Any, Literal

import sentencepiece
import torch
import yaml
from tools.train_tiny.features import LFR_STRIDE, LFR_WINDOW, Frames
from tools.train_tiny.grammar import words
from torch import nn

Kind = Literal["paraformer", "paraformer-streaming", "sensevoice"]
Settings = dict[str, Any]
"""FunASR's own configuration, which has no types."""

WIDTH = 128
LANGUAGE, EMOTION, EVENT, WITH_ITN, WITHOUT_ITN = "<|en|>", "<|NEUTRAL|>", "<|Speech|>", "<|withitn|>", "<|woitn|>"

_TAGS = [
    *("<|zh|>", LANGUAGE, "<|yue|>", "<|ja|>", "<|ko|>", "<|nospeech|>"),
    *(EMOTION, "<|EMO_UNKNOWN|>", EVENT, "<|BGM|>", WITH_ITN, WITHOUT_ITN),
]
_FRONT_END: Settings = {
    "fs": 16000,
    "window": "hamming",
    "n_mels": 80,
    "frame_length": 25,
    "frame_shift": 10,
    "lfr_m": LFR_WINDOW,
    "lfr_n": LFR_STRIDE,
    "dither": 0.0,
}
_ENCODER: Settings = {
    "output_size": WIDTH,
    "attention_heads": 4,
    "linear_units": 384,
    "num_blocks": 4,
    "dropout_rate": 0.1,
    "positional_dropout_rate": 0.1,
    "attention_dropout_rate": 0.1,
    "input_layer": "pe",
    "pos_enc_class": "SinusoidalPositionEncoder",
    "normalize_before": True,
    "kernel_size": 11,
    "sanm_shfit": 0,
    "selfattention_layer_type": "sanm",
}
_STREAMING_ENCODER: Settings = {
    "input_layer": "pe_online",
    "chunk_size": [12, 15],
    "stride": [8, 10],
    "pad_left": [0, 0],
    "encoder_att_look_back_factor": [4, 4],
    "decoder_att_look_back_factor": [1, 1],
}
_COMMON: Settings = {
    "ctc_conf": {"dropout_rate": 0.0, "ctc_type": "builtin", "reduce": True, "ignore_nan_grad": True},
    "normalize": None,
}


def prepare(folder: Path, kind: Kind, mean: Frames, deviation: Frames) -> None:
    """Writes everything but the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "am.mvn").write_text(normalisation(mean, deviation))
    settings = _sensevoice() if kind == "sensevoice" else _paraformer(streaming=kind == "paraformer-streaming")
    (folder / "config.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    if kind == "sensevoice":
        _write_pieces(folder)
    else:
        (folder / "tokens.json").write_text(json.dumps(tokens()))


def build(folder: Path) -> tuple[nn.Module, Any]:
    """A new network by the configuration of a prepared folder, and its tokenizer, by FunASR's own classes."""
    from funasr import AutoModel

    settings: Settings = copy.deepcopy(yaml.safe_load((folder / "config.yaml").read_text()))
    settings["frontend_conf"]["cmvn_file"] = str(folder / "am.mvn")
    if (folder / "tokens.json").exists():
        settings["tokenizer_conf"]["token_list"] = str(folder / "tokens.json")
    else:
        settings["tokenizer_conf"]["bpemodel"] = str(folder / "bpe.model")
    model, built = AutoModel.build_model(**settings, device="cpu", ncpu=1, disable_log=True)
    return model, built["tokenizer"]


def save(folder: Path, model: nn.Module) -> None:
    """Writes model.pt, which makes the folder whole."""
    torch.save({"state_dict": model.state_dict()}, folder / "model.pt")


def tokens() -> list[str]:
    """Paraformer's tokens: the words, between those that FunASR expects."""
    return ["<blank>", "<s>", "</s>", *words(), "<unk>"]


def normalisation(mean: Frames, deviation: Frames) -> str:
    """The content of am.mvn, in Kaldi's nnet1 text form: a shift, then a scale."""
    size = len(mean)
    shift, scale = (" ".join(f"{value:.5f}" for value in values) for values in (-mean, 1 / deviation))
    return (
        f"<Nnet>\n<Splice> {size} {size}\n[ 0 ]\n<AddShift> {size} {size}\n<LearnRateCoef> 0 [ {shift} ]\n"
        f"<Rescale> {size} {size}\n<LearnRateCoef> 0 [ {scale} ]\n</Nnet>\n"
    )


def _sensevoice() -> Settings:
    return {
        "model": "SenseVoiceSmall",
        "model_conf": {"length_normalized_loss": True, "sos": 1, "eos": 2, "ignore_id": -1},
        "encoder": "SenseVoiceEncoderSmall",
        "encoder_conf": {**_ENCODER, "tp_blocks": 1},
        "frontend": "WavFrontend",
        "frontend_conf": _FRONT_END,
        "tokenizer": "SentencepiecesTokenizer",
        "tokenizer_conf": {"bpemodel": None, "unk_symbol": "<unk>", "split_with_space": True},
        **_COMMON,
    }


def _paraformer(*, streaming: bool) -> Settings:
    return {
        "model": "ParaformerStreaming" if streaming else "Paraformer",
        "model_conf": {
            "ctc_weight": 0.0 if streaming else 0.3,
            "lsm_weight": 0.1,
            "length_normalized_loss": True,
            "predictor_weight": 1.0,
            "predictor_bias": 1,
            "sampling_ratio": 0.75,
        },
        "encoder": "SANMEncoderChunkOpt" if streaming else "SANMEncoder",
        "encoder_conf": {**_ENCODER, **(_STREAMING_ENCODER if streaming else {})},
        "decoder": "ParaformerSANMDecoder",
        "decoder_conf": {
            "attention_heads": 4,
            "linear_units": 384,
            "num_blocks": 2,
            "dropout_rate": 0.1,
            "positional_dropout_rate": 0.1,
            "self_attention_dropout_rate": 0.1,
            "src_attention_dropout_rate": 0.1,
            "att_layer_num": 2,
            "kernel_size": 11,
            "sanm_shfit": 5 if streaming else 0,
        },
        "predictor": "CifPredictorV2",
        "predictor_conf": {"idim": WIDTH, "threshold": 1.0, "l_order": 1, "r_order": 1, "tail_threshold": 0.45},
        "frontend": "WavFrontendOnline" if streaming else "WavFrontend",
        "frontend_conf": _FRONT_END,
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
        **_COMMON,
    }


def _write_pieces(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        text = Path(name) / "words.txt"
        text.write_text("\n".join(words()) + "\n")
        sentencepiece.SentencePieceTrainer.train(
            input=str(text),
            model_prefix=f"{name}/bpe",
            vocab_size=280,
            # By default a rare letter, the j of "john", is left out.
            character_coverage=1.0,
            model_type="bpe",
            user_defined_symbols=_TAGS,
            unk_id=0,
            bos_id=1,
            eos_id=2,
            hard_vocab_limit=False,
            minloglevel=2,
        )
        (folder / "bpe.model").write_bytes((Path(name) / "bpe.model").read_bytes())
