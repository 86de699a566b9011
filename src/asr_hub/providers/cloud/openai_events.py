"""
One utterance of OpenAI's Realtime transcription, sans I/O: the messages to send, and what the answers mean.

The events are those of https://platform.openai.com/docs/api-reference/realtime for sessions of the type `transcription`
without turn detection: the hub knows where an utterance ends.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from asr_hub.errors import ProviderError
from asr_hub.providers.cloud.one_line import one_line
from asr_hub.providers.cloud.openai_answer import LONGEST_TEXT, Logprob, confidence
from asr_hub.providers.cloud.refusal import Account, refused
from asr_hub.providers.worker_messages import Heard

RATE = 24_000
"""Hertz: the only rate of PCM that the server takes."""

COMMIT = {"type": "input_audio_buffer.commit"}

_TRANSCRIPTION = "conversation.item.input_audio_transcription."


class Problem(msgspec.Struct, frozen=True):
    """What went wrong, in the server's words."""

    message: str | None = None
    code: str | None = None


class Event(msgspec.Struct, frozen=True):
    """The events of interest, in one shape."""

    type: str
    item_id: str | None = None
    delta: str | None = None
    transcript: str | None = None
    logprobs: tuple[Logprob, ...] | None = None
    error: Problem | None = None


class _Kind(msgspec.Struct, frozen=True):
    type: str


_kinds = msgspec.json.Decoder(_Kind)
_events = msgspec.json.Decoder(Event)
_OF_INTEREST = frozenset(
    ("error", "input_audio_buffer.committed", *(_TRANSCRIPTION + end for end in ("delta", "completed", "failed")))
)


def configure(transcription: dict[str, Any], *, wants_logprobs: bool) -> dict[str, Any]:
    """The first message: how the audio is written, who transcribes it, and that nobody but us ends the utterance."""
    session: dict[str, Any] = {
        "type": "transcription",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": RATE},
                "transcription": transcription,
                "turn_detection": None,
            }
        },
    }
    if wants_logprobs:
        session["include"] = ["item.input_audio_transcription.logprobs"]
    return {"type": "session.update", "session": session}


def append(pcm: bytes) -> dict[str, str]:
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode()}


class Dictation:
    """
    What the server understands of one utterance.

    `take` each message; it gives partials and at last the final, which comes after `is_committed` was set.
    """

    def __init__(self, account: Account) -> None:
        self.is_committed = False
        """The end of the utterance was sent."""
        self._account = account
        self._item: str | None = None
        self._text = ""

    def take(self, message: bytes | str) -> Heard | None:
        """
        What is newly understood, without times. Events that are not known are passed over.

        Raises a HubError where the server gives up on the utterance or does not keep to the protocol.
        """
        try:
            if _kinds.decode(message).type not in _OF_INTEREST:
                return None
            event = _events.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise ProviderError(f"{self._account.name}: the server sent what is no event: {exc}") from None
        problem = event.error or Problem()
        match event.type.removeprefix(_TRANSCRIPTION):
            case "error":
                raise refused(self._account, None, problem.message, code=problem.code)
            case "input_audio_buffer.committed":
                self._item = event.item_id
            case "failed" if self._is_ours(event):
                raise refused(self._account, None, problem.message or "transcription failed", code=problem.code)
            case "delta" if self._is_ours(event):
                return self._grow(event.delta or "")
            case "completed" if self._is_ours(event):
                return self._end(event)
        return None

    def _is_ours(self, event: Event) -> bool:
        return self._item is None or event.item_id == self._item

    def _grow(self, delta: str) -> Heard | None:
        self._text += delta
        self._check_length(self._text)
        spoken = one_line(self._text)
        return Heard(text=spoken, stable=len(spoken)) if delta and spoken else None

    def _end(self, event: Event) -> Heard:
        if not self.is_committed:
            raise ProviderError(f"{self._account.name}: the server ended the utterance by itself, though told not to")
        if event.transcript is None:
            raise ProviderError(f"{self._account.name}: the server completed an utterance without a transcript")
        self._check_length(event.transcript)
        text = one_line(event.transcript)
        return Heard(text=text, confidence=confidence(event.logprobs) if text else None, is_final=True)

    def _check_length(self, text: str) -> None:
        if len(text) > LONGEST_TEXT:
            raise ProviderError(f"{self._account.name}: the server's answer has no end")
