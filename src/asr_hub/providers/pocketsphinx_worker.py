"""PocketSphinx, in an engine process. The only file that imports the engine."""

from __future__ import annotations

import math
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pocketsphinx

from asr_hub.errors import ConfigError, ProviderUnavailable, TooLarge
from asr_hub.providers.pocketsphinx_settings import PocketSphinxSettings
from asr_hub.providers.worker_messages import Begin, Heard, HeardWord

BLOCKS_PER_SECOND = 10
"""Audio goes into the engine in blocks counted from the utterance's start: the text cannot depend on the network."""

_DEFAULT = "_default"
_FAST = "fast"
_GRAMMAR = "grammar"
_WAKE = "wake"
_SEED = "cmn"
_SHORTEST_S = 0.025
_HUSH = 2
"""Steps of 16-bit audio between the lowest and the highest sample: less than any microphone's own noise."""
_SEED_BLOCKS = BLOCKS_PER_SECOND
_FAST_OPTIONS: Mapping[str, bool | int] = {"fwdflat": False, "bestpath": False, "maxhmmpf": 3000}
_VARIANT = re.compile(r"\(\d+\)$")
_HOT = "~"
"""Ends the dictionary entries of hotwords, so that they never collide with the dictionary's own."""
_GRAMMAR_FLOOR = 0.4
_SPREAD = 4.0
"""
Natural-log acoustic distance per frame, relative to the best senone of each frame, over which confidence falls to 1/e.
Commands lie around -1.2 and other speech forced into a grammar below -4.
"""


def load(settings: dict[str, Any]) -> PocketSphinxEngine:
    """Load the models. Raises ConfigError or ProviderUnavailable, naming the file or word that is wrong."""
    return PocketSphinxEngine(msgspec.convert(settings, PocketSphinxSettings))


