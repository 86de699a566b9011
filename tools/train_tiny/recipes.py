"""What each tiny model needs: its front end, its training, its folder, and the engine that is to hear with it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
from tools.train_tiny import engines, export_vosk, export_whisper, train_funasr, train_vosk, train_whisper
from tools.train_tiny.corpus import Corpus
from tools.train_tiny.engines import Ear
from tools.train_tiny.features import Examples
from tools.train_tiny.funasr_folder import Kind
from tools.train_tiny.schedule import Schedule


class Recipe(msgspec.Struct, frozen=True):
    """One model."""

    front_end: str
    """Of features.FRONT_ENDS."""
    seconds: float
    """Of CPU time, one thread: what the training gets where nobody says otherwise."""
    trained: str
    """The file or folder that the training leaves in the work folder."""
    train: Callable[[Corpus, Examples, Schedule, int, Path], None]
    """Corpus, examples, schedule, seed and where to."""
    export: Callable[[Corpus, Path, Path], None]
    """From what the training left, a folder for the engine."""
    ears: dict[str, Callable[[Path], Ear]]
    """The rows of the table."""


def _train_whisper(corpus: Corpus, examples: Examples, schedule: Schedule, seed: int, into: Path) -> None:
    train_whisper.train(corpus, examples, schedule, seed=seed, into=into)


def _export_whisper(_: Corpus, trained: Path, folder: Path) -> None:
    export_whisper.export(trained, folder)


def _train_vosk(corpus: Corpus, examples: Examples, schedule: Schedule, seed: int, into: Path) -> None:
    train_vosk.train(corpus, examples, schedule, seed=seed, into=into)


def _export_vosk(corpus: Corpus, trained: Path, folder: Path) -> None:
    texts = (corpus.utterances[at].text for at in corpus.of("train"))
    export_vosk.export(train_vosk.load(trained), texts, folder)


def _train_funasr(kind: Kind, corpus: Corpus, examples: Examples, schedule: Schedule, seed: int, into: Path) -> None:
    train_funasr.train(corpus, examples, schedule, kind=kind, seed=seed, into=into)


def _export_funasr(_: Corpus, trained: Path, folder: Path) -> None:
    shutil.copytree(trained, folder, dirs_exist_ok=True)


def _funasr(kind: Kind, ear: Callable[[Path], Ear]) -> Recipe:
    return Recipe(
        "stacked-fbank", 600, kind, partial(_train_funasr, kind), _export_funasr, {f"FunASR AutoModel, {kind}": ear}
    )


RECIPES = {
    "whisper": Recipe(
        "log-mel",
        2300,
        "whisper.pt",
        _train_whisper,
        _export_whisper,
        {
            "faster-whisper, 30 s window": engines.faster_whisper,
            "CTranslate2 Whisper, fitted window": engines.fitted_whisper,
        },
    ),
    "vosk": Recipe("fbank", 450, "vosk.pt", _train_vosk, _export_vosk, {"vosk": engines.vosk}),
    "paraformer": _funasr("paraformer", engines.funasr),
    "paraformer-streaming": _funasr("paraformer-streaming", engines.streaming_funasr),
    "sensevoice": _funasr("sensevoice", engines.funasr),
}
"""By name; the folder of a model is `tiny-` and its name."""
