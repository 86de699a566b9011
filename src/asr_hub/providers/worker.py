"""An engine process at work: reads one stream's messages, feeds the engine, and tells what it heard."""

from __future__ import annotations

import socket

import msgspec

from asr_hub.errors import HubError
from asr_hub.providers.engine import Engine
from asr_hub.providers.worker_messages import Audio, Begin, End, Failed, Took, ToWorker, frame, receive

_decoder: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)


def serve(engine: Engine, sock: socket.socket) -> None:
    """Hear utterances until the hub closes its end. Returns also when the engine has failed: it is told, then over."""
    try:
        while (body := receive(sock)) is not None:
            _one(engine, sock, _decoder.decode(body))
    except (BrokenPipeError, ConnectionResetError):
        return
    except HubError as exc:
        _last_words(sock, Failed(exc.code, str(exc)))
    except Exception as exc:  # noqa: BLE001 - the edge of the process: whatever the engine raises is told to the hub
        _last_words(sock, Failed("provider", f"{type(exc).__name__}: {exc}"))


def _one(engine: Engine, sock: socket.socket, message: ToWorker) -> None:
    match message:
        case Begin():
            engine.begin(message)
        case Audio(pcm):
            for heard in engine.hear(pcm):
                sock.sendall(frame(heard))
            sock.sendall(frame(Took(len(pcm))))
        case End():
            for heard in engine.end():
                sock.sendall(frame(heard))


def _last_words(sock: socket.socket, failed: Failed) -> None:
    try:
        sock.sendall(frame(failed))
    except OSError:
        return
