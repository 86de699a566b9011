"""The same calls for programs without an event loop: each waits in the caller's thread for a loop in another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import Future
from os import PathLike
from types import TracebackType
from typing import Any, Self, TypeVar

from asr_hub_client.client import AsyncClient
from asr_hub_client.messages import AnyServerMessage, AudioFormat, Closed, Final, Ready, WhichPass
from asr_hub_client.session import Protocol, Session, Watch
from asr_hub_client.state import SessionState
from asr_hub_client.transcript import Transcript

_T = TypeVar("_T")


class Client:
    """
    One hub: `with Client("http://127.0.0.1:8765") as hub`. Takes what AsyncClient takes.

    One thread runs all of its sessions; `close` ends it. May be used by several threads.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8765",
        *,
        protocol: Protocol = "websocket",
        key: str | None = None,
        grpc: str | None = None,
        ca: str | PathLike[str] | None = None,
        keep_seconds: float = 60.0,
        connect_timeout: float = 10.0,
    ) -> None:
        self._hub = AsyncClient(
            url,
            protocol=protocol,
            key=key,
            grpc=grpc,
            ca=ca,
            keep_seconds=keep_seconds,
            connect_timeout=connect_timeout,
        )
        self._loop = LoopThread()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections and end the thread. May be called twice."""
        if not self._loop.is_closed:
            self._loop.run(self._hub.aclose())
        self._loop.close()

    def session(
        self,
        *,
        format: AudioFormat | None = None,
        provider: str | None = None,
        language: str | None = None,
        hotwords: Iterable[str] = (),
        hotword_weights: Mapping[str, float] | None = None,
        partials: bool = True,
        levels: bool = False,
        wait_for: WhichPass = "fast",
        protocol: Protocol | None = None,
    ) -> SyncSession:
        """As AsyncClient.session; `with` opens it."""
        session = self._hub.session(
            format=format,
            provider=provider,
            language=language,
            hotwords=hotwords,
            hotword_weights=hotword_weights,
            partials=partials,
            levels=levels,
            wait_for=wait_for,
            protocol=protocol,
        )
        return SyncSession(self._loop, session)

    def resume(self, state: SessionState, *, protocol: Protocol | None = None) -> SyncSession:
        """As AsyncClient.resume; `with` takes it up again."""
        return SyncSession(self._loop, self._hub.resume(state, protocol=protocol))

    def watch(self, session: str, *, seq: int | None = None, protocol: Protocol | None = None) -> SyncWatch:
        """As AsyncClient.watch; `with` attaches."""
        return SyncWatch(self._loop, self._hub.watch(session, seq=seq, protocol=protocol))

    def transcribe_file(
        self,
        path: str | PathLike[str],
        *,
        provider: str | None = None,
        language: str | None = None,
        hotwords: Iterable[str] = (),
        protocol: Protocol | None = None,
    ) -> Transcript:
        """As AsyncClient.transcribe_file."""
        return self._loop.run(
            self._hub.transcribe_file(path, provider=provider, language=language, hotwords=hotwords, protocol=protocol)
        )

    def health(self) -> dict[str, Any]:
        """As AsyncClient.health."""
        return self._loop.run(self._hub.health())

    def providers(self) -> list[dict[str, Any]]:
        """As AsyncClient.providers."""
        return self._loop.run(self._hub.providers())

    def hotwords(self) -> list[str]:
        """As AsyncClient.hotwords."""
        return self._loop.run(self._hub.hotwords())

    def set_hotwords(self, words: Iterable[str]) -> list[str]:
        """As AsyncClient.set_hotwords."""
        return self._loop.run(self._hub.set_hotwords(words))


class SyncWatch:
    """As Watch: `with` it, then iterate over its messages until the session is over."""

    def __init__(self, loop: LoopThread, watch: Watch) -> None:
        self._loop = loop
        self._watch = watch

    def __enter__(self) -> Self:
        self._loop.run(self._watch.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.run(self._watch.__aexit__(kind, error, trace))

    def __iter__(self) -> Iterator[AnyServerMessage]:
        return self._loop.each(self._watch.messages())

    def finals(self) -> Iterator[Final]:
        """As Watch.finals."""
        return self._loop.each(self._watch.finals())

    def move(self, protocol: Protocol) -> None:
        """As Watch.move."""
        self._loop.run(self._watch.move(protocol))

    @property
    def ready(self) -> Ready:
        """As Watch.ready."""
        return self._watch.ready

    @property
    def id(self) -> str:
        """As Watch.id."""
        return self._watch.id

    @property
    def protocol(self) -> Protocol:
        return self._watch.protocol

    @property
    def text(self) -> str:
        """As Watch.text."""
        return self._watch.text

    @property
    def transcript(self) -> Transcript:
        return self._watch.transcript

    @property
    def closed(self) -> Closed | None:
        """As Watch.closed."""
        return self._watch.closed

    @property
    def resumes(self) -> int:
        """As Watch.resumes."""
        return self._watch.resumes


class SyncSession(SyncWatch):
    """As Session: `with` it, `send` audio and read the messages, in one thread or in two."""

    def __init__(self, loop: LoopThread, session: Session) -> None:
        super().__init__(loop, session)
        self._session = session

    def send(self, audio: bytes | bytearray | memoryview) -> None:
        """As Session.send."""
        self._loop.run(self._session.send(audio))

    def finalize(self) -> None:
        """As Session.finalize."""
        self._loop.run(self._session.finalize())

    def clear(self) -> None:
        """As Session.clear."""
        self._loop.run(self._session.clear())

    def configure(
        self,
        *,
        provider: str | None = None,
        language: str | None = None,
        hotwords: Iterable[str] | None = None,
        hotword_weights: Mapping[str, float] | None = None,
        partials: bool | None = None,
        levels: bool | None = None,
        wait_for: WhichPass | None = None,
    ) -> None:
        """As Session.configure."""
        self._loop.run(
            self._session.configure(
                provider=provider,
                language=language,
                hotwords=hotwords,
                hotword_weights=hotword_weights,
                partials=partials,
                levels=levels,
                wait_for=wait_for,
            )
        )

    def end(self) -> None:
        """As Session.end."""
        self._loop.run(self._session.end())

    def close(self) -> Closed:
        """As Session.close."""
        return self._loop.run(self._session.close())

    def detach(self) -> SessionState:
        """As Session.detach."""
        return self._loop.run(self._session.detach())

    def stream(self, source: AsyncIterable[bytes] | Iterable[bytes]) -> Iterator[AnyServerMessage]:
        """As Session.stream. An iterable is asked for its pieces in another thread; a microphone is fine too."""
        return self._loop.each(self._session.stream(source))


class LoopThread:
    """An event loop in a thread of its own, which starts with the first call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._leaving: set[Future[None]] = set()
        """Iterators that are closed while nobody waits for it."""
        self.is_closed = False

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Wait for `work` there. An interrupt cancels it. Raises what it raises, and RuntimeError after `close`."""
        future = self._begun(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def each(self, source: AsyncIterator[_T]) -> Iterator[_T]:
        """The items of an async iterator."""
        try:
            while True:
                try:
                    yield self.run(_next(source))
                except StopAsyncIteration:
                    return
        finally:
            if isinstance(source, AsyncGenerator) and not self.is_closed:
                self._leave(source)

    def close(self) -> None:
        """Cancel what still runs, and end the thread. May be called twice, and not from the thread itself."""
        with self._lock:
            self.is_closed = True
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _leave(self, source: AsyncGenerator[_T, None]) -> None:
        """Close an iterator, and wait for it where that is safe."""
        if not _is_loop_running():
            self.run(_closed(source))
            return
        # Garbage collection ends an iterator in any thread. That of a loop would wait for itself, or for another loop
        # that waits for it.
        future = self._begun(_closed(source))
        self._leaving.add(future)
        future.add_done_callback(self._leaving.discard)

    def _begun(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._started())
        except RuntimeError:
            work.close()
            raise

    def _started(self) -> asyncio.AbstractEventLoop:
        # Without the lock first: garbage collection may come here while this thread, or one that waits, holds it.
        if (loop := self._loop) is not None:
            return loop
        with self._lock:
            if self.is_closed:
                raise RuntimeError("the client is closed; make a new one")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_run, args=(self._loop,), name="asr-hub-client", daemon=True)
                self._thread.start()
            return self._loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def _is_loop_running() -> bool:
    """In this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _next(source: AsyncIterator[_T]) -> _T:
    return await anext(source)


async def _closed(source: AsyncGenerator[_T, None]) -> None:
    await source.aclose()
