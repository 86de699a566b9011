"""
The first engine process: loads the model once, then forks a worker for each stream, which shares its memory.

Run as `python -m asr_hub.providers.zygote FD`, where FD is a control socket that keeps message boundaries
(SOCK_SEQPACKET). It has one thread and no event loop, so that fork is safe. It ends, with every worker, when the other
end of the control socket closes: a hub that dies leaves nothing behind.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
from importlib import import_module

import msgspec

from asr_hub.errors import HubError
from asr_hub.providers.engine import Engine
from asr_hub.providers.parent import die_with
from asr_hub.providers.worker import serve
from asr_hub.providers.worker_messages import MAX_FRAME, Exited, Failed, Fork, Forked, Kill, Load, Loaded, ToZygote

_decoder: msgspec.msgpack.Decoder[ToZygote] = msgspec.msgpack.Decoder(ToZygote)
_encoder = msgspec.msgpack.Encoder()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=int(sys.argv[1]))
    load = _decoder.decode(control.recv(MAX_FRAME))
    if not isinstance(load, Load):
        raise SystemExit("the first message must be Load")
    engine = _load(control, load)
    if engine is not None:
        _tell(control, Loaded(engine.version))
        Nursery(control, engine).run()


class Nursery:
    """Forks workers on request, ends them on request, and tells of each that has ended."""

    def __init__(self, control: socket.socket, engine: Engine) -> None:
        self._control = control
        self._engine = engine
        self._children: set[int] = set()
        self._pid = os.getpid()
        self._bell, self._ringer = socket.socketpair()
        for end in (self._bell, self._ringer):
            end.setblocking(False)

    def run(self) -> None:
        """Work until the hub has gone, then end every worker and wait for it."""
        signal.signal(signal.SIGCHLD, _ring)
        signal.set_wakeup_fd(self._ringer.fileno(), warn_on_full_buffer=False)
        # What is there now is shared by all workers; the collector would only touch and so copy it.
        gc.collect()
        gc.freeze()
        try:
            while self._turn():
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            self._end_all()

    def _turn(self) -> bool:
        ready, _, _ = select.select((self._control, self._bell), (), ())
        if self._bell in ready:
            self._bell.recv(4096)
            self._reap()
        if self._control not in ready:
            return True
        data, fds, _, _ = socket.recv_fds(self._control, MAX_FRAME, 1)
        if not data:
            return False
        match _decoder.decode(data):
            case Fork(ticket):
                self._fork(ticket, fds[0])
            case Kill(pid) if pid in self._children:
                os.kill(pid, signal.SIGKILL)
        return True

    def _fork(self, ticket: int, fd: int) -> None:
        try:
            pid = os.fork()
        except OSError as exc:
            os.close(fd)
            _tell(self._control, Forked(ticket, None, f"cannot fork: {exc.strerror}"))
            return
        if pid == 0:
            self._be_worker(fd)
        os.close(fd)
        self._children.add(pid)
        _tell(self._control, Forked(ticket, pid))

    def _be_worker(self, fd: int) -> None:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for end in (self._control, self._bell, self._ringer):
                end.close()
            die_with(self._pid)
            with socket.socket(fileno=fd) as sock:
                serve(self._engine, sock)
            status = 0
        finally:
            # Not sys.exit: a fork must not run what its parent has registered for its own end.
            os._exit(status)

    def _reap(self) -> None:
        for pid in tuple(self._children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._children.discard(pid)
                _tell(self._control, Exited(pid, os.waitstatus_to_exitcode(status)))

    def _end_all(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        for pid in self._children:
            os.waitpid(pid, 0)


def _load(control: socket.socket, load: Load) -> Engine | None:
    module, _, function = load.target.partition(":")
    try:
        engine: Engine = getattr(import_module(module), function)(load.settings)
    except HubError as exc:
        _tell(control, Failed(exc.code, str(exc)))
    except ImportError as exc:
        _tell(control, Failed("provider-unavailable", f"the module {exc.name!r} is missing: pip install {exc.name}"))
    except Exception as exc:  # noqa: BLE001 - the edge of the process: whatever the engine raises is told to the hub
        _tell(control, Failed("provider-unavailable", f"the model cannot be loaded: {type(exc).__name__}: {exc}"))
    else:
        return engine
    return None


def _tell(control: socket.socket, message: msgspec.Struct) -> None:
    control.sendall(_encoder.encode(message))


def _ring(_signal: int, _frame: object) -> None:
    """Nothing: the byte in the wake-up socket says it all, but without a handler there would be none."""


if __name__ == "__main__":
    main()
