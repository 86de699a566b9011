"""A look at a job, in the shape of a hold on a session: for connections that tell what they are told to tell."""

from __future__ import annotations

import msgspec

from asr_hub.errors import ProtocolError
from asr_hub.model import Role, SessionId
from asr_hub.protocols.jobs_live import JobWatch
from asr_hub.wire.conversation import Conversation
from asr_hub.wire.messages import AnyClientMessage, Configure


class JobConversation(Conversation):
    """The rules of a connection that watches a job: its client says nothing."""

    __slots__ = ()

    def receive_text(self, data: bytes) -> AnyClientMessage:
        raise _only_watched()

    def receive_audio(self, data: bytes) -> bytes:
        raise _only_watched()


class JobAttachment:
    """See `AttachmentPort` for what each call promises. A reader that is slow is told how the job stands in the end."""

    role = Role.VIEWER
    last_seq = 0

    def __init__(self, watch: JobWatch, job: str) -> None:
        self.session = SessionId(job)
        self._watch = watch

    def read(self) -> list[bytes]:
        """How the job stands, where that is news. Raises what `JobWatch.read` raises."""
        message = self._watch.read()
        return [] if message is None else [msgspec.json.encode(message)]

    @property
    def is_over(self) -> bool:
        return self._watch.is_over

    def detach(self) -> None:
        self._watch.close()

    def push(self, audio: bytes) -> bool:
        raise _only_watched()

    def configure(self, message: Configure) -> None:
        raise _only_watched()

    def finalize(self) -> None:
        raise _only_watched()

    def clear(self) -> None:
        raise _only_watched()

    def close(self) -> None:
        raise _only_watched()

    def abandon(self) -> None:
        raise _only_watched()

    def check(self) -> None:
        raise _only_watched()


def _only_watched() -> ProtocolError:
    return ProtocolError(
        "a job is only watched here, so send nothing; `POST /api/v1/asr/cancel/{id}` cancels it", code="viewer-may-not"
    )
