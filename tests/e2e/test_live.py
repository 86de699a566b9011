"""A real hub on loopback, a real WebSocket, the scripted engine: what a client is promised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from tests.client import Client, Message
from tests.hubs import scripted, until, until_empty
from tests.speech import silence, tone

from asr_hub.app import Serving, serving
from asr_hub.config.schema import Config
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.store.slices.sessions import Phase, select_sessions
from asr_hub.store.slices.transcripts import TextSuppressed

pytestmark = pytest.mark.e2e

SPEECH = silence(0.5) + tone(1.0) + silence(1.0)
MORE = tone(0.6, hertz=330) + silence(1.0)


async def speak(client: Client, pcm: bytes, block: int = 3200) -> None:
    for at in range(0, len(pcm), block):
        await client.send(pcm[at : at + block])


async def test_speech_becomes_partials_an_endpoint_and_a_final(hub: Serving) -> None:
    async with Client(hub.stream_url) as client:
        await speak(client, SPEECH)
        final = await client.wait_for("final")
        kinds = [m["type"] for m in client.messages if m["type"] != "audio-ack"]
        assert kinds[0] == "speech-started"
        assert "partial" in kinds
        assert kinds[-2:] == ["endpoint", "final"]
        assert (final["utterance"], final["reason"]) == (1, "silence")
        hypothesis = final["hypothesis"]
        assert hypothesis["is_final"]
        assert hypothesis["stable"] == len(hypothesis["text"]) > 0
        assert 0 <= hypothesis["start"] < hypothesis["end"] <= 2500
        assert hypothesis["provider"] == "scripted"
        starts = [word["start"] for word in hypothesis["words"]]
        assert starts == sorted(starts)


async def test_what_is_heard_does_not_depend_on_how_the_audio_was_cut(hub: Serving) -> None:
    heard = set()
    for block in (2, 640, 3200, 32000, len(SPEECH + MORE)):
        async with Client(hub.stream_url) as client:
            pcm = SPEECH + MORE
            if block == 2:
                pcm_blocks = [pcm[:2], pcm[2:1000], pcm[1000:]]
                for piece in pcm_blocks:
                    await client.send(piece)
            else:
                await speak(client, pcm, block)
            await client.send({"type": "close"})
            await client.wait_for("closed")
            heard.add(tuple((m["hypothesis"]["text"], m["hypothesis"]["start"]) for m in client.of("final")))
    assert len(heard) == 1


async def test_finalize_is_answered_in_the_middle_of_speech(hub: Serving) -> None:
    async with Client(hub.stream_url) as client:
        await client.send(silence(0.5) + tone(1.0))
        await client.send({"type": "finalize"})
        final = await client.wait_for("final")
        assert final["reason"] == "finalize"
        assert final["hypothesis"]["text"]
        endpoint = client.of("endpoint")[0]
        assert (endpoint["utterance"], endpoint["reason"]) == (final["utterance"], "finalize")
        await client.send(MORE)
        second = await client.wait_until(lambda m: m["type"] == "final" and m["utterance"] == 2)
        assert second["hypothesis"]["text"]


async def test_the_end_of_a_session_is_told_again_to_who_lost_it_on_the_way(hub: Serving) -> None:
    async with Client(hub.stream_url) as client:
        await client.send(SPEECH)
        await client.send({"type": "close"})
        await client.wait_for("closed")
    # All of it was written to its socket, which is not the same as that it arrived.
    assert client.session is not None
    async with Client.attaching(hub.stream_url, client.session, seq=1) as again:
        await again.wait_for("closed")
        assert again.finals == client.finals


async def test_finalize_is_answered_where_nothing_was_said(hub: Serving) -> None:
    async with Client(hub.stream_url) as client:
        await client.send({"type": "finalize"})
        final = await client.wait_for("final")
        assert (final["hypothesis"]["text"], final["reason"]) == ("", "finalize")
        await client.send({"type": "finalize"})
        await client.wait_until(lambda m: m["type"] == "final" and m["utterance"] == 2)


async def test_clear_drops_what_is_not_final_and_says_so(hub: Serving) -> None:
    async with Client(hub.stream_url) as client:
        await client.send(silence(0.5) + tone(1.0))
        await client.wait_for("partial")
        await client.send({"type": "clear"})
        endpoint = await client.wait_for("endpoint")
        assert endpoint["reason"] == "clear"
        await speak(client, silence(0.5) + MORE)
        final = await client.wait_for("final")
        assert final["utterance"] == 2
        await client.send({"type": "clear"})
        await client.wait_until(lambda m: m["type"] == "endpoint" and m["utterance"] == 3)
        await client.send({"type": "close"})
        await client.wait_for("closed")
        assert [m["utterance"] for m in client.of("final")] == [2]


async def test_close_gives_the_last_final_before_closed(hub: Serving) -> None:
    async with Client(hub.stream_url) as client:
        await client.send(silence(0.5) + tone(1.0))
        await client.send({"type": "close"})
        closed = await client.wait_for("closed")
        final = client.of("final")[-1]
        assert final["reason"] == "close"
        assert final["seq"] < closed["seq"]
        assert closed["audio_offset"] == 24_000
    assert hub.hub.sessions == 0


async def test_audio_is_acknowledged_by_its_offset(hub: Serving) -> None:
    async with Client(hub.stream_url) as client:
        await speak(client, silence(3.0))
        await client.wait_until(lambda m: m["type"] == "audio-ack" and m["audio_offset"] >= 48_000 - 1600)


async def test_levels_come_when_asked_for_and_no_more_than_four_times_a_second(hub: Serving) -> None:
    async with Client(hub.stream_url, levels=True) as client:
        await speak(client, tone(2.0, level=0.5))
        await client.send({"type": "close"})
        await client.wait_for("closed")
        levels = client.of("levels")
        assert 1 <= len(levels) <= 8
        assert levels[-1]["peak_db"] == pytest.approx(-6.0, abs=0.2)


async def test_partials_can_be_switched_off_and_on(hub: Serving) -> None:
    async with Client(hub.stream_url, partials=False) as client:
        await speak(client, SPEECH)
        await client.wait_for("final")
        assert not client.of("partial")
        await client.send({"type": "configure", "partials": True})
        await speak(client, MORE)
        await client.wait_for("partial")


async def test_a_viewer_sees_what_the_publisher_sees(hub: Serving) -> None:
    async with Client(hub.stream_url) as client, watching(hub, client) as viewer:
        await speak(client, SPEECH)
        await client.send({"type": "close"})
        await client.wait_for("closed")
        await viewer.wait_for("closed")
        assert [(m["seq"], m) for m in viewer.of("final")] == [(m["seq"], m) for m in client.of("final")]


async def test_a_late_viewer_gets_the_history(hub: Serving) -> None:
    async with Client(hub.stream_url) as client:
        await speak(client, SPEECH)
        await client.wait_for("final")
        async with watching(hub, client) as viewer:
            final = await viewer.wait_for("final")
            assert final == client.of("final")[0]


def watching(hub: Serving, client: Client) -> Client:
    return Client.attaching(hub.stream_url, str(client.session), role="viewer")


async def test_a_client_comes_back_and_misses_nothing(hub: Serving) -> None:
    pcm = SPEECH + MORE + SPEECH
    async with Client(hub.stream_url) as whole:
        await speak(whole, pcm)
        await whole.send({"type": "close"})
        await whole.wait_for("closed")
    async with Client(hub.stream_url) as client:
        await client.send(pcm[:40_000])
        await client.cut()
        await client.connect()
        await client.send(pcm[2 * client.audio_offset : 90_000])
        await client.cut()
        await client.connect()
        await client.send(pcm[2 * client.audio_offset :])
        await client.send({"type": "close"})
        await client.wait_for("closed")
        assert client.finals == whole.finals
        assert client.resumes == 2


async def test_a_client_cut_after_close_still_gets_its_last_final(hub: Serving) -> None:
    async with Client(hub.stream_url) as client:
        await client.send(silence(0.5) + tone(1.0))
        await client.send({"type": "close"})
        await client.cut()
        await until_empty(hub.hub)
        await client.connect()
        await client.wait_for("closed")
        assert len(client.of("final")) == 1


async def test_a_session_nobody_comes_back_to_expires() -> None:
    async with serving(scripted(sessions={"resume_window_s": 0.2})) as hub:
        async with Client(hub.stream_url) as client:
            await client.send(silence(0.5))
        await until_empty(hub.hub)
        refusal = await refused(hub, {"type": "attach", "session": client.session})
        assert refusal["code"] == "unknown-session"


async def test_an_idle_session_is_closed_and_told(hub: Serving) -> None:
    async with serving(scripted(sessions={"idle_timeout_s": 0.3})) as idle, Client(idle.stream_url) as client:
        closed = await client.wait_for("closed", seconds=10)
        assert closed["reason"] == "idle"


async def test_one_session_too_many_is_refused_with_a_time_to_come_back() -> None:
    async with serving(scripted(sessions={"max_sessions": 1})) as hub, Client(hub.stream_url):
        refusal = await refused(hub, {"type": "start"})
        assert refusal["code"] == "overloaded"
        assert refusal["retryable"]
        assert refusal["retry_after"] > 0


async def refused(hub: Serving, first: Message) -> Message:
    """The error that answers a connection's first message."""
    client = Client(hub.stream_url)
    return await client.first(first)


