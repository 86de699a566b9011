"""Every command of `asr-hub`, by name."""

from __future__ import annotations

import typer

from asr_hub.cli.certificate import certificate
from asr_hub.cli.check import check
from asr_hub.cli.demo import demo
from asr_hub.cli.doctor import doctor
from asr_hub.cli.jobs import app as jobs
from asr_hub.cli.keys import app as keys
from asr_hub.cli.listen import listen
from asr_hub.cli.models import app as models
from asr_hub.cli.replay import replay
from asr_hub.cli.serve import serve
from asr_hub.cli.transcribe import transcribe
from asr_hub.cli.use import use

app = typer.Typer(
    name="asr-hub",
    help="One hub in front of every speech engine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _command in (serve, demo, transcribe, listen, doctor, check, use, replay, certificate):
    app.command()(_command)
app.add_typer(jobs, name="jobs")
app.add_typer(models, name="models")
app.add_typer(keys, name="keys")
