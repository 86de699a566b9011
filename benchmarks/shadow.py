"""
What does a shadow cost those who speak: how late are the finals of an engine while another one on trial hears the same,
at full load, and without; and is the error rate that the hub counts the one that jiwer counts?

`python -m benchmarks.shadow [--utterances 60] [--talkers 8]`

Both engines are scripted and take a fifth of real time; the one on trial hears other words now and then. Hubs run in
this process, on loopback, with real WebSocket clients; latencies are the hub's own. Rounds take turns. Exits with 1
where the two error rates differ.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
from typing import Any

import jiwer

from asr_hub.app import Serving, serving
from asr_hub.config.schema import Config
from asr_hub.model import ProviderName
from asr_hub.providers.scripted import VOCABULARY
from asr_hub.store.slices.scores import ShadowCompared, select_comparison, select_score
from asr_hub.store.slices.transcripts import UtteranceFinalized
from benchmarks.talkers import percentiles, talk

ROUNDS = 3
SHADOW = ProviderName("shadow")
MAIN = ProviderName("main")


def main() -> int:
    parser = argparse.ArgumentParser(description="What does a shadow cost those who speak?")
    parser.add_argument("--utterances", type=int, default=60, help="of each talker and round")
    parser.add_argument("--talkers", type=int, default=8)
    options = parser.parse_args()
    print(__doc__)
    print(f"CPython {platform.python_version()}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    return asyncio.run(compare(options.talkers, options.utterances))


async def compare(talkers: int, utterances: int) -> int:
    latencies: dict[bool, list[float]] = {False: [], True: []}
    p95s: dict[bool, list[float]] = {False: [], True: []}
    rates: list[tuple[float, float]] = []
    heard = skipped = 0
    for _ in range(ROUNDS):
        for is_shadowed in (False, True):
            async with serving(config(is_shadowed=is_shadowed)) as hub:
                told = await talk(hub, talkers, utterances)
                ours = [final["latency_ms"] for final in told]
                latencies[is_shadowed] += ours
                p95s[is_shadowed].append(percentiles(ours)[1])
                if is_shadowed:
                    await hub.hub.around.shadowing.settled()
                    rates.append(rates_of(hub))
                    pair = select_comparison(hub.hub.store.state, SHADOW, MAIN)
                    score = select_score(hub.hub.store.state, SHADOW)
                    heard += pair.utterances if pair is not None else 0
                    skipped += score.skipped if score is not None else 0
    print(f"{'':16} {'finals':>8} {'p50 ms':>8} {'p95 ms':>8} {'p95 of each round':>24}")
    for is_shadowed, name in ((False, "alone"), (True, "with a shadow")):
        p50, p95, _ = percentiles(latencies[is_shadowed])
        each = ", ".join(f"{p95:.0f}" for p95 in p95s[is_shadowed])
        print(f"{name:16} {len(latencies[is_shadowed]):8} {p50:8.0f} {p95:8.0f} {each:>24}")
    print(f"\nthe shadow heard {heard} utterances and was left out of {skipped}")
    for counted, offline in rates:
        print(f"WER in the store {counted:.4f}, by jiwer {offline:.4f}")
    met = all(abs(counted - offline) < 1e-9 for counted, offline in rates)
    print(f"the same: {'met' if met else 'NOT met'}")
    return 0 if met else 1


def rates_of(hub: Serving) -> tuple[float, float]:
    """As the store has it, and as jiwer counts it over the texts that both heard."""
    entries = [entry.event for entry in hub.hub.store.journal.entries()]
    finals = {(it.session, it.utterance): it.hypothesis for it in entries if isinstance(it, UtteranceFinalized)}
    pair = select_comparison(hub.hub.store.state, SHADOW, MAIN)
    compared = [finals[it.session, it.utterance] for it in entries if isinstance(it, ShadowCompared)]
    said = [it.text for it in compared]
    # A scripted engine hears by the time of the audio: what the shadow heard follows from where the utterance lies.
    heard = [" ".join(TRIAL[word.start // 200 % len(TRIAL)] for word in it.words) for it in compared]
    return pair.wer or 0.0 if pair is not None else 0.0, jiwer.wer(said, heard)


WORDS = VOCABULARY[:20]
TRIAL = tuple("mistaken" if n % 7 == 3 else word for n, word in enumerate(WORDS))


def config(*, is_shadowed: bool) -> Config:
    recognition: dict[str, Any] = {"shadow": {"provider": "shadow"}} if is_shadowed else {}
    return Config.model_validate(
        {
            "provider": "main",
            "providers": {
                "main": {"kind": "scripted", "settings": {"transcript": WORDS, "faults": {"cost": 0.2}}},
                "shadow": {"kind": "scripted", "settings": {"transcript": TRIAL, "faults": {"cost": 0.2}}},
            },
            "audio": {"vad": "off"},
            "server": {"port": 0},
            "journal": {"size": 100_000},
            "recognition": recognition,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
