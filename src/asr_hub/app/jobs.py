"""A running hub gets its jobs: the parts of file transcription are made as the configuration says, and joined."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib
import importlib.util
import os
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from asr_hub.app.plan import cutting_of
from asr_hub.config import schema
from asr_hub.config.schema import Config
from asr_hub.errors import ConfigError, HubError, NotFound
from asr_hub.hub.hub import Hub
from asr_hub.hub.job_watch import JobWatches, lookup_in
from asr_hub.hub.jobs import HubJobs, hub_jobs
from asr_hub.hub.reload import Reload
from asr_hub.hub.segments import Segments
from asr_hub.jobs.audio_folder import FolderAudio
from asr_hub.jobs.audio_s3 import S3Audio
from asr_hub.jobs.cutting import CutterSettings, FileCutter
from asr_hub.jobs.late import LateJobs
from asr_hub.jobs.ports import DATABASE_FILE, AudioStore, JobStore
from asr_hub.jobs.webhook import Webhooks
from asr_hub.model import ProviderName
from asr_hub.models.folder import data_folder
from asr_hub.protocols.jobs_rest import OFF
from asr_hub.providers.cloud.outside import opens_outside
from asr_hub.telemetry import logs

_log = logs.get("asr_hub.app")

PACKAGES = ("dbos", "sqlalchemy")
"""Of the extra `asr-hub[jobs]`."""


class Files(NamedTuple):
    """What the protocols get of the jobs: nothing where files are not transcribed, and why."""

    jobs: HubJobs | None
    watches: JobWatches | None
    why_not: str = OFF


@contextlib.asynccontextmanager
async def files_of(
    config: Config, hub: Hub, fingerprint: Callable[[ProviderName], str], env: Mapping[str, str] = os.environ
) -> AsyncIterator[Files]:
    """
    The jobs of a running hub, until the block is left; what is not done then is done after the next start.

    Their database is opened with the first call, or at once where there is one. Raises ConfigError where they are
    wanted and cannot be.
    """
    settings = config.jobs
    if (why_not := _why_not(settings)) is not None:
        yield Files(None, None, why_not)
        return
    if config.policy == "local":
        stay_inside(settings)
    folder = jobs_folder(settings, env)
    async with contextlib.AsyncExitStack() as stack:
        audio = _audio(settings, folder, env)
        # Receivers are named by clients: under `policy: local` none is called, whatever they name.
        webhooks = _webhooks(settings, env) if config.policy == "any" else None
        if webhooks is not None:
            stack.callback(webhooks.close)
        cutter = await stack.enter_async_context(
            FileCutter(cutting_of(config), CutterSettings(processes=max(2, (os.cpu_count() or 1) // 2)))
        )
        hear = Segments(hub, at_once=lambda: settings.segments_at_once)

        @contextlib.asynccontextmanager
        async def open_now() -> AsyncIterator[JobStore]:
            # Nobody pays for DBOS who has no jobs, and reading it takes a second, in which sessions would stand still.
            engine = await asyncio.to_thread(importlib.import_module, "asr_hub.jobs.engine")
            async with engine.open_jobs(
                settings,
                folder=folder,
                hear=hear,
                cutter=cutter,
                audio=audio,
                webhooks=webhooks,
                fingerprint=fingerprint,
                dispatch=hub.dispatch,
            ) as jobs:
                yield jobs

        late = LateJobs(open_now)
        try:
            port = await stack.enter_async_context(
                hub_jobs(
                    hub,
                    late,
                    audio,
                    settings,
                    folder / "uploads",
                    check_webhook=webhooks.check if webhooks is not None else None,
                )
            )
        except OSError as exc:
            raise ConfigError(
                f"jobs.folder: {folder} cannot be written: {exc.strerror}; "
                "choose another, or set `jobs: {enabled: off}`"
            ) from None
        owner = asyncio.create_task(late.run(), name="jobs")
        stack.push_async_callback(_ended, late, owner)
        if settings.database is not None or (folder / DATABASE_FILE).exists():
            late.begin()
        watches = JobWatches(hub.store, lookup_in(late))
        stack.push_async_callback(watches.aclose)
        yield Files(port, watches)


def jobs_folder(settings: schema.Jobs, env: Mapping[str, str] = os.environ) -> Path:
    """That of the configuration, or `asr-hub/jobs` in the XDG data directory. It need not exist."""
    return Path(settings.folder).expanduser() if settings.folder is not None else data_folder(env) / "jobs"


def fingerprint(reload: Reload, name: ProviderName) -> str:
    """
    Of what makes an engine hear as it does now, so that a result is not taken for that of another configuration.

    Raises NotFound.
    """
    plan = reload.plan
    entry = plan.entries.get(name)
    if entry is None:
        raise NotFound(f"no provider is called {name!r}; there are: {', '.join(plan.entries)}", code="unknown-provider")
    told = msgspec.json.encode((entry.kind, entry.settings, plan.strategy), order="deterministic")
    return hashlib.sha256(told).hexdigest()[:16]


async def _ended(late: LateJobs, owner: asyncio.Task[None]) -> None:
    late.end()
    with contextlib.suppress(HubError):
        await owner


def _why_not(settings: schema.Jobs) -> str | None:
    if settings.enabled == "off":
        return "files are not transcribed here: the configuration says `jobs: {enabled: off}`"
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    if settings.enabled == "on":
        raise ConfigError(f"`jobs: {{enabled: on}}` needs {', '.join(missing)}: pip install 'asr-hub[jobs]'")
    return OFF


def stay_inside(settings: schema.Jobs) -> None:
    """Raises ConfigError for a database or a store of audio that is not on this machine."""
    elsewhere = None
    if settings.s3 is not None and opens_outside(settings.s3.endpoint):
        elsewhere = "jobs.s3"
    if settings.database is not None and _is_elsewhere(settings.database):
        elsewhere = "jobs.database"
    if elsewhere is not None:
        raise ConfigError(
            f"{elsewhere} is outside this machine, and `policy: local` forbids it; "
            "name one on this machine, or set `policy: any`"
        )


def _is_elsewhere(database: str) -> bool:
    """Whether a PostgreSQL is reached over a network. What is odd counts as outside."""
    try:
        parts = urlsplit(database)
        named = [
            parts.hostname or "",
            *parse_qs(parts.query).get("host", []),
            *parse_qs(parts.query).get("hostaddr", []),
        ]
    except ValueError:
        return True
    # Without a host, or with a path, it is a socket of this machine.
    return any(opens_outside(host) for host in named if host and not unquote(host).startswith("/"))


def _audio(settings: schema.Jobs, folder: Path, env: Mapping[str, str]) -> AudioStore:
    return FolderAudio(folder / "audio") if settings.s3 is None else S3Audio(settings.s3, environment=env)


def _webhooks(settings: schema.Jobs, env: Mapping[str, str]) -> Webhooks | None:
    secret = env.get(settings.webhooks.secret_env)
    if not secret:
        return None
    return Webhooks(secret, allow_private=settings.webhooks.allow_private, timeout_s=settings.webhooks.timeout_s)
