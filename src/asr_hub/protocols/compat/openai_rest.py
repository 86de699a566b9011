"""
Clients of OpenAI's REST API: `/v1/audio/transcriptions`, `/v1/audio/translations` and `/v1/models`.

A file is heard as a session of its own, and the answer comes when all of it is heard, or as it is heard.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from typing import Any

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from asr_hub.access.grant import Grant
from asr_hub.errors import HubError, NotFound, ProtocolError, SlowClient
from asr_hub.model import HUB_RATE, Pass
from asr_hub.protocols.admission import admitted, secret_of
from asr_hub.protocols.compat.hearing import Taken, hear_file, while_there
from asr_hub.protocols.compat.ports import Compat
from asr_hub.protocols.dialogue import Dialogue
from asr_hub.protocols.early_answer import EarlyAnswer
from asr_hub.protocols.jobs_port import UploadSettings
from asr_hub.protocols.jobs_upload import Body, Form, Uploads
from asr_hub.protocols.whole_audio import give_up
from asr_hub.text.formats import Format, Transcript, render
from asr_hub.wire.dialects import openai_rest_answers as answers
from asr_hub.wire.dialects.growing import Policy
from asr_hub.wire.dialects.openai_rest import SENT, Asked, asked
from asr_hub.wire.dialects.openai_rest_answers import Deltas, Spoken, Task
from asr_hub.wire.dialects.spacing import joined
from asr_hub.wire.messages import AnyServerMessage, Start

LINGER_S = 5.0
"""Seconds that the body of a refused request is read on, so that its client sees why."""

STALL_S = 30.0
"""Seconds that a client may leave an event unread."""

PROTOCOL = "openai"


def router(
    compat: Compat,
    *,
    prefix: str,
    policy: Policy,
    uploads: UploadSettings,
    translating: Sequence[str],
    stopping: asyncio.Event,
) -> APIRouter:
    """All of them, below `prefix`. `translating` are the providers that answer in English, whatever is spoken."""
    api = APIRouter(prefix=f"{prefix}/v1", tags=["openai"], route_class=_Route, include_in_schema=False)
    files = _Files(compat, Uploads(uploads, audio="file", are_open=True), policy, tuple(translating), stopping)
    created = int(time.time())

    @api.post("/audio/transcriptions")
    async def transcriptions(request: Request) -> Response:
        return await files.take(request, "transcribe")

    @api.post("/audio/translations")
    async def translations(request: Request) -> Response:
        return await files.take(request, "translate")

    @api.get("/models", dependencies=[Depends(admitted(compat.door))])
    async def models() -> Response:
        return _json(answers.models_view(compat.models.names, created))

    @api.get("/models/{name:path}", dependencies=[Depends(admitted(compat.door))])
    async def model(name: str) -> Response:
        """Any name that a client may use, which is any at all unless they are strict."""
        compat.models.provider(name)
        return _json(answers.model_view(name, created))

    return api


class _Route(APIRoute):
    """
    Whose errors have OpenAI's shape: its clients see no other.

    Every answer has an `x-request-id`, which is the session where there is one.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                response = await handle(request)
            except HubError as error:
                response = _refused(error)
            except RequestValidationError as error:
                response = _refused(ProtocolError(str(error.errors()[0]["msg"]), code="bad-value"))
            except Exception:  # noqa: BLE001  the edge: a defect ends one request, and is told
                _log.exception("openai.defect")
                response = _refused(HubError("the hub failed; its log has the details"))
            session = getattr(request.state, "session", None)
            response.headers["x-request-id"] = session or f"req_{secrets.token_hex(12)}"
            return response

        return handled


class _Files:
    """Takes files, and answers what is said in them."""

    def __init__(
        self, compat: Compat, uploads: Uploads, policy: Policy, translating: tuple[str, ...], stopping: asyncio.Event
    ) -> None:
        self._compat = compat
        self._uploads = uploads
        self._policy = policy
        self._translating = translating
        self._stopping = stopping

    async def take(self, request: Request, task: Task) -> Response:
        """Read the form and hear its file; or say why it was refused, at once."""
        body = Body(request)
        try:
            async with contextlib.AsyncExitStack() as stack:
                grant = self._compat.door.admit(secret_of(request.headers, request.query_params))
                # For the access log.
                request.state.principal = grant.name
                grant.must_open()
                form = await stack.enter_async_context(self._uploads.form(body, SENT))
                wanted = asked(form.fields)
                beginning = self._begun(form, wanted, task, grant, stack)
                hearing = await while_there(request.receive, beginning)
                request.state.session = hearing.session
                if wanted.is_streamed and task == "transcribe":
                    return _Events(hearing, Deltas(self._policy), stack.pop_all())
                spoken = await hearing.heard(_nothing, request.receive)
                return await asyncio.to_thread(_answer, hearing, spoken)
        except (ClientDisconnect, ConnectionResetError):
            # There is nobody to tell.
            return Response(status_code=400)
        except HubError as error:
            if body.is_over:
                return _refused(error)
            number, headers, text = answers.refusal(error)
            return EarlyAnswer(text, number, headers, linger=LINGER_S)

    async def _begun(
        self, form: Form, wanted: Asked, task: Task, grant: Grant, stack: contextlib.AsyncExitStack
    ) -> _Hearing:
        """A session for the file. What is no audio has none."""
        start = Start(
            provider=self._provider(wanted.model, task),
            language=wanted.language,
            hotwords=wanted.hotwords,
            partials=wanted.is_streamed and self._policy != "final_only",
            wait_for=Pass.CORRECTED,
        )
        samples = self._compat.files.decoded(form.upload.path)
        stack.push_async_callback(samples.aclose)
        first = await anext(samples, b"")
        dialogue = Dialogue(self._compat.hub, protocol=PROTOCOL, grant=grant, limits=self._compat.limits)
        stack.callback(give_up, dialogue)
        dialogue.take(start)
        return _Hearing(dialogue, _after(first, samples), self._compat, self._stopping, wanted, task, form.upload.name)

    def _provider(self, model: str | None, task: Task) -> str | None:
        named = self._compat.models.provider(model)
        if task == "transcribe" or named in self._translating:
            return named
        if not self._translating:
            raise NotFound(
                "no provider of this hub translates; it needs one of kind whisper or transformers with the setting "
                "`task: translate`",
                code="no-translation",
            )
        return self._translating[0]


