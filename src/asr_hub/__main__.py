"""`python -m asr_hub`."""

from asr_hub.cli import app

app()
