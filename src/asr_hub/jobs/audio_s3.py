"""Keeps the files of jobs in an S3-compatible store, by their hashes."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from asr_hub.config import schema
from asr_hub.errors import ConfigError, HubError, NotFound, Overloaded
from asr_hub.jobs.audio_folder import PIECE, checked_hash, gone

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Store

PART = 8 * 2**20
"""Bytes of a part of a large file; larger for one that would have more than `_MOST_PARTS`."""
PARTS_AT_ONCE = 2

_MOST_PARTS = 9_000
_FETCH_PIECE = 2**20
_FRESH = timedelta(minutes=1)
"""A file that was put longer ago is put once more: its time in the store says whether somebody may still want it."""
_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_FORMS = {
    "bucket": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]"),
    "endpoint": re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/-]*)?"),
    "region": re.compile(r"[A-Za-z0-9-]{1,64}"),
    # What every store signs and lists in the same way.
    "prefix": re.compile(r"/?(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*(?:[A-Za-z0-9_-][A-Za-z0-9._-]*)?"),
}
_EXAMPLES = {"bucket": "my-bucket", "endpoint": "https://minio.example.org", "region": "us-east-1", "prefix": "asr-hub"}
_REFUSED = re.compile(r"status code: 40[13]\b")


class S3Audio:
    """
    An `AudioStore` in a bucket: `prefix/ab/abcdef…`. Of a file, a few parts are in memory, however large it is.

    Every call raises ConfigError (`audio-store-refused`) where there is no such bucket or the keys are not taken, and
    Overloaded (`audio-store-unavailable`) where the store does not answer. Parts of an upload that broke off stay in
    the bucket unseen, unless a rule of the bucket ends those.
    """

    def __init__(self, settings: schema.S3, *, environment: Mapping[str, str] = os.environ) -> None:
        """Calls nobody. Raises ConfigError where the package, the keys or a usable address are missing."""
        self._settings = settings
        self._store = _store(settings, environment)

    async def put(self, sha256: str, source: Path) -> None:
        """The source stays. It appears in the store whole or not at all."""
        import obstore

        key = _key(sha256)
        size = (await asyncio.to_thread(source.stat)).st_size
        if await self._is_fresh(sha256, size):
            return
        part = max(PART, -(-size // _MOST_PARTS))
        async with self._told(sha256):
            await obstore.put_async(self._store, key, source, chunk_size=part, max_concurrency=PARTS_AT_ONCE)

    async def fetch(self, sha256: str, target: Path) -> Path:
        """`target`, which appears whole or not at all."""
        import obstore

        async with self._told(sha256):
            result = await obstore.get_async(self._store, _key(sha256))
        pieces = aiter(result.stream(min_chunk_size=_FETCH_PIECE))
        half = target.with_name(f"{target.name}.{secrets.token_hex(8)}.half")
        piece: bytes | None = b""
        try:
            while piece is not None:
                await asyncio.to_thread(_append, half, piece)
                async with self._told(sha256):
                    piece = await anext(pieces, None)
            await asyncio.to_thread(half.replace, target)
        except OSError as exc:
            raise Overloaded(
                f"there is no place for a file out of the store: {exc.strerror or exc}; see that the disk has room",
                code="audio-store-unavailable",
            ) from exc
        finally:
            half.unlink(missing_ok=True)
        return target

    async def size(self, sha256: str) -> int:
        import obstore

        async with self._told(sha256):
            return (await obstore.head_async(self._store, _key(sha256)))["size"]

    async def read(self, sha256: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Ends early where the file does."""
        import obstore

        # The store refuses a range of nothing.
        end = min(end, await self.size(sha256))
        if start >= end:
            return
        async with self._told(sha256):
            result = await obstore.get_async(self._store, _key(sha256), options={"range": (start, end)})
            async for piece in result.stream(min_chunk_size=PIECE):
                yield bytes(piece)

    async def delete(self, sha256: str) -> None:
        import obstore

        try:
            async with self._told(sha256):
                await obstore.delete_async(self._store, _key(sha256))
        except NotFound:
            # Most stores do not mind; some do.
            pass

    async def all(self) -> Sequence[tuple[str, int, float]]:
        import obstore

        found: list[tuple[str, int, float]] = []
        async with self._told("files"):
            async for page in obstore.list(self._store, chunk_size=1000):
                for one in page:
                    name = one["path"].rpartition("/")[2]
                    if _is_ours(one["path"], name):
                        found.append((name, one["size"], one["last_modified"].timestamp()))
        return found

    async def _is_fresh(self, sha256: str, size: int) -> bool:
        import obstore

        async with self._told(sha256):
            try:
                kept = await obstore.head_async(self._store, _key(sha256))
            except FileNotFoundError:
                # Or the bucket is missing: putting tells.
                return False
        return kept["size"] == size and datetime.now(UTC) - kept["last_modified"] < _FRESH

    @asynccontextmanager
    async def _told(self, sha256: str) -> AsyncIterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as exc:
            raise await self._named(exc, sha256) from exc

    async def _named(self, exc: Exception, sha256: str) -> HubError:
        from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

        bucket = self._settings.bucket
        # A list that is refused is a failure like any other to the package.
        if isinstance(exc, PermissionDeniedError | UnauthenticatedError) or _REFUSED.search(str(exc)):
            return ConfigError(
                f"the store of the bucket {bucket} does not take these keys: check AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY, what they may do there, and the clock of this machine",
                code="audio-store-refused",
            )
        # Only a body names the bucket, and the answer to HEAD has none.
        if "NoSuchBucket" in str(exc) or (isinstance(exc, FileNotFoundError) and not await self._has_bucket()):
            return ConfigError(
                f"there is no bucket {bucket}: make it, or check jobs.s3.bucket, jobs.s3.endpoint and jobs.s3.region",
                code="audio-store-refused",
            )
        if isinstance(exc, FileNotFoundError):
            return gone(sha256)
        return Overloaded(
            f"the store of the bucket {bucket} does not answer as it should; see that jobs.s3.endpoint is up, and try "
            "again",
            code="audio-store-unavailable",
        )

    async def _has_bucket(self) -> bool:
        import obstore
        from obstore.exceptions import BaseError

        try:
            async for _ in obstore.list(self._store, prefix="none", chunk_size=1):
                break
        except (BaseError, OSError) as exc:
            return "NoSuchBucket" not in str(exc)
        return True


