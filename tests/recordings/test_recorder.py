"""What is recorded and where it ends: a disk that is slow or full holds nobody up, and what it lost is told."""

from __future__ import annotations

import asyncio
import contextlib
import re
import resource
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.recordings.made import PUBLIC, SELECTION, START, lived, recorded
from tests.store.facts import STUB, A, closed, ended, final, opened, started, warned

from asr_hub.app.recordings import recorder_of
from asr_hub.config import schema
from asr_hub.errors import Conflict, NotFound, Overloaded
from asr_hub.hub.names import public_name
from asr_hub.model import AudioFrame, SessionId
from asr_hub.recordings.disk_threads import DiskThreads
from asr_hub.recordings.files import RecordingFiles
from asr_hub.recordings.format import INDEX, JOURNAL, META, BadRecording, Folder, Meta
from asr_hub.recordings.library import DAY_S, Keep, Library
from asr_hub.recordings.packing import packed
from asr_hub.recordings.recorder import Recorder, Settings
from asr_hub.recordings.redaction import Redaction
from asr_hub.recordings.sound import Sound
from asr_hub.recordings.writing import Writer
from asr_hub.recordings.written_past import WrittenPast
from asr_hub.store.event import Event
from asr_hub.store.journal import replay
from asr_hub.store.kernel import HubStore
from asr_hub.store.slices.hotwords import HotwordsReplaced
from asr_hub.store.slices.providers import SlotFreed, SlotTaken

pytestmark = pytest.mark.unit

TENTH = b"\1\2" * 1600
"""Of a second of audio"""


