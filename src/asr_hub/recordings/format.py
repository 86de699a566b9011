"""
How a recording lies on the disk, and how it is read: a folder, or a zip of one.

    recording.json      what it is
    journal.jsonl       the facts, as `store.journal` writes them
    audio.jsonl         one line for each piece of audio, in order: where it starts, how long it is, its hash
    audio/SHA256        a piece: mono samples of signed 16 bit, little endian, as the pipeline heard them

Pieces are named by the hash of what is in them, so that nobody can change one unseen, and silence is kept once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from asr_hub.errors import NotFound, ProtocolError
from asr_hub.model import HUB_RATE, ProviderName
from asr_hub.store.journal import Entry, Recording, read
from asr_hub.store.slice import State
from asr_hub.store.slices.sessions import SessionConfigured, SessionMoved, SessionOpened, select_sessions
from asr_hub.store.slices.transcripts import UtteranceCorrected, UtteranceFinalized, select_utterances

VERSION = 1
"""Of a recording. A reader refuses another."""

META = "recording.json"
JOURNAL = "journal.jsonl"
INDEX = "audio.jsonl"
AUDIO = "audio"

PIECE_S = 4.0
"""Seconds of one piece of audio, about."""

SAMPLE_BYTES = 2

LARGEST_PIECE = 4 << 20
"""Bytes of audio"""

LONGEST_LINE = 16 << 20
"""Bytes: a header that goes on from a thousand utterances has room in it."""

LONGEST_META = 64 << 10

TEXT_CHARS = 200
"""Of what was said, that a recording is known by."""

NAME = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{12}(-[0-9]{1,4})?")
"""Of a recording: when it was begun, and the public name of its session."""

SESSION_AT, PLAIN_CHARS = 16, 28
"""Where that of the session begins in it, and where it ends: then comes a number, if anything."""

SHA256 = re.compile(r"[0-9a-f]{64}")

Why = Literal["closed", "asked", "too-long", "disk", "stopped", "broken-off"]


class BadRecording(ProtocolError):
    """A recording that cannot be read, or is not what it says."""

    code = "bad-recording"


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """What a recording is. Times are seconds since the epoch."""

    version: int = VERSION
    name: str
    session: str
    """The public name of the session"""
    started_at: float
    added_at: float | None = None
    """When it was uploaded"""
    ended_at: float | None = None
    """None while it is made, and where the hub ended in the midst of it."""
    why_ended: Why | None = None
    origin: Literal["recorded", "uploaded"] = "recorded"
    facts: int = 0
    rate: int = HUB_RATE
    """Hertz, of its audio"""
    samples: int = 0
    """From the beginning of the session to the end of the audio."""
    lost_samples: int = 0
    """That the disk could not take in time."""
    bytes: int = 0
    provider: str = ""
    language: str | None = None
    principal: str = ""
    text: str = ""
    """The beginning of what was said"""
    unread_texts: int = 0
    """That the redaction failed in"""
    damage: str = ""
    """Why it cannot be read to its end; what stands before that is sound."""

    @property
    def here_since(self) -> float:
        return self.started_at if self.added_at is None else self.added_at


class Piece(msgspec.Struct, frozen=True):
    """Where a piece of audio stands."""

    start: int
    """Samples since the session began"""
    samples: int
    sha256: str


class Summary:
    """What a recording is known by, gathered from its facts as they come. Holds `TEXT_CHARS` and little more."""

    def __init__(self, state: State) -> None:
        self.provider = ""
        self.language: str | None = None
        self._texts: dict[int, str] = {}
        self._chars = 0
        for session in select_sessions(state):
            self.provider, self.language = session.provider, session.language or session.identified
            for utterance in select_utterances(state, session.id):
                if utterance.latest is not None:
                    self._put(utterance.number, utterance.latest.text)

    @property
    def text(self) -> str:
        return " ".join(text for _, text in sorted(self._texts.items()) if text)[:TEXT_CHARS]

    def tell(self, entry: Entry) -> None:
        match entry.event:
            case SessionOpened(provider=provider, language=language):
                self.provider, self.language = provider, language
            case SessionConfigured(provider=provider, language=language):
                self.provider, self.language = provider or self.provider, language or self.language
            case SessionMoved(provider=provider):
                self.provider = provider
            case (
                UtteranceFinalized(utterance=number, hypothesis=it)
                | UtteranceCorrected(utterance=number, hypothesis=it)
            ):
                self.language = self.language or it.language
                self._put(number, it.text)
            case _:
                pass

    def on(self, meta: Meta) -> Meta:
        """What is known, put onto what a recording is."""
        return msgspec.structs.replace(
            meta, provider=ProviderName(self.provider), language=self.language, text=self.text
        )

    def _put(self, number: int, text: str) -> None:
        old = self._texts.get(number)
        if old is None and self._chars >= TEXT_CHARS:
            return
        self._texts[number] = text[:TEXT_CHARS]
        self._chars += len(self._texts[number]) - len(old or "")


def read_meta(data: bytes) -> Meta:
    """Raises BadRecording."""
    try:
        meta = msgspec.json.decode(data, type=Meta)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise BadRecording(f"{META} cannot be read ({exc}); give a recording of this hub") from None
    if meta.version != VERSION:
        raise BadRecording(
            f"the recording has version {meta.version}, this release reads {VERSION}; use the one that wrote it"
        )
    return meta


def lines_of(file: BinaryIO, *, name: str = JOURNAL) -> Iterator[bytes]:
    """
    The whole lines of a file, each bounded: one that was not written to its end, as the hub ended, is passed over.

    Raises BadRecording for a longer one.
    """
    while (line := file.readline(LONGEST_LINE + 1)).endswith(b"\n"):
        yield line
    if len(line) > LONGEST_LINE:
        raise BadRecording(f"{name} has a line of more than {LONGEST_LINE} bytes; this is no recording")


def open_journal(file: BinaryIO) -> Recording:
    """The journal of a recording, its facts read as they are asked for. Raises CorruptJournal, BadRecording."""
    return read(lines_of(file))


def pieces_of(file: BinaryIO) -> Iterator[Piece]:
    """
    The pieces of audio in order.

    Raises BadRecording where a line is none, or a piece begins before the end of the one before it.
    """
    end = 0
    for line in lines_of(file, name=INDEX):
        try:
            piece = msgspec.json.decode(line, type=Piece)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
            raise BadRecording(f"{INDEX} has a line that is none ({exc})") from None
        if SHA256.fullmatch(piece.sha256) is None or piece.samples < 1 or piece.start < end:
            raise BadRecording(f"{INDEX} has a piece that cannot be: {piece.samples} samples at {piece.start}")
        end = piece.start + piece.samples
        yield piece


class Folder:
    """A recording as it lies on the disk. Every call waits for the disk; the path need not be one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def meta(self) -> Meta:
        """Raises BadRecording, and NotFound where there is none."""
        try:
            with (self.path / META).open("rb") as file:
                return read_meta(file.read(LONGEST_META))
        except OSError as exc:
            raise NotFound(f"{self.path.name}: no recording ({exc.strerror})", code="unknown-recording") from None

    def journal(self) -> BinaryIO:
        """Raises NotFound."""
        try:
            return (self.path / JOURNAL).open("rb")
        except OSError as exc:
            raise NotFound(f"{self.path.name}: no journal ({exc.strerror})", code="unknown-recording") from None

    def pieces(self) -> list[Piece]:
        """Empty where there is no audio. Raises BadRecording."""
        found, damage = self.sound_pieces()
        if damage:
            raise BadRecording(damage)
        return found

    def sound_pieces(self) -> tuple[list[Piece], str]:
        """The pieces before the first line that is none, and what is wrong with that one."""
        found: list[Piece] = []
        try:
            with (self.path / INDEX).open("rb") as file:
                for piece in pieces_of(file):
                    found.append(piece)  # noqa: PERF402 - those before a line that raises are kept
        except FileNotFoundError:
            pass
        except (BadRecording, OSError) as exc:
            return found, str(exc)
        return found, ""

    def piece(self, sha256: str) -> Path:
        return self.path / AUDIO / sha256