async def test_drain_refuses_new_sessions_and_finishes_utterances(hub: Serving) -> None:
    async with Client(hub.stream_url) as client:
        await client.send(silence(0.5) + tone(1.0))
        await client.wait_for("partial")
        drain = asyncio.create_task(hub.hub.drain(10))
        closed = await client.wait_for("closed")
        await drain
        assert closed["reason"] == "shutdown"
        assert len(client.of("final")) == 1
        assert (await refused(hub, {"type": "start"}))["code"] == "draining"


async def test_the_provider_is_swapped_between_utterances() -> None:
    config = scripted()
    providers = {**config.providers, "other": config.providers["scripted"]}
    async with (
        serving(config.model_copy(update={"providers": providers})) as hub,
        Client(hub.stream_url) as client,
    ):
        await speak(client, SPEECH)
        await client.wait_for("final")
        await client.send({"type": "configure", "provider": "other"})
        await speak(client, MORE)
        second = await client.wait_until(lambda m: m["type"] == "final" and m["utterance"] == 2)
        assert [m["hypothesis"]["provider"] for m in client.of("final")] == ["scripted", "other"]
        assert second["hypothesis"]["text"]
        await client.send({"type": "configure", "provider": "nobody"})
        error = await client.wait_for("error")
        assert error["code"] == "unknown-provider"


