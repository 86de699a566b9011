"""A file comes in over HTTP: read from a form piece by piece, hashed on its way to the disk, in bounded memory."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from asr_hub.errors import Overloaded, ProtocolError, TooLarge, UnsupportedAudio
from asr_hub.protocols.file_names import shown_name
from asr_hub.protocols.jobs_port import Upload, UploadSettings

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

AUDIO = "audio"
"""The part of a job's form that is the file."""

MAX_PARTS = 600
"""Of one form: every hotword may be one."""

MAX_FIELD_BYTES = 256 * 1024
"""Of all fields beside the file: as many hotwords as there may be have room in it."""

MAX_FORM_BYTES = MAX_PARTS * 8 * 1024
"""Of a form beside the file and its fields: boundaries, and headers of parts."""

WRITE_BYTES = 1 << 20
"""Of the file that are written at a time."""

MAX_HEADERS = 8
"""Of one part"""

MAX_HEADER_BYTES = 4096
"""Of one of them"""

# It warns of every form that is none, with what stands in it: that is told to the client, who may send many.
logging.getLogger("python_multipart").setLevel(logging.ERROR)

UPLOAD_PREFIX = "upload-"
"""How the names of files begin that are on their way."""


class Form(msgspec.Struct, frozen=True):
    """What a client sent."""

    upload: Upload
    fields: Mapping[str, list[str]]
    """Each with everything that was sent under its name."""


