"""What an engine's process heard, as a hypothesis of the session."""

from __future__ import annotations

from asr_hub.model import Alternative, Hypothesis, ProviderName, Word
from asr_hub.providers.worker_messages import Heard


def hypothesis_of(
    heard: Heard, *, at: int, revision: int, provider: ProviderName, language: str | None = None
) -> Hypothesis:
    """`at` is where the utterance begins, in milliseconds of the session's audio; `language` is asked or known."""
    return Hypothesis(
        text=heard.text,
        start=at + heard.start,
        end=at + heard.end,
        is_final=heard.is_final,
        stable=len(heard.text) if heard.is_final else heard.stable,
        revision=revision,
        words=tuple(Word(word.text, at + word.start, at + word.end, word.confidence) for word in heard.words),
        confidence=heard.confidence,
        language=heard.language or language,
        tags=heard.tags,
        alternatives=tuple(Alternative(each.text, each.confidence) for each in heard.alternatives),
        provider=provider,
    )
