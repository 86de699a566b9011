"""Where the files of jobs are kept: the same for a folder and for a bucket of an S3 server on loopback."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import random
import runpy
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest

from asr_hub.config import schema
from asr_hub.errors import ConfigError, HubError, NotFound, Overloaded, ProtocolError
from asr_hub.jobs import audio_folder, audio_s3
from asr_hub.jobs.audio_folder import PIECE, FolderAudio
from asr_hub.jobs.audio_s3 import S3Audio
from asr_hub.jobs.ports import AudioStore

pytestmark = pytest.mark.unit

SERVER = """
import json, logging, sys
import boto3
from moto import settings
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
endpoint = "http://127.0.0.1:%d" % server.get_host_and_port()[1]
setup = dict(endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="setup", aws_secret_access_key="setup")
boto3.client("s3", **setup).create_bucket(Bucket="audio")
iam = boto3.client("iam", **setup)
keys = {}
for user, allowed in (("hub", "s3:*"), ("guest", "s3:ListBucket")):
    iam.create_user(UserName=user)
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": allowed, "Resource": "*"}]}
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    keys[user] = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
print(json.dumps({"endpoint": endpoint, "keys": keys}), flush=True)
sys.stdin.read()
"""


class Server(msgspec.Struct):
    """An S3 server that checks signatures. `keys` has those of `hub`, who may do all, and of `guest`, who may list."""

    endpoint: str
    keys: dict[str, dict[str, str]]

    def audio(self, prefix: str, *, bucket: str = "audio", user: str = "hub") -> S3Audio:
        return S3Audio(schema.S3(bucket=bucket, endpoint=self.endpoint, prefix=prefix), environment=self.keys[user])


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Two puts of one key at once make it fail now and then, which the client tries again.
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield msgspec.json.decode(process.stdout.readline(), type=Server)
        process.kill()


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> AudioStore:
    if request.param == "folder":
        return FolderAudio(tmp_path / "kept" / "audio")
    server: Server = request.getfixturevalue("server")
    return server.audio(tmp_path.name)


@pytest.fixture
def folder(tmp_path: Path) -> FolderAudio:
    return FolderAudio(tmp_path / "kept" / "audio")


def a_file(folder: Path, content: bytes) -> tuple[str, Path]:
    sha256 = hashlib.sha256(content).hexdigest()
    path = folder / f"upload-{random.randbytes(8).hex()}"
    path.write_bytes(content)
    return sha256, path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def read(store: AudioStore, sha256: str, start: int, end: int) -> bytes:
    return b"".join([piece async for piece in store.read(sha256, start, end)])


CONTENT = random.Random(1).randbytes(3 * PIECE + 17)


async def test_what_was_put_is_there(store: AudioStore, tmp_path: Path) -> None:
    sha256, source = a_file(tmp_path, CONTENT)
    began = time.time()
    await store.put(sha256, source)
    assert await store.size(sha256) == len(CONTENT)
    fetched = await store.fetch(sha256, tmp_path / "fetched")
    assert fetched.read_bytes() == CONTENT
    ((found, size, at),) = await store.all()
    assert (found, size) == (sha256, len(CONTENT))
    # Servers tell whole seconds.
    assert began - 1 <= at <= time.time() + 1


async def test_an_empty_file_can_be_kept(store: AudioStore, tmp_path: Path) -> None:
    sha256, source = a_file(tmp_path, b"")
    await store.put(sha256, source)
    assert await store.size(sha256) == 0
    assert await read(store, sha256, 0, 10) == b""
    assert (await store.fetch(sha256, tmp_path / "fetched")).read_bytes() == b""


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (0, len(CONTENT)),
        (0, 1),
        (0, 0),
        (5, 5),
        (7, 3),
        (PIECE - 1, PIECE + 1),
        (1, 2 * PIECE + 2),
        (len(CONTENT) - 1, len(CONTENT)),
        (len(CONTENT) - 1, len(CONTENT) + 100),
        (len(CONTENT), len(CONTENT) + 1),
        (2**40, 2**41),
    ],
)
async def test_any_range_is_read_in_small_pieces(store: AudioStore, tmp_path: Path, start: int, end: int) -> None:
    sha256, source = a_file(tmp_path, CONTENT)
    await store.put(sha256, source)
    pieces = [piece async for piece in store.read(sha256, start, end)]
    assert b"".join(pieces) == CONTENT[start:end]
    assert all(isinstance(piece, bytes) and 0 < len(piece) < 2 * PIECE for piece in pieces)


async def test_who_stops_reading_leaves_nothing_open(store: AudioStore, tmp_path: Path) -> None:
    sha256, source = a_file(tmp_path, CONTENT)
    await store.put(sha256, source)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        pieces = store.read(sha256, 0, len(CONTENT))
        assert await anext(pieces)
        await pieces.aclose()  # type: ignore[attr-defined]
    # The connections of a pool may stay.
    assert len(os.listdir("/proc/self/fd")) < before + 10


async def test_the_same_file_is_kept_once(store: AudioStore, tmp_path: Path) -> None:
    for _ in range(2):
        sha256, source = a_file(tmp_path, CONTENT)
        await store.put(sha256, source)
    assert len(await store.all()) == 1
    assert await read(store, sha256, 0, len(CONTENT)) == CONTENT


async def test_many_may_put_the_same_file_at_the_same_time(store: AudioStore, tmp_path: Path) -> None:
    sources = [a_file(tmp_path, CONTENT) for _ in range(10)]
    await asyncio.gather(*(store.put(sha256, source) for sha256, source in sources))
    assert [(sha256, size) for sha256, size, _ in await store.all()] == [(sources[0][0], len(CONTENT))]
    assert await read(store, sources[0][0], 0, len(CONTENT)) == CONTENT


async def test_what_is_deleted_is_gone_and_the_rest_stays(store: AudioStore, tmp_path: Path) -> None:
    kept, source = a_file(tmp_path, b"kept")
    await store.put(kept, source)
    sha256, source = a_file(tmp_path, CONTENT)
    await store.put(sha256, source)
    await store.delete(sha256)
    await store.delete(sha256)
    assert [one for one, *_ in await store.all()] == [kept]
    with pytest.raises(NotFound):
        await store.size(sha256)
    sha256, source = a_file(tmp_path, CONTENT)
    await store.put(sha256, source)
    assert await store.size(sha256) == len(CONTENT)


async def test_what_was_never_put_is_not_found(store: AudioStore, tmp_path: Path) -> None:
    sha256 = "0" * 64
    await store.delete(sha256)
    assert list(await store.all()) == []
    with pytest.raises(NotFound) as missing:
        await store.size(sha256)
    assert missing.value.code == "audio-gone"
    with pytest.raises(NotFound):
        await store.fetch(sha256, tmp_path / "fetched")
    with pytest.raises(NotFound):
        await read(store, sha256, 0, 1)
    with pytest.raises(NotFound):
        await read(store, sha256, 0, 0)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "hash",
    [
        "",
        ".",
        "..",
        "../../../../etc/passwd",
        "/etc/passwd",
        "a" * 63,
        "a" * 65,
        "A" * 64,
        "g" * 64,
        "a" * 64 + "\n",
        "a" * 63 + "\x00",
        "a" * 62 + "/a",
        "\u0661" * 64,
        "a" * 32 + "/../" + "a" * 28,
    ],
    ids=ascii,
)
async def test_what_is_no_hash_is_no_path(store: AudioStore, tmp_path: Path, hash: str) -> None:
    _, source = a_file(tmp_path, b"content")
    for call in (
        store.put(hash, source),
        store.fetch(hash, tmp_path / "fetched"),
        store.size(hash),
        store.delete(hash),
        read(store, hash, 0, 1),
    ):
        with pytest.raises(ProtocolError):
            await call
    assert names(tmp_path) == [source.name]


async def test_files_of_others_are_not_listed(folder: FolderAudio, tmp_path: Path) -> None:
    root = tmp_path / "kept" / "audio"
    sha256, source = a_file(tmp_path, b"content")
    await folder.put(sha256, source)
    (root / "notes").mkdir()
    (root / "notes" / ("a" * 64)).write_text("in a folder that is none of ours")
    (root / sha256[:2] / "notes").write_text("no hash")
    (root / "zz").write_text("no folder")
    (root / sha256[:2] / ("b" * 64)).symlink_to("/etc/passwd")
    assert [one for one, *_ in await folder.all()] == [sha256]


async def test_an_empty_folder_goes_with_its_last_file(folder: FolderAudio, tmp_path: Path) -> None:
    sha256, source = a_file(tmp_path, b"content")
    await folder.put(sha256, source)
    assert not source.exists()
    await folder.delete(sha256)
    assert list((tmp_path / "kept" / "audio").iterdir()) == []


async def test_a_file_in_the_folder_is_fetched_where_it_lies(folder: FolderAudio, tmp_path: Path) -> None:
    sha256, source = a_file(tmp_path, b"content")
    await folder.put(sha256, source)
    assert await folder.fetch(sha256, tmp_path / "fetched") == tmp_path / "kept" / "audio" / sha256[:2] / sha256


async def test_putting_and_deleting_at_the_same_time_hurts_nobody(folder: FolderAudio, tmp_path: Path) -> None:
    sha256, _ = a_file(tmp_path, b"content")
    sources = [a_file(tmp_path, b"content")[1] for _ in range(40)]
    for source in sources:
        # A put whose file was deleted under its hands may say so; nothing else may go wrong.
        for outcome in await asyncio.gather(
            folder.put(sha256, source), folder.delete(sha256), folder.delete(sha256), return_exceptions=True
        ):
            assert outcome is None or isinstance(outcome, NotFound)
    sha256, source = a_file(tmp_path, b"content")
    await folder.put(sha256, source)
    assert await read(folder, sha256, 0, 100) == b"content"


async def test_a_folder_that_is_deleted_under_a_put_is_made_again(
    folder: FolderAudio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = audio_folder._place
    tries: list[Path] = []

    def place(source: Path, path: Path) -> None:
        tries.append(source)
        if len(tries) == 1:
            path.parent.rmdir()
        real(source, path)

    monkeypatch.setattr(audio_folder, "_place", place)
    sha256, source = a_file(tmp_path, b"content")
    await folder.put(sha256, source)
    assert len(tries) == 2
    assert await read(folder, sha256, 0, 100) == b"content"


async def test_a_folder_that_is_deleted_while_it_is_made_is_made_again(
    folder: FolderAudio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.mkdir
    tries: list[Path] = []

    def mkdir(path: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        tries.append(path)
        if len(tries) == 1:
            # What pathlib says of a folder that was there, and is gone when it looks at what is there.
            raise FileExistsError(errno.EEXIST, "File exists", str(path))
        real(path, mode, parents, exist_ok)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    sha256, source = a_file(tmp_path, b"content")
    await folder.put(sha256, source)
    assert len(tries) > 1
    assert await read(folder, sha256, 0, 100) == b"content"


async def test_a_file_and_its_folders_are_on_the_disk_before_put_is_back(
    folder: FolderAudio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "kept" / "audio"
    sha256, source = a_file(tmp_path, b"content")
    path = root / sha256[:2] / sha256
    content = source.stat().st_ino
    synced: list[tuple[int, bool]] = []
    real = os.fsync

    def sync(number: int) -> None:
        real(number)
        synced.append((os.fstat(number).st_ino, path.exists()))

    monkeypatch.setattr(os, "fsync", sync)
    await folder.put(sha256, source)
    # What is in it first, then its name, then the names of new folders up to one that was there before.
    assert (content, False) in synced
    assert (path.parent.stat().st_ino, True) in synced
    for made in (path.parent, root, root.parent):
        assert made.parent.stat().st_ino in {inode for inode, _ in synced}
    synced.clear()
    await folder.put(*a_file(tmp_path, b"content"))
    assert (path.parent.stat().st_ino, True) in synced


async def test_names_of_folders_that_are_on_the_disk_are_not_put_there_again(
    folder: FolderAudio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each is a wait for the disk, and a client waits for it with every file it submits.
    root = tmp_path / "kept" / "audio"
    synced: list[int] = []
    real = os.fsync

    def sync(number: int) -> None:
        real(number)
        synced.append(os.fstat(number).st_ino)

    monkeypatch.setattr(os, "fsync", sync)
    await folder.put(*a_file(tmp_path, b"content"))
    inode = root.stat().st_ino
    os.utime(root, ns=(1, 1))  # A folder that has not changed for long.
    await folder.put(*a_file(tmp_path, b"content"))
    synced.clear()
    await folder.put(*a_file(tmp_path, b"content"))
    assert inode not in synced
    await folder.put(*a_file(tmp_path, b"in another folder"))
    assert inode in synced
    synced.clear()
    await folder.put(*a_file(tmp_path, b"content"))
    assert inode in synced, "another process may have made a folder in the same tick"


async def test_a_file_that_is_put_again_is_as_young_as_a_new_one(folder: FolderAudio, tmp_path: Path) -> None:
    sha256, source = a_file(tmp_path, b"content")
    os.utime(source, (1, 1))
    await folder.put(sha256, source)
    assert (await folder.all())[0][2] > 1
    os.utime(await folder.fetch(sha256, source), (1, 1))
    assert (await folder.all())[0][2] == 1
    await folder.put(*a_file(tmp_path, b"content"))
    assert (await folder.all())[0][2] > 1


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another disk than `tmp_path`."""
    if not os.access("/dev/shm", os.W_OK) or os.stat("/dev/shm").st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one disk only")
    with TemporaryDirectory(dir="/dev/shm") as made:
        yield Path(made)


