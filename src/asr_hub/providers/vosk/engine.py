"""Vosk in its engine process. The only file that imports the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any, Protocol, TypeVar, cast

import msgspec

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.models.folder import find
from asr_hub.providers.vosk.answers import UNKNOWN
from asr_hub.providers.vosk.model_folder import ModelFolder
from asr_hub.providers.vosk.settings import ENGINE, VoskSettings
from asr_hub.providers.vosk.utterance import Recognizer, Utterance
from asr_hub.providers.worker_messages import Begin, Heard

T = TypeVar("T")

STEP_S = 0.2
"""Seconds. The engine itself decodes in pieces of this length."""

_FIXED_GRAPH = (
    "does nothing: the decoding graph of this model is fixed (graph/HCLG.fst); take a model with graph/HCLr.fst, "
    "such as one of Vosk's small ones"
)


class Model(Protocol):
    """What is used of `vosk.Model`, which has no types."""

    def vosk_model_find_word(self, word: str) -> int:
        """Below 0: not in the dictionary."""
        ...


NewRecognizer = Callable[[str | None], Recognizer]
"""Makes a recogniser of the model, with a grammar in JSON where one is given."""


def load(settings: dict[str, Any]) -> VoskEngine:
    """
    Load a model from its folder. Never fetches one.

    Raises ProviderUnavailable where the engine or the model is not here, ConfigError where settings and model do not
    fit each other.
    """
    chosen = msgspec.convert(settings, VoskSettings)
    if chosen.device.startswith("cuda"):
        raise ConfigError("device: Vosk decodes on the CPU; take `auto` or `cpu`, and more `threads`")
    folder = ModelFolder(find(chosen.model, engine=ENGINE))
    folder.check()
    if chosen.sample_rate not in (None, folder.sample_rate):
        raise ConfigError(f"sample_rate: the model in {folder.path} hears {folder.sample_rate} Hz; leave it out")
    try:
        import vosk
    except ImportError as exc:
        raise ProviderUnavailable("vosk is not installed; do: pip install 'asr-hub[vosk]'") from exc
    vosk.SetLogLevel(-1)
    try:
        model = vosk.Model(str(folder.path))
    except Exception as exc:  # the SDK raises nothing narrower
        raise ProviderUnavailable(
            f"vosk cannot load the model in {folder.path}; a file of it is broken, or of another engine: {exc}"
        ) from exc

    def recognizer(grammar: str | None) -> Recognizer:
        made = vosk.KaldiRecognizer(model, folder.sample_rate, *(() if grammar is None else (grammar,)))
        made.SetWords(True)
        made.SetPartialWords(chosen.partial_words)
        made.SetMaxAlternatives(chosen.max_alternatives)
        return cast(Recognizer, made)

    return VoskEngine(chosen, folder, model, recognizer)


class VoskEngine:
    """A StreamingEngine. One model, shared by the recognisers of all utterances; `threads` of them decode at a time."""

    def __init__(self, settings: VoskSettings, folder: ModelFolder, model: Model, recognizer: NewRecognizer) -> None:
        self.version = f"vosk {version('vosk')}, {folder.path.name}"
        self.device = "cpu"
        self.languages = (settings.language,) if settings.language else folder.languages
        self.step_s = STEP_S
        self._rate = folder.sample_rate
        self._is_dynamic = folder.has_dynamic_graph
        self._hotwords_as_grammar = settings.hotwords_as_grammar
        self._model = model
        self._recognizer = recognizer
        self._grammar, unknown = self._known(settings.grammar)
        if self._is_dynamic and unknown:
            raise ConfigError(f"grammar: the model's dictionary lacks {', '.join(unknown)}")
        # The engine lets go of the interpreter's lock while it decodes.
        self._pool = ThreadPoolExecutor(settings.threads, "vosk") if settings.threads > 1 else None

    def begin(self, begin: Begin) -> Utterance:
        phrases, warnings = self._phrases(begin)
        return Utterance(
            self._recognizer(msgspec.json.encode(phrases).decode() if phrases else None),
            rate=self._rate,
            partials=begin.partials,
            warnings=warnings,
        )

    def step(self, streams: Sequence[Utterance], pcm: Sequence[bytes]) -> Sequence[Heard | None]:
        return self._each(Utterance.step, streams, pcm)

    def end(self, streams: Sequence[Utterance], pcm: Sequence[bytes]) -> Sequence[Heard]:
        return self._each(Utterance.end, streams, pcm)

    def drop(self, stream: Utterance) -> None:
        """A recogniser is freed with its utterance."""

    def _each(
        self, hear: Callable[[Utterance, bytes], T], streams: Sequence[Utterance], pcm: Sequence[bytes]
    ) -> Sequence[T]:
        if self._pool is None or len(streams) == 1:
            return list(map(hear, streams, pcm))
        return list(self._pool.map(hear, streams, pcm))

    def _phrases(self, begin: Begin) -> tuple[tuple[str, ...], list[str]]:
        """The grammar of an utterance, empty for none, and what of the wishes cannot be done."""
        hotwords = begin.hotwords if self._hotwords_as_grammar else ()
        if not self._is_dynamic:
            asked = (("grammar", self._grammar), ("hotwords_as_grammar", hotwords))
            return (), [f"{name} {_FIXED_GRAPH}" for name, phrases in asked if phrases]
        if begin.phrases:
            return self._known(begin.phrases)[0], []
        known, unknown = self._known(hotwords)
        warnings = [f"hotwords: the model's dictionary lacks {', '.join(unknown)}"] if unknown else []
        return ((*known, UNKNOWN) if known else self._grammar), warnings

    def _known(self, phrases: Iterable[str]) -> tuple[tuple[str, ...], list[str]]:
        """The phrases as the dictionary writes them, and the words it lacks, whose phrases are left out."""
        known, unknown = [], dict[str, None]()
        for phrase in phrases:
            words = [(word, self._spelled(word)) for word in phrase.split()]
            lacking = [word for word, spelled in words if spelled is None]
            unknown.update(dict.fromkeys(lacking))
            if words and not lacking:
                known.append(" ".join(spelled for _, spelled in words if spelled))
        return tuple(known), list(unknown)

    def _spelled(self, word: str) -> str | None:
        return next((form for form in (word, word.lower()) if self._model.vosk_model_find_word(form) >= 0), None)
