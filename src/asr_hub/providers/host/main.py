"""
The process that hosts one engine. Run as `python -m asr_hub.providers.host.main FD`, where FD is its socket to the hub.

One thread reads the socket, so that everything that came while the engine was busy is there when it is not; the main
thread calls the engine. The process ends when the hub closes its end, at once, whatever the engine is doing.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections import deque
from importlib import import_module
from typing import Any

import msgspec

from asr_hub.errors import HubError
from asr_hub.providers.host.engine import Broken, StreamingEngine, WholeEngine
from asr_hub.providers.host.hearing import Hearing
from asr_hub.providers.host.memory import hold_to
from asr_hub.providers.host.messages import (
    Drop,
    EngineLoaded,
    LoadEngine,
    Open,
    Ping,
    Pong,
    StreamAudio,
    StreamEnd,
    StreamFailed,
    StreamHeard,
    ToHost,
)
from asr_hub.providers.host.room import Room
from asr_hub.providers.host.streaming import StreamingHearing
from asr_hub.providers.host.whole import WholeHearing
from asr_hub.providers.parent import die_with
from asr_hub.providers.worker_messages import Failed, frame, receive

_decoder: msgspec.msgpack.Decoder[ToHost] = msgspec.msgpack.Decoder(ToHost)


def main() -> None:
    die_with(os.getppid())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sock = socket.socket(fileno=int(sys.argv[1]))
    body = receive(sock)
    if body is None:
        return
    load = _decoder.decode(body)
    if not isinstance(load, LoadEngine):
        raise SystemExit("the first message must be LoadEngine")
    # Before the engine is loaded: a hub that goes meanwhile must not leave this process behind.
    inbox = Inbox(sock)
    engine = _load(sock, load)
    if engine is None:
        return
    sock.sendall(frame(EngineLoaded(version=engine.version, device=engine.device, languages=tuple(engine.languages))))
    serve(sock, inbox, _hearing(sock, engine, load))


class Inbox:
    """What the hub has said and nobody has read. Bounded by the hub, which waits for each stream's receipts."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._messages: deque[ToHost] = deque()
        self._news = threading.Condition()
        threading.Thread(target=self._read, name="reader", daemon=True).start()

    def take(self, *, wait: bool) -> list[ToHost]:
        """Everything there is; with `wait`, at least one message."""
        with self._news:
            while wait and not self._messages:
                self._news.wait()
            taken = [*self._messages]
            self._messages.clear()
            return taken

    def _read(self) -> None:
        try:
            while (body := receive(self._sock)) is not None:
                message = _decoder.decode(body)
                with self._news:
                    self._messages.append(message)
                    self._news.notify()
        finally:
            # Not sys.exit: the main thread may be deep inside an engine, and nobody waits for what it finds.
            os._exit(0)


def serve(sock: socket.socket, inbox: Inbox, hearing: Hearing) -> None:
    """Hear until the engine breaks; the end of the hub ends the process from the reader."""
    try:
        while True:
            for message in inbox.take(wait=not hearing.has_work):
                if isinstance(message, Ping):
                    sock.sendall(frame(Pong()))
                _obey(hearing, message)
            if hearing.has_work:
                hearing.work()
    except Broken as exc:
        sys.stderr.write(f"the engine broke: {exc}\n")
        sys.stderr.flush()
        os._exit(1)
    except (BrokenPipeError, ConnectionResetError):
        return


def _obey(hearing: Hearing, message: ToHost) -> None:
    match message:
        case Open(stream, begin):
            hearing.open(stream, begin)
        case StreamAudio(stream, pcm):
            hearing.audio(stream, pcm)
        case StreamEnd(stream):
            hearing.end(stream)
        case Drop(stream):
            hearing.drop(stream)


def _hearing(sock: socket.socket, engine: WholeEngine | StreamingEngine[Any], load: LoadEngine) -> Hearing:
    def say(message: msgspec.Struct) -> None:
        try:
            body = frame(message)
        except ValueError as exc:
            if not isinstance(message, StreamHeard):
                raise
            body = frame(StreamFailed(message.stream, "provider", f"the engine says too much: {exc}"))
        sock.sendall(body)

    room = Room(load.max_batch, load.first_batch)
    if load.is_streaming:
        return StreamingHearing(engine, say, room=room)  # type: ignore[arg-type]
    return WholeHearing(engine, say, room=room, partial_s=load.partial_s)  # type: ignore[arg-type]


def _load(sock: socket.socket, load: LoadEngine) -> WholeEngine | StreamingEngine[Any] | None:
    module, _, function = load.target.partition(":")
    try:
        engine: WholeEngine | StreamingEngine[Any] = getattr(import_module(module), function)(load.settings)
        if load.memory_mb is not None and engine.device.startswith("cpu"):
            hold_to(load.memory_mb)
    except HubError as exc:
        _tell(sock, exc.code, str(exc))
    except ImportError as exc:
        _tell(sock, "provider-unavailable", f"the module {exc.name!r} is missing: pip install {exc.name}")
    except MemoryError:
        _tell(sock, "out-of-memory", "there is no memory to load the model")
    except Exception as exc:  # noqa: BLE001 - the edge of the process: whatever the engine raises is told to the hub
        _tell(sock, "provider-unavailable", f"the model cannot be loaded: {type(exc).__name__}: {exc}")
    else:
        return engine
    return None


def _tell(sock: socket.socket, code: str, message: str) -> None:
    try:
        sock.sendall(frame(Failed(code, message)))
    except OSError:
        return


if __name__ == "__main__":
    main()
