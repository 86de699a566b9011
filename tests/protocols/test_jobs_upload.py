"""A form is read the same however its bytes come, and whatever they are nothing is left of it."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_hub.errors import HubError
from asr_hub.protocols.jobs_port import UploadSettings
from asr_hub.protocols.jobs_upload import Body, Uploads

pytestmark = pytest.mark.unit

KNOWN = frozenset({"language", "hotwords"})


class Read:
    """What came of a form."""

    def __init__(self) -> None:
        self.fields: dict[str, list[str]] = {}
        self.audio = b""
        self.name = ""


def request_of(pieces: Sequence[bytes]) -> Request:
    waiting = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    waiting.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Any:
        return waiting.pop(0)

    headers = [(b"content-type", b'multipart/form-data; boundary="b b"')]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


async def read(folder: Path, pieces: Sequence[bytes], max_bytes: int = 1 << 20) -> Read:
    uploads = Uploads(UploadSettings(folder=folder, max_bytes=max_bytes))
    got = Read()
    async with uploads.form(Body(request_of(pieces)), KNOWN) as form:
        got.fields, got.name = dict(form.fields), form.upload.name
        got.audio = await asyncio.to_thread(form.upload.path.read_bytes)
        assert (form.upload.size, form.upload.sha256) == (len(got.audio), hashlib.sha256(got.audio).hexdigest())
        assert form.upload.path.stat().st_mode & 0o077 == 0
    return got


@settings(max_examples=40)
@given(st.binary(min_size=1, max_size=300), st.lists(st.integers(0, 800), max_size=12))
def test_it_is_the_same_wherever_it_is_cut(audio: bytes, cuts: list[int]) -> None:
    # The boundary itself, and its beginnings, may stand in the audio.
    audio = audio + b"\r\n--b " + audio
    whole = (
        b'--b b\r\nContent-Disposition: form-data; name="hotwords"\r\n\r\nBrig\r\n'
        b'--b b\r\ncontent-disposition: form-data; name="audio"; filename="a b.wav"\r\nContent-Type: audio/wav\r\n\r\n'
        + audio
        + b'\r\n--b b\r\nContent-Disposition: form-data; name="hotwords"\r\n\r\nT\xc3\xa4sch\r\n--b b--\r\n'
    )
    at = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    pieces = [whole[begin:end] for begin, end in pairwise(at)]
    with tempfile.TemporaryDirectory() as folder:
        got = asyncio.run(read(Path(folder), pieces))
        assert not any(Path(folder).iterdir())
    assert got.audio == audio
    assert got.fields == {"hotwords": ["Brig", "Täsch"]}
    assert got.name == "a b.wav"


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=80), max_size=8), st.booleans())
def test_any_bytes_are_a_form_or_a_named_error_and_leave_nothing(pieces: list[bytes], begun: bool) -> None:
    if begun:
        pieces = [b'--b b\r\nContent-Disposition: form-data; name="audio"\r\n\r\n', *pieces]
    with tempfile.TemporaryDirectory() as folder:
        try:
            asyncio.run(read(Path(folder), pieces, max_bytes=256))
        except HubError as exc:
            assert exc.code in ("bad-form", "missing-audio", "unknown-field", "too-large", "empty-file", "two-files")
        assert not any(Path(folder).iterdir())
