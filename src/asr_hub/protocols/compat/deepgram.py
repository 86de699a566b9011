"""Clients of Deepgram: `WS /v1/listen` for live audio, and `POST /v1/listen` for a whole file."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import pairwise
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.websockets import WebSocket

from asr_hub.errors import HubError, ProtocolError
from asr_hub.protocols.admission import secret_of
from asr_hub.protocols.compat.conversing import ConversingSettings
from asr_hub.protocols.compat.deepgram_file import WholeFiles
from asr_hub.protocols.compat.ports import Compat
from asr_hub.protocols.compat.websocket import chosen, converse
from asr_hub.protocols.early_answer import EarlyAnswer
from asr_hub.protocols.http import told
from asr_hub.protocols.jobs_port import UploadSettings
from asr_hub.protocols.jobs_upload import Body, Uploads
from asr_hub.wire.dialects.deepgram import Live
from asr_hub.wire.dialects.deepgram_file import answer
from asr_hub.wire.dialects.deepgram_query import Listen, listen

PROTOCOL = "deepgram"

SILENCE_S = 10.0
"""How long a live client may send neither audio nor KeepAlive."""

SCHEMES = ("token", "bearer")
"""Subprotocols that say: the next one offered is the key. For browsers' WebSocket, which sets no header."""

MAX_FIELDS = 1000
"""Parameters of a query: each hotword is one."""

LINGER_S = 5.0
"""How long the rest of a body is read on whose request was refused."""


def router(
    compat: Compat, uploads: UploadSettings, *, prefix: str, stopping: asyncio.Event, silence: float = SILENCE_S
) -> APIRouter:
    """Both, below `prefix`. `silence` is in seconds."""
    api = APIRouter(prefix=f"{prefix}/v1/listen", tags=["deepgram"], include_in_schema=False)
    files = WholeFiles(compat, Uploads(uploads), protocol=PROTOCOL, stopping=stopping)

    @api.websocket("")
    async def live(ws: WebSocket) -> None:
        def make() -> Live:
            wanted = _listen(ws)
            return Live(wanted, wanted.start(compat.models.provider, partials=True), created=_now())

        await converse(
            ws,
            compat,
            make,
            protocol=PROTOCOL,
            secret=_secret(ws),
            stopping=stopping,
            subprotocol=chosen(ws, *SCHEMES),
            # The id of the request is that of the session, so that whoever has one can watch it.
            named=lambda session: ((b"dg-request-id", session.encode()),),
            refused=_refused,
            settings=ConversingSettings(silence=silence),
        )

    @api.post("", summary="Deepgram: a whole file")
    async def whole(request: Request) -> Response:
        """The body is the file, of any kind."""
        body = Body(request)
        try:
            grant = compat.door.admit(secret_of(request.headers, request.query_params))
            # For the access log.
            request.state.principal = grant.name
            grant.must_open()
            wanted = _listen(request)
            _must_be_audio(request.headers)
            start = wanted.start(compat.models.provider, partials=False)
            heard = await files.hear(request, body, start, grant, is_raw=wanted.format is not None, created=_now())
        except (ClientDisconnect, ConnectionResetError):
            # There is nobody to tell.
            return Response(status_code=400)
        except HubError as error:
            refused = _refused(error)
            if body.is_over:
                return refused
            return EarlyAnswer(bytes(refused.body), refused.status_code, refused.headers, linger=LINGER_S)
        return Response(answer(heard, wanted), media_type="application/json", headers={"dg-request-id": heard.session})

    return api


def _listen(connection: HTTPConnection) -> Listen:
    """What the query asks for. Raises ProtocolError."""
    try:
        return listen(parse_qsl(connection.url.query, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise ProtocolError(f"more than {MAX_FIELDS} parameters in the query; send fewer", code="bad-value") from None


def _secret(ws: WebSocket) -> str | None:
    """The key of a header or of the query, else that of the subprotocols."""
    if secret := secret_of(ws.headers, ws.query_params):
        return secret
    offered: list[str] = ws.scope.get("subprotocols") or []
    return next((key for scheme, key in pairwise(offered) if scheme.lower() in SCHEMES), None)


def _must_be_audio(headers: Mapping[str, str]) -> None:
    if headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
        raise ProtocolError(
            "the hub fetches nothing from an address it is given: send the file itself as the body", code="url-refused"
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_CODES = {401: "INVALID_AUTH", 403: "INSUFFICIENT_PERMISSIONS", 429: "TOO_MANY_REQUESTS", 413: "PAYLOAD_TOO_LARGE"}


def _refused(error: HubError) -> Response:
    """An error in Deepgram's shape: the reason is in a header too, since clients read no body of a handshake."""
    number, headers, _ = told(error)
    if 400 <= number < 500 and number not in _CODES:
        number = 400
    request = secrets.token_hex(16)
    body = {
        "err_code": _CODES.get(number, HTTPStatus(number).phrase),
        "err_msg": str(error),
        "request_id": request,
    }
    reason = " ".join(str(error).split()).encode("ascii", "replace").decode()
    headers |= {"dg-request-id": request, "dg-error": reason[:_MAX_REASON]}
    return Response(json.dumps(body), number, headers, media_type="application/json")


_MAX_REASON = 500
"""Characters of a header"""
