from __future__ import annotations

import errno

import av
import pytest

from asr_hub.errors import ConfigError, UnsupportedAudio
from asr_hub.jobs.cutting_process import failure_of

pytestmark = pytest.mark.unit

SECRET = "/home/somebody/jobs/audio"


@pytest.mark.parametrize(
    ("error", "kind", "code", "is_last"),
    [
        (UnsupportedAudio("cut off", code="truncated-audio"), "unsupported-audio", "truncated-audio", False),
        (ConfigError("no such VAD"), "config", "config", False),
        (MemoryError(), "unsupported-audio", "malformed-audio", True),
        (av.FFmpegError(1, "Invalid data", SECRET), "unsupported-audio", "malformed-audio", False),
        (OSError(errno.ENOSPC, "No space left on device", SECRET), "overloaded", "disk-full", False),
        (OSError(errno.EDQUOT, "Disk quota exceeded", SECRET), "overloaded", "disk-full", False),
        (OSError(errno.EFBIG, "File too large", SECRET), "too-large", "too-large", False),
        (PermissionError(errno.EACCES, "Permission denied", SECRET), "provider", "unreadable-audio", False),
        (RuntimeError("bad state"), "provider", "provider", True),
    ],
)
def test_errors_are_told_by_class_and_code_and_without_paths(
    error: Exception, kind: str, code: str, is_last: bool
) -> None:
    told = failure_of(error)
    assert (told.kind, told.code, told.is_last) == (kind, code, is_last)
    assert SECRET not in told.message and told.message
