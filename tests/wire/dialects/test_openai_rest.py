from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.errors import HubError, Overloaded, RateLimited, TooLarge, Unauthorized, UnsupportedAudio
from asr_hub.model import EndpointReason, Hypothesis
from asr_hub.wire.dialects.growing import Policy
from asr_hub.wire.dialects.openai_realtime_session import BadField
from asr_hub.wire.dialects.openai_rest import FIELDS, SENT, Asked, asked
from asr_hub.wire.dialects.openai_rest_answers import END, Deltas, Spoken, diarized, failed, plain, refusal, verbose
from asr_hub.wire.messages import AnyServerMessage, Final, Partial, SpeechStarted

pytestmark = pytest.mark.unit


def hypothesis(text: str, *, stable: int = 0) -> Hypothesis:
    return Hypothesis(text=text, start=0, end=1000, stable=stable)


def final(utterance: int, text: str) -> Final:
    return Final(utterance=utterance, hypothesis=hypothesis(text), reason=EndpointReason.SILENCE)


def partial(utterance: int, text: str, stable: int) -> Partial:
    return Partial(utterance=utterance, hypothesis=hypothesis(text, stable=stable))


def read(events: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(event.removeprefix(b"data: ")) for event in events if event != END]


def grown(deltas: Deltas, *messages: AnyServerMessage) -> str:
    return "".join(event["delta"] for message in messages for event in read(deltas.tell(message)))


def test_a_form_is_read_with_brackets_or_without() -> None:
    wanted = Asked(
        model="whisper-1",
        language="de-CH",
        hotwords=("Zermatt", "Täsch"),
        response_format="verbose_json",
        is_streamed=True,
        has_words=True,
        has_segments=False,
    )
    plain_names = {
        "model": ["whisper-1"],
        "language": ["de-CH"],
        "keywords": ["Zermatt", "Täsch", "Zermatt"],
        "response_format": ["verbose_json"],
        "stream": ["True"],
        "timestamp_granularities": ["word"],
        "temperature": ["0.2"],
    }
    assert asked(plain_names) == wanted
    assert asked({f"{name}[]": values for name, values in plain_names.items()}) == wanted
    assert asked({}) == asked({name: [" "] for name in SENT}) == Asked()


@pytest.mark.parametrize("language", [{"language": ["auto"]}, {"languages[]": ["de", "fr"]}])
def test_a_language_may_be_open(language: dict[str, list[str]]) -> None:
    assert asked(language).language is None


@given(st.dictionaries(st.sampled_from(sorted(SENT)), st.lists(st.text(max_size=40), max_size=4)))
def test_any_form_is_read_or_refused_by_the_name_of_a_field(fields: dict[str, list[str]]) -> None:
    try:
        assert isinstance(asked(fields), Asked)
    except BadField as error:
        assert error.param in FIELDS
        assert json.loads(refusal(error)[2])["error"]["param"] == error.param


_TEXTS = st.lists(st.sampled_from(["one", "two", "three", "über", "zehn"]), max_size=6).map(" ".join)


@given(st.lists(st.tuples(_TEXTS, st.lists(st.integers(0, 30), max_size=4)), max_size=4))
@pytest.mark.parametrize("policy", ["final_only", "stable"])
def test_what_a_client_appends_is_the_whole_text(policy: Policy, said: list[tuple[str, list[int]]]) -> None:
    deltas, told = Deltas(policy), ""
    for utterance, (text, ends) in enumerate(said):
        told += grown(deltas, SpeechStarted(utterance=utterance, at=0))
        told += grown(deltas, *(partial(utterance, text[:end], min(end, len(text))) for end in sorted(ends)))
        told += grown(deltas, final(utterance, text))
    assert told == " ".join(text for text, _ in said if text)


def test_an_utterance_grows_when_those_before_it_are_final() -> None:
    deltas = Deltas("stable")
    assert grown(deltas, partial(0, "one two three", 8)) == "one two"
    assert grown(deltas, partial(1, "four five", 5)) == ""
    assert grown(deltas, final(0, "one two three")) == " three"
    assert grown(deltas, partial(1, "four five", 5)) == " four"
    assert grown(deltas, final(1, "four five")) == " five"


def test_no_space_is_put_where_the_script_has_none() -> None:
    assert grown(Deltas("stable"), final(0, "你好。"), final(1, "再见")) == "你好。再见"


SPOKEN = Spoken(
    text="one two",
    duration_ms=1200,
    languages=("en",),
    segments=({"start": 0.0, "end": 0.5, "text": "one", "speaker": "A"}, {"start": 0.5, "end": 1.0, "text": " two"}),
    words=({"word": "one", "start": 0.0, "end": 0.5},),
)


def test_answers() -> None:
    usage = {"type": "duration", "seconds": 2}
    assert plain(SPOKEN) == {"text": "one two", "usage": usage, "languages": [{"code": "en"}]}
    told = verbose(SPOKEN, Asked(), "transcribe")
    assert (told["language"], told["duration"]) == ("en", 1.2)
    assert "segments" in told and "words" not in told
    assert verbose(SPOKEN, Asked(), "translate")["language"] == "english"
    assert [turn["speaker"] for turn in diarized(SPOKEN)["segments"]] == ["A", "unknown"]


def test_a_stream_ends_with_the_whole_text_or_with_an_error() -> None:
    events = Deltas("stable").done(SPOKEN, are_turns=True)
    assert [event["type"] for event in read(events)] == ["transcript.text.segment"] * 2 + ["transcript.text.done"]
    assert events[-1] == END
    assert len(read(Deltas("stable").done(SPOKEN, are_turns=False))) == 1
    (error,) = read([failed(Overloaded("come back later"))])
    assert error["error"]["type"] == "server_error"


@pytest.mark.parametrize(
    ("error", "status", "kind", "code", "headers"),
    [
        (Unauthorized("who are you"), 401, "invalid_request_error", "invalid_api_key", {"x-should-retry": "false"}),
        (UnsupportedAudio("no"), 400, "invalid_request_error", "unsupported_audio", {}),
        (TooLarge("no"), 413, "invalid_request_error", "too_large", {}),
        (RateLimited("no", retry_after=1.2), 429, "rate_limit_error", "rate_limited", {"Retry-After": "2"}),
        (Overloaded("no"), 503, "server_error", "overloaded", {"Retry-After": "5", "x-should-retry": "true"}),
    ],
)
def test_errors_have_the_envelope_of_openai(
    error: HubError, status: int, kind: str, code: str, headers: dict[str, str]
) -> None:
    number, told, body = refusal(error)
    assert (number, json.loads(body)["error"]) == (
        status,
        {"type": kind, "code": code, "message": str(error), "param": None},
    )
    assert headers.items() <= told.items()
