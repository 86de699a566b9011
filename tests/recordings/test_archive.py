"""A recording as one file: it comes back as it went, and what is none is refused by name, in little room."""

from __future__ import annotations

import hashlib
import io
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from immutables import Map
from tests.recordings.made import NAME, PUBLIC, SELECTION, START, lived, recorded
from tests.store.facts import A, B, closed, ended, final, opened, revised, started

from asr_hub.errors import HubError, TooLarge
from asr_hub.recordings import archive
from asr_hub.recordings.archive import journal_in
from asr_hub.recordings.counting import counted
from asr_hub.recordings.format import BadRecording, Folder
from asr_hub.recordings.library import Keep, Library
from asr_hub.recordings.packing import packed
from asr_hub.store.journal import Entry, encode, header, replay
from asr_hub.store.slices.transcripts import Transcript, Utterance

pytestmark = pytest.mark.unit

STORY = [opened(A), opened(B), started(1), revised(1, "turn"), ended(1), final(1, "turn on"), closed(A)]
PCM = bytes(range(256)) * 250
AUDIO = [(0, PCM), (32_000, PCM[:20_000]), (60_000, PCM)]


@pytest.fixture
def library(tmp_path: Path) -> Library:
    made = Library(tmp_path / "library", Keep(), max_bytes=1 << 20, now=lambda: START + 60)
    made.load()
    return made


def zip_of(tmp_path: Path) -> bytes:
    return b"".join(packed(recorded(tmp_path, STORY, audio=AUDIO)))


