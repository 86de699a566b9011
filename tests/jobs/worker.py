"""
A process that works at jobs, to be killed: `python -m tests.jobs.worker FOLDER LOG DATABASE SEGMENT_S`.

It says `open` when it is, then takes lines `SEGMENTS NAME PROVIDER PRIORITY` and answers each with the id of the job.
Each segment that was heard is a line `heard`, and one of the log: the job's principal, the number, the process.
"""

from __future__ import annotations

import asyncio
import os
import sys
from array import array
from pathlib import Path

from tests.jobs.parts import Knife, Shelf, audio_of

from asr_hub.config.schema import Jobs
from asr_hub.jobs.engine import open_jobs
from asr_hub.jobs.job import Handling, Wish
from asr_hub.jobs.ports import Heard
from asr_hub.model import Hypothesis, ProviderName


class Slow:
    """Hears each segment for a while, and writes down that it did."""

    def __init__(self, log: Path, seconds: float) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._seconds = seconds

    def at_once(self, wish: Wish) -> int:
        return 2

    async def __call__(self, pcm: bytes, rate: int, wish: Wish, principal: str) -> Heard:
        number = array("h", pcm)[0] - 1
        await asyncio.sleep(self._seconds)
        os.write(self._log, f"{principal} {number} {os.getpid()}\n".encode())
        print("heard", flush=True)
        return Heard(hypothesis=Hypothesis(text=f"word{number}", start=0, end=1000, is_final=True))


async def main(folder: Path, log: Path, database: str, segment_s: float) -> None:
    async with open_jobs(
        Jobs(database=database or None, dead_after_s=1),
        folder=folder,
        hear=Slow(log, segment_s),
        cutter=Knife(),
        audio=Shelf(log.parent / "audio"),
        webhooks=None,
        fingerprint=str,
        dispatch=lambda event: None,
    ) as jobs:
        print("open", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            segments, name, provider, priority = line.split()
            file, sha256, size = audio_of(folder / "uploads", int(segments), name=name)
            job, _ = await jobs.submit(
                file,
                sha256=sha256,
                size=size,
                name=name,
                principal=name,
                wish=Wish(provider=ProviderName(provider)),
                handling=Handling(priority=int(priority)),
            )
            print(job.id, flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], float(sys.argv[4])))