async def test_a_file_of_another_disk_is_copied(folder: FolderAudio, elsewhere: Path) -> None:
    sha256, source = a_file(elsewhere, CONTENT)
    await folder.put(sha256, source)
    assert await read(folder, sha256, 0, len(CONTENT)) == CONTENT
    assert [path.name for path in (await folder.fetch(sha256, source)).parent.iterdir()] == [sha256]


async def test_a_disk_that_is_full_in_the_middle_keeps_nothing(
    folder: FolderAudio, tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:3])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", copy)
    sha256, source = a_file(elsewhere, b"content")
    with pytest.raises(Overloaded, match="No space left"):
        await folder.put(sha256, source)
    assert names(tmp_path / "kept" / "audio" / sha256[:2]) == []
    assert names(elsewhere) == [source.name]


PUTTING = """
import asyncio, pathlib, sys
from asr_hub.jobs.audio_folder import FolderAudio
asyncio.run(FolderAudio(pathlib.Path(sys.argv[1])).put(sys.argv[2], pathlib.Path(sys.argv[3])))
print("put", flush=True)
"""


async def test_who_is_killed_in_the_middle_leaves_no_half_file_under_its_name(
    folder: FolderAudio, tmp_path: Path, elsewhere: Path
) -> None:
    content = bytes(24 * 2**20)
    sha256, source = a_file(elsewhere, content)
    root = tmp_path / "kept" / "audio"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PUTTING, str(root), sha256, str(source), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await asyncio.to_thread(_kill_in_the_middle, process.pid, root)
    await process.wait()
    assert b"put" not in await process.stdout.read()
    for _, size, _ in await folder.all():
        assert size == len(content)
    await folder.put(sha256, source)
    assert await folder.size(sha256) == len(content)