def changed(data: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """The zip with other files in it."""
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        files = {entry.filename: found.read(entry) for entry in found.infolist()}
    change(files)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return out.getvalue()


def given_to(library: Library, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "upload.zip"
    path.write_bytes(data)
    library.add(path)


def test_a_zip_comes_back_as_it_went(library: Library, tmp_path: Path) -> None:
    made = recorded(tmp_path, STORY, audio=AUDIO)
    given_to(library, tmp_path, b"".join(packed(made)))
    (meta,) = library.all()
    there = Folder(library.path(meta.name))
    for path in made.path.rglob("*"):
        if path.is_file() and path.name != "recording.json":
            assert (there.path / path.relative_to(made.path)).read_bytes() == path.read_bytes()
    assert len(list((there.path / "audio").iterdir())) == 2, "the same audio is kept once"
    assert (meta.facts, meta.samples, meta.origin, meta.text) == (6, 92_000, "uploaded", "turn on")
    assert counted(there, meta) == meta
    with journal_in(tmp_path / "upload.zip") as file, there.journal() as other:
        assert replay(file) == replay(other)


def test_what_is_recorded_while_a_client_takes_its_time_is_not_in_the_list_of_pieces(
    library: Library, tmp_path: Path
) -> None:
    made = recorded(tmp_path, STORY, audio=AUDIO[:1])
    taken = packed(made)
    data = [next(taken)]
    late = PCM[::-1]
    sha256 = hashlib.sha256(late).hexdigest()
    made.piece(sha256).write_bytes(late)
    with (made.path / "audio.jsonl").open("ab") as index:
        index.write(msgspec.json.encode({"start": 32_000, "samples": len(late) // 2, "sha256": sha256}) + b"\n")
    given_to(library, tmp_path, b"".join([*data, *taken]))
    (meta,) = library.all()
    assert meta.samples == 32_000


def test_the_zip_of_its_folder_is_taken_too(library: Library, tmp_path: Path) -> None:
    data = changed(zip_of(tmp_path), lambda files: _put_below(files, "my-recording/"))
    given_to(library, tmp_path, data)
    assert len(library.all()) == 1


def _put_below(files: dict[str, bytes], folder: str) -> None:
    for name in tuple(files):
        files[folder + name] = files.pop(name)


DEEP = b"[" * 20_000 + b"]" * 20_000

SHA = hashlib.sha256(PCM).hexdigest()

HOSTILE: dict[str, Callable[[dict[str, bytes]], None]] = {
    "a name that climbs": lambda files: files.update({"../../etc/cron.d/x": b"x"}),
    "a name from the root": lambda files: files.update({"/etc/cron.d/x": b"x"}),
    "a name of Windows": lambda files: files.update({"audio\\..\\x": b"x"}),
    "a climbing piece": lambda files: files.update({"audio/../x": b"x"}),
    "a file that no recording has": lambda files: files.update({"run.sh": b"x"}),
    "no meta": lambda files: files.pop("recording.json") and None,
    "no journal": lambda files: files.pop("journal.jsonl") and None,
    "a piece is missing": lambda files: files.pop(f"audio/{SHA}") and None,
    "a piece that was changed": lambda files: files.update({f"audio/{SHA}": PCM[::-1]}),
    "a piece that was cut": lambda files: files.update({f"audio/{SHA}": PCM[:-2]}),
    "a meta that is none": lambda files: files.update({"recording.json": b"[]"}),
    "another version": lambda files: files.update(
        {"recording.json": files["recording.json"].replace(b'"version": 1', b'"version": 9')}
    ),
    "a name that climbs in the meta": lambda files: files.update(
        {"recording.json": files["recording.json"].replace(NAME.encode(), b"../../../../tmp/x")}
    ),
    "an index that is none": lambda files: files.update({"audio.jsonl": b"{}\n"}),
    "an index that climbs": lambda files: files.update(
        {"audio.jsonl": b'{"start":0,"samples":1,"sha256":"../recording.json"}\n'}
    ),
    "pieces that overlap": lambda files: files.update({"audio.jsonl": files["audio.jsonl"].splitlines(True)[0] * 2}),
    "audio of years": lambda files: files.update(
        {"audio.jsonl": msgspec.json.encode({"start": 1 << 60, "samples": 32_000, "sha256": SHA}) + b"\n"}
    ),
    "a journal that is none": lambda files: files.update({"journal.jsonl": b"hello\n"}),
    "an event that is none": lambda files: files.update({"journal.jsonl": files["journal.jsonl"] + b"{}\n"}),
    "a fact that cannot follow": lambda files: files.update(
        {"journal.jsonl": header() + encode([Entry(1, started(1))])}
    ),
    "the facts of another session": lambda files: files.update(
        {"journal.jsonl": header() + encode([Entry(1, opened(B))])}
    ),
    "a meta that is deep": lambda files: files.update({"recording.json": b'{"version":1,"x":' + DEEP + b"}"}),
    "a header that is deep": lambda files: files.update(
        {"journal.jsonl": header().replace(b'"state":{', b'"state":{"x":' + DEEP)}
    ),
    "a fact that is deep": lambda files: files.update(
        {"journal.jsonl": files["journal.jsonl"] + b'{"seq":7,"event":{"type":"[Hub] Started","x":' + DEEP + b"}}\n"}
    ),
    "an index that is deep": lambda files: files.update({"audio.jsonl": b'{"x":' + DEEP + b"}\n"}),
    "a journal with a gap": lambda files: files.update({"journal.jsonl": header() + encode([Entry(2, opened(A))])}),
}


def test_a_journal_or_a_state_that_no_hub_has_is_refused(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = SELECTION.state(lived([opened(A)]).state)
    endless = Map({number: Utterance(number=number) for number in range(1001)})
    state = state.set("transcripts", Map({PUBLIC: Transcript(utterances=endless)}))
    many = changed(zip_of(tmp_path), lambda files: files.update({"journal.jsonl": header(state=state)}))
    with pytest.raises(BadRecording, match="more than 1000"):
        given_to(library, tmp_path, many)
    monkeypatch.setattr(archive, "LARGEST_JOURNAL", 1000)
    with pytest.raises(TooLarge):
        given_to(library, tmp_path, b"".join(packed(Folder(tmp_path / NAME))))


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_recording_is_refused_and_leaves_nothing(what: str, library: Library, tmp_path: Path) -> None:
    data = changed(zip_of(tmp_path), HOSTILE[what])
    with pytest.raises(BadRecording):
        given_to(library, tmp_path, data)
    assert not list(library.folder.iterdir()) and not library.all()


def test_two_files_of_one_name_are_refused(library: Library, tmp_path: Path) -> None:
    out = io.BytesIO(zip_of(tmp_path))
    with zipfile.ZipFile(out, "a") as made, pytest.warns(UserWarning, match="Duplicate"):
        made.writestr("recording.json", b"{}")
    with pytest.raises(BadRecording, match="twice"):
        given_to(library, tmp_path, out.getvalue())


def bomb(name: str, size: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("recording.json", b"{}")
        made.writestr("journal.jsonl", b"")
        with made.open(name, "w") as file:
            for _ in range(size >> 20):
                file.write(bytes(1 << 20))
    return out.getvalue()


def lying(data: bytes, size: int) -> bytes:
    """The zip says that its last file is small."""
    at = data.rindex(b"PK\x01\x02")
    return data[: at + 24] + size.to_bytes(4, "little") + data[at + 28 :]


def test_a_bomb_is_refused_in_little_room(library: Library, tmp_path: Path) -> None:
    data = bomb(f"audio/{SHA}", 64 << 20)
    assert len(data) < 1 << 20
    tracemalloc.start()
    for body in (data, lying(data, 1000)):
        with pytest.raises((TooLarge, BadRecording)):
            given_to(library, tmp_path, body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20
    assert not list(library.folder.iterdir())


def test_a_line_without_end_is_refused_in_little_room(tmp_path: Path) -> None:
    library = Library(tmp_path / "library", Keep(), max_bytes=1 << 30, now=lambda: START)
    out = io.BytesIO(changed(zip_of(tmp_path), lambda files: files.pop("journal.jsonl") and None))
    with (
        zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as made,
        made.open("journal.jsonl", "w") as file,
    ):
        for _ in range(40):
            file.write(b" " * (1 << 20))
    with pytest.raises(BadRecording, match="line of more than"):
        given_to(library, tmp_path, out.getvalue())


def test_a_list_of_entries_that_is_too_long_is_not_even_read(library: Library, tmp_path: Path) -> None:
    data = bytearray(zip_of(tmp_path))
    data[-12:-10] = b"\xff\xff"
    with pytest.raises(BadRecording, match="65535 entries"):
        given_to(library, tmp_path, bytes(data))
    whole = bytes(data)
    zip64 = whole[:-22] + b"PK\x06\x07" + bytes(16) + whole[-22:]
    with pytest.raises(BadRecording, match="larger than"):
        given_to(library, tmp_path, zip64)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_bytes_that_were_cut_or_changed_are_taken_or_refused_and_never_crash(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    whole = bytearray(zip_of(folder))
    if data.draw(st.booleans()):
        whole = whole[: data.draw(st.integers(0, len(whole)))]
    for _ in range(data.draw(st.integers(0, 4))):
        if whole:
            whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    library = Library(folder / "library", Keep(), max_bytes=1 << 20, now=lambda: START)
    try:
        given_to(library, folder, bytes(whole))
    except HubError as exc:
        assert exc.code in ("bad-recording", "too-large")
        assert not list(library.folder.iterdir())
