"""Where a session stands: enough to go on with it over another connection, another protocol or in another process."""

from __future__ import annotations

import msgspec

from asr_hub_client.messages import AudioFormat, Command


class Unanswered(msgspec.Struct, frozen=True, kw_only=True):
    """A command that the hub has not answered."""

    at: int
    """Samples per channel before it."""
    command: Command
    was_sent: bool = False
    """On any connection, so that its answer may still come."""


class SessionState(msgspec.Struct, frozen=True, kw_only=True):
    """What `hub.resume` needs. Whoever has it can speak in the session: treat it like a key."""

    session: str
    seq: int
    """Of the last message that was given to the caller."""
    format: AudioFormat
    audio_offset: int
    """Samples per channel before `audio`: what the hub has acknowledged."""
    audio: bytes
    """Raw audio that the hub has not acknowledged."""
    commands: tuple[Unanswered, ...] = ()
    """In the order they were said. They are said again at their place."""
    answered: int = 0
    """`seq` of the last answer to a command, which may be told again after `seq` and answers no other one."""
    resume_window: float
    """Seconds that the session outlives its last publisher."""

    def __repr__(self) -> str:
        # What is a secret, and what was said, is not for the log that an error may end up in.
        return f"SessionState(session={self.session[:6]!r}…, seq={self.seq}, audio_offset={self.audio_offset})"
