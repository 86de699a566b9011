"""The steps: speak, features, train, export, evaluate. What is there already is not done again."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import msgspec
import torch
from tools.train_tiny import corpus as corpora
from tools.train_tiny import features
from tools.train_tiny.corpus import Corpus
from tools.train_tiny.evaluate import evaluate, table
from tools.train_tiny.features import Examples
from tools.train_tiny.order import Order, Refused
from tools.train_tiny.recipes import RECIPES, Recipe
from tools.train_tiny.schedule import Schedule
from tools.train_tiny.speak import speak


class WorkFolderDiffers(Refused):
    """The work folder was made by other settings."""


class Settings(msgspec.Struct, frozen=True):
    """What everything in a work folder depends on."""

    utterances: int
    copies: int
    seed: int


def make(order: Order) -> None:
    """
    Does every step that is left, and prints the table.

    Raises VoicesMissing without the synthesisers, WorkFolderDiffers for a work folder of other settings.
    """
    # FunASR logs through the root logger, whatever level it is asked for.
    logging.disable(logging.WARNING)
    # One thread: two cost thrice the CPU time of one on models so small.
    torch.set_num_threads(1)
    order.work.mkdir(parents=True, exist_ok=True)
    _same_settings(order)
    corpus = _spoken(order)
    rows = []
    for name in order.only:
        recipe = RECIPES[name]
        folder = order.out / f"tiny-{name}"
        if not folder.exists():
            trained = order.work / recipe.trained
            if not trained.exists():
                _train(order, recipe, corpus, trained)
            _export(recipe, corpus, trained, folder)
        for row, ear in recipe.ears.items():
            print(f"evaluating {row}", flush=True)
            rows.append((row, evaluate(corpus, ear(folder))))
    print(table(rows))


def _same_settings(order: Order) -> None:
    settings = Settings(order.utterances, order.copies, order.seed)
    path = order.work / "settings.json"
    if not path.exists():
        path.write_bytes(msgspec.json.encode(settings))
    elif (found := msgspec.json.decode(path.read_bytes(), type=Settings)) != settings:
        raise WorkFolderDiffers(f"{order.work} was made with {found}, not {settings}: name another with --work")


def _spoken(order: Order) -> Corpus:
    if not (order.work / "corpus.json").exists():
        planned = corpora.plan(order.utterances, order.seed)
        print(f"speaking {len(planned)} utterances", flush=True)
        corpora.save(order.work, Corpus(planned, tuple(speak(planned))))
    return corpora.load(order.work)


def _examples(order: Order, front_end: str, corpus: Corpus) -> Examples:
    path = order.work / f"{front_end}.npz"
    if not path.exists():
        print(f"making {front_end} features", flush=True)
        made = features.build(corpus, features.FRONT_ENDS[front_end], copies=order.copies, seed=order.seed)
        features.save(path, made)
    return features.load(path)


def _train(order: Order, recipe: Recipe, corpus: Corpus, trained: Path) -> None:
    schedule = Schedule(order.budget or recipe.seconds, order.steps)
    part = trained.with_name(f"{trained.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    recipe.train(corpus, _examples(order, recipe.front_end, corpus), schedule, order.seed, part)
    part.replace(trained)
    print(f"{trained.name}: {schedule.step} steps, to be had again with --steps {schedule.step}", flush=True)


def _export(recipe: Recipe, corpus: Corpus, trained: Path, folder: Path) -> None:
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    recipe.export(corpus, trained, part)
    part.replace(folder)
