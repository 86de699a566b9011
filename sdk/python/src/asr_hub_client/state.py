"""Where a session stands: enough to go on with it over another connection, another protocol or in another process."""

from __future__ import annotations

import msgspec

from asr_hub_client.messages import AudioFormat


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
    resume_window: float
    """Seconds that the session outlives its last publisher."""

    def __repr__(self) -> str:
        # What is a secret, and what was said, is not for the log that an error may end up in.
        return f"SessionState(session={self.session[:6]!r}…, seq={self.seq}, audio_offset={self.audio_offset})"