class Pipe:
    """Where the audio of a session passes by."""

    def __init__(self, rate: int = 16_000) -> None:
        self.rate = rate
        self.tap: Callable[[AudioFrame], None] | None = None
        self.heard = b""

    def hear(self, pcm: bytes) -> None:
        frame = AudioFrame(pcm, len(self.heard) // 2, self.rate)
        self.heard += pcm
        if self.tap is not None:
            self.tap(frame)


class Shelf(Library):
    """A library that tells when a recording is over."""

    def __init__(self, folder: Path, keep: Keep, *, max_bytes: int, now: Callable[[], float]) -> None:
        super().__init__(folder, keep, max_bytes=max_bytes, now=now)
        self.is_there = asyncio.Event()

    def put(self, meta: Meta) -> None:
        super().put(meta)
        self.is_there.set()


class Bench:
    """A recorder beside a store, whose writer runs."""

    def __init__(self, folder: Path, settings: Settings, writer: Writer, **keep: Any) -> None:
        self.now = START
        self.library = Shelf(folder, Keep(**keep), max_bytes=1 << 24, now=lambda: self.now)
        self.store: HubStore = lived(())
        self.writer = writer
        self.pipe = Pipe()
        self.recorder = Recorder(
            self.library,
            writer,
            settings,
            state=lambda: self.store.state,
            seq=lambda: self.store.journal.seq,
            public_name=lambda session: PUBLIC if session == A else "ba9876543210",
            now=lambda: self.now,
        )

    def tell(self, *events: Event) -> None:
        for event in events:
            self.store.dispatch(event)
            self.recorder.take(event)

    def open(self, session: SessionId = A) -> None:
        self.recorder.opened(session, "", self.pipe)
        self.tell(opened(session, at=self.now))

    async def over(self) -> Meta:
        """The one recording, when it is written."""
        async with asyncio.timeout(10):
            await self.library.is_there.wait()
        (meta,) = self.library.all()
        return meta


@contextlib.asynccontextmanager
async def bench(
    folder: Path, settings: Settings | None = None, writer: Writer | None = None, **keep: Any
) -> AsyncIterator[Bench]:
    made = Bench(folder, settings or Settings(mode="on"), writer or Writer(), **keep)
    made.library.make()
    running = asyncio.create_task(made.writer.run(sweep=made.library.sweep, every=600))
    try:
        yield made
    finally:
        made.recorder.stop()
        made.writer.close()
        await running
        made.store.close()


async def test_what_is_of_the_session_and_the_hub_is_taken_in_order(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        it.open()
        it.tell(
            opened(SessionId("b")),
            started(1),
            HotwordsReplaced(words=("Brig",)),
            HotwordsReplaced(tenant="ann", words=("x",)),
        )
        it.tell(started(1, SessionId("b")), ended(1), final(1, "turn on"), closed())
        meta = await it.over()
        timeline = WrittenPast(Folder(it.library.path(meta.name))).timeline()
        kinds = [type(entry.event).__name__ for entry in timeline.entries(after=0, limit=100)]
        assert kinds == [
            "SessionOpened",
            "SpeechStarted",
            "HotwordsReplaced",
            "SpeechEnded",
            "UtteranceFinalized",
            "SessionClosed",
        ]
        assert (meta.facts, meta.why_ended, meta.text, meta.name) == (
            6,
            "closed",
            "turn on",
            f"20260131-120000-{PUBLIC}",
        )
        assert not it.recorder.live() and it.pipe.tap is None


async def test_audio_is_kept_in_pieces_as_it_was_heard(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        it.open()
        for index in range(95):
            it.pipe.hear(TENTH if index % 2 else bytes(3200))
        it.tell(closed())
        meta = await it.over()
        folder = Folder(it.library.path(meta.name))
        pieces = folder.pieces()
        assert [piece.start for piece in pieces] == [0, 64_000, 128_000]
        assert b"".join(folder.piece(piece.sha256).read_bytes() for piece in pieces) == it.pipe.heard
        assert meta.samples == 95 * 1600 and meta.lost_samples == 0
        assert meta.bytes == sum(path.stat().st_size for path in folder.path.rglob("*.jsonl")) + sum(
            path.stat().st_size for path in (folder.path / "audio").iterdir()
        )


async def test_without_audio_nothing_taps(tmp_path: Path) -> None:
    async with bench(tmp_path, Settings(mode="on", audio=False)) as it:
        it.open()
        assert it.pipe.tap is None
        it.tell(closed())
        assert not Folder(it.library.path((await it.over()).name)).pieces()


async def test_a_recording_is_begun_in_the_midst_and_ended_when_one_asks(tmp_path: Path) -> None:
    async with bench(tmp_path, Settings(mode="ask")) as it:
        it.open()
        it.tell(started(1), ended(1), final(1, "before"))
        assert not it.recorder.live()
        meta = await it.recorder.begin(A, "", it.pipe)
        assert (await it.recorder.begin(A, "", it.pipe)).name == meta.name
        assert list(it.recorder.live()) == [meta.name]
        it.tell(started(2))
        ended_as = await it.recorder.end(A)
        it.tell(ended(2))
        assert ended_as is not None and (ended_as.facts, ended_as.why_ended, ended_as.text) == (1, "asked", "before")
        assert await it.recorder.end(A) is None
        again = await it.recorder.begin(A, "", it.pipe)
        assert again.name == f"{meta.name}-2"


async def test_what_is_off_stays_off(tmp_path: Path) -> None:
    async with bench(tmp_path / "there", Settings(mode="off")) as it:
        it.open()
        with pytest.raises(Conflict, match="records nothing"):
            await it.recorder.begin(A, "", it.pipe)
        it.tell(closed())
        assert not list((tmp_path / "there").iterdir())


async def test_a_recording_that_is_long_enough_ends_and_the_session_goes_on(tmp_path: Path) -> None:
    async with bench(tmp_path, Settings(mode="on", max_s=2.0)) as it:
        it.open()
        for _ in range(25):
            it.pipe.hear(TENTH)
        assert it.pipe.tap is None
        meta = await it.over()
        assert meta.why_ended == "too-long" and meta.samples == 21 * 1600
        it.tell(started(1))


async def test_facts_alone_may_be_long_enough(tmp_path: Path) -> None:
    async with bench(tmp_path, Settings(mode="on", max_s=2.0)) as it:
        it.open()
        it.tell(
            opened(SessionId("b")), HotwordsReplaced(at=START + 1, words=()), HotwordsReplaced(at=START + 3, words=())
        )
        assert (await it.over()).why_ended == "too-long"


async def test_a_recorder_that_stops_ends_what_it_makes(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        it.open()
        it.pipe.hear(TENTH)
    meta = it.library.all()[0]
    assert (meta.why_ended, meta.samples, meta.facts) == ("stopped", 1600, 1)


async def test_a_disk_that_stands_still_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    let_go, blocked = threading.Event(), threading.Event()
    begin = RecordingFiles.begin

    def slow(files: RecordingFiles) -> None:
        blocked.set()
        let_go.wait(20)
        begin(files)

    monkeypatch.setattr(RecordingFiles, "begin", slow)
    writer = Writer(most_facts=10, most_bytes=2 * 128_000)
    async with bench(tmp_path, writer=writer) as it:
        it.open()
        await asyncio.to_thread(blocked.wait, 10)
        for _ in range(10 * 30):
            it.pipe.hear(TENTH)
        for index in range(30):
            it.tell(warned(str(index)))
        assert writer.is_behind and not it.pipe.tap
        it.open(SessionId("b"))
        with pytest.raises(Overloaded, match="behind"):
            await it.recorder.begin(SessionId("b"), "", it.pipe)
        let_go.set()
        meta = await it.over()
        assert meta.why_ended == "disk" and 0 < meta.facts <= 11
        assert meta.samples + meta.lost_samples == 300 * 1600 and meta.lost_samples >= 12 * 16_000
        with Folder(it.library.path(meta.name)).journal() as file:
            replay(file)
        # The disk has caught up, and the next one is recorded.
        assert (await it.recorder.begin(SessionId("c"), "", it.pipe)).ended_at is None


@contextlib.contextmanager
def full(bytes: int) -> Iterator[None]:
    """No file may be longer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_ends_the_facts_loses_the_audio_and_says_so(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        with full(60_000):
            it.open()
            for _ in range(45):
                it.pipe.hear(TENTH)
            for index in range(1000):
                it.tell(warned(f"{index} {'x' * 100}"))
                await asyncio.sleep(0)
            async with asyncio.timeout(10):
                while not it.library.is_there.is_set():
                    it.tell(warned())
                    await asyncio.sleep(0.001)
        meta = await it.over()
        assert meta.why_ended == "disk" and meta.facts > 100
        assert meta.lost_samples == 64_000
        timeline = WrittenPast(Folder(it.library.path(meta.name))).timeline()
        assert timeline.last == meta.facts
        it.tell(closed())


def test_of_facts_that_the_disk_took_a_part_of_the_whole_ones_are_kept(tmp_path: Path) -> None:
    files = files_of(tmp_path)
    files.begin()
    with full(files.size + 10_000):
        files.facts([opened(), *(warned(f"{index} {'x' * 100}") for index in range(1000))])
    files.facts([warned("later")])
    files.end("closed", START)
    timeline = WrittenPast(Folder(files.path)).timeline()
    assert files.meta.why_ended == "disk" and 40 < files.meta.facts < 100
    assert timeline.last == files.meta.facts
    assert files.size == (files.path / JOURNAL).stat().st_size <= 11_000


def test_a_list_of_pieces_that_the_disk_took_a_part_of_is_gone_on_with(tmp_path: Path) -> None:
    files = files_of(tmp_path)
    files.begin()
    with full(1000):
        for index in range(20):
            files.audio(index * 100, [bytes([index]) * 200])
    files.audio(2000, [b"\xff" * 200])
    files.end("closed", START)
    pieces = Folder(files.path).pieces()
    assert [piece.start for piece in pieces] == [*(index * 100 for index in range(len(pieces) - 1)), 2000]
    assert files.meta.lost_samples == (21 - len(pieces)) * 100 > 0


def test_a_beginning_that_the_disk_did_not_take_leaves_nothing_behind(tmp_path: Path) -> None:
    files = files_of(tmp_path)
    with full(20):
        files.begin()
    assert not files.is_there
    files.audio(0, [TENTH])
    files.end("disk", START)
    assert not list(tmp_path.iterdir())


def test_a_hook_is_called_by_the_thread_that_writes_and_once_for_a_text(tmp_path: Path) -> None:
    called: list[str] = []

    def hook(text: str) -> str:
        called.append(text)
        return text

    files = files_of(tmp_path, lived([HotwordsReplaced(words=("Brig",))]), Redaction(hook))
    assert not called
    files.begin()
    assert called.count("Brig") == 1
    files.end("closed", START)


def files_of(folder: Path, hub: HubStore | None = None, redaction: Redaction | None = None) -> RecordingFiles:
    store = hub or lived(())
    meta = Meta(name="20260131-120000-0123456789ab", session=PUBLIC, started_at=START)
    return RecordingFiles(folder / meta.name, meta, SELECTION.state(store.state), redaction=redaction)


async def test_facts_alone_may_be_large_enough(tmp_path: Path) -> None:
    async with bench(tmp_path, Settings(mode="on", audio=False, max_bytes=10_000)) as it:
        it.open()
        async with asyncio.timeout(10):
            while not it.library.is_there.is_set():
                it.tell(warned("x" * 1000))
                await asyncio.sleep(0.001)
        meta = await it.over()
        assert meta.why_ended == "too-long"


async def test_a_folder_that_is_gone_is_told_to_who_asks(tmp_path: Path) -> None:
    async with bench(tmp_path / "gone", Settings(mode="ask")) as it:
        it.open()
        (tmp_path / "gone").rmdir()
        with pytest.raises(Overloaded, match="cannot write"):
            await it.recorder.begin(A, "", it.pipe)
        assert not it.recorder.live() and not it.library.all()


async def test_slots_of_engines_and_sessions_of_others_cost_no_byte(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        it.open()
        for _ in range(100):
            it.tell(SlotTaken(provider=STUB), SlotFreed(provider=STUB), warned(session=SessionId("b")))
        it.tell(closed())
        assert (await it.over()).facts == 2


@pytest.mark.parametrize(
    ("keep", "left"),
    [({"recordings": 2}, 2), ({"days": 2.5}, 2), ({"bytes": 5000}, 1), ({}, 4)],
)
def test_what_is_too_old_or_too_much_goes_the_oldest_first(tmp_path: Path, keep: dict[str, Any], left: int) -> None:
    for day in range(4):
        name = f"2026013{day}-120000-{PUBLIC}"
        recorded(tmp_path, [opened(A), warned("x" * 1500), closed()], name=name)
    library = Library(tmp_path, Keep(**keep), max_bytes=1, now=lambda: START + 4 * DAY_S)
    for folder in tmp_path.iterdir():
        day = int(folder.name[7])
        path = folder / "recording.json"
        path.write_bytes(path.read_bytes().replace(b"1769860800.0", str(START + day * DAY_S).encode()))
    library.load()
    names = [meta.name for meta in library.all()]
    assert names == sorted(names, reverse=True) and names == [
        f"2026013{3 - index}-120000-{PUBLIC}" for index in range(left)
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_a_folder_with_other_things_in_it_is_read_all_the_same(tmp_path: Path) -> None:
    recorded(tmp_path, [opened(A), closed()])
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "20260131-120001-0123456789ab").mkdir()
    (tmp_path / "upload-77").mkdir()
    library = Library(tmp_path, Keep(), max_bytes=1, now=lambda: START)
    library.load()
    assert len(library.all()) == 1
    assert (tmp_path / "notes.txt").exists() and not (tmp_path / "upload-77").exists()
    for name in ("..", "notes.txt", "20260131-120001-0123456789ab/..", ""):
        with pytest.raises(NotFound):
            library.path(name) if name == ".." or "/" in name or not name else library.delete(name)


def test_an_old_recording_that_is_uploaded_stays_as_long_as_a_new_one(tmp_path: Path) -> None:
    made = recorded(tmp_path, [opened(A), closed()])
    zip = tmp_path / "upload.zip"
    zip.write_bytes(b"".join(packed(made)))
    now = START + 100 * DAY_S
    library = Library(tmp_path / "library", Keep(days=30), max_bytes=1 << 20, now=lambda: now)
    library.load()
    library.add(zip)
    library.sweep()
    assert len(library.all()) == 1
    now += 31 * DAY_S
    library.sweep()
    assert not library.all()


def _spoil(made: Folder, name: str, change: Callable[[bytes], bytes]) -> None:
    path = made.path / name
    path.write_bytes(change(path.read_bytes()))


def _unended(made: Folder) -> None:
    """As a hub leaves it that is killed."""
    _spoil(made, META, lambda data: re.sub(rb'"ended_at": [0-9.]+', b'"ended_at": null', data))


def _is_of_meta(what: str) -> bool:
    return "meta" in what or "version" in what


def _unread(data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join([*lines[:3], b'{"seq": 3, "rot\n', *lines[4:]])


SPOILT: dict[str, tuple[Callable[[Folder], None], int, str]] = {
    "the journal": (lambda made: _spoil(made, JOURNAL, _unread), 2, "journal line 4"),
    "the first line of the journal": (lambda made: _spoil(made, JOURNAL, lambda data: b"rot" + data), 0, "header"),
    "no journal": (lambda made: (made.path / JOURNAL).unlink(), 0, "no journal"),
    "the list of pieces": (lambda made: _spoil(made, INDEX, lambda data: data + b"rot\n"), 4, INDEX),
    "the meta": (lambda made: _spoil(made, META, lambda data: data[:20]), 4, META),
    "no meta": (lambda made: (made.path / META).unlink(), 4, "no recording"),
    "a later version": (
        lambda made: _spoil(made, META, lambda data: data.replace(b'"version": 1', b'"version": 9')),
        4,
        "version 9",
    ),
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_is_damaged_is_listed_read_as_far_as_it_is_sound_and_swept_like_others(what: str, tmp_path: Path) -> None:
    spoil, facts, damage = SPOILT[what]
    made = recorded(tmp_path, [opened(A), started(1), ended(1), final(1, "turn on")], audio=[(0, TENTH)])
    recorded(tmp_path, [opened(A), closed()], name=f"20260201-120000-{PUBLIC}")
    _unended(made)
    spoil(made)
    before = {path: path.read_bytes() for path in made.path.glob("*") if path.is_file()}
    for _ in range(2):
        # A second start finds it as the first.
        library = Library(tmp_path, Keep(), max_bytes=1, now=lambda: START + 60)
        library.load()
        meta = library.meta(made.path.name)
        assert meta is not None and damage in meta.damage, meta
        assert (meta.facts, meta.session, meta.started_at) == (facts, PUBLIC, START)
        assert meta.ended_at is not None and meta.bytes > 3200
    if _is_of_meta(what):
        assert before == {path: path.read_bytes() for path in made.path.glob("*") if path.is_file()}
    if facts:
        past = WrittenPast(made)
        assert past.timeline().last == facts and bool(past.damage) == (facts < 4)
    assert bool(meta.samples) == (not _is_of_meta(what))
    if meta.samples:
        assert Sound(made, meta, DiskThreads()).size == 44 + len(TENTH)
    library.delete(meta.name)
    assert not made.path.exists() and len(library.all()) == 1


@pytest.mark.parametrize(("keep", "left"), [({"recordings": 1}, 1), ({"bytes": 3500}, 1), ({"days": 1.0}, 0)])
@pytest.mark.parametrize("name", [JOURNAL, META])
def test_what_is_damaged_counts_for_what_is_kept(name: str, keep: dict[str, Any], left: int, tmp_path: Path) -> None:
    made = recorded(tmp_path, [opened(A), closed()], audio=[(0, TENTH)])
    recorded(tmp_path, [opened(A), closed()], name=f"20260201-120000-{PUBLIC}")
    _unended(made)
    _spoil(made, name, lambda data: b"rot" + data)
    library = Library(tmp_path, Keep(**keep), max_bytes=1, now=lambda: START + 2 * DAY_S)
    library.load()
    assert not made.path.exists() and len(library.all()) == left


def test_what_rots_while_the_hub_runs_is_found_out_by_who_looks(tmp_path: Path) -> None:
    made = recorded(tmp_path, [opened(A), started(1), ended(1), final(1, "turn on")])
    library = Library(tmp_path, Keep(), max_bytes=1, now=lambda: START)
    library.load()
    _spoil(made, JOURNAL, _unread)
    past = WrittenPast(made)
    past.timeline()
    library.damaged(made.path.name, past.damage)
    assert "line 4" in library.all()[0].damage
    _spoil(made, JOURNAL, lambda data: b"rot" + data)
    with pytest.raises(BadRecording, match="damaged"):
        WrittenPast(made).timeline()


async def test_a_disk_that_never_answers_holds_up_no_stop_and_the_log_says_what_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begun, never = threading.Event(), threading.Event()

    def begin(files: RecordingFiles) -> None:
        begun.set()
        never.wait(50)

    monkeypatch.setattr(RecordingFiles, "begin", begin)
    store = lived([opened()])
    recorder = schema.Recorder(mode="on", folder=str(tmp_path))
    async with recorder_of(recorder, state=lambda: store.state, seq=iter(range(9)).__next__, patience=0) as made:
        made.opened(A, "", Pipe())
        made.take(opened())
        await asyncio.to_thread(begun.wait, 20)
    (thread,) = [one for one in threading.enumerate() if one.name == "recordings"]
    assert thread.daemon, "it keeps no process from ending"
    (line,) = [one for one in caplog.records if one.message == "recorder.unwritten"]
    assert public_name(A) in repr(vars(line)) and "'facts': 1" in repr(vars(line))
    never.set()
    await asyncio.to_thread(thread.join, 20)
    assert not thread.is_alive()
    store.close()


async def test_who_waits_for_a_disk_is_told_what_came_of_it_and_may_go_before() -> None:
    threads, begun, never = DiskThreads(2), threading.Event(), threading.Event()
    stuck = asyncio.create_task(threads.call(lambda: begun.set() or never.wait(50)))
    await asyncio.to_thread(begun.wait, 20)
    assert await threads.call(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await threads.call(lambda: 1 / 0)
    stuck.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stuck
    never.set()
    threads.close()
    with pytest.raises(Overloaded, match="shutting down"):
        await threads.call(lambda: 7)
    for one in threading.enumerate():
        if one.name == "recordings":
            await asyncio.to_thread(one.join, 20)
            assert not one.is_alive()
