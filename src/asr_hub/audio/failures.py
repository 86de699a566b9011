"""What keeps a file from being decoded, as it is told to whoever sent it."""

from __future__ import annotations

import errno

import av

from asr_hub.errors import HubError, Overloaded, ProviderError, TooLarge, UnsupportedAudio


def failure_of(exc: Exception) -> tuple[HubError, bool]:
    """
    The error to tell, and whether the process in which it came up is in doubt and should decode nothing more.

    No path of this machine is in it: it reaches whoever sent the file.
    """
    match exc:
        case HubError():
            return exc, False
        case MemoryError():
            message = "decoding the file takes more memory than any recording needs: convert it"
            return UnsupportedAudio(message, code="malformed-audio"), True
        case av.FFmpegError():
            return UnsupportedAudio(f"the file is damaged: {exc.strerror}", code="malformed-audio"), False
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            message = "the disk for decoded audio is full: make room, then try again"
            return Overloaded(message, code="disk-full"), False
        case OSError(errno=errno.EFBIG):
            return TooLarge("the audio is longer than allowed: split it"), False
        case OSError():
            message = f"the audio cannot be read or written: {exc.strerror}"
            return ProviderError(message, code="unreadable-audio"), False
        case _:
            return ProviderError(f"the file could not be decoded: {type(exc).__name__}: {exc}"), True
