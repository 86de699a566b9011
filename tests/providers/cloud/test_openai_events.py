"""The Realtime conversation without a network: any order of events keeps the promises of a stream."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from asr_hub.errors import HubError, Overloaded, ProviderError, ProviderUnavailable
from asr_hub.providers.cloud.openai_answer import LONGEST_TEXT
from asr_hub.providers.cloud.openai_events import Dictation
from asr_hub.providers.cloud.refusal import Account

pytestmark = pytest.mark.unit

TRANSCRIPTION = "conversation.item.input_audio_transcription."
ACCOUNT = Account(name="cloud", key="sk-secret", variable="CLOUD_KEY")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def say(type: str, **fields: Any) -> bytes:
    return json.dumps({"type": type, **fields}).encode()


class Conversation(RuleBasedStateMachine):
    """A server that says anything, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.dictation = Dictation(ACCOUNT)
        self.item: str | None = None
        self.said = ""
        self.shown = ""
        self.is_over = False

    @rule()
    def commit(self) -> None:
        self.dictation.is_committed = True

    @precondition(lambda self: not self.is_over)
    @rule(item=st.sampled_from(["a", "b"]), delta=TEXT)
    def delta(self, item: str, delta: str) -> None:
        heard = self.dictation.take(say(TRANSCRIPTION + "delta", item_id=item, delta=delta))
        if self.item in (None, item):
            self.said += delta
            if heard is not None:
                assert heard.text.startswith(self.shown) and heard.stable == len(heard.text)
                self.shown = heard.text
        else:
            assert heard is None

    @precondition(lambda self: not self.is_over)
    @rule(item=st.sampled_from(["a", "b"]))
    def committed(self, item: str) -> None:
        assert self.dictation.take(say("input_audio_buffer.committed", item_id=item)) is None
        self.item = item

    @precondition(lambda self: not self.is_over)
    @rule(item=st.sampled_from(["a", "b"]), transcript=TEXT)
    def completed(self, item: str, transcript: str) -> None:
        message = say(TRANSCRIPTION + "completed", item_id=item, transcript=transcript)
        if self.item not in (None, item):
            assert self.dictation.take(message) is None
        elif not self.dictation.is_committed:
            with pytest.raises(ProviderError, match="by itself"):
                self.dictation.take(message)
            self.is_over = True
        else:
            heard = self.dictation.take(message)
            assert heard is not None and heard.is_final and heard.text == " ".join(transcript.split())
            self.is_over = True

    @rule(type=TEXT, value=st.none() | st.integers() | st.lists(TEXT))
    def unknown(self, type: str, value: object) -> None:
        assert self.dictation.take(say(type, delta=value, error=value, item_id=value)) is None

    @invariant()
    def what_is_shown_was_said(self) -> None:
        assert "".join(self.said.split()).startswith("".join(self.shown.split()))


TestConversation = Conversation.TestCase


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"[]",
        b'"x"',
        b"{}",
        b'{"type": 1}',
        b"\xff\xfe",
        say(TRANSCRIPTION + "delta", delta=[1]),
        say(TRANSCRIPTION + "completed", transcript=None),
        say(TRANSCRIPTION + "completed", transcript="x" * (LONGEST_TEXT + 1)),
        say(TRANSCRIPTION + "delta", delta="x" * (LONGEST_TEXT + 1)),
    ],
)
def test_what_is_no_event_is_an_error_with_the_providers_name(message: bytes) -> None:
    dictation = Dictation(ACCOUNT)
    dictation.is_committed = True
    with pytest.raises(ProviderError, match="cloud"):
        dictation.take(message)


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        ({"code": "invalid_api_key", "message": "sk-secret is wrong"}, ProviderUnavailable),
        ({"code": "insufficient_quota", "message": "no"}, ProviderUnavailable),
        ({"code": "rate_limit_exceeded", "message": "slowly"}, Overloaded),
        ({"code": "session_expired", "message": "sk-secret has expired"}, ProviderError),
        ({}, ProviderError),
    ],
)
@pytest.mark.parametrize("type", ["error", TRANSCRIPTION + "failed"])
def test_an_error_event_is_an_error_without_the_key(type: str, problem: dict[str, str], kind: type[HubError]) -> None:
    with pytest.raises(kind) as raised:
        Dictation(ACCOUNT).take(say(type, error=problem))
    assert "sk-secret" not in str(raised.value) and "cloud" in str(raised.value)
