"""The command line: from nothing to a tiny model of speakers, and how well it tells them apart."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.train_tiny.order import Refused


def main(arguments: Sequence[str] | None = None) -> None:
    """Makes the model; ends with status 2 and a message where something is missing."""
    parser = argparse.ArgumentParser(prog="python -m tools.train_tiny.speaker", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/tiny-models/tiny-speaker"), help="the model's folder")
    parser.add_argument("--work", type=Path, default=Path("build/train-tiny-speaker"), help="speech; kept between runs")
    parser.add_argument("--turns", type=int, default=16, help="utterances of each person for training")
    parser.add_argument("--copies", type=int, default=2, help="rough copies of each utterance")
    parser.add_argument("--budget", type=float, default=330.0, help="seconds of CPU time for the training")
    parser.add_argument("--steps", type=int, help="steps to train, instead of seconds: repeatable")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    try:
        from tools.train_tiny.speaker.pipeline import make
    except ModuleNotFoundError as missing:
        print(f"{missing.name} is not installed; see docs/how-to/train-the-tiny-models.md", file=sys.stderr)
        sys.exit(2)
    try:
        make(**vars(given))
    except Refused as refused:
        print(refused, file=sys.stderr)
        sys.exit(2)
