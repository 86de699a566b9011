"""What a job is called: by what is to be heard, and how."""

from __future__ import annotations

import hashlib
import secrets

import msgspec

from asr_hub.jobs.job import JobId, Wish


def job_id(sha256: str, wish: Wish, principal: str, fingerprint: str) -> JobId:
    """
    Equal for the same audio, heard in the same way, for the same principal.

    `fingerprint` tells what the provider's configuration is: with another model the same file is another job.
    """
    key = msgspec.json.encode([sha256.lower(), wish, principal, fingerprint], order="deterministic")
    return JobId(hashlib.sha256(key).hexdigest()[:32])


def new_turn() -> str:
    """Each time that a job is put into the queue has a name: an entry from before is known by it, and passed over."""
    return secrets.token_hex(6)


def entry_id(job: JobId, turn: str) -> str:
    """Of an entry of the queue."""
    return f"{job}-{turn}"
