"""One call of Riva or Google, without a socket and without protobuf."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.errors import HubError, NotFound, Overloaded, ProtocolError, ProviderError
from asr_hub.model import AudioFormat, Encoding, EndpointReason, Hypothesis, Pass, Role, SessionId, Word
from asr_hub.wire.dialects import riff
from asr_hub.wire.dialects.codec import Audio, Binary, Encoded, HangUp, Reply, Step
from asr_hub.wire.dialects.recognizing import HALF_CLOSED, Asked, Happening, Recognizing, Result, Whole
from asr_hub.wire.messages import (
    AnyServerMessage,
    Close,
    Closed,
    Endpoint,
    Error,
    Final,
    Partial,
    Ready,
    SpeechStarted,
    Start,
)

pytestmark = pytest.mark.unit

PCM = b"\1\0" * 1600


class Plain:
    """A vocabulary whose messages are JSON, or audio after a zero."""

    def request(self, data: bytes) -> Asked | bytes:
        return data[1:] if data[:1] == b"\0" else self._asked(data)

    def whole(self, data: bytes) -> Whole:
        config, _, audio = data.partition(b"\0")
        return Whole(self._asked(config), audio)

    def result(self, result: Result) -> bytes:
        return b"final" if result.is_final else b"partial"

    def happening(self, what: Happening, at: int) -> bytes | None:
        return f"{what.value} {at}".encode()

    def answer(self, results: Sequence[Result]) -> bytes:
        return "|".join(one.readings[0].text for one in results).encode()

    def text(self, text: str, *, is_first: bool, is_final: bool) -> str:
        return text if is_first else f" {text}"

    @staticmethod
    def _asked(data: bytes) -> Asked:
        try:
            return msgspec.json.decode(data, type=Asked)
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
            raise ProtocolError("no message", code="bad-value") from None


class Kept(Plain):
    """Keeps the results that it is given."""

    def __init__(self) -> None:
        self.results: list[Result] = []

    def result(self, result: Result) -> bytes:
        self.results.append(result)
        return super().result(result)


def provider(model: str | None) -> str | None:
    if model == "nobody":
        raise NotFound("no such model", code="model-not-found")
    return model


def codec(*, is_whole: bool = False) -> Recognizing:
    return Recognizing(Plain(), provider, is_whole=is_whole)


def asked(**fields: object) -> bytes:
    return msgspec.json.encode({"sample_rate": 16_000, **fields})


def audio(data: bytes) -> bytes:
    return b"\0" + data


def heard(text: str, *, is_final: bool = True, **fields: object) -> Hypothesis:
    return msgspec.convert({"text": text, "start": 0, "end": 900, "is_final": is_final, **fields}, Hypothesis)


def final(text: str, **fields: object) -> Final:
    return Final(utterance=1, hypothesis=heard(text, **fields), reason=EndpointReason.SILENCE)


READY = Ready(
    session=SessionId("s"),
    role=Role.PUBLISHER,
    provider="p",
    format=AudioFormat(),
    audio_offset=0,
    resume_window=0,
)


def test_a_call_from_its_config_to_its_half_close() -> None:
    one = codec()
    config = asked(language="en", model="m", hotwords={"Kinsky": 2.0, "Prague": 1.0}, interim=True)
    (start,) = one.receive_binary(config)
    assert start == Start(
        provider="m", language="en", hotwords=("Kinsky", "Prague"), hotword_weights={"Kinsky": 2.0}, partials=True
    )
    assert one.receive_binary(audio(PCM)) == (Audio(PCM),)
    assert one.tell(READY) == ()
    assert one.tell(Partial(utterance=1, hypothesis=heard("a", is_final=False))) == (Binary(b"partial"),)
    assert one.receive_text(HALF_CLOSED) == (Close(),)
    assert one.tell(final("a b")) == (Binary(b"final"),)
    assert one.tell(Closed(reason="close")) == (HangUp(),)
    assert one.failure is None


def test_who_asks_for_nothing_is_told_finals_with_words_in_them_alone() -> None:
    one = codec()
    one.receive_binary(asked())
    said: tuple[AnyServerMessage, ...] = (
        SpeechStarted(utterance=1, at=10),
        Partial(utterance=1, hypothesis=heard("a", is_final=False)),
        Endpoint(utterance=1, at=900, reason=EndpointReason.SILENCE),
        final(" "),
    )
    assert [one.tell(message) for message in said] == [()] * 4


def test_events_are_told_to_those_who_ask() -> None:
    one = codec()
    one.receive_binary(asked(events=True))
    assert one.tell(SpeechStarted(utterance=1, at=10)) == (Binary(b"speech-began 10"),)
    endpoint = Endpoint(utterance=1, at=900, reason=EndpointReason.SILENCE)
    assert one.tell(endpoint) == (Binary(b"speech-ended 900"),)


def test_a_single_utterance_ends_the_call_and_what_is_said_after_it_is_not_heard() -> None:
    one = codec()
    one.receive_binary(asked(single=True))
    endpoint = Endpoint(utterance=1, at=900, reason=EndpointReason.SILENCE)
    assert one.tell(endpoint) == (Binary(b"utterance-over 900"),)
    assert one.receive_binary(audio(PCM)) == ()
    assert one.tell(final("a")) == (Binary(b"final"), HangUp())
    assert one.tell(final("b")) == ()
    assert one.receive_text(HALF_CLOSED) == ()


def test_a_whole_request_is_answered_when_all_is_heard() -> None:
    one = codec(is_whole=True)
    steps = one.receive_binary(asked(events=True, interim=True) + b"\0" + PCM)
    assert steps == (Start(partials=False, wait_for=Pass.CORRECTED), Audio(PCM), Close())
    assert one.tell(SpeechStarted(utterance=1, at=10)) == ()
    assert [one.tell(final(text)) for text in ("a", "b")] == [(), ()]
    assert one.tell(Closed(reason="close")) == (Binary(b"a| b"), HangUp())


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ([audio(PCM)], "not-started"),
        ([HALF_CLOSED], "not-started"),
        ([asked(), asked()], "already-started"),
        ([b"nonsense"], "bad-value"),
        ([asked(model="nobody")], "model-not-found"),
    ],
)
def test_what_is_out_of_place_is_refused(said: list[bytes | str], code: str) -> None:
    one = codec()
    with pytest.raises(HubError) as caught:
        for frame in said:
            _ = one.receive_text(frame) if isinstance(frame, str) else one.receive_binary(frame)
    assert caught.value.code == code
    assert one.refuse(caught.value) == (HangUp(),)
    assert one.failure is caught.value
    assert one.refuse(caught.value) == ()


def test_a_whole_request_without_audio_is_refused() -> None:
    with pytest.raises(ProtocolError) as caught:
        codec(is_whole=True).receive_binary(asked() + b"\0")
    assert caught.value.code == "empty-audio"


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (Closed(reason="shutdown"), Overloaded),
        (Closed(reason="expired"), HubError),
        (Error(code="provider-died", message="m", scope="session"), ProviderError),
    ],
)
def test_a_call_that_cannot_tell_all_ends_with_an_error(message: AnyServerMessage, kind: type[HubError]) -> None:
    one = codec()
    one.receive_binary(asked())
    assert one.tell(message) == (HangUp(),)
    assert isinstance(one.failure, kind)


def test_an_error_of_the_connection_alone_ends_nothing() -> None:
    one = codec()
    one.receive_binary(asked())
    assert one.tell(Error(code="c", message="m")) == ()


def test_who_never_says_what_it_wants_is_told_so_and_who_has_is_waited_for() -> None:
    one = codec()
    assert one.late() == (HangUp(),)
    assert one.failure is not None
    assert one.failure.code == "start-timeout"
    other = codec()
    other.receive_binary(asked())
    assert other.late() == ()


@pytest.mark.parametrize("fields", [{"encoding": None}, {"sample_rate": 0}])
def test_audio_of_a_format_that_is_not_said_is_a_file(fields: dict[str, object]) -> None:
    one = codec()
    assert one.receive_binary(asked(**fields)) == (Start(partials=False),)
    assert one.receive_binary(audio(b"fLaC")) == (Encoded(b"fLaC"),)
    assert one.receive_text(HALF_CLOSED) == (Close(),)


def test_raw_audio_keeps_its_format_and_is_cut_between_samples() -> None:
    one = codec()
    (start,) = one.receive_binary(asked(encoding="mulaw", sample_rate=8000, channels=2))
    assert start == Start(format=AudioFormat(8000, 2, Encoding.MULAW), partials=False)
    assert one.receive_binary(audio(b"123")) == (Audio(b"12"),)
    assert one.receive_binary(audio(b"4")) == (Audio(b"34"),)


def test_a_result_has_what_was_asked_for() -> None:
    kept = Kept()
    one = Recognizing(kept, provider)
    one.receive_binary(asked(alternatives=2, word_times=True, speakers=True, interim=True, language="en"))
    words = (Word("a", 0, 100), Word("b", 100, 200))
    others = [{"text": "a p"}, {"text": "a d"}]
    one.tell(Partial(utterance=1, hypothesis=heard("a b", is_final=False, stable=1)))
    one.tell(final("a b", words=words, alternatives=others, speaker="x", confidence=0.5))
    one.tell(final("c", speaker="y", language="de"))
    one.tell(final("d", speaker="x"))
    partial, first, second, third = kept.results
    assert (partial.is_final, partial.end) == (False, 900)
    assert partial.stability == pytest.approx(1 / 3)
    assert [reading.text for reading in first.readings] == ["a b", "a p"]
    assert (first.readings[0].words, first.readings[0].confidence) == (words, 0.5)
    assert [one.speaker for one in (first, second, third)] == [1, 2, 1]
    assert [one.language for one in (first, second, third)] == ["en", "de", "en"]
    assert second.readings[0].text == " c"


def header(*, rate: int = 16_000, size: int = 0) -> bytes:
    fields = struct.pack("<HHIIHH", 1, 1, rate, 2 * rate, 2, 16)
    return b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", 16) + fields + b"data" + struct.pack("<I", size)


@given(cuts=st.lists(st.integers(0, 60), max_size=8))
def test_the_header_of_a_file_is_not_heard_however_it_is_cut(cuts: list[int]) -> None:
    one = codec()
    one.receive_binary(asked())
    data = header(size=len(PCM)) + PCM + b"LIST of what follows"
    places = sorted({0, *cuts, len(data)})
    steps: list[Step] = []
    for begin, end in pairwise(places):
        steps += one.receive_binary(audio(data[begin:end]))
    steps += one.receive_text(HALF_CLOSED)
    assert b"".join(step.data for step in steps if isinstance(step, Audio)) == PCM


def test_a_header_that_says_another_format_is_refused() -> None:
    one = codec()
    one.receive_binary(asked())
    with pytest.raises(ProtocolError) as caught:
        one.receive_binary(audio(header(rate=44_100) + PCM))
    assert caught.value.code == "bad-format"


frames = st.one_of(
    st.just(HALF_CLOSED),
    st.binary(max_size=80).map(audio),
    st.binary(max_size=80),
    st.just(asked()),
    st.just(asked(encoding=None, single=True, events=True)),
    st.just(audio(header())),
    st.sampled_from(
        [
            READY,
            SpeechStarted(utterance=1, at=1),
            Partial(utterance=1, hypothesis=heard("a", is_final=False)),
            Endpoint(utterance=1, at=2, reason=EndpointReason.SILENCE),
            final("a b"),
            Error(code="provider-died", message="m", scope="session"),
            Closed(reason="close"),
        ]
    ),
)


@given(said=st.lists(frames, max_size=12), is_whole=st.booleans())
def test_whatever_comes_is_taken_or_refused_and_a_call_ends_once(
    said: list[bytes | str | AnyServerMessage], is_whole: bool
) -> None:
    one = codec(is_whole=is_whole)
    starts = ends = 0
    for frame in said:
        done: Sequence[Step] | Sequence[Reply]
        try:
            if isinstance(frame, str):
                done = one.receive_text(frame)
            elif isinstance(frame, bytes):
                done = one.receive_binary(frame)
            else:
                done = one.tell(frame)
        except HubError as error:
            done = one.refuse(error)
        assert not ends or not any(isinstance(step, Binary | HangUp) for step in done)
        starts += sum(isinstance(step, Start) for step in done)
        ends += sum(isinstance(step, HangUp) for step in done)
    assert starts <= 1
    assert ends <= 1


def test_a_header_in_small_pieces_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    places: list[int] = []
    unpack = struct.unpack_from

    def counted(format: str, data: bytes, at: int = 0) -> tuple[Any, ...]:
        places.append(at)
        return unpack(format, data, at)

    monkeypatch.setattr(struct, "unpack_from", counted)
    header = b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 100
    it = riff.Riff(AudioFormat())
    assert b"".join(it.strip(header[at : at + 1]) for at in range(len(header))) == b""
    assert len(places) == len(set(places)) == 100
