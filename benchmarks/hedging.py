"""
What is a hedge worth: how late are the finals of an engine that stalls now and then, with a second engine asked for
those that are late, and without; and how many are asked for twice?

`python -m benchmarks.hedging [--utterances 100] [--talkers 8]`

The engine is scripted: one in 30 of its finals comes a second late. The spare never stalls. Both hubs run in this
process, on loopback, with real WebSocket clients; latencies are the hub's own, from the end of the utterance to its
final. Rounds take turns. Exits with 1 where hedging does not halve the 99th percentile, or asks more often than it may.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
from typing import Any

from asr_hub.app import serving
from asr_hub.config.schema import Config
from asr_hub.model import ProviderName
from asr_hub.store.slices.scores import select_score
from benchmarks.talkers import percentiles, talk

ROUNDS = 2
SHARE = 0.05
STALLS = {"late_s": 1.0, "late_every": 30}


def main() -> int:
    parser = argparse.ArgumentParser(description="What is a hedge worth?")
    parser.add_argument("--utterances", type=int, default=100, help="of each talker and round")
    parser.add_argument("--talkers", type=int, default=8)
    options = parser.parse_args()
    print(__doc__)
    print(f"CPython {platform.python_version()}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    return asyncio.run(compare(options.talkers, options.utterances))


async def compare(talkers: int, utterances: int) -> int:
    latencies: dict[bool, list[float]] = {False: [], True: []}
    hedged = won = finals = 0
    for _ in range(ROUNDS):
        for is_hedged in (False, True):
            async with serving(config(is_hedged=is_hedged)) as hub:
                told = await talk(hub, talkers, utterances)
                latencies[is_hedged] += [final["latency_ms"] for final in told]
                score = select_score(hub.hub.store.state, ProviderName("main"))
                if is_hedged and score is not None:
                    hedged, won, finals = hedged + score.hedged, won + score.lost, finals + len(told)
    print(f"{'':16} {'finals':>8} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8} {'asked twice':>12} {'answered first':>15}")
    p99 = {}
    for is_hedged, name in ((False, "alone"), (True, "hedged")):
        p50, p95, p99[is_hedged] = percentiles(latencies[is_hedged])
        twice = f"{hedged / finals:.1%}" if is_hedged else "-"
        first = f"{won / hedged:.0%}" if is_hedged and hedged else "-"
        print(
            f"{name:16} {len(latencies[is_hedged]):8} {p50:8.0f} {p95:8.0f} {p99[is_hedged]:8.0f} "
            f"{twice:>12} {first:>15}"
        )
    met = p99[True] <= p99[False] / 2 and hedged <= SHARE * finals
    print(f"\nhalf the 99th percentile, at most {SHARE:.0%} asked twice: {'met' if met else 'NOT met'}")
    return 0 if met else 1


def config(*, is_hedged: bool) -> Config:
    recognition: dict[str, Any] = {"hedging": {"provider": "spare", "share": SHARE, "min_ms": 100}} if is_hedged else {}
    return Config.model_validate(
        {
            "provider": "main",
            "providers": {
                "main": {"kind": "scripted", "settings": {"faults": STALLS}},
                "spare": {"kind": "scripted"},
            },
            "audio": {"vad": "off"},
            "server": {"port": 0},
            "recognition": recognition,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
