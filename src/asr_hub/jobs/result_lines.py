"""
A result as it is written down: a line of JSON for the whole, and one for each hypothesis.

Ten hours of words are twelve megabytes. In one piece they would hold up everything else in the process, live speech
too, for as long as they are read.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from asr_hub.jobs.job import Result
from asr_hub.model import Hypothesis


def written(result: Result) -> str:
    """Blocks for a large one, and lets others go on meanwhile."""
    whole = replace(result, hypotheses=())
    return "\n".join(msgspec.json.encode(one).decode() for one in (whole, *result.hypotheses))


def read(text: str) -> Result:
    """Likewise. Raises msgspec.DecodeError for what `written` did not write."""
    whole, *hypotheses = text.split("\n")
    return replace(_WHOLE.decode(whole), hypotheses=tuple(_HYPOTHESIS.decode(line) for line in hypotheses))


_WHOLE = msgspec.json.Decoder(Result)
_HYPOTHESIS = msgspec.json.Decoder(Hypothesis)
