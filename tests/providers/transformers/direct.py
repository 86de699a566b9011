"""transformers driven directly, without the hub's code: what the provider's finals must equal, word for word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import transformers

TOKENS = 20


def whisper(folder: Path, pcm: bytes, *, language: str | None = None) -> str:
    """The text of one utterance."""
    processor = transformers.WhisperProcessor.from_pretrained(folder)
    model = transformers.WhisperForConditionalGeneration.from_pretrained(folder).eval()
    inputs = processor(audio=_samples(pcm), sampling_rate=16_000, return_tensors="pt", return_attention_mask=True)
    asked = {"language": language, "task": "transcribe"} if language else {}
    with torch.inference_mode():
        tokens = model.generate(**inputs, **asked, do_sample=False, max_new_tokens=TOKENS)
    return " ".join(processor.batch_decode(tokens, skip_special_tokens=True)[0].split())


def wav2vec2(folder: Path, pcm: bytes) -> str:
    """The text of one utterance."""
    extractor = transformers.Wav2Vec2FeatureExtractor.from_pretrained(folder)
    tokenizer = transformers.Wav2Vec2CTCTokenizer.from_pretrained(folder)
    model = transformers.Wav2Vec2ForCTC.from_pretrained(folder).eval()
    inputs = extractor(_samples(pcm), sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        logits = model(**inputs).logits
    return " ".join(tokenizer.batch_decode(logits.argmax(-1), skip_special_tokens=True)[0].split())


def glm_asr(folder: Path, pcm: bytes) -> str:
    """The text of one utterance."""
    processor = transformers.GlmAsrProcessor.from_pretrained(folder)
    model = transformers.GlmAsrForConditionalGeneration.from_pretrained(folder).eval()
    inputs = processor.apply_transcription_request(_samples(pcm))
    with torch.inference_mode():
        tokens = model.generate(**inputs, do_sample=False, max_new_tokens=TOKENS)
    answer = tokens[:, inputs["input_ids"].shape[1] :]
    return " ".join(processor.batch_decode(answer, skip_special_tokens=True)[0].split())


def _samples(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, np.int16).astype(np.float32) / np.float32(32768)
