"""Asks where a model comes from which files it has, how large, and with which checksum: before anything is fetched."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from urllib.parse import quote

import msgspec

from asr_hub.errors import NotFound, ProviderUnavailable
from asr_hub.models.catalogue import Model, catalogue
from asr_hub.models.manifest import MAX_FILES, ListedFile
from asr_hub.models.web import Patience, Web

HUB = "https://huggingface.co"
VOSK_LIST = "https://alphacephei.com/vosk/models/model-list.json"
VOSK_VARIABLE = "ASR_HUB_VOSK_LIST"
"""Another address of Vosk's model list, for a mirror."""

_HASH = re.compile(r"[0-9a-f]{32,64}")
_MAX_PAGES = 100


class RemoteFile(msgspec.Struct, frozen=True):
    """A file and its address."""

    file: ListedFile
    url: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All that is to be fetched for a model."""

    model: Model
    revision: str
    licence: str
    files: tuple[RemoteFile, ...]
    is_archive: bool = False
    """The one file is a ZIP archive with the model in it."""

    @property
    def size(self) -> int:
        """Bytes to fetch."""
        return sum(remote.file.size for remote in self.files)


class _Card(msgspec.Struct):
    license: str | list[str] | None = None
    license_name: str | None = None


class _Revision(msgspec.Struct):
    """What https://huggingface.co/docs/hub/api says of a repository at a revision; the rest is of no use here."""

    sha: str
    cardData: _Card | None = None  # noqa: N815 - the name on the wire


class _Lfs(msgspec.Struct):
    oid: str
    size: int


class _TreeEntry(msgspec.Struct):
    """A line of `/api/models/…/tree/…`. `oid` is git's; `lfs.oid` is the SHA-256 of what git does not hold itself."""

    type: str
    path: str
    oid: str = ""
    size: int = 0
    lfs: _Lfs | None = None


class _VoskEntry(msgspec.Struct):
    name: str
    url: str
    md5: str
    size: int


def web(env: Mapping[str, str] = os.environ, patience: Patience | None = None) -> Web:
    """A client as the environment wants it: HF_TOKEN goes to HF_ENDPOINT alone."""
    return Web(token=env.get("HF_TOKEN", ""), token_for=endpoint(env), patience=patience)


def endpoint(env: Mapping[str, str] = os.environ) -> str:
    """HF_ENDPOINT, or the hub itself."""
    return (env.get("HF_ENDPOINT") or HUB).rstrip("/")


def resolve(model: Model, client: Web, env: Mapping[str, str] = os.environ) -> Plan:
    """
    What would be fetched for a model. Waits for the network.

    Raises NotFound, Unauthorized or ProviderUnavailable; the message says what to do.
    """
    kind, _, rest = model.source.partition(":")
    if kind == "vosk":
        return _vosk(model, rest, client, env.get(VOSK_VARIABLE) or VOSK_LIST)
    return _hub(model, rest, client, endpoint(env))


def _hub(model: Model, source: str, client: Web, base: str) -> Plan:
    repository, _, revision = source.partition("@")
    # The branch may move between the list and the files: all that follows is asked of one commit.
    about, _ = client.json(f"{base}/api/models/{repository}/revision/{revision or 'main'}", _Revision)
    if _HASH.fullmatch(about.sha) is None:
        raise ProviderUnavailable(f"{repository}: {base} names no commit; is HF_ENDPOINT right?")
    files = [
        RemoteFile(_listed(entry), f"{base}/{repository}/resolve/{about.sha}/{quote(entry.path)}")
        for entry in _tree(repository, f"{base}/api/models/{repository}/tree/{about.sha}?recursive=true", client)
        if entry.type == "file" and _is_wanted(entry.path, model)
    ]
    if not files:
        raise NotFound(f"{repository} has no file that {model.engine} could use; is it a model for this engine?")
    return Plan(model=model, revision=about.sha, licence=_licence(about.cardData) or model.licence, files=tuple(files))


def _tree(repository: str, url: str, client: Web) -> list[_TreeEntry]:
    entries: list[_TreeEntry] = []
    following: str | None = url
    for _ in range(_MAX_PAGES):
        page, following = client.json(following or url, list[_TreeEntry])
        entries += page
        if following is None and len(entries) <= MAX_FILES:
            return entries
        if following is None or len(entries) > MAX_FILES:
            break
    raise ProviderUnavailable(f"{repository} lists more than {MAX_FILES} files; that is no model")


def _listed(entry: _TreeEntry) -> ListedFile:
    size = entry.lfs.size if entry.lfs else entry.size
    oid = entry.lfs.oid if entry.lfs else entry.oid
    if size < 0 or _HASH.fullmatch(oid) is None or not is_safe(entry.path):
        raise ProviderUnavailable(f"the list of files has one that cannot be taken: {entry.path!r}")
    return ListedFile(entry.path, size, f"sha256:{oid}" if entry.lfs else f"git-sha1:{oid}")


def is_safe(path: str) -> bool:
    """Whether a path that somebody else chose stays below the folder it is put into."""
    parts = PurePosixPath(path).parts
    return (
        0 < len(path) <= 512
        and path.isprintable()
        and "\\" not in path
        and "/".join(parts) == path
        and not path.startswith("/")
        and ".." not in parts
    )


def _is_wanted(path: str, model: Model) -> bool:
    listed = catalogue()
    patterns = model.files or listed.engines[model.engine].files
    return _matches(path, patterns) and not _matches(path, listed.leave_out)


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def _licence(card: _Card | None) -> str:
    if card is None or not card.license:
        return ""
    licence = card.license if isinstance(card.license, str) else ", ".join(card.license)
    return card.license_name or licence if licence == "other" else licence


def _vosk(model: Model, name: str, client: Web, url: str) -> Plan:
    entries, _ = client.json(url, list[_VoskEntry])
    for entry in entries:
        if entry.name == name:
            break
    else:
        raise NotFound(f"{url} lists no {name}; https://alphacephei.com/vosk/models shows what there is")
    if _HASH.fullmatch(entry.md5) is None or entry.size < 0:
        raise ProviderUnavailable(f"{url} has no size or checksum for {name}")
    archive = ListedFile(f"{name}.zip", entry.size, f"md5:{entry.md5}")
    return Plan(
        model=model,
        revision=archive.checksum,
        licence=model.licence,
        files=(RemoteFile(archive, entry.url),),
        is_archive=True,
    )