class Body:
    """The body of a request, as it comes."""

    def __init__(self, request: Request) -> None:
        self.headers = request.headers
        self.is_over = False
        self._request = request

    async def pieces(self, settings: UploadSettings) -> AsyncGenerator[bytes, None]:
        """Raises ProtocolError (`too-slow`), TooLarge, ClientDisconnect."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + settings.grace_s
        stream = self._request.stream()
        came = 0
        try:
            while True:
                async with asyncio.timeout_at(deadline + came / settings.slowest):
                    piece = await anext(stream, None)
                if piece is None:
                    self.is_over = True
                    return
                came += len(piece)
                if came > _most(settings):
                    raise _too_large(settings.max_bytes)
                yield piece
        except TimeoutError:
            raise ProtocolError(
                f"the file came too slowly: {came} bytes so far; send it over a faster connection", code="too-slow"
            ) from None


class Uploads:
    """Takes forms, so many at a time, whose file is the part `audio`."""

    def __init__(self, settings: UploadSettings, *, audio: str = AUDIO, are_open: bool = False) -> None:
        """`are_open`: what else a form has is passed over."""
        self._settings = settings
        self._audio = audio
        self._are_open = are_open
        self._running = 0

    @contextlib.asynccontextmanager
    async def form(self, body: Body, known: frozenset[str]) -> AsyncIterator[Form]:
        """
        The form in a body, whose file lies in the folder until the block is left. `known` are its fields.

        Raises ProtocolError (`bad-form`, `unknown-field`, `missing-audio`, `too-slow` …), UnsupportedAudio
        (`not-a-form`, `empty-file`), TooLarge, Overloaded (too many at once, `disk-full`), and ClientDisconnect where
        the client goes away; nothing of the file is left then.
        """
        settings = self._settings
        boundary = _boundary(body.headers, self._audio)
        _check_length(body.headers, settings)
        if self._running >= settings.at_once:
            raise Overloaded(f"{settings.at_once} files are on their way already; try again in a few seconds")
        self._running += 1
        try:
            path = settings.folder / f"{UPLOAD_PREFIX}{secrets.token_hex(16)}"
            async with _file(path, settings.max_bytes) as file:
                parts = _Parts(boundary, known, file.add, audio=self._audio, is_open=self._are_open)
                async with contextlib.aclosing(body.pieces(settings)) as pieces:
                    async for piece in pieces:
                        parts.add(piece)
                        await file.flush(WRITE_BYTES)
                parts.end()
                await file.flush(1)
                if not file.size:
                    raise UnsupportedAudio("the file is empty; send one with audio in it", code="empty-file")
                yield Form(Upload(path=path, sha256=file.sha256, size=file.size, name=parts.name), parts.fields)
        finally:
            self._running -= 1

    @contextlib.asynccontextmanager
    async def whole(self, body: Body) -> AsyncIterator[Upload]:
        """The body itself, where that is the file. As `form`, and raises what that raises of a file."""
        settings = self._settings
        _check_length(body.headers, settings)
        if self._running >= settings.at_once:
            raise Overloaded(f"{settings.at_once} files are on their way already; try again in a few seconds")
        self._running += 1
        try:
            path = settings.folder / f"{UPLOAD_PREFIX}{secrets.token_hex(16)}"
            async with _file(path, settings.max_bytes) as file:
                async with contextlib.aclosing(body.pieces(settings)) as pieces:
                    async for piece in pieces:
                        file.add(piece)
                        await file.flush(WRITE_BYTES)
                await file.flush(1)
                if not file.size:
                    raise UnsupportedAudio("the file is empty; send one with audio in it", code="empty-file")
                yield Upload(path=path, sha256=file.sha256, size=file.size, name="")
        finally:
            self._running -= 1


class _File:
    """A file that grows, beside the event loop."""

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        self.size = 0
        self._file = file
        self._max_bytes = max_bytes
        self._hash = hashlib.sha256()
        self._held = bytearray()
        self._writing: asyncio.Task[None] | None = None

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def add(self, data: bytes) -> None:
        """Raises TooLarge."""
        self.size += len(data)
        if self.size > self._max_bytes:
            raise _too_large(self._max_bytes)
        self._held += data

    async def flush(self, at_least: int) -> None:
        """Write what is held, where it is so much. Raises Overloaded where the disk has no room."""
        if len(self._held) < at_least:
            return
        held, self._held = self._held, bytearray()
        self._writing = asyncio.create_task(asyncio.to_thread(self._write, held))
        # Shielded: a thread cannot be cancelled, and the file must not be closed while it writes.
        await asyncio.shield(self._writing)

    async def settled(self) -> None:
        """Nothing writes any more."""
        if self._writing is not None:
            await asyncio.wait((self._writing,))
            if not self._writing.cancelled():
                self._writing.exception()

    def _write(self, data: bytearray) -> None:
        self._hash.update(data)
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as exc:
            raise _no_room(exc) from None


class _Parts:
    """The parts of a form, as its bytes come in."""

    def __init__(
        self, boundary: bytes, known: frozenset[str], on_audio: Callable[[bytes], None], *, audio: str, is_open: bool
    ) -> None:
        self.fields: dict[str, list[str]] = {}
        self.name = ""
        self._known = known
        self._audio = audio
        self._is_open = is_open
        self._on_audio = on_audio
        self._count = 0
        self._field = ""
        self._value = bytearray()
        self._field_bytes = 0
        self._header = bytearray()
        self._header_value = bytearray()
        self._disposition = ""
        self._has_audio = False
        self._is_over = False
        self._parser = self._made(boundary)

    def add(self, data: bytes) -> None:
        """Raises ProtocolError, TooLarge."""
        # What follows the last boundary is nobody's.
        if self._is_over:
            return
        try:
            self._parser.write(data)
        except FormParserError as exc:
            raise _bad_form(str(exc)) from None

    def end(self) -> None:
        """The body is over. Raises ProtocolError where the form is not, or has no file in it."""
        if not self._is_over:
            raise _bad_form("it ends before its last boundary")
        if not self._has_audio:
            raise ProtocolError(f"the form has no file; send it as `{self._audio}`", code="missing-audio")

    def _made(self, boundary: bytes) -> MultipartParser:
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begun,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header_value.extend(data[start:end]),
            "on_header_end": self._header_ended,
            "on_headers_finished": self._named,
            "on_part_data": self._data,
            "on_part_end": self._ended,
            "on_end": self._over,
        }
        try:
            return MultipartParser(boundary, callbacks, max_header_count=MAX_HEADERS, max_header_size=MAX_HEADER_BYTES)
        except FormParserError as exc:
            raise _bad_form(str(exc)) from None

    def _begun(self) -> None:
        self._count += 1
        if self._count > MAX_PARTS:
            raise ProtocolError(f"the form has more than {MAX_PARTS} parts; send fewer", code="too-many-parts")
        self._disposition = ""
        self._header.clear()
        self._header_value.clear()
        self._value.clear()

    def _header_ended(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            self._disposition = self._header_value.decode("latin-1")
        self._header.clear()
        self._header_value.clear()

    def _named(self) -> None:
        kind, options = parse_options_header(self._disposition)
        if kind != b"form-data" or b"name" not in options:
            raise _bad_form("a part has no name")
        self._field = options[b"name"].decode(errors="replace")
        if self._field == self._audio:
            if self._has_audio:
                raise ProtocolError("the form has two files; send one request for each", code="two-files")
            self._has_audio = True
            self.name = shown_name(options.get(b"filename", b"").decode(errors="replace"))
        elif self._field not in self._known and not self._is_open:
            there = ", ".join(sorted({self._audio, *self._known}))
            raise ProtocolError(f"unknown field {self._field[:64]!r}; there are: {there}", code="unknown-field")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._field == self._audio:
            self._on_audio(data[start:end])
            return
        if self._field not in self._known:
            return
        self._field_bytes += end - start
        if self._field_bytes > MAX_FIELD_BYTES:
            raise TooLarge(f"the fields beside the file have more than {MAX_FIELD_BYTES} bytes; send less")
        self._value += data[start:end]

    def _ended(self) -> None:
        if self._field not in self._known:
            return
        try:
            value = self._value.decode()
        except UnicodeDecodeError:
            raise ProtocolError(f"{self._field}: is not UTF-8", code="bad-utf8") from None
        self.fields.setdefault(self._field, []).append(value)

    def _over(self) -> None:
        self._is_over = True


@contextlib.asynccontextmanager
async def _file(path: Path, max_bytes: int) -> AsyncIterator[_File]:
    """A new file of this hub's user alone, removed when the block is left."""
    opened = _created(path)
    file = _File(opened, max_bytes)
    try:
        yield file
    finally:
        try:
            # Also where the request is cancelled: nothing here waits for a client.
            await file.settled()
        finally:
            _removed(opened, path)