async def test_health_readiness_and_providers(hub: Serving) -> None:
    async with httpx.AsyncClient(base_url=hub.url) as http, Client(hub.stream_url):
        health = (await http.get("/health")).json()
        assert health["status"] == "ok"
        assert health["sessions"] == 1
        assert (await http.get("/ready")).status_code == 200
        (provider,) = (await http.get("/v1/providers")).json()
        assert (provider["name"], provider["health"], provider["is_default"]) == ("scripted", "ready", True)
        (session,) = (await http.get("/v1/sessions")).json()
        assert session["phase"] == "idle"
        assert "/v1/providers" in (await http.get("/openapi.json")).json()["paths"]
        page = await http.get("/")
        assert page.status_code == 200 and "<title>ASR Hub</title>" in page.text


@pytest.fixture
async def failing() -> AsyncIterator[Serving]:
    async with serving(scripted({"faults": {"start": "no model here"}})) as running:
        yield running


async def test_a_provider_that_does_not_start_is_seen_and_named(failing: Serving) -> None:
    async with httpx.AsyncClient(base_url=failing.url) as http:
        assert (await http.get("/health")).json()["status"] == "degraded"
        assert (await http.get("/ready")).status_code == 503
        (provider,) = (await http.get("/v1/providers")).json()
        assert "no model here" in provider["error"]
    assert (await refused(failing, {"type": "start"}))["code"] == "provider-unavailable"


