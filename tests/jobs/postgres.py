"""A PostgreSQL server of its own for tests, on a socket in a folder: started, killed, and started again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

USER = "postgres"


def programs() -> Path | None:
    """Where `initdb` and `pg_ctl` are; none: nowhere here."""
    found = shutil.which("pg_ctl")
    if found is not None:
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    return installed[-1].parent if installed else None


class Postgres:
    """One server. It runs as `postgres` where the tests run as root, which it refuses to."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        # Not in a folder of pytest's: those are closed to other users.
        self._folder = TemporaryDirectory(prefix="asr-hub-pg-")
        self._socket = Path(self._folder.name)
        self._data = self._socket / "data"
        if os.geteuid() == 0:
            shutil.chown(self._socket, USER)
        self._run("initdb", "-D", str(self._data), "-U", USER, "-A", "trust", "--no-sync", "-E", "UTF8")

    @property
    def url(self) -> str:
        return f"postgresql://{USER}@/postgres?host={self._socket}"

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories='{self._socket}' -c shared_buffers=16MB"
        command = ("-D", str(self._data), "-w", "-l", str(self._socket / "log"), "-o", options, "start")
        # Those that a killed one had started hold its memory until they see that it is gone.
        for _ in range(40):
            with suppress(subprocess.CalledProcessError):
                self._run("pg_ctl", *command)
                return
            time.sleep(0.25)
        self._run("pg_ctl", *command)

    def kill(self) -> None:
        """As a machine that loses its power."""
        lock = self._data / "postmaster.pid"
        pid = int(lock.read_text().splitlines()[0])
        os.kill(pid, signal.SIGKILL)
        for _ in range(600):
            if _is_gone(pid):
                break
            time.sleep(0.05)
        # Where nobody takes the dead one away, the next would take it for alive.
        for named in (lock, *self._socket.glob(".s.PGSQL.*.lock")):
            named.unlink(missing_ok=True)

    def stop(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop", check=False)
        with suppress(OSError):
            self._folder.cleanup()

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        command: Sequence[str] = [str(self._programs / program), *arguments]
        subprocess.run(
            command,
            check=check,
            timeout=60,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._socket,
            user=USER if os.geteuid() == 0 else None,
        )


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