def _created(path: Path) -> BinaryIO:
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except OSError as exc:
        raise _no_room(exc) from None


def _removed(opened: BinaryIO, path: Path) -> None:
    with contextlib.suppress(OSError):
        opened.close()
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _no_room(exc: OSError) -> Overloaded:
    return Overloaded(
        f"the hub cannot write the file down: {exc.strerror}; try again later", code="disk-full", retry_after=60
    )


def _boundary(headers: Mapping[str, str], audio: str) -> bytes:
    """Of the parts of the form. Raises UnsupportedAudio, ProtocolError."""
    encoding = headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise UnsupportedAudio(f"the body is encoded with {encoding[:32]!r}; send it as it is", code="not-a-form")
    kind, options = parse_options_header(headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        raise UnsupportedAudio(
            f"the body is no form; send `multipart/form-data` with the file as `{audio}`", code="not-a-form"
        )
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= _MAX_BOUNDARY:
        raise _bad_form(f"its boundary has 1 to {_MAX_BOUNDARY} characters (RFC 2046, 5.1.1)")
    return boundary


def _check_length(headers: Mapping[str, str], settings: UploadSettings) -> None:
    """Raises TooLarge where the body says that it is, before any of it is read."""
    length = headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > _most(settings):
        raise _too_large(settings.max_bytes)


def _most(settings: UploadSettings) -> int:
    """Bytes of a body"""
    return settings.max_bytes + MAX_FIELD_BYTES + MAX_FORM_BYTES


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"a file has at most {max_bytes} bytes here; cut it, or send it as FLAC, Opus or MP3")


def _bad_form(reason: str) -> ProtocolError:
    return ProtocolError(f"the form cannot be read: {reason}; send `multipart/form-data`", code="bad-form")


_MAX_BOUNDARY = 70
