"""A child process with one socket to it: started, listened to for its last words, and waited for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Mapping

_LAST_WORDS = 2000
"""Bytes of stderr that are kept."""


class ChildProcess:
    """
    `python -m MODULE FD`, where FD is the other end of `socket`.

    The child is asked to end by the closing of that socket, and by nothing else.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._process: asyncio.subprocess.Process | None = None
        self._last_words = bytearray()
        self._listening: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """0 before the start."""
        return 0 if self._process is None else int(self._process.pid)

    @property
    def status(self) -> int | None:
        """As `os.waitstatus_to_exitcode` gives it; none while it lives, and before the start."""
        return None if self._process is None else self._process.returncode

    async def start(self, module: str, theirs: socket.socket, environment: Mapping[str, str]) -> None:
        """Run the process, with `environment` on top of this one's. `theirs` is closed here."""
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                str(theirs.fileno()),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, **environment},
                # Ctrl-C at the terminal is for the hub, which then ends this process in good order.
                start_new_session=True,
            )
        self._listening = asyncio.create_task(self._listen(), name=f"{self._name}: stderr")

    def epitaph(self) -> str:
        """How the process ended, and its last words."""
        code = self.status
        how = f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
        words = self._last_words.decode(errors="replace").strip().splitlines()
        return f"{how}: {words[-1]}" if words else how

    async def ended(self) -> None:
        """Wait until the process has ended and its last words are read."""
        if self._process is not None:
            await self._process.wait()
        if self._listening is not None:
            await self._listening

    async def end(self, patience_s: float) -> None:
        """Wait for its end, which its socket has announced to it; kill it where it takes longer than `patience_s`."""
        try:
            async with asyncio.timeout(patience_s):
                await self.ended()
        except TimeoutError:
            self._kill_all()
            await self.ended()
            await self._clear_away()

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _kill_all(self) -> None:
        """The process and what it has started itself: its children hold its stderr, and would be waited for."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _clear_away(self) -> None:
        """Children of the process that became ours by its end, where this process adopts orphans."""
        if self._process is None:
            return
        with contextlib.suppress(ChildProcessError):
            while True:
                await asyncio.to_thread(os.waitpid, -self._process.pid, 0)

    async def _listen(self) -> None:
        if self._process is None or self._process.stderr is None:
            return
        while piece := await self._process.stderr.read(4096):
            self._last_words += piece
            del self._last_words[:-_LAST_WORDS]
