"""What a test left behind: tasks, child processes and open files."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path


def children(pid: int | None = None) -> set[int]:
    """The living and the undead children of a process, by default of this one."""
    tasks = Path(f"/proc/{os.getpid() if pid is None else pid}/task")
    found: set[int] = set()
    for task in tasks.iterdir():
        # Threads of other libraries come and go.
        with suppress(FileNotFoundError):
            found.update(map(int, (task / "children").read_text().split()))
    return found


def open_files() -> dict[int, str]:
    found = {}
    for fd in Path("/proc/self/fd").iterdir():
        try:
            found[int(fd.name)] = os.readlink(fd)
        except FileNotFoundError:
            continue
    return found


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Assert that the body leaves no task, no process and no file."""
    tasks, processes, files = asyncio.all_tasks(), children(), open_files()
    yield
    # Closed transports let go of their sockets in the loop's next turns.
    for _ in range(3):
        await asyncio.sleep(0)
    # A fixture's end may run in another task than its beginning.
    assert asyncio.all_tasks() - tasks - {asyncio.current_task()} == set()
    assert children() - processes == set()
    assert {fd: name for fd, name in open_files().items() if fd not in files} == {}