async def test_an_engine_that_fails_is_given_the_utterance_again_and_then_named() -> None:
    async with (
        serving(scripted({"faults": {"fail_after_ms": 400}})) as hub,
        Client(hub.stream_url) as client,
    ):
        await speak(client, SPEECH)
        final = await client.wait_for("final")
        error = client.of("error")[0]
        assert error["scope"] == "session"
        assert error["code"] == "provider"
        assert final["hypothesis"]["text"] == ""
        phases = {record.phase for record in hub.hub.records()}
        assert phases == {Phase.LISTENING}


async def test_a_wake_word_lets_the_rest_of_the_utterance_through() -> None:
    # The scripted engine says one word per 200 ms of the session: the third block is the wake word.
    words = ["noise", "noise", "noise", "computer", "turn", "on", "the", "light"]
    config = Config.model_validate(
        {
            **scripted({"transcript": words}).model_dump(),
            "wake_word": {"provider": "scripted", "phrases": ["computer"], "timeout_s": 2.0},
        }
    )
    async with serving(config) as hub, Client(hub.stream_url) as client:
        await speak(client, silence(0.4) + tone(1.4) + silence(1.0))
        await client.wait_for("wake-word")
        final = await client.wait_for("final")
        assert "computer" not in final["hypothesis"]["text"]
        assert "light" in final["hypothesis"]["text"]
        assert client.of("wake-word")[0]["phrase"] == "computer"
        await speak(client, silence(4.0))
        await until(hub.hub, lambda state: all(s.phase is Phase.ARMED for s in select_sessions(state)))


async def test_without_the_wake_word_nothing_is_heard_when_the_session_closes_either() -> None:
    config = Config.model_validate(
        {**scripted().model_dump(), "wake_word": {"provider": "scripted", "phrases": ["computer"]}}
    )
    async with serving(config) as hub, Client(hub.stream_url) as client:
        await speak(client, silence(0.4) + tone(1.4))
        await client.send({"type": "close"})
        await client.wait_for("closed")
        assert not [final for final in client.of("final") if final["hypothesis"]["text"]]


@pytest.mark.engine
async def test_a_hotword_nobody_can_pronounce_is_told_and_the_others_help() -> None:
    config = Config.model_validate(
        {"provider": "sphinx", "providers": {"sphinx": {"kind": "pocketsphinx"}}, "server": {"port": 0}}
    )
    pcm = packaged_clip("self_test").pcm
    async with serving(config) as hub, Client(hub.stream_url, hotwords=["xqzzt", "meters"]) as client:
        await speak(client, pcm + silence(1.0))
        warning = await client.wait_for("warning")
        assert "xqzzt" in warning["message"]
        final = await client.wait_for("final")
        assert final["hypothesis"]["text"] == "go forward ten meters"


@pytest.mark.engine
async def test_a_command_that_is_none_gives_no_text_and_says_why() -> None:
    settings = {"phrases": ["stop the music", "turn on the light"]}
    config = Config.model_validate(
        {
            "provider": "sphinx",
            "providers": {"sphinx": {"kind": "pocketsphinx", "settings": settings}},
            "server": {"port": 0},
        }
    )
    async with serving(config) as hub, Client(hub.stream_url) as client:
        await speak(client, packaged_clip("self_test").pcm + silence(1.0))
        final = await client.wait_for("final")
        assert final["hypothesis"]["text"] == ""
        (fact,) = [e.event for e in hub.hub.store.journal.entries() if isinstance(e.event, TextSuppressed)]
        assert fact.text in settings["phrases"]
        assert "confidence" in fact.reason
