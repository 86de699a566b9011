"""An engine hears a whole utterance that another one answers for: nobody sees its partials, and no client waits."""

from __future__ import annotations

from msgspec.structs import replace

from asr_hub.effects.failover import Engines, MemoryOfAnEngine
from asr_hub.effects.hearing import Times, hear
from asr_hub.effects.utterance import Utterance
from asr_hub.model import Hypothesis, ProviderName
from asr_hub.providers.base import Provider, RecognitionOptions


async def hear_aside(
    around: Engines,
    provider: Provider,
    name: ProviderName,
    utterance: Utterance,
    options: RecognitionOptions,
    memory: MemoryOfAnEngine,
) -> Hypothesis:
    """The final of `provider`, with a reader of its own. Raises what `hear` raises; tells the breaker of a success."""
    patience = around.strategy.patience
    reader = utterance.reader()
    try:
        heard = await hear(
            around,
            provider,
            name,
            utterance,
            reader,
            replace(options, partials=False, patient=False),
            memory,
            times=Times(patience.stall_s, patience.final_rtf),
            on_partial=lambda _: None,
            on_room=lambda: None,
        )
    finally:
        utterance.leave(reader)
    around.succeeded(name)
    return heard.hypothesis
