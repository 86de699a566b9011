"""The web client as it is served: what a browser may keep, in which form it gets it, and what it does not get."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.hubs import scripted

from asr_hub.app import serving
from asr_hub.protocols import site
from asr_hub.protocols.http import application

pytestmark = pytest.mark.unit

SCRIPT = b"console.log('hello');\n" * 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("outside")
    web = tmp_path / "web"
    (web / "assets").mkdir(parents=True)
    (web / "index.html").write_text("<!doctype html><title>built</title>")
    (web / "icon.svg").write_text("<svg/>")
    (web / "assets" / "index-0a1b2c3d.js").write_bytes(SCRIPT)
    (web / "assets" / "index-0a1b2c3d.js.gz").write_bytes(gzip.compress(SCRIPT))
    (web / "assets" / "style-0a1b2c3d.css").write_text("body{}")
    return web


@pytest.fixture
async def http(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application(site.router(folder)))
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
        yield client


async def test_the_page_is_asked_for_each_time_and_loads_nothing_from_elsewhere(http: httpx.AsyncClient) -> None:
    answer = await http.get("/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<title>built" in answer.text
    assert answer.headers["cache-control"] == "no-cache"
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy and "default-src 'none'" in policy
    assert not [word for word in ("unsafe", "*", "http") if word in policy]
    again = await http.get("/", headers={"If-None-Match": f'"else", {answer.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == answer.headers["etag"]


async def test_what_is_named_by_its_content_is_kept_for_good_and_comes_compressed(http: httpx.AsyncClient) -> None:
    path = "/assets/index-0a1b2c3d.js"
    plain = await http.get(path, headers={"Accept-Encoding": "gzip;q=0, identity"})
    assert (plain.content, "content-encoding" in plain.headers) == (SCRIPT, False)
    assert plain.headers["content-type"] == "text/javascript; charset=utf-8"
    assert plain.headers["x-content-type-options"] == "nosniff"
    packed = await http.get(path, headers={"Accept-Encoding": "br, gzip"})
    assert (packed.content, packed.headers["content-encoding"]) == (SCRIPT, "gzip")
    assert int(packed.headers["content-length"]) < len(SCRIPT) / 4
    assert packed.headers["etag"] != plain.headers["etag"]
    for answer in (plain, packed):
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/icon.svg", "image/svg+xml; charset=utf-8"), ("/assets/style-0a1b2c3d.css", "text/css; charset=utf-8")],
)
async def test_every_file_has_its_type(http: httpx.AsyncClient, path: str, kind: str) -> None:
    for method in ("GET", "HEAD"):
        answer = await http.request(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)


@pytest.mark.parametrize(
    "path",
    [
        *("/assets/../../secret.txt", "/assets/..%2f..%2fsecret.txt", "/assets/%2e%2e/%2e%2e/secret.txt"),
        *("/assets/", "/assets/none.js", "/assets/index-0a1b2c3d.js.gz", "/secret.txt", "/assets//etc/passwd"),
    ],
)
async def test_nothing_else_is_served(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not-found"


async def test_without_a_build_the_small_page_says_how_to_get_the_full_client(tmp_path: Path) -> None:
    transport = httpx.ASGITransport(application(site.router(tmp_path)))
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
        answer = await http.get("/")
    assert "make web" in answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_a_hub_answers_at_its_root_without_a_key() -> None:
    key = {"id": "0" * 12, "hash": "0" * 64}
    async with serving(scripted(access={"keys": {"one": key}})) as hub, httpx.AsyncClient(base_url=hub.url) as http:
        whole, head = await http.get("/"), await http.head("/")
        assert (whole.status_code, head.status_code, head.content) == (200, 200, b"")
        assert head.headers["content-length"] == whole.headers["content-length"]
        assert (await http.get("/v1/config")).status_code == 401
