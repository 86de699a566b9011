"""The settings of the faster-whisper provider. Imports no engine: the hub reads them before any process is started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta

from asr_hub.errors import ProviderUnavailable
from asr_hub.providers.hosted import HostSettings
from asr_hub.providers.whisper.weights import weights

DEFAULT_MODEL = "small"

Count = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]


class WhisperSettings(HostSettings, frozen=True, kw_only=True):
    """What `providers.<name>.settings` may hold for `kind: faster-whisper`."""

    model: str = DEFAULT_MODEL
    """
    A folder with a model for CTranslate2, a name such as `small`, `large-v3-turbo` or `distil-large-v3`, or
    `hf:OWNER/REPO`. It is looked for in the models folder and in Hugging Face's cache, and never downloaded.
    """
    compute_type: str = "auto"
    """
    How numbers are kept: `int8`, `int8_float16`, `float16`, `bfloat16`, `float32` … `auto`: float16 on a GPU, int8 on
    the CPU.
    """
    language: str | None = None
    """BCP 47. What is spoken where the client does not say. By default it is detected in each utterance."""
    languages: tuple[str, ...] = ()
    """Only these are detected, and clients may ask for no others. By default all that the model knows."""
    task: Literal["transcribe", "translate"] = "transcribe"
    """`translate`: the text is English, whatever is spoken. `turbo` and `distil` models were not trained for it."""
    prompt: str = ""
    """Text that the model takes for what was said before: names, spelling, style of punctuation."""

    beam_size: Count = 5
    """Hypotheses that are followed at a time, for finals. 1 is greedy: several times as fast, a few more errors."""
    partial_beam_size: Count = 1
    """The same, for partials."""
    patience: Annotated[float, Meta(ge=1)] = 1.0
    """How many times `beam_size` hypotheses must be finished before the best is taken."""
    length_penalty: float = 1.0
    """Above 1 favours longer texts among the hypotheses, below 1 shorter ones."""
    repetition_penalty: Annotated[float, Meta(gt=0)] = 1.0
    """Above 1 makes what was said already less likely."""
    no_repeat_ngram_size: Annotated[int, Meta(ge=0)] = 0
    """No sequence of so many tokens comes twice. 0: it may."""

    word_times: bool = True
    """Finals have times and confidence for each word. Partials never have."""
    timestamps_from_s: float = 10.0
    """Seconds: finals of longer clips are decoded with timestamps, which loses fewer words of long audio."""
    window: Literal["full", "adaptive"] = "full"
    """
    `full` pads every clip to the 30 seconds that published weights were trained with. `adaptive` pads to what the clip
    needs: many times as fast, and some weights lose or repeat words by it. Measure before you choose it.
    """
    window_min_s: Annotated[float, Meta(ge=1)] = 10.0
    """Seconds of the smallest adaptive window."""
    window_margin_s: Annotated[float, Meta(ge=0)] = 2.0
    """Seconds of padding that an adaptive window has at least."""

    temperatures: tuple[float, ...] = (0.0, 0.4, 0.8)
    """
    A final that fails a check below is decoded again with the next one; the first is 0. One alone: never again. At
    temperatures above 0 the same audio may give another text.
    """
    best_of: Count = 5
    """Hypotheses that are drawn at temperatures above 0; the likeliest is taken."""
    compression_ratio_threshold: float = 2.4
    """A text that compresses better than this repeats itself."""
    log_prob_threshold: float = -1.0
    """Natural logarithm: an average token less likely than this is a failure."""
    no_speech_threshold: Share = 0.6
    """A text that is unlikely, where the model's own probability of `no speech` is above this, is taken for none."""
    min_confidence: Share = 0.0
    """A text of which the model is less sure is taken for none."""
    hush_dbfs: float = -70.0
    """Decibels below full scale: a clip whose loudest tenth of a second is quieter is silence, and not decoded."""
    phantoms: tuple[str, ...] = ()
    """Texts that the model is known to make of noise (`Thank you.`): suppressed where nothing else was heard."""

    def __post_init__(self) -> None:
        if not self.temperatures or self.temperatures[0] != 0 or any(not 0 <= t <= 2 for t in self.temperatures):
            raise ValueError("temperatures begin with 0 and are not above 2, as in [0.0, 0.4, 0.8]")


def missing(settings: Mapping[str, Any]) -> str | None:
    """Why the weights are not on this machine; None: they are."""
    try:
        weights(str(settings.get("model", DEFAULT_MODEL)))
    except ProviderUnavailable as exc:
        return str(exc)
    return None
