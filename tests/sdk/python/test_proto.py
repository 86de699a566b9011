"""The client's own copy of the protobuf messages, and how the native messages go over it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asr_hub.protocols.grpc import translate
from asr_hub.v1 import asr_hub_pb2 as theirs
from asr_hub.wire import messages as wire
from asr_hub_client import asr_hub_pb2 as ours
from asr_hub_client import messages
from asr_hub_client.links import proto
from asr_hub_client.messages import AudioFormat, Configure, Start, Unknown

pytestmark = pytest.mark.unit

SDK = Path(__file__).parents[3] / "sdk" / "python"


def test_the_copy_is_up_to_date() -> None:
    subprocess.run([sys.executable, SDK / "make_proto.py", "--check"], check=True)


def test_both_copies_live_in_one_process() -> None:
    assert ours.DESCRIPTOR is theirs.DESCRIPTOR
    request = ours.StreamRequest(audio=b"12")
    assert theirs.StreamRequest.FromString(request.SerializeToString()).audio == b"12"


HYPOTHESIS: dict[str, Any] = {
    "text": "Grüße",
    "start": 0,
    "end": 900,
    "is_final": True,
    "stable": 5,
    "words": [{"text": "Grüße", "start": 0, "end": 900, "confidence": 0.5}],
    "tags": {"emotion": "happy"},
    "alternatives": [{"text": "Füße"}],
    "pass": "accurate",
}

SAID: list[dict[str, Any]] = [
    {
        "type": "ready",
        "seq": 1,
        "session": "s",
        "role": "publisher",
        "provider": "p",
        "format": {"sample_rate": 48_000, "channels": 2, "encoding": "pcm_f32le"},
        "audio_offset": 0,
        "resume_window": 60.0,
    },
    {"type": "speech-started", "seq": 2, "utterance": 1, "at": 0},
    {"type": "partial", "seq": 3, "utterance": 1, "hypothesis": {"text": "", "start": 0, "end": 0}},
    {"type": "endpoint", "seq": 4, "utterance": 1, "at": 5, "reason": "max-length"},
    {"type": "final", "seq": 5, "skipped": 2, "utterance": 1, "hypothesis": HYPOTHESIS, "reason": "silence"},
    {"type": "final", "seq": 5, "utterance": 1, "hypothesis": HYPOTHESIS, "reason": "silence", "latency_ms": 0},
    {"type": "revision", "seq": 6, "utterance": 1, "hypothesis": HYPOTHESIS},
    {"type": "wake-word", "seq": 7, "phrase": "hey", "at": 3},
    {"type": "audio-ack", "seq": 8, "audio_offset": 2**40},
    {"type": "levels", "seq": 9, "at": 1, "rms_db": -3.5, "peak_db": 0.0},
    {"type": "warning", "seq": 10, "code": "c", "message": "m"},
    {
        "type": "error",
        "seq": 11,
        "code": "c",
        "message": "m",
        "retryable": True,
        "retry_after": 0.5,
        "scope": "session",
    },
    {"type": "error", "seq": 11, "code": "c", "message": "m"},
    {"type": "closed", "seq": 12, "reason": "close", "audio_offset": 7},
]


@pytest.mark.parametrize("said", SAID, ids=lambda said: said["type"])
def test_what_the_hub_says_is_the_same_over_grpc(said: dict[str, Any]) -> None:
    message = msgspec.convert(said, wire.AnyServerMessage)
    told = ours.ServerMessage.FromString(translate.server_message(message).SerializeToString())
    assert proto.server_message(told) == messages.from_object(said)


@pytest.mark.parametrize(
    "message",
    [
        Start(),
        Start(format=AudioFormat(8_000, 2, "mulaw"), provider="p", language="de", hotwords=("a", "b"), partials=False),
        messages.Attach(session="s", seq=0, take_over=True),
        messages.Attach(session="s", role="viewer"),
        Configure(),
        Configure(hotwords=(), partials=False, levels=True, language="", provider="p"),
        Configure(hotwords=("a",)),
        messages.Finalize(),
        messages.Clear(),
        messages.Close(),
    ],
)
def test_what_a_client_says_is_the_same_over_grpc(message: messages.ClientMessage) -> None:
    request = theirs.StreamRequest.FromString(proto.request(ours, message).SerializeToString())
    assert translate.client_message(request) == msgspec.convert(messages.to_object(message), wire.AnyClientMessage)


def test_a_message_of_a_newer_hub_keeps_its_place() -> None:
    assert proto.server_message(ours.ServerMessage(seq=4)) == Unknown(type="", seq=4)
    told = ours.ServerMessage(seq=5, endpoint=ours.Endpoint(utterance=1, at=2))
    told.endpoint.reason = 99
    assert proto.server_message(told) == messages.Endpoint(seq=5, utterance=1, at=2, reason="99")
