"""A server that answers about jobs as a hub does, and fails as a network and a hub that is killed do."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from email.parser import BytesParser
from email.policy import HTTP
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

CUT = "cut"
"""In the events of a job: here the connection breaks."""

PIECE = 64 * 1024
WHOLE = 2**20
"""Bytes of a body that is kept and read as a form; a longer one is counted."""


class FakeHub:
    """Every request it was sent, and what it answers. `url` is good while the block of `running` is."""

    def __init__(self) -> None:
        self.url = ""
        self.key: str | None = None
        self.max_bytes = 2**31
        self.asked: list[str] = []
        """`GET /path?query`"""
        self.forms: list[dict[str, str]] = []
        self.sizes: list[int] = []
        """Bytes of the bodies"""
        self.tasks: dict[str, dict[str, Any]] = {}
        self.events: dict[str, list[Sequence[Any]]] = {}
        """What each connection to the events of a job is told."""
        self.refusals: list[Callable[[str], tuple[int, dict[str, Any], dict[str, str]] | None]] = []
        """Each is asked once whether it has something against the next request."""
        self.texts: dict[str, str] = {}
        """What was said, by format."""

    def add(self, name: str, status: str = "queued", **more: Any) -> str:
        id = md5(name.encode()).hexdigest()
        usual = {"task_id": id, "name": name, "status": status, "progress": 0.0, "provider": "scripted"}
        self.tasks[id] = usual | {"created_at": time.time(), "size": 1} | more
        return id


@contextlib.contextmanager
def running(tls: tuple[Path, Path] | None = None) -> Iterator[FakeHub]:
    """`tls` are the files of a certificate and its key."""
    hub = FakeHub()

    class Handler(_Handler):
        it = hub

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            hub.url = f"https://localhost:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    it: FakeHub

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.it.asked.append(f"{self.command} {self.path}")
        if self.it.refusals and (refusal := self.it.refusals.pop(0)(self.path)) is not None:
            # What is not read would end the connection before its answer is read.
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if refusal[0] == 0:
                return
            self._json(*refusal)
            return
        if self.it.key is not None and self.headers.get("Authorization") != f"Bearer {self.it.key}":
            self._json(401, _error("unauthorized", "send a key"))
            return
        path = unquote(urlsplit(self.path).path)
        what, _, id = path.removeprefix("/api/v1/asr/").partition("/")
        query = parse_qs(urlsplit(self.path).query)
        if path == "/api/asr/formats":
            self._json(200, {"inputs": [], "outputs": [], "max_bytes": self.it.max_bytes, "max_seconds": 9.0})
        elif what == "submit":
            self._submit()
        elif what == "history":
            self._history(query)
        elif id not in self.it.tasks:
            self._json(404, _error("unknown-job", "no such job; GET /api/v1/asr/history lists them"))
        elif what == "events":
            self._events(id)
        elif what == "result" and "format" in query:
            self._document(id, query["format"][0])
        else:
            self._job(what, id)

    def _submit(self) -> None:
        left = int(self.headers["Content-Length"])
        self.it.sizes.append(left)
        body = bytearray()
        while left:
            piece = self.rfile.read(min(left, PIECE))
            if not piece:
                return
            left -= len(piece)
            if self.it.sizes[-1] <= WHOLE:
                body += piece
        form = _form(self.headers["Content-Type"], bytes(body)) if body else {"audio": "large"}
        self.it.forms.append(form)
        is_new = not any(task["name"] == form["audio"] for task in self.it.tasks.values())
        id = self.it.add(form["audio"]) if is_new else md5(form["audio"].encode()).hexdigest()
        status = self.it.tasks[id]["status"]
        self._json(202, {"task_id": id, "status": status, "position": 3, "estimated_wait": 12.4, "is_new": is_new})

    def _history(self, query: dict[str, list[str]]) -> None:
        found = [task for task in self.it.tasks.values() if task["status"] in query.get("state", [task["status"]])]
        start, limit = int(query.get("after", ["0"])[0]), int(query["limit"][0])
        following = str(start + limit) if start + limit < len(found) else None
        self._json(200, {"jobs": found[start : start + limit], "next": following, "total": len(found)})

    def _events(self, id: str) -> None:
        told = self.it.events.get(id) or [[]]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for event in told.pop(0) if len(told) > 1 else told[0]:
            if event == CUT:
                # Half an event: it is nothing.
                self.wfile.write(b'event: job\ndata: {"type":"job","id')
                return
            if callable(event):
                event()
                continue
            data = json.dumps({"type": "job", "id": id, "progress": 0} | event)
            self.wfile.write(f":\nid: 1\nevent: job\nretry: 1000\ndata: {data}\n\n".encode())

    def _document(self, id: str, format: str) -> None:
        if self.it.tasks[id]["status"] != "done":
            self._json(409, _error("not-done", "the job is queued; ask again when it is done"))
        elif format not in self.it.texts:
            self._json(400, _error("bad-value", "`format` is one of txt, srt"))
        else:
            self._write(200, "text/plain", self.it.texts[format].encode())

    def _job(self, what: str, id: str) -> None:
        task = self.it.tasks[id]
        if what == "cancel":
            task["status"] = "cancelled"
        elif what == "retry":
            if task["status"] not in ("failed", "cancelled"):
                self._json(409, _error("not-failed", "the job did not fail; there is nothing to try again"))
                return
            task["status"] = "queued"
        self._json(200, task)

    def _json(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self._write(status, "application/json", json.dumps(body).encode(), headers)

    def _write(self, status: int, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _error(code: str, message: str, retryable: bool = False) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "retryable": retryable}}


def _form(kind: str, body: bytes) -> dict[str, str]:
    """The fields, and under `audio` what the file is called, with its bytes as `content`."""
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    form: dict[str, str] = {}
    for part in message.iter_parts():  # type: ignore[attr-defined]
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if name == "audio":
            form["audio"] = part.get_filename()
            form["content"] = content.decode("latin-1")
        else:
            form[name] = content.decode()
    return form