class PocketSphinxEngine:
    """
    One decoder with several searches: a fast one for partials, a thorough one for the final, a grammar, wake words.

    Every utterance starts from fresh feature extraction, as in a new decoder: noise estimate and channel mean of a
    former utterance, of whatever session, do not reach it. The channel mean of the same session does, as `memory`.
    """

    def __init__(self, settings: PocketSphinxSettings) -> None:
        self.version = f"pocketsphinx {version('pocketsphinx')}"
        self._settings = settings
        self._block = settings.sample_rate // BLOCKS_PER_SECOND * 2
        self._decoder = _decoder(settings)
        self._aliases: dict[str, str] = {}
        self._add_words(settings.pronunciations)
        self._allowed: frozenset[str] = frozenset()
        if settings.is_grammar:
            self._add_grammar(settings.grammar, settings.phrases)
        self._final_search = _GRAMMAR if settings.is_grammar else _DEFAULT
        self._live_search = self._final_search
        if not settings.is_grammar and settings.final == "whole":
            self._live_search = _FAST
            self._add_fast_search()
        self._profile: object = None
        self._warnings: list[str] = []
        self._begin = Begin(sample_rate=settings.sample_rate)
        self._pending = bytearray()
        self._whole = bytearray()
        self._live: _Live | None = None

    def begin(self, begin: Begin) -> None:
        self._configure(begin)
        self._begin = begin
        self._pending.clear()
        self._whole.clear()
        wakes = bool(begin.wake_words)
        self._live = None
        if wakes or begin.partials or self._settings.final == "streaming":
            search = _WAKE if wakes else self._live_search
            self._live = _Live(self._decoder, search, begin.memory.get(_SEED))

    def hear(self, pcm: bytes) -> Iterable[Heard]:
        self._pending += pcm
        while len(self._pending) >= self._block:
            block = bytes(self._pending[: self._block])
            del self._pending[: self._block]
            yield from self._feed(block)

    def end(self) -> Iterable[Heard]:
        rest = bytes(self._pending[: len(self._pending) // 2 * 2])
        if rest:
            yield from self._feed(rest)
        if self._begin.wake_words:
            yield from self._end_wake()
        elif len(self._whole) < _SHORTEST_S * self._settings.sample_rate * 2 or _is_digital_silence(self._whole):
            # Less than one analysis window makes the engine raise; of digital silence it makes a short word.
            if self._live is not None:
                self._live.close()
            yield self._told(Heard(text="", end=self._ms(len(self._whole)), is_final=True, memory=self._begin.memory))
        else:
            yield self._told(self._final())
        self._live = None

    def _feed(self, block: bytes) -> Iterator[Heard]:
        if self._begin.wake_words:
            yield from self._spot(block)
            return
        self._whole += block
        if len(self._whole) > self._settings.max_utterance_s * self._settings.sample_rate * 2:
            raise TooLarge(f"an utterance of more than {self._settings.max_utterance_s:g} s; set an endpointing limit")
        if self._live is None:
            return
        self._live.feed(block)
        if self._begin.partials and (text := self._live.new_text()) is not None:
            yield self._told(Heard(text=self._spoken(text), end=self._ms(len(self._whole))))

    def _spot(self, block: bytes) -> Iterator[Heard]:
        live = self._live
        if live is None:
            return
        live.feed(block)
        for phrase, end in live.spotted():
            yield self._told(Heard(text=self._aliases.get(phrase, phrase), stable=len(phrase), end=end * 10))

    def _end_wake(self) -> Iterator[Heard]:
        live = self._live
        if live is not None:
            live.close()
            for phrase, end in live.spotted():
                yield self._told(Heard(text=self._aliases.get(phrase, phrase), stable=len(phrase), end=end * 10))
            yield self._told(Heard(text="", end=live.frames * 10, is_final=True, memory={_SEED: live.mean()}))

    def _final(self) -> Heard:
        decoder = self._decoder
        if self._live is not None:
            self._live.close()
        if self._settings.final == "whole" or self._live is None:
            decoder.reinit_feat()
            decoder.activate_search(self._final_search)
            decoder.start_utt()
            decoder.process_raw(bytes(self._whole), full_utt=True)
            decoder.end_utt()
        return self._read_final()

    def _read_final(self) -> Heard:
        words = tuple(self._words()) if self._decoder.hyp() is not None else ()
        confidence = self._confidence(words)
        floor = self._settings.min_confidence
        if floor is None:
            # The scale is that of the engine's own acoustic model; another one's scores lie elsewhere.
            is_known_scale = self._final_search == _GRAMMAR and self._settings.acoustic_model is None
            floor = _GRAMMAR_FLOOR if is_known_scale else 0.0
        text = " ".join(word.text for word in words)
        suppressed, reason = "", ""
        if text and (confidence or 0.0) < floor:
            suppressed, reason = text, f"confidence {confidence:.2f} is below {floor:.2f}"
        elif text and self._allowed and text.lower() not in self._allowed:
            suppressed, reason = text, "no whole phrase of the grammar"
        if suppressed:
            words, text = (), ""
        length = self._ms(len(self._whole))
        return Heard(
            text=text,
            start=words[0].start if words else 0,
            end=words[-1].end if words else length,
            words=words,
            confidence=confidence,
            is_final=True,
            memory={_SEED: self._decoder.get_cmn()},
            suppressed=suppressed,
            suppressed_because=reason,
        )

    def _words(self) -> Iterator[HeardWord]:
        for seg in self._decoder.seg():
            if _is_filler(seg.word):
                continue
            frames = seg.end_frame - seg.start_frame + 1
            if self._final_search == _GRAMMAR:
                confidence = math.exp(math.log(max(seg.ascore, 1e-300)) / frames / _SPREAD)
            else:
                confidence = seg.prob
            yield HeardWord(
                self._spoken(seg.word), seg.start_frame * 10, (seg.end_frame + 1) * 10, round(min(1.0, confidence), 4)
            )

    def _confidence(self, words: tuple[HeardWord, ...]) -> float | None:
        """The mean over the words' time: geometric in a grammar, where one wrong word means a wrong sentence."""
        if not words:
            return None
        spans = [word.end - word.start for word in words]
        if self._final_search == _GRAMMAR:
            logs = sum(
                math.log(max(word.confidence or 0.0, 1e-6)) * span for word, span in zip(words, spans, strict=True)
            )
            return round(math.exp(logs / sum(spans)), 4)
        return round(sum((word.confidence or 0.0) for word in words) / len(words), 4)

    def _spoken(self, text: str) -> str:
        """What a person would write: no pronunciation variants, no fillers, hotwords as they were given."""
        words = (_VARIANT.sub("", word) for word in text.split() if not _is_filler(word))
        return " ".join(self._aliases.get(word, word) for word in words)

    def _told(self, heard: Heard) -> Heard:
        if not self._warnings:
            return heard
        warnings, self._warnings = tuple(self._warnings), []
        return msgspec.structs.replace(heard, warnings=warnings)

    def _ms(self, pcm: int) -> int:
        return pcm // 2 * 1000 // self._settings.sample_rate

    def _configure(self, begin: Begin) -> None:
        """Once in the life of a worker: what it learns here is never unlearnt, so it serves this profile only."""
        profile = (begin.hotwords, begin.hotword_weights, begin.wake_words, begin.phrases)
        if self._profile == profile:
            return
        if self._profile is not None:
            raise ConfigError("a worker serves one set of hotwords, wake words and phrases only")
        self._profile = profile
        if begin.phrases:
            self._add_grammar(None, begin.phrases)
            self._final_search = self._live_search = _GRAMMAR
        if begin.wake_words:
            self._add_wake_words(begin.wake_words)
        if begin.hotwords:
            self._add_hotwords(begin.hotwords, begin.hotword_weights)

    def _add_words(self, pronunciations: Mapping[str, str]) -> None:
        for word, phones in pronunciations.items():
            try:
                self._decoder.add_word(word, phones, True)
            except RuntimeError as exc:
                raise ConfigError(f"pronunciations: {word!r}: the acoustic model cannot say {phones!r}") from exc

    def _add_fast_search(self) -> None:
        config = self._decoder.config
        kept = {option: config[option] for option in _FAST_OPTIONS}
        for option, value in _FAST_OPTIONS.items():
            config[option] = value
        self._decoder.add_lm(_FAST, self._decoder.get_lm(_DEFAULT))
        for option, value in kept.items():
            config[option] = value

    def _add_grammar(self, grammar: str | None, phrases: tuple[str, ...]) -> None:
        if phrases:
            grammar = self._grammar_of(phrases)
        elif grammar is not None and not grammar.lstrip().startswith("#JSGF"):
            grammar = _existing("grammar", grammar).read_text(encoding="utf-8")
        try:
            self._decoder.add_jsgf_string(_GRAMMAR, grammar)
        except (ValueError, RuntimeError) as exc:
            raise ConfigError(
                "grammar: not JSGF, or a word of it is not in the dictionary (then give it in `pronunciations`)"
            ) from exc

    def _grammar_of(self, phrases: tuple[str, ...]) -> str:
        spoken = [" ".join(self._known_word(word) or word for word in phrase.split()) for phrase in phrases]
        unknown = sorted({word for phrase in spoken for word in phrase.split() if self._known_word(word) is None})
        if unknown:
            raise ConfigError(f"phrases: the dictionary lacks {', '.join(unknown)}; give their `pronunciations`")
        self._allowed = frozenset(phrase.lower() for phrase in spoken)
        choices = " | ".join(f"({phrase})" for phrase in spoken)
        return f"#JSGF V1.0;\ngrammar hub;\npublic <phrase> = {choices};\n"

    def _add_wake_words(self, phrases: tuple[str, ...]) -> None:
        lines = []
        for phrase in phrases:
            words = [self._known_word(word) for word in phrase.split()]
            if not words or None in words:
                raise ConfigError(
                    f"wake word {phrase!r}: the dictionary lacks a word of it; give its phones in `pronunciations`"
                )
            known = " ".join(word for word in words if word)
            self._aliases[known] = phrase
            lines.append(f"{known} /{self._settings.wake_threshold:g}/\n")
        # The engine reads them from a file only.
        with tempfile.NamedTemporaryFile("w", suffix=".kws", encoding="utf-8") as file:
            file.writelines(lines)
            file.flush()
            self._decoder.add_kws(_WAKE, file.name)

    def _add_hotwords(self, hotwords: tuple[str, ...], weights: Mapping[str, float]) -> None:
        if self._final_search == _GRAMMAR:
            self._warnings.append("hotwords do nothing with a grammar")
            return
        phones = {}
        for hotword in hotwords:
            said = [self._phones(word) for word in hotword.split()]
            if said and all(said):
                alias = "_".join(hotword.split()).lower() + _HOT
                phones[alias] = " ".join(part for part in said if part)
                self._aliases[alias] = hotword
            else:
                self._warnings.append(
                    f"hotword {hotword!r} is skipped: no known pronunciation; give it in `pronunciations`"
                )
        model = self._decoder.get_lm(_DEFAULT)
        for alias in phones:
            # The model first: the dictionary would add it there with the weight of a word nobody knows.
            weight = weights.get(self._aliases[alias], 1.0)
            model.add_word(alias, self._settings.hotword_weight * weight)
        for alias, said_as in phones.items():
            self._decoder.add_word(alias, said_as, True)

    def _phones(self, word: str) -> str | None:
        known = self._known_word(word)
        return None if known is None else str(self._decoder.lookup_word(known))

    def _known_word(self, word: str) -> str | None:
        return next((form for form in (word, word.lower()) if self._decoder.lookup_word(form) is not None), None)


class _Spotted(NamedTuple):
    phrase: str
    end: int
    """In frames of 10 ms since the utterance began"""


class _Live:
    """The pass that runs while the speaker speaks."""

    def __init__(self, decoder: Any, search: str, mean: str | None) -> None:
        self.frames = 0
        """Of 10 ms, in former pieces of the utterance."""
        self._decoder = decoder  # Any: the engine has no types
        self._search = search
        self._mean = mean
        self._held: list[bytes] = []
        self._is_open = False
        self._text = ""
        self._found: list[_Spotted] = []
        decoder.activate_search(search)
        decoder.reinit_feat()
        if mean is not None:
            self._open(mean)

    def feed(self, block: bytes) -> None:
        if self._is_open:
            self._decoder.process_raw(block)
            self._look()
            return
        self._held.append(block)
        if len(self._held) >= _SEED_BLOCKS:
            self._open_with_seed()

    def close(self) -> None:
        """End the utterance. What is held back for the seed is decoded first."""
        if not self._is_open and sum(map(len, self._held)) > 0:
            self._open_with_seed()
        if self._is_open:
            self._is_open = False
            self._decoder.end_utt()
            self._look()
            self.frames += self._decoder.n_frames()

    def mean(self) -> str:
        return str(self._decoder.get_cmn())

    def new_text(self) -> str | None:
        """The text, where it is another than last time."""
        if not self._is_open:
            return None
        hyp = self._decoder.hyp()
        text = hyp.hypstr if hyp is not None else ""
        if text == self._text:
            return None
        self._text = text
        return str(text)

    def spotted(self) -> list[_Spotted]:
        found, self._found = self._found, []
        return found

    def _open_with_seed(self) -> None:
        """Take the channel mean from what is held, and then decode it: a fifth fewer word errors in the first words."""
        held = b"".join(self._held)
        self._decoder.start_utt()
        self._decoder.process_raw(held, no_search=True, full_utt=True)
        self._decoder.end_utt()
        mean = self._decoder.get_cmn()
        self._decoder.reinit_feat()
        self._open(mean)
        for block in self._held:
            self._decoder.process_raw(block)
            self._look()
        self._held.clear()

    def _open(self, mean: str) -> None:
        self._decoder.set_cmn(mean)
        self._decoder.start_utt()
        self._is_open = True

    def _look(self) -> None:
        if self._search != _WAKE:
            return
        hyp = self._decoder.hyp()
        if hyp is None:
            return
        for seg in self._decoder.seg():
            self._found.append(_Spotted(seg.word.strip(), self.frames + seg.end_frame + 1))
        if self._is_open:
            # A phrase stays in the engine's answer until the utterance ends, so a new one begins.
            self._decoder.end_utt()
            self.frames += self._decoder.n_frames()
            self._decoder.start_utt()


def _decoder(settings: PocketSphinxSettings) -> Any:
    options: dict[str, Any] = {"loglevel": "FATAL", "samprate": settings.sample_rate, **settings.decoder}
    for option, path in (
        ("hmm", settings.acoustic_model),
        ("dict", settings.dictionary),
        ("lm", settings.language_model),
    ):
        if path is not None:
            options[option] = str(_existing(option, path))
    if settings.is_grammar:
        options["lm"] = None
    try:
        return pocketsphinx.Decoder(**options)
    except (RuntimeError, ValueError, KeyError, TypeError) as exc:
        raise ProviderUnavailable(
            f"the models cannot be loaded together ({exc}); check the three model paths and `decoder`"
        ) from exc


def _existing(what: str, path: str) -> Path:
    if not os.path.exists(path):
        raise ProviderUnavailable(f"{what}: there is no {path}")
    return Path(path)


def _is_digital_silence(pcm: bytearray) -> bool:
    samples = memoryview(pcm).cast("h")
    return max(samples) - min(samples) <= _HUSH


def _is_filler(word: str) -> bool:
    return word[0] in "<[" or word.startswith("++") or word == "(NULL)"
