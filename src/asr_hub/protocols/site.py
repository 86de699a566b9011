"""The web client as the build left it: read once, served from memory, and nothing that is not part of it."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from asr_hub.protocols.page import PAGE

WEB: Final = Path(__file__).parents[1] / "web"
"""Where the build puts it. Wheels bring it along."""

HINT: Final = "this is the small page; `make web` (it needs Node.js 20) builds the full client, and wheels have it"

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        # The microphone's audio worklet is a module from a blob.
        "script-src 'self' blob:",
        "worker-src 'self' blob:",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        # Recordings are played from where they were read.
        "media-src 'self' blob:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""What the page may load and talk to: this hub alone (Content Security Policy 3)."""

_INDEX = "index.html"
_ASSETS = "assets/"
"""Below it the build names every file by its content."""

_ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""Best first. The build writes them beside the file."""

_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".json": "application/json", ".map": "application/json"}
_TYPES |= {".webmanifest": "application/manifest+json", ".svg": "image/svg+xml", ".wasm": "application/wasm"}
_TYPES |= {".css": "text/css", ".html": "text/html", ".wav": "audio/wav"}
"""Not left to the machine, whose own table may say `text/plain` of a script, which browsers then refuse."""


class Asset(msgspec.Struct, frozen=True):
    """One file, in every form in which it may be sent."""

    media_type: str
    bodies: Mapping[str, bytes]
    """By content coding; `identity` is always there."""
    tag: str
    """Of its content"""
    is_for_good: bool
    """What stands under this name never changes."""


def is_built(folder: Path = WEB) -> bool:
    return (folder / _INDEX).is_file()


def router(folder: Path = WEB) -> APIRouter:
    """The client in the folder at `/`; where there is none, the small page. Reads all of it now."""
    api = APIRouter()
    if not is_built(folder):
        small = _asset(_INDEX, {"identity": PAGE.encode()})

        @api.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
        async def page(request: Request) -> Response:
            return _answer(request, small)

        return api
    files = _read(folder)
    index = files.pop(_INDEX)

    @api.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def client(request: Request) -> Response:
        response = _answer(request, index)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    @api.api_route(f"/{_ASSETS}{{name}}", methods=["GET", "HEAD"], include_in_schema=False)
    async def asset(name: str, request: Request) -> Response:
        found = files.get(_ASSETS + name)
        if found is None:
            raise HTTPException(404, "Not Found")
        return _answer(request, found)

    for name in files:
        if not name.startswith(_ASSETS):
            _add(api, name, files[name])
    return api


def _add(api: APIRouter, name: str, asset: Asset) -> None:
    @api.api_route(f"/{name}", methods=["GET", "HEAD"], include_in_schema=False)
    async def file(request: Request) -> Response:
        return _answer(request, asset)


def _read(folder: Path) -> dict[str, Asset]:
    """By their paths below the folder. Whoever asks for another path asks for nothing that is here."""
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    found = {}
    for name, path in paths.items():
        if path.suffix in _ENCODINGS.values() and name.removesuffix(path.suffix) in paths:
            continue
        forms = {coding: paths[name + suffix] for coding, suffix in _ENCODINGS.items() if name + suffix in paths}
        bodies = {"identity": path, **forms}
        found[name] = _asset(name, {coding: one.read_bytes() for coding, one in bodies.items()})
    return found


def _asset(name: str, bodies: Mapping[str, bytes]) -> Asset:
    suffix = Path(name).suffix
    kind = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    is_text = kind.startswith("text/") or suffix in (".json", ".svg", ".webmanifest")
    return Asset(
        media_type=f"{kind}; charset=utf-8" if is_text else kind,
        bodies=bodies,
        tag=hashlib.sha256(bodies["identity"]).hexdigest()[:20],
        is_for_good=name.startswith(_ASSETS),
    )


def _answer(request: Request, asset: Asset) -> Response:
    """200, or 304 for who has it already. The server leaves out the body for HEAD."""
    accepted = _accepted(request.headers.get("accept-encoding", ""))
    coding = next((it for it in _ENCODINGS if it in accepted and it in asset.bodies), "identity")
    tag = f'"{asset.tag}"' if coding == "identity" else f'"{asset.tag}-{coding}"'
    headers = {
        "ETag": tag,
        "Cache-Control": "public, max-age=31536000, immutable" if asset.is_for_good else "no-cache",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    if tag in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    if coding != "identity":
        headers["Content-Encoding"] = coding
    return Response(asset.bodies[coding], headers=headers, media_type=asset.media_type)


def _accepted(header: str) -> set[str]:
    """The content codings that a client takes (RFC 9110, 12.5.3)."""
    found = set()
    for part in header.lower().split(","):
        coding, _, weight = part.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            found.add(coding.strip())
    return found


def _tags(header: str) -> set[str]:
    return {part.strip().removeprefix("W/") for part in header.split(",")}
