"""
What the hub and a process that cuts files say to each other.

They are framed as what engine processes say is. What comes of a file is not said but written beside its audio: it may
have thousands of segments.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from asr_hub.audio.files import Limits
from asr_hub.audio.operators.endpoint import EndpointSettings
from asr_hub.jobs.job import Channels
from asr_hub.providers.file_messages import Done, Failed

VadName = Literal["silero", "fsmn", "light", "off"]


class CutSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How files are cut. The same file with the same settings gives the same segments."""

    vad: VadName = "silero"
    """`off`: segments of one length, whatever is in them."""
    vad_model: str | None = None
    """For `fsmn`: the folder of its model."""
    gate: bool = True
    """A cheap energy gate before Silero."""
    endpoint: EndpointSettings = EndpointSettings()
    """No segment is longer than its `max_utterance`, overlap included."""
    overlap_s: float = 1.0
    """
    What a segment has in common with the one before it, where somebody was speaking when that became too long. Less
    where `max_utterance` is too short for both.
    """
    limits: Limits = Limits()
    """Of one file. They bound the spool: twice as many bytes as there are samples, for each channel."""


class Begin(msgspec.Struct, frozen=True, kw_only=True, tag="begin"):
    """The first message to a process."""

    settings: CutSettings
    memory_bytes: int
    """What it may take beyond what it has when it begins."""
    cpu_s: float
    """Seconds of a processor that one file may take. It is for a process that nobody watches any more."""


class Work(msgspec.Struct, frozen=True, kw_only=True, tag="work"):
    """A file is to be cut."""

    source: str
    folder: str
    channels: Channels


class Decoded(msgspec.Struct, frozen=True, tag="decoded"):
    """So far, a few times a second; also as a sign of life before the first sample."""

    seconds: float


ToCutting = Begin | Work
FromCutting = Decoded | Done | Failed
