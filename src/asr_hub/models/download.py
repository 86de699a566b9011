"""Fetches a model: its folder appears whole or not at all, and what was fetched before a cut is not fetched again."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol

import httpx
import msgspec

from asr_hub.errors import ConfigError, Conflict, ProviderUnavailable
from asr_hub.models import manifest
from asr_hub.models.folder import VARIABLE, place
from asr_hub.models.manifest import Hash, ListedFile, Manifest, feed, fits, hasher
from asr_hub.models.sources import Plan, RemoteFile
from asr_hub.models.unpack import unpack, unpacked_size
from asr_hub.models.web import Interrupted, Web

ROOM = 64 * 2**20
"""Bytes that must stay free on the disk."""

MAX_TRIES = 1_000
"""For one file, with progress between them: a server that gives a byte at a time is no server."""

_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class Watcher(Protocol):
    """Is told how far a download is."""

    def __call__(self, done: int, total: int, path: str) -> None:
        """`done` of `total` bytes are here; `path` is the file being fetched."""


def free_bytes(folder: Path) -> int:
    """Room on the disk of a folder."""
    return shutil.disk_usage(folder).free


def fetch(
    plan: Plan,
    client: Web,
    watch: Watcher,
    *,
    env: Mapping[str, str] = os.environ,
    free: Callable[[Path], int] = free_bytes,
) -> Path:
    """
    Fetch all files of a plan, check them, and give the folder. Waits for the network.

    Raises Conflict where another process fetches the same model, ConfigError where the disk has no room or cannot be
    written, ProviderUnavailable where the files do not come or are not what they should be. What is here by then is
    kept and continued by the next call.
    """
    target = place(plan.model.engine, plan.model.name, env=env)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target.with_name(f".{target.name}.lock"), target.name):
            if not target.exists():
                work = _Work(target.with_name(f".{target.name}.part"), plan)
                work.prepare(free)
                work.fetch(client, watch)
                work.finish(target, free)
            return target
    except OSError as exc:
        raise ConfigError(
            f"{exc.filename or target} cannot be written: {exc.strerror or exc}; make room or set {VARIABLE}"
        ) from exc


class _Work:
    """The folder of a download under way: `parts/` with what is coming, `files/` with what is whole and checked."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self._folder = folder
        self._parts = folder / "parts"
        self._files = folder / "files"
        self._plan = plan

    def prepare(self, free: Callable[[Path], int]) -> None:
        """Keep what belongs to the same plan, throw away the rest, and see that there is room."""
        wish = msgspec.json.encode(self._manifest(tuple(remote.file for remote in self._plan.files)))
        note = self._folder / "plan.json"
        if not note.is_file() or note.read_bytes() != wish:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir()
            note.write_bytes(wish)
        self._parts.mkdir(exist_ok=True)
        self._files.mkdir(exist_ok=True)
        here = sum(_size(self._whole(remote)) + _size(self._part(i)) for i, remote in enumerate(self._plan.files))
        _check_room(self._plan.size - here, self._folder, free)

    def fetch(self, client: Web, watch: Watcher) -> None:
        done = 0
        total = self._plan.size
        for index, remote in enumerate(self._plan.files):
            whole = self._whole(remote)
            path = remote.file.path
            watch(done, total, path)
            if _size(whole) != remote.file.size or not whole.is_file():
                _fetch_file(remote, self._part(index), client, partial(_tell, watch, done, total, path))
                whole.parent.mkdir(parents=True, exist_ok=True)
                self._part(index).replace(whole)
            done += remote.file.size
            watch(done, total, path)

    def finish(self, target: Path, free: Callable[[Path], int]) -> None:
        """Unpack what is packed, write the manifest, and move everything into place."""
        files = tuple(remote.file for remote in self._plan.files)
        model = self._files
        if self._plan.is_archive:
            archive = self._whole(self._plan.files[0])
            model = self._folder / "unpacked"
            shutil.rmtree(model, ignore_errors=True)
            try:
                _check_room(unpacked_size(archive), self._folder, free)
                model.mkdir()
                files = unpack(archive, model)
            except ProviderUnavailable:
                # Its checksum is right, so a second download would bring the same.
                shutil.rmtree(self._folder, ignore_errors=True)
                raise
        manifest.write(model, self._manifest(files))
        model.replace(target)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _part(self, index: int) -> Path:
        return self._parts / str(index)

    def _whole(self, remote: RemoteFile) -> Path:
        return self._files / remote.file.path

    def _manifest(self, files: tuple[ListedFile, ...]) -> Manifest:
        plan = self._plan
        return Manifest(
            name=plan.model.name,
            engine=plan.model.engine,
            source=plan.model.source,
            revision=plan.revision,
            licence=plan.licence,
            files=files,
        )


