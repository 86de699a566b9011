"""A session that changes its engine every two seconds is told what it would be told by one of them alone."""

from __future__ import annotations

import functools

import pytest
from tests.chaos.matrix import spoken
from tests.chaos.test_kill_matrix import sphinxes, talk
from tests.hubs import scripted
from tests.speech import clip, clips, silence

from asr_hub.app import serving
from asr_hub.model import HUB_RATE
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.store.slices.sessions import SessionConfigured

pytestmark = [pytest.mark.chaos, pytest.mark.e2e]

EVERY_MS = 2000
LENGTHS = (1.2, 3.4, 2.2, 0.8, 4.2, 1.6, 2.8, 3.8, 1.0, 4.6, 2.0, 3.2, 1.4, 5.0, 2.4, 0.6, 3.6, 2.6)


def swaps(pcm: bytes, *names: str) -> list[tuple[int, str]]:
    """Every two seconds of audio, the providers in turn."""
    length = len(pcm) * 1000 // (2 * HUB_RATE)
    return [(at, names[at // EVERY_MS % len(names)]) for at in range(EVERY_MS, length, EVERY_MS)]


async def test_a_minute_of_swaps_between_equal_engines_changes_no_word() -> None:
    pcm = talk(*LENGTHS)
    assert len(pcm) >= 60 * 2 * HUB_RATE
    config = scripted(
        provider="left",
        providers={"left": {"kind": "scripted"}, "right": {"kind": "scripted"}},
        # What is heard is not far behind what was sent, and so the swaps are spread over it.
        sessions={"audio_buffer_s": 0.2},
    )
    async with serving(config) as hub:
        whole = await spoken(hub, pcm, provider="left")
        swapped = await spoken(hub, pcm, provider="left", configure=swaps(pcm, "left", "right"))
        facts = [entry.event for entry in hub.hub.store.journal.entries()]
    assert len(whole.finals) == len(LENGTHS) and swapped.finals == whole.finals
    assert whole.providers == {"left"} and swapped.providers == {"left", "right"}
    assert sum(isinstance(fact, SessionConfigured) for fact in facts) == len(swaps(pcm, "left"))


@functools.cache
def real_clip() -> bytes:
    """Utterances that do not all begin while the same engine is configured."""
    if not clips():
        return packaged_clip("demo").pcm + silence(0.8)
    pauses = {"0880": 3.2, "0870": 0.8, "0930": 0.8}
    return silence(0.2) + b"".join(
        clip(f"austen_64kb-{name}.wav").pcm() + silence(pauses[name]) for name in ("0880", "0870", "0930")
    )


@pytest.mark.engine
async def test_swaps_between_real_engines_with_processes_of_their_own_change_no_word() -> None:
    pcm = real_clip()
    async with serving(sphinxes()) as hub:
        whole = await spoken(hub, pcm, provider="primary")
        swapped = await spoken(hub, pcm, provider="primary", configure=swaps(pcm, "primary", "backup"))
    assert len(whole.finals) > 2 and swapped.finals == whole.finals
    assert swapped.providers == {"primary", "backup"}
