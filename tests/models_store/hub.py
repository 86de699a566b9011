"""A server on loopback that speaks Hugging Face's API and Vosk's list, and misbehaves on demand."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Request:
    path: str
    headers: dict[str, str]


@dataclass
class Hub:
    """What is served. Change it while it runs; `requests` holds what was asked."""

    url: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    lfs: set[str] = field(default_factory=lambda: {"model.bin"})
    archives: dict[str, bytes] = field(default_factory=dict)
    licence: object = "mit"
    commit: str = COMMIT
    page_size: int = 1_000
    next_page_on: str = ""
    """Another server that pages after the first are said to be on."""
    gated: set[str] = field(default_factory=set)
    token: str = "hf_secret"
    has_ranges: bool = True
    etags: bool = True
    cuts: dict[str, list[int]] = field(default_factory=dict)
    """File name: after how many bytes each next answer breaks off."""
    failures: dict[str, list[int]] = field(default_factory=dict)
    """Part of a path: the status of each next answer."""
    lies: dict[str, bytes] = field(default_factory=dict)
    """File name: what is sent instead."""
    extra_tree: list[dict[str, object]] = field(default_factory=list)
    cdn: str = ""
    """Where files are redirected to."""
    requests: list[Request] = field(default_factory=list)
    waiting: dict[str, threading.Event] = field(default_factory=dict)
    """File name: its answer waits for this."""

    def asked(self, part: str) -> list[Request]:
        return [request for request in self.requests if part in request.path]


def git_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@contextmanager
def serving(hub: Hub | None = None) -> Iterator[Hub]:
    hub = hub or Hub()

    class Answer(_Answer):
        pass

    Answer.hub = hub
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


class _Answer(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        hub = self.hub
        path = unquote(urlsplit(self.path).path)
        hub.requests.append(Request(path, {key.lower(): value for key, value in self.headers.items()}))
        for part, statuses in hub.failures.items():
            if part in path and statuses:
                self._send(statuses.pop(0), b"sorry")
                return
        if path == "/model-list.json":
            self._json(self._vosk_list())
        elif path.startswith("/zip/"):
            self._file(path.rpartition("/")[2], hub.archives[path.removeprefix("/zip/").removesuffix(".zip")])
        else:
            self._hugging_face(path)

    def _hugging_face(self, path: str) -> None:
        hub = self.hub
        repository = next((name for name in hub.repositories if f"/{name}/" in path), None)
        if repository is None:
            self._send(404, b"{}")
        elif repository in hub.gated and self.headers.get("Authorization") != f"Bearer {hub.token}":
            self._send(401, b"{}")
        elif path.startswith("/api/") and "/revision/" in path:
            self._json({"id": repository, "sha": hub.commit, "cardData": {"license": hub.licence}, "tags": []})
        elif path.startswith("/api/"):
            self._tree(hub.repositories[repository])
        elif "/resolve/" in path and hub.cdn:
            self._send(302, b"", {"Location": f"{hub.cdn}/{repository}/cdn/{path.partition(f'/{hub.commit}/')[2]}"})
        else:
            name = path.partition(f"/{hub.commit}/" if "/resolve/" in path else "/cdn/")[2]
            self._file(name, hub.repositories[repository][name])

    def _tree(self, files: dict[str, bytes]) -> None:
        hub = self.hub
        entries: list[dict[str, object]] = [{"type": "directory", "path": "onnx", "oid": "0" * 40, "size": 0}]
        for name, content in files.items():
            entry: dict[str, object] = {"type": "file", "path": name, "oid": git_id(content), "size": len(content)}
            if name in hub.lfs:
                entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
            entries.append(entry)
        entries += hub.extra_tree
        _, _, cursor = self.path.partition("cursor=")
        at = int(cursor or 0)
        headers = {}
        if at + hub.page_size < len(entries):
            base, _, _ = self.path.partition("&cursor=")
            headers["Link"] = f'<{hub.next_page_on or hub.url}{base}&cursor={at + hub.page_size}>; rel="next"'
        self._json(entries[at : at + hub.page_size], headers)

    def _vosk_list(self) -> list[dict[str, object]]:
        return [
            {
                "lang": "en-us", "lang_text": "US English", "name": name, "obsolete": "false", "type": "small",
                "md5": hashlib.md5(content).hexdigest(), "size": len(content), "size_text": "small", "version": "1",
                "url": f"{self.hub.url}/zip/{name}.zip",
            }
            for name, content in self.hub.archives.items()
        ]  # fmt: skip

    def _file(self, name: str, content: bytes) -> None:
        hub = self.hub
        if name in hub.waiting:
            hub.waiting[name].wait(30)
        content = hub.lies.get(name, content)
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        headers = {"ETag": tag} if hub.etags else {}
        start = 0
        status = 200
        asked = self.headers.get("Range")
        if asked and hub.has_ranges and self.headers.get("If-Range") == tag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        cut = hub.cuts.get(name, [])
        self._send(status, content[start:], headers, cut.pop(0) if cut else None)

    def _json(self, value: object, headers: dict[str, str] | None = None) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None, cut: int | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body if cut is None else body[:cut])
        except OSError:
            self.close_connection = True
        if cut is not None:
            self.close_connection = True
