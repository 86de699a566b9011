"""The file of a job over HTTP: whole or in part, and never as something that a browser would run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from fastapi import Response
from fastapi.responses import StreamingResponse

from asr_hub.protocols.file_names import attachment
from asr_hub.protocols.jobs_port import StoredAudio
from asr_hub.protocols.jobs_ranges import Answer, Part, asked, etag_of

HEAD_BYTES = 12
"""From which the kind of a file is told."""


async def audio_answer(audio: StoredAudio, headers: Mapping[str, str], *, is_head: bool = False) -> Response:
    """What a GET or HEAD with these headers is answered with. Raises NotFound."""
    etag = etag_of(audio.sha256)
    found = asked({} if is_head else headers, etag, audio.size)
    told = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    if found is Answer.UNCHANGED:
        return Response(status_code=304, headers=told)
    if found is Answer.BEYOND:
        return Response(status_code=416, headers={**told, "Content-Range": f"bytes */{audio.size}"})
    part = found if isinstance(found, Part) else Part(0, audio.size)
    told["Content-Disposition"] = attachment(audio.name)
    told["Content-Length"] = str(part.end - part.start)
    if part is found:
        told["Content-Range"] = part.header(audio.size)
    # The one thing that can go wrong goes wrong here, while it can still be told.
    media_type = kind_of(await _read(audio, Part(0, min(HEAD_BYTES, audio.size))))
    status = 206 if part is found else 200
    if is_head:
        return Response(status_code=status, headers=told, media_type=media_type)
    return StreamingResponse(_streamed(audio, part), status, told, media_type)


def kind_of(head: bytes) -> str:
    """The media type of a file that begins so; that of any bytes where it is no audio that is known here."""
    for at, magic, media_type in _MAGIC:
        if head[at : at + len(magic)] == magic:
            return media_type
    return "application/octet-stream"


async def _streamed(audio: StoredAudio, part: Part) -> AsyncIterator[bytes]:
    reading = audio.read(part.start, part.end)
    try:
        async for piece in reading:
            yield piece
    finally:
        # A client that hangs up leaves the rest unread, and the file is closed all the same.
        if (close := getattr(reading, "aclose", None)) is not None:
            await close()


async def _read(audio: StoredAudio, part: Part) -> bytes:
    pieces = _streamed(audio, part)
    return b"".join([piece async for piece in pieces])


_MAGIC = (
    (8, b"WAVE", "audio/wav"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf2", "audio/mpeg"),
    (0, b"\xff\xf1", "audio/aac"),
    (0, b"\xff\xf9", "audio/aac"),
    (4, b"ftyp", "audio/mp4"),
    (0, b"\x1aE\xdf\xa3", "audio/webm"),
    (8, b"AIFF", "audio/aiff"),
    (8, b"AIFC", "audio/aiff"),
    (0, b"caff", "audio/x-caf"),
    (0, b".snd", "audio/basic"),
    (0, b"#!AMR", "audio/amr"),
)
"""Where it stands, what, and what it says."""
