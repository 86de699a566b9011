"""What a job is called: by what is to be heard, and how."""

from __future__ import annotations

import hashlib

import msgspec

from asr_hub.jobs.job import JobId, Wish


def job_id(sha256: str, wish: Wish, principal: str, fingerprint: str) -> JobId:
    """
    Equal for the same audio, heard in the same way, for the same principal.

    `fingerprint` tells what the provider's configuration is: with another model the same file is another job.
    """
    key = msgspec.json.encode([sha256.lower(), wish, principal, fingerprint], order="deterministic")
    return JobId(hashlib.sha256(key).hexdigest()[:32])


def entry_id(job: JobId, turn: int) -> str:
    """Of an entry of the queue: the job, and how often it was put there."""
    return f"{job}-{turn}"
