"""REST of recordings, and of what happened in a session: its actions, its state at each of them, and why they came."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from asr_hub.access.grant import Grant, Scope
from asr_hub.errors import HubError
from asr_hub.protocols.admission import admitted, roaming
from asr_hub.protocols.early_answer import EarlyAnswer
from asr_hub.protocols.file_names import attachment
from asr_hub.protocols.http import told
from asr_hub.protocols.jobs_audio import audio_answer
from asr_hub.protocols.jobs_upload import Body, Uploads
from asr_hub.protocols.openapi import errors
from asr_hub.protocols.port import DoorPort
from asr_hub.protocols.recordings_port import (
    MOST_ACTIONS,
    ActionsView,
    CausesView,
    Past,
    RecordingsPort,
    RecordingsView,
    RecordingView,
    StateView,
)

_Name = Annotated[str, Path(description="The recording's `name`.", examples=["20260131-120000-3f9c0a17be52"])]

_Session = Annotated[str, Path(description="The session's public `name`, or its whole id.", examples=["3f9c0a17be52"])]

_After = Annotated[int, Query(description="Only actions with a number above this.", ge=0)]

_Limit = Annotated[int, Query(description="At most so many.", ge=1, le=MOST_ACTIONS)]

_At = Annotated[int, Query(description="The number of an action.", ge=0)]


def router(recordings: RecordingsPort, door: DoorPort) -> APIRouter:
    """Recordings for administrators; the past of a live session for those who know its id as well."""
    api = APIRouter(generate_unique_id_function=attrgetter("name"))
    _add_recordings(api, recordings, door)
    _add_files(api, recordings, door)
    _add_recording(api, recordings, door)
    _add_past_of_recordings(api, recordings, door)
    _add_past_of_sessions(api, recordings, door)
    return api


def _add_recordings(api: APIRouter, recordings: RecordingsPort, door: DoorPort) -> None:
    admin = [Depends(roaming(door, Scope.ADMIN))]

    @api.get(
        "/v1/recordings",
        tags=["recordings"],
        summary="The recordings of this hub",
        responses=errors(401, 403, 429),
        dependencies=admin,
    )
    async def all_recordings() -> RecordingsView:
        """The newest first, and whether sessions are recorded. Needs the scope `admin`."""
        return await recordings.all()

    @api.get(
        "/v1/recordings/{name}",
        tags=["recordings"],
        summary="One recording",
        responses=errors(401, 403, 404, 429),
        dependencies=admin,
    )
    async def recording(name: _Name) -> RecordingView:
        """Needs the scope `admin`."""
        return await recordings.recording(name)

    @api.delete(
        "/v1/recordings/{name}",
        tags=["recordings"],
        summary="Delete a recording",
        status_code=204,
        responses=errors(401, 403, 404, 409, 429),
        dependencies=admin,
    )
    async def delete_recording(name: _Name) -> None:
        """With its audio. 409 while it is being made. Needs the scope `admin`."""
        await recordings.delete(name)


def _add_files(api: APIRouter, recordings: RecordingsPort, door: DoorPort) -> None:
    admin = [Depends(roaming(door, Scope.ADMIN))]
    uploads = Uploads(recordings.upload)

    @api.post(
        "/v1/recordings",
        tags=["recordings"],
        summary="Upload a recording",
        status_code=201,
        response_model=RecordingView,
        responses=errors(400, 401, 403, 413, 429, 503),
        dependencies=admin,
        openapi_extra=_ZIP_BODY,
    )
    async def add_recording(request: Request) -> Response:
        """
        The body is a file of `GET /v1/recordings/NAME/file`, of this hub or another. It is read to its end, and every
        piece of audio is compared with its hash, before it is taken. Needs the scope `admin`.
        """
        body = Body(request)
        try:
            await recordings.make_room()
            async with uploads.whole(body) as upload:
                view = await recordings.add(upload.path)
        except ClientDisconnect:
            # There is nobody to tell.
            return Response(status_code=400)
        except HubError as exc:
            if body.is_over:
                raise
            # The client is still sending: it is told now, and not when it has sent gigabytes.
            number, headers, text = told(exc)
            return EarlyAnswer(text, number, headers, linger=_LINGER_S)
        where = {"Location": f"/v1/recordings/{view.name}"}
        return Response(view.model_dump_json(), 201, where, media_type="application/json")

    @api.get(
        "/v1/recordings/{name}/file",
        tags=["recordings"],
        summary="Download a recording",
        response_class=Response,
        responses={**_ZIP, **errors(401, 403, 404, 429)},
        dependencies=admin,
    )
    async def recording_file(name: _Name) -> Response:
        """
        A zip: `asr-hub replay FILE` reads it, and so does `POST /v1/recordings` of any hub of this release. It holds
        what was said. Needs the scope `admin`.
        """
        headers = {"Content-Disposition": attachment(f"{name}.zip"), "Cache-Control": "private, no-store"}
        return StreamingResponse(await recordings.file(name), 200, headers, "application/zip")

    @api.get(
        "/v1/recordings/{name}/audio",
        tags=["recordings"],
        summary="What was heard, as a WAV file",
        response_class=Response,
        responses={**_WAV, **errors(401, 403, 404, 429)},
        dependencies=admin,
    )
    async def recording_audio(request: Request, name: _Name) -> Response:
        """
        It begins with the session: what was heard at `audio_ms` is so many milliseconds from its start. `Range` asks
        for a part of it. Needs the scope `admin`.
        """
        return await audio_answer(await recordings.audio(name), request.headers)


def _add_recording(api: APIRouter, recordings: RecordingsPort, door: DoorPort) -> None:
    someone = Depends(admitted(door))

    @api.put(
        "/v1/sessions/{session}/recording",
        tags=["sessions"],
        summary="Record a session from now on",
        responses=errors(401, 403, 404, 409, 429, 503),
    )
    async def begin_recording(session: _Session, grant: Grant = someone) -> RecordingView:
        """
        Until it closes, or the recording is ended. For the key that opened it, by id, and for the scope `admin`, by
        name or id. 409 where the configuration has `recorder.mode: off`.
        """
        return await recordings.begin(session, grant)

    @api.delete(
        "/v1/sessions/{session}/recording",
        tags=["sessions"],
        summary="End the recording of a session",
        responses=errors(401, 403, 404, 429),
    )
    async def end_recording(session: _Session, grant: Grant = someone) -> RecordingView:
        """The session goes on, and what was recorded is kept. For those who may begin it."""
        return await recordings.end(session, grant)


def _add_past_of_recordings(api: APIRouter, recordings: RecordingsPort, door: DoorPort) -> None:
    admin = [Depends(roaming(door, Scope.ADMIN))]
    told_of = errors(400, 401, 403, 404, 413, 429)

    @api.get(
        "/v1/recordings/{name}/actions",
        tags=["recordings"],
        summary="The actions of a recording",
        response_class=Response,
        responses={200: {"model": ActionsView}, **told_of},
        dependencies=admin,
    )
    async def recording_actions(name: _Name, after: _After = 0, limit: _Limit = 1000) -> Response:
        """Numbered from 1, as they are in its journal. Needs the scope `admin`."""
        return await _actions(recordings.past(name), after, limit)

    @api.get(
        "/v1/recordings/{name}/state",
        tags=["recordings"],
        summary="The state at an action of a recording",
        response_class=Response,
        responses={200: {"model": StateView}, **told_of},
        dependencies=admin,
    )
    async def recording_state(name: _Name, at: _At) -> Response:
        """What folding its actions up to `at` gives. Needs the scope `admin`."""
        return Response(await recordings.past(name).state(at), media_type="application/json")

    @api.get(
        "/v1/recordings/{name}/causes",
        tags=["recordings"],
        summary="Why an action of a recording came",
        responses=told_of,
        dependencies=admin,
    )
    async def recording_causes(name: _Name, at: _At) -> CausesView:
        """The actions that led to it, oldest first; it is the last itself. Needs the scope `admin`."""
        return await recordings.past(name).causes(at)


def _add_past_of_sessions(api: APIRouter, recordings: RecordingsPort, door: DoorPort) -> None:
    someone = Depends(admitted(door))
    told_of = errors(400, 401, 403, 404, 413, 429)

    @api.get(
        "/v1/sessions/{session}/actions",
        tags=["sessions"],
        summary="The actions of a live session",
        response_class=Response,
        responses={200: {"model": ActionsView}, **told_of},
    )
    async def session_actions(
        session: _Session, after: _After = 0, limit: _Limit = 1000, grant: Grant = someone
    ) -> Response:
        """
        As many of the last as the hub has in memory (`journal.size`), with those that are the hub's own. By its id:
        needs the scope `watch`. By its name, without what was said: needs `admin`. Hotwords of
        everybody and of its key are in them for `admin` only.
        """
        return await _actions(recordings.past_of(session, grant), after, limit)

    @api.get(
        "/v1/sessions/{session}/state",
        tags=["sessions"],
        summary="The state at an action of a live session",
        response_class=Response,
        responses={200: {"model": StateView}, **told_of},
    )
    async def session_state(session: _Session, at: _At, grant: Grant = someone) -> Response:
        """What folding its actions up to `at` gives. For those who may see its actions."""
        return Response(await recordings.past_of(session, grant).state(at), media_type="application/json")

    @api.get(
        "/v1/sessions/{session}/causes",
        tags=["sessions"],
        summary="Why an action of a live session came",
        responses=told_of,
    )
    async def session_causes(session: _Session, at: _At, grant: Grant = someone) -> CausesView:
        """The actions that led to it, oldest first; it is the last itself. For those who may see its actions."""
        return await recordings.past_of(session, grant).causes(at)


async def _actions(past: Past, after: int, limit: int) -> Response:
    return Response(msgspec.json.encode(await past.actions(after=after, limit=limit)), media_type="application/json")


_LINGER_S = 5.0
"""Seconds that a body which was refused is read on."""

_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}

_ZIP_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {"application/zip": _BINARY}}}

_ZIP: dict[int | str, dict[str, Any]] = {
    200: {"description": "The recording.", "content": {"application/zip": _BINARY}},
}

_WAV: dict[int | str, dict[str, Any]] = {
    200: {"description": "All of it.", "content": {"audio/wav": _BINARY}},
    206: {"description": "The part that was asked for.", "content": {"audio/wav": _BINARY}},
}
