"""Tells a receiver that a job is over, signed as the Standard Webhooks specification has it."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import random
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NoReturn

import msgspec

from asr_hub import __version__
from asr_hub.errors import ConfigError, HubError
from asr_hub.jobs.job import Failure, Job, JobState
from asr_hub.jobs.outside import Answer, Outside, Resolve, Unanswered, check_url

MOST_RETRY_AFTER_S = 24 * 3600.0

_WAITS_S = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
_JITTER = 0.2
_AT_ONCE = 32
"""Webhooks under way at the same time; others wait."""
_AGAIN = frozenset({408, 425, 429})
_PREFIX = "whsec_"
_SECRET_BYTES = range(24, 65)
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


def secret_of(value: str) -> tuple[bytes, ...]:
    """
    The secrets in the value of the environment variable: several with spaces between, while one replaces another.

    Raises ConfigError. What stands there is in no message.
    """
    written = value.split()
    if not written:
        _bad_secret("is empty")
    return tuple(_secret(one) for one in written)


def _secret(written: str) -> bytes:
    if not written.startswith(_PREFIX):
        _bad_secret(f"does not begin with `{_PREFIX}`")
    text = written.removeprefix(_PREFIX).rstrip("=")
    try:
        secret = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        _bad_secret("is not base64")
    if len(secret) not in _SECRET_BYTES:
        _bad_secret(f"has {len(secret)} bytes instead of {_SECRET_BYTES.start} to {_SECRET_BYTES.stop - 1}")
    return secret


def _bad_secret(why: str) -> NoReturn:
    raise ConfigError(
        f"the secret of jobs.webhooks.secret_env {why}; make one: echo whsec_$(head -c 32 /dev/urandom | base64)"
    ) from None


def delays(attempts: int, id: str) -> tuple[float, ...]:
    """
    Seconds between one attempt and the next: as the specification proposes, and a fifth more or less, by `id`.

    The same message waits the same when its work is begun anew.
    """
    chance = random.Random(id)
    waits = (_WAITS_S[min(attempt, len(_WAITS_S) - 1)] for attempt in range(attempts - 1))
    return tuple(wait * chance.uniform(1 - _JITTER, 1 + _JITTER) for wait in waits)


class _Error(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    message: str
    retryable: bool


class _Data(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    task_id: str
    status: str
    name: str
    result_url: str | None = None
    error: _Error | None = None


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    timestamp: str
    data: _Data


def event_of(job: Job) -> str:
    """`job.done`, `job.failed` or `job.cancelled`"""
    return f"job.{job.state}"


def id_of(job: Job) -> str:
    """What receivers know a message by: the same for every attempt, another when the job ends a second time."""
    return f"{job.id}-{job.runs}-{job.state}"


def body_of(job: Job, event: str) -> bytes:
    """JSON, the same for every attempt. Says how a job ended, and never what was said in its file."""
    ended = datetime.fromtimestamp(job.updated_at if job.finished_at is None else job.finished_at, UTC)
    data = _Data(
        task_id=job.id,
        status=job.state,
        name=_writable(job.name),
        result_url=f"/api/v1/asr/result/{job.id}" if job.state is JobState.DONE else None,
        error=_error(job.failure) if job.failure is not None and job.state is JobState.FAILED else None,
    )
    timestamp = ended.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return msgspec.json.encode(_Body(type=event, timestamp=timestamp, data=data))


def _error(failure: Failure) -> _Error:
    return _Error(code=failure.code, message=_writable(failure.message), retryable=failure.retryable)


def _writable(text: str) -> str:
    """A name of a file may hold halves of characters, and JSON has none."""
    return text.encode("utf-8", "replace").decode()


def signature(secrets: Sequence[bytes], id: str, timestamp: int, body: bytes) -> str:
    """For the header `webhook-signature`: one for each secret."""
    content = b"%b.%d.%b" % (id.encode("ascii"), timestamp, body)
    digests = (hmac.new(secret, content, hashlib.sha256).digest() for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


class Webhooks:
    """Sends signed messages. `secret` is as in the environment; `timeout_s` is for a whole attempt."""

    def __init__(self, secret: str, *, allow_private: bool, timeout_s: float, resolve: Resolve | None = None) -> None:
        """Raises ConfigError for a secret that is none."""
        self._secrets = secret_of(secret)
        self._allow_private = allow_private
        self._outside = Outside(allow_private=allow_private, timeout_s=timeout_s, resolve=resolve)
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def check(self, url: str) -> None:
        """Whether a job may name this address. Raises ProtocolError (`webhook-refused`)."""
        check_url(url, allow_private=self._allow_private)

    async def send(self, url: str, body: bytes, *, id: str, timestamp: int) -> None:
        """
        One attempt. `timestamp` is now, in seconds since the epoch; `id` is the same for every attempt.

        Raises ProtocolError (`webhook-refused`) where the address may not be called, HubError (`webhook-failed`) where
        the receiver did not take it: `retryable` says whether another attempt may help, `retry_after` what it asks for.
        """
        if not _ID.fullmatch(id):
            raise ValueError("the id of a webhook is letters, digits, _ and -")
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"asr-hub/{__version__}",
            "webhook-id": id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._secrets, id, timestamp, body),
        }
        async with self._slots:
            try:
                answer = await self._outside.post(url, body, headers)
            except Unanswered as exc:
                raise HubError(
                    f"the receiver of the webhook gave {exc}; see that it is up", code="webhook-failed", retryable=True
                ) from exc
        _judge(answer, timestamp)

    def close(self) -> None:
        self._outside.close()


def _judge(answer: Answer, now: int) -> None:
    status = answer.status
    if 200 <= status < 300:
        return
    again = status in _AGAIN or status >= 500
    cure = "see its log"
    if 300 <= status < 400:
        cure = "redirects are not followed: submit the job with the final address"
    elif status == 410:
        cure = "it wants no more"
    raise HubError(
        f"the receiver of the webhook answers with status {status}; {cure}",
        code="webhook-failed",
        retryable=again,
        retry_after=_seconds(answer.retry_after, now) if again else None,
    )


def _seconds(retry_after: str, now: int) -> float | None:
    """A number of seconds, or a date."""
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), MOST_RETRY_AFTER_S)
    try:
        seconds = parsedate_to_datetime(retry_after).timestamp() - now
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(seconds, 0.0), MOST_RETRY_AFTER_S)
