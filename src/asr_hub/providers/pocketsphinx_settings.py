"""The settings of the PocketSphinx provider. Imports no engine: the hub reads them before any process is started."""

from __future__ import annotations

from typing import Literal

import msgspec


class PocketSphinxSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `providers.<name>.settings` may hold for `kind: pocketsphinx`. Paths are those of the hub's machine."""

    acoustic_model: str | None = None
    """A folder. By default the English one that comes with the engine."""
    dictionary: str | None = None
    """A file of words and their phones."""
    language_model: str | None = None
    """A file, ARPA or binary. Not used with `grammar` or `phrases`."""
    language: str = "en-US"
    """BCP 47. What the models understand."""
    sample_rate: int = 16_000
    """Hertz. What the acoustic model was trained on; audio arrives in this rate."""

    grammar: str | None = None
    """Commands only: JSGF text (begins with `#JSGF`), or the path of a file with it."""
    phrases: tuple[str, ...] = ()
    """Commands only: the sentences themselves."""
    pronunciations: dict[str, str] = {}
    """Words that the dictionary lacks, with their phones: `{zorbatron: Z AO R B AH T R AA N}`, for all sessions."""

    final: Literal["whole", "streaming"] = "whole"
    """
    `whole` decodes the utterance once more when it is over, with the channel mean of the whole utterance: a seventh
    fewer word errors, and a final that comes later by a quarter of the utterance's length. `streaming` takes what the
    first pass heard.
    """
    min_confidence: float | None = None
    """
    Below it the final is empty. By default 0.4 with `grammar` or `phrases` and the engine's own acoustic model, else 0:
    the confidence of dictation does not tell noise from speech, and other models have another scale.
    """
    hotword_weight: float = 100.0
    """How many times likelier a hotword is than a word of which nothing is known."""
    wake_threshold: float = 1e-30
    """The smaller, the more readily a wake word is heard: between 1e-50 and 1."""
    decoder: dict[str, str | bool | int | float] = {}
    """Options of the engine itself, such as `beam` or `lw`."""

    max_streams: int | None = None
    """Worker processes at most; each is made when it is first needed. By default two for each core."""
    wait_s: float = 30.0
    """How long an utterance waits for a worker; its audio is kept meanwhile."""
    start_timeout_s: float = 60.0
    """Seconds for loading the models."""
    max_utterance_s: float = 600.0
    """Longer utterances are an error: they are kept in memory whole."""

    self_test_clip: str | None = None
    """A mono 16-bit WAV file in `sample_rate`. By default a packaged one, if the models are the engine's own."""
    self_test_text: str | None = None
    """What is said in it."""

    @property
    def is_grammar(self) -> bool:
        return bool(self.grammar or self.phrases)

    @property
    def has_own_models(self) -> bool:
        """None of the models is the engine's own English one."""
        return bool(self.acoustic_model or self.dictionary or (self.language_model and not self.is_grammar))
