"""The kinds of model that sherpa-onnx is asked for, and how to tell which one a folder holds."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

_LFR = ("vocab_size", "lfr_window_size", "lfr_window_shift", "neg_mean", "inv_stddev")
_SENSE_VOICE_IDS = tuple(f"lang_{language}" for language in ("auto", "zh", "en", "ja", "ko", "yue"))


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A shape of model: which files it has, and which function of the SDK takes them."""

    factory: str
    """Of `sherpa_onnx.OnlineRecognizer` or `OfflineRecognizer`."""
    is_streaming: bool
    parts: Mapping[str, str]
    """What each ONNX file is, and the name of the SDK's parameter for it."""
    needs: tuple[str, ...] = ()
    """Notes of the first part without which the SDK ends the process."""
    is_transducer: bool = False
    """Takes hotwords and tells probabilities."""
    has_times: bool = True
    whole_tokens: bool = False
    """A token is a word, or ends with `@@` where it goes on; elsewhere a word's first token begins with a space."""
    options: Mapping[str, str] = {}
    """What the SDK must be told besides."""
    model_types: tuple[str, ...] = ()
    """What the note `model_type` says, where it tells."""


_TRANSDUCER = {"encoder": "encoder", "decoder": "decoder", "joiner": "joiner"}
_PAIR = {"encoder": "encoder", "decoder": "decoder"}
_ONE = {"model": "model"}
_NEMO_CTC = ("EncDecCTCModel", "EncDecCTCModelBPE", "EncDecHybridRNNTCTCBPEModel")
_NEMO_RNNT = ("EncDecRNNTBPEModel", "EncDecHybridRNNTCTCBPEModel")

KINDS: Mapping[str, Kind] = {
    "streaming-transducer": Kind(
        factory="from_transducer",
        is_streaming=True,
        parts=_TRANSDUCER,
        is_transducer=True,
        model_types=("conformer", "lstm", "zipformer", "zipformer2", "ebranchformer", *_NEMO_RNNT),
    ),
    "streaming-paraformer": Kind(
        factory="from_paraformer",
        is_streaming=True,
        parts=_PAIR,
        needs=(*_LFR, "encoder_output_size", "decoder_num_blocks", "decoder_kernel_size"),
        has_times=False,
        whole_tokens=True,
        model_types=("paraformer",),
    ),
    "streaming-zipformer2-ctc": Kind(
        factory="from_zipformer2_ctc", is_streaming=True, parts=_ONE, model_types=("zipformer2",)
    ),
    "streaming-nemo-ctc": Kind(factory="from_nemo_ctc", is_streaming=True, parts=_ONE, model_types=_NEMO_CTC),
    "transducer": Kind(
        factory="from_transducer",
        is_streaming=False,
        parts=_TRANSDUCER,
        is_transducer=True,
        model_types=("conformer", "zipformer", "zipformer2"),
    ),
    "nemo-transducer": Kind(
        factory="from_transducer",
        is_streaming=False,
        parts=_TRANSDUCER,
        options={"model_type": "nemo_transducer"},
        model_types=_NEMO_RNNT,
    ),
    "whisper": Kind(factory="from_whisper", is_streaming=False, parts=_PAIR, has_times=False),
    "paraformer": Kind(
        factory="from_paraformer",
        is_streaming=False,
        parts={"model": "paraformer"},
        needs=_LFR,
        whole_tokens=True,
        model_types=("paraformer",),
    ),
    "sense-voice": Kind(
        factory="from_sense_voice",
        is_streaming=False,
        parts=_ONE,
        needs=(*_LFR, "normalize_samples", "with_itn", "without_itn", *_SENSE_VOICE_IDS),
        model_types=("sense_voice_ctc", "sense_voice"),
    ),
    "zipformer-ctc": Kind(
        factory="from_zipformer_ctc", is_streaming=False, parts=_ONE, model_types=("zipformer2_ctc", "zipformer_ctc")
    ),
    "nemo-ctc": Kind(factory="from_nemo_ctc", is_streaming=False, parts=_ONE, model_types=_NEMO_CTC),
}


def kind_of(parts: frozenset[str], notes: Mapping[str, str]) -> str | None:
    """
    The name of the kind of a model with these parts, whose first part carries these notes; none where it is not told.

    What streams says how many frames it takes at a time.
    """
    model_type = notes.get("model_type", "")
    is_streaming = "decode_chunk_len" in notes or "chunk_shift" in notes or parts == _PAIR.keys()
    if parts == _PAIR.keys() and model_type.startswith("whisper"):
        return "whisper"
    for name, kind in KINDS.items():
        if kind.parts.keys() == parts and kind.is_streaming == is_streaming and model_type in kind.model_types:
            return name
    return None
