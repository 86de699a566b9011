"""The command line: from nothing to tiny models and a table of what they hear."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.train_tiny.order import MAKES, Order, Refused


def main(arguments: Sequence[str] | None = None) -> None:
    """Makes the models that are asked for; ends with status 2 and a message where something is missing."""
    order = parse(arguments)
    try:
        # Only who makes models has torch and the engines; the rest of the tool does without.
        from tools.train_tiny import pipeline
    except ModuleNotFoundError as missing:
        sys.exit(_refusal(f"{missing.name} is not installed; docs/how-to/train-the-tiny-models.md says what is needed"))
    try:
        pipeline.make(order)
    except Refused as refused:
        sys.exit(_refusal(str(refused)))


def parse(arguments: Sequence[str] | None) -> Order:
    """Reads the command line; ends the program, as argparse does, where it is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tools.train_tiny", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/tiny-models"), help="where the models go")
    parser.add_argument("--work", type=Path, default=Path("build/train-tiny"), help="speech, features, weights")
    parser.add_argument("--only", type=_names, default=MAKES, help=f"some of {','.join(MAKES)}")
    parser.add_argument("--budget", type=_positive, help="seconds of CPU time to train each model")
    parser.add_argument("--steps", type=_count, help="steps to train each model, instead of seconds: repeatable")
    parser.add_argument("--utterances", type=_count, default=8000, help="utterances to speak for training")
    parser.add_argument("--copies", type=_count, default=3, help="rough copies of each utterance")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    return Order(**vars(given))


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := [name for name in names if name not in MAKES]:
        raise argparse.ArgumentTypeError(f"there is no model {', '.join(unknown)}; there are {', '.join(MAKES)}")
    return names


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def _refusal(text: str) -> int:
    print(text, file=sys.stderr)
    return 2