def _kill_in_the_middle(pid: int, root: Path) -> None:
    while not list(root.glob("*/*.half")):
        pass
    os.kill(pid, signal.SIGKILL)


async def test_a_copy_that_nobody_finishes_is_cleared_away_a_day_later(folder: FolderAudio, tmp_path: Path) -> None:
    sha256, source = a_file(tmp_path, b"content")
    await folder.put(sha256, source)
    place = (await folder.fetch(sha256, source)).parent
    old, new = place / f"{sha256}.0123.half", place / f"{sha256}.4567.half"
    old.write_bytes(b"con")
    new.write_bytes(b"con")
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    assert len(await folder.all()) == 1
    assert (old.exists(), new.exists()) == (False, True)


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    broken = FolderAudio(tmp_path / "file" / "audio")
    sha256, source = a_file(tmp_path, b"content")
    with pytest.raises(Overloaded, match="has room") as failed:
        await broken.put(sha256, source)
    assert failed.value.code == "audio-store-unavailable"
    assert failed.value.retryable
    assert source.exists()


async def test_a_large_file_goes_to_the_bucket_in_parts_and_through_little_memory(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The smallest that the protocol allows.
    part = 5 * 2**20
    monkeypatch.setattr(audio_s3, "PART", part)
    kept = server.audio(tmp_path.name)
    size = 12 * part + 5
    source = tmp_path / "large"
    with source.open("wb") as file:
        file.truncate(size)
        file.seek(size - 5)
        file.write(b"12345")
    sha256 = "1" * 64
    before = _peak(anew=True)
    await kept.put(sha256, source)
    assert await kept.size(sha256) == size
    assert await read(kept, sha256, size - 5, size) == b"12345"
    fetched = await kept.fetch(sha256, tmp_path / "fetched")
    assert fetched.stat().st_size == size
    with fetched.open("rb") as file:
        file.seek(size - 6)
        assert file.read() == b"\x0012345"
    # The parts on their way and the next one, each of them twice for a moment, and what the allocator keeps.
    assert _peak() - before < 8 * part


def _peak(*, anew: bool = False) -> int:
    """The most memory in use so far, or from now on, in bytes."""
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


async def test_a_file_that_was_put_long_ago_is_put_once_more(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = server.audio(tmp_path.name)
    sha256, source = a_file(tmp_path, b"first")
    await kept.put(sha256, source)
    source.write_bytes(b"other")
    await kept.put(sha256, source)
    assert await read(kept, sha256, 0, 9) == b"first"
    monkeypatch.setattr(audio_s3, "_FRESH", audio_s3._FRESH * -1)
    await kept.put(sha256, source)
    assert await read(kept, sha256, 0, 9) == b"other"


async def test_prefixes_of_a_bucket_are_apart(server: Server, tmp_path: Path) -> None:
    one, other = server.audio(f"/{tmp_path.name}/one/"), server.audio(f"{tmp_path.name}/other")
    sha256, source = a_file(tmp_path, b"content")
    await one.put(sha256, source)
    assert len(await one.all()) == 1
    assert list(await other.all()) == []
    with pytest.raises(NotFound):
        await other.size(sha256)


async def every_failure(kept: S3Audio, folder: Path) -> list[HubError]:
    sha256, source = a_file(folder, b"content")
    failures = []
    for call in (
        kept.put(sha256, source),
        kept.fetch(sha256, folder / "fetched"),
        kept.size(sha256),
        read(kept, sha256, 0, 1),
        kept.delete(sha256),
        kept.all(),
    ):
        with pytest.raises(HubError) as failed:
            await call
        failures.append(failed.value)
    assert names(folder) == [source.name]
    return failures


async def test_a_bucket_that_is_not_there_is_named(server: Server, tmp_path: Path) -> None:
    for failure in await every_failure(server.audio("p", bucket="no-such-bucket"), tmp_path):
        assert isinstance(failure, ConfigError)
        assert failure.code == "audio-store-refused"
        assert "no bucket no-such-bucket" in str(failure)


@pytest.mark.parametrize(
    "wrong",
    [
        {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "hunter2"},
        {"AWS_SECRET_ACCESS_KEY": "hunter2"},
    ],
    ids=["unknown", "wrong-secret"],
)
async def test_keys_that_are_not_taken_are_named_and_not_repeated(
    server: Server, tmp_path: Path, wrong: dict[str, str]
) -> None:
    settings = schema.S3(bucket="audio", endpoint=server.endpoint)
    for failure in await every_failure(S3Audio(settings, environment={**server.keys["hub"], **wrong}), tmp_path):
        assert isinstance(failure, ConfigError)
        assert failure.code == "audio-store-refused"
        assert "AWS_ACCESS_KEY_ID" in str(failure)
        assert "hunter2" not in str(failure)


async def test_keys_that_may_not_do_it_are_named(server: Server, tmp_path: Path) -> None:
    kept = server.audio(tmp_path.name, user="guest")
    assert list(await kept.all()) == []
    with pytest.raises(ConfigError, match="what they may do"):
        await kept.put(*a_file(tmp_path, b"content"))


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_without_keys_there_is_no_bucket(variable: str) -> None:
    environment = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    del environment[variable]
    with pytest.raises(ConfigError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        S3Audio(schema.S3(bucket="audio"), environment=environment)


async def test_a_store_that_does_not_answer_is_tried_again_later(tmp_path: Path) -> None:
    gone = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = gone.sockets[0].getsockname()[1]
    gone.close()
    await gone.wait_closed()
    kept = S3Audio(schema.S3(bucket="audio", endpoint=f"http://127.0.0.1:{port}"), environment=_KEYS)
    with pytest.raises(Overloaded, match=r"jobs\.s3\.endpoint") as failed:
        await kept.size("a" * 64)
    assert failed.value.code == "audio-store-unavailable"
    assert failed.value.retryable


_KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\ngarbage",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"no http at all\r\n\r\n",
    ],
    ids=["500", "503", "garbage", "redirect", "no-http"],
)
async def test_what_is_no_store_is_named(tmp_path: Path, answer: bytes) -> None:
    async def says(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(says, "127.0.0.1", 0) as nobody:
        endpoint = f"http://127.0.0.1:{nobody.sockets[0].getsockname()[1]}"
        kept = S3Audio(schema.S3(bucket="audio", endpoint=endpoint), environment=_KEYS)
        with pytest.raises(Overloaded) as failed:
            await kept.all()
        assert failed.value.code == "audio-store-unavailable"


async def test_a_call_that_is_called_back_lets_go_of_its_connection(tmp_path: Path) -> None:
    came, left = asyncio.Event(), asyncio.Event()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        while await reader.read(65536):
            pass
        left.set()
        writer.close()

    async with await asyncio.start_server(never, "127.0.0.1", 0) as nobody:
        endpoint = f"http://127.0.0.1:{nobody.sockets[0].getsockname()[1]}"
        kept = S3Audio(schema.S3(bucket="audio", endpoint=endpoint), environment=_KEYS)
        task = asyncio.create_task(kept.put(*a_file(tmp_path, b"content")))
        await came.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await left.wait()


@pytest.fixture
def without_obstore(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("obstore", "obstore.store", "obstore.exceptions"):
        monkeypatch.setitem(sys.modules, module, None)


@pytest.mark.usefixtures("without_obstore")
def test_without_its_package_a_bucket_is_refused_by_name_and_nothing_else_is_missing() -> None:
    runpy.run_path(audio_s3.__file__)
    with pytest.raises(ConfigError, match=r"pip install 'asr-hub\[s3\]'"):
        S3Audio(schema.S3(bucket="audio"), environment=_KEYS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": "no address"},
        {"endpoint": "ftp://example.com"},
        {"endpoint": "http://"},
        {"endpoint": "http://a b/"},
        {"endpoint": "http://user:hunter2@example.com"},
        {"endpoint": "http://example.com?a"},
        {"bucket": ""},
        {"bucket": "../other"},
        {"bucket": "my bucket"},
        {"bucket": "ä" * 5},
        {"region": "us east"},
        {"region": ""},
        {"region": "example.com/#"},
        {"prefix": "ä"},
        {"prefix": "a b"},
        {"prefix": "../other"},
        {"prefix": "a//b"},
        {"prefix": "a\n"},
    ],
    ids=ascii,
)
def test_settings_that_name_no_store_are_refused(wrong: dict[str, str]) -> None:
    (name,) = wrong
    with pytest.raises(ConfigError, match=rf"jobs\.s3\.{name} is .*; write it as"):
        S3Audio(schema.S3(**{"bucket": "audio", **wrong}), environment=_KEYS)


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_repeated(variable: str) -> None:
    with pytest.raises(ConfigError, match=variable) as refused:
        S3Audio(schema.S3(bucket="audio"), environment={**_KEYS, variable: "hunter2\r\nX: y"})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("prefix", ["", "/", "a", "/a/", "a/b", "A/b.c/d_e-f"])
async def test_a_prefix_is_taken_as_it_is_written(server: Server, tmp_path: Path, prefix: str) -> None:
    kept = server.audio(prefix)
    sha256, source = a_file(tmp_path, prefix.encode() + b" of a bucket")
    await kept.put(sha256, source)
    assert sha256 in [one for one, *_ in await kept.all()]
    await kept.delete(sha256)
    assert sha256 not in [one for one, *_ in await kept.all()]
