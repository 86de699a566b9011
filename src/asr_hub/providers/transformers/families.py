"""
The three ways in which models of transformers are asked what was said.

Nothing of the library or of torch has types that are of use here: what comes from them is Any.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from asr_hub.errors import ClientError
from asr_hub.providers.transformers.settings import TransformersSettings
from asr_hub.providers.worker_messages import Heard, HeardWord

Samples = npt.NDArray[np.float32]
"""One utterance, full scale 1."""


class Family(Protocol):
    """A loaded model of one family."""

    languages: tuple[str, ...]
    longest_s: float | None
    """Seconds that the model can take at once; none where it does not say."""
    pads: bool
    """Whether utterances of other lengths in the same batch leave the text as it is."""

    def hear(self, audio: Sequence[Samples], language: str | None) -> list[Heard]:
        """What each utterance says. Word times in milliseconds, where there are any."""
        ...


class Spoken:
    """Encoder and decoder, such as Whisper, Moonshine or Speech2Text: features in, text out."""

    def __init__(self, model: Any, processor: Any, settings: TransformersSettings) -> None:
        self._model = model
        self._processor = processor
        self._settings = settings
        self._rate = int(processor.feature_extractor.sampling_rate)
        is_whisper = model.config.model_type == "whisper"
        chosen = model.generation_config
        # Whisper's English models have no languages to choose from.
        known = getattr(chosen, "lang_to_id", None) if getattr(chosen, "is_multilingual", False) else None
        self._known = {tag.strip("<|>") for tag in known or ()}
        self.languages = tuple(sorted(self._known)) or (("en",) if is_whisper else ())
        self.longest_s = float(processor.feature_extractor.chunk_length) if is_whisper else None
        self.pads = True
        self._padding = "max_length" if is_whisper else "longest"
        prepares = inspect.signature(processor.feature_extractor.__call__).parameters
        # Where it can be chosen: one core takes longer over a window of 30 s than a GPU over all the rest.
        self._prepared_on = {"device": str(model.device)} if "device" in prepares else {}

    def hear(self, audio: Sequence[Samples], language: str | None) -> list[Heard]:
        inputs = self._processor.feature_extractor(
            list(audio),
            sampling_rate=self._rate,
            padding=self._padding,
            return_attention_mask=True,
            return_tensors="pt",
            **self._prepared_on,
        )
        tokens = self._model.generate(
            **inputs.to(self._model.device, self._model.dtype),
            **self._asked(language),
            **{"do_sample": False, "max_new_tokens": self._settings.max_new_tokens, **self._settings.generate},
        )
        texts = self._processor.batch_decode(tokens, skip_special_tokens=True)
        return [Heard(text=" ".join(text.split()), language=language if self._known else None) for text in texts]

    def _asked(self, language: str | None) -> dict[str, str]:
        if not self._known:
            return {}
        if language is not None and language not in self._known:
            raise ClientError(
                f"this model does not know the language {language!r}; it knows {', '.join(self.languages)}",
                code="unsupported-language",
            )
        return {"task": self._settings.task, **({"language": language} if language else {})}


class Connectionist:
    """CTC, such as wav2vec 2.0 or HuBERT: a token for each frame, and so a time for each word."""

    def __init__(self, model: Any, extractor: Any, tokenizer: Any) -> None:
        self._model = model
        self._extractor = extractor
        self._tokenizer = tokenizer
        self.languages: tuple[str, ...] = ()
        self.longest_s: float | None = None
        # The library has no public name for how many frames come of so many samples.
        self._frames = getattr(model, "_get_feat_extract_output_lengths", None)
        # Models without a mask normalise over the padding too.
        self.pads = self._frames is not None and bool(getattr(extractor, "return_attention_mask", False))
        self._tells_times = "output_word_offsets" in inspect.signature(tokenizer.decode).parameters

    def hear(self, audio: Sequence[Samples], language: str | None) -> list[Heard]:
        rate = int(self._extractor.sampling_rate)
        inputs = self._extractor(list(audio), sampling_rate=rate, padding=True, return_tensors="pt")
        logits = self._model(**inputs.to(self._model.device, self._model.dtype)).logits.float()
        heard = []
        for scores, samples in zip(logits, audio, strict=True):
            frames = int(self._frames(len(samples))) if self._frames and self.pads else len(scores)
            heard.append(self._decoded(scores[: max(1, frames)], len(samples) * 1000 / rate))
        return heard

    def _decoded(self, scores: Any, length_ms: float) -> Heard:
        best, tokens = scores.softmax(-1).max(-1)
        if not self._tells_times:
            return Heard(text=" ".join(self._tokenizer.decode(tokens, skip_special_tokens=True).split()))
        told = self._tokenizer.decode(tokens, skip_special_tokens=True, output_word_offsets=True)
        frame_ms = length_ms / len(tokens)
        words = []
        for word in told.word_offsets:
            first, last = word["start_offset"], word["end_offset"]
            confidence = round(float(best[first : max(last, first + 1)].mean()), 4)
            words.append(HeardWord(word["word"], int(first * frame_ms), int(last * frame_ms), confidence))
        told_text = " ".join(told.text.split())
        mean = round(sum(word.confidence or 0.0 for word in words) / len(words), 4) if words else None
        return Heard(text=told_text, words=tuple(words), confidence=mean)


class Prompted:
    """Language models that listen, such as GLM-ASR: the processor writes the request, the model answers it."""

    def __init__(self, model: Any, processor: Any, settings: TransformersSettings, folder: Path) -> None:
        self._model = model
        self._processor = processor
        self._settings = settings
        self.languages: tuple[str, ...] = ()
        self.longest_s: float | None = None
        self.pads = True
        asked = inspect.signature(processor.apply_transcription_request).parameters
        self._language = next((name for name in ("language", "source_language") if name in asked), None)
        self._fixed = {"model_id": str(folder)} if "model_id" in asked else {}
        decode = inspect.signature(processor.decode).parameters
        self._decode: dict[str, object] = {"return_format": "transcription_only"} if "return_format" in decode else {}
        if "strip_prefix" in decode:
            self._decode["strip_prefix"] = True

    def hear(self, audio: Sequence[Samples], language: str | None) -> list[Heard]:
        asked = language if self._language else None
        named = {self._language: asked} if self._language and asked else {}
        inputs = self._processor.apply_transcription_request(audio=list(audio), **self._fixed, **named)
        inputs = inputs.to(self._model.device, self._model.dtype)
        tokens = self._model.generate(
            **inputs,
            **{"do_sample": False, "max_new_tokens": self._settings.max_new_tokens, **self._settings.generate},
        )
        answers = tokens[:, inputs["input_ids"].shape[1] :]
        texts = self._processor.decode(answers, skip_special_tokens=True, **self._decode)
        return [Heard(text=" ".join(text.split()), language=asked) for text in texts]
