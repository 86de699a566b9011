"""What clients of OpenAI's Realtime API are told: every event of the server."""

from __future__ import annotations

from typing import Any

import msgspec

from asr_hub.errors import ClientError, HubError, RateLimited
from asr_hub.wire.dialects.codec import Text
from asr_hub.wire.dialects.openai_realtime_session import BadField, Session

_TRANSCRIPTION = "conversation.item.input_audio_transcription"


class Events:
    """The events of one connection, each with an id of its own. `seed` makes them differ from those of others."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._count = 0

    def session(self, event: str, name: str, session: Session) -> Text:
        """`session.created` or `session.updated`, of the session `name`."""
        return self._event(event, session=session_view(name, session))

    def speech_started(self, item: str, *, at: int) -> Text:
        """`at`: milliseconds of audio since the session began."""
        return self._event("input_audio_buffer.speech_started", audio_start_ms=at, item_id=item)

    def speech_stopped(self, item: str, *, at: int) -> Text:
        return self._event("input_audio_buffer.speech_stopped", audio_end_ms=at, item_id=item)

    def committed(self, item: str, *, after: str | None) -> tuple[Text, ...]:
        """The turn is over, and an item of the conversation. `after` is the one before it."""
        said = {
            "id": item,
            "object": "realtime.item",
            "type": "message",
            "role": "user",
            "status": "completed",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        return (
            self._event("input_audio_buffer.committed", item_id=item, previous_item_id=after),
            self._event("conversation.item.added", previous_item_id=after, item=said),
            self._event("conversation.item.done", previous_item_id=after, item=said),
        )

    def cleared(self) -> Text:
        return self._event("input_audio_buffer.cleared")

    def delta(self, item: str, text: str) -> Text:
        """What follows the deltas before it."""
        return self._event(f"{_TRANSCRIPTION}.delta", item_id=item, content_index=0, delta=text)

    def segment(self, item: str, number: int, *, text: str, speaker: str, start: float, end: float) -> Text:
        """Who said it. `start` and `end` are seconds since the session began."""
        return self._event(
            f"{_TRANSCRIPTION}.segment",
            id=f"{item}_{number}",
            item_id=item,
            content_index=0,
            text=text,
            speaker=speaker,
            start=start,
            end=end,
        )

    def completed(self, item: str, text: str, *, seconds: float, languages: tuple[str, ...]) -> Text:
        """`usage` is there in any case: clients take it for an object without looking."""
        more = {"languages": [{"code": language} for language in languages]} if languages else {}
        return self._event(
            f"{_TRANSCRIPTION}.completed",
            item_id=item,
            content_index=0,
            transcript=text,
            usage={"type": "duration", "seconds": seconds},
            **more,
        )

    def failed(self, item: str, *, code: str, message: str) -> Text:
        error = {"type": "transcription_error", "code": _underscored(code), "message": message, "param": None}
        return self._event(f"{_TRANSCRIPTION}.failed", item_id=item, content_index=0, error=error)

    def error(self, error: HubError, *, cause: str | None = None) -> Text:
        """Many clients give up the connection for it. `cause` is the id of the client's event."""
        return self._event("error", error={**envelope(error), "event_id": cause})

    def _event(self, kind: str, **fields: Any) -> Text:
        self._count += 1
        event = {"type": kind, "event_id": f"event_{self._seed}_{self._count}", **fields}
        return Text(msgspec.json.encode(event).decode())


def session_view(name: str, session: Session) -> dict[str, Any]:
    """The settings of the session `name`, as clients are told them."""
    settings: dict[str, Any] = msgspec.to_builtins(session)
    return {"id": name, "object": "realtime.transcription_session", **settings}


def envelope(error: HubError) -> dict[str, str | None]:
    """An error in OpenAI's words."""
    if isinstance(error, RateLimited):
        kind = "rate_limit_error"
    elif isinstance(error, ClientError):
        kind = "invalid_request_error"
    else:
        kind = "server_error"
    param = error.param if isinstance(error, BadField) else None
    return {"type": kind, "code": _underscored(error.code), "message": str(error), "param": param}


def _underscored(code: str) -> str:
    return code.replace("-", "_")
