"""The REST routes over facts in memory: who may ask what, what a body may be, and what OpenAPI says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
import jsonschema
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.access.grant import Grant, Scope
from asr_hub.errors import Conflict, Forbidden, NotFound, ProtocolError, ProviderUnavailable, TooLarge, Unauthorized
from asr_hub.protocols import rest
from asr_hub.protocols.facts import (
    BreakerView,
    ComparisonView,
    FormatView,
    HealthView,
    ProviderView,
    ReloadView,
    ScoreView,
    SessionDetails,
    SessionView,
    UtteranceView,
)
from asr_hub.protocols.http import application
from asr_hub.wire.conversation import check_hotwords

pytestmark = pytest.mark.unit

SESSION: dict[str, Any] = {
    "name": "0123456789ab",
    "phase": "speech",
    "provider": "p",
    "protocol": "websocket",
    "format": FormatView(sample_rate=16000, channels=1, encoding="pcm_s16le"),
    "hotwords": 2,
    "opened_at": 1.0,
    "updated_at": 2.0,
    "audio_seconds": 1.5,
    "heard_seconds": 1.25,
    "utterances": 1,
    "pending": 0,
    "has_publisher": True,
    "viewers": 0,
    "warnings": 0,
}
SAID = UtteranceView(number=1, text="yes", start_ms=0, end_ms=9, provider="p", reason="silence", latency_ms=3)


class Facts:
    """A hub with one session, `sid`. Implements HubFacts."""

    def __init__(self) -> None:
        self.words: dict[str, Mapping[str, float]] = {"": {"Zermatt": 1.0}}
        self.status: Any = "ok"
        self.refusal: Exception | None = None
        self.closed: list[tuple[str, Grant]] = []
        self.undone: list[tuple[str, Grant]] = []

    def health(self) -> HealthView:
        return HealthView(
            status=self.status,
            version="1",
            sessions=1,
            max_sessions=2,
            default_provider="p",
            providers={"p": "ready"},
        )

    def providers(self) -> list[ProviderView]:
        capabilities = {"streaming": True, "languages": ["en"]}
        return [
            ProviderView(
                name="p",
                kind="k",
                health="ready",
                is_default=True,
                slots_used=0,
                slots=1,
                capabilities=capabilities,
                breaker=BreakerView(state="open", until=9.5, reason="r", last_code="provider", openings=1),
                score=ScoreView(finals=3),
                comparisons=[ComparisonView(primary="q", utterances=1, words=2, wer=0.5)],
            )
        ]

    def sessions(self) -> list[SessionView]:
        return [SessionView(**SESSION, principal="ann")]

    def session(self, name: str, grant: Grant) -> SessionDetails:
        if name != "sid":
            raise NotFound("no such session", code="unknown-session")
        return SessionDetails(**SESSION, transcript=[SAID])

    def close(self, name: str, grant: Grant) -> SessionView:
        self.closed.append((name, grant))
        return SessionView(**SESSION)

    def undo(self, name: str, utterance: int, grant: Grant) -> SessionView:
        if utterance != 1:
            raise NotFound("no such utterance", code="unknown-utterance")
        self.undone.append((name, grant))
        return SessionView(**SESSION)

    def promote(self, name: str) -> ProviderView:
        if name != "p":
            raise NotFound("no such provider", code="unknown-provider")
        return self.providers()[0]

    def hotwords(self, tenant: str = "") -> Mapping[str, float]:
        return self.words.get(tenant, {})

    def tenants(self) -> Sequence[str]:
        return [tenant for tenant in self.words if tenant]

    def set_hotwords(self, words: Mapping[str, float], tenant: str = "") -> Mapping[str, float]:
        check_hotwords(tuple(words))
        self.words = {**self.words, tenant: words}
        return words

    def config(self) -> dict[str, Any]:
        return {"provider": "p"}

    async def reload(self) -> ReloadView:
        if self.refusal is not None:
            raise self.refusal
        return ReloadView(applied=["hotwords"], needs_restart=["server.port"])


class Door:
    """Every scope is a key."""

    def admit(self, secret: str | None) -> Grant:
        if secret is None:
            raise Unauthorized("no key")
        if secret not in set(Scope):
            raise Unauthorized("a wrong key")
        return Grant(name=secret, scopes=frozenset({Scope(secret)}))


@pytest.fixture
def facts() -> Facts:
    return Facts()


@pytest.fixture
def app(facts: Facts) -> FastAPI:
    return application(rest.router(facts, Door()))


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client(app, "admin") as one:
        yield one


def client(app: FastAPI, key: str | None) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {key}"} if key is not None else {}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://hub", headers=headers)


ROUTES = [
    ("GET", "/v1/providers", None, {"speak", "watch", "admin"}),
    ("GET", "/v1/sessions", None, {"admin"}),
    ("GET", "/v1/sessions/sid", None, {"speak", "watch", "admin"}),
    ("DELETE", "/v1/sessions/sid", None, {"speak", "watch", "admin"}),
    ("POST", "/v1/sessions/sid/utterances/1/undo", None, {"speak", "watch", "admin"}),
    ("POST", "/v1/providers/p/promote", None, {"admin"}),
    ("GET", "/v1/hotwords", None, {"admin"}),
    ("PUT", "/v1/hotwords", {"hotwords": ["Brig"]}, {"admin"}),
    ("GET", "/v1/hotwords/ann", None, {"admin"}),
    ("PUT", "/v1/hotwords/ann", {"hotwords": ["Brig"]}, {"admin"}),
    ("GET", "/v1/hotwords-of", None, {"admin"}),
    ("GET", "/v1/config", None, {"admin"}),
    ("POST", "/v1/config/reload", None, {"admin"}),
]
"""Who passes the route. One session has rights of its own, which the facts look at."""


@pytest.mark.parametrize(("method", "path", "body", "scopes"), ROUTES, ids=[f"{m} {p}" for m, p, *_ in ROUTES])
async def test_a_route_asks_for_a_key_and_its_scope(
    app: FastAPI, facts: Facts, method: str, path: str, body: Any, scopes: set[str]
) -> None:
    before = facts.words
    for key in (None, "guessed"):
        async with client(app, key) as http:
            answer = await http.request(method, path, json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
    for key in Scope:
        async with client(app, key) as http:
            answer = await http.request(method, path, json=body)
            if key in scopes:
                assert answer.is_success, answer.text
            else:
                assert (answer.status_code, answer.json()["error"]["code"]) == (403, "missing-scope")
                assert facts.words == before


async def test_health_asks_for_no_key(app: FastAPI, facts: Facts) -> None:
    async with client(app, None) as http:
        assert (await http.get("/health")).json()["status"] == "ok"
        assert (await http.get("/ready")).status_code == 200
        facts.status = "draining"
        assert (await http.get("/ready")).status_code == 503


async def test_a_session_is_asked_for_with_the_grant_of_the_caller(app: FastAPI, facts: Facts) -> None:
    async with client(app, "speak") as http:
        answer = await http.delete("/v1/sessions/sid")
        assert answer.status_code == 202
    ((name, grant),) = facts.closed
    assert (name, grant.name) == ("sid", "speak")


async def test_an_unknown_session_is_404(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v1/sessions/nobody")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown-session")


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", "2", "9" * 400])
async def test_what_is_no_utterance_is_not_undone(http: httpx.AsyncClient, facts: Facts, number: str) -> None:
    answer = await http.post(f"/v1/sessions/sid/utterances/{number}/undo")
    assert answer.status_code in (400, 404) and answer.json()["error"]["code"]
    assert not facts.undone


BAD_BODIES = [
    (b"", 400, "bad-json"),
    (b"{", 400, "bad-json"),
    (b"[]", 400, "bad-value"),
    (b"{}", 400, "bad-value"),
    (b'{"hotwords": "one"}', 400, "bad-value"),
    (b'{"hotwords": [1]}', 400, "bad-value"),
    (b'{"hotwords": [null]}', 400, "bad-value"),
    (b'{"hotwords": [" "]}', 400, "bad-value"),
    (b'{"hotwords": ["a\\u0000b"]}', 400, "bad-value"),
    (json.dumps({"hotwords": ["x" * 101]}).encode(), 400, "bad-value"),
    (json.dumps({"hotwords": list(map(str, range(501)))}).encode(), 400, "bad-value"),
    (b'{"hotwords": [{"weight": 2}]}', 400, "bad-value"),
    (b'{"hotwords": [{"text": "a", "weight": "2"}]}', 400, "bad-value"),
    (b'{"hotwords": [{"text": "a", "wieght": 2}]}', 400, "bad-value"),
    (b"\xff\xfe", 400, "bad-json"),
    (b"[" * 100_000, 400, "bad-json"),
    (b'{"hotwords": ["' + b"x" * rest.MAX_BODY_BYTES + b'"]}', 413, "too-large"),
]


@pytest.mark.parametrize(("body", "status", "code"), BAD_BODIES, ids=range(len(BAD_BODIES)))
async def test_a_body_that_is_no_hotwords_is_named(
    http: httpx.AsyncClient, facts: Facts, body: bytes, status: int, code: str
) -> None:
    before = facts.words
    answer = await http.put("/v1/hotwords", content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert answer.json()["error"]["message"]
    assert facts.words == before


async def test_a_body_without_end_is_not_read_to_its_end(http: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65536
            yield b" " * 65536
            assert sent < 64 * rest.MAX_BODY_BYTES

    answer = await http.put("/v1/hotwords", content=endless())
    assert answer.status_code == 413
    assert sent <= rest.MAX_BODY_BYTES + 2 * 65536


@given(st.binary(max_size=200))
def test_any_bytes_are_words_or_a_named_error(body: bytes) -> None:
    try:
        words = rest._words(body)
    except ProtocolError as exc:
        assert exc.code in ("bad-json", "bad-value") and "hotwords" in str(exc)
    else:
        assert all(isinstance(word, str) for word in words)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=100), max_size=20))
def test_words_come_out_as_they_went_in(words: list[str]) -> None:
    assert list(rest._words(json.dumps({"hotwords": words}).encode())) == list(dict.fromkeys(words))


async def test_a_weight_goes_in_and_comes_out(http: httpx.AsyncClient) -> None:
    body = {"hotwords": ["Brig", {"text": "Visp", "weight": 2.5}, {"text": "Täsch"}, "Brig"]}
    told = {"hotwords": ["Brig", {"text": "Visp", "weight": 2.5}, "Täsch"]}
    assert (await http.put("/v1/hotwords", json=body)).json() == told
    assert (await http.get("/v1/hotwords")).json() == told


async def test_a_key_has_words_of_its_own(http: httpx.AsyncClient) -> None:
    await http.put("/v1/hotwords", json={"hotwords": ["Brig"]})
    for name, path in (("ann", "ann"), ("auth0|b/ob", "auth0%7Cb/ob")):
        assert (await http.get(f"/v1/hotwords/{path}")).json() == {"hotwords": []}
        assert (await http.put(f"/v1/hotwords/{path}", json={"hotwords": [name]})).is_success
        assert (await http.get(f"/v1/hotwords/{path}")).json() == {"hotwords": [name]}
    assert (await http.get("/v1/hotwords")).json() == {"hotwords": ["Brig"]}
    assert (await http.get("/v1/hotwords-of")).json() == {"tenants": ["ann", "auth0|b/ob"]}


async def test_the_most_words_there_may_be_have_room(http: httpx.AsyncClient) -> None:
    words = [chr(0x20000 + number) * 100 for number in range(500)]
    answer = await http.put("/v1/hotwords", content=json.dumps({"hotwords": words}, ensure_ascii=True))
    assert answer.status_code == 200, answer.text
    assert (await http.get("/v1/hotwords")).json() == {"hotwords": words}


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Conflict("hub.yaml:3: is wrong", code="config"), 409, "config"),
        (Conflict("no file", code="no-config-file"), 409, "no-config-file"),
        (ProviderUnavailable("no weights"), 503, "provider-unavailable"),
    ],
)
async def test_a_reload_that_is_refused_says_why(
    http: httpx.AsyncClient, facts: Facts, error: Exception, status: int, code: str
) -> None:
    facts.refusal = error
    answer = await http.post("/v1/config/reload")
    assert answer.status_code == status
    assert answer.json()["error"] | {"code": code, "message": str(error)} == answer.json()["error"]


# What OpenAPI says.


def document(app: FastAPI) -> dict[str, Any]:
    return json.loads(json.dumps(app.openapi()))


def validator(whole: dict[str, Any], schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({**schema, "components": whole["components"]})


def operations(whole: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation for path, item in whole["paths"].items() for method, operation in item.items()
    }


def test_every_operation_is_described_and_has_the_one_error_model(app: FastAPI) -> None:
    whole = document(app)
    ids = [operation["operationId"] for operation in operations(whole).values()]
    assert len(ids) == len(set(ids))
    envelope = {"$ref": "#/components/schemas/ErrorView"}
    for where, operation in operations(whole).items():
        assert operation["summary"] and operation["description"] and operation["tags"], where
        assert "422" not in operation["responses"], where
        for status, response in operation["responses"].items():
            if status.startswith("2") or where == ("GET", "/ready"):
                assert response["content"]["application/json"]["schema"], where
            else:
                assert response["content"]["application/json"]["schema"] == envelope, where


def test_every_schema_is_one_and_every_reference_leads_somewhere(app: FastAPI) -> None:
    whole = document(app)
    assert whole["openapi"].startswith("3.1")
    for schema in whole["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)

    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            return own + [ref for inner in part.values() for ref in references(inner)]
        return [ref for inner in part for ref in references(inner)] if isinstance(part, list) else []

    for reference in references(whole):
        at: Any = whole
        for step in reference.removeprefix("#/").split("/"):
            at = at[step]


async def test_what_a_route_answers_is_what_it_says(app: FastAPI, http: httpx.AsyncClient) -> None:
    whole = document(app)
    bodies: dict[tuple[str, str], Any] = {
        ("PUT", "/v1/hotwords"): {"hotwords": ["Brig"]},
        ("PUT", "/v1/hotwords/{tenant}"): {"hotwords": ["Brig"]},
    }
    for (method, path), operation in operations(whole).items():
        where = path.format(session="sid", tenant="ann", number=1, name="p")
        answer = await http.request(method, where, json=bodies.get((method, path)))
        response = operation["responses"][str(answer.status_code)]
        assert answer.is_success
        validator(whole, response["content"]["application/json"]["schema"]).validate(answer.json())
        sent = operation.get("requestBody")
        assert (sent is not None) == ((method, path) in bodies)
        if sent is not None:
            validator(whole, sent["content"]["application/json"]["schema"]).validate(bodies[method, path])


@pytest.mark.parametrize("error", [NotFound("a"), Forbidden("b"), TooLarge("c"), Unauthorized("d")])
async def test_what_an_error_answers_is_what_it_says(
    app: FastAPI, http: httpx.AsyncClient, facts: Facts, error: Exception
) -> None:
    facts.refusal = error
    answer = await http.post("/v1/config/reload")
    whole = document(app)
    schema = {"$ref": "#/components/schemas/ErrorView"}
    validator(whole, schema).validate(answer.json())
    with pytest.raises(jsonschema.ValidationError):
        validator(whole, schema).validate({"detail": "as FastAPI has it"})
