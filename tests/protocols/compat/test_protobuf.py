"""The tables of messages against the services' own descriptors."""

from __future__ import annotations

from typing import Any

import pytest
import riva.client
from google.cloud import speech_v1, speech_v2
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given
from hypothesis import strategies as st
from riva.client.proto import riva_asr_pb2

from asr_hub.errors import ProtocolError
from asr_hub.protocols.compat import google_v1, google_v2, riva_words

pytestmark = pytest.mark.unit

INSIDE = {
    "Phrase": "PhraseSet",
    "AdaptationPhraseSet": "SpeechAdaptation",
    "Config": "RivaSpeechRecognitionConfigResponse",
}
"""Messages that are defined inside of another one."""


def of_google(module: Any, name: str) -> Any:
    if name == "Duration":
        return module.StreamingRecognitionResult.pb().DESCRIPTOR.fields_by_number[4].message_type
    holder = getattr(module, INSIDE[name]) if name in INSIDE else module
    return getattr(holder, name).pb().DESCRIPTOR


def of_riva(name: str) -> Any:
    holder = getattr(riva_asr_pb2, INSIDE[name]) if name in INSIDE else riva_asr_pb2
    return getattr(holder, name).DESCRIPTOR


def kind(field: Any) -> tuple[int, bool, str | None]:
    """On the wire an enum is an int32."""
    type = FieldDescriptor.TYPE_INT32 if field.type == FieldDescriptor.TYPE_ENUM else field.type
    return type, field.is_repeated, field.message_type.name if field.message_type is not None else None


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (riva_words, of_riva),
        (google_v1, lambda name: of_google(speech_v1, name)),
        (google_v2, lambda name: of_google(speech_v2, name)),
    ],
    ids=["riva", "google v1", "google v2"],
)
def test_every_field_is_that_of_the_service(ours: Any, theirs: Any) -> None:
    for name in ours.TABLE:
        wanted = theirs(name).fields_by_name
        for field in ours.messages[name].DESCRIPTOR.fields:
            assert (field.number, *kind(field)) == (wanted[field.name].number, *kind(wanted[field.name])), (
                field.full_name
            )


def test_every_encoding_is_known_or_refused_on_purpose() -> None:
    """Speex in packets has no header that says where each ends."""
    first = speech_v1.RecognitionConfig.AudioEncoding
    assert {one.value for one in first} - set(google_v1.ENCODINGS) == {first.SPEEX_WITH_HEADER_BYTE.value}
    second = speech_v2.ExplicitDecodingConfig.AudioEncoding
    assert {one.value for one in second} == set(google_v2.ENCODINGS)
    assert set(riva.client.AudioEncoding.values()) == set(riva_words.ENCODINGS)


@pytest.mark.parametrize("vocabulary", [riva_words.RivaWords(), google_v1.GoogleV1(), google_v2.GoogleV2()])
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(vocabulary: Any, data: bytes) -> None:
    for read in (vocabulary.request, vocabulary.whole):
        try:
            read(data)
        except ProtocolError as error:
            assert error.code == "bad-value"
