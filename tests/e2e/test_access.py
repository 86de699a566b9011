"""Who is turned away, in every protocol: where, with which status, and that no key is ever in a log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import httpx
import jwt
import pytest
from tests.access.callers import CALLERS, Caller, GrpcCaller, HttpCaller, Said, SocketIoCaller, TurnedAway
from tests.hubs import scripted, until
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from asr_hub.access.keys import new_key
from asr_hub.access.tokens import AUDIENCE, PREFIX
from asr_hub.app import Serving, serving
from asr_hub.store.slices.access import select_turned_away_count
from asr_hub.store.slices.sessions import select_live_count, select_sessions
from asr_hub.telemetry import logs

pytestmark = pytest.mark.e2e

OWNER, SPEAKER, WATCHER, OTHER, LATE, BOSS = (new_key() for _ in range(6))
SINGLE, SHORT, RARE = (new_key() for _ in range(3))
TOKEN_SECRET, JWT_SECRET = "t" * 32, "j" * 32

ACCESS: dict[str, Any] = {
    "keys": {
        "owner": {"id": OWNER.id, "hash": OWNER.sha256},
        "speaker": {"id": SPEAKER.id, "hash": SPEAKER.sha256, "scopes": ["speak"]},
        "watcher": {"id": WATCHER.id, "hash": WATCHER.sha256, "scopes": ["watch"]},
        "other": {"id": OTHER.id, "hash": OTHER.sha256},
        "late": {"id": LATE.id, "hash": LATE.sha256, "expires_at": "2020-01-01T00:00:00Z"},
        "boss": {"id": BOSS.id, "hash": BOSS.sha256, "scopes": ["admin"]},
        "single": {"id": SINGLE.id, "hash": SINGLE.sha256, "sessions": 1},
        "short": {"id": SHORT.id, "hash": SHORT.sha256, "audio_s_per_hour": 2},
        "rare": {"id": RARE.id, "hash": RARE.sha256, "requests_per_minute": 2},
    },
    "jwt": {"algorithm": "HS256", "secret": JWT_SECRET},
    "tokens": {"secret": TOKEN_SECRET},
}

callers = pytest.mark.parametrize("caller", CALLERS, ids=lambda kind: kind.__name__.removesuffix("Caller").lower())


@contextlib.asynccontextmanager
async def hub_with(**access: Any) -> AsyncIterator[Serving]:
    async with serving(scripted(server={"port": 0, "grpc_port": 0}, access={**ACCESS, **access})) as running:
        yield running


@pytest.fixture
async def hub() -> AsyncIterator[Serving]:
    async with hub_with() as running:
        yield running


class Hall(contextlib.AsyncExitStack):
    """Closes its callers at the end."""

    def __init__(self, hub: Serving, kind: type[Caller]) -> None:
        super().__init__()
        self.hub = hub
        self.kind = kind

    def caller(self, secret: str | None, *, origin: str | None = None, kind: type[Caller] | None = None) -> Caller:
        caller = (kind or self.kind)(self.hub, secret, origin=origin)
        self.push_async_callback(caller.aclose)
        return caller


async def refusal(doing: Any) -> Said:
    with pytest.raises(TurnedAway) as turned_away:
        async with asyncio.timeout(60):
            await doing
    return turned_away.value.said


class Ways(NamedTuple):
    """One error in the words of each protocol."""

    http: int
    grpc: str
    close: int | None
    """Where the WebSocket is open already."""


UNAUTHORIZED = Ways(401, "UNAUTHENTICATED", None)
FORBIDDEN = Ways(403, "PERMISSION_DENIED", 1008)
RATE_LIMITED = Ways(429, "RESOURCE_EXHAUSTED", 1013)


def said(kind: type[Caller], ways: Ways, *, at_the_door: bool) -> int | str:
    """The status that a protocol has for it: at the door or, in a connection, at its first message."""
    if issubclass(kind, GrpcCaller):
        return ways.grpc
    if issubclass(kind, SocketIoCaller):
        return "connect_error" if at_the_door else "message"
    if issubclass(kind, HttpCaller) or at_the_door:
        return ways.http
    assert ways.close is not None
    return ways.close


def signed(secret: str, **claims: Any) -> str:
    return jwt.encode({"sub": "alice", "scope": "speak watch", "exp": time.time() + 60, **claims}, secret, "HS256")


def own_token(**claims: Any) -> str:
    return PREFIX + signed(TOKEN_SECRET, **{"aud": AUDIENCE, "sub": OWNER.id, **claims})


# Who has no key that is good here.

STRANGERS: dict[str, tuple[str | None, str]] = {
    "no key": (None, "unauthorized"),
    "a wrong key": (new_key().secret, "unauthorized"),
    "the hash of a key": (OWNER.sha256, "unauthorized"),
    "half a key": (OWNER.secret[:-1], "unauthorized"),
    "an expired key": (LATE.secret, "expired"),
    "an expired token": (own_token(exp=time.time() - 1), "expired"),
    "a forged token": (PREFIX + signed("f" * 32, aud=AUDIENCE, sub=OWNER.id), "unauthorized"),
    "an expired JWT": (signed(JWT_SECRET, exp=time.time() - 60), "expired"),
    "a forged JWT": (signed("f" * 32), "unauthorized"),
}


@callers
async def test_a_stranger_is_turned_away_at_the_door(hub: Serving, caller: type[Caller]) -> None:
    async with Hall(hub, caller) as hall:
        owner = hall.caller(OWNER.secret)
        session = await owner.speak()
        for name, (secret, code) in STRANGERS.items():
            for doing in (hall.caller(secret).speak(), hall.caller(secret).watch(session)):
                got = await refusal(doing)
                assert got == (said(caller, UNAUTHORIZED, at_the_door=True), code, None), name
        assert hub.hub.sessions == 1


@callers
async def test_who_has_a_good_one_comes_in(hub: Serving, caller: type[Caller]) -> None:
    async with Hall(hub, caller) as hall:
        for secret in (OWNER.secret, own_token(), signed(JWT_SECRET)):
            speaker = hall.caller(secret)
            session = await speaker.speak()
            await speaker.hear()
            await hall.caller(own_token(scope="watch", session=session)).watch(session)
            await hall.caller(WATCHER.secret).watch(session)


# Who has one that is not good for this.


@callers
async def test_a_key_without_the_scope_is_refused(hub: Serving, caller: type[Caller]) -> None:
    async with Hall(hub, caller) as hall:
        session = await hall.caller(OWNER.secret).speak()
        wanted = (said(caller, FORBIDDEN, at_the_door=False), "missing-scope", None)
        assert await refusal(hall.caller(WATCHER.secret).speak()) == wanted
        assert await refusal(hall.caller(SPEAKER.secret).watch(session)) == wanted
        assert await refusal(hall.caller(BOSS.secret).speak()) == wanted
        assert await refusal(hall.caller(signed(JWT_SECRET, scope="")).speak()) == wanted


@callers
async def test_a_token_for_another_session_is_refused(hub: Serving, caller: type[Caller]) -> None:
    async with Hall(hub, caller) as hall:
        session = await hall.caller(OWNER.secret).speak()
        token = own_token(session="another")
        wanted = (said(caller, FORBIDDEN, at_the_door=False), "foreign-session", None)
        assert await refusal(hall.caller(token).watch(session)) == wanted
        assert await refusal(hall.caller(token).speak()) == wanted


async def test_only_who_opened_a_session_publishes_in_it(hub: Serving) -> None:
    async with Hall(hub, HttpCaller) as hall:
        session = await hall.caller(OWNER.secret).speak()
        other: Any = hall.caller(OTHER.secret)
        other.session = session
        assert await refusal(other.hear()) == (403, "foreign-session", None)
        # Whoever signs foreign tokens cannot make one for the name of a key, or for its id.
        for subject in ("owner", OWNER.id):
            posing: Any = hall.caller(signed(JWT_SECRET, sub=subject))
            posing.session = session
            assert await refusal(posing.hear()) == (403, "foreign-session", None)
        again: Any = hall.caller(own_token(scope="speak", session=session))
        again.session = session
        await again.hear()


# Who has used up what they may.


@callers
async def test_a_key_has_as_many_sessions_as_it_may_and_gets_the_next_when_one_ends(
    hub: Serving, caller: type[Caller]
) -> None:
    async with Hall(hub, caller) as hall:
        session = await hall.caller(SINGLE.secret).speak()
        got = await refusal(hall.caller(SINGLE.secret).speak())
        assert got == (said(caller, RATE_LIMITED, at_the_door=False), "session-limit", 5.0)
        await hall.caller(OWNER.secret).speak()
        hub.hub.close(next(iter(hub.hub._live)), "test")
        await until(hub.hub, lambda state: select_live_count(state) == 1)
        assert await hall.caller(SINGLE.secret).speak() != session


@callers
async def test_audio_beyond_the_quota_is_not_taken_and_the_session_goes_on(hub: Serving, caller: type[Caller]) -> None:
    async with Hall(hub, caller) as hall:
        speaker = hall.caller(SHORT.secret)
        session = await speaker.speak()
        await speaker.hear()
        await speaker.hear()
        status, code, retry_after = await refusal(speaker.hear())
        assert (status, code) == (429 if caller is HttpCaller else "message", "audio-quota")
        # A second of audio comes back in half an hour.
        assert retry_after is not None
        assert 0 < retry_after <= 1800
        if caller is not HttpCaller:
            # Its connection ends with it: what comes behind the refused audio would be taken in its place.
            await until(hub.hub, lambda state: not any(it.has_publisher for it in select_sessions(state)))
        record = next(iter(hub.hub.records()))
        assert (record.id, record.audio_offset, record.phase.value in ("closing", "closed")) == (session, 32_000, False)
        # All sessions of the key share it.
        another = hall.caller(SHORT.secret)
        await another.speak()
        assert (await refusal(another.hear())).code == "audio-quota"


@callers
async def test_more_requests_than_a_key_may_make_are_refused(hub: Serving, caller: type[Caller]) -> None:
    async with Hall(hub, caller) as hall:
        for _ in range(2):
            await hall.caller(RARE.secret).speak()
        status, code, retry_after = await refusal(hall.caller(RARE.secret).speak())
        assert (status, code) == (said(caller, RATE_LIMITED, at_the_door=True), "rate-limited")
        assert retry_after is not None
        assert 0 < retry_after <= 30
        await hall.caller(OWNER.secret).speak()


# Pages of elsewhere.


@pytest.mark.parametrize("caller", [it for it in CALLERS if it is not GrpcCaller], ids=lambda kind: kind.__name__)
async def test_a_page_of_elsewhere_is_refused_whatever_key_it_has(hub: Serving, caller: type[Caller]) -> None:
    async with Hall(hub, caller) as hall:
        stranger = hall.caller(OWNER.secret, origin="https://evil.example")
        assert await refusal(stranger.speak()) == (403, "foreign-origin", None)
        await hall.caller(OWNER.secret, origin="http://localhost:3000").speak()
        assert hub.hub.sessions == 1


async def test_browsers_are_told_which_pages_may_read_what(hub: Serving) -> None:
    here, elsewhere = {"Origin": "http://127.0.0.1:3000"}, {"Origin": "https://evil.example"}
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with httpx.AsyncClient(base_url=hub.url, trust_env=False) as http:
        preflight = await http.options("/v1/sessions", headers=here | asking)
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == here["Origin"]
        assert preflight.headers["access-control-allow-headers"] == "authorization"
        assert "POST" in preflight.headers["access-control-allow-methods"]
        refused = await http.options("/v1/sessions", headers=elsewhere | asking)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "foreign-origin")
        assert "access-control-allow-origin" not in refused.headers
        for path in ("/health", "/v1/providers", "/nothing-here"):
            readable = await http.get(path, headers=here)
            assert readable.headers["access-control-allow-origin"] == here["Origin"]
            assert "Origin" in readable.headers["vary"]
            secret = await http.get(path, headers=elsewhere)
            assert "access-control-allow-origin" not in secret.headers
        for method in ("DELETE", "PUT", "PATCH", "POST"):
            changed = await http.request(method, "/v1/hotwords", headers=elsewhere)
            assert (changed.status_code, changed.json()["error"]["code"]) == (403, "foreign-origin")
        two = await http.post("/v1/sessions", headers=[*here.items(), *elsewhere.items()])
        assert two.status_code == 403


async def test_the_page_of_a_locked_hub_may_use_it_under_any_name(hub: Serving) -> None:
    name = "hub.example.org"
    page, elsewhere = {"Host": name, "Origin": f"https://{name}"}, {"Host": name, "Origin": "https://evil.example"}
    key = {"Authorization": f"Bearer {OWNER.secret}"}
    async with httpx.AsyncClient(base_url=hub.url, trust_env=False) as http:
        for path in ("/v1/sessions", "/socket.io/?EIO=4&transport=polling"):
            method = "POST" if path == "/v1/sessions" else "GET"
            welcome = await http.request(method, path, headers=page | key, json={} if method == "POST" else None)
            assert welcome.status_code != 403, welcome.text
            assert welcome.headers["access-control-allow-origin"] == page["Origin"]
            refused = await http.request(method, path, headers=elsewhere | key)
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "foreign-origin")
    port = httpx.URL(hub.url).port
    line = partial(connect, f"ws://{name}/v1/stream", host="127.0.0.1", port=port, additional_headers=key, proxy=None)
    async with line(origin=page["Origin"]):
        pass
    with pytest.raises(InvalidStatus):
        await line(origin=elsewhere["Origin"])


async def test_the_page_of_an_open_hub_is_not_known_by_a_name() -> None:
    # Whoever owns a name can have it lead here.
    async with serving(scripted()) as hub, httpx.AsyncClient(base_url=hub.url, trust_env=False) as http:
        for name, status in (("rebound.example", 403), ("192.168.7.7:8765", 200)):
            answer = await http.put(
                "/v1/hotwords", headers={"Host": name, "Origin": f"http://{name}"}, json={"hotwords": []}
            )
            assert answer.status_code == status, answer.text


async def test_events_reach_an_accepted_page_as_they_happen(hub: Serving) -> None:
    async with Hall(hub, HttpCaller) as hall, httpx.AsyncClient(base_url=hub.url, trust_env=False) as http:
        session = await hall.caller(OWNER.secret).speak()
        path, headers = f"/v1/sessions/{session}/events", {"Origin": "http://localhost"}
        async with http.stream("GET", path, params={"token": OWNER.secret}, headers=headers, timeout=60) as events:
            assert events.headers["access-control-allow-origin"] == "http://localhost"
            lines = events.aiter_lines()
            async with asyncio.timeout(60):
                while "ready" not in await anext(lines):
                    pass


# Tokens for whoever cannot keep a key.


async def test_a_key_buys_a_token_for_one_session(hub: Serving) -> None:
    async with Hall(hub, HttpCaller) as hall, httpx.AsyncClient(base_url=hub.url, trust_env=False) as http:
        session = await hall.caller(OWNER.secret).speak()
        wanted = {"session": session, "scopes": ["watch"], "ttl_s": 60}
        made = await http.post("/v1/tokens", json=wanted, headers={"X-API-Key": OWNER.secret})
        assert made.status_code == 201
        assert made.headers["cache-control"] == "no-store"
        assert time.time() < made.json()["expires_at"] <= time.time() + 60
        token = made.json()["token"]
        for kind in CALLERS:
            await hall.caller(token, kind=kind).watch(session)
            assert (await refusal(hall.caller(token, kind=kind).speak())).code == "missing-scope"
        for body, status, code in (
            ({"scopes": ["admin"]}, 403, "missing-scope"),
            ({"scopes": []}, 400, "bad-value"),
            ({"scopes": ["fly"]}, 400, "bad-value"),
            ({"ttl_s": 1e9}, 400, "bad-value"),
            ({"ttl_s": 0}, 400, "bad-value"),
            ({"session": ""}, 400, "bad-value"),
            ({"whose": "mine"}, 400, "bad-value"),
            ([], 400, "bad-value"),
            ({"session": "x" * 5000}, 413, "too-large"),
        ):
            answer = await http.post("/v1/tokens", json=body, headers={"X-API-Key": OWNER.secret})
            assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), body
        answer = await http.post("/v1/tokens", json={"session": "other"}, headers={"X-API-Key": token})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign-session")
        assert (await http.post("/v1/tokens", json={})).status_code == 401
        empty = await http.post("/v1/tokens", headers={"X-API-Key": OWNER.secret})
        assert empty.status_code == 201
        misplaced = await http.post("/v1/tokens", content=OWNER.secret, headers={"X-API-Key": OWNER.secret})
        assert (misplaced.status_code, misplaced.json()["error"]["code"]) == (400, "bad-json")
        assert OWNER.secret not in misplaced.text


async def test_a_token_for_one_session_has_no_power_over_the_hub(hub: Serving) -> None:
    async with Hall(hub, HttpCaller) as hall, httpx.AsyncClient(base_url=hub.url, trust_env=False) as http:
        session, other = await hall.caller(OWNER.secret).speak(), await hall.caller(OTHER.secret).speak()
        wanted = {"session": session, "scopes": ["admin"]}
        made = await http.post("/v1/tokens", json=wanted, headers={"X-API-Key": BOSS.secret})
        bound = {"X-API-Key": made.json()["token"]}
        for method, path, body in (
            ("GET", "/v1/sessions", None),
            ("GET", "/v1/hotwords", None),
            ("PUT", "/v1/hotwords", {"hotwords": ["mine"]}),
            ("POST", "/v1/config/reload", None),
            ("GET", "/v1/config", None),
            ("POST", "/v1/tokens", {"session": other, "scopes": ["admin"]}),
            ("DELETE", f"/v1/sessions/{other}", None),
        ):
            answer = await http.request(method, path, json=body, headers=bound)
            assert answer.status_code == 403, path
            assert answer.json()["error"]["code"] == "foreign-session", path
        boss = {"X-API-Key": BOSS.secret}
        assert (await http.get("/v1/hotwords", headers=boss)).json() == {"hotwords": []}
        assert len((await http.get("/v1/sessions", headers=boss)).json()) == 2
        assert (await http.delete(f"/v1/sessions/{session}", headers=bound)).status_code == 202


# What the hub remembers and writes down.


@pytest.fixture
def written() -> Iterator[Callable[[], str]]:
    """Everything that any logger of the process says, at every level, since the test began."""
    records: list[str] = []

    class Everything(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            fields = getattr(record, "fields", "")
            records.append(f"{record.name} {record.getMessage()} {fields} {logs.JsonFormatter().format(record)}")

    root, ours = logging.getLogger(), logging.getLogger("asr_hub")
    before, handler = (root.level, ours.level), Everything(logging.DEBUG)
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    ours.setLevel(logging.DEBUG)
    yield lambda: "\n".join(records)
    root.removeHandler(handler)
    root.setLevel(before[0])
    ours.setLevel(before[1])


CLIENTS = ("websockets.client", "httpcore", "httpx", "hpack", "socketio.client", "engineio.client")
"""Loggers of the clients in this process: what they say is not the hub's."""


