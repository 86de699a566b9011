"""Later passes, corrections, speakers, hotwords and phantoms through a real hub, as a WebSocket client is told them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.client import Client, Message
from tests.correction.language_model import Fault, running
from tests.hubs import scripted
from tests.speech import noise, silence, tone

from asr_hub.app import Serving, serving
from asr_hub.config.schema import Config
from asr_hub.errors import ConfigError
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.providers.registry import available
from asr_hub.store.slices.transcripts import HotwordsMatched, PassFailed, TextSuppressed

pytestmark = pytest.mark.e2e

MODELS = Path(__file__).parents[1] / "models"
SPEECH = silence(0.4) + tone(1.0) + silence(0.9)


def two_passes(*, budget_s: float = 20.0, **faults: Any) -> Config:
    """Each pass says a word over and over."""
    return scripted(
        providers={
            "scripted": {"kind": "scripted", "settings": {"transcript": ["fast"]}},
            "slow": {"kind": "scripted", "settings": {"transcript": ["slow"], "faults": faults}},
        },
        recognition={"passes": {"accurate": {"providers": ["slow"], "budget_s": budget_s}}},
    )


def corrected(url: str, **settings: Any) -> Config:
    return scripted(
        {"transcript": ["meat", "me", "at", "noon"]},
        recognition={"passes": {"corrected": {"base_url": url, "model": "tiny", "max_edit_share": 0.5, **settings}}},
    )


def facts(hub: Serving, *types: type[Any]) -> list[Any]:
    return [entry.event for entry in hub.hub.store.journal.entries() if isinstance(entry.event, types)]


@asynccontextmanager
async def talking(hub: Serving, **start: Any) -> AsyncIterator[Client]:
    """A client, whose session is closed at the end; what it was told stays."""
    async with Client(hub.stream_url, **start) as client:
        yield client
        await client.send({"type": "close"})
        await client.wait_for("closed")


def said(messages: list[Message]) -> list[tuple[int, str, str]]:
    """Who read what, word by word where it is said over and over, of these finals and revisions."""
    return [
        (m["utterance"], m["hypothesis"].get("pass", "fast"), " ".join(dict.fromkeys(m["hypothesis"]["text"].split())))
        for m in messages
    ]


async def test_the_second_reading_comes_as_a_revision_and_finals_wait_for_it_for_those_who_ask() -> None:
    async with serving(two_passes()) as hub, talking(hub) as client:
        await client.send(SPEECH)
        revision = await client.wait_for("revision")
        assert revision["hypothesis"]["provider"] == "slow" and revision["latency_ms"] >= 0
        await client.send({"type": "configure", "wait_for": "accurate"})
        await client.send(SPEECH)
        await client.wait_until(lambda m: m["type"] == "final" and m["utterance"] == 2)
    assert said(client.of("final", "revision")) == [
        (1, "fast", "fast"),
        (1, "accurate", "slow"),
        (2, "accurate", "slow"),
    ]
    shown = [m["hypothesis"]["text"] for m in client.of("partial") if m["utterance"] == 2]
    assert shown and set(" ".join(shown).split()) == {"fast"}
    assert not client.of("error", "warning")


async def test_a_session_may_wait_for_the_second_reading_from_its_start() -> None:
    async with serving(two_passes()) as hub, talking(hub, wait_for="accurate", partials=False) as client:
        await client.send(SPEECH)
        await client.wait_for("final")
    assert said(client.of("final", "revision")) == [(1, "accurate", "slow")] and not client.of("partial")


async def test_a_second_reading_that_is_late_is_not_waited_for_any_longer() -> None:
    async with serving(two_passes(budget_s=0.1, hang_after_ms=400)) as hub:
        async with talking(hub, wait_for="accurate") as client:
            await client.send(SPEECH)
            await client.wait_for("final")
        assert said(client.of("final", "revision")) == [(1, "fast", "fast")]
        assert [(fact.code, fact.provider) for fact in facts(hub, PassFailed)] == [("pass-late", "slow")]
        assert not client.of("error")


async def test_a_language_model_corrects_a_final_and_is_named() -> None:
    async with (
        running(lambda text: text.replace("meat", "meet").capitalize() + ".") as model,
        serving(corrected(model.url)) as hub,
        talking(hub) as client,
    ):
        await client.send(SPEECH)
        final, revision = await client.wait_for("final"), await client.wait_for("revision")
    assert "meat" in final["hypothesis"]["text"]
    told = revision["hypothesis"]
    assert (told["pass"], told["provider"]) == ("corrected", "tiny")
    assert told["text"] == final["hypothesis"]["text"].replace("meat", "meet").capitalize() + "."


OBEDIENT = "Sure! Here is a poem about the sea and the stars that shine upon it every single night."


@pytest.mark.parametrize(
    ("answer", "fault", "code"),
    [
        (OBEDIENT, None, "pass-refused"),
        ("", Fault.NO_JSON, "correction"),
        ("", 500, "correction"),
        ("", Fault.SILENT, ""),
    ],
)
async def test_a_language_model_that_obeys_fails_or_is_silent_leaves_the_final(
    answer: str, fault: Fault | int | None, code: str
) -> None:
    async with running(lambda _: answer) as model:
        model.fault = fault
        budget_s = 0.3 if fault is Fault.SILENT else 20.0
        async with serving(corrected(model.url, budget_s=budget_s)) as hub:
            async with talking(hub) as client:
                await client.send(SPEECH)
                final = await client.wait_for("final")
            (failed,) = facts(hub, PassFailed)
            assert failed.code == code or (not code and failed.code in ("correction", "pass-late"))
            assert failed.pass_ == "corrected" and failed.message
            assert final["hypothesis"]["text"] not in failed.message
    assert not client.of("revision", "error")


async def test_a_local_hub_refuses_a_language_model_elsewhere() -> None:
    config = corrected("https://models.example.org/v1").model_copy(update={"policy": "local"})
    with pytest.raises(ConfigError, match="outside this machine"):
        async with serving(config):
            pass


async def test_a_key_that_is_not_there_is_told_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASR_HUB_TEST_KEY", raising=False)
    with pytest.raises(ConfigError, match="ASR_HUB_TEST_KEY"):
        async with serving(corrected("http://127.0.0.1:9/v1", api_key_env="ASR_HUB_TEST_KEY")):
            pass


async def test_what_a_model_makes_up_in_noise_is_an_empty_final_and_a_fact() -> None:
    made_up = {"transcript": ["thanks", "for", "watching"], "faults": {"invents": True}}
    async with serving(scripted(made_up, audio={"vad": "off"})) as hub, talking(hub) as client:
        await client.send(noise(1.5))
        await client.send({"type": "finalize"})
        await client.wait_for("final")
        (fact,) = facts(hub, TextSuppressed)
        assert "thanks for watching" in fact.text and fact.reason and fact.hypothesis.text == fact.text
    assert client.finals == [""] and not client.of("error")


async def test_a_hotword_is_written_for_an_engine_that_knows_none_and_the_client_is_told_so() -> None:
    heard = {"transcript": ["the", "zer", "mat"]}
    async with serving(scripted(heard)) as hub, talking(hub, hotwords=["Zermatt"], language="en") as client:
        await client.send(SPEECH)
        await client.wait_for("final")
        (fact,) = facts(hub, HotwordsMatched)
        assert "zer mat" in fact.before.text
    assert "Zermatt" in client.finals[0] and "zer mat" not in client.finals[0]
    (warning,) = client.of("warning")
    assert "knows no hotwords" in warning["message"] and "not used" not in warning["message"]


TALK = MODELS / "tiny-speaker" / "talk.flac"


def with_speakers() -> Config:
    if not (able := available("sherpa-onnx")).ok:
        pytest.skip(f"{able.reason}: {able.remedy}")
    return scripted(recognition={"speakers": {"model": str(TALK.parent), "threshold": 0.4}})


@pytest.mark.engine
async def test_two_who_take_turns_are_told_apart_and_each_keeps_the_number_of_the_first_turn() -> None:
    from tests.providers.sherpa.talk import talk

    async with serving(with_speakers()) as hub, talking(hub) as client:
        for number, turn in enumerate(talk(), 1):
            await client.send(turn.pcm)
            await client.send({"type": "finalize"})
            await client.wait_until(lambda m, number=number: m["type"] == "final" and m["utterance"] >= number)
    names: dict[int, str] = {}
    for m in client.of("final", "revision"):
        if m["hypothesis"]["text"] and m["hypothesis"].get("speaker"):
            names[m["utterance"]] = m["hypothesis"]["speaker"]
    assert list(names.values()) == ["1", "2", "1", "2", "2", "1"]


@pytest.mark.engine
async def test_an_utterance_that_is_cleared_in_its_middle_does_not_keep_the_session_from_its_end() -> None:
    async with serving(with_speakers()) as hub, talking(hub) as client:
        await client.send(silence(0.4) + tone(1.0))
        await client.wait_for("partial")
        await client.send({"type": "clear"})
        await client.wait_for("endpoint")
    assert not client.of("final", "error")


@pytest.mark.engine
async def test_a_real_engine_is_revised_by_a_better_one() -> None:
    if not (able := available("faster-whisper")).ok:
        pytest.skip(f"{able.reason}: {able.remedy}")
    clip = packaged_clip("self_test")
    config = Config.model_validate(
        {
            "provider": "sphinx",
            "providers": {
                "sphinx": {"kind": "pocketsphinx"},
                "whisper": {"kind": "faster-whisper", "settings": {"model": str(MODELS / "tiny-whisper")}},
            },
            "server": {"port": 0},
            "recognition": {"passes": {"accurate": {"providers": ["whisper"], "budget_s": 60}}},
        }
    )
    async with serving(config) as hub, talking(hub) as client:
        await client.send(clip.pcm + silence(1.0))
        final, revision = await client.wait_for("final"), await client.wait_for("revision")
    assert final["hypothesis"]["provider"] == "sphinx"
    told = revision["hypothesis"]
    assert (told["text"], told["provider"], told["pass"]) == (clip.text, "whisper", "accurate")