@contextlib.contextmanager
def _alone(lock: Path, name: str) -> Iterator[None]:
    """
    Hold the lock file: a second process is refused with Conflict.

    The file stays when the lock is given up: if it went, two processes could each hold one of the same name.
    """
    with lock.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"{name} is being pulled by another process; wait for it, then run this again") from None
        yield


def _check_room(needed: int, folder: Path, free: Callable[[Path], int]) -> None:
    there = free(folder)
    if needed + ROOM > there:
        raise ConfigError(
            f"{folder.parent}: {needed / 1e6:,.0f} MB are needed and {there / 1e6:,.0f} MB are free; make room, or set "
            f"{VARIABLE} to a folder on a larger disk"
        )


def _tell(watch: Watcher, before: int, total: int, path: str, here: int) -> None:
    watch(before + here, total, path)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _fetch_file(remote: RemoteFile, part: Path, client: Web, report: Callable[[int], None]) -> None:
    """Bring one file to its full size, with the right checksum, into `part`."""
    failures = 0
    mismatches = 0
    for _ in range(MAX_TRIES):
        before = _size(part)
        try:
            digest = _receive(remote, part, client, report)
        except Interrupted as exc:
            failures = 1 if _size(part) > before else failures + 1
            if failures >= client.patience.tries:
                raise ProviderUnavailable(
                    f"{remote.url} does not come: {exc}; run this again to continue where it broke off"
                ) from exc
            client.patience.wait(failures, exc.retry_after)
            continue
        if fits(remote.file, digest):
            return
        part.unlink()
        mismatches += 1
        if mismatches == 2:
            break
    raise ProviderUnavailable(f"{remote.url} is not the file that was listed: its checksum is wrong; try again later")


def _receive(remote: RemoteFile, part: Path, client: Web, report: Callable[[int], None]) -> Hash:
    """Continue or begin a file. Gives the hash of all of it; raises Interrupted where it breaks off."""
    file = remote.file
    tag_file = part.with_suffix(".etag")
    tag = tag_file.read_text() if tag_file.is_file() else ""
    have = _size(part)
    if have > file.size or (have < file.size and not tag):
        have = 0
    digest = hasher(file)
    if have:
        feed(part, digest)
    if have == file.size:
        part.touch()
        return digest
    # If-Range (RFC 9110, 13.1.5): the rest, if the file is still the same one, else all of it.
    headers = {"Range": f"bytes={have}-", "If-Range": tag} if have else {}
    with client.stream(remote.url, headers) as response:
        if not _continues(response, have):
            part.unlink(missing_ok=True)
            if response.status_code != 200:
                raise Interrupted("the server cannot continue the file")
            have, digest = 0, hasher(file)
            tag_file.write_text(_strong_tag(response))
        with part.open("ab") as out:
            for block in response.iter_bytes():
                have += len(block)
                if have > file.size:
                    break
                out.write(block)
                digest.update(block)
                report(have)
            out.flush()
            os.fsync(out.fileno())
    if have > file.size:
        part.unlink()
        raise ProviderUnavailable(
            f"{remote.url} is longer than the {file.size} bytes that were listed; try again later"
        )
    if have < file.size:
        raise Interrupted(f"it ends after {have} of {file.size} bytes")
    return digest


def _continues(response: httpx.Response, have: int) -> bool:
    """Whether the answer is the rest of the file from byte `have` on."""
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return have > 0 and response.status_code == 206 and found is not None and int(found[1]) == have


def _strong_tag(response: httpx.Response) -> str:
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') and tag.isascii() and tag.isprintable() and len(tag) < 512 else ""
