"""What a job is called: by what is to be heard, and how."""

from __future__ import annotations

import hashlib
import re
import secrets

import msgspec

from asr_hub.errors import ProtocolError
from asr_hub.jobs.job import JobId, Wish


def job_id(sha256: str, wish: Wish, principal: str, fingerprint: str) -> JobId:
    """
    Equal for the same audio, heard in the same way, for the same principal.

    `fingerprint` tells what the provider's configuration is: with another model the same file is another job. Raises
    ProtocolError (`bad-value`) for a wish with halves of characters.
    """
    try:
        key = msgspec.json.encode([sha256.lower(), wish, principal, fingerprint], order="deterministic")
    except UnicodeEncodeError:
        raise ProtocolError("a text in the request is no text: it has halves of characters", code="bad-value") from None
    return JobId(hashlib.sha256(key).hexdigest()[:32])


def is_job_id(id: str) -> bool:
    """Whether a job can be called this. Clients ask for anything, and a database does not take everything."""
    return _ID.fullmatch(id) is not None


def new_turn(now: float) -> str:
    """
    Each time that a job is put into the queue has a name: an entry from before is known by it, and passed over.

    Later ones sort after earlier ones.
    """
    return f"{int(now * 1000):012x}{secrets.token_hex(4)}"


def entry_id(job: JobId, turn: str) -> str:
    """
    Of an entry of the queue.

    DBOS hands out entries of one priority by their time, of which it keeps whole seconds in SQLite, and then by id.
    """
    return f"{turn}-{job}"


def entry_of(id: str) -> tuple[JobId, str]:
    """The job and the turn."""
    turn, _, job = id.partition("-")
    return JobId(job), turn


_ID = re.compile("[0-9a-f]{32}")
