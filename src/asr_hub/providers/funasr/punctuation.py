"""Punctuation for a text that has none, by FunASR's CT-Transformer."""

from __future__ import annotations

import torch

from asr_hub.providers.funasr.build import Built


class Punctuation:
    """A loaded CT-Transformer."""

    def __init__(self, built: Built) -> None:
        self._built = built

    def write(self, text: str) -> str:
        """`text` with punctuation and capitals. Blank text stays as it is."""
        if not text.strip():
            return text
        model, tokenizer, _, config, device = self._built
        with torch.inference_mode():
            # The space keeps FunASR from taking a text that begins like an address for something to fetch.
            results, _ = model.inference(
                data_in=[f" {text}"], key=["text"], **{**config, "tokenizer": tokenizer, "device": str(device)}
            )
        return str(results[0]["text"]).strip()