def _store(settings: schema.S3, environment: Mapping[str, str]) -> S3Store:
    try:
        from obstore.exceptions import BaseError
        from obstore.store import S3Store
    except ImportError:
        raise ConfigError(
            "jobs.s3 needs the package obstore; do: pip install 'asr-hub[s3]', or take jobs.s3 out"
        ) from None
    try:
        return S3Store(
            settings.bucket,
            prefix=settings.prefix.strip("/") or None,
            config=_config(settings, environment),
            client_options={
                "allow_http": (settings.endpoint or "").startswith("http://"),
                "connect_timeout": timedelta(seconds=5),
                # Of each wait for bytes; a part is sent within it, too.
                "read_timeout": timedelta(seconds=60),
                # Of a whole answer: a file of two gigabytes through a thin line.
                "timeout": timedelta(hours=6),
            },
            retry_config={
                "max_retries": 3,
                "retry_timeout": timedelta(seconds=30),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=2),
                    "base": 2,
                },
            },
        )
    except (BaseError, ValueError) as exc:
        raise ConfigError(f"jobs.s3 names no store that can be used: {exc}") from exc


def _config(settings: schema.S3, environment: Mapping[str, str]) -> S3Config:
    # The package panics at what it cannot put into a request.
    for name, form in _FORMS.items():
        value = getattr(settings, name)
        if value is not None and not form.fullmatch(value):
            raise ConfigError(f"jobs.s3.{name} is {value!r}; write it as {_EXAMPLES[name]}")
    key, secret, token = (environment.get(name, "").strip() for name in _VARIABLES)
    if not key or not secret:
        raise ConfigError("jobs.s3 needs keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
    if not all(value.isascii() and value.isprintable() for value in (key, secret, token)):
        raise ConfigError(f"one of {', '.join(_VARIABLES)} holds characters that no key has; set it anew")
    config: S3Config = {
        "region": settings.region,
        "access_key_id": key,
        "secret_access_key": secret,
        # Not every store knows how to delete several files at once.
        "disable_bulk_delete": True,
    }
    if settings.endpoint is not None:
        config["endpoint"] = settings.endpoint.rstrip("/")
    if token:
        config["session_token"] = token
    return config


def _key(sha256: str) -> str:
    return f"{checked_hash(sha256)[:2]}/{sha256}"


def _is_ours(path: str, name: str) -> bool:
    try:
        return path == _key(name)
    except HubError:
        return False


def _append(path: Path, piece: bytes) -> None:
    with path.open("ab") as file:
        file.write(piece)
