"""A client of ASR Hub: live transcripts over WebSocket, HTTP, Socket.IO or gRPC. See README.md."""

from asr_hub_client.client import AsyncClient
from asr_hub_client.errors import (
    HubClientError,
    MissingExtra,
    Refused,
    SessionLost,
    SessionOver,
    Unauthorized,
    Unreachable,
    UnreadableAudio,
)
from asr_hub_client.messages import (
    AudioAck,
    AudioFormat,
    Closed,
    Endpoint,
    Error,
    Final,
    Hypothesis,
    Levels,
    Partial,
    Ready,
    Reset,
    Revision,
    SpeechStarted,
    WakeWord,
    Warning,
    Word,
)
from asr_hub_client.microphone import microphone
from asr_hub_client.session import Session, Watch
from asr_hub_client.state import SessionState
from asr_hub_client.sync import Client
from asr_hub_client.transcript import Transcript

__all__ = [
    "AsyncClient",
    "AudioAck",
    "AudioFormat",
    "Client",
    "Closed",
    "Endpoint",
    "Error",
    "Final",
    "HubClientError",
    "Hypothesis",
    "Levels",
    "MissingExtra",
    "Partial",
    "Ready",
    "Refused",
    "Reset",
    "Revision",
    "Session",
    "SessionLost",
    "SessionOver",
    "SessionState",
    "SpeechStarted",
    "Transcript",
    "Unauthorized",
    "Unreachable",
    "UnreadableAudio",
    "WakeWord",
    "Warning",
    "Watch",
    "Word",
    "microphone",
]
