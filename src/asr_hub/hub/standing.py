"""Where a session stands, in one message: for a reader whose place in the log is no longer kept."""

from __future__ import annotations

from msgspec.structs import replace

from asr_hub.model import Hypothesis
from asr_hub.store.slices.transcripts import Transcript
from asr_hub.wire.messages import Reading, Reset


def standing(transcript: Transcript | None, *, seq: int, provider: str, audio_offset: int) -> Reset:
    """The finals in their latest readings, in the order of their utterances, and the partial after them."""
    known = transcript if transcript is not None else Transcript()
    readings = ((number, utterance.latest) for number, utterance in sorted(known.utterances.items()))
    partial = known.partial
    return Reset(
        seq=seq,
        finals=tuple(Reading(number, _short(latest)) for number, latest in readings if latest is not None),
        provider=provider,
        audio_offset=audio_offset,
        partial=Reading(partial.utterance, _short(partial.hypothesis)) if partial is not None else None,
    )


def _short(hypothesis: Hypothesis) -> Hypothesis:
    """A reset holds a thousand utterances, and goes to many readers at once."""
    return replace(hypothesis, words=(), alternatives=())
