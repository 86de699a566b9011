"""`python -m tools.train_tiny.speaker`: see docs/how-to/train-the-tiny-models.md."""

from __future__ import annotations

from tools.train_tiny.speaker.command import main

if __name__ == "__main__":
    main()
