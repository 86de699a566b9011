"""What an operator sees and does of recognition in a live hub: undo, promotion, routes, scores, breakers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import jsonschema
import pytest
from tests.client import Client, Message
from tests.hubs import scripted, until
from tests.speech import silence, tone

from asr_hub.access.grant import Grant, Scope
from asr_hub.app import Serving, serving
from asr_hub.config.schema import Config
from asr_hub.errors import Conflict, Forbidden, NotFound, ProviderError
from asr_hub.hub.facts import StoreFacts
from asr_hub.hub.names import public_name
from asr_hub.model import ProviderName, SessionId
from asr_hub.store.slices.breakers import select_is_open
from asr_hub.store.slices.providers import select_provider
from asr_hub.store.slices.scores import LATENCIES_NEEDED
from asr_hub.store.slices.transcripts import Utterance, select_utterance
from asr_hub.wire.messages import Start

pytestmark = pytest.mark.e2e

WORDS = ["we", "went", "to", "zermat", "today"]
SPEECH = silence(0.4) + tone(0.8) + silence(0.8)
A, B = ProviderName("a"), ProviderName("b")


def engine(*words: str, **settings: Any) -> dict[str, Any]:
    return {"kind": "scripted", "settings": {"transcript": words, **settings}}


def hub_of(provider: str = "a", recognition: dict[str, Any] | None = None, **sections: Any) -> Config:
    """`a` says always `alpha`, `b` always `bravo`."""
    providers = sections.pop("providers", {"a": engine("alpha"), "b": engine("bravo")})
    return scripted(provider=provider, providers=providers, recognition=recognition or {}, **sections)


@asynccontextmanager
async def running(config: Config, **options: Any) -> AsyncIterator[tuple[Serving, httpx.AsyncClient]]:
    async with serving(config, **options) as hub, httpx.AsyncClient(base_url=hub.url) as http:
        yield hub, http


async def speak(client: Client, pcm: bytes = SPEECH) -> Message:
    """The final of what is said."""
    before = len(client.messages)
    for at in range(0, len(pcm), 6400):
        await client.send(pcm[at : at + 6400])
    return await client.wait_until(lambda message: message["type"] == "final", after=before)


async def providers(http: httpx.AsyncClient) -> dict[str, Any]:
    return {provider["name"]: provider for provider in (await http.get("/v1/providers")).json()}


async def said(http: httpx.AsyncClient, client: Client) -> list[dict[str, Any]]:
    transcript: list[dict[str, Any]] = (await http.get(f"/v1/sessions/{client.session}")).json()["transcript"]
    return transcript


# Undo.


async def test_a_hotword_that_was_put_in_is_taken_out_again() -> None:
    config = scripted({"transcript": WORDS}, hotwords=["Zermatt"])
    async with running(config) as (hub, http), Client(hub.stream_url) as client:
        final = await speak(client)
        assert "Zermatt" in final["hypothesis"]["text"]
        heard = final["hypothesis"]["text"].replace("Zermatt", "zermat")
        (utterance,) = await said(http, client)
        (replaced,) = utterance["replacements"]
        assert (replaced["heard"], replaced["hotword"], replaced["is_undone"]) == ("zermat", "Zermatt", False)

        undo = f"/v1/sessions/{client.session}/utterances/1/undo"
        answer = await http.post(undo)
        assert answer.status_code == 202, answer.text
        document = (await http.get("/openapi.json")).json()
        schema = {"$ref": "#/components/schemas/SessionView", "components": document["components"]}
        jsonschema.Draft202012Validator(schema).validate(answer.json())
        revision = await client.wait_for("revision")
        assert (revision["utterance"], revision["hypothesis"]["text"]) == (1, heard)
        assert revision["hypothesis"]["revision"] > final["hypothesis"]["revision"]
        (utterance,) = await said(http, client)
        assert utterance["text"] == heard and utterance["replacements"][0]["is_undone"]
        # The original is kept, and each reading says whose it is.
        assert [reading["text"] for reading in utterance["readings"]] == [final["hypothesis"]["text"], heard]
        assert {(reading["pass_name"], reading["provider"]) for reading in utterance["readings"]} == {
            ("fast", "scripted")
        }

        for path, status, code in (
            (undo, 409, "nothing-to-undo"),
            (undo.replace("/1/", "/7/"), 404, "unknown-utterance"),
            (undo.replace(str(client.session), "nobody"), 404, "unknown-session"),
        ):
            answer = await http.post(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_text_that_was_kept_back_is_told_after_all_and_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "asr_hub")
    config = scripted({"transcript": WORDS, "faults": {"invents": True}})
    async with running(config) as (hub, http), Client(hub.stream_url) as client:
        final = await speak(client)
        assert final["hypothesis"]["text"] == ""
        (utterance,) = await said(http, client)
        kept = utterance["suppressed"]
        assert kept["text"] and kept["reason"] and not kept["is_undone"]
        name = public_name(SessionId(client.session or ""))
        assert (await http.post(f"/v1/sessions/{name}/utterances/1/undo")).status_code == 202
        revision = await client.wait_for("revision")
        assert revision["hypothesis"]["text"] == kept["text"]
        (utterance,) = await said(http, client)
        assert (utterance["text"], utterance["suppressed"]["is_undone"]) == (kept["text"], True)
    (line,) = [record for record in caplog.records if record.getMessage() == "text.suppressed"]
    assert line.fields["reason"] == kept["reason"]  # type: ignore[attr-defined]
    assert not any(kept["text"] in str(vars(record)) for record in caplog.records)


async def test_who_may_undo() -> None:
    ann = Grant(name="ann", scopes=frozenset({Scope.SPEAK}))
    bob = Grant(name="bob", scopes=frozenset({Scope.SPEAK, Scope.WATCH}))
    watcher = Grant(name="ann", scopes=frozenset({Scope.WATCH}))
    admin = Grant(name="root", scopes=frozenset({Scope.ADMIN}))
    async with serving(scripted({"transcript": WORDS}, hotwords=["Zermatt"])) as hub:
        facts = StoreFacts(hub.hub, hub.reload)
        held = hub.hub.open(Start(), protocol="t", on_messages=lambda: None, on_room=lambda: None, grant=ann)
        id, name = held.session, public_name(held.session)
        held.push(SPEECH)
        await until(hub.hub, lambda state: _has_final(select_utterance(state, id, 1)))
        for grant, by in ((bob, id), (bob, name), (watcher, id), (ann, name)):
            with pytest.raises(Forbidden):
                facts.undo(by, 1, grant)
        assert facts.undo(id, 1, ann).name == name
        with pytest.raises(Conflict):
            facts.undo(name, 1, admin)
        with pytest.raises(NotFound):
            facts.undo(name, 2, admin)
        held.detach()


def _has_final(utterance: Utterance | None) -> bool:
    return utterance is not None and utterance.final is not None


# Promotion.


async def test_an_engine_on_trial_changes_places_with_the_default() -> None:
    config = hub_of(recognition={"shadow": {"provider": "b"}})
    async with (
        running(config, read=lambda: config) as (hub, http),
        Client(hub.stream_url) as routed,
        Client(hub.stream_url, provider="a") as named,
    ):
        first = await speak(routed)
        assert "alpha" in first["hypothesis"]["text"]
        await hub.hub.around.shadowing.settled()
        known = await providers(http)
        assert (known["a"]["is_default"], known["b"]["is_shadow"]) == (True, True)
        (pair,) = known["b"]["comparisons"]
        assert (pair["primary"], pair["utterances"], pair["wer"], pair["words"]) == (
            "a",
            1,
            1.0,
            len(first["hypothesis"]["text"].split()),
        )
        assert known["a"]["score"]["finals"] == 1 and known["b"]["score"] is None

        answer = await http.post("/v1/providers/b/promote")
        assert answer.status_code == 200, answer.text
        assert (answer.json()["name"], answer.json()["is_default"], answer.json()["is_shadow"]) == ("b", True, False)
        assert answer.json()["score"]["promoted_at"]
        known = await providers(http)
        assert (known["a"]["is_default"], known["a"]["is_shadow"]) == (False, True)
        assert (await http.get("/health")).json()["default_provider"] == "b"

        assert "bravo" in (await speak(routed))["hypothesis"]["text"]
        assert "alpha" in (await speak(named))["hypothesis"]["text"]
        async with Client(hub.stream_url) as late:
            assert "bravo" in (await speak(late))["hypothesis"]["text"]

        again = await http.post("/v1/providers/b/promote")
        assert (again.status_code, again.json()["error"]["code"]) == (409, "already-default")
        unknown = await http.post("/v1/providers/nobody/promote")
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown-provider")
        # The configuration counts more.
        assert (await http.post("/v1/config/reload")).json()["applied"] == ["provider", "recognition.shadow"]
        assert (await providers(http))["a"]["is_default"]


async def test_a_session_in_a_language_that_it_does_not_hear_stays_where_it_is() -> None:
    config = hub_of(providers={"a": engine("alpha"), "b": engine("bravo", languages=["de"])})
    async with (
        running(config) as (hub, http),
        Client(hub.stream_url, language="fr") as french,
        Client(hub.stream_url, language="de-CH") as german,
    ):
        assert (await http.post("/v1/providers/b/promote")).status_code == 200
        assert "alpha" in (await speak(french))["hypothesis"]["text"]
        assert "bravo" in (await speak(german))["hypothesis"]["text"]


async def test_one_that_is_not_ready_or_whose_breaker_is_open_is_not_promoted() -> None:
    config = hub_of(
        provider="c",
        providers={"a": engine("alpha"), "b": engine("bravo", faults={"self_test": True}), "c": engine("charlie")},
        recognition={"breaker": {"failures": 1, "open_s": 600, "max_open_s": 600}},
    )
    async with running(config) as (hub, http), Client(hub.stream_url) as client:
        hub.hub.around.failed(A, SessionId(client.session or ""), 1, ProviderError("ill"))
        for name, why in (("b", "not ready"), ("a", "breaker")):
            answer = await http.post(f"/v1/providers/{name}/promote")
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "provider-unavailable")
            assert why in answer.json()["error"]["message"]
        known = await providers(http)
        breaker = known["a"]["breaker"]
        assert (breaker["state"], breaker["last_code"], breaker["openings"]) == ("open", "provider", 1)
        assert breaker["until"] > 1e9 and breaker["reason"]
        assert known["b"]["breaker"] is None and known["c"]["is_default"]


async def test_a_breaker_that_closes_again_is_told_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "asr_hub")
    config = hub_of(recognition={"breaker": {"failures": 1, "open_s": 0.05}})
    async with running(config) as (hub, http), Client(hub.stream_url) as client:
        hub.hub.around.failed(A, SessionId(client.session or ""), 1, ProviderError("ill"))
        await until(hub.hub, lambda state: not select_is_open(state, A))
        breaker = (await providers(http))["a"]["breaker"]
        assert (breaker["state"], breaker["until"], breaker["openings"]) == ("closed", None, 1)
    told = [record.getMessage() for record in caplog.records if record.getMessage().startswith("breaker.")]
    assert told == ["breaker.opened", "breaker.closed"]


# Routes.


async def test_a_language_has_its_engine_and_the_session_says_why() -> None:
    config = hub_of(recognition={"routes": [{"providers": ["b"], "languages": ["zh"]}]})
    async with (
        running(config) as (hub, http),
        Client(hub.stream_url, language="zh-TW") as chinese,
        Client(hub.stream_url, language="de") as german,
        Client(hub.stream_url, language="zh", provider="a") as named,
    ):
        assert "bravo" in (await speak(chinese))["hypothesis"]["text"]
        assert "alpha" in (await speak(german))["hypothesis"]["text"]
        # Who names a provider has it.
        assert "alpha" in (await speak(named))["hypothesis"]["text"]
        (utterance,) = await said(http, chinese)
        assert (utterance["routed"], utterance["provider"]) == ("language zh-TW", "b")
        assert [(await said(http, other))[0]["routed"] for other in (german, named)] == [None, None]


async def test_the_language_that_is_spoken_is_found_out_and_routed_by() -> None:
    config = hub_of(
        providers={"a": engine("alpha", speaks="zh"), "b": engine("bravo")},
        recognition={
            "routes": [{"providers": ["b"], "languages": ["zh"]}],
            "language_id": {"allowed": ["zh", "en"]},
        },
    )
    async with running(config) as (hub, _), Client(hub.stream_url) as client:
        assert "alpha" in (await speak(client))["hypothesis"]["text"]
        assert "bravo" in (await speak(client))["hypothesis"]["text"]
        record = hub.hub.record(SessionId(client.session or ""))
        assert record is not None and (record.language, record.identified) == (None, "zh")


async def test_the_telephone_has_its_engine() -> None:
    config = hub_of(recognition={"routes": [{"providers": ["b"], "max_sample_rate": 8000}]})
    narrow = silence(0.4, rate=8000) + tone(0.8, rate=8000) + silence(0.8, rate=8000)
    async with (
        running(config) as (hub, _),
        Client(hub.stream_url, format={"sample_rate": 8000}) as caller,
        Client(hub.stream_url) as other,
    ):
        assert "bravo" in (await speak(caller, narrow))["hypothesis"]["text"]
        assert "alpha" in (await speak(other))["hypothesis"]["text"]


async def test_who_would_have_to_wait_is_heard_by_another() -> None:
    config = hub_of(
        providers={"a": engine("alpha", max_streams=1), "b": engine("bravo")},
        recognition={"routes": [{"providers": ["b"], "min_waiting": 1}]},
    )
    async with (
        running(config) as (hub, _),
        Client(hub.stream_url) as first,
        Client(hub.stream_url) as second,
        Client(hub.stream_url) as third,
    ):
        # One speaks on, a second one waits for the only slot, and so the third goes elsewhere.
        await first.send(silence(0.4) + tone(0.8))
        await first.wait_for("partial")
        await second.send(SPEECH)
        await second.wait_for("endpoint")
        assert hub.hub.engines.waiting(A) == 1
        assert "bravo" in (await speak(third))["hypothesis"]["text"]
        await first.send(silence(0.8))
        for client in (first, second):
            assert "alpha" in (await client.wait_for("final"))["hypothesis"]["text"]


@pytest.mark.parametrize(("prefer", "heard"), [("order", "alpha"), ("load", "bravo"), ("cost", "bravo")])
async def test_engines_are_preferred_by_order_load_or_cost(prefer: str, heard: str) -> None:
    config = hub_of(
        provider="c",
        providers={
            "a": {**engine("alpha", max_streams=2), "cost": 2.0},
            "b": {**engine("bravo", max_streams=2), "cost": 1.0},
            "c": engine("charlie"),
        },
        recognition={"routes": [{"providers": ["a", "b"], "prefer": prefer}]},
    )
    async with running(config) as (hub, _), Client(hub.stream_url, provider="a") as busy:
        await busy.send(silence(0.4) + tone(0.8))
        await busy.wait_for("partial")
        await until(hub.hub, lambda state: (found := select_provider(state, A)) is not None and found.used == 1)
        async with Client(hub.stream_url) as client:
            assert heard in (await speak(client))["hypothesis"]["text"]


# Scores.


async def test_hedged_finals_are_counted_where_operators_look() -> None:
    config = hub_of(
        providers={"a": engine("alpha", faults={"late_s": 30.0, "late_every": 23}), "b": engine("bravo")},
        recognition={"hedging": {"provider": "b", "share": 1.0, "min_ms": 300}},
    )
    async with running(config) as (hub, http), Client(hub.stream_url) as client:
        short = tone(0.4) + silence(0.7)
        for _ in range(LATENCIES_NEEDED + 1):
            await speak(client, short)
        # The self-test was the first that the engine heard.
        final = await speak(client, short)
        assert "bravo" in final["hypothesis"]["text"]
        known = await providers(http)
        one, other = known["a"]["score"], known["b"]["score"]
        assert (one["hedged"], one["lost"], one["finals"], other["won"]) == (1, 1, LATENCIES_NEEDED + 1, 1)
        assert 0 <= one["p50_ms"] <= one["p95_ms"]
        assert known["a"]["slots_used"] == known["b"]["slots_used"] == 0


async def test_an_engine_that_gave_up_stands_in_the_session() -> None:
    config = hub_of(
        providers={
            "a": {**engine("alpha", faults={"fail_after_ms": 400}), "fallback": "b"},
            "b": engine("bravo"),
            "c": engine("charlie", faults={"fail_after_ms": 400}),
        },
        recognition={"passes": {"accurate": {"providers": ["c"]}}},
    )
    async with running(config) as (hub, http), Client(hub.stream_url) as client:
        await speak(client)
        id = SessionId(client.session or "")
        await until(hub.hub, lambda state: (it := select_utterance(state, id, 1)) is not None and len(it.failures) == 2)
        (utterance,) = await said(http, client)
        assert utterance["provider"] == "b"
        assert [(it["provider"], it["code"]) for it in utterance["failures"]] == [("a", "provider"), ("c", "provider")]


async def test_a_later_look_at_an_utterance_is_a_reading_of_its_own() -> None:
    config = hub_of(recognition={"passes": {"accurate": {"providers": ["b"]}}})
    async with running(config) as (hub, http), Client(hub.stream_url) as client:
        await speak(client)
        await client.wait_for("revision")
        (utterance,) = await said(http, client)
        first, later = utterance["readings"]
        assert [(it["pass_name"], it["provider"]) for it in (first, later)] == [("fast", "a"), ("accurate", "b")]
        assert later["text"] == utterance["text"] and later["revision"] > first["revision"]