async def test_no_key_or_token_is_ever_in_a_log_the_store_or_the_journal(
    written: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in CLIENTS:
        monkeypatch.setattr(logging.getLogger(name), "disabled", True)
    good = [OWNER.secret, own_token(), signed(JWT_SECRET)]
    bad = [secret for secret, _ in STRANGERS.values() if secret is not None and secret != OWNER.sha256]
    async with hub_with() as hub:
        for kind in CALLERS:
            async with Hall(hub, kind) as hall:
                for secret in good:
                    speaker = hall.caller(secret)
                    session = await speaker.speak()
                    await speaker.hear()
                    await hall.caller(secret).watch(session)
                for secret in bad:
                    await refusal(hall.caller(secret).speak())
                    await refusal(hall.caller(secret).watch("a-session"))
        async with httpx.AsyncClient(base_url=hub.url, trust_env=False) as http:
            made = await http.post("/v1/tokens", json={}, headers={"X-API-Key": OWNER.secret})
            good.append(made.json()["token"])
            await http.get("/v1/sessions", params={"token": made.json()["token"]})
            await http.post("/v1/tokens", content=OWNER.secret, headers={"X-API-Key": OWNER.secret})
        # What uvicorn serves itself: it says of every WebSocket where it came to.
        async with connect(
            f"{hub.stream_url.removesuffix('/v1/stream')}/socket.io/?EIO=4&transport=websocket&token={good[-1]}"
        ):
            pass
        kept = f"{hub.hub.store.state!r}" + "".join(map(repr, hub.hub.store.journal.entries()))
    text = written()
    assert "session.opened" in text
    assert "access.refused" in text
    for secret in [*good, *bad, TOKEN_SECRET, JWT_SECRET]:
        # The id of a key is no secret; what follows it is.
        part = secret.rpartition("_")[2] if secret.startswith("ah_") else secret.removeprefix(PREFIX)
        assert len(part) > 20
        assert part not in text
        assert part not in kept


async def test_who_is_turned_away_is_counted_and_told_without_a_flood(hub: Serving, written: Callable[[], str]) -> None:
    async with httpx.AsyncClient(base_url=hub.url, trust_env=False) as http:
        for _ in range(60):
            assert (await http.get("/v1/providers")).status_code == 401
    assert 20 <= select_turned_away_count(hub.hub.store.state) <= 60
    assert set(hub.hub.store.state["access"].refused) == {"unauthorized http"}
    assert '"code": "unauthorized", "protocol": "http"' in written()


async def test_health_is_for_everybody_and_the_rest_is_not(hub: Serving) -> None:
    async with httpx.AsyncClient(base_url=hub.url, trust_env=False) as http:
        schema = (await http.get("/openapi.json")).json()
        for path, methods in schema["paths"].items():
            for method in methods:
                status = (await http.request(method, path.replace("{session}", "x"))).status_code
                assert status in ((200,) if path in ("/health", "/ready", "/api/v1/health") else (401,)), (method, path)


async def test_keys_change_while_the_hub_runs() -> None:
    config = scripted(access=ACCESS)
    keys = {name: key for name, key in ACCESS["keys"].items() if name not in ("owner", "late")}
    keys["new"] = {**ACCESS["keys"]["late"], "expires_at": None}
    wanted = scripted(access={**ACCESS, "keys": keys})
    async with serving(config, read=lambda: wanted) as hub, Hall(hub, HttpCaller) as hall:
        await hall.caller(OWNER.secret).speak()
        assert (await refusal(hall.caller(LATE.secret).speak())).code == "expired"
        async with httpx.AsyncClient(base_url=hub.url, trust_env=False) as http:
            reloaded = await http.post("/v1/config/reload", headers={"X-API-Key": BOSS.secret})
        assert reloaded.status_code == 200
        assert reloaded.json()["needs_restart"] == []
        assert (await refusal(hall.caller(OWNER.secret).speak())).status == 401
        await hall.caller(LATE.secret).speak()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_hub_that_only_this_machine_reaches_is_open_and_says_nothing(host: str) -> None:
    async with (
        serving(scripted(server={"port": 0, "host": host})) as hub,
        httpx.AsyncClient(base_url=hub.url, trust_env=False) as http,
    ):
        assert (await http.get("/v1/providers", headers={"X-API-Key": "anything"})).status_code == 200
        assert (await http.get("/health")).json()["warning"] is None