class _Hearing:
    """One file, being heard."""

    def __init__(
        self,
        dialogue: Dialogue,
        samples: AsyncGenerator[bytes, None],
        compat: Compat,
        stopping: asyncio.Event,
        wanted: Asked,
        task: Task,
        name: str,
    ) -> None:
        self.wanted = wanted
        self.task = task
        self.transcript = Transcript(source=name, provider="", duration_ms=0)
        """What was heard, when all was."""
        self._dialogue = dialogue
        self._samples = samples
        self._compat = compat
        self._stopping = stopping
        self._taken = Taken()
        attachment = dialogue.attachment
        self.session = str(attachment.session) if attachment is not None else ""

    async def heard(self, tell: Callable[[AnyServerMessage], Awaitable[None]], receive: Receive) -> Spoken:
        """Hear it to its end, and tell all that is said meanwhile. Raises as `hear_file` does."""

        async def take(message: AnyServerMessage) -> None:
            await self._taken.tell(message)
            await tell(message)

        samples = await hear_file(
            self._dialogue,
            self._samples,
            take,
            limits=self._compat.limits,
            stopping=self._stopping,
            receive=receive,
        )
        return await asyncio.to_thread(self._spoken, samples)

    def _spoken(self, samples: int) -> Spoken:
        readings = self._taken.readings
        found = dict.fromkeys(one.language for one in readings if one.language is not None and one.text)
        languages = tuple(found) or ((self.wanted.language,) if self.wanted.language is not None else ())
        self.transcript = Transcript(
            source=self.transcript.source,
            provider=self._taken.provider,
            duration_ms=samples * 1000 // HUB_RATE,
            hypotheses=readings,
            language=next(iter(languages), None),
        )
        document = msgspec.json.decode(render(self.transcript, Format.VERBOSE_JSON))
        return Spoken(
            text=joined(one.text.strip() for one in readings),
            duration_ms=self.transcript.duration_ms,
            languages=languages,
            segments=document["segments"],
            words=document.get("words", []),
        )


class _Events(Response):
    """A file's events, as it is heard."""

    def __init__(self, hearing: _Hearing, deltas: Deltas, stack: contextlib.AsyncExitStack) -> None:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        super().__init__(None, 200, headers, "text/event-stream; charset=utf-8")
        del self.headers["content-length"]
        self._hearing = hearing
        self._deltas = deltas
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def write(data: bytes, *, is_last: bool = False) -> None:
            try:
                async with asyncio.timeout(STALL_S):
                    await send({"type": "http.response.body", "body": data, "more_body": not is_last})
            except TimeoutError:
                raise SlowClient(f"nothing was read for {STALL_S:g} s") from None

        async def tell(message: AnyServerMessage) -> None:
            for event in self._deltas.tell(message):
                await write(event)

        async with self._stack:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            try:
                spoken = await self._hearing.heard(tell, receive)
                are_turns = self._hearing.wanted.response_format == "diarized_json"
                last = b"".join(self._deltas.done(spoken, are_turns=are_turns))
            except (ConnectionResetError, SlowClient):
                return
            except HubError as error:
                last = answers.failed(error)
            await write(last, is_last=True)


def _answer(hearing: _Hearing, spoken: Spoken) -> Response:
    match hearing.wanted.response_format:
        case "json":
            return _json(answers.plain(spoken))
        case "verbose_json":
            return _json(answers.verbose(spoken, hearing.wanted, hearing.task))
        case "diarized_json":
            return _json(answers.diarized(spoken))
        case "text":
            return Response(f"{spoken.text}\n", media_type="text/plain")
        case "srt":
            return Response(render(hearing.transcript, Format.SRT), media_type="text/plain")
        case "vtt":
            return Response(render(hearing.transcript, Format.VTT), media_type="text/plain")


def _json(body: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")


def _refused(error: HubError) -> Response:
    number, headers, body = answers.refusal(error)
    return Response(body, number, headers, "application/json")


async def _nothing(message: AnyServerMessage) -> None:
    """The answer comes at the end."""


async def _after(first: bytes, samples: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    yield first
    async for pcm in samples:
        yield pcm


_log = logging.getLogger(__name__)
