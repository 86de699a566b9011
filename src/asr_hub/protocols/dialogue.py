"""One connection of the native protocol, for transports that wait in tasks: one reads the client, one writes to it."""

from __future__ import annotations

import asyncio
import contextlib

from asr_hub.access.grant import ANYBODY, Grant
from asr_hub.errors import HubError, SessionClosing
from asr_hub.protocols.port import AttachmentPort, HubPort, join, obey
from asr_hub.wire.conversation import Conversation, Limits, Refusal, State
from asr_hub.wire.messages import AnyClientMessage, Attach, Start


class Dialogue:
    """
    The rules of one connection, and its hold on one session.

    What the client says goes to `tell` (JSON), `take` (a message already read) and `hear` (audio), in its order; what
    it is told comes from `read`. Each raises HubError, and `refuse` says what to tell the client about it. `leave` lets
    go of the session, which lives on for its resume window; whoever owns the connection calls it at its end.

    Nothing is buffered here: while the session has no room `hear` waits, and so the transport reads no more.
    """

    def __init__(self, hub: HubPort, *, protocol: str, grant: Grant = ANYBODY, limits: Limits | None = None) -> None:
        self._hub = hub
        self._protocol = protocol
        self._grant = grant
        self._conversation = Conversation(limits or Limits())
        self._attachment: AttachmentPort | None = None
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    @property
    def attachment(self) -> AttachmentPort | None:
        """The hold on the session, from `start` or `attach` until `leave`."""
        return self._attachment

    @property
    def is_over(self) -> bool:
        """Nothing more is taken from the client."""
        return self._conversation.state is State.OVER

    def tell(self, text: bytes) -> AnyClientMessage:
        """One JSON message of the client; what it was. Does not wait."""
        return self._obey(self._conversation.receive_text(text))

    def take(self, message: AnyClientMessage) -> AnyClientMessage:
        """One message of the client that its transport has read already; the same message. Does not wait."""
        return self._obey(self._conversation.receive(message))

    async def hear(self, audio: bytes) -> None:
        """Raw audio in the session's format, 1 byte to the limit of a frame. Returns when there is room for more."""
        audio = self._conversation.receive_audio(audio)
        attachment = self._attachment
        if attachment is None:
            return
        self._room.clear()
        # What crossed the news that the session closes is not taken, and `closed` says how much was.
        with contextlib.suppress(SessionClosing):
            if not attachment.push(audio):
                await self._room.wait()

    async def read(self) -> list[bytes]:
        """
        The next encoded server messages, in order, `ready` first. Waits for them; an empty list is the end.

        Before the client has attached it waits for that. Raises SlowClient, and Conflict where the session was taken
        over.
        """
        while not self.is_over:
            self._news.clear()
            if (attachment := self._attachment) is not None:
                if messages := attachment.read():
                    return messages
                if attachment.is_over:
                    break
            await self._news.wait()
        self.leave()
        return []

    def refuse(self, error: HubError) -> Refusal:
        """What to tell the client. Where it has a close code the connection ends with it, and `leave` is next."""
        seq = 0 if self._attachment is None else self._attachment.last_seq
        return self._conversation.refuse(error, seq=seq)

    def leave(self) -> None:
        """Let go of the session and wake whoever waits here. May be called twice."""
        self._conversation.over()
        attachment, self._attachment = self._attachment, None
        if attachment is not None:
            attachment.detach()
        self._news.set()
        self._room.set()

    def _obey(self, message: AnyClientMessage) -> AnyClientMessage:
        if isinstance(message, Start | Attach):
            attachment = self._attachment = join(
                self._hub,
                message,
                protocol=self._protocol,
                on_messages=self._news.set,
                on_room=self._room.set,
                grant=self._grant,
            )
            self._conversation.opened(attachment.role)
            self._news.set()
        elif self._attachment is not None:
            with contextlib.suppress(SessionClosing):
                obey(self._attachment, message)
        return message
