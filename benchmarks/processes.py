"""What other processes took, as the kernel counts it."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Of all threads of a process, user and system, in nanoseconds rather than in ticks."""
    # The clock of another process: clock_getcpuclockid(3) in Linux, which Python has for threads only.
    return time.clock_gettime((~pid << 3) | 2)


def memory_mb(pid: int, field: str) -> float:
    """
    MiB, of /proc/PID/status: `VmRSS`, what is in memory; `VmHWM`, the most that ever was; `VmData`, what counts against
    a limit.
    """
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def gpus() -> list[str]:
    """The GPUs of this machine, by name. Empty: there are none, or no driver for them."""
    return _asked("--query-gpu=name")


def gpu_memory_mb(index: int) -> float:
    """MiB that all processes together have of a GPU."""
    return float(_asked("--query-gpu=memory.used", "-i", str(index))[0])


def _asked(*what: str) -> list[str]:
    try:
        done = subprocess.run(
            ["nvidia-smi", *what, "--format=csv,noheader,nounits"], capture_output=True, text=True, check=True
        )
    except (FileNotFoundError, subprocess.CalledProcessError):
        return []
    return done.stdout.strip().splitlines()
