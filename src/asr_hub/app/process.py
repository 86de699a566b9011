"""The process of `asr-hub serve`: what it does at a signal."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from asr_hub.app.ports import serving
from asr_hub.config.schema import Config
from asr_hub.errors import ConfigError, HubError
from asr_hub.hub.reload import Reload
from asr_hub.protocols.site import HINT, is_built
from asr_hub.telemetry import logs
from asr_hub.telemetry.log_files import check_files, close_files, configure_files

_log = logs.get("asr_hub.app")


async def serve(config: Config, *, read: Callable[[], Config] | None = None) -> None:
    """
    Serve until SIGTERM or SIGINT, then drain: refuse new sessions, finish utterances, close.

    A second signal ends the drain at once. SIGHUP reads the configuration again with `read`; without it, it ends the
    process, as where a terminal is closed.
    """
    with _log_files(config):
        await _serve(config, read)


async def _serve(config: Config, read: Callable[[], Config] | None) -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with serving(config, read=read) as running, _hanging_up(running.reload, read):
        running.reload.join("logging", _logging)
        # A full collection walks every object of the process and holds the loop meanwhile: what is here for good is
        # left out of it, and it comes rarely. Frames, facts and messages are freed by their counts.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked.set)
        if running.tls is not None:
            _log.info("hub.certificate", sha256=running.tls.fingerprint)
        _log.info(
            "hub.serving",
            url=running.url,
            docs=f"{running.url}/docs",
            stream=running.stream_url,
            grpc_port=running.grpc_port,
        )
        if not is_built():
            _log.info("hub.page", detail=HINT)
        await asked.wait()
        asked.clear()
        _log.info("hub.draining", sessions=running.hub.sessions)
        drain = asyncio.create_task(running.hub.drain(config.server.drain_s), name="drain")
        again = asyncio.create_task(asked.wait(), name="second signal")
        await asyncio.wait((drain, again), return_when=asyncio.FIRST_COMPLETED)
        for task in (drain, again):
            task.cancel()
        await asyncio.gather(drain, again, return_exceptions=True)


@contextlib.asynccontextmanager
async def _hanging_up(reload: Reload, read: Callable[[], Config] | None) -> AsyncIterator[None]:
    """Reload at SIGHUP while the block runs, where there is something to read."""
    if read is None:
        yield
        return
    hangup = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, hangup.set)
    task = asyncio.create_task(_reload_at(hangup, reload), name="reloads")
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _reload_at(hangup: asyncio.Event, reload: Reload) -> None:
    """Reload at each signal; those that come while one runs are one more."""
    while True:
        await hangup.wait()
        hangup.clear()
        # Reload has logged what is wrong, and who sends a signal reads no answer.
        with contextlib.suppress(HubError):
            await reload()


@contextlib.contextmanager
def _log_files(config: Config) -> Iterator[None]:
    it = config.logging
    configure_files(_folder(config), max_bytes=it.max_bytes, keep=it.keep)
    try:
        yield
    finally:
        close_files()


def _logging(config: Config) -> Callable[[], None]:
    it = config.logging
    check_files(_folder(config), max_bytes=it.max_bytes, keep=it.keep)

    def put() -> None:
        logs.configure(level=it.level, format=it.format, transcripts=it.transcripts)
        try:
            configure_files(_folder(config), max_bytes=it.max_bytes, keep=it.keep)
        except ConfigError as exc:
            # It could a moment ago; what else was read again holds all the same.
            _log.error("log_files.unchanged", detail=str(exc))

    return put


def _folder(config: Config) -> Path | None:
    return Path(config.logging.folder) if config.logging.folder is not None else None
