"""Engines in the test's own process, loaded once; folders with models of random weights, made by FunASR's classes."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

with warnings.catch_warnings():
    # Of the SDK's own imports.
    warnings.simplefilter("ignore")
    torch = pytest.importorskip("torch", exc_type=ImportError)
    pytest.importorskip("funasr", exc_type=ImportError)
    from funasr import AutoModel

from tests.providers.funasr.direct import MODELS

from asr_hub.providers.funasr.load import load
from asr_hub.providers.host.engine import Clip
from asr_hub.providers.worker_messages import Begin, Heard

BEGIN = Begin(sample_rate=16_000)

PARAFORMER = str(MODELS / "tiny-paraformer")
STREAMING = str(MODELS / "tiny-paraformer-streaming")
SENSEVOICE = str(MODELS / "tiny-sensevoice")


@cache
def engine(model: str, **settings: Any) -> Any:
    """A loaded engine, shared by tests: whole engines keep nothing, streaming ones keep all in the streams."""
    return load({"model": model, "device": "cpu", **settings})


def hear(loaded: Any, *pcm: bytes, begin: Begin = BEGIN, is_final: bool = True) -> list[Heard]:
    """A batch."""
    return list(loaded.recognise([Clip(pcm=each, begin=begin, is_final=is_final) for each in pcm]))


def hear_in_steps(loaded: Any, pcm: bytes, *, size: int | None = None) -> tuple[Heard, list[Heard]]:
    """The final and the partials of one utterance, given in pieces of `size` bytes, by default of a step."""
    size = size or int(loaded.step_s * 32_000)
    stream = loaded.begin(BEGIN)
    partials = []
    whole = len(pcm) // size * size
    for at in range(0, whole, size):
        partials += [heard for heard in loaded.step([stream], [pcm[at : at + size]]) if heard is not None]
    (final,) = loaded.end([stream], [pcm[whole:]])
    loaded.drop(stream)
    return final, partials


def random_contextual(folder: Path, kind: str) -> Path:
    """A ContextualParaformer or SeacoParaformer that takes hotwords and hears nothing sensible."""
    shutil.copytree(PARAFORMER, folder)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["model"] = kind
    width = config["encoder_conf"]["output_size"]
    config["model_conf"] |= {"inner_dim": width, "bias_encoder_type": "lstm", "NO_BIAS": 0}
    if kind == "ContextualParaformer":
        config["decoder"] = "ContextualParaformerDecoder"
    else:
        config["predictor"] = "CifPredictorV3"
        config["predictor_conf"] |= {"upsample_times": 3, "upsample_type": "cnn_blstm", "use_cif1_cnn": False}
        config["seaco_decoder"] = "ParaformerSANMDecoder"
        config["seaco_decoder_conf"] = dict(config["decoder_conf"], wo_input_layer=True, use_output_layer=False)
    return _with_random_weights(folder, config, torch.load(folder / "model.pt")["state_dict"])


def random_punctuation(folder: Path, kind: str = "CTTransformer", tokens: Sequence[str] = ("go", "forward")) -> Path:
    """A punctuation model. What it writes has no sense; where it writes is the class's own doing."""
    folder.mkdir()
    encoder = {
        "input_size": 32, "output_size": 32, "attention_heads": 2, "linear_units": 64, "num_blocks": 2,
        "dropout_rate": 0.1, "positional_dropout_rate": 0.1, "attention_dropout_rate": 0.0, "input_layer": "pe",
        "pos_enc_class": "SinusoidalPositionEncoder", "normalize_before": True, "kernel_size": 11,
        "sanm_shfit": 0 if kind == "CTTransformer" else 5, "selfattention_layer_type": "sanm", "padding_idx": 0,
    }  # fmt: skip
    config = {
        "model": kind,
        "model_conf": {
            "ignore_id": 0, "embed_unit": 32, "att_unit": 32, "dropout_rate": 0.1, "sentence_end_id": 3,
            "punc_list": ["<unk>", "_", "，", "。", "？", "、"], "punc_weight": [1.0] * 6,  # noqa: RUF001
        },
        "encoder": "SANMEncoder" if kind == "CTTransformer" else "SANMVadEncoder",
        "encoder_conf": encoder,
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>"},
    }  # fmt: skip
    (folder / "tokens.json").write_text(json.dumps(["<blank>", "<s>", "</s>", *tokens, "<unk>"]))
    return _with_random_weights(folder, config, {})


def _with_random_weights(folder: Path, config: dict[str, Any], known: dict[str, Any]) -> Path:
    """Write `config` and a model of its classes, with `known` parameters where they fit."""
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    built = json.loads(json.dumps(config))
    built.setdefault("tokenizer_conf", {})["token_list"] = str(folder / "tokens.json")
    if (folder / "am.mvn").exists():
        built["frontend_conf"]["cmvn_file"] = str(folder / "am.mvn")
    model, _ = AutoModel.build_model(**built, device="cpu", ncpu=1)
    state = model.state_dict()
    state |= {name: value for name, value in known.items() if name in state and state[name].shape == value.shape}
    torch.save({"state_dict": state}, folder / "model.pt")
    return folder
