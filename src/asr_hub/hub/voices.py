"""Who speaks in each session: the voices that were heard in it, as long as it lives."""

from __future__ import annotations

from asr_hub.audio.speakers import SessionSpeakers, Telling
from asr_hub.errors import UnsupportedAudio
from asr_hub.model import SessionId
from asr_hub.providers.speakers import SpeakerEmbedder

MAX_SESSIONS = 10_000
"""Whose voices are remembered; the one that was heard of least lately goes first."""


class Voices:
    """One embedder for all sessions."""

    def __init__(self, embedder: SpeakerEmbedder, telling: Telling) -> None:
        self.embedder = embedder
        self._telling = telling
        self._sessions: dict[SessionId, SessionSpeakers] = {}

    async def __call__(self, session: SessionId, pcm: bytes, rate: int, spoken_s: float) -> str | None:
        """Who speaks for `spoken_s` in this audio; nothing where it is too short to tell. Raises HubError."""
        try:
            embedding = await self.embedder.embed(pcm, rate)
        except UnsupportedAudio:
            return None
        known = self._sessions.pop(session, None) or SessionSpeakers(self._telling)
        self._sessions[session] = known
        if len(self._sessions) > MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        return known.label(embedding, spoken_s).speaker

    def forget(self, session: SessionId) -> None:
        """A voice is personal data: it goes with its session."""
        self._sessions.pop(session, None)

    async def aclose(self) -> None:
        """Free the model."""
        await self.embedder.aclose()
