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
_LINGER_S = 1.0
"""Seconds that stderr of a process which has ended may stay open before somebody else is taken to hold it."""


class ChildProcess:
    """
    `python -m MODULE FD`, where FD is the other end of `socket`.

    The child is asked to end by the closing of that socket, and by nothing else.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._process: asyncio.subprocess.Process | None = None
        self._last_words = bytearray()
        self._stderr: asyncio.ReadTransport | None = None
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
        words = asyncio.StreamReader()
        # Not the pipe that asyncio makes: there, a process has ended only when nobody holds its stderr any more.
        read_end, write_end = os.pipe()
        try:
            with theirs:
                self._stderr, _ = await asyncio.get_running_loop().connect_read_pipe(
                    lambda: asyncio.StreamReaderProtocol(words), os.fdopen(read_end, "rb", buffering=0)
                )
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    module,
                    str(theirs.fileno()),
                    pass_fds=(theirs.fileno(),),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=write_end,
                    env={**os.environ, **environment},
                    # Ctrl-C at the terminal is for the hub, which then ends this process in good order.
                    start_new_session=True,
                )
        except BaseException:
            if self._stderr is not None:
                self._stderr.close()
            raise
        finally:
            os.close(write_end)
        self._listening = asyncio.create_task(self._listen(words), name=f"{self._name}: stderr")

    def epitaph(self) -> str:
        """How the process ended, and its last words."""
        code = self.status
        how = f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
        words = self._last_words.decode(errors="replace").strip().splitlines()
        return f"{how}: {words[-1]}" if words else how

    async def ended(self) -> None:
        """Wait until the process has ended and its last words are read. May be given up, and called again."""
        if self._process is not None:
            await self._process.wait()
        if self._listening is None or self._stderr is None:
            return
        await asyncio.wait((self._listening,), timeout=_LINGER_S)
        if not self._listening.done():
            # A child of the process holds it.
            self._kill_all()
            await asyncio.wait((self._listening,), timeout=_LINGER_S)
            await self._clear_away()
        # One that has set itself apart may hold it for ever.
        self._stderr.close()
        await asyncio.wait((self._listening,))

    async def end(self, patience_s: float) -> None:
        """Wait for its end, which its socket has announced to it; kill it where it takes longer than `patience_s`."""
        if self._process is None:
            return
        try:
            async with asyncio.timeout(patience_s):
                await self._process.wait()
        except TimeoutError:
            self._kill_all()
        await self.ended()

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _kill_all(self) -> None:
        """The process and what it has started itself."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _clear_away(self) -> None:
        """Dead children of the process that became ours by its end, where this process adopts orphans."""
        if self._process is None:
            return
        # What was killed is not yet dead when it has let go of its files.
        with contextlib.suppress(ChildProcessError, TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                while True:
                    if not os.waitpid(-self._process.pid, os.WNOHANG)[0]:  # noqa: ASYNC222 - it does not wait
                        await asyncio.sleep(0.01)

    async def _listen(self, words: asyncio.StreamReader) -> None:
        while piece := await words.read(4096):
            self._last_words += piece
            del self._last_words[:-_LAST_WORDS]
